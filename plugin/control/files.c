/* The folder of firmware files: what lies in it, and deleting what no firmware names.
 *
 * The folder is read once for a page, and its names are sorted in memory: at most FILES_MAX. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"
#include "control/removal.h"
#include "files/folder.h"

#define FILES_MAX 100000u

const struct fw_command_member fw_file_members[] = {
	{"file", NULL, FW_MEMBER_TEXT, FW_USE_NAMED, FW_USE_NAME, 0, 0, NULL,
		"its name in files_dir"},
	{"size", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "bytes"},
	{"modifiedAt", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "Unix ms"},
	{"firmware", NULL, FW_MEMBER_TEXTS, FW_USE_ANSWER, 0, 0, 0, NULL,
		"ids of the firmware that names it"},
	{0},
};

struct names {
	char **at;
	size_t count, room;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

static bool add_name(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		char **at = reallocarray(names->at, room, sizeof(*at));

		if (!at)
			return false;
		names->at = at;
		names->room = room;
	}
	names->at[names->count] = strdup(name);
	return names->at[names->count++] != NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum fw_status read_names(struct fw_call *call, struct names *names)
{
	const char *after = fw_call_text(call, "after");
	DIR *folder = opendir(call->commands->files_dir);
	struct dirent *entry;
	bool good = true;

	if (!folder)
		return fw_call_refuse(call, "failed", "cannot read the folder '%.300s': %s",
			call->commands->files_dir, strerror(errno));
	while (good && names->count < FILES_MAX && (entry = readdir(folder))) {
		if (fw_folder_name_valid(entry->d_name) &&
			fw_utf8_valid(entry->d_name, strlen(entry->d_name)) &&
			(!after || strcmp(entry->d_name, after) > 0))
			good = add_name(names, entry->d_name);
	}
	closedir(folder);
	if (good && names->count)
		qsort(names->at, names->count, sizeof(*names->at), compare);
	return good ? FW_OK : FW_NOMEM;
}

/* The ids of the firmware that names the file: a new array. */
static enum fw_status firmware_of(struct fw_call *call, const char *name, json_t **out)
{
	json_t *row = NULL;
	enum fw_status status = fw_call_row(call,
		"SELECT json_group_array(firmware_id) AS \"ids{}\" FROM firmware WHERE file = ?1",
		json_pack("[s]", name), &row);

	if (status == FW_OK)
		*out = json_incref(json_object_get(row, "ids"));
	json_decref(row);
	return status;
}

/* A new object. NULL with FW_OK in *status: there is no such file; else NULL is an error. */
static json_t *item_of(struct fw_call *call, const char *name, enum fw_status *status)
{
	struct fw_file_stamp stamp = fw_folder_look(call->commands->files_dir, name);
	json_t *firmware = NULL, *item;

	if (!stamp.inode)
		return NULL;
	*status = firmware_of(call, name, &firmware);
	if (*status != FW_OK)
		return NULL;
	item = json_pack("{s:s,s:I,s:I,s:o}", "file", name, "size", (json_int_t)stamp.size,
		"modifiedAt", (json_int_t)(stamp.mtime_ns / 1000000), "firmware", firmware);
	if (!item)
		*status = FW_NOMEM;
	return item;
}

static enum fw_status add_items(
	struct fw_call *call, const struct names *names, size_t count, json_t *items, json_t **next)
{
	enum fw_status status = FW_OK;
	size_t i = 0;

	for (; i < names->count && json_array_size(items) < count && status == FW_OK; i++) {
		json_t *item = item_of(call, names->at[i], &status);

		if (item && json_array_append_new(items, item) != 0)
			status = FW_NOMEM;
	}
	*next = i < names->count && i ? json_string(names->at[i - 1]) : json_null();
	return *next ? status : FW_NOMEM;
}

enum fw_status fw_files_list(struct fw_call *call)
{
	const json_t *count = fw_call_member(call, "count");
	struct names names = {0};
	json_t *items = json_array(), *next = NULL;
	enum fw_status status = FW_OK;

	if (!items)
		return FW_NOMEM;
	if (call->commands->files_dir)
		status = read_names(call, &names);
	if (status == FW_OK)
		status = add_items(call, &names,
			count ? (size_t)json_integer_value(count) : FW_COMMANDS_COUNT, items,
			&next);
	if (status == FW_OK &&
		(json_object_set(call->data, "items", items) != 0 ||
			json_object_set(call->data, "next", next) != 0))
		status = FW_NOMEM;
	json_decref(next);
	json_decref(items);
	free_names(&names);
	return status;
}

static void end_removal(struct fw_call *call, bool committed)
{
	const struct fw_commands_config *config = &call->commands->config;
	struct fw_error error = {""};

	if (fw_removal_end(call->removal, committed, &error) != FW_OK && config->log)
		config->log(config->context, FW_LOG_WARNING, error.text);
}

static enum fw_status remove_file(struct fw_call *call, const char *name)
{
	struct fw_error error = {""};
	enum fw_status status =
		fw_removal_begin(call->commands->files_dir, name, &call->removal, &error);

	if (status == FW_NOMEM)
		return status;
	if (status != FW_OK)
		return fw_call_refuse(
			call, status == FW_NOT_FOUND ? "not_found" : "failed", "%s", error.text);
	call->ended = end_removal;
	return json_object_set_new(call->data, "file", json_string(name)) == 0 ? FW_OK : FW_NOMEM;
}

/* In a transaction that writes, so that no firmware comes to name the file meanwhile. */
enum fw_status fw_files_delete(struct fw_call *call)
{
	const char *name = fw_call_text(call, "file");
	json_t *firmware = NULL;
	const char *first;
	enum fw_status status;

	if (!fw_folder_name_valid(name) || !call->commands->files_dir)
		return fw_call_refuse(call, "not_found", "no such file: '%.200s'", name);
	if (fw_folder_belongs(call->commands->files_dir, name, call->commands->db_file))
		return fw_call_refuse(call, "conflict", FW_FILE_OF_CATALOG, name);
	status = firmware_of(call, name, &firmware);
	first = json_string_value(json_array_get(firmware, 0));
	if (status == FW_OK && first)
		status = fw_call_refuse(call, "conflict",
			"firmware %.64s names this file: delete the firmware first", first);
	else if (status == FW_OK)
		status = remove_file(call, name);
	json_decref(firmware);
	return status;
}
