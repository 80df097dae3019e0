#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "catalog/db.h"
#include "catalog/lock.h"
#include "catalog/schema.h"
#include "catalog/vfs.h"
#include "files/folder.h"
#include "store/apply.h"
#include "store/audit.h"
#include "store/device_presence.h"
#include "store/firmware_files.h"
#include "store/health.h"
#include "store/history.h"
#include "store/ingest.h"
#include "store/presence_queue.h"
#include "store/retention.h"
#include "store/scheduler.h"
#include "store/transaction.h"

/* uplinks that come together are applied together: a transaction costs more than a few uplinks */
#define COALESCE_MS 10
#define TURN_EVERY_MS 1000 /* while there is always more, an operator gets a turn so often, */
/* and for so long: SQLite's shell asks again every 100 ms (sqliteDefaultBusyCallback) */
#define TURN_MS 110
#define IDLE_MS 100  /* how often an idle store looks for operators' changes */
#define RETRY_MS 50  /* after an error */
#define STOP_MS 5000 /* for what is left when the broker stops */
#define FORGET_ROWS 2000

struct fw_store {
	struct fw_store_config config;
	struct fw_transaction transaction;
	struct fw_task_events *events;
	struct fw_task_devices *rows;
	struct fw_scheduler *scheduler;
	struct fw_history *log;
	struct fw_label_check *labels;
	struct fw_apply *apply;
	struct fw_devices *devices;
	struct fw_device_presence *presence;
	struct fw_firmware_files *files;
	struct fw_ingest ingest;
	struct fw_spool *spool;
	char *spool_prefix; /* of the spool's files: beside the catalog */
	/* the last number in what was found without a catalog; 0: nothing was */
	uint64_t set_aside;
	struct fw_presence_queue *presence_queue;
	int lock_fd; /* -1: not open */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop;
	atomic_bool sleeping; /* set under the lock, read without it */

	/* the store thread's own */
	struct fw_health health;
	bool presence_forgotten;
	bool audited;
	bool busy;         /* there is more to do than to apply uplinks */
	int64_t next_turn; /* boot ms */
	struct fw_retention retention;
};

static enum fw_status set_log_aside(const char *path, bool *aside, struct fw_error *error)
{
	int64_t bytes = fw_db_log_bytes(path);
	bool renamed = true;
	char *log, *away;

	*aside = bytes > 0;
	if (bytes <= 0)
		return bytes == 0 ? FW_OK : FW_NOMEM;
	if (asprintf(&log, "%s-wal", path) < 0)
		return FW_NOMEM;
	if (asprintf(&away, "%s.kept", log) < 0) {
		free(log);
		return FW_NOMEM;
	}
	if (rename(log, away) != 0) {
		fw_error_set(error, "cannot rename %s, the log of a catalog that is missing: %s",
			log, strerror(errno));
		renamed = false;
	}
	free(log);
	free(away);
	return renamed ? FW_OK : FW_IO;
}

/* A catalog that is missing is made anew, and knows no product: what devices said to the one before
 * it would be passed over, and what is in that one's log alone, deleted. */
static enum fw_status keep_what_waits_for_missing_catalog(
	struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct stat catalog;
	bool log_aside = false;
	enum fw_status status;

	if (stat(path, &catalog) == 0 ? catalog.st_size > 0 : errno != ENOENT)
		return FW_OK;
	status = fw_spool_quarantine(store->spool_prefix, &store->set_aside, error);
	if (status == FW_OK)
		status = set_log_aside(path, &log_aside, error);
	if (status == FW_OK && (store->set_aside || log_aside))
		fw_transaction_log(&store->transaction, FW_LOG_WARNING,
			"the catalog '%s' is missing and made anew; what waited for it is kept in "
			"'%s-*.kept': to have it applied, stop"
			" the broker, put the catalog back and take '.kept' off these names (off "
			"'-wal.kept' for that very catalog only, not for a backup)",
			path, path);
	return status;
}

/* sqlite.org/wal.html, section 1: "All processes using a database must be on the same host
 * computer". */
static void tell_remote(struct fw_store *store)
{
	const char *path = store->config.options->db_file, *kind = fw_folder_remote_kind(path);

	if (kind)
		fw_transaction_log(&store->transaction, FW_LOG_WARNING,
			"the catalog '%s' is on %s: SQLite's log (WAL) needs memory that all who "
			"open it share, which this may not give,"
			" and a file damaged there is lost. Put the catalog on a local disk; never "
			"open it from another machine",
			path, kind);
}

