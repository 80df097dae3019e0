/* Parsing what devices and applications send. Each kind has a few members; a table says how each is
 * read, and what to tell the sender when it is wrong. */
#include "protocol/message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "protocol/json_object.h"
#include "protocol/json_scan.h"

#define MESSAGE_ID_MAX 1024u /* bytes of text */
/* of JSON: each byte may be written as \u0000, between quotes */
#define MESSAGE_ID_TEXT_MAX (6u * MESSAGE_ID_MAX + 2)
#define INT64_LIMIT 9223372036854775808.0 /* 2^63 */

/* A member's value, wherever it was read from. */
struct value {
	/* null and the empty string are absent; few members take text with a NUL in it */
	enum { ABSENT, TEXT, NUL_TEXT, INTEGER, REAL, BOOLEAN, OTHER } type;
	struct fw_slice text; /* of a number as it stands */
	int64_t integer;
	double real;
	bool boolean;
};

static struct value value_of_text(struct fw_slice text)
{
	struct value value = {.type = text.len ? TEXT : ABSENT, .text = text};

	if (text.len && memchr(text.at, '\0', text.len))
		value.type = NUL_TEXT;
	return value;
}

static struct value value_of(const struct fw_json_scan *member)
{
	switch (member->type) {
	case FW_JSON_TEXT:
		return value_of_text(member->text);
	case FW_JSON_INTEGER:
		return (struct value){
			.type = INTEGER, .text = member->text, .integer = member->integer};
	case FW_JSON_REAL:
		return (struct value){.type = REAL,
			.text = member->text,
			.real = fw_json_object_real(member->text)};
	case FW_JSON_TRUE:
	case FW_JSON_FALSE:
		return (struct value){.type = BOOLEAN, .boolean = member->type == FW_JSON_TRUE};
	case FW_JSON_NULL:
		return (struct value){.type = ABSENT};
	default:
		return (struct value){.type = OTHER};
	}
}

/* Only checked: copy_message_id takes the text as it stands in the payload, to be echoed. A number
 * beyond a double is not echoed: many readers of JSON would refuse the whole answer. */
static bool read_message_id(const struct value *value, struct fw_message *out)
{
	(void)out;
	return value->type == TEXT
		? value->text.len <= MESSAGE_ID_MAX
		: value->type == INTEGER || (value->type == REAL && isfinite(value->real));
}

/* A real is rounded down: some devices know time in fractions of a millisecond. */
static bool read_timestamp(const struct value *value, struct fw_message *out)
{
	if (value->type == REAL) {
		if (!(value->real >= -INT64_LIMIT && value->real < INT64_LIMIT))
			return false;
		out->timestamp = (int64_t)value->real;
		if ((double)out->timestamp > value->real)
			out->timestamp--;
	} else {
		out->timestamp = value->integer;
	}
	out->has_timestamp = value->type == REAL || value->type == INTEGER;
	return out->has_timestamp;
}

/* A version: at most FW_VERSION_MAX characters, none of them a control character, or one of
 * direction. What nobody sees at its ends is no part of it, and a version of nothing else is
 * absent. */
static bool read_version_text(const struct value *value, struct fw_slice *out)
{
	struct fw_slice text;

	if (value->type != TEXT && value->type != NUL_TEXT)
		return false;
	text = fw_text_trim(value->text, FW_TEXT_BLANK);
	if (text.len > 4 * FW_VERSION_MAX || fw_utf8_length(text.at, text.len) > FW_VERSION_MAX ||
		!fw_text_is_harmless(text))
		return false;
	*out = text;
	return true;
}

static bool read_version(const struct value *value, struct fw_message *out)
{
	return read_version_text(value, &out->version);
}

static bool read_current_version(const struct value *value, struct fw_message *out)
{
	return read_version_text(value, &out->current_version);
}

static bool read_request_version(const struct value *value, struct fw_message *out)
{
	return read_version_text(value, &out->request_version);
}

