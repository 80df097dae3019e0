/* The store's parts on a small catalog, without its thread: each test begins with the same rows, in
 * a file that lies in memory where the machine has a place for that. SQLite's :memory: would not
 * do: operators write by a connection of their own, and it has one only.
 *
 * Product lamp has the firmware f1, f2 and f3, versions 1.0, 2.0 and 3.0, and the devices d1 and
 * d2, which run 1.0. Task t2 pushes f2, and t3 pushes f3; neither has a device yet. */
#ifndef FW_TEST_CATALOG_FIXTURE_H
#define FW_TEST_CATALOG_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalog/db.h"
#include "catalog/schema.h"
#include "files/hosting.h"
#include "store/apply.h"
#include "store/device_presence.h"
#include "store/history.h"
#include "store/label_check.h"
#include "store/rollouts.h"
#include "store/scheduler.h"
#include "store/task_device.h"
#include "store/task_events.h"
#include "store/transition.h"

#define FIRST_CONNECTION 1000 /* of this run of the broker */
#define LAMP FW_SLICE("lamp")
#define D1 FW_SLICE("d1")
#define D2 FW_SLICE("d2")

#define CATALOG_FIRMWARE(id, version, order)                                                       \
	"('" id "','lamp','n','" version "'," order                                                \
	",'md5','00000000000000000000000000000000','http://x/',1)"

static const char catalog_rows[] =
	"INSERT INTO product (product_id) VALUES ('lamp');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, "
	"sign, url, size) VALUES " CATALOG_FIRMWARE("f1", "1.0", "1") "," CATALOG_FIRMWARE(
		"f2", "2.0", "2") "," CATALOG_FIRMWARE("f3", "3.0",
		"3") ";"
		     "INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd1', "
		     "'1.0'), "
		     "('lamp', 'd2', '1.0');"
		     "INSERT INTO task (task_id, firmware_id, name, mode, release_type, "
		     "attempt_limit) VALUES"
		     " ('t2', 'f2', 'n', 'push', 'part', 2), ('t3', 'f3', 'n', 'push', 'part', 2);"
		     "DELETE FROM device_change; DELETE FROM task_change;";

static struct {
	char folder[64];
	char *template;
	size_t template_len;
	struct fw_store_context context;
	struct fw_transaction transaction;
	struct fw_counters counters;
	struct fw_hosting hosting;
	struct fw_task_events *events;
	struct fw_places *places;
	struct fw_rollouts *rollouts;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
	struct fw_scheduler *scheduler;
	struct fw_history *history;
	struct fw_label_check *labels;
	struct fw_device_presence *presence;
	struct fw_apply *apply;
	sqlite3 *operator;    /* another connection, by which operators write */
	char published[2048]; /* topics, a line each; what is asked of presence, as
				 "?product/device" */
	char logged[2048];    /* lines for the broker's log */
} catalog;

static inline void exec_on(sqlite3 *db, const char *sql)
{
	struct fw_error error = {""};

	if (fw_db_exec(db, sql, &error) != FW_OK)
		fail_msg("%s: %s", sql, error.text);
}

/* An operator's own statements. */
static inline void operate(const char *sql)
{
	exec_on(catalog.operator, sql);
}

/* The same as if the plugin had written it: operators may not write everything. */
static inline void prepare_rows(const char *sql)
{
	assert_int_equal(fw_transaction_begin(&catalog.transaction), FW_OK);
	exec_on(catalog.transaction.db, sql);
	assert_int_equal(fw_transaction_commit(&catalog.transaction, 0), FW_OK);
}

static inline void begin(void)
{
	assert_int_equal(fw_transaction_begin(&catalog.transaction), FW_OK);
}

static inline void commit(void)
{
	assert_int_equal(fw_transaction_commit(&catalog.transaction, 0), FW_OK);
}

/* From the next transaction on it is so much later, and devices were heard until then. */
static inline void pass_ms(int64_t ms)
{
	catalog.transaction.clock.offset += ms;
	catalog.transaction.heard_until_ms = fw_clock_now(&catalog.transaction.clock);
}

