/* Splitting and making the firmware topics. fw_topic_parse sees every publish of the whole broker:
 * it is done with any other topic after its first byte, or at the third level. */
#include "protocol/topic.h"

#include <string.h>
#include <strings.h>

static const char firmware_level[] = "/firmware/";
static const char chunk_reply[] = "chunk/reply";

static const struct {
	const char *tail;
	enum fw_topic_sender sender;
} kinds[FW_TOPIC_KINDS] = {
	[FW_TOPIC_OTHER] = {"", FW_SENDER_ANYONE},
	[FW_TOPIC_UPGRADE] = {"upgrade", FW_SENDER_BROKER},
	[FW_TOPIC_UPGRADE_REPLY] = {"upgrade/reply", FW_SENDER_DEVICE},
	[FW_TOPIC_UPGRADE_PROGRESS] = {"upgrade/progress", FW_SENDER_DEVICE},
	[FW_TOPIC_PULL] = {"pull", FW_SENDER_DEVICE},
	[FW_TOPIC_PULL_REPLY] = {"pull/reply", FW_SENDER_BROKER},
	[FW_TOPIC_REPORT] = {"report", FW_SENDER_DEVICE},
	[FW_TOPIC_READ] = {"read", FW_SENDER_ANYONE},
	[FW_TOPIC_READ_REPLY] = {"read/reply", FW_SENDER_DEVICE},
	[FW_TOPIC_TASK] = {"task", FW_SENDER_BROKER},
	[FW_TOPIC_CHUNK] = {"chunk", FW_SENDER_DEVICE},
	[FW_TOPIC_CHUNK_REPLY] = {"chunk/reply", FW_SENDER_BROKER},
	[FW_TOPIC_CHUNK_ERROR] = {"chunk/error", FW_SENDER_BROKER},
};

/* chunk/reply is followed by the firmware id and the offset; every other tail stands for itself. */
static bool tail_has_fixed_form(enum fw_topic_kind kind)
{
	return kind > FW_TOPIC_OTHER && kind < FW_TOPIC_KINDS && kind != FW_TOPIC_CHUNK_REPLY;
}

static enum fw_topic_kind kind_of_tail(const char *tail)
{
	enum fw_topic_kind kind;

	for (kind = FW_TOPIC_UPGRADE; kind < FW_TOPIC_KINDS; kind++) {
		if (tail_has_fixed_form(kind) && strcmp(tail, kinds[kind].tail) == 0)
			return kind;
	}
	/* whatever else lies there is refused too: devices subscribe to chunk/reply/# */
	if (strncmp(tail, chunk_reply, sizeof(chunk_reply) - 1) == 0 &&
		(tail[sizeof(chunk_reply) - 1] == '/' || tail[sizeof(chunk_reply) - 1] == '\0'))
		return FW_TOPIC_CHUNK_REPLY;
	return FW_TOPIC_OTHER;
}

void fw_topic_parse(const char *topic, struct fw_topic *out)
{
	const char *device, *level;

	*out = (struct fw_topic){.kind = FW_TOPIC_OTHER};
	if (topic[0] != '/')
		return;
	device = strchr(topic + 1, '/');
	if (!device)
		return;
	level = strchr(device + 1, '/');
	if (!level || strncmp(level, firmware_level, sizeof(firmware_level) - 1) != 0)
		return;
	out->kind = kind_of_tail(level + sizeof(firmware_level) - 1);
	out->unknown_kind = out->kind == FW_TOPIC_OTHER;
	if (out->unknown_kind)
		return;
	out->product = (struct fw_slice){topic + 1, (size_t)(device - topic) - 1};
	out->device = (struct fw_slice){device + 1, (size_t)(level - device) - 1};
	out->ids_valid = fw_topic_id_valid(out->product) && fw_topic_id_valid(out->device);
}

/* Do the last two letters, in whatever case, end one of our tails? For nearly every other topic the
 * answer is no, and the search ends here. */
static bool ends_like_a_tail(const char *topic, size_t len)
{
	unsigned last;

	if (len < sizeof("firmware/pull") - 1)
		return false;
	last = ((unsigned)(unsigned char)topic[len - 2] << 8 | (unsigned char)topic[len - 1]) |
		0x2020;
	switch (last) {
	case 'd' << 8 | 'e': /* upgrade */
	case 'l' << 8 | 'y': /* reply */
	case 's' << 8 | 's': /* progress */
	case 'l' << 8 | 'l': /* pull */
	case 'r' << 8 | 't': /* report */
	case 'a' << 8 | 'd': /* read */
	case 's' << 8 | 'k': /* task */
	case 'n' << 8 | 'k': /* chunk */
	case 'o' << 8 | 'r': /* error */
		return true;
	default:
		return false;
	}
}

/* Is what ends there a level "firmware" with one of our tails behind it, in whatever case? */
static bool has_tail(const char *topic, size_t len, const char *tail)
{
	static const char level[] = "firmware/";
	size_t longer = sizeof(level) - 1 + strlen(tail);
	const char *at;

	if (longer > len)
		return false;
	at = topic + len - longer;
	return strncasecmp(at, level, sizeof(level) - 1) == 0 &&
		strcasecmp(at + sizeof(level) - 1, tail) == 0 && (at == topic || at[-1] == '/');
}

/* What is wrong with a topic that ends in one of our tails, and is no firmware topic; NULL: it has
 * no such tail. */
