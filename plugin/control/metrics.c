/* Renders the metrics: first the counters in memory, then what the catalog says.
 *
 * One rendering at a time uses the reading connection. The others wait for their turn, as long as a
 * rendering may take. Each part of the catalog is read by itself: one that does not come in time is
 * left out, and a scraper sees a gap rather than a wrong number. */
#include "control/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "catalog/metrics_reader.h"
#include "control/metrics_text.h"
#include "protocol/message.h"
#include "upgrade/state_machine.h"

#define TURN_MS 2500 /* a little longer than a rendering takes */

struct fw_metrics {
	const struct fw_counters *counters;
	const struct fw_spool *spool;
	int deadline_ms;
	char *db_file, *log_file;
	pthread_mutex_t lock; /* guards `busy` */
	pthread_cond_t turn;
	bool busy; /* the reader is in use */
	struct fw_metrics_reader *reader;
};

enum fw_status fw_metrics_open(const struct fw_metrics_config *config, struct fw_metrics **out)
{
	struct fw_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return FW_NOMEM;
	metrics->counters = config->counters;
	metrics->spool = config->spool;
	metrics->deadline_ms = config->deadline_ms ? config->deadline_ms : FW_METRICS_DEADLINE_MS;
	pthread_mutex_init(&metrics->lock, NULL);
	fw_cond_init(&metrics->turn);
	if (asprintf(&metrics->db_file, "%s", config->db_file) < 0)
		metrics->db_file = NULL;
	if (asprintf(&metrics->log_file, "%s-wal", config->db_file) < 0)
		metrics->log_file = NULL;
	metrics->reader = fw_metrics_reader_new(config->db_file, config->own_table);
	if (!metrics->db_file || !metrics->log_file || !metrics->reader) {
		fw_metrics_close(metrics);
		return FW_NOMEM;
	}
	*out = metrics;
	return FW_OK;
}

void fw_metrics_close(struct fw_metrics *metrics)
{
	if (!metrics)
		return;
	fw_metrics_reader_free(metrics->reader);
	pthread_cond_destroy(&metrics->turn);
	pthread_mutex_destroy(&metrics->lock);
	free(metrics->db_file);
	free(metrics->log_file);
	free(metrics);
}

/* --- what is counted in memory --- */

static uint64_t value_of(const struct fw_metrics *metrics, unsigned counter)
{
	return fw_count_get(metrics->counters, (enum fw_counter)counter);
}

static void put_info(struct fw_metrics_text *text)
{
	fw_metrics_family(text, "info", FW_METRICS_INFO, "The version of the plugin.");
	fw_metrics_sample(text, 1, "version", FW_VERSION_TEXT, FW_LABELS_END);
}

static void put_pulls(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	static const struct {
		enum fw_counter counter;
		const char *code;
	} pulls[] = {
		{FW_COUNT_PULLS_ANSWERED, "ok"},
		{FW_COUNT_PULLS_BAD_REQUEST, "bad_request"},
		{FW_COUNT_PULLS_UNKNOWN_PRODUCT, "unknown_product"},
		{FW_COUNT_PULLS_FIRMWARE_DISABLED, "firmware_disabled"},
		{FW_COUNT_PULLS_VERSION_NOT_FOUND, "version_not_found"},
		{FW_COUNT_PULLS_NO_UPDATE, "no_update"},
	};

	fw_metrics_family(text, "pulls", FW_METRICS_COUNTER,
		"Requests for firmware, by the code of the answer; ok: firmware was offered.");
	for (size_t i = 0; i < sizeof(pulls) / sizeof(pulls[0]); i++)
		fw_metrics_sample(text, value_of(metrics, pulls[i].counter), "code", pulls[i].code,
			FW_LABELS_END);
}

static void put_messages(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	static const struct {
		enum fw_counter counter;
		const char *name, *help;
	} messages[] = {
		{FW_COUNT_READS, "reads", "Questions for a device's version."},
		{FW_COUNT_REPORTS, "reports", "Versions that devices reported."},
		{FW_COUNT_PROGRESS, "progress", "Progress that devices told."},
		{FW_COUNT_PUSHES, "pushes", "Upgrades that were sent to devices."},
		{FW_COUNT_REFUSED, "messages_refused",
			"Messages of devices that were refused: not theirs to send, or malformed."},
		{FW_COUNT_UNSAVED, "messages_unsaved",
			"Messages that could not be saved and were not acknowledged."},
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		fw_metrics_family(text, messages[i].name, FW_METRICS_COUNTER, messages[i].help);
		fw_metrics_sample(text, value_of(metrics, messages[i].counter), FW_LABELS_END);
	}
}