static bool is_id_byte(char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
		(byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static bool read_firmware_id(const struct value *value, struct fw_message *out)
{
	if (value->type != TEXT || value->text.len > FW_ID_MAX)
		return false;
	for (size_t i = 0; i < value->text.len; i++) {
		if (!is_id_byte(value->text.at[i]))
			return false;
	}
	out->firmware_id = value->text;
	return true;
}

static bool read_error_reason(const struct value *value, struct fw_message *out)
{
	out->error_reason = value->text;
	return value->type == TEXT || value->type == NUL_TEXT;
}

static bool read_progress(const struct value *value, struct fw_message *out)
{
	double figure = value->type == INTEGER ? (double)value->integer : value->real;

	/* rounded down, 100.9 is still 100 */
	if ((value->type != INTEGER && value->type != REAL) || !(figure >= 0 && figure < 101))
		return false;
	out->progress = (int)figure;
	out->has_progress = true;
	return true;
}

static bool read_complete(const struct value *value, struct fw_message *out)
{
	out->complete = value->boolean;
	return value->type == BOOLEAN;
}

static bool read_success(const struct value *value, struct fw_message *out)
{
	out->success = value->boolean;
	out->has_success = value->type == BOOLEAN;
	return out->has_success;
}

static bool read_retry(const struct value *value, struct fw_message *out)
{
	out->retry = value->boolean;
	return value->type == BOOLEAN;
}

/* An integer, whichever way it was written. */
static bool read_count(const struct value *value, int64_t least, int64_t *out)
{
	if (value->type == REAL && value->real >= 0 && value->real < INT64_LIMIT &&
		value->real == (double)(int64_t)value->real)
		*out = (int64_t)value->real;
	else if (value->type == INTEGER)
		*out = value->integer;
	else
		return false;
	return *out >= least;
}

static bool read_retry_after(const struct value *value, struct fw_message *out)
{
	int64_t seconds;

	if (!read_count(value, 1, &seconds) || seconds > FW_RETRY_AFTER_MAX)
		return false;
	out->retry_after = (int)seconds;
	return true;
}

static bool read_utc_offset(const struct value *value, struct fw_message *out)
{
	double minutes = value->type == REAL ? value->real : (double)value->integer;

	if ((value->type != INTEGER && value->type != REAL) || minutes < -FW_UTC_OFFSET_MAX ||
		minutes > FW_UTC_OFFSET_MAX || minutes != (double)(int)minutes)
		return false;
	out->utc_offset = (int)minutes;
	out->has_utc_offset = true;
	return true;
}

static bool read_offset(const struct value *value, struct fw_message *out)
{
	out->has_offset = read_count(value, 0, &out->offset);
	return out->has_offset;
}

/* Comes after `offset` in the table, and makes the range complete. */
static bool read_length(const struct value *value, struct fw_message *out)
{
	out->has_range = out->has_offset;
	return read_count(value, 1, &out->length);
}

#define KIND(name) (1u << FW_TOPIC_##name)
#define WITH_ID (KIND(UPGRADE_REPLY) | KIND(PULL) | KIND(READ) | KIND(READ_REPLY) | KIND(CHUNK))
#define WITH_TIME                                                                                  \
	(KIND(UPGRADE_REPLY) | KIND(UPGRADE_PROGRESS) | KIND(PULL) | KIND(REPORT) | KIND(READ) |   \
		KIND(READ_REPLY))
#define WITH_VERSION (KIND(UPGRADE_PROGRESS) | KIND(REPORT) | KIND(READ_REPLY))
#define WITH_RESULT (KIND(UPGRADE_REPLY) | KIND(UPGRADE_PROGRESS))
#define READABLE (WITH_ID | WITH_TIME)

#define VERSION_RULE " must be a string of at most 64 characters, without control characters"

/* messageId stands first, so that an answer about any other mistake can echo it. A faulty member
 * that is NEEDED makes the message invalid; one that the message MAY_LACK is left out. */
static const struct member {
	unsigned kinds;
	struct fw_slice name;
	bool (*read)(const struct value *value, struct fw_message *out);
	const char *message;
	enum { NEEDED, MAY_LACK } need;
} members[] = {
	{WITH_ID, FW_SLICE("messageId"), read_message_id,
		"messageId must be a string of at most 1024 bytes or a number", MAY_LACK},
	{WITH_TIME, FW_SLICE("timestamp"), read_timestamp,
		"timestamp must be an integer: Unix time in milliseconds", MAY_LACK},
	{KIND(PULL), FW_SLICE("currentVersion"), read_current_version,
		"currentVersion" VERSION_RULE, NEEDED},
	{KIND(PULL), FW_SLICE("requestVersion"), read_request_version,
		"requestVersion" VERSION_RULE, NEEDED},
	{WITH_VERSION, FW_SLICE("version"), read_version, "version" VERSION_RULE, NEEDED},
	{KIND(UPGRADE_PROGRESS), FW_SLICE("progress"), read_progress,
		"progress must be a number from 0 to 100", NEEDED},
	{KIND(UPGRADE_PROGRESS), FW_SLICE("complete"), read_complete,
		"complete must be true or false", NEEDED},
	{WITH_RESULT, FW_SLICE("success"), read_success, "success must be true or false", NEEDED},
	{KIND(UPGRADE_REPLY), FW_SLICE("retryAfter"), read_retry_after,
		"retryAfter must be an integer from 1 to 2592000, in seconds", MAY_LACK},
	{KIND(UPGRADE_PROGRESS), FW_SLICE("retry"), read_retry, "retry must be true or false",
		MAY_LACK},
	{KIND(REPORT) | KIND(READ_REPLY), FW_SLICE("utcOffset"), read_utc_offset,
		"utcOffset must be an integer from -840 to 840, in minutes", MAY_LACK},
	{KIND(UPGRADE_PROGRESS), FW_SLICE("errorReason"), read_error_reason,
		"errorReason must be a string", NEEDED},
	{KIND(UPGRADE_REPLY), FW_SLICE("message"), read_error_reason, "message must be a string",
		NEEDED},
	{KIND(UPGRADE_PROGRESS) | KIND(UPGRADE_REPLY) | KIND(CHUNK), FW_SLICE("firmwareId"),
		read_firmware_id,
		"firmwareId must be a string of 1 to 64 characters, each one of A-Z a-z 0-9 . _ -",
		NEEDED},
	{KIND(CHUNK), FW_SLICE("offset"), read_offset, "offset must be an integer from 0, in bytes",
		NEEDED},
	{KIND(CHUNK), FW_SLICE("length"), read_length, "length must be an integer from 1, in bytes",
		NEEDED},
};

_Static_assert(sizeof(members) / sizeof(members[0]) <= FW_JSON_MEMBERS,
	"fw_json_object_read has room for each member");

/* What was found in a payload. */
struct source {
	struct fw_slice text;
	struct fw_json_scan found[FW_JSON_MEMBERS];
	size_t count;
};

static bool is_member(struct fw_slice name)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (fw_slice_equal(members[i].name, name))
			return true;
	}
	return false;
}

