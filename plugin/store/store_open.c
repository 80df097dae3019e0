/* Opens the store: the catalog's lock, its schema, the writing connection, the parts that work on
 * it, and the spool.
 *
 * The lock comes first: two writers of one spool would overwrite each other. The spool comes last,
 * since the catalog says up to which record it is applied. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/thread.h"
#include "catalog/db.h"
#include "catalog/lock.h"
#include "catalog/schema.h"
#include "catalog/vfs.h"
#include "files/folder.h"

/* The first free one of `log`.kept, `log`.2.kept and so on, malloc'd: a log that was kept before is
 * not overwritten. NULL when out of memory. */
static char *kept_name(const char *log)
{
	char *name = NULL;

	if (asprintf(&name, "%s.kept", log) < 0)
		return NULL;
	for (unsigned number = 2; access(name, F_OK) == 0; number++) {
		free(name);
		if (asprintf(&name, "%s.%u.kept", log, number) < 0)
			return NULL;
	}
	return name;
}

/* Renames SQLite's log beside a missing catalog, if it has any bytes. *quarantined: it had. */
static enum fw_status quarantine_log(const char *path, bool *quarantined, struct fw_error *error)
{
	int64_t bytes = fw_db_log_bytes(path);
	bool renamed = true;
	char *log, *away;

	*quarantined = bytes > 0;
	if (bytes <= 0)
		return bytes == 0 ? FW_OK : FW_NOMEM;
	if (asprintf(&log, "%s-wal", path) < 0)
		return FW_NOMEM;
	away = kept_name(log);
	if (!away) {
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

/* A missing catalog is made anew, and has no products. The uplinks that wait for the former catalog
 * would be dropped, and SQLite would delete that catalog's log: so both are renamed, and kept. */
static enum fw_status rename_files_of_missing_catalog(
	struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct stat catalog;
	bool log_quarantined = false;
	enum fw_status status;

	if (stat(path, &catalog) == 0 ? catalog.st_size > 0 : errno != ENOENT)
		return FW_OK;
	status = fw_spool_quarantine(store->spool_prefix, &store->quarantined, error);
	if (status == FW_OK)
		status = quarantine_log(path, &log_quarantined, error);
	if (status == FW_OK && (store->quarantined || log_quarantined))
		fw_transaction_log(&store->transaction, FW_LOG_WARNING,
			"the catalog '%s' is missing and made anew; what waited for it is kept in "
			"'%s-*.kept': to have it applied, stop"
			" the broker, put the catalog back and take '.kept' off these names (off "
			"'-wal.kept' for that very catalog only, not for a backup)",
			path, path);
	return status;
}

/* Warns of a catalog in a remote folder (sqlite.org/wal.html, section 1: "All processes using a
 * database must be on the same host computer"). */
static void warn_of_remote(struct fw_store *store)
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
	sqlite3 *db = NULL;
	enum fw_status status = fw_lock_catalog(options->db_file, &store->lock_fd, error);

	if (status == FW_OK)
		status = rename_files_of_missing_catalog(store, error);
	if (status == FW_OK)
		status = fw_schema_prepare(options->db_file, &db, error);
	if (status == FW_OK)
		status = fw_transaction_open(&store->transaction, db, options->sync_full, error);
	if (status == FW_OK)
		warn_of_remote(store);
	fw_health_init(&store->health, &store->transaction, options->db_file);
	return status;
}

static enum fw_status open_spool(struct fw_store *store, struct fw_error *error)
{
	uint64_t applied = 0;
	enum fw_status status =
		store->quarantined ? fw_transaction_begin(&store->transaction) : FW_OK;

	/* The renamed segments may be put back, beside new ones: so numbers go on above theirs. */
	if (status == FW_OK && store->quarantined)
		status = fw_transaction_commit(&store->transaction, store->quarantined);
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
	store->durability = (struct fw_durability){.spool = store->spool,
		.full = store->config.options->sync_full,
		.interval_ms = store->config.options->sync_interval_ms};
	return status;
}

/* The parts that find and write rows, on which the others build. */
static enum fw_status open_rows(struct fw_store *store, struct fw_error *error)
{
	struct fw_transaction *transaction = &store->transaction;
	enum fw_status status = fw_task_events_open(transaction, &store->events, error);

	store->places = fw_places_new(fw_clock_now(&transaction->clock));
	store->context.places = store->places;
	if (!store->places)
		return FW_NOMEM;
	if (status == FW_OK)
		status = fw_rollouts_open(transaction, store->places, &store->rollouts, error);
	if (status == FW_OK)
		status = fw_task_status_open(transaction, &store->status, error);
	store->context.status = store->status;
	if (status == FW_OK)
		status = fw_task_devices_open(
			transaction, store->events, store->rollouts, &store->rows, error);
	if (status == FW_OK)
		status = fw_devices_open(transaction, &store->devices, error);
	if (status == FW_OK)
		status = fw_history_open(transaction, &store->history, error);
	if (status == FW_OK)
		status = fw_label_check_open(transaction, &store->labels, error);
	return status;
}

/* The parts that change rows: the scheduler, presence and uplinks. */
static enum fw_status open_rules(struct fw_store *store, struct fw_error *error)
{
	struct fw_transaction *transaction = &store->transaction;
	struct fw_scheduler_parts scheduler = {.transaction = transaction,
		.events = store->events,
		.rollouts = store->rollouts,
		.rows = store->rows,
		.devices = store->devices};
	struct fw_apply_parts apply = {.transaction = transaction,
		.rows = store->rows,
		.devices = store->devices,
		.history = store->history,
		.labels = store->labels};
	enum fw_status status = fw_scheduler_open(&scheduler, &store->scheduler, error);

	if (status == FW_OK)
		status = fw_device_presence_open(transaction, store->rows, store->devices,
			store->scheduler, &store->presence, error);
	apply.presence = store->presence;
	apply.scheduler = store->scheduler;
	if (status == FW_OK)
		status = fw_apply_open(&apply, &store->apply, error);
	return status;
}

/* Each part prepares its statements, which fails when a table or a column of the catalog is
 * missing. */
static enum fw_status open_parts(struct fw_store *store, struct fw_error *error)
{
	const char *path = store->config.options->db_file;
	struct fw_error detail = {""};
	enum fw_status status = open_rows(store, &detail);

	if (status == FW_OK)
		status = open_rules(store, &detail);
	if (status == FW_OK)
		status = fw_firmware_files_open(&store->transaction, store->config.hosting,
			store->config.transfers, &store->files, &detail);
	if (status == FW_OK)
		status = fw_retention_init(&store->retention, &store->transaction, store->history,
			store->files, store->config.options->log_retention_days, &detail);
	if (status != FW_OK && detail.text[0])
		fw_error_set(error,
			"cannot use the catalog '%s': %s. If it is damaged, restore a backup, or "
			"rescue what can be read with 'sqlite3 %s .dump'",
			path, detail.text, path);
	return status;
}

static void configure(struct fw_store *store)
{
	const struct fw_store_config *config = &store->config;

	store->context = (struct fw_store_context){.outbox = config->outbox,
		.counters = config->counters,
		.hosting = config->hosting,
		.rate = config->options->connection_rate,
		.gateways = config->options->identity == FW_IDENTITY_NONE,
		.sees_connections = config->sees_connections,
		.registration = config->options->registration,
		.first_connection = config->first_connection};
	store->transaction.context = &store->context;
	store->transaction.untold = true;
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
	configure(store);
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
