/* Brings uplinks and presence events into the catalog, in the order in which they happened, many in
 * a transaction. For the store's own files; store thread only, unless said otherwise. */
#ifndef FW_STORE_INGEST_H
#define FW_STORE_INGEST_H

#include <stdatomic.h>

#include "spool/spool.h"
#include "store/apply.h"
#include "store/device_presence.h"
#include "store/health.h"
#include "store/presence_queue.h"

/* Room in the outbox for what follows from one uplink or event, which is nearly always less. A
 * report may move three times FW_TASK_DEVICE_ROWS_MAX rows: what is beyond this room takes of
 * FW_OUTBOX_RESERVE. */
#define FW_MESSAGES_OF_UPLINK 80u

/* The owner sets the borrowed members and `applied`, the rest to 0. */
struct fw_ingest {
	struct fw_transaction *transaction; /* borrowed, like the next six */
	struct fw_apply *apply;
	struct fw_device_presence *presence;
	struct fw_scheduler *scheduler;
	struct fw_health *health;
	struct fw_spool *spool;
	struct fw_presence_queue *queue;
	/* any thread: the sequence up to which the spool is in the catalog */
	atomic_uint_fast64_t applied;
	/* uplinks left out, as the catalog's rules refuse them or they are damaged: in the batches
	 * that are committed, and in the open one */
	uint64_t rejected, rejecting;
	/* boot ms: until then each uplink has a savepoint of its own */
	int64_t savepoints_until;
	int64_t next_rejected_line; /* boot ms */
	/* the sequence of an uplink by which an operator's trigger ends the whole transaction; 0:
	 * none */
	uint64_t poison_sequence;
	uint64_t poison_event;    /* the number of such a presence event; 0: none */
	int64_t oldest_at;        /* Unix ms: when the next record came; 0: there is none */
	int64_t next_oldest_look; /* boot ms */
	/* when the record of this sequence is applied, all that devices said until watermark_ms
	 * (steady) is in the catalog */
	uint64_t watermark_sequence;
	int64_t watermark_ms;
};

/* Is there anything to apply? */
bool fw_ingest_waits(const struct fw_ingest *ingest);

/* Are there more uplinks than one transaction takes? */
bool fw_ingest_crowded(const struct fw_ingest *ingest);

/* Unix ms when the oldest uplink came that is not in the catalog, at most a second out of date; 0
 * when there is none. Outside of a batch: it moves the spool's cursor. */
int64_t fw_ingest_oldest(struct fw_ingest *ingest);

/* One transaction, if there is anything to apply; advances the transaction's heard_until_ms. Sets
 * *more when there is more to do at once. FW_OK, or the error for which it was rolled back: to be
 * tried again later. */
enum fw_status fw_ingest_work(struct fw_ingest *ingest, bool *more);

#endif
