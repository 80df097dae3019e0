/* Words of the command line become one command: options in any order, then members that are given
 * by their place, then defaults. */
#include "ctrl/arguments.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ctrl/run.h"
#include "ctrl/values.h"

struct words {
	const struct fw_ctrl_command *command;
	int argc;
	char **argv;
	int at;     /* of the word that is read */
	int placed; /* words that are no options, moved to the front of argv */
	struct fw_ctrl_asked *asked;
	struct fw_error *error;
};

void fw_ctrl_place_name(const struct fw_ctrl_place *place, char *text, size_t size)
{
	size_t len = 0, end = place->len;

	if (end > 2 && memcmp(place->member + end - 2, "Id", 2) == 0)
		end -= 2;
	end -= place->takes_rest && place->member[end - 1] == 's';
	for (size_t i = 0; i < end && len + 2 < size; i++) {
		if (isupper((unsigned char)place->member[i]))
			text[len++] = '-';
		text[len++] = (char)toupper((unsigned char)place->member[i]);
	}
	text[len] = '\0';
}

/* ---- Options */

/* True if `text`, of `len` bytes, is the option of this member: max-in-flight, or maxInFlight as in
 * the documents of commands. */
static bool is_option_of(const char *member, const char *text, size_t len)
{
	char name[64];

	fw_ctrl_option_name(member, name, sizeof(name));
	return (strlen(name) == len + 2 && memcmp(name + 2, text, len) == 0) ||
		(strlen(member) == len && memcmp(member, text, len) == 0);
}

static const struct fw_ctrl_option *find_option(
	const struct fw_ctrl_command *command, const char *text, size_t len)
{
	const struct fw_ctrl_option *option = NULL;

	while ((option = fw_ctrl_next_option(command, option))) {
		if (is_option_of(option->member, text, len))
			return option;
	}
	return NULL;
}

/* Sets a member of the command; the value is stolen, NULL has an error already. "filter.version" is
 * a member of the object filter. Texts that are given again are added. */
static bool put(struct words *words, const char *member, json_t *value)
{
	json_t *object = words->asked->command, *before;
	const char *dot = strchr(member, '.');
	char outer[32];

	if (!value)
		return false;
	if (dot) {
		snprintf(outer, sizeof(outer), "%.*s", (int)(dot - member), member);
		if (!json_object_get(object, outer))
			json_object_set_new(object, outer, json_object());
		object = json_object_get(object, outer);
		member = dot + 1;
	}
	before = json_object_get(object, member);
	if (json_is_array(before) && json_is_array(value)) {
		json_array_extend(before, value);
		json_decref(value);
		return true;
	}
	if (before) {
		fw_error_set(words->error, "%s is given twice", member);
		json_decref(value);
		return false;
	}
	if (json_object_set_new(object, member, value) == 0)
		return true;
	fw_error_set(words->error, "out of memory");
	return false;
}

/* The value behind an option, "=VALUE" or the next word; NULL with an error: there is none. */
static const char *value_of(struct words *words, const char *name, size_t len)
{
	if (name[len] == '=')
		return name + len + 1;
	if (words->at + 1 < words->argc)
		return words->argv[++words->at];
	fw_error_set(words->error, "--%.40s: its value is missing", name);
	return NULL;
}

/* Reads an option of the module's own. *known: it is one of these; false with *known: an error. */
static bool read_own(struct words *words, const char *name, bool *known)
{
	const struct {
		const char *name;
		bool *flag, fits;
	} flags[] = {{"json", &words->asked->json, true},
		{"all", &words->asked->all, words->command->lists},
		{"help", &words->asked->help, true},
		{"exit-status", &words->asked->exit_status, words->command->run == fw_ctrl_watch}};
	size_t len = strcspn(name, "=");
	const char *value;

	*known = true;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (flags[i].fits && strcmp(flags[i].name, name) == 0)
			return *flags[i].flag = true;
	}
	*known = words->command->run == fw_ctrl_watch && len == 8 &&
		memcmp(name, "interval", len) == 0;
	value = *known ? value_of(words, name, len) : NULL;
	if (!value)
		return false;
	if (fw_ctrl_duration(value, 1, &words->asked->interval) && words->asked->interval > 0)
		return true;
	fw_error_set(words->error, "--interval: '%.40s' is not a time such as 5s or 1m", value);
	return false;
}

