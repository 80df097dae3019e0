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

#include "files/folder.h"
#include "store/presence_queue.h"
#include "catalog/vfs.h"
#include "store/apply.h"
#include "store/audit.h"
#include "catalog/db.h"
#include "store/firmware_files.h"
#include "store/health.h"
#include "store/ingest.h"
#include "catalog/lock.h"
#include "store/history.h"
#include "store/device_presence.h"
#include "store/retention.h"
#include "store/scheduler.h"
#include "catalog/schema.h"
#include "store/transaction.h"
#include "base/thread.h"

#define LINGER_MS 10         /* uplinks that come together are applied together: a transaction costs more than a few uplinks */
#define TURN_EVERY_MS 1000   /* while there is always more, an operator gets a turn so often, */
#define TURN_MS 110          /* and for so long: SQLite's shell asks again every 100 ms (sqliteDefaultBusyCallback) */
#define IDLE_MS 100          /* how often an idle store looks for operators' changes */
#define RETRY_MS 50          /* after trouble */
#define STOP_MS 5000         /* for what is left when the broker stops */
#define FORGET_ROWS 2000

struct fw_store {
	struct fw_store_config config;
	struct fw_writer writer;
	struct fw_notices *notices;
	struct fw_rows *rows;
	struct fw_schedule *schedule;
	struct fw_store_log *log;
	struct fw_labels *labels;
	struct fw_apply *apply;
	struct fw_devices *devices;
	struct fw_store_presence *presence;
	struct fw_store_files *files;
	struct fw_intake intake;
	struct fw_spool *spool;
	char *spool_prefix; /* of the spool's files: beside the catalog */
	uint64_t set_aside; /* the last number in what was found without a catalog; 0: nothing was */
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
	bool hurry; /* there is more to do than to apply uplinks */
	int64_t next_turn;  /* boot ms */
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
		fw_error_set(error, "cannot rename %s, the log of a catalog that is missing: %s", log, strerror(errno));
		renamed = false;
	}
	free(log);
	free(away);
	return renamed ? FW_OK : FW_IO;
}

/* A catalog that is missing is made anew, and knows no product: what devices said to the one before it would be passed over, and what is in
 * that one's log alone, deleted. */
static enum fw_status keep_what_waits_for_missing_catalog(struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct stat catalog;
	bool log_aside = false;
	enum fw_status status;

	if (stat(path, &catalog) == 0 ? catalog.st_size > 0 : errno != ENOENT)
		return FW_OK;
	status = fw_spool_set_aside(store->spool_prefix, &store->set_aside, error);
	if (status == FW_OK)
		status = set_log_aside(path, &log_aside, error);
	if (status == FW_OK && (store->set_aside || log_aside))
		fw_writer_log(&store->writer, FW_LOG_WARNING, "the catalog '%s' is missing and made anew; what waited for it is kept in '%s-*.kept': to have it applied, stop"
			" the broker, put the catalog back and take '.kept' off these names (off '-wal.kept' for that very catalog only, not for a backup)", path, path);
	return status;
}

/* sqlite.org/wal.html, section 1: "All processes using a database must be on the same host computer". */
static void tell_remote(struct fw_store *store)
{
	const char *path = store->config.options->db_file, *kind = fw_files_remote_kind(path);

	if (kind)
		fw_writer_log(&store->writer, FW_LOG_WARNING, "the catalog '%s' is on %s: SQLite's log (WAL) needs memory that all who open it share, which this may not give,"
			" and a file damaged there is lost. Put the catalog on a local disk; never open it from another machine", path, kind);
}

static enum fw_status open_catalog(struct fw_store *store, struct fw_error *error)
{
	const struct fw_options *options = store->config.options;
	enum fw_status status = fw_store_lock(options->db_file, &store->lock_fd, error);

	if (status == FW_OK)
		status = keep_what_waits_for_missing_catalog(store, error);
	if (status == FW_OK)
		status = fw_schema_prepare(options->db_file, error);
	if (status == FW_OK)
		status = fw_writer_open(&store->writer, options->db_file, options->sync_full, error);
	if (status == FW_OK)
		tell_remote(store);
	fw_health_init(&store->health, &store->writer, options->db_file);
	return status;
}