static const char *misplaced_tail(const char *topic, size_t len)
{
	for (enum fw_topic_kind kind = FW_TOPIC_UPGRADE; kind < FW_TOPIC_KINDS; kind++) {
		if (!has_tail(topic, len, kinds[kind].tail))
			continue;
		if (topic[0] != '/')
			return "firmware topics begin with a slash: "
			       "/{productId}/{deviceId}/firmware/...";
		return "firmware topics are /{productId}/{deviceId}/firmware/..., in lower case,"
		       " with nothing before or between";
	}
	return NULL;
}

const char *fw_topic_astray(const char *text, const struct fw_topic *topic)
{
	size_t len;

	if (topic->unknown_kind)
		return "there is no such kind of firmware message";
	if (topic->kind != FW_TOPIC_OTHER || text[0] == '$')
		return NULL;
	len = strlen(text);
	return ends_like_a_tail(text, len) ? misplaced_tail(text, len) : NULL;
}

bool fw_topic_id_valid(struct fw_slice id)
{
	bool ascii = true;
	size_t i;

	if (id.len == 0 || id.len > FW_ID_MAX)
		return false;
	for (i = 0; i < id.len; i++) {
		unsigned char byte = (unsigned char)id.at[i];

		if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '+' || byte == '#')
			return false;
		/* C1 controls, U+0080 to U+009F */
		if (byte == 0xc2 && i + 1 < id.len && (unsigned char)id.at[i + 1] < 0xa0)
			return false;
		ascii = ascii && byte < 0x80;
	}
	return ascii || fw_utf8_valid(id.at, id.len);
}

enum fw_topic_sender fw_topic_sender(enum fw_topic_kind kind)
{
	return kind < FW_TOPIC_KINDS ? kinds[kind].sender : FW_SENDER_ANYONE;
}

const char *fw_topic_tail(enum fw_topic_kind kind)
{
	return kind < FW_TOPIC_KINDS ? kinds[kind].tail : "";
}

/* Writes "/{product}/{device}" and returns its end. The caller has checked the room. */
static char *put_ids(char *at, struct fw_slice product, struct fw_slice device)
{
	*at++ = '/';
	if (product.len > 0)
		at = mempcpy(at, product.at, product.len);
	*at++ = '/';
	if (device.len > 0)
		at = mempcpy(at, device.at, device.len);
	return at;
}

bool fw_topic_format(char *buffer, size_t size, enum fw_topic_kind kind, struct fw_slice product,
	struct fw_slice device)
{
	size_t tail;
	char *at;

	if (!tail_has_fixed_form(kind) || product.len > FW_TOPIC_MAX || device.len > FW_TOPIC_MAX)
		return false;
	tail = strlen(kinds[kind].tail);
	if (2 + product.len + device.len + sizeof(firmware_level) + tail > size)
		return false;
	at = put_ids(buffer, product, device);
	at = mempcpy(at, firmware_level, sizeof(firmware_level) - 1);
	memcpy(at, kinds[kind].tail, tail + 1);
	return true;
}

/* True when `topic` of `len` bytes has at least one byte after /{product}/{device}/. */
static bool lies_below(
	const char *topic, size_t len, struct fw_slice product, struct fw_slice device)
{
	size_t ids = 2 + product.len + device.len;
	char own[2 * FW_ID_MAX + 2];

	if (product.len > FW_ID_MAX || device.len > FW_ID_MAX || len < ids + 2)
		return false;
	put_ids(own, product, device);
	return memcmp(topic, own, ids) == 0 && topic[ids] == '/';
}

bool fw_topic_response_allowed(const char *response, enum fw_topic_kind reply,
	struct fw_slice product, struct fw_slice device)
{
	size_t len = strnlen(response, FW_TOPIC_MAX + 1);
	struct fw_topic topic;

	if (len > FW_TOPIC_MAX || !lies_below(response, len, product, device))
		return false;
	if (strpbrk(response, "+#") || !fw_utf8_valid(response, len))
		return false;
	/* of the firmware topics, only the answer's own */
	fw_topic_parse(response, &topic);
	return topic.kind == reply || topic.kind == FW_TOPIC_OTHER;
}

/* The filter behind $share/{group}/, if it has that. NULL: there is no filter behind it. */
static const char *skip_share(const char *filter)
{
	const char *group;

	if (strncmp(filter, "$share/", 7) != 0)
		return filter;
	group = strchr(filter + 7, '/');
	return group ? group + 1 : NULL;
}

bool fw_topic_filter_has_upgrade(const char *filter, struct fw_slice device)
{
	/* what lies between the slashes; NULL: any product */
	const struct fw_slice levels[] = {
		FW_SLICE(""), {NULL, 0}, device, FW_SLICE("firmware"), FW_SLICE("upgrade")};
	const char *at = skip_share(filter);
	size_t i;

	for (i = 0; at && i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct fw_slice level = {at, strcspn(at, "/")};

		if (fw_slice_equal(level, FW_SLICE("#")))
			return true;
		if (!fw_slice_equal(level, FW_SLICE("+")) &&
			(levels[i].at ? !fw_slice_equal(level, levels[i]) : level.len == 0))
			return false;
		at = level.at[level.len] ? level.at + level.len + 1 : NULL;
	}
	/* as many levels, or one more that also stands for none: MQTT 5, section 4.7.1.2 */
	return i == sizeof(levels) / sizeof(levels[0]) && (!at || strcmp(at, "#") == 0);
}
