/* A catalog in a folder of its own, and commands on it: one answer at a time. */
#ifndef FW_TESTS_COMMANDS_FIXTURE_H
#define FW_TESTS_COMMANDS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalog/admin.h"
#include "catalog/schema.h"
#include "control/commands.h"

struct world {
	char folder[64], db[96], files[96];
	struct fw_commands *commands;
	struct fw_admin *sql; /* an operator's shell */
	char line[2048];      /* the last line of the log */
	char outcome[32];
	unsigned lines;
};

static inline void world_log(void *context, enum fw_log_level level, const char *line)
{
	struct world *world = context;

	(void)level;
	world->lines++;
	snprintf(world->line, sizeof(world->line), "%s", line);
}

static inline void world_done(void *context, const struct fw_asker *asker, const char *outcome)
{
	struct world *world = context;

	(void)asker;
	snprintf(world->outcome, sizeof(world->outcome), "%s", outcome);
}

static inline void world_open_commands(struct world *world, int deadline_ms, int busy_ms)
{
	struct fw_error error = {""};
	struct fw_commands_config config = {.db_file = world->db,
		.files_dir = world->files,
		.deadline_ms = deadline_ms,
		.busy_ms = busy_ms,
		.log = world_log,
		.done = world_done,
		.context = world};

	fw_commands_close(world->commands);
	world->commands = NULL;
	assert_int_equal(fw_commands_open(&config, &world->commands, &error), FW_OK);
}

static inline int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct fw_error error = {""};

	assert_non_null(world);
	/* in memory, where the machine has a place for that */
	strcpy(world->folder,
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/fw-control-XXXXXX"
					      : "/tmp/fw-control-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->db, sizeof(world->db), "%s/firmware.db", world->folder);
	snprintf(world->files, sizeof(world->files), "%s/files", world->folder);
	assert_int_equal(mkdir(world->files, 0755), 0);
	assert_int_equal(fw_schema_prepare(world->db, NULL, &error), FW_OK);
	assert_int_equal(fw_admin_open(world->db, 100, 60000, &world->sql, &error), FW_OK);
	world_open_commands(world, 0, 0);
	*state = world;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *world = *state;
	char command[128];

	fw_commands_close(world->commands);
	fw_admin_close(world->sql);
	snprintf(command, sizeof(command), "rm -r '%s'", world->folder);
	assert_int_equal(system(command), 0);
	free(world);
	return 0;
}

/* Runs a command, written with single quotes for double ones, as an administrator or a viewer. A
 * new reference to the answer. */
static inline json_t *ask_as(struct world *world, enum fw_right right, const char *text)
{
	struct fw_asker asker = {FW_SLICE("ada"), FW_SLICE("ctrl-1"), "control", right};
	char *copy = strdup(text);
	json_t *command, *answer;
	json_error_t error;

	assert_non_null(copy);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	command = json_loads(copy, JSON_DECODE_ANY, &error);
	if (!command)
		fail_msg("%s: %s", copy, error.text);
	answer = fw_commands_run(world->commands, &asker, command);
	assert_non_null(answer);
	json_decref(command);
	free(copy);
	return answer;
}

/* The data of a command that succeeds: a new reference. */
static inline json_t *good(struct world *world, const char *text)
{
	json_t *answer = ask_as(world, FW_RIGHT_ADMIN, text);
	json_t *data = json_incref(json_object_get(answer, "data"));

	if (!data)
		fail_msg("%s: %s", text, json_string_value(json_object_get(answer, "error")));
	json_decref(answer);
	return data;
}

static inline void done(struct world *world, const char *text)
{
	json_decref(good(world, text));
}

/* A command that is refused, with this code and, in its sentence, this text. */
static inline void refused(
	struct world *world, const char *text, const char *code, const char *sentence)
{
	json_t *answer = ask_as(world, FW_RIGHT_ADMIN, text);
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (!error)
		fail_msg("%s: not refused", text);
	if (strcmp(json_string_value(json_object_get(answer, "code")), code) != 0 ||
		!strstr(error, sentence))
		fail_msg("%s: %s: %s", text, json_string_value(json_object_get(answer, "code")),
			error);
	json_decref(answer);
}

/* Is the value at `path` ("items.0.deviceId") this, as JSON with single quotes? */
static inline void holds(const json_t *data, const char *path, const char *expected)
{
	char *copy = strdup(path), *rest = copy, *name, *text;

	assert_non_null(copy);
	while ((name = strsep(&rest, ".")))
		data = json_is_array(data) ? json_array_get(data, (size_t)atol(name))
					   : json_object_get(data, name);
	text = data ? json_dumps(data, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("nothing");
	assert_non_null(text);
	for (char *c = text; *c; c++)
		*c = *c == '"' ? '\'' : *c;
	if (strcmp(text, expected) != 0)
		fail_msg("%s is %s, and not %s", path, text, expected);
	free(text);
	free(copy);
}

/* An operator's statement. */
static inline void sql(struct world *world, const char *text)
{
	if (fw_admin_exec(world->sql, text) != FW_OK)
		fail_msg("%s: %s", text, fw_admin_message(world->sql));
}

/* A statement of the plugin's own. */
static inline void plugin_sql(struct world *world, const char *text)
{
	sql(world, "UPDATE catalog_state SET plugin_writing = 1");
	sql(world, text);
	sql(world, "UPDATE catalog_state SET plugin_writing = 0");
}

/* The one value that a query gives, as `v`. */
static inline void sql_gives(struct world *world, const char *text, const char *expected)
{
	json_t *rows = NULL;

	if (fw_admin_query(world->sql, text, json_array(), &rows) != FW_OK)
		fail_msg("%s: %s", text, fw_admin_message(world->sql));
	holds(rows, "0.v", expected);
	json_decref(rows);
}

#define PRODUCT "{'command':'createProduct','productId':'lamp','name':'Lamp'}"
#define HOSTED(id, version, order)                                                                 \
	"{'command':'createFirmware','firmwareId':'" id "','productId':'lamp','name':'n"           \
	"','version':'" version "','versionOrder':" order                                          \
	",'url':'http://x/y','size':3,'signMethod':'md5',"                                         \
	"'sign':'0123456789abcdef0123456789abcdef'}"
#define TASK(members)                                                                              \
	"{'command':'createTask','taskId':'t','firmwareId':'f2','name':'T','mode':'push'" members  \
	"}"

/* A product, two versions and so many devices d1, d2 ... that run the first. */
static inline void fill(struct world *world, int devices)
{
	char text[256];

	done(world, PRODUCT);
	done(world, HOSTED("f1", "1.0", "1"));
	done(world, HOSTED("f2", "2.0", "2"));
	snprintf(text, sizeof(text),
		"INSERT INTO device (product_id, device_id, version) WITH RECURSIVE n (i) AS"
		" (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		" SELECT 'lamp', 'd' || i, '1.0' FROM n",
		devices);
	sql(world, text);
}

static inline int filled_setup(void **state)
{
	int code = world_setup(state);

	fill(*state, 5);
	return code;
}

#define FILLED(test) cmocka_unit_test_setup_teardown(test, filled_setup, world_teardown)

#endif
