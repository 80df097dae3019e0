/* What must hold of every publication and log line, whatever led to it; and the world they are
 * checked against. Include after service_world.h. */
#ifndef FUZZ_SERVICE_CHECKS_H
#define FUZZ_SERVICE_CHECKS_H

#define EVENTS_MAX 300

struct properties {
	const char *response_topic;
	const uint8_t *correlation;
	size_t correlation_len;
};

/* A progress or report that was acknowledged, with a timestamp of its own. */
struct accepted {
	char product[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
	const char *version; /* of a report; NULL: progress */
	int64_t timestamp;
	bool overtaken; /* what the device runs may have changed since */
};

static struct {
	const uint8_t *at, *end;
	struct fw_options options;
	struct fw_service *service;
	sqlite3 *operator;
	bool vandalized;
	unsigned publish_fails; /* so many publications from now */
	int64_t stamp;
	struct accepted accepted[EVENTS_MAX];
	size_t accepted_count;
	/* the message under way */
	bool in_message, late;
	const struct person *sender;
	struct fw_topic asked;
	const struct properties *properties;
	unsigned published;
} world;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t take(void)
{
	return world.at < world.end ? *world.at++ : 0;
}

#define PICK(table) ((table)[take() % COUNT(table)])

static const uint8_t *take_bytes(size_t most, size_t *len)
{
	const uint8_t *at;

	*len = take();
	at = world.at;
	if (*len > most)
		*len = most;
	if (*len > (size_t)(world.end - world.at))
		*len = (size_t)(world.end - world.at);
	world.at += *len;
	return at;
}

/* --- what the broker is told --- */

static bool same(struct fw_slice slice, const char *text)
{
	return text && slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}

static bool speaks_for(struct fw_slice device)
{
	switch (world.options.identity) {
	case FW_IDENTITY_CLIENTID:
		return same(device, world.sender->id);
	case FW_IDENTITY_USERNAME:
		return same(device, world.sender->username);
	default:
		return true;
	}
}

static bool is_operator(void)
{
	return world.options.operators && world.sender->username &&
		strcmp(world.sender->username, "admin") == 0;
}

static bool may_send(const struct fw_topic *topic)
{
	enum fw_topic_sender sender = fw_topic_sender(topic->kind);

	if (topic->kind == FW_TOPIC_OTHER)
		return true;
	return topic->ids_valid &&
		(is_operator() || sender == FW_SENDER_ANYONE ||
			(sender == FW_SENDER_DEVICE && speaks_for(topic->device)));
}

/* What its sender may send, but maybe not for this product. */
static bool may_be_foreign(const struct fw_topic *topic)
{
	return world.options.registration != FW_REGISTRATION_OPEN &&
		fw_topic_sender(topic->kind) == FW_SENDER_DEVICE;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The response topic that was asked for, and that lies under what the sender may speak for. */
static bool own_response_topic(const char *topic)
{
	char own[2 * FW_ID_MAX + 4];
	const char *id = world.options.identity == FW_IDENTITY_USERNAME ? world.sender->username
									: world.sender->id;

	if (!world.properties || !world.properties->response_topic ||
		strcmp(topic, world.properties->response_topic) != 0)
		return false;
	if (speaks_for(world.asked.device))
		snprintf(own, sizeof(own), "/%.*s/%.*s/", (int)world.asked.product.len,
			world.asked.product.at, (int)world.asked.device.len, world.asked.device.at);
	else
		snprintf(own, sizeof(own), "/%.*s/%.64s/", (int)world.asked.product.len,
			world.asked.product.at, id ? id : "");
	return starts_with(topic, own);
}

static enum fw_topic_kind answer_to(enum fw_topic_kind kind)
{
	switch (kind) {
	case FW_TOPIC_PULL:
		return FW_TOPIC_PULL_REPLY;
	case FW_TOPIC_READ:
		return FW_TOPIC_READ_REPLY;
	default:
		return kind == FW_TOPIC_CHUNK ? FW_TOPIC_CHUNK_ERROR : FW_TOPIC_OTHER;
	}
}

static void check_version_read(const json_t *root)
{
	const char *version = json_string_value(json_object_get(root, "version"));

	for (size_t i = world.accepted_count; i-- > 0;) {
		const struct accepted *last = &world.accepted[i];

		if (!same(world.asked.product, last->product) ||
			!same(world.asked.device, last->device))
			continue;
		check(last->overtaken || !last->version ||
			(version && strcmp(version, last->version) == 0));
		return;
	}
}

static void check_answer(
	const struct fw_publication *publication, const struct fw_topic *topic, const json_t *root)
{
	const struct properties *properties = world.properties;
	enum fw_topic_kind kind = answer_to(world.asked.kind);

	world.published++;
	check(kind != FW_TOPIC_OTHER && may_send(&world.asked));
	if (!own_response_topic(publication->topic))
		check(topic->kind == kind && fw_slice_equal(topic->product, world.asked.product) &&
			fw_slice_equal(topic->device, world.asked.device));
	check(publication->correlation_len == (properties ? properties->correlation_len : 0));
	check(!publication->correlation_len ||
		memcmp(publication->correlation, properties->correlation,
			publication->correlation_len) == 0);
	if (kind == FW_TOPIC_PULL_REPLY)
		check(json_object_get(root, "url")
				? json_is_string(json_object_get(root, "firmwareId"))
				: json_is_string(json_object_get(root, "code")));
	if (kind == FW_TOPIC_READ_REPLY && !world.vandalized)
		check_version_read(root);
}

static void check_message(const struct fw_publication *publication)
{
	struct fw_topic topic;
	json_t *root;

	fw_topic_parse(publication->topic, &topic);
	check(!publication->retain);
	if (!world.in_message && topic.kind != FW_TOPIC_UPGRADE && topic.kind != FW_TOPIC_TASK &&
		topic.kind != FW_TOPIC_CHUNK_ERROR) {
		/* a chunk's bytes */
		check(topic.kind == FW_TOPIC_CHUNK_REPLY || topic.kind == FW_TOPIC_OTHER);
		return;
	}
	/* parameters may repeat a name: they are the operator's */
	root = json_loadb(publication->payload, publication->len,
		JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	check(json_is_object(root) && json_is_number(json_object_get(root, "timestamp")));
	check(topic.kind != FW_TOPIC_UPGRADE ||
		(publication->qos == 1 && json_object_get(root, "url") &&
			json_is_object(json_object_get(root, "parameters"))));
	if (world.in_message)
		check_answer(publication, &topic, root);
	json_decref(root);
}

/* A task as a whole, or nothing when it is gone. */
static void check_task(const struct fw_publication *publication)
{
	json_t *root = json_loadb(publication->payload, publication->len, 0, NULL);

	check(publication->retain);
	check(publication->len == 0 ||
		(json_is_string(json_object_get(root, "state")) &&
			json_is_integer(json_object_get(root, "proved"))));
	json_decref(root);
}

static enum fw_status publish(void *context, const struct fw_publication *publication)
{
	size_t len = strlen(publication->topic);

	(void)context;
	if (world.publish_fails && --world.publish_fails == 0)
		return FW_NOMEM;
	check(len > 0 && len <= FW_TOPIC_MAX && !strpbrk(publication->topic, "+#") &&
		fw_utf8_valid(publication->topic, len));
	if (starts_with(publication->topic, "$SYS/broker/firmware/tasks/")) {
		check_task(publication);
		return FW_OK;
	}
	if (starts_with(publication->topic, "$SYS/broker/firmware/")) {
		check(publication->retain && publication->len > 0 &&
			strspn(publication->payload, "0123456789") == publication->len);
		return FW_OK;
	}
	check(publication->topic[0] == '/');
	if (!world.late)
		check_message(publication);
	return FW_OK;
}

static enum fw_status reply_to(void *context, const void *properties, struct fw_reply_to *out)
{
	const struct properties *given = properties;

	(void)context;
	*out = (struct fw_reply_to){given->response_topic ? strdup(given->response_topic) : NULL,
		given->correlation_len ? malloc(given->correlation_len) : NULL,
		given->correlation_len};
	if (out->correlation)
		memcpy(out->correlation, given->correlation, given->correlation_len);
	return FW_OK;
}

/* One line that cannot be taken for another. */
static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	check(level <= FW_LOG_ERROR && text[0] && fw_utf8_valid(text, strlen(text)));
	for (const char *c = text; *c; c++)
		check((unsigned char)*c >= ' ' && *c != 0x7f);
}

#endif
