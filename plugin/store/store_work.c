/* The store's thread: rounds of jobs, and the pauses between them.
 *
 * A round runs the table of jobs once. Each job opens short transactions of its own and does a part
 * of what is due, so that none holds up the others. Between two rounds the thread sleeps: until it
 * is woken when nothing is left, and for some milliseconds otherwise, so that uplinks share a
 * transaction and an operator's shell finds the catalog free. After an error it waits longer, and
 * the same work is tried again: what is not committed is still in the spool.
 *
 * When the store stops, the uplinks that are left are applied for some seconds; the rest stays in
 * the spool for the next start. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "store/audit.h"

/* A transaction costs more than a few uplinks, so uplinks wait for each other: for 1, 2, 4 and so
 * on milliseconds, up to this. */
#define COALESCE_MS 10
#define APART_MS 20 /* after a pause of so long, an uplink does not wait for others */
/* after its first write was seen, a commit is looked for after 1, 2, 4 and so on milliseconds, up
 * to this */
#define LOOK_MOST_MS 64
/* while work is always left, operators get a turn so often, and for so long: SQLite's shell tries
 * again every 100 ms (sqliteDefaultBusyCallback) */
#define TURN_EVERY_MS 1000
#define TURN_MS 110
/* how often an idle store looks for what nothing wakes it for: at first, and, where commits wake
 * it, after there was nothing to do for QUIET_AFTER_MS */
#define IDLE_MS 100
#define QUIET_MS 500
#define QUIET_AFTER_MS 10000
#define RETRY_MS 50  /* after an error */
#define STOP_MS 5000 /* for what is left when the broker stops */
#define FORGET_ROWS 2000

/* Runs one of the small jobs, which writes `what`, in a transaction of its own. Where an operator's
 * trigger ends that, the job is passed over: it would end so each time, and the jobs behind it
 * wait. */
static enum fw_status in_transaction(struct fw_store *store, const char *what,
	enum fw_status (*job)(struct fw_store *store, bool *left), bool *left)
{
	struct fw_transaction *transaction = &store->transaction;
	enum fw_status status = fw_transaction_begin(transaction);
	bool ended;

	if (status != FW_OK)
		return status;
	status = job(store, left);
	ended = fw_transaction_was_ended(transaction, status);
	status = fw_transaction_end(transaction, status, 0);
	if (!ended)
		return status;
	*left = false;
	fw_transaction_log_passed_over(transaction, what, transaction->error.text);
	return FW_OK;
}

static enum fw_status forget_some_presence(struct fw_store *store, bool *left)
{
	return fw_device_presence_forget(store->presence, FORGET_ROWS, left);
}

/* Other jobs report a catalog that cannot be read, such as one without a table. */
static enum fw_status audit_catalog(struct fw_store *store, bool *left)
{
	enum fw_status status = fw_audit(&store->transaction);

	*left = false;
	return status == FW_NOMEM ? status : FW_OK;
}

static enum fw_status begin_all_absences(struct fw_store *store, bool *left)
{
	*left = false;
	return fw_rollouts_begin_absences(store->rollouts);
}

/* The first transactions after a start: presence is unknown. */
static enum fw_status forget_presence(struct fw_store *store, bool *left)
{
	enum fw_status status;

	if (store->presence_forgotten)
		return FW_OK;
	status = in_transaction(
		store, "that the presence of devices is unknown", forget_some_presence, left);
	store->presence_forgotten = status == FW_OK && !*left;
	return status;
}

static enum fw_status begin_absences(struct fw_store *store, bool *left)
{
	enum fw_status status;

	if (store->absences_begun)
		return FW_OK;
	status = in_transaction(store, "since when devices are away", begin_all_absences, left);
	store->absences_begun = status == FW_OK;
	return status;
}

/* Segments that an earlier run applied and did not delete: with `sync full` its log may be unsynced
 * until this run's first commit. The jobs before this one have committed. */
static enum fw_status release_spool(struct fw_store *store, bool *left)
{
	(void)left;
	if (!store->committed_once)
		fw_spool_release(store->spool, fw_store_applied(store));
	store->committed_once = true;
	return FW_OK;
}

static enum fw_status audit_once(struct fw_store *store, bool *left)
{
	(void)left;
	if (!store->audited)
		store->audited =
			in_transaction(store, "the audit", audit_catalog, &(bool){false}) == FW_OK;
	return FW_OK;
}

static enum fw_status ingest(struct fw_store *store, bool *left)
{
	return fw_ingest_work(&store->ingest, left);
}

static enum fw_status ask_presence(struct fw_store *store, bool *left)
{
	return fw_device_presence_work(store->presence, store->presence_queue, left);
}

static enum fw_status schedule(struct fw_store *store, bool *left)
{
	return fw_scheduler_work(store->scheduler, left);
}

