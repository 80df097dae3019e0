/* The options: a table says how each is parsed, and what a good value looks like. Parsing ends at
 * the first mistake. Then what was left out gets its default. */
#include "base/options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define URL_BASE_MAX 1024u /* bytes */
/* messages a minute: more than a device has to say, and little enough to keep for an hour */
#define DEVICE_RATE 1200
/* bytes: a chunk that a device asked for and does not read waits in the broker's memory */
#define CHUNK_MOST 1048576
#define CONNECTION_RATE 500     /* half of what Mosquitto queues for a client */
#define CHUNK_RATE 33554432     /* 32 MiB a second */
#define ADMIN_UPLOAD 1073741824 /* 1 GiB */
#define CHUNK_RATE_LEAST 1024
#define CHUNK_RATE_MOST INT64_C(1099511627776)

struct parser {
	struct fw_options *options;
	struct fw_error *error;
};

struct option {
	const char *key;
	enum fw_status (*parse)(
		struct parser *parser, const struct option *option, const char *value);
	size_t offset; /* of the field in struct fw_options */
	int64_t least, most;
	const char *help; /* what a good value looks like */
};

static void *field(struct parser *parser, const struct option *option)
{
	return (char *)parser->options + option->offset;
}

static enum fw_status bad_value(
	struct parser *parser, const struct option *option, const char *value)
{
	fw_error_set(parser->error, "plugin_opt_%s '%.80s' is not valid: it must be %s",
		option->key, value, option->help);
	return FW_INVALID;
}

static enum fw_status parse_text(
	struct parser *parser, const struct option *option, const char *value)
{
	char **target = field(parser, option);
	char *copy;

	if (value[0] == '\0')
		return bad_value(parser, option, value);
	copy = strdup(value);
	if (!copy)
		return FW_NOMEM;
	free(*target);
	*target = copy;
	return FW_OK;
}

static enum fw_status parse_number(
	struct parser *parser, const struct option *option, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno || end == value || *end || number < option->least || number > option->most)
		return bad_value(parser, option, value);
	*(int64_t *)field(parser, option) = number;
	return FW_OK;
}

/* Which of the words is it? They end with NULL. */
static enum fw_status choose(struct parser *parser, const struct option *option, const char *value,
	const char *const *words, unsigned *out)
{
	for (*out = 0; words[*out]; ++*out) {
		if (strcmp(value, words[*out]) == 0)
			return FW_OK;
	}
	return bad_value(parser, option, value);
}

static enum fw_status parse_identity(
	struct parser *parser, const struct option *option, const char *value)
{
	static const char *const words[] = {"clientid", "username", "none", NULL};
	unsigned chosen;
	enum fw_status status = choose(parser, option, value, words, &chosen);

	if (status == FW_OK)
		parser->options->identity = (enum fw_identity)chosen;
	return status;
}

static enum fw_status parse_registration(
	struct parser *parser, const struct option *option, const char *value)
{
	static const char *const words[] = {"once", "closed", "open", NULL};
	unsigned chosen;
	enum fw_status status = choose(parser, option, value, words, &chosen);

	if (status == FW_OK)
		parser->options->registration = (enum fw_registration_mode)chosen;
	return status;
}

/* A choice between two words, stored as a bool: is it the second one? */
static enum fw_status parse_choice(struct parser *parser, const struct option *option,
	const char *value, const char *no, const char *yes)
{
	const char *const words[] = {no, yes, NULL};
	unsigned chosen;
	enum fw_status status = choose(parser, option, value, words, &chosen);

	if (status == FW_OK)
		*(bool *)field(parser, option) = chosen == 1;
	return status;
}

static enum fw_status parse_read_source(
	struct parser *parser, const struct option *option, const char *value)
{
	return parse_choice(parser, option, value, "catalog", "device");
}

static enum fw_status parse_sync(
	struct parser *parser, const struct option *option, const char *value)
{
	return parse_choice(parser, option, value, "normal", "full");
}

/* A copy without what nobody sees at its ends; malloc'd, NULL when out of memory. */
static char *trimmed(const char *at, size_t len)
{
	struct fw_slice text = fw_text_trim((struct fw_slice){at, len}, FW_TEXT_UNSEEN);

	return strndup(text.at, text.len);
}