/* --name, --name=VALUE, --name VALUE, --name-file PATH, --no-name. */
static bool read_option(struct words *words, const char *name)
{
	size_t len = strcspn(name, "=");
	const struct fw_ctrl_option *option = find_option(words->command, name, len);
	const char *value;

	if (option && option->form == FW_CTRL_FLAG && name[len] != '=')
		return put(words, option->member, json_true());
	if (option && option->form != FW_CTRL_FLAG) {
		value = value_of(words, name, len);
		return value &&
			put(words, option->member, fw_ctrl_value(option, value, words->error));
	}
	if (len > 5 && memcmp(name + len - 5, "-file", 5) == 0) {
		option = find_option(words->command, name, len - 5);
		value = option ? value_of(words, name, len) : NULL;
		if (option)
			return value &&
				put(words, option->member,
					fw_ctrl_value_of_file(option, value, words->error));
	}
	option = strncmp(name, "no-", 3) == 0 ? find_option(words->command, name + 3, len - 3)
					      : NULL;
	if (option && name[len] != '=')
		return put(words, option->member,
			option->form == FW_CTRL_FLAG ? json_false() : json_null());
	fw_error_set(words->error, "%s has no option --%.60s", words->command->name, name);
	return false;
}

static bool read_words(struct words *words)
{
	bool only_places = false, known;

	for (; words->at < words->argc; words->at++) {
		const char *word = words->argv[words->at];

		if (only_places || word[0] != '-' || !word[1]) {
			words->argv[words->placed++] = words->argv[words->at];
		} else if (strcmp(word, "--") == 0) {
			only_places = true;
		} else if (word[1] != '-') {
			fw_error_set(words->error,
				"'%.60s' is no option of %s: those of the connection, such as -h "
				"and -u, stand before the word firmware; what begins with '-' and "
				"is none stands behind '--'",
				word, words->command->name);
			return false;
		} else if (!read_own(words, word + 2, &known) &&
			(known || !read_option(words, word + 2))) {
			return false;
		}
	}
	return true;
}

/* ---- Places */

static bool is_given(const json_t *command, const char *member, size_t len)
{
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)len, member);
	return json_object_get(command, name);
}

static bool put_place(struct words *words, const struct fw_ctrl_place *place, int *used)
{
	const struct fw_ctrl_option *option =
		fw_ctrl_option_of(words->command, place->member, place->len);
	json_t *value;

	if (!place->takes_rest)
		return put(words, option->member,
			fw_ctrl_value(option, words->argv[(*used)++], words->error));
	for (value = json_array(); *used < words->placed; (*used)++) {
		json_t *text = json_string(words->argv[*used]);

		if (json_array_append_new(value, text) != 0) {
			fw_error_set(words->error, "'%.60s' is not UTF-8", words->argv[*used]);
			json_decref(value);
			return false;
		}
	}
	return put(words, option->member, value);
}

static bool read_places(struct words *words)
{
	const json_t *command = words->asked->command;
	struct fw_ctrl_place place;
	const char *at = NULL;
	char name[32];
	int used = 0;

	while (fw_ctrl_next_place(words->command, &at, &place)) {
		if (place.instead && is_given(command, place.instead, place.instead_len))
			continue;
		if (used < words->placed) {
			if (!put_place(words, &place, &used))
				return false;
		} else if (!place.may_lack && !is_given(command, place.member, place.len)) {
			fw_ctrl_place_name(&place, name, sizeof(name));
			fw_error_set(words->error, "%s: %s is missing", words->command->name, name);
			return false;
		}
	}
	if (used == words->placed)
		return true;
	fw_error_set(words->error, "%s: '%.60s' is one word too many", words->command->name,
		words->argv[used]);
	return false;
}

/* "mode=push name=@version" */
static bool add_defaults(struct words *words)
{
	json_t *command = words->asked->command;
	char member[32], value[32];
	int len;

	for (const char *at = words->command->defaults;
		at && sscanf(at, " %31[^=]=%31s%n", member, value, &len) == 2; at += len) {
		json_t *given = value[0] == '@' ? json_object_get(command, value + 1) : NULL;

		if (json_object_get(command, member))
			continue;
		if (!put(words, member, given ? json_copy(given) : json_string(value)))
			return false;
	}
	return true;
}

bool fw_ctrl_arguments(const struct fw_ctrl_command *command, int argc, char **argv,
	struct fw_ctrl_asked *asked, struct fw_error *error)
{
	struct words words = {
		.command = command, .argc = argc, .argv = argv, .asked = asked, .error = error};

	*asked = (struct fw_ctrl_asked){
		.command = json_pack("{s:s}", "command", command->name), .interval = 1};
	if (asked->command && read_words(&words) &&
		(asked->help || (read_places(&words) && add_defaults(&words))))
		return true;
	fw_error_set(error, "out of memory");
	json_decref(asked->command);
	return false;
}