static enum fw_status publish_tasks(struct fw_store *store, bool *left)
{
	return fw_task_status_work(store->status, left);
}

/* Firmware that became ready may be pushed. */
static enum fw_status verify_files(struct fw_store *store, bool *left)
{
	enum fw_status status = fw_firmware_files_work(store->files, left);

	if (*left)
		fw_scheduler_changed(store->scheduler);
	return status;
}

static enum fw_status prune_logs(struct fw_store *store, bool *left)
{
	return fw_retention_work(&store->retention, left);
}

/* The jobs of a round, in their order. A timeout depends on presence, so uplinks and
 * presence come before the scheduler. *left: some of the job is left. */
static const struct job {
	const char *name; /* what operators read when it fails */
	enum fw_status (*run)(struct fw_store *store, bool *left);
	bool first; /* the jobs behind it wait until nothing of it is left */
	bool busy;  /* what is left of it does not wait for further uplinks */
} jobs[] = {
	{.name = "presence of the last run", .run = forget_presence, .first = true},
	{.name = "absences", .run = begin_absences, .first = true},
	{.name = "spool of the last run", .run = release_spool},
	{.name = "audit", .run = audit_once},
	{.name = "uplinks and presence", .run = ingest},
	{.name = "presence of all devices", .run = ask_presence},
	{.name = "starts and timeouts", .run = schedule, .busy = true},
	{.name = "state of tasks", .run = publish_tasks},
	{.name = "firmware files", .run = verify_files},
	{.name = "old log rows", .run = prune_logs, .busy = true},
};

static enum fw_status run_jobs(struct fw_store *store, bool *more)
{
	bool busy = false;

	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		bool left = false;
		enum fw_status status = jobs[i].run(store, &left);

		*more |= left;
		busy |= left && jobs[i].busy;
		store->job = jobs[i].name;
		if (status != FW_OK || (left && jobs[i].first))
			return status;
	}
	store->busy = busy;
	return FW_OK;
}

/* Sets the counters of what waits in the spool. */
static void count_spooled(struct fw_store *store)
{
	fw_count_set(store->config.counters, FW_COUNT_SPOOL_BYTES, fw_spool_bytes(store->spool));
	fw_count_set(store->config.counters, FW_COUNT_SPOOL_OLDEST,
		(uint64_t)fw_ingest_oldest(&store->ingest));
}

/* Up to which uplink the catalog's log is synced: not what an earlier run applied, before this
 * one's first commit. */
static uint64_t safely_applied(const struct fw_store *store)
{
	return store->committed_once ? fw_store_applied(store) : 0;
}

/* An error is logged as one of the catalog: to operators the spool is a part of it. */
static enum fw_status make_safe(struct fw_store *store)
{
	enum fw_status status = fw_durability_check(&store->durability, safely_applied(store));

	if (status != FW_OK)
		snprintf(store->transaction.error.text, sizeof(store->transaction.error.text),
			"the spool cannot be synced: %s", strerror(errno));
	return status;
}

enum fw_status fw_store_work(struct fw_store *store, bool *more)
{
	enum fw_status status = FW_OK, safe;

	*more = false;
	fw_health_check(&store->health);
	fw_firmware_files_guard(store->files);
	safe = make_safe(store);
	if (!store->health.lost)
		status = run_jobs(store, more);
	count_spooled(store);
	if (status == FW_OK && safe != FW_OK) {
		store->job = "sync";
		status = safe;
	}
	fw_health_note_damage(&store->health, fw_spool_damage(store->spool));
	return status;
}

/* How long to sleep, with nothing to do: until the scheduler's next time, at most `most`. */
static int64_t idle_ms(const struct fw_store *store, int64_t most)
{
	int64_t due =
		fw_scheduler_next_due(store->scheduler) - fw_clock_now(&store->transaction.clock);

	return due > 0 && due < most ? due : most;
}

/* Sleeps for `ms`; when `wakeable`, until there is something to do, if that comes first. False when
 * the store is to stop. */
static bool sleep_until_work(struct fw_store *store, int64_t ms, bool wakeable)
{
	struct timespec until = fw_after_ms(ms);
	int waited = 0;
	bool stop;

	pthread_mutex_lock(&store->lock);
	atomic_store(&store->sleeping, wakeable);
	while (!store->stop && waited != ETIMEDOUT &&
		!(wakeable && (store->log_written || fw_ingest_waits(&store->ingest))))
		waited = pthread_cond_timedwait(&store->wake, &store->lock, &until);
	atomic_store(&store->sleeping, false);
	if (store->log_written)
		store->look_ms = 1;
	if (store->log_written || waited != ETIMEDOUT || !wakeable)
		store->active_ms = fw_boot_ms();
	store->log_written = false;
	stop = store->stop;
	pthread_mutex_unlock(&store->lock);
	return !stop;
}

