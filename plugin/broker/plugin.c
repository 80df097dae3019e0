/* The broker's side: the only file that knows Mosquitto's plugin API (version 5). Everything here
 * runs on the broker's thread.
 *
 * One binary serves Mosquitto 2.0 and 2.1, whichever header it was built with: what differs is
 * decided at run time. */
#include <dlfcn.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#if __has_include(<mosquitto/broker.h>) /* 2.1 */
#include <mosquitto/broker.h>
#include <mosquitto/broker_plugin.h>
#include <mosquitto/mqtt_protocol.h>
#else
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>
#endif

#include "base/options.h"
#include "broker/conf.h"
#include "broker/listener.h"
#include "broker/loaded.h"
#include "broker/retained.h"
#include "broker/wakeup.h"
#include "service/service.h"

#define NAME "mosquitto-firmware: "
/* in milliseconds it must fit into a long, and in nanoseconds into the larger one */
#define LONG_S (sizeof(long) > 4 ? 3000000000L : 2000000L)
#define EXPORT __attribute__((visibility("default")))

/* Events that 2.0's header lacks; registering them there is answered MOSQ_ERR_NOT_SUPPORTED. */
#define EVENT_CONNECT 11
#define EVENT_SUBSCRIBE 12
#define EVENT_CLIENT_OFFLINE 28
/* one that 2.0 lacks, and takes for an error: it would end the connection */
#define QUOTA_EXCEEDED (-6)
#define SESSION_TAKEN_OVER 142 /* why a connection ended, on 2.1; 2.0 always says -1 */
#define PLUGIN_IGNORE 32       /* a return code that 2.0 lacks: as if this plugin did not exist */

struct plugin {
	mosquitto_plugin_id_t *identifier;
	struct fw_options options;
	struct fw_service *service;
	struct fw_wakeup *wakeup; /* 2.1 */
	bool on_2_1;
	/* where an answered request goes: nobody can subscribe to what he cannot guess, and no
	 * wildcard matches $ */
	char answered_topic[18];
};

static int broker_level(enum fw_log_level level)
{
	static const int levels[] = {[FW_LOG_INFO] = MOSQ_LOG_INFO,
		[FW_LOG_NOTICE] = MOSQ_LOG_NOTICE,
		[FW_LOG_WARNING] = MOSQ_LOG_WARNING,
		[FW_LOG_ERROR] = MOSQ_LOG_ERR};

	return levels[level];
}

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	mosquitto_log_printf(broker_level(level), NAME "%s", text);
}

/* *out is NULL when it has none. */
static bool make_properties(const struct fw_publication *publication, mosquitto_property **out)
{
	int code = MOSQ_ERR_SUCCESS;

	if (publication->correlation)
		code = mosquitto_property_add_binary(out, MQTT_PROP_CORRELATION_DATA,
			publication->correlation, (uint16_t)publication->correlation_len);
	if (code == MOSQ_ERR_SUCCESS && publication->expiry_seconds)
		code = mosquitto_property_add_int32(
			out, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, publication->expiry_seconds);
	if (code != MOSQ_ERR_SUCCESS)
		mosquitto_property_free_all(out);
	return code == MOSQ_ERR_SUCCESS;
}

static enum fw_status publish(void *context, const struct fw_publication *publication)
{
	mosquitto_property *properties = NULL;
	char *payload = mosquitto_malloc(publication->len + 1);

	(void)context;
	if (!payload)
		return FW_NOMEM;
	memcpy(payload, publication->payload, publication->len);
	payload[publication->len] = '\0';
	if (!make_properties(publication, &properties)) {
		mosquitto_free(payload);
		return FW_NOMEM;
	}
	/* on success the broker owns payload and properties */
	if (mosquitto_broker_publish(NULL, publication->topic, (int)publication->len, payload,
		    publication->qos, publication->retain, properties) == MOSQ_ERR_SUCCESS)
		return FW_OK;
	mosquitto_property_free_all(&properties);
	mosquitto_free(payload);
	return FW_NOMEM;
}