static enum fw_status open_catalog(struct fw_store *store, struct fw_error *error)
{
	const struct fw_options *options = store->config.options;
	enum fw_status status = fw_lock_catalog(options->db_file, &store->lock_fd, error);

	if (status == FW_OK)
		status = keep_what_waits_for_missing_catalog(store, error);
	if (status == FW_OK)
		status = fw_schema_prepare(options->db_file, error);
	if (status == FW_OK)
		status = fw_transaction_open(
			&store->transaction, options->db_file, options->sync_full, error);
	if (status == FW_OK)
		tell_remote(store);
	fw_health_init(&store->health, &store->transaction, options->db_file);
	return status;
}

static enum fw_status open_spool(struct fw_store *store, struct fw_error *error)
{
	uint64_t applied = 0;
	enum fw_status status =
		store->set_aside ? fw_transaction_begin(&store->transaction) : FW_OK;

	/* what was set aside may come back, beside what comes now: no number is given twice */
	if (status == FW_OK && store->set_aside)
		status = fw_transaction_commit(&store->transaction, store->set_aside);
	if (status == FW_OK)
		status = fw_transaction_applied(&store->transaction, &applied, error);
	if (status == FW_OK)
		status = fw_spool_open(store->spool_prefix, applied, NULL, &store->spool, error);
	store->ingest = (struct fw_ingest){.transaction = &store->transaction,
		.apply = store->apply,
		.presence = store->presence,
		.scheduler = store->scheduler,
		.health = &store->health,
		.spool = store->spool,
		.queue = store->presence_queue,
		.applied = applied};
	return status;
}

/* What prepares its statements here fails when a table or a column of the catalog is missing. */
static enum fw_status open_parts(struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct fw_error detail = {""};
	enum fw_status status = fw_task_events_open(&store->transaction, &store->events, &detail);

	if (status == FW_OK)
		status = fw_task_devices_open(
			&store->transaction, store->events, &store->rows, &detail);
	if (status == FW_OK)
		status = fw_devices_open(&store->transaction, &store->devices, &detail);
	if (status == FW_OK)
		status = fw_scheduler_open(
			&(struct fw_scheduler_parts){.transaction = &store->transaction,
				.events = store->events,
				.rows = store->rows,
				.devices = store->devices},
			&store->scheduler, &detail);
	if (status == FW_OK)
		status = fw_history_open(&store->transaction, &store->log, &detail);
	if (status == FW_OK)
		status = fw_label_check_open(&store->transaction, &store->labels, &detail);
	if (status == FW_OK)
		status = fw_device_presence_open(&store->transaction, store->rows, store->devices,
			store->scheduler, &store->presence, &detail);
	if (status == FW_OK)
		status = fw_apply_open(&(struct fw_apply_parts){.transaction = &store->transaction,
					       .rows = store->rows,
					       .devices = store->devices,
					       .presence = store->presence,
					       .scheduler = store->scheduler,
					       .log = store->log,
					       .labels = store->labels},
			&store->apply, &detail);
	if (status == FW_OK)
		status = fw_firmware_files_open(&store->transaction, store->config.hosting,
			store->config.access, &store->files, &detail);
	if (status == FW_OK)
		status = fw_retention_init(&store->retention, &store->transaction, store->log,
			store->files, store->config.options->log_retention_days, &detail);
	if (status != FW_OK && detail.text[0])
		fw_error_set(error,
			"cannot use the catalog '%s': %s. If it is damaged, restore a backup, or "
			"rescue what can be read with 'sqlite3 %s .dump'",
			path, detail.text, path);
	return status;
}

