/* What this server is: its version, its catalog, and how much is in it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "control/internal.h"
#include "control/member_rows.h"

const struct fw_command_member fw_details_members[] = {
	SHOWN("version", NULL, TEXT, "of the plugin"),
	SHOWN("schema", "(SELECT user_version FROM pragma_user_version)", INTEGER,
		"of the catalog"),
	SHOWN("now", "(SELECT ms FROM now)", INTEGER, "Unix ms, by the broker's clock"),
	SHOWN("dbFile", NULL, TEXT, "where the catalog is"),
	SHOWN("filesDir", NULL, TEXT, "where firmware files are"),
	SHOWN("catalogBytes", NULL, INTEGER, "of its file"),
	SHOWN("catalogLogBytes", NULL, INTEGER, "of the log beside it"),
	SHOWN("filesFreeBytes", NULL, INTEGER, "on the file system of filesDir"),
	SHOWN("products", "(SELECT count(*) FROM product)", INTEGER, "how many"),
	SHOWN("firmware", "(SELECT count(*) FROM firmware)", INTEGER, "how many"),
	SHOWN("firmwareNotReady", "(SELECT count(*) FROM firmware WHERE state <> 'ready')", INTEGER,
		"of them"),
	SHOWN("tasks", "(SELECT count(*) FROM task)", INTEGER, "how many"),
	SHOWN("tasksOpen", "(SELECT count(*) FROM task_count WHERE waiting + processing > 0)",
		INTEGER, "of them, with devices that wait or are under way"),
	SHOWN("tasksPaused", "(SELECT count(*) FROM task WHERE state = 'paused')", INTEGER,
		"of them"),
	SHOWN("user", NULL, TEXT, "who asks"),
	SHOWN("right", NULL, TEXT, "of this user: view or admin"),
	{0},
};

static json_int_t bytes_of(const char *path, const char *behind)
{
	struct stat found;
	char name[4096];

	if (snprintf(name, sizeof(name), "%s%s", path, behind) >= (int)sizeof(name) ||
		stat(name, &found) != 0)
		return 0;
	return found.st_size;
}

static json_t *free_bytes(const char *folder)
{
	struct statvfs found;

	if (!folder || statvfs(folder, &found) != 0)
		return json_null();
	return json_integer((json_int_t)(found.f_bavail * found.f_frsize));
}

static json_t *text_of(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static enum fw_status add_others(struct fw_call *call)
{
	const char *db = call->commands->db_file, *folder = call->commands->files_dir;
	json_t *others = json_pack("{s:s,s:o,s:o,s:I,s:I,s:o,s:s%,s:s}", "version", FW_VERSION_TEXT,
		"dbFile", text_of(db), "filesDir", text_of(folder), "catalogBytes",
		bytes_of(db, ""), "catalogLogBytes", bytes_of(db, "-wal"), "filesFreeBytes",
		free_bytes(folder), "user", call->asker->user.len ? call->asker->user.at : "",
		call->asker->user.len, "right",
		call->asker->right == FW_RIGHT_ADMIN ? "admin" : "view");
	int code = others ? json_object_update(call->data, others) : -1;

	json_decref(others);
	return code == 0 ? FW_OK : FW_NOMEM;
}

enum fw_status fw_details(struct fw_call *call)
{
	struct fw_text text = {0};
	json_t *row = NULL;
	enum fw_status status = FW_NOMEM;
	char *sql;

	fw_text_add(&text, "SELECT ");
	fw_entity_add_columns(&text, fw_details_members);
	sql = fw_text_end(&text);
	if (sql)
		status = fw_call_row(call, sql, json_array(), &row);
	free(sql);
	if (status == FW_OK && json_object_update(call->data, row) != 0)
		status = FW_NOMEM;
	json_decref(row);
	return status == FW_OK ? add_others(call) : status;
}