/* Memory for free(), of what the broker's library copied from a property: that is malloc'd on 2.0,
 * and on 2.1 the broker counts it, for memory_limit too, until mosquitto_free(). NULL without
 * memory. */
static void *own_copy(const struct plugin *plugin, void *copied, size_t size)
{
	void *own;

	if (!plugin->on_2_1 || !copied)
		return copied;
	own = malloc(size);
	if (own)
		memcpy(own, copied, size);
	mosquitto_free(copied);
	return own;
}

/* FW_NOT_FOUND, or FW_NOMEM: without a place for the copy a property that is there is found all the
 * same. */
static enum fw_status read_response_topic(
	const struct plugin *plugin, const mosquitto_property *list, char **out)
{
	char *copied = NULL;

	if (!mosquitto_property_read_string(list, MQTT_PROP_RESPONSE_TOPIC, &copied, false))
		return mosquitto_property_read_string(list, MQTT_PROP_RESPONSE_TOPIC, NULL, false)
			? FW_NOMEM
			: FW_NOT_FOUND;
	if (!copied) /* 2.1: empty */
		return FW_NOT_FOUND;
	*out = own_copy(plugin, copied, strlen(copied) + 1);
	return *out ? FW_OK : FW_NOMEM;
}

static enum fw_status read_correlation(
	const struct plugin *plugin, const mosquitto_property *list, void **out, size_t *len)
{
	void *copied = NULL;
	uint16_t copied_len = 0;

	if (!mosquitto_property_read_binary(
		    list, MQTT_PROP_CORRELATION_DATA, &copied, &copied_len, false))
		return mosquitto_property_read_binary(
			       list, MQTT_PROP_CORRELATION_DATA, NULL, NULL, false)
			? FW_NOMEM
			: FW_NOT_FOUND;
	if (!copied)
		return FW_NOT_FOUND;
	*out = own_copy(plugin, copied, copied_len);
	*len = copied_len;
	return *out ? FW_OK : FW_NOMEM;
}

static enum fw_status reply_to(void *context, const void *properties, struct fw_reply_to *out)
{
	struct fw_reply_to to = {NULL, NULL, 0};

	if (read_response_topic(context, properties, &to.response_topic) == FW_NOMEM ||
		read_correlation(context, properties, &to.correlation, &to.correlation_len) ==
			FW_NOMEM) {
		free(to.response_topic);
		return FW_NOMEM;
	}
	*out = to;
	return FW_OK;
}

static struct fw_client client_of(struct mosquitto *client)
{
	return (struct fw_client){.handle = client,
		.id = mosquitto_client_id(client),
		.username = mosquitto_client_username(client)};
}

static struct fw_takeover_client takeover_client_of(struct mosquitto *client)
{
	return (struct fw_takeover_client){.handle = client,
		.id = mosquitto_client_id(client),
		.subscribed = mosquitto_client_sub_count(client) > 0,
		.clean = mosquitto_client_clean_session(client)};
}

static void note_speaker(struct plugin *plugin, struct mosquitto *client)
{
	struct fw_takeover_client speaker = takeover_client_of(client);

	fw_service_spoke(plugin->service, &speaker);
}

/* Acknowledged, but routed to nobody. The topic is overwritten where it lies: who frees one that an
 * event replaces differs, the plugin up to 2.0.14, the broker from 2.0.15 on, and a broker cannot
 * be asked which it is. */
static int swallow(const struct plugin *plugin, struct mosquitto_evt_message *message)
{
	_Static_assert(sizeof(plugin->answered_topic) <= sizeof("/p/d/firmware/read"),
		"the shortest topic has room for it");
	memcpy(message->topic, plugin->answered_topic, sizeof(plugin->answered_topic));
	message->retain = false;
	return MOSQ_ERR_SUCCESS;
}

