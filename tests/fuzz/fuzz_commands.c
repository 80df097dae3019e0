/* Any request to the control plane: each command is answered with data or with a known error, what
 * is refused changes nothing, and no transaction stays open. The catalog is made anew after some
 * hundred requests, so that it stays small. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/admin.h"
#include "catalog/schema.h"
#include "control/commands.h"

#define REQUESTS_A_CATALOG 300

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* in memory, where the machine has a place for that */
static char folder[64];
static char db[96], files[96];
static struct fw_commands *commands;
static struct fw_admin *admin;
static unsigned requests;

static const char *const first_rows[] = {
	"INSERT INTO product (product_id) VALUES ('lamp'), ('oven')",
	("INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method,"
	 " sign, url, size) VALUES ('f1', 'lamp', 'n', '1.0', 1, 'md5',"
	 " '00000000000000000000000000000000', 'http://x/', 1), ('f2', 'lamp', 'n', '2.0', 2, "
	 "'md5',"
	 " '00000000000000000000000000000000', 'http://x/', 1)"),
	("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd1', '1.0'),"
	 " ('lamp', 'd2', '1.0'), ('oven', 'd1', NULL)"),
	"INSERT INTO device_tag VALUES ('lamp', 'd1', 'x')",
	"INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push')",
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void close_all(void)
{
	char command[160];

	fw_commands_close(commands);
	fw_admin_close(admin);
	commands = NULL;
	admin = NULL;
	snprintf(command, sizeof(command), "rm -rf '%s'/*", folder);
	check(system(command) == 0);
}

static void remove_folder(void)
{
	close_all();
	check(remove(folder) == 0);
}

static void open_all(void)
{
	struct fw_error error = {""};
	struct fw_commands_config config = {.db_file = db, .files_dir = files};

	check(mkdir(files, 0700) == 0);
	check(fw_schema_prepare(db, NULL, &error) == FW_OK);
	check(fw_admin_open(db, 0, 60000, &admin, &error) == FW_OK);
	/* no input is to fail, because the clock ran */
	config.deadline_ms = 60000;
	for (size_t i = 0; i < sizeof(first_rows) / sizeof(first_rows[0]); i++)
		check(fw_admin_exec(admin, first_rows[i]) == FW_OK);
	check(fw_commands_open(&config, &commands, &error) == FW_OK);
}

static void set_up(void)
{
	snprintf(folder, sizeof(folder), "%s/fw-fuzz-commands-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	check(mkdtemp(folder) != NULL);
	snprintf(db, sizeof(db), "%s/firmware.db", folder);
	snprintf(files, sizeof(files), "%s/files", folder);
	check(atexit(remove_folder) == 0);
	open_all();
}

static int64_t value_of(const char *sql)
{
	json_t *rows = NULL;
	int64_t value;

	check(fw_admin_query(admin, sql, json_array(), &rows) == FW_OK);
	value = json_integer_value(json_object_get(json_array_get(rows, 0), "v"));
	json_decref(rows);
	return value;
}

static bool is_code(const char *code)
{
	static const char *const codes[] = {"bad_request", "not_found", "conflict", "not_allowed",
		"busy", "too_large", "failed"};

	for (size_t i = 0; code && i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

static void check_response(const json_t *response)
{
	const char *error = json_string_value(json_object_get(response, "error"));

	check(json_is_string(json_object_get(response, "command")));
	check(json_is_object(json_object_get(response, "data")) == !error);
	if (error)
		check(*error && is_code(json_string_value(json_object_get(response, "code"))));
}

static void ask(enum fw_right right, const uint8_t *bytes, size_t len)
{
	struct fw_asker asker = {FW_SLICE("ada"), FW_SLICE("fuzz"), "control", right};
	json_t *answer =
		fw_commands_request(commands, &asker, (struct fw_slice){(const char *)bytes, len});
	const json_t *responses = json_object_get(answer, "responses");

	check(json_is_array(responses));
	for (size_t i = 0; i < json_array_size(responses); i++)
		check_response(json_array_get(responses, i));
	json_decref(answer);
}

/* What a viewer asks changes nothing but admin_log. */
static int64_t rows_in_all(void)
{
	return value_of("SELECT (SELECT count(*) FROM product) + (SELECT count(*) FROM firmware)"
			" + (SELECT count(*) FROM device) + (SELECT count(*) FROM task)"
			" + (SELECT count(*) FROM task_device) + (SELECT count(*) FROM task_log)"
			" AS v");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	int64_t before;

	if (!commands)
		set_up();
	if (++requests % REQUESTS_A_CATALOG == 0) {
		close_all();
		open_all();
	}
	before = rows_in_all();
	ask(FW_RIGHT_VIEW, bytes, len);
	check(rows_in_all() == before);
	ask(FW_RIGHT_ADMIN, bytes, len);
	check(value_of("SELECT plugin_writing AS v FROM catalog_state") == 0);
	check(value_of("SELECT count(*) AS v FROM task_count WHERE settling = 1") == 0);
	check(fw_admin_begin(admin, true) == FW_OK);
	fw_admin_end(admin, false);
	return 0;
}