enum fw_status fw_store_open(
	const struct fw_store_config *config, struct fw_store **out, struct fw_error *error)
{
	struct fw_store *store = calloc(1, sizeof(*store));
	enum fw_status status;

	if (!store)
		return FW_NOMEM;
	store->config = *config;
	if (config->own_table)
		fw_vfs_here();
	store->lock_fd = -1;
	store->transaction.outbox = config->outbox;
	store->transaction.counters = config->counters;
	store->transaction.hosting = config->hosting;
	store->transaction.first_connection = config->first_connection;
	store->transaction.rate = config->options->connection_rate;
	store->transaction.gateways = config->options->identity == FW_IDENTITY_NONE;
	store->transaction.untold = true;
	store->transaction.sees_connections = config->sees_connections;
	store->transaction.closed = config->options->registration == FW_REGISTRATION_CLOSED;
	pthread_mutex_init(&store->lock, NULL);
	fw_cond_init(&store->wake);
	store->presence_queue = fw_presence_queue_new();
	if (asprintf(&store->spool_prefix, "%s-spool", config->options->db_file) < 0)
		store->spool_prefix = NULL;
	status = store->presence_queue && store->spool_prefix ? open_catalog(store, error)
							      : FW_NOMEM;
	if (status == FW_OK)
		status = open_parts(store, error);
	if (status == FW_OK)
		status = open_spool(store, error);
	if (status != FW_OK) {
		fw_error_set(error, "cannot open the catalog '%s'", config->options->db_file);
		fw_store_close(store);
		return status;
	}
	*out = store;
	return FW_OK;
}

/* Runs one of the small jobs in a transaction of its own. */
static enum fw_status in_transaction(struct fw_store *store,
	enum fw_status (*job)(struct fw_store *store, bool *left), bool *left)
{
	enum fw_status status = fw_transaction_begin(&store->transaction);

	return status == FW_OK ? fw_transaction_end(&store->transaction, job(store, left), 0)
			       : status;
}

static enum fw_status forget_presence(struct fw_store *store, bool *left)
{
	return fw_device_presence_forget(store->presence, FORGET_ROWS, left);
}

/* A catalog that cannot be looked at, with a table dropped say, is told of by others. */
static enum fw_status audit(struct fw_store *store, bool *left)
{
	enum fw_status status = fw_audit(&store->transaction);

	*left = false;
	return status == FW_NOMEM ? status : FW_OK;
}

/* One round. *more: there is more to do at once. */
static enum fw_status work(struct fw_store *store, bool *more)
{
	enum fw_status status = FW_OK;
	bool left = false, scheduled = false, filed = false;

	*more = false;
	fw_health_look(&store->health);
	fw_firmware_files_guard(store->files);
	if (store->health.lost)
		return FW_OK;
	if (!store->presence_forgotten) {
		status = in_transaction(store, forget_presence, &left);
		store->presence_forgotten = status == FW_OK && !left;
		*more = left;
		if (status != FW_OK || left)
			return status;
	}
	if (!store->audited)
		store->audited = in_transaction(store, audit, &left) == FW_OK;
	status = fw_ingest_work(&store->ingest, more);
	/* before a timeout is decided by who was there */
	if (status == FW_OK)
		status = fw_device_presence_work(store->presence, store->presence_queue, more);
	if (status == FW_OK)
		status = fw_scheduler_work(store->scheduler, &scheduled);
	*more |= scheduled;
	if (status == FW_OK)
		status = fw_firmware_files_work(store->files, &filed);
	if (filed)
		fw_scheduler_changed(store->scheduler);
	*more |= filed;
	if (status == FW_OK)
		status = fw_retention_work(&store->retention, &left);
	store->busy = scheduled || left;
	*more |= left;
	fw_count_set(store->config.counters, FW_COUNT_SPOOL_BYTES, fw_spool_bytes(store->spool));
	fw_health_note_damage(&store->health, fw_spool_damage(store->spool));
	return status;
}

static int64_t idle_ms(const struct fw_store *store)
{
	int64_t due =
		fw_scheduler_next_due(store->scheduler) - fw_clock_now(&store->transaction.clock);

	return due > 0 && due < IDLE_MS ? due : IDLE_MS;
}

/* Sleeps until there is something to do; false when the store is to stop. */
static bool sleep_until_work(struct fw_store *store, int64_t ms, bool wakeable)
{
	struct timespec until = fw_after_ms(ms);
	int waited = 0;
	bool stop, woken;

	pthread_mutex_lock(&store->lock);
	atomic_store(&store->sleeping, wakeable);
	while (!store->stop && waited != ETIMEDOUT &&
		!(wakeable && fw_ingest_waits(&store->ingest)))
		waited = pthread_cond_timedwait(&store->wake, &store->lock, &until);
	atomic_store(&store->sleeping, false);
	stop = store->stop;
	woken = waited != ETIMEDOUT;
	pthread_mutex_unlock(&store->lock);
	if (wakeable && woken && !stop) {
		struct timespec pause = {0, COALESCE_MS * 1000000L};

		nanosleep(&pause, NULL);
	}
	return !stop;
}

