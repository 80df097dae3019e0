/* When what was acknowledged is made safe against loss of power (option sync). Store thread. */
#ifndef FW_STORE_DURABILITY_H
#define FW_STORE_DURABILITY_H

#include "base/options.h"
#include "spool/spool.h"

/* Start from zero, with the first three set. */
struct fw_durability {
	struct fw_spool *spool; /* borrowed */
	bool full;              /* false: nothing waits for the disk here */
	int64_t interval_ms;    /* for how long an acknowledged uplink may be unsafe */
	uint64_t synced;        /* the spool is synced up to this sequence */
	uint64_t seen;          /* the last sequence appended at the last look */
	int64_t looked_ms;      /* boot ms of the last look */
};

/* How long the thread may sleep until the next look, where it wants to sleep `ms`. */
int64_t fw_durability_sleep_ms(const struct fw_durability *durability, int64_t ms);

/* A look: syncs the spool if an uplink above `applied`, which is in the catalog's synced log, has
 * waited for most of the interval. FW_OK or FW_IO. */
enum fw_status fw_durability_check(struct fw_durability *durability, uint64_t applied);

/* Syncs the spool, if an uplink above `applied` is in it that is not safe. FW_OK or FW_IO. */
enum fw_status fw_durability_flush(struct fw_durability *durability, uint64_t applied);

#endif