static void free_list(char **list)
{
	for (char **name = list; name && *name; name++)
		free(*name);
	free(list);
}

static enum fw_status parse_names(
	struct parser *parser, const struct option *option, const char *value)
{
	size_t room = 2, count = 0;
	char **list;

	for (const char *c = value; *c; c++)
		room += *c == ',';
	list = calloc(room, sizeof(*list));
	if (!list)
		return FW_NOMEM;
	for (const char *at = value;; at++) {
		size_t len = strcspn(at, ",");

		list[count] = trimmed(at, len);
		if (!list[count] || list[count][0] == '\0') {
			enum fw_status status =
				list[count] ? bad_value(parser, option, value) : FW_NOMEM;
			free_list(list);
			return status;
		}
		count++;
		at += len;
		if (*at == '\0')
			break;
	}
	free_list(*(char ***)field(parser, option));
	*(char ***)field(parser, option) = list;
	return FW_OK;
}

static enum fw_status parse_listen(
	struct parser *parser, const struct option *option, const char *value)
{
	const char *colon = strrchr(value, ':');
	char *end;
	long port;

	if (!colon || colon == value)
		return bad_value(parser, option, value);
	errno = 0;
	port = strtol(colon + 1, &end, 10);
	if (errno || end == colon + 1 || *end || port < 1 || port > 65535)
		return bad_value(parser, option, value);
	return parse_text(parser, option, value);
}

static enum fw_status parse_admin_listen(
	struct parser *parser, const struct option *option, const char *value)
{
	if (strncmp(value, "unix:/", 6) == 0 && value[6])
		return parse_text(parser, option, value);
	return parse_listen(parser, option, value);
}

static enum fw_status parse_flag(
	struct parser *parser, const struct option *option, const char *value)
{
	return parse_choice(parser, option, value, "false", "true");
}

static enum fw_status parse_url_base(
	struct parser *parser, const struct option *option, const char *value)
{
	const char *host = strstr(value, "://");
	bool web = strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0;

	/* what firmware.url allows, with room for the rest of a URL */
	if (!web || !host || strchr("/:", host[3]) || strlen(value) > URL_BASE_MAX)
		return bad_value(parser, option, value);
	if (strpbrk(value, " ?#") || !fw_text_visible(fw_slice_of(value)))
		return bad_value(parser, option, value);
	return parse_text(parser, option, value);
}

#define FIELD(name) offsetof(struct fw_options, name)

