/* The names of the spool's segments: makes them, and finds those of an earlier run.
 *
 * A segment that cannot be read keeps the broker from starting: it holds messages that were
 * acknowledged, and without it their numbers would be given a second time. */
#include "spool/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DIGITS 20u
#define MAGIC_DIGITS 8u
#define NAME_EXTRA (1 + FIRST_DIGITS + 1 + MAGIC_DIGITS)

struct list {
	struct fw_directory_entry *at;
	size_t count, room;
};

const char *fw_directory_path(const char *prefix, uint64_t first, uint32_t magic, char *path)
{
	snprintf(path, PATH_MAX, "%s-%020" PRIu64 "-%08" PRIx32, prefix, first, magic);
	return path;
}

const char *fw_directory_folder(const char *prefix, char *folder)
{
	const char *slash = strrchr(prefix, '/');

	if (slash)
		snprintf(folder, PATH_MAX, "%.*s", slash > prefix ? (int)(slash - prefix) : 1,
			prefix);
	else
		snprintf(folder, PATH_MAX, ".");
	return folder;
}

static bool parse_digits(const char *at, size_t count, unsigned base, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++) {
		const char *digit = memchr(digits, at[i], base);

		if (!digit || value > (UINT64_MAX - 15) / base)
			return false;
		value = value * base + (uint64_t)(digit - digits);
	}
	*out = value;
	return true;
}

/* Exactly what fw_directory_path makes, so that no two names mean the same segment. */
static bool parse_name(const char *name, const char *base, struct fw_directory_entry *out)
{
	size_t len = strlen(base);
	uint64_t magic;

	if (strlen(name) != len + NAME_EXTRA || strncmp(name, base, len) != 0)
		return false;
	name += len;
	if (name[0] != '-' || !parse_digits(name + 1, FIRST_DIGITS, 10, &out->first))
		return false;
	name += 1 + FIRST_DIGITS;
	if (name[0] != '-' || !parse_digits(name + 1, MAGIC_DIGITS, 16, &magic))
		return false;
	out->magic = (uint32_t)magic;
	return out->first >= 1 && out->first <= INT64_MAX && magic != 0;
}

/* FW_OK with found->size; FW_NOT_FOUND: it is gone, empty or no regular file; FW_IO. */
static enum fw_status inspect(
	const char *prefix, struct fw_directory_entry *found, struct fw_error *error)
{
	char path[PATH_MAX];
	struct stat info;

	fw_directory_path(prefix, found->first, found->magic, path);
	if (lstat(path, &info) != 0) {
		if (errno == ENOENT)
			return FW_NOT_FOUND;
		fw_error_set(error,
			"cannot look at %s, which keeps acknowledged messages: %s; see to the disk",
			path, strerror(errno));
		return FW_IO;
	}
	if (!S_ISREG(info.st_mode))
		return FW_NOT_FOUND;
	if (info.st_size == 0) {
		unlink(path);
		return FW_NOT_FOUND;
	}
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0) {
		fw_error_set(error,
			"cannot read %s, which keeps acknowledged messages: %s; give it to the "
			"broker's user",
			path, strerror(errno));
		return FW_IO;
	}
	found->size = (uint64_t)info.st_size;
	return FW_OK;
}

static enum fw_status list_add(struct list *list, struct fw_directory_entry found)
{
	if (list->count == list->room) {
		struct fw_directory_entry *at = reallocarray(list->at, 2 * list->room, sizeof(*at));

		if (!at)
			return FW_NOMEM;
		list->at = at;
		list->room *= 2;
	}
	list->at[list->count++] = found;
	return FW_OK;
}

static enum fw_status list_folder(
	const char *prefix, const char *base, DIR *dir, struct list *list, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	struct fw_directory_entry found;
	struct dirent *entry;

	/* a NULL with errno unchanged is the end (readdir(3)) */
	while (status == FW_OK && (errno = 0, entry = readdir(dir))) {
		if (!parse_name(entry->d_name, base, &found))
			continue;
		status = inspect(prefix, &found, error);
		if (status == FW_OK)
			status = list_add(list, found);
		else if (status == FW_NOT_FOUND)
			status = FW_OK;
	}
	if (status == FW_OK && errno) {
		fw_error_set(error,
			"cannot read the folder of %s, which keeps acknowledged messages: %s; see "
			"to the disk",
			prefix, strerror(errno));
		status = FW_IO;
	}
	return status;
}

static int compare_entries(const void *left, const void *right)
{
	const struct fw_directory_entry *a = left, *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->magic < b->magic ? -1 : a->magic > b->magic;
}

static enum fw_status open_folder(const char *prefix, DIR **out, struct fw_error *error)
{
	char folder[PATH_MAX];

	if (strlen(prefix) + NAME_EXTRA >= PATH_MAX) {
		fw_error_set(error, "the path of the spool is too long: choose a shorter one");
		return FW_IO;
	}
	fw_directory_folder(prefix, folder);
	*out = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 ? opendir(folder) : NULL;
	if (*out)
		return FW_OK;
	fw_error_set(error,
		"cannot use the folder %s for the spool: %s; create it and let the broker's user "
		"read and write there",
		folder, strerror(errno));
	return FW_IO;
}

enum fw_status fw_directory_list(
	const char *prefix, struct fw_directory_entry **out, size_t *count, struct fw_error *error)
{
	const char *slash = strrchr(prefix, '/');
	struct list list = {calloc(16, sizeof(*list.at)), 0, 16};
	DIR *dir = NULL;
	enum fw_status status = list.at ? open_folder(prefix, &dir, error) : FW_NOMEM;

	if (status == FW_OK)
		status = list_folder(prefix, slash ? slash + 1 : prefix, dir, &list, error);
	if (dir)
		closedir(dir);
	if (status != FW_OK) {
		free(list.at);
		return status;
	}
	qsort(list.at, list.count, sizeof(*list.at), compare_entries);
	*out = list.at;
	*count = list.count;
	return FW_OK;
}
