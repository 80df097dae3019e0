/* Parsing what devices and applications send. Each kind has a few members; a table says how each is read, and
 * what to tell the sender when it is wrong. */
#include "message.h"

#include <string.h>

#define MESSAGE_ID_MAX 1024u /* bytes of text */

static bool absent(const json_t *value)
{
	return !value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0);
}

static struct fw_slice text_of(const json_t *value)
{
	return (struct fw_slice){json_string_value(value), json_string_length(value)};
}

static bool read_message_id(json_t *value, struct fw_message *out)
{
	if (json_is_string(value) ? json_string_length(value) > MESSAGE_ID_MAX : !json_is_number(value))
		return false;
	out->message_id = value;
	return true;
}

/* A real is rounded down: some devices know time in fractions of a millisecond. */
static bool read_timestamp(json_t *value, struct fw_message *out)
{
	if (json_is_real(value)) {
		double exact = json_real_value(value);

		if (!(exact >= -0x1p63 && exact < 0x1p63))
			return false;
		out->timestamp = (int64_t)exact;
		if ((double)out->timestamp > exact)
			out->timestamp--;
	} else {
		out->timestamp = json_integer_value(value);
	}
	out->has_timestamp = json_is_number(value);
	return out->has_timestamp;
}

/* A version: at most FW_VERSION_MAX characters, none of them a control character (C0, DEL, C1). */
static bool read_version_text(json_t *value, struct fw_slice *out)
{
	struct fw_slice text = text_of(value);
	size_t i;

	if (!json_is_string(value) || text.len > 4 * FW_VERSION_MAX || fw_utf8_length(text.at, text.len) > FW_VERSION_MAX)
		return false;
	for (i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];

		if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && i + 1 < text.len && (unsigned char)text.at[i + 1] < 0xa0))
			return false;
	}
	*out = text;
	return true;
}

static bool read_version(json_t *value, struct fw_message *out)
{
	return read_version_text(value, &out->version);
}

static bool read_current_version(json_t *value, struct fw_message *out)
{
	return read_version_text(value, &out->current_version);
}

static bool read_request_version(json_t *value, struct fw_message *out)
{
	return read_version_text(value, &out->request_version);
}

static bool read_firmware_id(json_t *value, struct fw_message *out)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	struct fw_slice text = text_of(value);

	if (!json_is_string(value) || text.len > FW_ID_MAX || strspn(text.at, allowed) != text.len)
		return false;
	out->firmware_id = text;
	return true;
}

static bool read_error_reason(json_t *value, struct fw_message *out)
{
	out->error_reason = text_of(value);
	return json_is_string(value);
}

static bool read_progress(json_t *value, struct fw_message *out)
{
	double figure = json_number_value(value);

	/* rounded down, 100.9 is still 100 */
	if (!json_is_number(value) || !(figure >= 0 && figure < 101))
		return false;
	out->progress = (int)figure;
	out->has_progress = true;
	return true;
}

static bool read_complete(json_t *value, struct fw_message *out)
{
	out->complete = json_is_true(value);
	return json_is_boolean(value);
}

static bool read_success(json_t *value, struct fw_message *out)
{
	out->success = json_is_true(value);
	out->has_success = json_is_boolean(value);
	return out->has_success;
}

/* `length` comes after `offset` in the table, and makes the range complete. */
static bool read_offset(json_t *value, struct fw_message *out)
{
	out->offset = json_integer_value(value);
	return json_is_integer(value) && out->offset >= 0;
}

static bool read_length(json_t *value, struct fw_message *out)
{
	out->length = json_integer_value(value);
	out->has_range = !absent(json_object_get(out->root, "offset"));
	return json_is_integer(value) && out->length >= 1;
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
	bool (*read)(json_t *value, struct fw_message *out);
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
	{KIND(UPGRADE_PROGRESS) | KIND(CHUNK), "firmwareId", read_firmware_id,
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
	*error = (json_error_t){.line = -1};
	/* jansson's lexer does not look whether its buffer could grow: it would drop bytes of a string, and stop the
	 * process by an assertion in a number of 16 digits. Before memory is that short, nothing is parsed. */
	if (memory_is_short(len))
		return NULL;
	return json_loadb(bytes ? bytes : "", len, flags, error);
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
		{json_error_null_character, "a string contains a NUL character"},
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
	*root = fw_message_load(payload, len, JSON_REJECT_DUPLICATES, &error);
	if (!*root)
		return refuse(&error, len, why);
	if (!json_is_object(*root)) {
		*why = "the payload is not a JSON object";
		return FW_INVALID;
	}
	return FW_OK;
}

enum fw_status fw_message_parse(enum fw_topic_kind kind, const void *payload, size_t len, struct fw_message *out, const char **why)
{
	unsigned bit = 1u << kind;
	enum fw_status status;
	size_t i;

	*out = (struct fw_message){.success = kind == FW_TOPIC_UPGRADE_REPLY};
	*why = NULL;
	if (!(bit & READABLE) || (kind == FW_TOPIC_READ && len == 0))
		return FW_OK;
	status = load(payload, len, &out->root, why);
	if (status != FW_OK)
		return status;
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value;

		if (!(members[i].kinds & bit))
			continue;
		value = json_object_get(out->root, members[i].name);
		if (absent(value) || members[i].read(value, out))
			continue;
		*why = members[i].sentence;
		return FW_INVALID;
	}
	return FW_OK;
}

void fw_message_clear(struct fw_message *message)
{
	if (!message)
		return;
	json_decref(message->root);
	*message = (struct fw_message){0};
}
