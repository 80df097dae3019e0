/* The control plane's connection.
 *
 * The last few statements stay prepared, because some commands run one for each of ten thousand
 * devices, and the triggers behind it take longer to compile than to run. None of them stays in the
 * middle of its rows. A progress handler checks the deadline, and whether the broker is about to
 * stop. It also sleeps now and then: a thread of low priority may keep a processor for some
 * milliseconds (sched(7)), for which the broker's thread would wait. */
#include "catalog/admin.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/db.h"

/* instructions of SQLite's machine between two calls of the handler: some tens of microseconds */
#define STEPS_A_CHECK 2000
/* how long a read runs, and then sleeps */
#define RUN_US 500
#define SLEEP_US 50
/* statements that stay prepared */
#define PREPARED 4

static const char late[] =
	"this took too long and was given up: ask for less, by a filter or a smaller count";
static const char locked[] = "the catalog is locked by another connection: try again in a moment";

struct fw_admin {
	sqlite3 *db;
	int busy_ms, deadline_ms;
	int64_t waits_since; /* boot ms: for a lock */
	int64_t deadline;    /* boot ms; 0: none */
	bool is_late;        /* the deadline has passed */
	int64_t awake_since; /* boot us */
	atomic_bool stop;
	sqlite3_stmt *prepared[PREPARED];
	unsigned next_prepared; /* index of the one that is replaced next */
	struct fw_error error;
};

/* Sleeps now and then while reading; a writer holds a lock for which others wait. */
static void yield_processor(struct fw_admin *admin)
{
	if (!admin->deadline || fw_boot_us() - admin->awake_since < RUN_US)
		return;
	usleep(SLEEP_US);
	admin->awake_since = fw_boot_us();
}

/* The progress handler (sqlite.org/c3ref/progress_handler.html): not 0 ends the statement. */
static int check_deadline(void *context)
{
	struct fw_admin *admin = context;

	if (atomic_load(&admin->stop))
		return 1;
	yield_processor(admin);
	if (admin->deadline && fw_boot_ms() > admin->deadline)
		admin->is_late = true;
	return admin->is_late;
}

/* The busy handler: SQLite's own would not notice that the broker is about to stop. */
static int wait_for_lock(void *context, int times)
{
	struct fw_admin *admin = context;

	if (times == 0)
		admin->waits_since = fw_boot_ms();
	if (atomic_load(&admin->stop) || fw_boot_ms() - admin->waits_since >= admin->busy_ms)
		return 0;
	usleep(times < 10 ? 1000 : 10000);
	return 1;
}

enum fw_status fw_admin_open(const char *path, int busy_ms, int deadline_ms, struct fw_admin **out,
	struct fw_error *error)
{
	struct fw_admin *admin = calloc(1, sizeof(*admin));
	enum fw_status status;

	if (!admin)
		return FW_NOMEM;
	admin->busy_ms = busy_ms;
	admin->deadline_ms = deadline_ms;
	status = fw_db_open(path, busy_ms, &admin->db, error);
	if (status == FW_OK)
		status = fw_db_exec(admin->db, "PRAGMA cache_size = -1024", error);
	if (status != FW_OK) {
		fw_admin_close(admin);
		return status;
	}
	sqlite3_busy_handler(admin->db, wait_for_lock, admin);
	sqlite3_progress_handler(admin->db, STEPS_A_CHECK, check_deadline, admin);
	*out = admin;
	return FW_OK;
}

void fw_admin_close(struct fw_admin *admin)
{
	if (!admin)
		return;
	fw_db_finalize(admin->prepared, PREPARED);
	sqlite3_close(admin->db);
	free(admin);
}

void fw_admin_stop(struct fw_admin *admin)
{
	atomic_store(&admin->stop, true);
}

/* Does `text` begin with `with`? Then *rest is what follows. */
static bool begins_with(const char *text, const char *with, const char **rest)
{
	size_t len = strlen(with);

	*rest = text + len;
	return strncmp(text, with, len) == 0;
}

/* A CHECK constraint's name is its sentence; for other constraints SQLite names the columns. */
static void set_constraint(struct fw_error *error, const char *text)
{
	const char *rest;

	if (begins_with(text, "CHECK constraint failed: ", &rest))
		fw_error_set(error, "%s", rest);
	else if (begins_with(text, "UNIQUE constraint failed: ", &rest))
		fw_error_set(error, "there is one already: choose another %s", rest);
	else if (begins_with(text, "NOT NULL constraint failed: ", &rest))
		fw_error_set(error, "%s cannot be null: leave it out, or give a value", rest);
	else
		fw_error_set(error, "%s", text);
}

/* Notes why SQLite failed, for fw_admin_message. */
static enum fw_status note_failure(struct fw_admin *admin, int code)
{
	enum fw_status status = fw_db_status(code);
	bool ended = (code & 0xff) == SQLITE_INTERRUPT;

	if (ended)
		status = admin->is_late ? FW_BUSY : FW_FAILED;
	admin->error = (struct fw_error){""};
	if (ended)
		fw_error_set(
			&admin->error, "%s", admin->is_late ? late : "the broker is about to stop");
	else if (status == FW_BUSY)
		fw_error_set(&admin->error, "%s", locked);
	else
		set_constraint(&admin->error, sqlite3_errmsg(admin->db));
	return status;
}

static void bind_text(sqlite3_stmt *statement, int index, const json_t *value)
{
	sqlite3_bind_text(statement, index, json_string_value(value),
		(int)json_string_length(value), SQLITE_TRANSIENT);
}

static int bind_json(sqlite3_stmt *statement, int index, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	return text ? sqlite3_bind_text(statement, index, text, -1, free) : SQLITE_NOMEM;
}

