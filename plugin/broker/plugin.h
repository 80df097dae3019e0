/* What the three files share that include Mosquitto's plugin API (version 5):
 *
 *   plugin.c     loads and unloads the plugin
 *   events.c     what the broker tells it
 *   publisher.c  what it asks of the broker
 *
 * All three run on the broker's thread. One binary serves Mosquitto 2.0 and 2.1, whichever header
 * it was built with: what differs is decided at run time. */
#ifndef FW_BROKER_PLUGIN_H
#define FW_BROKER_PLUGIN_H

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
#include "broker/wakeup.h"
#include "service/service.h"

#define FW_PLUGIN_NAME "mosquitto-firmware: "

struct fw_plugin {
	mosquitto_plugin_id_t *identifier;
	struct fw_options options;
	struct fw_service *service;
	struct fw_wakeup *wakeup; /* NULL: the broker cannot be woken */
	bool on_2_1;
	/* where an answered request goes: a name that nobody guesses, and that no wildcard matches
	 * (it begins with $: MQTT 5, section 4.7.2) */
	char answered_topic[18];
};

/* Registers the callbacks. MOSQ_ERR_SUCCESS, or the code by which the broker refused one; then
 * unregister, which is fine for those that were not registered. */
int fw_events_register(struct fw_plugin *plugin);
void fw_events_unregister(struct fw_plugin *plugin);

/* What the service asks of the broker. */
struct fw_broker fw_publisher_of(struct fw_plugin *plugin);

#endif