static bool idle(struct fw_store *store)
{
	bool go_on = sleep_until_work(store, idle_ms(store), true);

	store->next_turn = fw_boot_ms() + TURN_EVERY_MS;
	return go_on;
}

/* There is more to do. When it is but the few uplinks that came while the last ones were applied,
 * they wait for others. */
static bool coalesce(struct fw_store *store)
{
	if (!store->busy && fw_boot_ms() >= store->next_turn) {
		store->next_turn = fw_boot_ms() + TURN_EVERY_MS;
		return sleep_until_work(store, TURN_MS, false);
	}
	/* even in a hurry an operator must find the catalog free now and then */
	return sleep_until_work(
		store, store->busy || fw_ingest_crowded(&store->ingest) ? 1 : COALESCE_MS, false);
}

static void finish(struct fw_store *store)
{
	int64_t until = fw_boot_ms() + STOP_MS;
	bool more;

	fw_health_look_at_catalog(&store->health);
	more = !store->health.lost;
	while (more && fw_boot_ms() < until) {
		struct timespec pause = {0, RETRY_MS * 1000000L};

		more = false;
		if (fw_ingest_work(&store->ingest, &more) != FW_OK) {
			more = true;
			nanosleep(&pause, NULL);
		}
	}
	/* what was downloaded in the last moment may get lost with a busy catalog */
	if (!store->health.lost)
		fw_firmware_files_flush(store->files);
	if (fw_spool_last(store->spool) > fw_store_applied(store))
		fw_transaction_log(&store->transaction, FW_LOG_NOTICE,
			"stopping with uplinks in the spool; they are applied at the next start");
}

static void *run(void *argument)
{
	struct fw_store *store = argument;
	bool go_on = true;

	while (go_on) {
		bool more;
		enum fw_status status = work(store, &more);

		fw_health_note(&store->health, status);
		fw_spool_suspect(store->spool, status == FW_IO || status == FW_FULL);
		if (status != FW_OK)
			go_on = sleep_until_work(store, RETRY_MS, false);
		else if (more)
			go_on = coalesce(store);
		else
			go_on = idle(store);
	}
	finish(store);
	return NULL;
}

enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error)
{
	enum fw_status status =
		fw_thread_start(&store->thread, run, store, "writes the catalog", error);

	store->started = status == FW_OK;
	return status;
}

void fw_store_stop(struct fw_store *store)
{
	if (!store || !store->started)
		return;
	pthread_mutex_lock(&store->lock);
	store->stop = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
	store->started = false;
}

void fw_store_close(struct fw_store *store)
{
	if (!store)
		return;
	fw_store_stop(store);
	fw_presence_queue_free(store->presence_queue);
	fw_firmware_files_close(store->files);
	fw_apply_close(store->apply);
	fw_device_presence_close(store->presence);
	fw_label_check_close(store->labels);
	fw_history_close(store->log);
	fw_scheduler_close(store->scheduler);
	fw_devices_close(store->devices);
	fw_task_devices_close(store->rows);
	fw_task_events_close(store->events);
	fw_transaction_close(&store->transaction);
	fw_spool_close(store->spool);
	free(store->spool_prefix);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

struct fw_spool *fw_store_spool(struct fw_store *store)
{
	return store->spool;
}

void fw_store_wake(struct fw_store *store)
{
	/* the record must be visible before `sleeping` is read: the store reads them the other way
	 * round before it sleeps */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&store->sleeping))
		return;
	pthread_mutex_lock(&store->lock);
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
}

void fw_store_note_presence(struct fw_store *store, struct fw_presence_event event)
{
	event.after = fw_spool_last(store->spool);
	event.at = fw_now_ms();
	event.boot_ms = fw_boot_ms();
	if (fw_presence_queue_put(store->presence_queue, &event) == FW_OK)
		fw_store_wake(store);
}

enum fw_status fw_store_version_of(struct fw_store *store, struct fw_slice product,
	struct fw_slice firmware_id, char *version, size_t size)
{
	return fw_apply_version_of(store->apply, product, firmware_id, version, size);
}

uint64_t fw_store_applied(const struct fw_store *store)
{
	return atomic_load(&store->ingest.applied);
}
