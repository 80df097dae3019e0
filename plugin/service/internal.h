/* What the files of the service share: the service itself, and the few functions of one that
 * another needs. Broker thread only. */
#ifndef FW_SERVICE_INTERNAL_H
#define FW_SERVICE_INTERNAL_H

#include "base/counter.h"
#include "base/io_thread.h"
#include "base/text.h"
#include "catalog/pull_reader.h"
#include "catalog/temp_vfs.h"
#include "catalog/vfs.h"
#include "control/metrics.h"
#include "control/mqtt.h"
#include "control/web.h"
#include "download/download.h"
#include "http/scrape.h"
#include "protocol/topic.h"
#include "protocol/uplink.h"
#include "service/device_rate.h"
#include "service/presence.h"
#include "service/pull_dedup.h"
#include "service/refusal_log.h"
#include "service/registration.h"
#include "service/service.h"
#include "service/takeover.h"
#include "store/outbox.h"
#include "store/store.h"
#include "upgrade/resolver.h"
#include "upgrade/unapplied.h"

struct fw_service {
	const struct fw_options *options;
	struct fw_broker broker;
	struct fw_counters counters;
	struct fw_outbox *outbox;
	struct fw_io_thread *io_thread;
	bool own_table; /* fw_vfs_begin succeeded: fw_vfs_end is due */
	bool temp_vfs;  /* fw_temp_vfs_begin succeeded: fw_temp_vfs_end is due */
	struct fw_store *store;
	struct fw_pull_reader *reader;
	struct fw_unapplied *unapplied;
	struct fw_resolver *resolver;
	struct fw_presence *presence;
	struct fw_pull_dedup *pull_dedup;
	struct fw_device_rate *rate;
	struct fw_registration *registration;
	struct fw_takeovers *takeovers;
	struct fw_refusal_log *refusal_log;
	struct fw_download *download;
	struct fw_control *control;  /* NULL: nobody may use it */
	struct fw_web *web;          /* NULL: admin_listen is off */
	struct fw_outbox *web_lines; /* what its threads want logged; NULL likewise */
	struct fw_metrics *metrics;
	struct fw_scrape *scrape;         /* NULL: metrics_listen is off */
	uint64_t first_connection;        /* numbers of this run's connections are above it */
	int64_t last_tick, next_counters; /* boot ms */
	unsigned ticks_missed;            /* in a row */
	bool in_message;                  /* fw_service_message is handling one */
	/* the device that this message brought online, to be reported after it; len 0: none */
	char arrival[FW_PRESENCE_KEY_MAX];
	size_t arrival_len;
	uint64_t arrival_connection, arrival_oldest;
	bool retain_logged; /* the log says that firmware topics are never retained */
	/* the log says that uplinks cannot be saved, and not yet that it is over */
	bool unsaved_logged;
	uint64_t unsaved;   /* how many could not be saved since then */
	int64_t unsaved_at; /* boot ms of the last one */
	/* the value last published + 1, 0: never */
	uint64_t published[FW_COUNTERS_PUBLISHED];
	unsigned char record[FW_UPLINK_MAX];
	char reason[FW_KEPT_MAX]; /* of the uplink that is being made */
};

/* Logs the line that fw_refusal_log_line makes of this refusal. False when none is due. */
bool fw_service_log_refusal(struct fw_service *service, enum fw_refusal why,
	enum fw_topic_kind kind, const struct fw_client *client, const char *topic,
	const char *detail);

/* The fw_presence_changed of the service's table: reports the change to the store, or holds it back
 * until the message in progress is handled. `context` is the service. */
void fw_service_presence_changed(void *context, const struct fw_presence_change *change);
/* Reports to the store the device that was held back, if there is one. */
void fw_service_presence_report_arrival(struct fw_service *service);
/* Answers the store's question whether the device is online, when it is, or when the catalog has it
 * online (`believed`). */
void fw_service_presence_answer(
	struct fw_service *service, struct fw_slice product_and_device, bool believed);

/* Has the device of this firmware topic shown itself? */
bool fw_service_presence_of_topic(const struct fw_service *service, const char *topic);

/* Publishes and logs what the store wants, until `until` (boot ms). True when there was anything.
 */
bool fw_service_drain_outbox(struct fw_service *service, int64_t until);
/* Publishes answers to commands, and logs their lines, until `until` (boot ms). True when anything
 * was published. */
bool fw_service_drain_control(struct fw_service *service, int64_t until);
/* A fw_commands_config.done: counts the command for the metrics. `context` is the service. Any
 * thread. */
void fw_service_count_request(void *context, const struct fw_asker *asker, const char *outcome);
/* The admin server, when the options ask for it. These two on the I/O thread. */
enum fw_status fw_service_web_start(struct fw_service *service, struct fw_error *error);
void fw_service_web_stop(struct fw_service *service);
/* Logs what the admin server wants logged. */
void fw_service_drain_web(struct fw_service *service);

/* Does a tick's work on a firmware message, where the broker sends no ticks. */
void fw_service_check_ticks(struct fw_service *service);

/* Is the client this device? With identity `none` each client is. */
bool fw_identity_is_device(
	const struct fw_service *service, const struct fw_client *client, struct fw_slice device);

/* The name under which presence knows the client's device: what identifies the client, or, where
 * anyone may speak for any device, product/device of `topic`, written into `buffer`
 * (FW_PRESENCE_KEY_MAX bytes). Empty when there is none; topic may be NULL. */
struct fw_slice fw_identity_key(const struct fw_service *service, const struct fw_client *client,
	const struct fw_topic *topic, char *buffer);

/* The client published for the device of `topic` (NULL: on another topic), so it is there. Returns
 * the number of its connection, 0 when it has none. */
uint64_t fw_identity_seen(
	struct fw_service *service, const struct fw_client *client, const struct fw_topic *topic);

/* Counts and logs a publish on what looks like a firmware topic and is none (`text`, parsed as
 * `topic`), unless an operator sent it. */
void fw_topic_rules_check_astray(struct fw_service *service, const struct fw_client *client,
	const char *text, const struct fw_topic *topic);

/* FW_PASS_UNRETAINED for a firmware message that would be retained, else FW_PASS. */
enum fw_verdict fw_topic_rules_unretain(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming);

/* One firmware message: may its sender send it, what is answered, what is kept. */
enum fw_verdict fw_handlers(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming, const struct fw_topic *topic);

/* Only the first question, of which nothing but the topic is used: FW_PASS, or FW_DENY, counted and
 * logged. */
enum fw_verdict fw_handlers_check(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming, const struct fw_topic *topic);

#endif
