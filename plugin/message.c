/* Parsing what devices and applications send. Each kind has a few members; a table says how each is read, and
 * what to tell the sender when it is wrong. */
#include "message.h"

#include <errno.h>
#include <string.h>

#include "plain.h"

#define MESSAGE_ID_MAX 1024u /* bytes of text */
#define MESSAGE_ID_TEXT_MAX (6u * MESSAGE_ID_MAX + 2) /* of JSON: each byte may be written as \u0000, between quotes */
#define INT64_LIMIT 9223372036854775808.0 /* 2^63 */

/* A member's value, wherever it was read from. */
struct value {
	enum { ABSENT, TEXT, INTEGER, REAL, BOOLEAN, OTHER } type; /* null and the empty string are absent */
	struct fw_slice text; /* of a plain integer its digits */
	int64_t integer;
	double real;
	bool boolean;
};

static struct value value_of_json(const json_t *json)
{
	struct value value = {.type = OTHER};

	if (!json || json_is_null(json)) {
		value.type = ABSENT;
	} else if (json_is_string(json)) {
		value.text = (struct fw_slice){json_string_value(json), json_string_length(json)};
		value.type = value.text.len ? TEXT : ABSENT;
		if (value.text.len && memchr(value.text.at, '\0', value.text.len))
			value.type = OTHER;
	} else if (json_is_integer(json)) {
		value.type = INTEGER;
		value.integer = json_integer_value(json);
	} else if (json_is_real(json)) {
		value.type = REAL;
		value.real = json_real_value(json);
	} else if (json_is_boolean(json)) {
		value.type = BOOLEAN;
		value.boolean = json_is_true(json);
	}
	return value;
}

static struct value value_of_plain(const struct fw_plain *plain)
{
	switch (plain->type) {
	case FW_PLAIN_TEXT:
		return (struct value){.type = plain->text.len ? TEXT : ABSENT, .text = plain->text};
	case FW_PLAIN_INTEGER:
		return (struct value){.type = INTEGER, .text = plain->text, .integer = plain->integer};
	case FW_PLAIN_TRUE:
	case FW_PLAIN_FALSE:
		return (struct value){.type = BOOLEAN, .boolean = plain->type == FW_PLAIN_TRUE};
	default:
		return (struct value){.type = ABSENT};
	}
}

/* Only checked: it is echoed as it stands in the payload. */
static bool read_message_id(const struct value *value, struct fw_message *out)
{
	(void)out;
	return value->type == TEXT ? value->text.len <= MESSAGE_ID_MAX : value->type == INTEGER || value->type == REAL;
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

/* A version: at most FW_VERSION_MAX characters, none of them a control character (C0, DEL, C1). */
static bool read_version_text(const struct value *value, struct fw_slice *out)
{
	struct fw_slice text = value->text;
	size_t i;

	if (value->type != TEXT || text.len > 4 * FW_VERSION_MAX || fw_utf8_length(text.at, text.len) > FW_VERSION_MAX)
		return false;
	for (i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];

		if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && i + 1 < text.len && (unsigned char)text.at[i + 1] < 0xa0))
			return false;
	}
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
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
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
	return value->type == TEXT;
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

/* An integer, whichever way it was written. */
static bool read_count(const struct value *value, int64_t least, int64_t *out)
{
	if (value->type == REAL && value->real >= 0 && value->real < INT64_LIMIT && value->real == (double)(int64_t)value->real)
		*out = (int64_t)value->real;
	else if (value->type == INTEGER)
		*out = value->integer;
	else
		return false;
	return *out >= least;
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
#define WITH_TIME (KIND(UPGRADE_REPLY) | KIND(UPGRADE_PROGRESS) | KIND(PULL) | KIND(REPORT) | KIND(READ) | KIND(READ_REPLY))
#define WITH_VERSION (KIND(UPGRADE_PROGRESS) | KIND(REPORT) | KIND(READ_REPLY))
#define WITH_RESULT (KIND(UPGRADE_REPLY) | KIND(UPGRADE_PROGRESS))
#define READABLE (WITH_ID | WITH_TIME)

/* messageId stands first, so that an answer about any other mistake can echo it. */
static const struct member {
	unsigned kinds;
	const char *name;
	bool (*read)(const struct value *value, struct fw_message *out);
	const char *sentence;
} members[] = {
	{WITH_ID, "messageId", read_message_id, "messageId must be a string of at most 1024 bytes or a number"},
	{WITH_TIME, "timestamp", read_timestamp, "timestamp must be an integer: Unix time in milliseconds"},
	{KIND(PULL), "currentVersion", read_current_version,
	 "currentVersion must be a string of at most 64 characters, without control characters"},
	{KIND(PULL), "requestVersion", read_request_version,
	 "requestVersion must be a string of at most 64 characters, without control characters"},
	{WITH_VERSION, "version", read_version, "version must be a string of at most 64 characters, without control characters"},
	{KIND(UPGRADE_PROGRESS), "progress", read_progress, "progress must be a number from 0 to 100"},
	{KIND(UPGRADE_PROGRESS), "complete", read_complete, "complete must be true or false"},
	{WITH_RESULT, "success", read_success, "success must be true or false"},
	{KIND(UPGRADE_PROGRESS), "errorReason", read_error_reason, "errorReason must be a string"},
	{KIND(UPGRADE_REPLY), "message", read_error_reason, "message must be a string"},
	{WITH_RESULT | KIND(CHUNK), "firmwareId", read_firmware_id,
	 "firmwareId must be a string of 1 to 64 characters, each one of A-Z a-z 0-9 . _ -"},
	{KIND(CHUNK), "offset", read_offset, "offset must be an integer from 0, in bytes"},
	{KIND(CHUNK), "length", read_length, "length must be an integer from 1, in bytes"},
};

static bool memory_is_short(size_t len)
{
	json_malloc_t allocate;
	json_free_t release;
	void *probe;

	/* "[]," is the text that takes most memory for its length: about 40 bytes a byte */
	json_get_alloc_funcs(&allocate, &release);
	probe = allocate(64 * len + 4096);
	if (probe)
		release(probe);
	return !probe;
}

json_t *fw_message_load(const void *bytes, size_t len, size_t flags, json_error_t *error)
{
	json_t *root;

	*error = (json_error_t){.line = -1};
	/* jansson's lexer does not look whether its buffer could grow: it would drop bytes of a string, and stop the
	 * process by an assertion in a number of 16 digits. Before memory is that short, nothing is parsed. */
	if (memory_is_short(len))
		return NULL;
	errno = 0;
	root = json_loadb(bytes ? bytes : "", len, flags, error);
	/* taken by another thread meanwhile: even what looks well may have lost bytes */
	if (errno == ENOMEM) {
		json_decref(root);
		root = NULL;
		*error = (json_error_t){.line = -1};
	}
	return root;
}

/* jansson tells a failed allocation in few places, and calls it a syntax error in others. A payload is not
 * taken for a mistake of the sender while memory is short: it might be lost for good. */
static enum fw_status refuse(const json_error_t *error, size_t len, const char **why)
{
	static const struct {
		enum json_error_code code;
		const char *sentence;
	} sentences[] = {
		{json_error_stack_overflow, "the payload is nested too deeply"},
		{json_error_invalid_utf8, "the payload is not valid UTF-8"},
		{json_error_null_byte_in_key, "the name of a member contains a NUL character"},
		{json_error_duplicate_key, "a member is given twice"},
		{json_error_numeric_overflow, "a number is out of range"},
	};
	size_t i;

	*why = "the payload is not a JSON object";
	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (sentences[i].code == json_error_code(error)) {
			*why = sentences[i].sentence;
			return FW_INVALID;
		}
	}
	if (error->text[0] == '\0' || json_error_code(error) == json_error_out_of_memory || memory_is_short(len)) {
		*why = "out of memory";
		return FW_NOMEM;
	}
	return FW_INVALID;
}

