/* What the broker tells the plugin: messages, clients that come and go, subscriptions, ticks.
 *
 * Each callback turns the broker's event into the service's terms, and the service's verdict into
 * the broker's return code. Events are registered and unregistered by one table. */
#include "broker/plugin.h"

#include <stddef.h>
#include <string.h>

#include "broker/loaded.h"
#include "control/mqtt.h"

/* Seconds: in milliseconds they fit into a long, in nanoseconds into one of 64 bits. */
#define LONG_S (sizeof(long) > 4 ? 3000000000L : 2000000L)

/* Events that 2.0's header lacks; registering them there is answered MOSQ_ERR_NOT_SUPPORTED. */
#define EVENT_CONNECT 11
#define EVENT_SUBSCRIBE 12
#define EVENT_CLIENT_OFFLINE 28
/* A return code that 2.0 lacks: it would take it for an error, and end the connection. */
#define QUOTA_EXCEEDED (-6)
#define SESSION_TAKEN_OVER 142 /* why a connection ended, on 2.1; 2.0 always says -1 */
#define PLUGIN_IGNORE 32       /* a return code that 2.0 lacks: as if this plugin did not exist */

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

static void note_speaker(struct fw_plugin *plugin, struct mosquitto *client)
{
	struct fw_takeover_client speaker = takeover_client_of(client);

	fw_service_spoke(plugin->service, &speaker);
}

/* The message is acknowledged, but routed to nobody. Its topic is overwritten in place: one that is
 * replaced is freed by the plugin up to 2.0.14 and by the broker from 2.0.15 on, and a broker
 * cannot be asked which it is. */
static int swallow(const struct fw_plugin *plugin, struct mosquitto_evt_message *message)
{
	_Static_assert(sizeof(plugin->answered_topic) <= sizeof("/p/d/firmware/read"),
		"the shortest topic has room for it");
	memcpy(message->topic, plugin->answered_topic, sizeof(plugin->answered_topic));
	message->retain = false;
	return MOSQ_ERR_SUCCESS;
}

static int on_message(int event, void *data, void *context)
{
	struct fw_plugin *plugin = context;
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
		/* every broker takes this member back (Mosquitto: plugin__handle_message) */
		message->retain = false;
		break;
	case FW_PASS:
		break;
	}
	return MOSQ_ERR_SUCCESS;
}

/* Any return but success disconnects the client on 2.0.11 to 2.0.14 and on 2.1. */
static int on_control(int event, void *data, void *context)
{
	struct fw_plugin *plugin = context;
	struct mosquitto_evt_control *control = data;
	struct fw_client client = client_of(control->client);

	(void)event;
	fw_service_control(plugin->service, &client,
		&(struct fw_incoming){.topic = control->topic,
			.payload = control->payload,
			.len = control->payloadlen,
			.qos = control->qos,
			.retain = control->retain,
			.properties = control->properties});
	return MOSQ_ERR_SUCCESS;
}

/* 2.1 asks this before MESSAGE. A will comes here alone. */
static int on_acl_check(int event, void *data, void *context)
{
	struct fw_plugin *plugin = context;
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
	struct fw_plugin *plugin = context;
	struct mosquitto_evt_tick *tick = data;
	int64_t wanted;

	(void)event;
	fw_wakeup_over(plugin->wakeup);
	wanted = fw_service_tick(plugin->service);
	if (wanted < 1) {
		fw_wakeup_soon(plugin->wakeup);
		wanted = 1;
	}
	/* 2.0 comes back anyway. 2.1 uses these two numbers twice. It sleeps for their sum; 0 means
	 * that the plugin does not care. And it holds the next tick back until a time of the wall
	 * clock that it makes of each number by itself: since that clock may step back, and another
	 * event may end the sleep first, that time must lie long ago. */
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
	struct fw_plugin *plugin = context;
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
	struct fw_plugin *plugin = context;
	struct mosquitto_evt_disconnect *gone = data;
	struct fw_client client = client_of(gone->client);
	struct fw_takeover_client ended = takeover_client_of(gone->client);
	enum fw_ending ending =
		gone->reason == SESSION_TAKEN_OVER ? FW_ENDING_TAKEN_OVER : FW_ENDING_OTHER;

	(void)event;
	if (client.id)
		fw_service_gone(plugin->service, &client, &ended,
			plugin->on_2_1 ? ending : FW_ENDING_UNTOLD);
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
	struct fw_plugin *plugin = context;
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
	const char *topic; /* of MOSQ_EVT_CONTROL; NULL: none */
} events[] = {
	{MOSQ_EVT_ACL_CHECK, on_acl_check, NULL},
	{MOSQ_EVT_MESSAGE, on_message, NULL},
	{MOSQ_EVT_CONTROL, on_control, FW_CONTROL_TOPIC},
	{MOSQ_EVT_TICK, on_tick, NULL},
	{MOSQ_EVT_DISCONNECT, on_gone, NULL},
	{EVENT_CONNECT, on_connect, NULL},
	{EVENT_SUBSCRIBE, on_subscribe, NULL},
	{EVENT_CLIENT_OFFLINE, on_gone, NULL},
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

/* If all plugins defer, the last result counts: 2.0 denies, 2.1 allows. Mosquitto's dynamic
 * security denies by deferring, so a plugin behind it that defers too would let pass what it
 * denies. As the first one this plugin changes nothing. */
static bool may_check_access(const struct fw_plugin *plugin)
{
	if (!plugin->on_2_1)
		return false;
	if (!fw_loaded_another(events))
		return true;
	mosquitto_log_printf(MOSQ_LOG_WARNING,
		FW_PLUGIN_NAME
		"another plugin is loaded before this one, so the wills of clients are not checked:"
		" put this plugin's lines first in mosquitto.conf");
	return false;
}

static bool is_wanted(const struct fw_plugin *plugin, int event)
{
	if (event == MOSQ_EVT_ACL_CHECK)
		return may_check_access(plugin);
	return event != MOSQ_EVT_CONTROL || fw_options_have_admins(&plugin->options);
}

void fw_events_unregister(struct fw_plugin *plugin)
{
	for (size_t i = 0; i < EVENTS; i++)
		mosquitto_callback_unregister(
			plugin->identifier, events[i].event, events[i].callback, events[i].topic);
}

int fw_events_register(struct fw_plugin *plugin)
{
	for (size_t i = 0; i < EVENTS; i++) {
		int code;

		if (!is_wanted(plugin, events[i].event))
			continue;
		code = mosquitto_callback_register(plugin->identifier, events[i].event,
			events[i].callback, events[i].topic, plugin);

		if (code != MOSQ_ERR_SUCCESS && code != MOSQ_ERR_NOT_SUPPORTED)
			return code;
	}
	return MOSQ_ERR_SUCCESS;
}