/* What a query gives: "a|b" a row, "-" for NULL. The open transaction sees its own rows. */
static inline void assert_rows(const char *sql, const char *expected)
{
	char text[2048] = "", *end = text;
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(catalog.transaction.db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(catalog.transaction.db));
	while (sqlite3_step(statement) == SQLITE_ROW) {
		if (end > text)
			*end++ = '\n';
		for (int i = 0; i < sqlite3_column_count(statement); i++) {
			const char *value = (const char *)sqlite3_column_text(statement, i);

			end += snprintf(end, sizeof(text) - (size_t)(end - text) - 2, "%s%s",
				i ? "|" : "", value ? value : "-");
		}
	}
	sqlite3_finalize(statement);
	assert_string_equal(text, expected);
}

static inline void assert_states(const char *expected)
{
	assert_rows("SELECT task_id, device_id, state FROM task_device ORDER BY 1, 2", expected);
}

/* The scheduler's rounds until nothing is left. */
static inline void run_scheduler(void)
{
	bool more = true;

	for (int rounds = 0; more && rounds < 20; rounds++)
		assert_int_equal(fw_scheduler_work(catalog.scheduler, &more), FW_OK);
	assert_false(more);
}

static inline void add_line(char *lines, size_t size, const char *prefix, const char *line)
{
	size_t len = strlen(lines);

	snprintf(lines + len, size - len, "%s%s%s", len ? "\n" : "", prefix, line);
}

static inline void drain(void)
{
	struct fw_outgoing message;

	while (fw_outbox_take(catalog.context.outbox, &message)) {
		if (message.kind == FW_OUTGOING_LOG)
			add_line(catalog.logged, sizeof(catalog.logged), "", message.payload);
		else if (message.kind == FW_OUTGOING_MESSAGE)
			add_line(catalog.published, sizeof(catalog.published), "", message.topic);
		else if (message.kind == FW_OUTGOING_BLIND)
			add_line(catalog.published, sizeof(catalog.published), "blind ",
				message.topic);
		else
			add_line(
				catalog.published, sizeof(catalog.published), "?", message.payload);
		free(message.topic);
		free(message.payload);
	}
}

/* What was published since this was asked last. */
static inline void assert_published(const char *expected)
{
	drain();
	assert_string_equal(catalog.published, expected);
	catalog.published[0] = '\0';
}

static inline void assert_logged(const char *part)
{
	drain();
	if (!strstr(catalog.logged, part))
		fail_msg("no '%s' in: %s", part, catalog.logged);
	catalog.logged[0] = '\0';
}

/* The device's row of the task. */
static inline struct fw_task_device row_of(const char *task_id, const char *device_id)
{
	struct fw_task_device found[8];
	char firmware_id[] = "f?";
	size_t count = 0;

	firmware_id[1] = task_id[1];
	assert_int_equal(
		fw_task_devices_find_of_firmware(catalog.rows, LAMP, fw_slice_of(firmware_id),
			fw_slice_of(device_id), found, 8, &count),
		FW_OK);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(found[i].task_id, task_id) == 0)
			return found[i];
	}
	fail_msg("no row of %s in %s", device_id, task_id);
	return found[0];
}

/* As after a start of the broker. */
static inline void begin_anew(void)
{
	bool left = true;

	begin();
	assert_int_equal(fw_device_presence_forget(catalog.presence, 1000, &left), FW_OK);
	assert_false(left);
	assert_int_equal(fw_rollouts_begin_absences(catalog.rollouts), FW_OK);
	commit();
}

static inline void remove_files(void)
{
	DIR *files = opendir(".");
	struct dirent *entry;

	while (files && (entry = readdir(files)))
		unlink(entry->d_name);
	closedir(files);
}