static void put_downloads(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	static const struct {
		enum fw_counter http, mqtt;
		const char *name, *help;
	} downloads[] = {
		{FW_COUNT_DOWNLOADS_BEGUN, FW_COUNT_CHUNKS_BEGUN, "downloads_begun",
			"Answers with bytes of a file; via mqtt: chunks from its beginning."},
		{FW_COUNT_DOWNLOADS_FINISHED, FW_COUNT_CHUNKS_FINISHED, "downloads_finished",
			"Of these, sent to their end; via mqtt: chunks that reach the end of the "
			"file."},
		{FW_COUNT_DOWNLOADS_BYTES, FW_COUNT_CHUNKS_BYTES, "downloads_bytes",
			"Bytes of files that were sent."},
		{FW_COUNT_DOWNLOADS_REFUSED, FW_COUNT_CHUNKS_REFUSED, "downloads_refused",
			"Requests that were answered with an error."},
	};

	for (size_t i = 0; i < sizeof(downloads) / sizeof(downloads[0]); i++) {
		fw_metrics_family(text, downloads[i].name, FW_METRICS_COUNTER, downloads[i].help);
		fw_metrics_sample(
			text, value_of(metrics, downloads[i].http), "via", "http", FW_LABELS_END);
		fw_metrics_sample(
			text, value_of(metrics, downloads[i].mqtt), "via", "mqtt", FW_LABELS_END);
	}
}

static void put_spool(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	fw_metrics_family(text, "spool_bytes", FW_METRICS_GAUGE,
		"Bytes of the spool: messages that are safe and not yet in the catalog.");
	fw_metrics_sample(text,
		metrics->spool ? fw_spool_bytes(metrics->spool)
			       : value_of(metrics, FW_COUNT_SPOOL_BYTES),
		FW_LABELS_END);
	fw_metrics_family(text, "spool_oldest_timestamp_seconds", FW_METRICS_GAUGE,
		"When the oldest message came that is not yet in the catalog; 0: there is none.");
	fw_metrics_seconds(text, "", (int64_t)value_of(metrics, FW_COUNT_SPOOL_OLDEST));
}

static void put_size(struct fw_metrics_text *text, const char *path, const char *name,
	const char *help, bool always)
{
	struct stat status = {.st_size = 0};

	if (stat(path, &status) != 0 && !always)
		return;
	fw_metrics_family(text, name, FW_METRICS_GAUGE, help);
	fw_metrics_sample(text, (uint64_t)status.st_size, FW_LABELS_END);
}

static void put_finished(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	fw_metrics_family(text, "task_devices_finished", FW_METRICS_COUNTER,
		"Devices whose row of a task ended, by its state and the kind of the failure.");
	fw_metrics_sample(text, value_of(metrics, FW_COUNT_ENDED_SUCCESS), "result", "success",
		"failure", "", FW_LABELS_END);
	for (unsigned i = FW_FAILURE_NONE + 1; i < FW_FAILURES; i++)
		fw_metrics_sample(text, value_of(metrics, FW_COUNT_ENDED_FAILED + i), "result",
			"failed", "failure", fw_state_machine_failure_name((enum fw_failure)i),
			FW_LABELS_END);
	fw_metrics_sample(text, value_of(metrics, FW_COUNT_ENDED_CANCELED), "result", "canceled",
		"failure", "", FW_LABELS_END);
}

/* The count is the sum of the buckets as they were read, so that an upgrade which ends meanwhile is
 * in both or in neither. */
static void put_durations(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	uint64_t count = 0;

	fw_metrics_family(text, "upgrade_duration_seconds", FW_METRICS_HISTOGRAM,
		"How long upgrades took that succeeded, from the push or the answer on.");
	for (unsigned i = 0; i < FW_COUNT_DURATIONS; i++) {
		count += value_of(metrics, FW_COUNT_TOOK + i);
		fw_metrics_bucket(text, fw_counter_took(i), count);
	}
	fw_metrics_seconds(text, "_sum", (int64_t)value_of(metrics, FW_COUNT_TOOK_MS));
	fw_metrics_count(text, count);
}

static void put_requests(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	fw_metrics_family(text, "admin_requests", FW_METRICS_COUNTER,
		"Commands of administrators, by the way they came and how they ended.");
	for (unsigned face = 0; face < FW_COUNT_FACES; face++) {
		for (unsigned i = 0; i < FW_COUNT_OUTCOMES; i++)
			fw_metrics_sample(text,
				value_of(metrics, FW_COUNT_REQUESTS + face * FW_COUNT_OUTCOMES + i),
				"face", fw_counter_face(face), "outcome", fw_counter_outcome(i),
				FW_LABELS_END);
	}
}

static void put_counters(const struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	put_info(text);
	put_pulls(metrics, text);
	put_messages(metrics, text);
	put_downloads(metrics, text);
	put_spool(metrics, text);
	put_size(text, metrics->db_file, "catalog_bytes", "Bytes of the catalog's file.", false);
	put_size(text, metrics->log_file, "catalog_wal_bytes",
		"Bytes of the log beside the catalog; 0: there is none.", true);
	put_finished(metrics, text);
	put_durations(metrics, text);
	put_requests(metrics, text);
}

/* --- what the catalog says --- */