static int bind_value(sqlite3_stmt *statement, int index, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		bind_text(statement, index, value);
		return SQLITE_OK;
	case JSON_INTEGER:
		return sqlite3_bind_int64(statement, index, json_integer_value(value));
	case JSON_REAL:
		return sqlite3_bind_double(statement, index, json_real_value(value));
	case JSON_TRUE:
	case JSON_FALSE:
		return sqlite3_bind_int(statement, index, json_is_true(value));
	case JSON_NULL:
		return sqlite3_bind_null(statement, index);
	default:
		return bind_json(statement, index, value);
	}
}

static int bind_all(sqlite3_stmt *statement, const json_t *args)
{
	/* a statement may use fewer arguments than it is given */
	size_t most = (size_t)sqlite3_bind_parameter_count(statement);
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < json_array_size(args) && i < most; i++)
		code = bind_value(statement, (int)i + 1, json_array_get(args, i));
	return code;
}

/* Text that was written by hand may not be UTF-8: bad bytes become question marks. NULL when out of
 * memory. */
static json_t *text_value(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	size_t len = (size_t)sqlite3_column_bytes(statement, column);
	json_t *value = text ? json_stringn(text, len) : NULL;
	char *copy;

	if (value || !text)
		return value;
	copy = strndup(text, len);
	if (copy)
		fw_make_line(copy);
	value = copy ? json_string(copy) : NULL;
	free(copy);
	return value;
}

static json_t *json_value(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return value ? value : json_null();
}

static json_t *value_of(sqlite3_stmt *statement, int column, char mark)
{
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		return mark == '?' ? json_boolean(sqlite3_column_int(statement, column))
				   : json_integer(sqlite3_column_int64(statement, column));
	case SQLITE_FLOAT:
		return json_real(sqlite3_column_double(statement, column));
	case SQLITE_TEXT:
		return mark == '}' ? json_value(statement, column) : text_value(statement, column);
	default:
		return json_null();
	}
}

static json_t *row_of(sqlite3_stmt *statement)
{
	json_t *row = json_object();

	for (int i = 0; row && i < sqlite3_column_count(statement); i++) {
		const char *name = sqlite3_column_name(statement, i);
		size_t len = name ? strcspn(name, "?{") : 0;
		char member[64] = "";

		if (!len || len >= sizeof(member)) {
			json_decref(row);
			return NULL;
		}
		memcpy(member, name, len);
		if (json_object_set_new(row, member,
			    value_of(statement, i, name[len] ? name[strlen(name) - 1] : 0)) != 0) {
			json_decref(row);
			return NULL;
		}
	}
	return row;
}

static enum fw_status step_all(struct fw_admin *admin, sqlite3_stmt *statement, json_t *rows)
{
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (rows && json_array_append_new(rows, row_of(statement)) != 0)
			return FW_NOMEM;
	}
	return code == SQLITE_DONE ? FW_OK : note_failure(admin, code);
}

/* *out: the statement, prepared before or now. It stays prepared until PREPARED others came. */
static int prepare_cached(struct fw_admin *admin, const char *sql, sqlite3_stmt **out)
{
	sqlite3_stmt **place;
	int code;

	for (size_t i = 0; i < PREPARED; i++) {
		*out = admin->prepared[i];
		if (*out && strcmp(sqlite3_sql(*out), sql) == 0)
			return SQLITE_OK;
	}
	place = &admin->prepared[admin->next_prepared++ % PREPARED];
	sqlite3_finalize(*place);
	code = sqlite3_prepare_v2(admin->db, sql, -1, place, NULL);
	*out = *place;
	return code;
}

static enum fw_status run_statement(
	struct fw_admin *admin, const char *sql, const json_t *args, json_t *rows)
{
	sqlite3_stmt *statement = NULL;
	enum fw_status status = FW_OK;
	int code = prepare_cached(admin, sql, &statement);

	if (code == SQLITE_OK)
		code = bind_all(statement, args);
	status = code == SQLITE_OK ? step_all(admin, statement, rows) : note_failure(admin, code);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return status;
}

enum fw_status fw_admin_query(struct fw_admin *admin, const char *sql, json_t *args, json_t **rows)
{
	json_t *found = rows ? json_array() : NULL;
	enum fw_status status = FW_NOMEM;

	admin->error = (struct fw_error){"out of memory"};
	if (args && (found || !rows))
		status = run_statement(admin, sql, args, found);
	if (status == FW_OK && rows)
		*rows = json_incref(found);
	json_decref(found);
	json_decref(args);
	return status;
}

enum fw_status fw_admin_exec(struct fw_admin *admin, const char *sql)
{
	return fw_admin_query(admin, sql, json_array(), NULL);
}

enum fw_status fw_admin_begin(struct fw_admin *admin, bool writes)
{
	admin->is_late = false;
	admin->awake_since = fw_boot_us();
	admin->deadline = writes ? 0 : fw_boot_ms() + admin->deadline_ms;
	return fw_admin_exec(admin, writes ? "BEGIN IMMEDIATE" : "BEGIN");
}

enum fw_status fw_admin_end(struct fw_admin *admin, bool commit)
{
	enum fw_status status = FW_OK;

	admin->deadline = 0;
	if (commit)
		status = fw_admin_exec(admin, "COMMIT");
	/* A failed commit may leave it open. fw_admin_exec would overwrite the reason. */
	if (!sqlite3_get_autocommit(admin->db))
		sqlite3_exec(admin->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

int64_t fw_admin_changes(struct fw_admin *admin)
{
	return sqlite3_changes(admin->db);
}

const char *fw_admin_message(const struct fw_admin *admin)
{
	return admin->error.text;
}
