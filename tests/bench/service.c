/* For comparison: what one would run beside the broker without the plugin. Answers pulls over MQTT
 * from the same catalog, with libmosquitto and SQLite, as well as that can be done: one connection,
 * prepared statements, the reply copied from a cached text that is dropped when the catalog
 * changes. It does less than the plugin: no identity, no record of the device, no tasks. */
#include <jansson.h>
#include <mosquitto.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOPIC_MAX 256

static struct {
	sqlite3_stmt *data_version, *latest, *order;
	int64_t version;
	char product[80]; /* whose newest firmware is cached */
	char *offer;
	int64_t offer_order;
} catalog;

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "service: %s\n", what);
	exit(1);
}

static int64_t integer_of(sqlite3_stmt *statement)
{
	int64_t value =
		sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;

	sqlite3_reset(statement);
	return value;
}

static const char *text(int column)
{
	return (const char *)sqlite3_column_text(catalog.latest, column);
}

static void load_offer(const char *product)
{
	json_t *offer;

	free(catalog.offer);
	catalog.offer = NULL;
	snprintf(catalog.product, sizeof(catalog.product), "%s", product);
	sqlite3_bind_text(catalog.latest, 1, product, -1, SQLITE_TRANSIENT);
	if (sqlite3_step(catalog.latest) == SQLITE_ROW) {
		offer = json_pack("{ss,ss,so,ss,ss,ss,sI}", "url", text(0), "version", text(1),
			"parameters", json_loads(text(2), 0, NULL), "sign", text(3), "signMethod",
			text(4), "firmwareId", text(5), "size",
			(json_int_t)sqlite3_column_int64(catalog.latest, 6));
		catalog.offer_order = sqlite3_column_int64(catalog.latest, 7);
		catalog.offer = offer ? json_dumps(offer, JSON_COMPACT) : NULL;
		json_decref(offer);
	}
	sqlite3_reset(catalog.latest);
}

/* The order of the version the device runs, 0 when the catalog does not know it. */
static int64_t order_of(const char *product, const char *version)
{
	if (!version)
		return 0;
	sqlite3_bind_text(catalog.order, 1, product, -1, SQLITE_STATIC);
	sqlite3_bind_text(catalog.order, 2, version, -1, SQLITE_STATIC);
	return integer_of(catalog.order);
}

static void look_at_catalog(const char *product)
{
	int64_t version = integer_of(catalog.data_version);

	if (version != catalog.version || strcmp(product, catalog.product) != 0)
		load_offer(product);
	catalog.version = version;
}

static int write_reply(char *reply, size_t size, const char *product, const json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "messageId"));
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	look_at_catalog(product);
	if (!catalog.offer ||
		order_of(product, json_string_value(json_object_get(request, "currentVersion"))) >=
			catalog.offer_order)
		return snprintf(reply, size,
			"{\"timestamp\":%lld,\"messageId\":\"%s\",\"success\":false,\"code\":\"no_"
			"update\",\"message\":\"\"}",
			(long long)ms, id ? id : "");
	return snprintf(reply, size, "{\"timestamp\":%lld,\"messageId\":\"%s\",%s", (long long)ms,
		id ? id : "", catalog.offer + 1);
}

static void on_message(
	struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
	char topic[TOPIC_MAX], product[80], reply[4096];
	const char *end = strchr(message->topic + 1, '/');
	json_t *request = json_loadb(
		message->payload, (size_t)message->payloadlen, JSON_REJECT_DUPLICATES, NULL);
	int len;

	(void)context;
	if (request && end && (size_t)(end - message->topic) < sizeof(product)) {
		snprintf(product, sizeof(product), "%.*s", (int)(end - message->topic - 1),
			message->topic + 1);
		snprintf(topic, sizeof(topic), "%s/reply", message->topic);
		len = write_reply(reply, sizeof(reply), product, request);
		mosquitto_publish(client, NULL, topic, len, reply, message->qos, false);
	}
	json_decref(request);
}

static void on_connect(struct mosquitto *client, void *context, int code)
{
	(void)context;
	need(code == 0, "the broker refuses");
	need(mosquitto_subscribe(client, NULL, "/+/+/firmware/pull", 1) == MOSQ_ERR_SUCCESS,
		"cannot subscribe");
}

static void on_subscribe(
	struct mosquitto *client, void *context, int id, int count, const int *granted)
{
	(void)client;
	(void)context;
	(void)id;
	(void)count;
	(void)granted;
	puts("ready");
	fflush(stdout);
}

static void open_catalog(const char *path)
{
	static const char latest[] =
		"SELECT url, version, parameters, sign, sign_method, firmware_id, size, "
		"version_order FROM firmware"
		" WHERE product_id = ?1 AND state = 'ready' ORDER BY version_order DESC LIMIT 1";
	static const char order[] =
		"SELECT version_order FROM firmware WHERE product_id = ?1 AND version = ?2";
	sqlite3 *db;

	need(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
			SQLITE_OK,
		"cannot open the catalog");
	need(sqlite3_prepare_v2(db, "PRAGMA data_version", -1, &catalog.data_version, NULL) ==
				SQLITE_OK &&
			sqlite3_prepare_v2(db, latest, -1, &catalog.latest, NULL) == SQLITE_OK &&
			sqlite3_prepare_v2(db, order, -1, &catalog.order, NULL) == SQLITE_OK,
		sqlite3_errmsg(db));
}

int main(int argc, char **argv)
{
	struct mosquitto *client;

	need(argc == 3, "usage: service PORT CATALOG");
	open_catalog(argv[2]);
	mosquitto_lib_init();
	client = mosquitto_new("firmware-service", true, NULL);
	need(client, "out of memory");
	mosquitto_connect_callback_set(client, on_connect);
	mosquitto_subscribe_callback_set(client, on_subscribe);
	mosquitto_message_callback_set(client, on_message);
	mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
	need(mosquitto_connect(client, "127.0.0.1", atoi(argv[1]), 60) == MOSQ_ERR_SUCCESS,
		"cannot connect");
	return mosquitto_loop_forever(client, -1, 1) == MOSQ_ERR_SUCCESS ? 0 : 1;
}
