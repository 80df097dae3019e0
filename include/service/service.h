/* What the plugin does with one message: who may send it, what is answered, what is kept. Broker
 * thread only.
 *
 * Knows the broker by the functions of struct fw_broker alone, so that tests and fuzzers can stand
 * in for it. */
#ifndef FW_SERVICE_SERVICE_H
#define FW_SERVICE_SERVICE_H

#include "base/fw.h"
#include "base/log.h"
#include "base/options.h"
#include "base/waker.h"
#include "service/takeover.h"

struct fw_service;

/* The client that sent a message. Borrowed for the call. */
struct fw_client {
	const void *handle;   /* the broker's own */
	const char *id;       /* MQTT client id */
	const char *username; /* NULL: none */
};

/* Where a request wants its answer (MQTT 5, section 4.10). Both pointers may be NULL. malloc'd,
 * freed by the service. */
struct fw_reply_to {
	char *response_topic;
	void *correlation;
	size_t correlation_len;
};

void fw_reply_to_clear(struct fw_reply_to *to);

/* A message that a client published. Borrowed for the call. */
struct fw_incoming {
	const char *topic;
	const void *payload;
	size_t len;
	int qos;
	bool retain;
	const void *properties; /* the broker's own; NULL: none */
};

/* A message that the broker is to send. Borrowed for the call. */
struct fw_publication {
	const char *client_id; /* for this client alone; NULL: for all subscribers */
	const char *topic;
	const char *payload;
	size_t len;
	int qos;
	bool retain;
	const void *correlation; /* NULL: none */
	size_t correlation_len;
	/* MQTT 5, 3.3.2.3.3: after so many seconds the broker delivers it to nobody any more,
	 * whatever the protocol of the session that it waits in; 0: it waits for ever */
	uint32_t expiry_seconds;
};

/* The broker, as the service asks it. Called on the broker thread. */
struct fw_broker {
	void *context;
	/* Queues a message; copies what it is given. FW_OK or FW_NOMEM. */
	enum fw_status (*publish)(void *context, const struct fw_publication *publication);
	/* Reads what the answer to a request needs from its properties. FW_OK, or FW_NOMEM with
	 * *out as it was. */
	enum fw_status (*reply_to)(void *context, const void *properties, struct fw_reply_to *out);
	/* Writes one line to the broker's log; the plugin's name is put in front of it. */
	void (*log)(void *context, enum fw_log_level level, const char *text);
	struct fw_waker waker; /* has fw_service_tick called soon, though the broker sleeps */
	bool sees_connections; /* fw_service_connected is called for each client that connects */
};

/* What the broker is to do with the message. */
enum fw_verdict {
	FW_PASS,            /* route it as ever */
	FW_PASS_UNRETAINED, /* route it, but without the retain flag */
	FW_DENY,            /* refuse it: MQTT 5 reason code 0x87 */
	/* refuse it: MQTT 5 reason code 0x97 (quota exceeded), where the broker can send that,
	 * or else 0x87 */
	FW_LIMIT,
	FW_ANSWERED, /* acknowledge it, but let nobody have it */
	FW_NO_ACK,   /* do not acknowledge it: it could not be saved */
};

/* Opens catalog, spool and store. `broker` is copied; `options` is borrowed for the life of the
 * service. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_service_open(const struct fw_options *options, const struct fw_broker *broker,
	struct fw_service **out, struct fw_error *error);

/* Applies what is left, ends the store's thread. NULL is fine. */
void fw_service_close(struct fw_service *service);

/* How many products and firmware the catalog has, and where it is: for the line at start. The
 * numbers are 0 where the catalog cannot be asked. */
void fw_service_describe(struct fw_service *service, char *text, size_t size);

/* A client published a message: handles it when its topic is a firmware topic, and says what the
 * broker is to do with it. */
enum fw_verdict fw_service_message(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming);

/* A request on $CONTROL/firmware/v1 (control/mqtt.h), when the options name somebody who may ask.
 */
void fw_service_control(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming);

/* May the client publish there? For a message that fw_service_message will not see, such as a will
 * (MQTT 5, section 3.1.2.5). A refusal is counted and logged. The client may be gone already, and
 * does not become online by this. */
bool fw_service_may_send(
	struct fw_service *service, const struct fw_client *client, const char *topic);

/* The client connected; `listens`: it has subscriptions, from an earlier session. */
void fw_service_connected(struct fw_service *service, const struct fw_client *client, bool listens);

/* The client subscribes to something. */
void fw_service_subscribed(
	struct fw_service *service, const struct fw_client *client, const char *filter);

/* The client published, and the broker will not say why its connection ends: for finding clients
 * that throw each other out (service/takeover.h). */
void fw_service_spoke(struct fw_service *service, const struct fw_takeover_client *client);

/* The client is gone: `ended` is what its connection was at its end, `ending` why it ended. */
void fw_service_gone(struct fw_service *service, const struct fw_client *client,
	const struct fw_takeover_client *ended, enum fw_ending ending);

/* Publishes what waits, for at most some milliseconds, and frees a little of what is no longer
 * needed. Returns in how many milliseconds it wants to be called again, 0: at once. To be called at
 * every iteration of the broker's loop. */
int64_t fw_service_tick(struct fw_service *service);

#endif
