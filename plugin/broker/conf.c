/* A line of mosquitto.conf is a word and a value. include_dir reads the files of a folder where it
 * stands; those include no others. */
#include "broker/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	void (*take)(void *context, const struct fw_conf_line *line);
	void *context;
	enum fw_status status;
};

static void read_file(struct reader *reader, const char *path, bool included);

enum fw_status fw_conf_path(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/cmdline", "re");
	char *argument = NULL;
	bool next = false, found = false;
	size_t room = 0;

	while (file && !found && getdelim(&argument, &room, '\0', file) >= 0) {
		found = next && fw_slice_copy(fw_slice_of(argument), path, size);
		next = strcmp(argument, "-c") == 0 || strcmp(argument, "--config-file") == 0;
	}
	free(argument);
	if (file)
		fclose(file);
	return found ? FW_OK : FW_NOT_FOUND;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static void read_folder(struct reader *reader, const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_conf, alphasort);
	char path[PATH_MAX];

	for (int i = 0; i < count; i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);

		if (len < (int)sizeof(path))
			read_file(reader, path, true);
		free(entries[i]);
	}
	free(entries);
}

/* Cuts `text` into word and value. False: it has not both, or is a comment. */
static bool split_line(char *text, struct fw_conf_line *line)
{
	char *value = NULL, *word = strtok_r(text, " \t\r\n", &value);

	/* behind the last word musl gives NULL */
	if (!word || word[0] == '#' || !value)
		return false;
	value += strspn(value, " \t");
	for (size_t len = strlen(value); len && isspace((unsigned char)value[len - 1]); len--)
		value[len - 1] = '\0';
	line->word = word;
	line->value = value;
	return value[0] != '\0';
}

static void read_file(struct reader *reader, const char *path, bool included)
{
	struct fw_conf_line line = {.file = path, .included = included};
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file) {
		reader->status = FW_IO;
		return;
	}
	while (getline(&text, &size, file) >= 0) {
		line.number++;
		if (!split_line(text, &line))
			continue;
		if (strcmp(line.word, "include_dir") != 0)
			reader->take(reader->context, &line);
		else if (!included)
			read_folder(reader, line.value);
	}
	free(text);
	fclose(file);
}

enum fw_status fw_conf_read(const char *path,
	void (*take)(void *context, const struct fw_conf_line *line), void *context)
{
	struct reader reader = {.take = take, .context = context, .status = FW_OK};

	read_file(&reader, path, false);
	return reader.status;
}

bool fw_conf_is_true(const char *value)
{
	return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}
