/* Reads the values of options, from text to JSON. Strictly: a typing mistake must not become a
 * command. */
#include "ctrl/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FILE_MAX (1u << 20)

void fw_ctrl_option_name(const char *member, char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "--");

	for (; *member && len + 2 < size; member++) {
		if (isupper((unsigned char)*member))
			text[len++] = '-';
		text[len++] = (char)(*member == '.' ? '-' : tolower((unsigned char)*member));
	}
	text[len] = '\0';
}

/* Reads `text` if all of it is one whole number. */
static bool read_integer(const char *text, int64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)*text) && !(*text == '-' && isdigit((unsigned char)text[1])))
		return false;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool fw_ctrl_duration(const char *text, int64_t unit, int64_t *seconds)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end;
	long long number;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	for (size_t i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter == *end && end[1] == '\0') {
			unit = units[i].seconds;
			end++;
		}
	}
	if (errno != 0 || *end != '\0' || number > INT32_MAX)
		return false;
	*seconds = (int64_t)number * unit;
	return true;
}

static bool read_minutes(const char *text, int64_t *minutes)
{
	int64_t seconds;

	if (!fw_ctrl_duration(text, 60, &seconds) || seconds % 60 != 0)
		return false;
	*minutes = seconds / 60;
	return true;
}

static bool read_clock(const char *text, int64_t *minutes)
{
	int hours, rest, end = 0;

	if (read_integer(text, minutes))
		return true;
	if (!isdigit((unsigned char)*text) || sscanf(text, "%2d:%2d%n", &hours, &rest, &end) != 2 ||
		text[end] || hours > 23 || rest < 0 || rest > 59)
		return false;
	*minutes = 60 * hours + rest;
	return true;
}

static bool read_days(const char *text, int64_t *days)
{
	static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

	if (read_integer(text, days))
		return true;
	for (*days = 0; *text; text += strcspn(text, ",") + (text[strcspn(text, ",")] == ',')) {
		size_t i = 0;

		while (i < 7 && (strcspn(text, ",") != 3 || strncasecmp(text, names[i], 3) != 0))
			i++;
		if (i == 7)
			return false;
		*days |= 1 << i;
	}
	return *days != 0;
}

/* Reads what stands behind the date: "", "T08:00" or "T08:00:30", and maybe Z for UTC. */
static bool read_time_of_day(const char *rest, struct tm *tm, bool *utc)
{
	const char *end = rest;

	if (*rest == 'T' || *rest == ' ') {
		end = strptime(rest + 1, "%H:%M:%S", tm);
		end = end ? end : strptime(rest + 1, "%H:%M", tm);
	}
	*utc = end && *end == 'Z';
	return end && end[*utc] == '\0';
}

static bool read_time(const char *text, int64_t *ms)
{
	struct tm tm = {.tm_isdst = -1};
	const char *rest;
	int64_t seconds;
	bool utc;

	if (read_integer(text, ms))
		return true;
	if (*text == '+') {
		if (!fw_ctrl_duration(text + 1, 1, &seconds))
			return false;
		*ms = fw_now_ms() + 1000 * seconds;
		return true;
	}
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (!rest || !read_time_of_day(rest, &tm, &utc))
		return false;
	*ms = 1000 * (int64_t)(utc ? timegm(&tm) : mktime(&tm));
	return true;
}

static bool read_seconds(const char *text, int64_t *seconds)
{
	return fw_ctrl_duration(text, 1, seconds);
}

/* The forms whose value is a whole number. */
static const struct {
	bool (*read)(const char *text, int64_t *number);
	const char *example;
} numbers[] = {
	[FW_CTRL_INTEGER] = {read_integer, "a whole number"},
	[FW_CTRL_SECONDS] = {read_seconds, "a time such as 90, 15m, 2h or 1d"},
	[FW_CTRL_MINUTES] = {read_minutes, "minutes, or a time such as 15m, 2h or 1d"},
	[FW_CTRL_CLOCK] = {read_clock, "a time of the day such as 22:30"},
	[FW_CTRL_DAYS] = {read_days, "days such as mon,tue,sat"},
	[FW_CTRL_TIME] = {read_time, "a time such as 2026-12-24T08:00, or +2h for in two hours"},
};

/* Splits the text at the separators; leaves out empty pieces. */
static json_t *read_texts(const char *text, const char *separators)
{
	json_t *texts = json_array();

	while (texts && *(text += strspn(text, separators))) {
		size_t len = strcspn(text, separators);

		if (json_array_append_new(texts, json_stringn(text, len)) != 0) {
			json_decref(texts);
			return NULL;
		}
		text += len;
	}
	return texts;
}

static json_t *read_object(const char *text, struct fw_error *error)
{
	json_error_t where;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &where);

	if (!object)
		fw_error_set(error, "it must be a JSON object: %s", where.text);
	return object;
}

static json_t *read_value(
	const struct fw_ctrl_option *option, const char *text, bool lines, struct fw_error *error)
{
	int64_t number;

	switch (option->form) {
	case FW_CTRL_TEXT:
		return json_string(text);
	case FW_CTRL_FLAG:
		return json_true();
	case FW_CTRL_TEXTS:
		return read_texts(text, lines ? "\r\n" : ",");
	case FW_CTRL_JSON:
		return read_object(text, error);
	case FW_CTRL_STAGES:
		return fw_ctrl_stages(text, error);
	default:
		if (numbers[option->form].read(text, &number))
			return json_integer(number);
		fw_error_set(error, "it must be %s", numbers[option->form].example);
		return NULL;
	}
}

static json_t *make_value(
	const struct fw_ctrl_option *option, const char *text, bool lines, struct fw_error *error)
{
	struct fw_error why = {""};
	json_t *value = read_value(option, text, lines, &why);
	char name[64];

	fw_ctrl_option_name(option->member, name, sizeof(name));
	if (!value)
		fw_error_set(error, "%s: '%.80s' is not what it takes: %s", name, text,
			why.text[0] ? why.text : "it must be UTF-8");
	return value;
}

json_t *fw_ctrl_value(const struct fw_ctrl_option *option, const char *text, struct fw_error *error)
{
	return make_value(option, text, false, error);
}

/* All of the file, terminated and malloc'd; NULL with errno. */
static char *read_file(const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	char *text = file ? malloc(FILE_MAX + 1) : NULL;
	size_t len = text ? fread(text, 1, FILE_MAX + 1, file) : 0;

	if (text && (len > FILE_MAX || memchr(text, '\0', len) || ferror(file))) {
		errno = len > FILE_MAX ? EFBIG : errno ? errno : EINVAL;
		free(text);
		text = NULL;
	}
	if (text) {
		while (len && strchr("\r\n", text[len - 1]))
			len--;
		text[len] = '\0';
	}
	if (file && !is_stdin)
		fclose(file);
	return text;
}

json_t *fw_ctrl_value_of_file(
	const struct fw_ctrl_option *option, const char *path, struct fw_error *error)
{
	char *text;
	json_t *value;

	errno = 0;
	text = read_file(path);
	if (!text) {
		fw_error_set(error, "cannot read '%.200s': %s", path, strerror(errno));
		return NULL;
	}
	value = make_value(option, text, true, error);
	free(text);
	return value;
}