static void put_firmware(struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	uint64_t counts[FW_METRICS_FIRMWARE_STATES];

	if (fw_metrics_reader_firmware(metrics->reader, counts) != FW_OK)
		return;
	fw_metrics_family(text, "firmware", FW_METRICS_GAUGE, "Firmware, by its state.");
	fw_metrics_sample(text, counts[FW_METRICS_PENDING], "state", "pending", FW_LABELS_END);
	fw_metrics_sample(text, counts[FW_METRICS_READY], "state", "ready", FW_LABELS_END);
	fw_metrics_sample(text, counts[FW_METRICS_REJECTED], "state", "rejected", FW_LABELS_END);
}

static void put_tasks(struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	struct fw_metrics_task tasks[FW_METRICS_TASKS];
	size_t count;

	if (fw_metrics_reader_tasks(metrics->reader, tasks, FW_METRICS_TASKS, &count) != FW_OK)
		return;
	fw_metrics_family(text, "task_devices", FW_METRICS_GAUGE,
		"Devices of open tasks, by the state of their row; 50 tasks at most.");
	for (size_t i = 0; i < count; i++) {
		for (unsigned state = 0; state < FW_UPGRADE_STATES; state++)
			fw_metrics_sample(text, tasks[i].rows[state], "task", tasks[i].task_id,
				"product", tasks[i].product_id, "state",
				fw_state_machine_state_name((enum fw_upgrade_state)state),
				FW_LABELS_END);
	}
	fw_metrics_family(
		text, "task_paused", FW_METRICS_GAUGE, "1 for an open task that is paused.");
	for (size_t i = 0; i < count; i++)
		fw_metrics_sample(text, tasks[i].paused, "task", tasks[i].task_id, "product",
			tasks[i].product_id, FW_LABELS_END);
}

static void put_versions(struct fw_metrics_text *text, const struct fw_metrics_product *product)
{
	for (size_t i = 0; i < product->version_count; i++)
		fw_metrics_sample(text, product->versions[i].devices, "product",
			product->product_id, "version", product->versions[i].version,
			FW_LABELS_END);
	if (product->other)
		fw_metrics_sample(text, product->other, "product", product->product_id, "version",
			"other", FW_LABELS_END);
}

static void put_devices(struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	const struct fw_metrics_product *products;
	size_t count;

	if (fw_metrics_reader_products(metrics->reader, &products, &count) != FW_OK)
		return;
	fw_metrics_family(text, "devices", FW_METRICS_GAUGE, "Devices of a product.");
	for (size_t i = 0; i < count; i++)
		fw_metrics_sample(text, products[i].devices, "product", products[i].product_id,
			FW_LABELS_END);
	fw_metrics_family(
		text, "devices_online", FW_METRICS_GAUGE, "Of these, those that are online.");
	for (size_t i = 0; i < count; i++)
		fw_metrics_sample(
			text, products[i].online, "product", products[i].product_id, FW_LABELS_END);
	fw_metrics_family(text, "devices_by_version", FW_METRICS_GAUGE,
		"Devices of a product by version: the 20 largest and other; empty: not known.");
	for (size_t i = 0; i < count; i++)
		put_versions(text, &products[i]);
}

/* Each part begins anew: the catalog may have gone since the part before it. */
static void put_catalog(struct fw_metrics *metrics, struct fw_metrics_text *text)
{
	static void (*const parts[])(struct fw_metrics *, struct fw_metrics_text *) = {
		put_firmware, put_tasks, put_devices};
	int64_t deadline = fw_boot_ms() + metrics->deadline_ms;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (fw_metrics_reader_begin(metrics->reader, deadline) == FW_OK)
			parts[i](metrics, text);
	}
}

/* --- turns --- */

static enum fw_status take_turn(struct fw_metrics *metrics)
{
	struct timespec until = fw_after_ms(TURN_MS);
	enum fw_status status = FW_OK;

	pthread_mutex_lock(&metrics->lock);
	while (metrics->busy && status == FW_OK) {
		if (pthread_cond_timedwait(&metrics->turn, &metrics->lock, &until) != 0)
			status = FW_BUSY;
	}
	if (!metrics->busy)
		status = FW_OK;
	metrics->busy |= status == FW_OK;
	pthread_mutex_unlock(&metrics->lock);
	return status;
}

static void end_turn(struct fw_metrics *metrics)
{
	pthread_mutex_lock(&metrics->lock);
	metrics->busy = false;
	pthread_cond_signal(&metrics->turn);
	pthread_mutex_unlock(&metrics->lock);
}

enum fw_status fw_metrics_render(
	struct fw_metrics *metrics, bool openmetrics, char **out, size_t *length)
{
	struct fw_metrics_text text = {.openmetrics = openmetrics};
	char *body = NULL;
	size_t len = 0;
	enum fw_status status = take_turn(metrics);
	bool written = false;

	if (status != FW_OK)
		return status;
	text.out = open_memstream(&body, &len);
	if (text.out) {
		put_counters(metrics, &text);
		put_catalog(metrics, &text);
		fw_metrics_end(&text);
		written = !ferror(text.out);
		written = fclose(text.out) == 0 && written;
	}
	end_turn(metrics);
	if (!written) {
		free(body);
		return FW_NOMEM;
	}
	*out = body;
	*length = len;
	return FW_OK;
}