static enum fw_status load(const void *payload, size_t len, json_t **root, const char **why)
{
	json_error_t error;

	if (len > FW_PAYLOAD_MAX) {
		*why = "the payload is larger than 65536 bytes";
		return FW_INVALID;
	}
	*root = fw_message_load(payload, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	/* an integer beyond 64 bits, in a member that is only echoed, or none of ours */
	if (!*root && json_error_code(&error) == json_error_numeric_overflow)
		*root = fw_message_load(payload, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (!*root)
		return refuse(&error, len, why);
	if (!json_is_object(*root)) {
		*why = "the payload is not a JSON object";
		return FW_INVALID;
	}
	return FW_OK;
}

/* Where the members come from: a plain payload, or jansson's tree in out->root. */
struct source {
	const char *payload;
	size_t len;
	struct fw_plain plain[FW_PLAIN_MEMBERS];
	size_t plain_count;
};

static struct value find_value(const struct source *source, const struct fw_message *out, const char *name)
{
	struct fw_slice wanted = fw_slice_of(name);

	if (!source->plain_count)
		return value_of_json(json_object_get(out->root, name));
	for (size_t i = 0; i < source->plain_count; i++) {
		if (fw_slice_equal(source->plain[i].name, wanted))
			return value_of_plain(&source->plain[i]);
	}
	return (struct value){.type = ABSENT};
}

/* False: a number of very many digits. */
static bool keep_message_id(const struct source *source, const struct value *value, struct fw_message *out)
{
	struct fw_slice text = value->text;

	if (!source->plain_count)
		text = fw_plain_find(source->payload, source->len, FW_SLICE("messageId"));
	else if (value->type == TEXT)
		text = (struct fw_slice){text.at - 1, text.len + 2}; /* the quotes stand around it */
	if (text.len > MESSAGE_ID_TEXT_MAX)
		return false;
	out->message_id = text;
	return true;
}

static enum fw_status read_members(unsigned bit, const struct source *source, struct fw_message *out, const char **why)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct value value;

		if (!(members[i].kinds & bit))
			continue;
		value = find_value(source, out, members[i].name);
		if (value.type == ABSENT)
			continue;
		if (!members[i].read(&value, out)) {
			*why = members[i].sentence;
			return FW_INVALID;
		}
		if (members[i].read == read_message_id && !keep_message_id(source, &value, out)) {
			*why = members[i].sentence;
			return FW_INVALID;
		}
	}
	return FW_OK;
}

enum fw_status fw_message_parse(enum fw_topic_kind kind, const void *payload, size_t len, struct fw_message *out, const char **why)
{
	unsigned bit = 1u << kind;
	struct source source;
	enum fw_status status = FW_OK;

	*out = (struct fw_message){.success = kind == FW_TOPIC_UPGRADE_REPLY};
	*why = NULL;
	if (!(bit & READABLE) || (kind == FW_TOPIC_READ && len == 0))
		return FW_OK;
	source.payload = payload;
	source.len = len;
	source.plain_count = payload && len <= FW_PAYLOAD_MAX ? fw_plain_parse(payload, len, source.plain) : 0;
	if (!source.plain_count)
		status = load(payload, len, &out->root, why);
	return status == FW_OK ? read_members(bit, &source, out, why) : status;
}

void fw_message_clear(struct fw_message *message)
{
	if (!message)
		return;
	json_decref(message->root);
	*message = (struct fw_message){0};
}
