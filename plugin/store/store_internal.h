/* The store as its own files see it. For the files store.c and store_*.c only.
 *
 *   store.c        start, stop and close; and what other threads may call
 *   store_open.c   opens the catalog, the parts that work on it, and the spool
 *   store_work.c   the thread: rounds of jobs, and the pauses between them */
#ifndef FW_STORE_STORE_INTERNAL_H
#define FW_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog/log_watch.h"
#include "store/apply.h"
#include "store/device_presence.h"
#include "store/durability.h"
#include "store/firmware_files.h"
#include "store/health.h"
#include "store/history.h"
#include "store/ingest.h"
#include "store/presence_queue.h"
#include "store/retention.h"
#include "store/scheduler.h"
#include "store/store.h"
#include "store/task_status.h"
#include "store/transaction.h"

struct fw_store {
	struct fw_store_config config;
	struct fw_store_context context;
	struct fw_transaction transaction;
	struct fw_task_events *events;
	struct fw_places *places;
	struct fw_task_status *status;
	struct fw_rollouts *rollouts;
	struct fw_task_devices *rows;
	struct fw_scheduler *scheduler;
	struct fw_history *history;
	struct fw_label_check *labels;
	struct fw_apply *apply;
	struct fw_devices *devices;
	struct fw_device_presence *presence;
	struct fw_firmware_files *files;
	struct fw_ingest ingest;
	struct fw_spool *spool;
	char *spool_prefix; /* of the spool's files: beside the catalog */
	/* the last number in a spool whose catalog was missing; 0: there was none */
	uint64_t quarantined;
	struct fw_presence_queue *presence_queue;
	int lock_fd; /* -1: not open */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop;
	atomic_bool sleeping; /* set under the lock, read without it */
	bool log_written;     /* another process may be about to commit */

	/* the store thread's own */
	struct fw_health health;
	struct fw_durability durability;
	/* jobs that are done once after the start */
	bool presence_forgotten, absences_begun, audited;
	bool committed_once; /* this run has committed, so what an earlier one applied is synced */
	const char *job;     /* the name of the last that ran: after an error the one that failed */
	bool busy;           /* work is left that does not wait for further uplinks */
	int64_t next_turn;   /* boot ms: when operators get their next turn */
	struct fw_log_watch *watch; /* NULL: there is none, so poll */
	int64_t active_ms;          /* boot ms: when there was something to do last */
	int64_t look_ms;   /* after so long look for a commit whose write was seen; 0: none */
	int64_t woken_ms;  /* boot ms: when uplinks woke the thread last */
	int64_t waited_ms; /* how long it then waited for others */
	struct fw_retention retention;
};

/* One round of jobs. *more: there is more to do at once. FW_OK, or the error that rolled the last
 * transaction back, of the job store->job: to be tried again later. */
enum fw_status fw_store_work(struct fw_store *store, bool *more);

/* The store's thread: works until fw_store_stop, then applies what is left for some seconds.
 * `argument` is the store. NULL. */
void *fw_store_run(void *argument);

#endif
