/* Writes one value as a piece of a line, and measures how many columns it takes. */
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "ctrl/render.h"

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && strcmp(text + len - tail, end) == 0;
}

/* Unix ms as date and time, in this machine's zone. */
static char *write_time(json_int_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return strdup("?");
	return strdup(text);
}

/* Texts with commas between; anything else as JSON. */
static char *write_json(const json_t *value)
{
	char *text = NULL;
	FILE *out;
	size_t size, i;
	json_t *item;

	for (i = 0; i < json_array_size(value); i++) {
		if (!json_is_string(json_array_get(value, i)))
			return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	if (!json_is_array(value))
		return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	json_array_foreach(value, i, item)
	{
		fprintf(out, "%s%s", i ? "," : "", json_string_value(item));
	}
	fclose(out);
	return text;
}

char *fw_ctrl_cell(const char *member, const json_t *value)
{
	char *text;

	if (!value || json_is_null(value))
		return strdup("-");
	if (json_is_integer(value) && json_integer_value(value) > 0 &&
		(strcmp(member, "at") == 0 || strcmp(member, "now") == 0 ||
			ends_with(member, "At") || ends_with(member, "Until")))
		return write_time(json_integer_value(value));
	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "yes" : "no");
	text = json_is_string(value) ? strdup(json_string_value(value)) : write_json(value);
	if (text)
		fw_make_line(text);
	return text;
}

void fw_ctrl_heading(const char *member, size_t end, bool upper, char *text, size_t size)
{
	size_t len = 0;

	if (end > 2 &&
		(memcmp(member + end - 2, "Id", 2) == 0 || memcmp(member + end - 2, "At", 2) == 0))
		end -= 2;
	for (size_t i = 0; i < end && len + 2 < size; i++) {
		if (isupper((unsigned char)member[i]))
			text[len++] = ' ';
		text[len++] = (char)(upper ? toupper((unsigned char)member[i])
					   : tolower((unsigned char)member[i]));
	}
	text[len] = '\0';
}

/* Columns of the character at the front; *step: its bytes. mosquitto_ctrl sets no locale, so one
 * with UTF-8 is asked for by its name. */
static size_t width_of(const char *at, size_t len, size_t *step)
{
	static locale_t utf8;
	locale_t before;
	wchar_t character;
	mbstate_t state = {0};
	int width = 1;

	*step = fw_utf8_step(at, len);
	*step += *step == 0;
	if (*step == 1)
		return 1;
	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!utf8)
		return 1;
	before = uselocale(utf8);
	if (mbrtowc(&character, at, *step, &state) == *step)
		width = wcwidth(character);
	uselocale(before);
	return width < 0 ? 1 : (size_t)width;
}

size_t fw_ctrl_width(const char *text)
{
	size_t width = 0, step;

	for (size_t left = strlen(text); left; text += step, left -= step)
		width += width_of(text, left, &step);
	return width;
}

void fw_ctrl_cut(char *text, size_t columns)
{
	size_t width = 0, step, left = strlen(text);

	if (fw_ctrl_width(text) <= columns)
		return;
	for (; left; text += step, left -= step) {
		width += width_of(text, left, &step);
		if (width + 3 > columns)
			break;
	}
	/* what is cut off is never shorter than the dots that replace it */
	memcpy(text, "...", left > 3 ? 3 : left);
	text[left > 3 ? 3 : left] = '\0';
}
