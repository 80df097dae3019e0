/* Any bytes as a payload; the first byte selects the kind. What is accepted keeps the limits of the
 * contract, and its messageId comes back from every writer. */
#include <stdlib.h>
#include <string.h>

#include "protocol/message.h"
#include "protocol/json_object.h"
#include "protocol/json_scan.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_version(struct fw_slice version)
{
	check(version.len == 0 ||
		(fw_utf8_valid(version.at, version.len) &&
			fw_utf8_length(version.at, version.len) <= FW_VERSION_MAX));
}

static void check_limits(const struct fw_message *message)
{
	char kept[FW_KEPT_MAX];
	struct fw_slice reason = fw_text_sanitize(message->error_reason, kept);

	check_version(message->version);
	check_version(message->current_version);
	check_version(message->request_version);
	check(message->firmware_id.len <= FW_ID_MAX);
	check(reason.len <= FW_KEPT_MAX && fw_utf8_valid(reason.at, reason.len));
	check(!message->has_progress || (message->progress >= 0 && message->progress <= 100));
	check(!message->has_range || (message->offset >= 0 && message->length >= 1));
}

/* `text` is JSON that echoes the messageId and has `member`. */
static void check_written(
	char *text, const size_t *len, struct fw_slice message_id, const char *member)
{
	json_t *root = text
		? json_loadb(text, *len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL)
		: NULL;
	json_t *id = message_id.len ? json_loadb(message_id.at, message_id.len,
					      JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL)
				    : NULL;

	check(!text || (root && strlen(text) == *len));
	check(!root || (json_object_get(root, member) && json_object_get(root, "timestamp")));
	check(!message_id.len || json_is_string(id) || json_is_real(id));
	if (root && id)
		check(json_equal(json_object_get(root, "messageId"), id));
	else
		check(!json_object_get(root, "messageId"));
	json_decref(id);
	json_decref(root);
	free(text);
}

static void check_writers(const struct fw_message *message)
{
	char version[4 * FW_VERSION_MAX + 1];
	size_t len;

	memcpy(version, message->version.len ? message->version.at : "", message->version.len);
	version[message->version.len] = '\0';
	check_written(
		fw_message_write_version(version, message->timestamp, message->message_id, &len),
		&len, message->message_id, "version");
}

static char *render(const struct fw_offer *offer)
{
	char *rendered = NULL;

	return fw_message_render_offer(offer, &rendered) == FW_OK ? rendered : NULL;
}

/* The payload as an operator's parameters, and as text that need not be UTF-8. */
static void check_offer(const char *text)
{
	const struct fw_offer offer = {.firmware_id = "f",
		.version = text,
		.url = text,
		.sign = text,
		.sign_method = "sha256",
		.parameters = text,
		.size = 1};
	struct fw_offer plain = offer;
	char *rendered = render(&offer), *written;
	size_t len = 0;

	if (!rendered) {
		plain.parameters = "{}";
		rendered = render(&plain);
	}
	written = rendered
		? fw_message_write_offer(rendered, NULL, NULL, 1, (struct fw_slice){NULL, 0}, &len)
		: NULL;
	if (written) {
		/* parameters may repeat a name: they are the operator's */
		json_t *root =
			json_loadb(written, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);

		check(json_is_object(json_object_get(root, "parameters")) &&
			json_object_size(root) == 8);
		json_decref(root);
	}
	free(rendered);
	free(written);
}

static const char *const asked[] = {"version", "timestamp", "messageId", "a", "\xc3\xa4", ""};

static bool is_asked(struct fw_slice name)
{
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (fw_slice_equal(name, fw_slice_of(asked[i])))
			return true;
	}
	return false;
}

