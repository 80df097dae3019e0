/* Questions about options that were parsed: can the catalog be written, and what may a user do. */
#include "base/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/var/lib/x/." of "/var/lib/x/firmware.db"; malloc'd, NULL when out of memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *result = NULL;

	if (asprintf(&result, "%.*s.", slash ? (int)(slash - path + 1) : 0, path) < 0)
		return NULL;
	return result;
}

static enum fw_status refuse_db_file(
	struct fw_error *error, const char *what, const char *path, const char *remedy)
{
	int reason = errno;

	fw_error_set(error,
		"plugin_opt_db_file: %s '%s': %s. The broker runs as user id %ld (started as root, "
		"Mosquitto drops to its own user): %s %s'",
		what, path, strerror(reason), (long)geteuid(), remedy, path);
	return FW_INVALID;
}

static enum fw_status refuse_folder(struct fw_error *error, const char *folder)
{
	fw_error_set(error,
		"plugin_opt_db_file: '%s' is a folder: name the file in it that is to be the "
		"catalog, e.g. '%s/firmware.db'",
		folder, folder);
	return FW_INVALID;
}

enum fw_status fw_options_check_db_file(const struct fw_options *opts, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	struct stat found;
	char *folder = folder_of(opts->db_file);

	if (!folder)
		return FW_NOMEM;
	/* SQLite needs to create files beside the catalog: sqlite.org/wal.html */
	if (access(folder, W_OK | X_OK) != 0)
		status = refuse_db_file(error, "cannot write to the folder", folder,
			"create it and give it to that user, e.g. 'install -d -o mosquitto -g "
			"mosquitto");
	else if (stat(opts->db_file, &found) == 0 && S_ISDIR(found.st_mode))
		status = refuse_folder(error, opts->db_file);
	else if (access(opts->db_file, F_OK) == 0 && access(opts->db_file, R_OK | W_OK) != 0)
		status = refuse_db_file(error, "cannot write to the catalog", opts->db_file,
			"give it to that user, e.g. 'chown mosquitto:");
	free(folder);
	return status;
}

static bool is_named(char *const *list, const char *username)
{
	for (; username && list && *list; list++) {
		if (strcmp(*list, username) == 0)
			return true;
	}
	return false;
}

bool fw_options_is_operator(const struct fw_options *opts, const char *username)
{
	return is_named(opts->operators, username);
}

bool fw_options_is_admin(const struct fw_options *opts, const char *username)
{
	return is_named(opts->admins, username);
}

bool fw_options_is_viewer(const struct fw_options *opts, const char *username)
{
	return is_named(opts->admin_viewers, username);
}

bool fw_options_have_admins(const struct fw_options *opts)
{
	return opts->admins || opts->admin_viewers;
}
