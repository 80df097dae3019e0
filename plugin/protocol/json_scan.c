/* The quick reader of plain JSON. Each step returns where it ended, NULL when the text is not
 * plain. `end` is where the text ends: nothing is read there. */
#include "protocol/json_scan.h"

#include <string.h>

#define DIGITS_MAX 15 /* fit into 64 bits without a check */

/* `at` is at the opening quote. */
static const char *read_text(const char *at, const char *end, struct fw_slice *text)
{
	const char *from = ++at;

	while (at < end && *at != '"') {
		if (*at < 0x20 || *at > 0x7e || *at == '\\')
			return NULL;
		at++;
	}
	if (at == end)
		return NULL;
	*text = (struct fw_slice){from, (size_t)(at - from)};
	return at + 1;
}

/* The caller looks at what follows: with a point or an exponent the text is not plain. */
static const char *read_integer(const char *at, const char *end, int64_t *integer)
{
	const char *from = at;

	*integer = 0;
	while (at < end && *at >= '0' && *at <= '9' && at - from < DIGITS_MAX)
		*integer = *integer * 10 + (*at++ - '0');
	return *from == '0' && at - from > 1 ? NULL : at;
}

const char *fw_json_scan_read_word(const char *at, const char *end, struct fw_json_scan *member)
{
	static const struct {
		struct fw_slice word;
		enum fw_json_scan_type type;
	} words[] = {{{"true", 4}, FW_JSON_TRUE}, {{"false", 5}, FW_JSON_FALSE},
		{{"null", 4}, FW_JSON_NULL}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((size_t)(end - at) >= words[i].word.len &&
			memcmp(at, words[i].word.at, words[i].word.len) == 0) {
			member->type = words[i].type;
			return at + words[i].word.len;
		}
	}
	return NULL;
}

static const char *read_value(const char *at, const char *end, struct fw_json_scan *member)
{
	if (at == end)
		return NULL;
	if (*at == '"') {
		member->type = FW_JSON_TEXT;
		return read_text(at, end, &member->text);
	}
	if (*at >= '0' && *at <= '9') {
		const char *behind = read_integer(at, end, &member->integer);

		member->type = FW_JSON_INTEGER;
		member->text = (struct fw_slice){at, behind ? (size_t)(behind - at) : 0};
		return behind;
	}
	return fw_json_scan_read_word(at, end, member);
}

static bool is_new(const struct fw_json_scan *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fw_slice_equal(members[i].name, members[count].name))
			return false;
	}
	return true;
}

/* From the name to what follows the value. */
static const char *read_member(const char *at, const char *end, struct fw_json_scan *member)
{
	at = fw_json_scan_skip_space(at, end);
	if (at == end || *at != '"' || !(at = read_text(at, end, &member->name)))
		return NULL;
	at = fw_json_scan_skip_space(at, end);
	if (at == end || *at != ':' ||
		!(at = read_value(fw_json_scan_skip_space(at + 1, end), end, member)))
		return NULL;
	return fw_json_scan_skip_space(at, end);
}

size_t fw_json_scan_parse(
	const char *bytes, size_t len, struct fw_json_scan members[FW_JSON_MEMBERS])
{
	const char *end = bytes + len, *at = fw_json_scan_skip_space(bytes, end);

	if (at == end || *at != '{')
		return 0;
	for (size_t count = 0; count < FW_JSON_MEMBERS; count++) {
		/* past the brace, or the comma */
		at = read_member(at + 1, end, &members[count]);
		if (!at || at == end || !is_new(members, count))
			return 0;
		if (*at == '}')
			return fw_json_scan_skip_space(at + 1, end) == end ? count + 1 : 0;
		if (*at != ',')
			return 0;
	}
	return 0;
}

/* Behind the string whose opening quote is at `at`, in valid JSON. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

/* Behind a string or a number. */
static const char *skip_scalar(const char *at, const char *end)
{
	if (*at == '"')
		return skip_string(at, end);
	while (at < end && !strchr(" \t\r\n,}", *at))
		at++;
	return at;
}

struct fw_slice fw_json_scan_find(const char *json, size_t len, struct fw_slice name)
{
	const char *at = json, *end = json + len, *behind, *value;
	int depth = 0;

	while (at < end) {
		if (*at != '"') {
			depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
			at++;
			continue;
		}
		behind = skip_string(at, end);
		value = fw_json_scan_skip_space(behind, end);
		if (depth == 1 && value < end && *value == ':' &&
			fw_slice_equal(
				(struct fw_slice){at + 1, (size_t)(behind - at) - 2}, name)) {
			value = fw_json_scan_skip_space(value + 1, end);
			return (struct fw_slice){value, (size_t)(skip_scalar(value, end) - value)};
		}
		at = behind;
	}
	return (struct fw_slice){NULL, 0};
}