static const struct option options[] = {
	{"db_file", parse_text, FIELD(db_file), 0, 0, "the path of the catalog"},
	{"files_dir", parse_text, FIELD(files_dir), 0, 0, "the folder of the firmware files"},
	{"identity", parse_identity, FIELD(identity), 0, 0, "clientid, username or none"},
	{"operators", parse_names, FIELD(operators), 0, 0, "user names, separated by commas"},
	{"admins", parse_names, FIELD(admins), 0, 0, "user names, separated by commas"},
	{"admin_viewers", parse_names, FIELD(admin_viewers), 0, 0,
		"user names, separated by commas"},
	{"http_listen", parse_listen, FIELD(http_listen), 0, 0,
		"address:port, such as 0.0.0.0:8080"},
	{"metrics_listen", parse_listen, FIELD(metrics_listen), 0, 0,
		"address:port, such as 127.0.0.1:9091"},
	{"url_base", parse_url_base, FIELD(url_base), 0, 0,
		"the beginning of a URL of at most 1024 bytes, without spaces, ? and #, such as "
		"https://firmware.example.com"},
	{"url_ttl_seconds", parse_number, FIELD(url_ttl_seconds), 0, 31536000,
		"a number of seconds from 0 to 31536000"},
	{"url_secret_file", parse_text, FIELD(url_secret_file), 0, 0, "the path of the key file"},
	{"chunk_max_bytes", parse_number, FIELD(chunk_max_bytes), 1, CHUNK_MOST,
		"a number of bytes from 1 to 1048576"},
	{"connection_rate", parse_number, FIELD(connection_rate), 0, 100000,
		"a number of messages a second from 0 (no limit) to 100000"},
	{"chunk_rate_total", parse_number, FIELD(chunk_rate_total), CHUNK_RATE_LEAST,
		CHUNK_RATE_MOST, "a number of bytes a second from 1024 to 1099511627776"},
	{"read_source", parse_read_source, FIELD(read_from_device), 0, 0, "catalog or device"},
	{"sync", parse_sync, FIELD(sync_full), 0, 0, "normal or full"},
	{"sync_interval_ms", parse_number, FIELD(sync_interval_ms), 10, 60000,
		"a number of milliseconds from 10 to 60000"},
	{"registration", parse_registration, FIELD(registration), 0, 0, "once, closed or open"},
	{"device_rate_per_minute", parse_number, FIELD(device_rate_per_minute), 0, 1000000,
		"a number of messages from 0 (no limit) to 1000000"},
	{"admin_listen", parse_admin_listen, FIELD(admin_listen), 0, 0,
		"address:port, such as 127.0.0.1:8081, or unix: and an absolute path, such as "
		"unix:/run/mosquitto/firmware.sock"},
	{"admin_password_file", parse_text, FIELD(admin_password_file), 0, 0,
		"the path of a file made by mosquitto_passwd"},
	{"admin_certfile", parse_text, FIELD(admin_certfile), 0, 0, "the path of a PEM file"},
	{"admin_keyfile", parse_text, FIELD(admin_keyfile), 0, 0, "the path of a PEM file"},
	{"admin_hosts", parse_names, FIELD(admin_hosts), 0, 0, "host names, separated by commas"},
	{"admin_behind_proxy", parse_flag, FIELD(admin_behind_proxy), 0, 0, "true or false"},
	{"admin_upload_max_bytes", parse_number, FIELD(admin_upload_max_bytes), 1, INT64_MAX,
		"a number of bytes from 1"},
	{"log_retention_days", parse_number, FIELD(log_retention_days), 0, 36500,
		"a number of days from 0 (keep all) to 36500"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct option *find_option(const char *key)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (strcmp(options[i].key, key) == 0)
			return &options[i];
	}
	return NULL;
}

static enum fw_status unknown_option(struct fw_error *error, const char *key)
{
	char known[768] = "";

	for (size_t i = 0; i < OPTIONS; i++) {
		strncat(known, i ? ", " : "", sizeof(known) - strlen(known) - 1);
		strncat(known, options[i].key, sizeof(known) - strlen(known) - 1);
	}
	fw_error_set(error, "plugin_opt_%.60s is not an option: remove it, or use one of %s", key,
		known);
	return FW_INVALID;
}

/* `name` beside `path`: in the same folder. */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	char *result = NULL;

	if (asprintf(&result, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name) < 0)
		return NULL;
	return result;
}

/* What the link at `path` points to, malloc'd. NULL: it is no link, or errno is ENOMEM. */
static char *target_of(const char *path)
{
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return NULL;
	target[len] = '\0';
	return target[0] == '/' ? strdup(target) : beside(path, target);
}

/* The path of a file that is not there, malloc'd: by its folder. NULL: the folder is not there
 * either, or errno is ENOMEM. */
static char *resolve_missing(const char *path)
{
	const char *name = strrchr(path, '/');
	char *folder = beside(path, "."), *resolved = NULL;
	char *resolved_folder = folder ? realpath(folder, NULL) : NULL;

	free(folder);
	if (resolved_folder &&
		asprintf(&resolved, "%s/%s",
			strcmp(resolved_folder, "/") == 0 ? "" : resolved_folder,
			name ? name + 1 : path) < 0)
		resolved = NULL;
	free(resolved_folder);
	return resolved;
}

/* The spool and the lock lie beside the catalog, under its name: by whatever link it is reached,
 * they must be the same ones. SQLite makes a missing catalog where a link to it points. A folder
 * that is not there is refused later. */
static enum fw_status resolve_db_file(struct fw_options *out)
{
	char *target, *resolved = realpath(out->db_file, NULL);

