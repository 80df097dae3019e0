/* $CONTROL/firmware/v1: a queue of requests to a thread of its own that carries them out, and a
 * queue of answers back, for the broker's thread to publish.
 *
 *   fw_control_ask --> queue --> thread: fw_commands_request --> replies --> fw_control_take
 */
#ifndef FW_CONTROL_MQTT_H
#define FW_CONTROL_MQTT_H

#include "control/commands.h"

#define FW_CONTROL_TOPIC "$CONTROL/firmware/v1"
#define FW_CONTROL_RESPONSE_TOPIC FW_CONTROL_TOPIC "/response"
#define FW_CONTROL_OF_CLIENT 2u   /* requests of one client that wait */
#define FW_CONTROL_IN_ALL 16u     /* requests that wait, run, or whose answers wait */
#define FW_CONTROL_OF_VIEWERS 12u /* of these, by who may only read */
/* bytes of an answer: more is refused, and what was to be done is done all the same */
#define FW_CONTROL_ANSWER_MAX FW_COMMANDS_ANSWER_MAX

struct fw_control;

struct fw_control_config {
	const char *db_file, *files_dir; /* as in struct fw_commands_config */
	void (*done)(void *context, const struct fw_asker *asker, const char *outcome);
	void *context; /* of done, which is called on the control plane's thread */
};

/* One request. All of it is copied. */
struct fw_control_request {
	const void *client; /* the broker's own: of one connection */
	const char *client_id;
	const char *user;
	enum fw_right right;
	struct fw_slice body;
	int qos;
	const char *response_topic; /* NULL: FW_CONTROL_RESPONSE_TOPIC */
	const void *correlation;    /* NULL: none */
	size_t correlation_len;
};

/* For the client alone. All of it is malloc'd. */
struct fw_control_reply {
	char *client_id, *topic, *payload;
	size_t len;
	int qos;
	void *correlation; /* NULL: none */
	size_t correlation_len;
};

/* On the I/O thread (base/io_thread.h). Opens a connection to the catalog, and starts the thread.
 * FW_OK: the caller owns *out. Else a sentence is in `error`, which FW_NOMEM may leave empty. */
enum fw_status fw_control_open(
	const struct fw_control_config *config, struct fw_control **out, struct fw_error *error);
/* Ends the thread: what it does is rolled back, and what waits is not begun. NULL is fine. */
void fw_control_stop(struct fw_control *control);
void fw_control_close(struct fw_control *control); /* after the stop; NULL is fine */

/* Broker thread. Queues the request. FW_OK; FW_FULL: one of the three bounds above is reached;
 * FW_NOMEM. Requests of one user run in their order, in turn with those of others. */
enum fw_status fw_control_ask(struct fw_control *control, const struct fw_control_request *asked);

/* Broker thread. The next answer, which the caller clears. False when there is none; then it costs
 * an atomic load. */
bool fw_control_take(struct fw_control *control, struct fw_control_reply *out);
void fw_control_reply_clear(struct fw_control_reply *reply);

/* Broker thread. The connection has ended: its requests are carried out and not answered, even when
 * its client id connects again. */
void fw_control_gone(struct fw_control *control, const void *client);

/* Broker thread. True while a request waits, runs, or its answer is not taken. */
bool fw_control_under_way(struct fw_control *control);

/* Any thread: queues a line for the broker's log, which the broker's thread alone writes. When 256
 * lines wait, further ones are only counted. */
void fw_control_log(struct fw_control *control, enum fw_log_level level, const char *text);
/* Broker thread. The next line, malloc'd, for the caller; NULL when there is none. */
char *fw_control_take_line(struct fw_control *control, enum fw_log_level *level);

#endif