static inline void make_template(void)
{
	struct fw_error error = {""};
	sqlite3 *db = NULL;
	FILE *file;

	if (fw_schema_prepare("catalog.db", NULL, &error) != FW_OK ||
		fw_db_open("catalog.db", 1000, &db, &error) != FW_OK)
		fail_msg("%s", error.text);
	exec_on(db, catalog_rows);
	sqlite3_close(db);
	file = fopen("catalog.db", "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	catalog.template_len = (size_t)ftell(file);
	catalog.template = malloc(catalog.template_len);
	assert_non_null(catalog.template);
	rewind(file);
	assert_int_equal(
		fread(catalog.template, 1, catalog.template_len, file), catalog.template_len);
	fclose(file);
	remove_files();
}

static inline int open_folder(void **state)
{
	const char *temporary = getenv("TMPDIR");

	(void)state;
	if (access("/dev/shm", W_OK) == 0)
		temporary = "/dev/shm";
	snprintf(catalog.folder, sizeof(catalog.folder), "%s/fw-unit-XXXXXX",
		temporary ? temporary : "/tmp");
	if (!mkdtemp(catalog.folder) || chdir(catalog.folder) != 0)
		return -1;
	make_template();
	return 0;
}

static inline int close_folder(void **state)
{
	(void)state;
	free(catalog.template);
	remove_files();
	return chdir("/") == 0 && rmdir(catalog.folder) == 0 ? 0 : -1;
}

static inline void open_parts(void)
{
	struct fw_transaction *transaction = &catalog.transaction;
	struct fw_error error = {""};
	struct fw_scheduler_parts scheduler_parts = {.transaction = transaction};
	struct fw_apply_parts apply_parts = {.transaction = transaction};
	bool open = fw_task_events_open(transaction, &catalog.events, &error) == FW_OK &&
		fw_rollouts_open(transaction, catalog.places, &catalog.rollouts, &error) == FW_OK &&
		fw_task_devices_open(transaction, catalog.events, catalog.rollouts, &catalog.rows,
			&error) == FW_OK &&
		fw_devices_open(transaction, &catalog.devices, &error) == FW_OK &&
		fw_history_open(transaction, &catalog.history, &error) == FW_OK &&
		fw_label_check_open(transaction, &catalog.labels, &error) == FW_OK;

	scheduler_parts.events = catalog.events;
	scheduler_parts.rollouts = catalog.rollouts;
	scheduler_parts.rows = apply_parts.rows = catalog.rows;
	scheduler_parts.devices = apply_parts.devices = catalog.devices;
	apply_parts.history = catalog.history;
	apply_parts.labels = catalog.labels;
	open = open && fw_scheduler_open(&scheduler_parts, &catalog.scheduler, &error) == FW_OK &&
		fw_device_presence_open(transaction, catalog.rows, catalog.devices,
			catalog.scheduler, &catalog.presence, &error) == FW_OK;
	apply_parts.scheduler = catalog.scheduler;
	apply_parts.presence = catalog.presence;
	if (!open || fw_apply_open(&apply_parts, &catalog.apply, &error) != FW_OK)
		fail_msg("%s", error.text);
}

static inline int open_catalog(void **state)
{
	struct fw_error error = {""};
	FILE *file = fopen("catalog.db", "wb");
	sqlite3 *db = NULL;

	(void)state;
	if (!file ||
		fwrite(catalog.template, 1, catalog.template_len, file) != catalog.template_len)
		return -1;
	fclose(file);
	catalog.published[0] = catalog.logged[0] = '\0';
	catalog.hosting.folder = ".";
	catalog.context = (struct fw_store_context){.counters = &catalog.counters,
		.hosting = &catalog.hosting,
		.first_connection = FIRST_CONNECTION,
		.outbox = fw_outbox_new(8192)};
	catalog.transaction = (struct fw_transaction){.context = &catalog.context};
	if (fw_db_open("catalog.db", 50, &db, &error) != FW_OK ||
		fw_transaction_open(&catalog.transaction, db, false, &error) != FW_OK ||
		fw_db_open("catalog.db", 1000, &catalog.operator, & error) != FW_OK)
		return -1;
	catalog.places = fw_places_new(fw_clock_now(&catalog.transaction.clock));
	catalog.context.places = catalog.places;
	open_parts();
	pass_ms(0);
	return 0;
}

static inline int close_catalog(void **state)
{
	(void)state;
	fw_apply_close(catalog.apply);
	fw_device_presence_close(catalog.presence);
	fw_scheduler_close(catalog.scheduler);
	fw_label_check_close(catalog.labels);
	fw_history_close(catalog.history);
	fw_devices_close(catalog.devices);
	fw_task_devices_close(catalog.rows);
	fw_rollouts_close(catalog.rollouts);
	fw_task_events_close(catalog.events);
	sqlite3_close(catalog.operator);
	drain();
	fw_outbox_free(catalog.context.outbox);
	fw_transaction_close(&catalog.transaction);
	fw_places_free(catalog.places);
	remove_files();
	return 0;
}

#define CATALOG_TEST(name) cmocka_unit_test_setup_teardown(name, open_catalog, close_catalog)

#endif
