/* Reading mosquitto.conf for the places of two words, `listener` and `plugin`. Mosquitto begins each included file with the default
 * listener again, which is what misleads: in Debian's conf.d the plugin's file knows nothing of the listener's. */
#include "conf.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CMDLINE_MAX 4096

struct reader {
	const char *plugin;
	struct fw_conf_place *out;
	int depth; /* only the first file includes others */
};

/* A file that is being read. */
struct source {
	const char *path;
	int number;                   /* of the current line */
	struct fw_conf_line listener; /* the last one so far */
};

static void read_file(struct reader *reader, const char *path, enum fw_status *status);

bool fw_conf_path(char *path, size_t size)
{
	char line[CMDLINE_MAX + 2] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, line, CMDLINE_MAX) : -1;

	if (fd >= 0)
		close(fd);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(line + at) + 1) {
		const char *value = line + at + strlen(line + at) + 1;

		if ((strcmp(line + at, "-c") == 0 || strcmp(line + at, "--config-file") == 0) && value < line + len)
			return (size_t)snprintf(path, size, "%s", value) < size;
	}
	return false;
}

static void set_line(struct fw_conf_line *line, const struct source *source, const char *word, const char *value)
{
	snprintf(line->file, sizeof(line->file), "%s", source->path);
	snprintf(line->text, sizeof(line->text), "%s %s", word, value);
	line->number = source->number;
}

static void found_listener(struct reader *reader, struct source *source, const char *value)
{
	set_line(&source->listener, source, "listener", value);
	reader->out->listeners++;
	/* that the plugin stands below it is known later */
	if (!reader->out->other.number)
		reader->out->other = source->listener;
}

static void found_plugin(struct reader *reader, struct source *source, const char *value)
{
	const char *slash = strrchr(value, '/');

	if (strcmp(slash ? slash + 1 : value, reader->plugin) != 0 || reader->out->plugins++)
		return;
	set_line(&reader->out->plugin, source, "plugin", value);
	reader->out->listener = source->listener;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static void read_folder(struct reader *reader, const char *folder, enum fw_status *status)
{
	struct dirent **entries = NULL;
	int count = reader->depth == 1 ? scandir(folder, &entries, is_conf, alphasort) : 0;

	for (int i = 0; i < count; i++) {
		char path[FW_CONF_NAME_MAX];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) < sizeof(path))
			read_file(reader, path, status);
		free(entries[i]);
	}
	free(entries);
}

static void take(struct reader *reader, struct source *source, const char *word, const char *value, enum fw_status *status)
{
	if (strcmp(word, "per_listener_settings") == 0)
		reader->out->per_listener = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	else if (strcmp(word, "listener") == 0)
		found_listener(reader, source, value);
	else if (strcmp(word, "plugin") == 0 || strcmp(word, "auth_plugin") == 0)
		found_plugin(reader, source, value);
	else if (strcmp(word, "port") == 0 || strcmp(word, "bind_address") == 0)
		reader->out->default_used = true;
	else if (strcmp(word, "include_dir") == 0)
		read_folder(reader, value, status);
}

static void read_file(struct reader *reader, const char *path, enum fw_status *status)
{
	struct source source = {.path = path};
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file) {
		*status = FW_IO;
		return;
	}
	reader->depth++;
	while (getline(&line, &size, file) > 0) {
		char *rest = line, *word;

		source.number++;
		line[strcspn(line, "\r\n")] = '\0';
		word = strsep(&rest, " ");
		if (rest)
			take(reader, &source, word, rest + strspn(rest, " \t"), status);
	}
	reader->depth--;
	free(line);
	fclose(file);
}

enum fw_status fw_conf_find(const char *path, const char *plugin, struct fw_conf_place *out)
{
	struct reader reader = {.plugin = plugin, .out = out};
	enum fw_status status = FW_OK;

	*out = (struct fw_conf_place){0};
	read_file(&reader, path, &status);
	return status;
}

bool fw_conf_describe(const struct fw_conf_place *place, struct fw_error *sentence)
{
	*sentence = (struct fw_error){""};
	if (!place->per_listener || place->plugins != 1 || !place->listeners)
		return false;
	if (place->listener.number == 0 && !place->default_used) {
		fw_error_set(sentence, "with per_listener_settings true this plugin serves the default listener (port 1883) alone, for no 'listener' stands above its lines in"
			" %s (line %d). Clients of '%s' are not served: move the plugin's lines below that line (%s, line %d), or set per_listener_settings false",
			place->plugin.file, place->plugin.number, place->other.text, place->other.file, place->other.number);
		return true;
	}
	if (place->listener.number == 0 || place->listeners > 1)
		fw_error_set(sentence, "with per_listener_settings true this plugin serves %s alone, and no client of another listener",
			place->listener.number ? place->listener.text : "the default listener");
	return false;
}