static struct value find_value(const struct source *source, struct fw_slice name)
{
	for (size_t i = 0; i < source->count; i++) {
		if (fw_slice_equal(source->found[i].name, name))
			return value_of(&source->found[i]);
	}
	return (struct value){.type = ABSENT};
}

/* False: a number of very many digits. */
static bool copy_message_id(
	const struct source *source, const struct value *value, struct fw_message *out)
{
	struct fw_slice text = value->text;

	if (out->resolved)
		text = fw_json_scan_find(source->text.at, source->text.len, FW_SLICE("messageId"));
	else if (value->type == TEXT)
		/* the quotes stand around it */
		text = (struct fw_slice){text.at - 1, text.len + 2};
	if (text.len > MESSAGE_ID_TEXT_MAX)
		return false;
	out->message_id = text;
	return true;
}

static bool read_member(const struct member *member, const struct source *source,
	const struct value *value, struct fw_message *out)
{
	return member->read(value, out) &&
		(member->read != read_message_id || copy_message_id(source, value, out));
}

static enum fw_status read_members(
	unsigned bit, const struct source *source, struct fw_message *out, const char **why)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct member *member = &members[i];
		struct value value;

		if (!(member->kinds & bit))
			continue;
		value = find_value(source, member->name);
		if (value.type == ABSENT || read_member(member, source, &value, out))
			continue;
		if (member->need == NEEDED) {
			*why = member->message;
			return FW_INVALID;
		}
		out->mended = member->message;
	}
	return FW_OK;
}

/* The payload without a byte-order mark, and up to the first NUL: a device that sends its whole
 * buffer sends more than the text in it. */
static struct fw_slice cut(struct fw_slice payload)
{
	static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF */
	const char *nul;

	if (payload.len >= sizeof(mark) - 1 && memcmp(payload.at, mark, sizeof(mark) - 1) == 0)
		payload = (struct fw_slice){
			payload.at + sizeof(mark) - 1, payload.len - sizeof(mark) + 1};
	nul = payload.len ? memchr(payload.at, '\0', payload.len) : NULL;
	if (nul)
		payload.len = (size_t)(nul - payload.at);
	return payload;
}

/* Reads a payload that json_scan cannot. */
static enum fw_status read_object(struct source *source, struct fw_message *out, const char **why)
{
	struct fw_slice text = cut(source->text);

	if (text.len != source->text.len)
		out->mended = "a byte-order mark, or what follows a NUL, is not part of the JSON";
	source->text = text;
	if (text.len && memchr(text.at, '\\', text.len)) {
		out->resolved = malloc(text.len);
		if (!out->resolved) {
			*why = "out of memory";
			return FW_NOMEM;
		}
	}
	return fw_json_object_read(
		text, is_member, out->resolved, source->found, &source->count, why);
}

enum fw_status fw_message_parse(enum fw_topic_kind kind, const void *payload, size_t len,
	struct fw_message *out, const char **why)
{
	unsigned bit = 1u << kind;
	struct source source;
	enum fw_status status = FW_OK;

	*out = (struct fw_message){.success = kind == FW_TOPIC_UPGRADE_REPLY};
	*why = NULL;
	if (!(bit & READABLE))
		return FW_OK;
	if (len > FW_PAYLOAD_MAX) {
		*why = "the payload is larger than 8192 bytes";
		return FW_INVALID;
	}
	source.text = (struct fw_slice){payload, payload ? len : 0};
	if (kind == FW_TOPIC_READ && cut(source.text).len == 0)
		return FW_OK;
	source.count = source.text.len ? fw_json_scan_parse(payload, len, source.found) : 0;
	if (!source.count)
		status = read_object(&source, out, why);
	return status == FW_OK ? read_members(bit, &source, out, why) : status;
}

void fw_message_clear(struct fw_message *message)
{
	if (!message)
		return;
	free(message->resolved);
	*message = (struct fw_message){0};
}
