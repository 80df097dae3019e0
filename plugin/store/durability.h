/* When what was acknowledged is made safe against loss of power (option sync). Store thread. */
#ifndef FW_STORE_DURABILITY_H
#define FW_STORE_DURABILITY_H

#include "base/options.h"
#include "spool/spool.h"

/* Start from zero, with the first three set. */
struct fw_durability {
	struct fw_spool *spool; /* borrowed */
	bool full;              /* false: nothing waits for the disk here */
	int64_t interval_ms;    /* at most so long an uplink is acknowledged and not safe */
	uint64_t synced;        /* up to this sequence the spool is safe */
	uint64_t seen;          /* what was appended at the last look */
	int64_t looked_ms;      /* boot ms of that */
};

/* How long the thread may sleep until the next look, of `ms` that it wants to. */
int64_t fw_durability_part(const struct fw_durability *durability, int64_t ms);

/* A look: syncs the spool if an uplink above `applied`, which is in the catalog's synced log, has
 * waited for most of the interval. FW_OK or FW_IO. */
enum fw_status fw_durability_look(struct fw_durability *durability, uint64_t applied);

/* Syncs whatever is not safe. */
enum fw_status fw_durability_flush(struct fw_durability *durability, uint64_t applied);

#endif
