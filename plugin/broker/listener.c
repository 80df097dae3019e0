/* Finds the listener above the plugin's line, in the same file: Mosquitto begins each included file
 * with the default listener again. That is easily overlooked with Debian's conf.d, where plugin and
 * listener have a file each. */
#include "broker/listener.h"

#include <stdio.h>
#include <string.h>

#include "broker/conf.h"

struct search {
	const char *plugin;
	struct fw_listener_place *out;
	struct fw_listener_line last[2]; /* listeners: in the first file, in an included one */
};

static void set_line(struct fw_listener_line *out, const struct fw_conf_line *line)
{
	snprintf(out->file, sizeof(out->file), "%s", line->file);
	snprintf(out->text, sizeof(out->text), "%s %s", line->word, line->value);
	out->number = line->number;
}

static void found_listener(struct search *search, const struct fw_conf_line *line)
{
	struct fw_listener_line *last = &search->last[line->included];

	set_line(last, line);
	search->out->listeners++;
	/* for the case that the plugin turns out not to be below any listener */
	if (!search->out->other.number)
		search->out->other = *last;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void found_plugin(struct search *search, const struct fw_conf_line *line)
{
	const struct fw_listener_line *last = &search->last[line->included];

	if (strcmp(file_name(line->value), search->plugin) != 0 || search->out->plugins++)
		return;
	set_line(&search->out->plugin, line);
	if (last->number < line->number && strcmp(last->file, search->out->plugin.file) == 0)
		search->out->listener = *last;
}

static void take_line(void *context, const struct fw_conf_line *line)
{
	struct search *search = context;
	const char *word = line->word;

	if (strcmp(word, "per_listener_settings") == 0)
		search->out->per_listener = fw_conf_is_true(line->value);
	else if (strcmp(word, "listener") == 0)
		found_listener(search, line);
	else if (strcmp(word, "plugin") == 0 || strcmp(word, "auth_plugin") == 0)
		found_plugin(search, line);
	else if (strcmp(word, "port") == 0 || strcmp(word, "bind_address") == 0)
		search->out->default_used = true;
}

enum fw_status fw_listener_find(const char *path, const char *plugin, struct fw_listener_place *out)
{
	struct search search = {.plugin = file_name(plugin), .out = out};

	*out = (struct fw_listener_place){0};
	return fw_conf_read(path, take_line, &search);
}

bool fw_listener_describe(const struct fw_listener_place *place, struct fw_error *message)
{
	bool on_default = place->listener.number == 0;

	*message = (struct fw_error){""};
	if (!place->per_listener || place->plugins != 1 || !place->listeners)
		return false;
	if (on_default && !place->default_used) {
		fw_error_set(message,
			"with per_listener_settings true this plugin serves the default listener"
			" (port 1883) alone, for no 'listener' stands above its lines in %s (line"
			" %d). Clients of '%s' are not served: move the plugin's lines below that"
			" line (%s, line %d), or set per_listener_settings false",
			place->plugin.file, place->plugin.number, place->other.text,
			place->other.file, place->other.number);
		return true;
	}
	if (on_default || place->listeners > 1)
		fw_error_set(message,
			"with per_listener_settings true this plugin serves %s alone,"
			" and no client of another listener",
			on_default ? "the default listener" : place->listener.text);
	return false;
}