/* The closer uplinks follow each other, the longer they wait for each other. */
static void wait_longer(struct fw_store *store)
{
	store->waited_ms = store->waited_ms ? store->waited_ms * 2 : 1;
	if (store->waited_ms > COALESCE_MS)
		store->waited_ms = COALESCE_MS;
}

/* Uplinks came while the store was idle. The first one is applied at once: a device that showed
 * itself may sleep again soon. */
static void await_others(struct fw_store *store)
{
	struct timespec pause = {0, 0};

	if (fw_boot_ms() - store->woken_ms > APART_MS)
		store->waited_ms = 0;
	else
		wait_longer(store);
	pause.tv_nsec = (long)store->waited_ms * 1000000;
	if (store->waited_ms)
		nanosleep(&pause, NULL);
	store->woken_ms = fw_boot_ms();
}

/* How long to sleep until the next look for an operator's commit. The watch stays armed through
 * rounds that find nothing, so that it misses no commit between two of them. */
static int64_t look_ms(struct fw_store *store)
{
	bool quiet = fw_boot_ms() - store->active_ms >= QUIET_AFTER_MS;
	int64_t ms = store->look_ms;

	if (!ms)
		return idle_ms(store, fw_log_watch_arm(store->watch) && quiet ? QUIET_MS : IDLE_MS);
	store->look_ms = ms < LOOK_MOST_MS ? ms * 2 : 0;
	return idle_ms(store, ms);
}

static bool idle(struct fw_store *store)
{
	bool go_on = sleep_until_work(store, look_ms(store), true);

	if (go_on && fw_ingest_waits(&store->ingest)) {
		fw_log_watch_disarm(store->watch);
		await_others(store);
	}
	store->next_turn = fw_boot_ms() + TURN_EVERY_MS;
	return go_on;
}

/* The watch's thread. */
static void note_written(void *context)
{
	struct fw_store *store = context;

	pthread_mutex_lock(&store->lock);
	store->log_written = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
}

/* Sleeps for `ms`, whatever comes. In between only what must become safe is synced. */
static bool pause_work(struct fw_store *store, int64_t ms)
{
	bool go_on = true;

	while (go_on && ms > 0) {
		int64_t part = fw_durability_sleep_ms(&store->durability, ms);

		go_on = sleep_until_work(store, part, false);
		ms -= part;
		if (ms > 0)
			make_safe(store); /* the next round logs its error */
	}
	return go_on;
}

/* Work remains. A few uplinks wait to share the next transaction; those that a device sends in one
 * go, as it connects, wait for a moment only. */
static bool coalesce(struct fw_store *store)
{
	if (!store->busy && fw_boot_ms() >= store->next_turn) {
		store->next_turn = fw_boot_ms() + TURN_EVERY_MS;
		return pause_work(store, TURN_MS);
	}
	wait_longer(store);
	/* not 0: an operator must find the catalog free now and then */
	return pause_work(
		store, store->busy || fw_ingest_crowded(&store->ingest) ? 1 : store->waited_ms);
}

/* The last work before the thread ends: applies uplinks for at most STOP_MS. */
static void finish_work(struct fw_store *store)
{
	int64_t until = fw_boot_ms() + STOP_MS;
	bool more;

	fw_health_check_catalog(&store->health);
	more = !store->health.lost;
	while (more && fw_boot_ms() < until) {
		struct timespec pause = {0, RETRY_MS * 1000000L};

		more = false;
		if (fw_ingest_work(&store->ingest, &more) != FW_OK) {
			more = true;
			nanosleep(&pause, NULL);
		}
	}
	/* while the catalog is locked, the last seconds of downloads may be lost */
	if (!store->health.lost)
		fw_firmware_files_flush(store->files);
	fw_durability_flush(&store->durability, safely_applied(store));
	if (fw_spool_last(store->spool) > fw_store_applied(store))
		fw_transaction_log(&store->transaction, FW_LOG_NOTICE,
			"stopping with uplinks in the spool; they are applied at the next start");
}

void *fw_store_run(void *argument)
{
	struct fw_store *store = argument;
	bool go_on = true;

	/* where it fails, commits are found by polling, every IDLE_MS */
	fw_log_watch_open(store->config.options->db_file, note_written, store, &store->watch);
	while (go_on) {
		bool more;
		enum fw_status status = fw_store_work(store, &more);

		fw_health_note(&store->health, status, store->job);
		fw_spool_suspect(store->spool, status == FW_IO || status == FW_FULL);
		if (status != FW_OK)
			go_on = pause_work(store, RETRY_MS);
		else if (more)
			go_on = coalesce(store);
		else
			go_on = idle(store);
	}
	fw_log_watch_close(store->watch);
	finish_work(store);
	return NULL;
}