static unsigned depth_of(const json_t *value)
{
	unsigned deepest = 0, depth;
	const char *name;
	json_t *inner;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return 0;
	json_object_foreach((json_t *)value, name, inner)
	{
		depth = depth_of(inner);
		deepest = depth > deepest ? depth : deepest;
	}
	json_array_foreach(value, i, inner)
	{
		depth = depth_of(inner);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + 1;
}

static bool same_value(const struct fw_json_scan *member, const json_t *value)
{
	switch (member->type) {
	case FW_JSON_TEXT:
		return json_is_string(value) &&
			fw_slice_equal(member->text,
				(struct fw_slice){
					json_string_value(value), json_string_length(value)});
	case FW_JSON_INTEGER: /* each is read as a real here */
		return json_is_real(value) && (double)member->integer == json_real_value(value);
	case FW_JSON_REAL:
		return json_is_real(value) &&
			fw_json_object_real(member->text) == json_real_value(value);
	case FW_JSON_OTHER:
		return json_is_object(value) || json_is_array(value);
	default:
		return member->type == FW_JSON_NULL ? json_is_null(value)
						    : json_is_boolean(value) &&
				json_is_true(value) == (member->type == FW_JSON_TRUE);
	}
}

/* The reader without a tree takes what jansson takes, within its depth, and reads the same. */
static void check_against_jansson(const char *text, size_t len)
{
	struct fw_json_scan members[FW_JSON_MEMBERS];
	char *exact = malloc(len ? len : 1), *room = malloc(len ? len : 1);
	json_error_t error = {0};
	json_t *root = json_loadb(text, len,
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	/* such a number is for the reader of the message to judge */
	bool beyond = !root && json_error_code(&error) == json_error_numeric_overflow;
	const char *why = NULL;
	size_t count = 0, wanted = 0;
	bool taken;

	check(exact && room);
	memcpy(exact, text, len);
	taken = fw_json_object_read((struct fw_slice){exact, len}, is_asked, room, members, &count,
			&why) == FW_OK;
	check(taken == !why);
	check(beyond || taken == (json_is_object(root) && depth_of(root) <= FW_DEPTH_MAX));
	for (size_t i = 0; taken && i < sizeof(asked) / sizeof(asked[0]); i++)
		wanted += json_object_get(root, asked[i]) != NULL;
	check(beyond || count == wanted);
	for (size_t i = 0; !beyond && i < count; i++) {
		char name[16];

		check(fw_slice_copy(members[i].name, name, sizeof(name)));
		check(same_value(&members[i], json_object_get(root, name)));
	}
	json_decref(root);
	free(exact);
	free(room);
}

static bool same_text(struct fw_slice a, struct fw_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* What is read quickly is what jansson reads: a member that is not plain makes the same payload
 * take the other way. */
static void check_both_ways(enum fw_topic_kind kind, const char *payload, size_t len)
{
	static const char detour[] = "{\"\\u0001\":[],"; /* a name that no plain payload has */
	struct fw_json_scan members[FW_JSON_MEMBERS];
	struct fw_message quick, slow;
	const char *why, *other_why;
	char *longer;
	size_t brace = (size_t)((const char *)memchr(payload, '{', len) - payload);

	if (!fw_json_scan_parse(payload, len, members) || len + sizeof(detour) > FW_PAYLOAD_MAX ||
		!(longer = malloc(len + sizeof(detour))))
		return;
	memcpy(longer, detour, sizeof(detour) - 1);
	memcpy(longer + sizeof(detour) - 1, payload + brace + 1, len - brace - 1);
	check(fw_message_parse(kind, payload, len, &quick, &why) ==
		fw_message_parse(
			kind, longer, len - brace - 1 + sizeof(detour) - 1, &slow, &other_why));
	check(why == other_why);
	check(same_text(quick.version, slow.version) &&
		same_text(quick.current_version, slow.current_version) &&
		same_text(quick.request_version, slow.request_version) &&
		same_text(quick.firmware_id, slow.firmware_id) &&
		same_text(quick.error_reason, slow.error_reason));
	check(quick.timestamp == slow.timestamp && quick.has_timestamp == slow.has_timestamp &&
		quick.progress == slow.progress && quick.has_progress == slow.has_progress &&
		quick.complete == slow.complete && quick.success == slow.success &&
		quick.has_success == slow.has_success && quick.offset == slow.offset &&
		quick.length == slow.length && quick.has_range == slow.has_range);
	check(same_text(quick.message_id, slow.message_id));
	fw_message_clear(&quick);
	fw_message_clear(&slow);
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_message message;
	enum fw_status status;
	const char *why;
	char *text;

	if (size == 0)
		return 0;
	status = fw_message_parse(data[0] % FW_TOPIC_KINDS, data + 1, size - 1, &message, &why);
	check(status == FW_OK || status == FW_INVALID);
	check((status == FW_OK) == (why == NULL));
	if (status == FW_OK)
		check_limits(&message);
	if (status == FW_OK || message.message_id.len)
		check_writers(&message);
	fw_message_clear(&message);
	check_both_ways(data[0] % FW_TOPIC_KINDS, (const char *)data + 1, size - 1);
	if (size - 1 <= FW_PAYLOAD_MAX && !memchr(data + 1, '\0', size - 1))
		check_against_jansson((const char *)data + 1, size - 1);
	text = strndup((const char *)data + 1, size - 1);
	if (text)
		check_offer(text);
	free(text);
	return 0;
}