static enum fw_status open_spool(struct fw_store *store, struct fw_error *error)
{
	uint64_t applied = 0;
	enum fw_status status = store->set_aside ? fw_writer_begin(&store->writer) : FW_OK;

	/* what was set aside may come back, beside what comes now: no number is given twice */
	if (status == FW_OK && store->set_aside)
		status = fw_writer_commit(&store->writer, store->set_aside);
	if (status == FW_OK)
		status = fw_writer_applied(&store->writer, &applied, error);
	if (status == FW_OK)
		status = fw_spool_open(store->spool_prefix, applied, NULL, &store->spool, error);
	store->intake = (struct fw_intake){.writer = &store->writer, .apply = store->apply, .presence = store->presence, .schedule = store->schedule,
		.health = &store->health, .spool = store->spool, .queue = store->presence_queue, .applied = applied};
	return status;
}

/* What prepares its statements here fails when a table or a column of the catalog is missing. */
static enum fw_status open_parts(struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct fw_error detail = {""};
	enum fw_status status = fw_notices_open(&store->writer, &store->notices, &detail);

	if (status == FW_OK)
		status = fw_rows_open(&store->writer, store->notices, &store->rows, &detail);
	if (status == FW_OK)
		status = fw_devices_open(&store->writer, &store->devices, &detail);
	if (status == FW_OK)
		status = fw_schedule_open(&(struct fw_schedule_parts){.writer = &store->writer,
			.notices = store->notices, .rows = store->rows, .devices = store->devices}, &store->schedule, &detail);
	if (status == FW_OK)
		status = fw_store_log_open(&store->writer, &store->log, &detail);
	if (status == FW_OK)
		status = fw_labels_open(&store->writer, &store->labels, &detail);
	if (status == FW_OK)
		status = fw_store_presence_open(&store->writer, store->rows, store->devices, store->schedule, &store->presence, &detail);
	if (status == FW_OK)
		status = fw_apply_open(&(struct fw_apply_parts){.writer = &store->writer, .rows = store->rows, .devices = store->devices,
			.presence = store->presence, .schedule = store->schedule, .log = store->log, .labels = store->labels}, &store->apply, &detail);
	if (status == FW_OK)
		status = fw_store_files_open(&store->writer, store->config.delivery, store->config.access, &store->files, &detail);
	if (status == FW_OK)
		status = fw_retention_init(&store->retention, &store->writer, store->log, store->files, store->config.options->log_retention_days, &detail);
	if (status != FW_OK && detail.text[0])
		fw_error_set(error, "cannot use the catalog '%s': %s. If it is damaged, restore a backup, or rescue what can be read with 'sqlite3 %s .dump'", path,
			detail.text, path);
	return status;
}

enum fw_status fw_store_open(const struct fw_store_config *config, struct fw_store **out, struct fw_error *error)
{
	struct fw_store *store = calloc(1, sizeof(*store));
	enum fw_status status;

	if (!store)
		return FW_NOMEM;
	store->config = *config;
	if (config->apart)
		fw_store_apart_here();
	store->lock_fd = -1;
	store->writer.outbox = config->outbox;
	store->writer.counters = config->counters;
	store->writer.delivery = config->delivery;
	store->writer.first_connection = config->first_connection;
	store->writer.rate = config->options->connection_rate;
	store->writer.gateways = config->options->identity == FW_IDENTITY_NONE;
	store->writer.untold = true;
	store->writer.sees_connections = config->sees_connections;
	store->writer.closed = config->options->registration == FW_REGISTRATION_CLOSED;
	pthread_mutex_init(&store->lock, NULL);
	fw_cond_init(&store->wake);
	store->presence_queue = fw_presence_queue_new();
	if (asprintf(&store->spool_prefix, "%s-spool", config->options->db_file) < 0)
		store->spool_prefix = NULL;
	status = store->presence_queue && store->spool_prefix ? open_catalog(store, error) : FW_NOMEM;
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
static enum fw_status in_transaction(struct fw_store *store, enum fw_status (*job)(struct fw_store *store, bool *left), bool *left)
{
	enum fw_status status = fw_writer_begin(&store->writer);