	if (!resolved && errno == ENOENT) {
		/* comes to an end: links in a circle are ELOOP */
		while ((target = target_of(out->db_file))) {
			free(out->db_file);
			out->db_file = target;
		}
		resolved = errno == ENOMEM ? NULL : resolve_missing(out->db_file);
	}
	if (!resolved)
		return errno == ENOMEM ? FW_NOMEM : FW_OK;
	free(out->db_file);
	out->db_file = resolved;
	return FW_OK;
}

static enum fw_status fill_defaults(struct fw_options *out)
{
	if (resolve_db_file(out) != FW_OK)
		return FW_NOMEM;
	if (!out->files_dir)
		out->files_dir = beside(out->db_file, "firmware");
	if (!out->url_secret_file)
		out->url_secret_file = beside(out->db_file, "url.secret");
	if (!out->url_base && out->http_listen &&
		asprintf(&out->url_base, "http://%s", out->http_listen) < 0)
		out->url_base = NULL;
	if (!out->files_dir || !out->url_secret_file || (out->http_listen && !out->url_base))
		return FW_NOMEM;
	/* joined with "/firmware/..." later */
	if (out->url_base && out->url_base[strlen(out->url_base) - 1] == '/')
		out->url_base[strlen(out->url_base) - 1] = '\0';
	return FW_OK;
}

/* An earlier version took the end of the value for a part of the name, and made the catalog or a
 * folder under that. */
static enum fw_status refuse_other_name(
	struct fw_error *error, const struct fw_option_line *line, const char *meant)
{
	fw_error_set(error,
		"plugin_opt_%s: there is '%s' with a blank at its end, and no '%s': while the "
		"broker is stopped rename it, and whatever lies"
		" beside it under that name",
		line->key, line->value, meant);
	return FW_INVALID;
}

/* What nobody sees at a value's ends was not meant: Mosquitto leaves a blank, a tab and the
 * carriage return of a file from Windows there, and made of them a catalog of another name. */
static enum fw_status parse_line(struct parser *parser, const struct fw_option_line *line)
{
	const struct option *option = find_option(line->key);
	const char *value = line->value ? line->value : "";
	enum fw_status status = FW_NOMEM;
	char *copy;

	if (!option)
		return unknown_option(parser->error, line->key);
	copy = trimmed(value, strlen(value));
	if (copy && strcmp(copy, value) != 0 && access(value, F_OK) == 0 && access(copy, F_OK) != 0)
		status = refuse_other_name(parser->error, line, copy);
	else if (copy)
		status = option->parse(parser, option, copy);
	free(copy);
	return status;
}

enum fw_status fw_options_parse(const struct fw_option_line *lines, size_t count,
	struct fw_options *out, struct fw_error *error)
{
	struct parser parser = {out, error};

	*out = (struct fw_options){.chunk_max_bytes = 65536,
		.chunk_rate_total = CHUNK_RATE,
		.connection_rate = CONNECTION_RATE,
		.sync_interval_ms = 100,
		.device_rate_per_minute = DEVICE_RATE,
		.admin_upload_max_bytes = ADMIN_UPLOAD};
	for (size_t i = 0; i < count; i++) {
		enum fw_status status = parse_line(&parser, &lines[i]);

		if (status != FW_OK)
			return status;
	}
	if (!out->db_file) {
		fw_error_set(error,
			"plugin_opt_db_file is missing: add 'plugin_opt_db_file "
			"/var/lib/mosquitto/firmware.db' to mosquitto.conf");
		return FW_INVALID;
	}
	return fill_defaults(out);
}

void fw_options_clear(struct fw_options *out)
{
	free(out->db_file);
	free(out->files_dir);
	free(out->http_listen);
	free(out->metrics_listen);
	free(out->url_base);
	free(out->url_secret_file);
	free_list(out->operators);
	free_list(out->admins);
	free_list(out->admin_viewers);
	free(out->admin_listen);
	free(out->admin_password_file);
	free(out->admin_certfile);
	free(out->admin_keyfile);
	free_list(out->admin_hosts);
	*out = (struct fw_options){0};
}