static int on_message(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct mosquitto_evt_message *message = data;
	struct fw_client client = client_of(message->client);
	struct fw_incoming request = {.topic = message->topic,
		.payload = message->payload,
		.len = message->payloadlen,
		.qos = message->qos,
		.retain = message->retain,
		.properties = message->properties};

	(void)event;
	if (!plugin->on_2_1)
		note_speaker(plugin, message->client);
	switch (fw_service_message(plugin->service, &client, &request)) {
	case FW_DENY:
		return MOSQ_ERR_ACL_DENIED;
	case FW_LIMIT:
		return plugin->on_2_1 ? QUOTA_EXCEEDED : MOSQ_ERR_ACL_DENIED;
	case FW_NO_ACK:
		return MOSQ_ERR_UNKNOWN;
	case FW_ANSWERED:
		return swallow(plugin, message);
	case FW_PASS_UNRETAINED:
		/* every broker takes it back, as it takes a changed payload: plugin__handle_message
		 */
		message->retain = false;
		break;
	case FW_PASS:
		break;
	}
	return MOSQ_ERR_SUCCESS;
}

/* 2.1: before MESSAGE, and the only word on a will. */
static int on_acl_check(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct mosquitto_evt_acl_check *check = data;
	struct fw_client client;

	(void)event;
	if (check->access != MOSQ_ACL_WRITE || check->topic[0] != '/')
		return PLUGIN_IGNORE;
	client = client_of(check->client);
	return fw_service_may_send(plugin->service, &client, check->topic) ? PLUGIN_IGNORE
									   : MOSQ_ERR_ACL_DENIED;
}

static int on_tick(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct mosquitto_evt_tick *tick = data;
	int64_t wanted;

	(void)event;
	fw_wakeup_over(plugin->wakeup);
	wanted = fw_service_tick(plugin->service);
	if (wanted < 1) {
		fw_wakeup_soon(plugin->wakeup);
		wanted = 1;
	}
	/* 2.1 sleeps until the next event unless it is told when to come back: 0 would mean no
	 * wish. 2.0 comes back anyway. 2.1 also keeps ticks back until that time by the wall clock,
	 * which may step back, and forgets the wish when something else wakes it before. It sleeps
	 * for the sum of both numbers, yet takes each by itself for that time: so it lies long ago.
	 */
	tick->next_s = -LONG_S;
#ifdef FW_TICK_HAS_NEXT_MS
	tick->next_ms = LONG_S * 1000 + (long)wanted;
#else
	tick->next_ns = LONG_S * 1000 + (long)wanted;
#endif
	return MOSQ_ERR_SUCCESS;
}

/* The beginning of struct mosquitto_evt_disconnect, and of 2.1's struct mosquitto_evt_connect and
 * struct mosquitto_evt_client_offline; in the last one the reason lies as in the first. */
struct client_event {
	void *future;
	struct mosquitto *client;
};
_Static_assert(
	offsetof(struct mosquitto_evt_disconnect, client) == offsetof(struct client_event, client),
	"the events begin alike");

static int on_connect(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct client_event *connect = data;
	struct fw_client client = client_of(connect->client);

	(void)event;
	if (client.id)
		fw_service_connected(
			plugin->service, &client, mosquitto_client_sub_count(connect->client) > 0);
	return MOSQ_ERR_SUCCESS;
}

static int on_gone(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct mosquitto_evt_disconnect *gone = data;
	struct fw_client client = client_of(gone->client);
	struct fw_takeover_client ended = takeover_client_of(gone->client);
	enum fw_ending ending =
		gone->reason == SESSION_TAKEN_OVER ? FW_ENDING_TAKEN_OVER : FW_ENDING_OTHER;

	(void)event;
	if (!client.id)
		return MOSQ_ERR_SUCCESS;
	fw_service_ended(plugin->service, &ended, plugin->on_2_1 ? ending : FW_ENDING_UNTOLD);
	fw_service_gone(plugin->service, &client);
	return MOSQ_ERR_SUCCESS;
}