	return status == FW_OK ? fw_writer_end(&store->writer, job(store, left), 0) : status;
}

static enum fw_status forget_presence(struct fw_store *store, bool *left)
{
	return fw_store_presence_forget(store->presence, FORGET_ROWS, left);
}

/* A catalog that cannot be looked at, with a table dropped say, is told of by others. */
static enum fw_status audit(struct fw_store *store, bool *left)
{
	enum fw_status status = fw_store_audit(&store->writer);

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
	fw_store_files_guard(store->files);
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
	status = fw_intake_work(&store->intake, more);
	/* before a timeout is decided by who was there */
	if (status == FW_OK)
		status = fw_store_presence_work(store->presence, store->presence_queue, more);
	if (status == FW_OK)
		status = fw_schedule_work(store->schedule, &scheduled);
	*more |= scheduled;
	if (status == FW_OK)
		status = fw_store_files_work(store->files, &filed);
	if (filed)
		fw_schedule_changed(store->schedule);
	*more |= filed;
	if (status == FW_OK)
		status = fw_retention_work(&store->retention, &left);
	store->hurry = scheduled || left;
	*more |= left;
	fw_count_set(store->config.counters, FW_COUNT_SPOOL_BYTES, fw_spool_bytes(store->spool));
	fw_health_note_damage(&store->health, fw_spool_damage(store->spool));
	return status;
}

static int64_t idle_ms(const struct fw_store *store)
{
	int64_t due = fw_schedule_next_due(store->schedule) - fw_clock_now(&store->writer.clock);

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
		!(wakeable && fw_intake_waits(&store->intake)))
		waited = pthread_cond_timedwait(&store->wake, &store->lock, &until);
	atomic_store(&store->sleeping, false);
	stop = store->stop;
	woken = waited != ETIMEDOUT;
	pthread_mutex_unlock(&store->lock);
	if (wakeable && woken && !stop) {
		struct timespec pause = {0, LINGER_MS * 1000000L};

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

/* There is more to do. When it is but the few uplinks that came while the last ones were applied, they wait for others. */
static bool linger(struct fw_store *store)
{
	if (!store->hurry && fw_boot_ms() >= store->next_turn) {
		store->next_turn = fw_boot_ms() + TURN_EVERY_MS;
		return sleep_until_work(store, TURN_MS, false);
	}
	/* even in a hurry an operator must find the catalog free now and then */
	return sleep_until_work(store, store->hurry || fw_intake_crowded(&store->intake) ? 1 : LINGER_MS, false);
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
		if (fw_intake_work(&store->intake, &more) != FW_OK) {
			more = true;
			nanosleep(&pause, NULL);
		}
	}
	/* what was downloaded in the last moment may get lost with a busy catalog */
	if (!store->health.lost)
		fw_store_files_flush(store->files);
	if (fw_spool_last(store->spool) > fw_store_applied(store))
		fw_writer_log(&store->writer, FW_LOG_NOTICE, "stopping with uplinks in the spool; they are applied at the next start");
}

static void *run(void *argument)
{
	struct fw_store *store = argument;
	bool go_on = true;

	while (go_on) {
		bool more;
		enum fw_status status = work(store, &more);

		fw_health_note(&store->health, status);
		fw_spool_doubt(store->spool, status == FW_IO || status == FW_FULL);
		if (status != FW_OK)
			go_on = sleep_until_work(store, RETRY_MS, false);
		else if (more)
			go_on = linger(store);
		else
			go_on = idle(store);
	}
	finish(store);
	return NULL;
}

enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error)
{
	enum fw_status status = fw_thread_start(&store->thread, run, store, "writes the catalog", error);

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
	fw_store_files_close(store->files);
	fw_apply_close(store->apply);
	fw_store_presence_close(store->presence);
	fw_labels_close(store->labels);
	fw_store_log_close(store->log);
	fw_schedule_close(store->schedule);
	fw_devices_close(store->devices);
	fw_rows_close(store->rows);
	fw_notices_close(store->notices);
	fw_writer_close(&store->writer);
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
	/* the record must be visible before `sleeping` is read: the store reads them the other way round before it sleeps */
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

enum fw_status fw_store_version_of(struct fw_store *store, struct fw_slice product, struct fw_slice firmware_id, char *version, size_t size)
{
	return fw_apply_version_of(store->apply, product, firmware_id, version, size);
}

uint64_t fw_store_applied(const struct fw_store *store)
{
	return atomic_load(&store->intake.applied);
}
