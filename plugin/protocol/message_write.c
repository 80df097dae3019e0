/* Writing answers. Text is put together in a buffer that grows; the offer, which is the answer to
 * nearly every pull, is made of one allocation and a few copies. */
#include "protocol/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Once an allocation failed nothing more is added, and finish gives NULL: the callers need not
 * check each step. */
struct text {
	char *at;
	size_t len, size;
	bool failed;
};

static void give_up(struct text *text)
{
	free(text->at);
	*text = (struct text){.failed = true};
}

/* Room for `more` bytes and the terminator. */
static bool reserve(struct text *text, size_t more)
{
	size_t size = text->len + more + 1;
	char *at;

	if (text->failed || size <= text->size)
		return !text->failed;
	size = size < 2 * text->size ? 2 * text->size : size;
	at = realloc(text->at, size);
	if (!at) {
		give_up(text);
		return false;
	}
	text->at = at;
	text->size = size;
	return true;
}

static void put(struct text *text, struct fw_slice piece)
{
	if (piece.len == 0 || !reserve(text, piece.len))
		return;
	memcpy(text->at + text->len, piece.at, piece.len);
	text->len += piece.len;
}

static void put_integer(struct text *text, int64_t number)
{
	char digits[24], *end = digits + sizeof(digits), *at = end;
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (number < 0)
		*--at = '-';
	put(text, (struct fw_slice){at, (size_t)(end - at)});
}

static bool stands_for_itself(unsigned char byte, bool valid)
{
	return byte >= 0x20 && byte != '"' && byte != '\\' && (valid || byte < 0x80);
}

static void put_escaped(struct text *text, unsigned char byte)
{
	static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char escape[8];
	const char *form;

	if (byte >= 0x80) {
		put(text, FW_SLICE(FW_REPLACEMENT));
		return;
	}
	for (form = short_forms; *form && *form != (char)byte; form += 2)
		;
	if (*form)
		snprintf(escape, sizeof(escape), "\\%c", form[1]);
	else
		snprintf(escape, sizeof(escape), "\\u%04x", byte);
	put(text, fw_slice_of(escape));
}

/* A JSON string. What an operator's SQL put into the catalog need not be UTF-8: then whatever is
 * not ASCII is replaced, for a payload that is not JSON would help nobody. */
static void put_string(struct text *text, struct fw_slice string)
{
	bool valid = fw_utf8_valid(string.at, string.len);
	size_t from = 0, i;

	put(text, FW_SLICE("\""));
	for (i = 0; i < string.len; i++) {
		unsigned char byte = (unsigned char)string.at[i];

		if (stands_for_itself(byte, valid))
			continue;
		put(text, (struct fw_slice){string.at + from, i - from});
		put_escaped(text, byte);
		from = i + 1;
	}
	put(text, (struct fw_slice){string.at + from, string.len - from});
	put(text, FW_SLICE("\""));
}

/* `name` comes with its quotes, the colon, and the comma before it. NULL is written as an empty
 * string. */
static void put_member(struct text *text, struct fw_slice name, const char *value)
{
	put(text, name);
	put_string(text, fw_slice_of(value ? value : ""));
}

static void put_head(struct text *text, int64_t timestamp, struct fw_slice message_id)
{
	put(text, FW_SLICE("{\"timestamp\":"));
	put_integer(text, timestamp);
	if (!message_id.len)
		return;
	put(text, FW_SLICE(",\"messageId\":"));
	put(text, message_id);
}

static char *terminated(struct text *text)
{
	if (text->at)
		text->at[text->len] = '\0';
	return text->at;
}

static char *finish(struct text *text, size_t *len)
{
	put(text, FW_SLICE("}"));
	if (!text->failed)
		*len = text->len;
	return terminated(text);
}

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
	/* jansson's lexer does not look whether its buffer could grow: it would drop bytes of a
	 * string, and stop the process by an assertion in a number of 16 digits. Before memory is
	 * that short, nothing is parsed. */
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

static enum fw_status check_json_object(const char *json)
{
	json_error_t error;
	json_t *root = fw_message_load(
		json, strlen(json), JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	bool object = json_is_object(root);

	json_decref(root);
	if (object)
		return FW_OK;
	return root || error.text[0] ? FW_INVALID : FW_NOMEM;
}

/* Copies valid JSON without the white space around its tokens: numbers keep their digits, and the
 * reply is one line, which is what scripts around mosquitto_sub read. */
static void put_compact(struct text *text, const char *json)
{
	bool quoted = false;
	size_t from = 0, i;

	for (i = 0; json[i]; i++) {
		if (json[i] == '"')
			quoted = !quoted;
		else if (quoted && json[i] == '\\')
			i++;
		else if (!quoted && strchr(" \t\r\n", json[i])) {
			put(text, (struct fw_slice){json + from, i - from});
			from = i + 1;
		}
	}
	put(text, (struct fw_slice){json + from, i - from});
}

enum fw_status fw_message_render_offer(const struct fw_offer *offer, char **out)
{
	const char *parameters = offer->parameters ? offer->parameters : "{}";
	enum fw_status status = check_json_object(parameters);
	struct text text = {0};