/* The beginning of 2.1's struct mosquitto_evt_subscribe. */
struct subscribe_event {
	void *future;
	struct mosquitto *client;
	char *clientid;
	char *topic_filter;
};

static int on_subscribe(int event, void *data, void *context)
{
	struct plugin *plugin = context;
	struct subscribe_event *subscribe = data;
	struct fw_client client = client_of(subscribe->client);

	(void)event;
	if (client.id && subscribe->topic_filter)
		fw_service_subscribed(plugin->service, &client, subscribe->topic_filter);
	return MOSQ_ERR_SUCCESS;
}

/* Not RELOAD: all options are read at start, and a plugin that answers it keeps the reload from
 * those behind it (2.0), or is reported for deferring it (2.1). */
static const struct {
	int event;
	MOSQ_FUNC_generic_callback callback;
} events[] = {
	{MOSQ_EVT_ACL_CHECK, on_acl_check},
	{MOSQ_EVT_MESSAGE, on_message},
	{MOSQ_EVT_TICK, on_tick},
	{MOSQ_EVT_DISCONNECT, on_gone},
	{EVENT_CONNECT, on_connect},
	{EVENT_SUBSCRIBE, on_subscribe},
	{EVENT_CLIENT_OFFLINE, on_gone},
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

/* Of plugins that all leave the decision to others the broker takes the last one's word: 2.0 denies
 * then, whatever the word is, and 2.1 lets pass what one before this one has deferred, which is how
 * Mosquitto's dynamic security denies. As the first one it changes nothing. */
static bool may_check_access(const struct plugin *plugin)
{
	if (!plugin->on_2_1)
		return false;
	if (!fw_loaded_another(events))
		return true;
	mosquitto_log_printf(MOSQ_LOG_WARNING,
		NAME
		"another plugin is loaded before this one, so the wills of clients are not checked:"
		" put this plugin's lines first in mosquitto.conf");
	return false;
}

static void unregister_events(struct plugin *plugin)
{
	for (size_t i = 0; i < EVENTS; i++)
		mosquitto_callback_unregister(
			plugin->identifier, events[i].event, events[i].callback, NULL);
}

static int register_events(struct plugin *plugin)
{
	for (size_t i = 0; i < EVENTS; i++) {
		int code;

		if (events[i].event == MOSQ_EVT_ACL_CHECK && !may_check_access(plugin))
			continue;
		code = mosquitto_callback_register(
			plugin->identifier, events[i].event, events[i].callback, NULL, plugin);

		if (code != MOSQ_ERR_SUCCESS && code != MOSQ_ERR_NOT_SUPPORTED)
			return code;
	}
	return MOSQ_ERR_SUCCESS;
}

static void plugin_free(struct plugin *plugin)
{
	fw_service_close(plugin->service);
	fw_wakeup_free(plugin->wakeup);
	fw_options_clear(&plugin->options);
	free(plugin);
}

static enum fw_status read_options(struct plugin *plugin, const struct mosquitto_opt *options,
	int count, struct fw_error *error)
{
	struct fw_option_line *lines = calloc(count > 0 ? (size_t)count : 1, sizeof(*lines));
	enum fw_status status = lines ? FW_OK : FW_NOMEM;

	for (int i = 0; lines && i < count; i++)
		lines[i] = (struct fw_option_line){options[i].key, options[i].value};
	if (status == FW_OK)
		status = fw_options_parse(lines, (size_t)count, &plugin->options, error);
	if (status == FW_OK)
		status = fw_options_check_folders(&plugin->options, error);
	free(lines);
	return status;
}

static enum fw_status start(struct plugin *plugin, const struct mosquitto_opt *options, int count,
	struct fw_error *error)
{
	struct fw_broker broker = {.context = plugin,
		.sees_connections = plugin->on_2_1,
		.publish = publish,
		.reply_to = reply_to,
		.log = log_line};
	enum fw_status status = read_options(plugin, options, count, error);

	if (status == FW_OK)
		status = fw_service_open(&plugin->options, &broker, &plugin->service, error);
	return status;
}

static void greet(struct plugin *plugin)
{
	char catalog[512];

	fw_service_describe(plugin->service, catalog, sizeof(catalog));
	mosquitto_log_printf(MOSQ_LOG_NOTICE,
		NAME "version " FW_VERSION_TEXT " on Mosquitto %s, %s",
		plugin->on_2_1 ? "2.1" : "2.0", catalog);
}

/* What was retained on firmware topics before this plugin saw to it that nothing is. */
static void name_retained(const char *conf)
{
	char file[PATH_MAX], line[2048];

	if (fw_retained_file(conf, file, sizeof(file)) == FW_OK &&
		fw_retained_describe(file, line, sizeof(line)) == FW_OK)
		mosquitto_log_printf(MOSQ_LOG_WARNING, NAME "%s", line);
}

/* 2.0: says which listener is served, when that is not each of them. */
static void tell_listener(const struct plugin *plugin, const char *conf)
{
	struct fw_listener_place connection;
	struct fw_error sentence;
	Dl_info own;
	bool missed;

	if (plugin->on_2_1 || !dladdr(events, &own))
		return;
	if (fw_listener_find(conf, own.dli_fname, &connection) != FW_OK)
		return;
	missed = fw_listener_describe(&connection, &sentence);
	if (sentence.text[0])
		mosquitto_log_printf(
			missed ? MOSQ_LOG_WARNING : MOSQ_LOG_NOTICE, NAME "%s", sentence.text);
}

/* Says what the broker's configuration means for this plugin. */
static void read_conf(const struct plugin *plugin)
{
	char conf[PATH_MAX];

	if (fw_conf_path(conf, sizeof(conf)) != FW_OK)
		return;
	name_retained(conf);
	tell_listener(plugin, conf);
}

EXPORT int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
	for (int i = 0; i < supported_version_count; i++) {
		if (supported_versions[i] == MOSQ_PLUGIN_VERSION)
			return MOSQ_PLUGIN_VERSION;
	}
	return -1;
}

EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata,
	struct mosquitto_opt *options, int option_count)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));
	struct fw_error error = {""};
	int code;

	if (!plugin)
		return MOSQ_ERR_NOMEM;
	plugin->identifier = identifier;
	plugin->on_2_1 = dlsym(RTLD_DEFAULT, "mosquitto_client"); /* which came with it */
	snprintf(plugin->answered_topic, sizeof(plugin->answered_topic), "$%016llx",
		(unsigned long long)fw_random());
	if (start(plugin, options, option_count, &error) != FW_OK) {
		mosquitto_log_printf(
			MOSQ_LOG_ERR, NAME "%s", error.text[0] ? error.text : "out of memory");
		plugin_free(plugin);
		return MOSQ_ERR_INVAL;
	}
	code = register_events(plugin);
	if (code != MOSQ_ERR_SUCCESS) {
		mosquitto_log_printf(MOSQ_LOG_ERR, NAME "the broker refuses an event: %s",
			mosquitto_strerror(code));
		unregister_events(plugin);
		plugin_free(plugin);
		return code;
	}
	if (plugin->on_2_1)
		plugin->wakeup = fw_wakeup_new();
	*userdata = plugin;
	greet(plugin);
	read_conf(plugin);
	return MOSQ_ERR_SUCCESS;
}

EXPORT int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count)
{
	(void)options;
	(void)option_count;
	if (userdata) {
		unregister_events(userdata);
		plugin_free(userdata);
	}
	return MOSQ_ERR_SUCCESS;
}