	if (status != FW_OK)
		return status;
	if (!offer->url_per_device)
		put_member(&text, FW_SLICE("\"url\":"), offer->url);
	put_member(&text,
		offer->url_per_device ? FW_SLICE("\"version\":") : FW_SLICE(",\"version\":"),
		offer->version);
	put(&text, FW_SLICE(",\"parameters\":"));
	put_compact(&text, parameters);
	put_member(&text, FW_SLICE(",\"sign\":"), offer->sign);
	put_member(&text, FW_SLICE(",\"signMethod\":"), offer->sign_method);
	put_member(&text, FW_SLICE(",\"firmwareId\":"), offer->firmware_id);
	put(&text, FW_SLICE(",\"size\":"));
	put_integer(&text, offer->size);
	*out = terminated(&text);
	return *out ? FW_OK : FW_NOMEM;
}

static void put_deferral(struct text *text, const struct fw_deferral *deferral, int64_t timestamp)
{
	if (!deferral || !deferral->limited)
		return;
	if (timestamp >= deferral->until) {
		put(text, FW_SLICE(",\"mandatory\":true"));
		return;
	}
	put(text, FW_SLICE(",\"mandatory\":false,\"deferUntil\":"));
	put_integer(text, deferral->until);
}

char *fw_message_write_offer(const char *rendered, const char *url,
	const struct fw_deferral *deferral, int64_t timestamp, struct fw_slice message_id,
	size_t *len)
{
	struct fw_slice constant = fw_slice_of(rendered);
	struct text text = {0};

	/* the braces, the names, the timestamp, a deferral */
	if (!reserve(&text, constant.len + (url ? strlen(url) : 0) + message_id.len + 160))
		return NULL;
	put_head(&text, timestamp, message_id);
	if (url)
		put_member(&text, FW_SLICE(",\"url\":"), url);
	put(&text, FW_SLICE(","));
	put(&text, constant);
	put_deferral(&text, deferral, timestamp);
	return finish(&text, len);
}

static const struct {
	const char *name, *message;
} pull_codes[FW_PULL_CODES] = {
	[FW_PULL_OFFER] = {"", ""},
	[FW_PULL_BAD_REQUEST] = {"bad_request", "the request is not valid"},
	[FW_PULL_UNKNOWN_PRODUCT] = {"unknown_product", "the catalog has no product of this id"},
	[FW_PULL_FIRMWARE_DISABLED] = {"firmware_disabled",
		"firmware upgrades are switched off for this product"},
	[FW_PULL_VERSION_NOT_FOUND] = {"version_not_found",
		"the product has no ready firmware of the requested version"},
	[FW_PULL_NO_UPDATE] = {"no_update", "there is no newer firmware for this device"},
};

const char *fw_pull_code_name(enum fw_pull_code code)
{
	return code < FW_PULL_CODES ? pull_codes[code].name : "";
}

const char *fw_pull_code_message(enum fw_pull_code code)
{
	return code < FW_PULL_CODES ? pull_codes[code].message : "";
}

char *fw_message_write_pull_failure(enum fw_pull_code code, const char *message,
	int64_t retry_after, int64_t timestamp, struct fw_slice message_id, size_t *len)
{
	struct text text = {0};

	put_head(&text, timestamp, message_id);
	put(&text, FW_SLICE(",\"success\":false"));
	put_member(&text, FW_SLICE(",\"code\":"), fw_pull_code_name(code));
	put_member(
		&text, FW_SLICE(",\"message\":"), message ? message : fw_pull_code_message(code));
	if (retry_after > 0) {
		put(&text, FW_SLICE(",\"retryAfter\":"));
		put_integer(&text, retry_after);
	}
	return finish(&text, len);
}

char *fw_message_write_chunk_refusal(const struct fw_chunk_refusal *refusal, int64_t timestamp,
	struct fw_slice message_id, size_t *len)
{
	struct text text = {0};

	put_head(&text, timestamp, message_id);
	put_member(&text, FW_SLICE(",\"code\":"), refusal->code);
	put_member(&text, FW_SLICE(",\"message\":"), refusal->message);
	if (refusal->firmware_id.len) {
		put(&text, FW_SLICE(",\"firmwareId\":"));
		put_string(&text, refusal->firmware_id);
	}
	if (refusal->has_offset) {
		put(&text, FW_SLICE(",\"offset\":"));
		put_integer(&text, refusal->offset);
	}
	return finish(&text, len);
}

char *fw_message_write_version(
	const char *version, int64_t timestamp, struct fw_slice message_id, size_t *len)
{
	struct text text = {0};

	put_head(&text, timestamp, message_id);
	put_member(&text, FW_SLICE(",\"version\":"), version);
	return finish(&text, len);
}

char *fw_message_write_task(
	const struct fw_task_event_message *event, int64_t timestamp, size_t *len)
{
	struct text text = {0};

	put_head(&text, timestamp, (struct fw_slice){NULL, 0});
	put_member(&text, FW_SLICE(",\"taskId\":"), event->task_id);
	put_member(&text, FW_SLICE(",\"firmwareId\":"), event->firmware_id);
	put_member(&text, FW_SLICE(",\"state\":"), event->state);
	put(&text, FW_SLICE(",\"progress\":"));
	put_integer(&text, event->progress);
	if (event->error_reason)
		put_member(&text, FW_SLICE(",\"errorReason\":"), event->error_reason);
	return finish(&text, len);
}

static void put_count(struct text *text, const char *name, int64_t value)
{
	put(text, FW_SLICE(",\""));
	put(text, fw_slice_of(name));
	put(text, FW_SLICE("\":"));
	put_integer(text, value);
}

char *fw_message_write_task_status(const struct fw_task_message *message, int64_t at, size_t *len)
{
	static const char *const names[FW_TASK_MESSAGE_COUNTS] = {"waiting", "processing",
		"success", "failed", "canceled", "started", "proved", "bad"};
	struct text text = {0};

	put_member(&text, FW_SLICE("{\"state\":"), message->state);
	if (message->reason)
		put_member(&text, FW_SLICE(",\"reason\":"), message->reason);
	put_count(&text, "stage", message->stage);
	put_count(&text, "stages", message->stages);
	for (size_t i = 0; i < FW_TASK_MESSAGE_COUNTS; i++)
		put_count(&text, names[i], message->counts[i]);
	put_count(&text, "at", at);
	return finish(&text, len);
}
