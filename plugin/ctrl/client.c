/* A client of $CONTROL/firmware/v1.
 *
 * It has one connection for its life, and one request at a time on it. The correlationData of the
 * commands is the number of the request, so that a late answer is not taken for the next one's. All
 * callbacks run inside mosquitto_loop(), on the only thread. */
#include "ctrl/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<mosquitto/mqtt_protocol.h>) /* 2.1 */
#include <mosquitto/mqtt_protocol.h>
#else
#include <mqtt_protocol.h>
#endif

#define CONNECT_MS 10000
#define KEEPALIVE_SECONDS 60

struct fw_ctrl_client {
	const struct fw_ctrl_login *login;
	struct mosquitto *mosq;
	bool connected, lost;
	int mid;               /* message id of the request */
	unsigned asked;        /* requests so far: the number of the last one */
	json_t *responses;     /* owned; of that request; NULL: not there yet */
	struct fw_error error; /* what a callback, or the loop, found */
	char password[1024];
};

/* ---- Callbacks */

static const char *user_of(const struct fw_ctrl_client *client)
{
	const char *user = client->login->shared->username;

	return user ? user : "";
}

static void on_connect(struct mosquitto *mosq, void *context, int code, int flags,
	const mosquitto_property *properties)
{
	struct fw_ctrl_client *client = context;
	bool v5 = client->login->shared->protocol_version == MQTT_PROTOCOL_V5;

	(void)mosq;
	(void)flags;
	(void)properties;
	client->connected = code == 0;
	if (code == 0)
		return;
	client->lost = true;
	fw_error_set(&client->error,
		"the broker refuses the connection: %s: see to the user name (-u), the password "
		"(-P) and the certificate",
		v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code));
}

static void on_disconnect(
	struct mosquitto *mosq, void *context, int code, const mosquitto_property *properties)
{
	struct fw_ctrl_client *client = context;

	(void)mosq;
	(void)properties;
	client->lost = true;
	fw_error_set(&client->error, "the connection broke: %s", mosquitto_strerror(code));
}

static void on_publish(struct mosquitto *mosq, void *context, int mid, int code,
	const mosquitto_property *properties)
{
	struct fw_ctrl_client *client = context;

	(void)mosq;
	(void)properties;
	if (mid == client->mid && code >= 128)
		fw_error_set(&client->error,
			"the broker lets user '%.64s' publish nothing on " FW_CTRL_TOPIC ": %s",
			user_of(client), mosquitto_reason_string(code));
}

/* True if it is the answer to the last request. An answer that refuses a request as a whole has no
 * correlationData. */
static bool is_awaited(const struct fw_ctrl_client *client, const json_t *responses)
{
	const json_t *data = json_object_get(json_array_get(responses, 0), "correlationData");
	char number[16];

	snprintf(number, sizeof(number), "%u", client->asked);
	return json_is_array(responses) && json_array_size(responses) > 0 &&
		(!data || (json_is_string(data) && strcmp(json_string_value(data), number) == 0));
}

static void on_message(struct mosquitto *mosq, void *context,
	const struct mosquitto_message *message, const mosquitto_property *properties)
{
	struct fw_ctrl_client *client = context;
	json_t *answer, *responses;

	(void)mosq;
	(void)properties;
	if (strcmp(message->topic, FW_CTRL_RESPONSE_TOPIC) != 0 || message->payloadlen <= 0)
		return;
	answer = json_loadb(message->payload, (size_t)message->payloadlen, 0, NULL);
	responses = json_object_get(answer, "responses");
	if (!client->responses && is_awaited(client, responses))
		client->responses = json_incref(responses);
	else if (!responses && json_object_get(answer, "error"))
		/* so Mosquitto 2.1 answers on a topic that no plugin has */
		fw_error_set(&client->error,
			"no plugin of the broker answers on " FW_CTRL_TOPIC
			": load mosquitto_firmware.so, and name who may with plugin_opt_admins");
	json_decref(answer);
}

static void on_log(struct mosquitto *mosq, void *context, int level, const char *text)
{
	(void)mosq;
	(void)context;
	(void)level;
	fprintf(stderr, "%s\n", text);
}

/* ---- Its life */

/* Runs the loop until `done` says so, there is an error, or the time is over. False: the time is
 * over. */
static bool loop_until(struct fw_ctrl_client *client, int64_t ms, bool (*done)(const void *))
{
	int64_t end = fw_boot_ms() + ms, left;

	while (!done(client) && !client->error.text[0] && (left = end - fw_boot_ms()) > 0) {
		int rc = mosquitto_loop(client->mosq, left < 1000 ? (int)left : 1000, 1);

		if (rc != MOSQ_ERR_SUCCESS && !done(client)) {
			client->lost = true;
			fw_error_set(&client->error, "the connection broke: %s",
				rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
		}
	}
	return done(client) || client->error.text[0];
}

static bool is_connected(const void *client)
{
	return ((const struct fw_ctrl_client *)client)->connected;
}

static bool is_answered(const void *client)
{
	return ((const struct fw_ctrl_client *)client)->responses;
}

static bool never(const void *client)
{
	(void)client;
	return false;
}

static bool set_login(struct fw_ctrl_client *client, struct fw_error *error)
{
	const struct fw_ctrl_shared *shared = client->login->shared;
	const char *password = shared->password;

	if (!fw_ctrl_login_apply(client->login, client->mosq, error))
		return false;
	if (!shared->quiet && !fw_ctrl_login_is_private(client->login))
		fprintf(stderr,
			"Warning: the connection is not encrypted: who listens on its way "
			"sees the password and all commands. Give --cafile.\n");
	if (shared->username && !password) {
		if (!fw_ctrl_ask_password(
			    shared->username, client->password, sizeof(client->password), error))
			return false;
		password = client->password;
	}
	if ((!shared->username && !password) ||
		mosquitto_username_pw_set(client->mosq, shared->username, password) == 0)
		return true;
	fw_error_set(error, "the user name or the password is not UTF-8, or has no user");
	return false;
}

/* "localhost, port 1883", or the path of the socket. */
static void write_where(const struct fw_ctrl_login *login, char *text, size_t size)
{
	int port = fw_ctrl_login_port(login);

	if (port == 0)
		snprintf(text, size, "%.200s", login->shared->host);
	else
		snprintf(text, size, "%.200s, port %d", login->shared->host, port);
}

static const char *why_not(int rc)
{
	if (rc != MOSQ_ERR_ERRNO)
		return mosquitto_strerror(rc);
	/* libmosquitto 2.1 closes the socket before it looks at errno */
	return errno == EBADF ? "no connection" : strerror(errno);
}

static bool connect_to(struct fw_ctrl_client *client, struct fw_error *error)
{
	const struct fw_ctrl_shared *shared = client->login->shared;
	char where[256];
	int rc;

	write_where(client->login, where, sizeof(where));
	rc = mosquitto_connect_bind_v5(client->mosq, shared->host,
		fw_ctrl_login_port(client->login), KEEPALIVE_SECONDS, shared->bind_address, NULL);
	if (rc != MOSQ_ERR_SUCCESS) {
		fw_error_set(error,
			"cannot connect to %s: %s: does the broker run there? (-h, -p, --unix)",
			where, why_not(rc));
		return false;
	}
	if (!loop_until(client, CONNECT_MS, is_connected))
		fw_error_set(&client->error, "no broker answers at %s within %d s", where,
			CONNECT_MS / 1000);
	if (client->error.text[0]) {
		fw_error_set(error, "%s (%s)", client->error.text, where);
		return false;
	}
	/* where this is not allowed, the broker sends the answer all the same */
	mosquitto_subscribe(client->mosq, NULL, FW_CTRL_RESPONSE_TOPIC, 1);
	return true;
}

static void set_callbacks(struct fw_ctrl_client *client)
{
	mosquitto_connect_v5_callback_set(client->mosq, on_connect);
	mosquitto_disconnect_v5_callback_set(client->mosq, on_disconnect);
	mosquitto_publish_v5_callback_set(client->mosq, on_publish);
	mosquitto_message_v5_callback_set(client->mosq, on_message);
	if (client->login->shared->debug)
		mosquitto_log_callback_set(client->mosq, on_log);
}

bool fw_ctrl_client_open(
	const struct fw_ctrl_login *login, struct fw_ctrl_client **out, struct fw_error *error)
{
	struct fw_ctrl_client *client = calloc(1, sizeof(*client));

	/* at the end OpenSSL may write to a socket that the broker has closed */
	signal(SIGPIPE, SIG_IGN);
	mosquitto_lib_init();
	if (client) {
		client->login = login;
		client->mosq = mosquitto_new(login->shared->id, true, client);
	}
	if (!client || !client->mosq) {
		fw_error_set(error, "libmosquitto makes no client: %s", strerror(errno));
		fw_ctrl_client_close(client);
		return false;
	}
	set_callbacks(client);
	if (!set_login(client, error) || !connect_to(client, error)) {
		fw_ctrl_client_close(client);
		return false;
	}
	*out = client;
	return true;
}

void fw_ctrl_client_close(struct fw_ctrl_client *client)
{
	if (client && client->connected && !client->lost) {
		mosquitto_disconnect(client->mosq);
		mosquitto_loop(client->mosq, 0, 1);
	}
	if (client) {
		mosquitto_destroy(client->mosq);
		json_decref(client->responses);
		explicit_bzero(client->password, sizeof(client->password));
	}
	free(client);
	mosquitto_lib_cleanup();
}

/* ---- Asking */

/* A connection that broke stays the error of all later requests. */
static void forget_error(struct fw_ctrl_client *client)
{
	if (!client->lost)
		client->error = (struct fw_error){""};
}

/* {"commands": [...]}, with the number of the request; NULL without memory. */
static char *make_request(const struct fw_ctrl_client *client, json_t *commands)
{
	json_t *request = json_pack("{s:O}", "commands", commands), *command;
	char number[16], *text;
	size_t i;

	snprintf(number, sizeof(number), "%u", client->asked);
	json_array_foreach(commands, i, command)
	{
		json_object_set_new(command, "correlationData", json_string(number));
	}
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return text;
}

static json_t *take_responses(struct fw_ctrl_client *client, size_t expected)
{
	json_t *responses = client->responses;
	const json_t *first = json_array_get(responses, 0);

	client->responses = NULL;
	if (json_array_size(responses) == expected)
		return responses;
	/* the request was refused as a whole */
	fw_error_set(&client->error, "%s",
		json_is_string(json_object_get(first, "error"))
			? json_string_value(json_object_get(first, "error"))
			: "the answer is none of this plugin's");
	json_decref(responses);
	return NULL;
}

json_t *fw_ctrl_client_ask(struct fw_ctrl_client *client, json_t *commands, struct fw_error *error)
{
	size_t expected = json_array_size(commands);
	char *text;
	json_t *responses = NULL;
	int rc = MOSQ_ERR_NOMEM;

	forget_error(client);
	client->asked++;
	text = make_request(client, commands);
	json_decref(commands);
	if (text && !client->lost)
		rc = mosquitto_publish(client->mosq, &client->mid, FW_CTRL_TOPIC, (int)strlen(text),
			text, client->login->shared->qos, false);
	free(text);
	if (rc != MOSQ_ERR_SUCCESS)
		fw_error_set(&client->error, "nothing is sent: %s", mosquitto_strerror(rc));
	else if (!loop_until(client, FW_CTRL_ANSWER_MS, is_answered))
		fw_error_set(&client->error,
			"no answer within %d s: is the plugin mosquitto_firmware loaded in this "
			"broker, and does its plugin_opt_admins name somebody? The broker's log "
			"tells",
			FW_CTRL_ANSWER_MS / 1000);
	if (client->responses)
		responses = take_responses(client, expected);
	if (!responses)
		fw_error_set(error, "%s", client->error.text);
	return responses;
}

/* The sentence of the response and its code, and a hint where the user gave no user name. */
static void describe_error(
	const struct fw_ctrl_client *client, const json_t *response, struct fw_error *error)
{
	const char *code = json_string_value(json_object_get(response, "code"));
	const char *text = json_string_value(json_object_get(response, "error"));
	const char *what = "";

	if (code && strcmp(code, "not_allowed") == 0 && !client->login->shared->username)
		what = ": give a user name with -u";
	fw_error_set(error, "%.380s (%.20s%s)", text ? text : "the answer has no data",
		code ? code : "failed", what);
}

json_t *fw_ctrl_client_data(
	struct fw_ctrl_client *client, const json_t *command, struct fw_error *error, bool *busy)
{
	json_t *responses =
		fw_ctrl_client_ask(client, json_pack("[o]", json_copy((json_t *)command)), error);
	const json_t *response = json_array_get(responses, 0);
	const char *code = json_string_value(json_object_get(response, "code"));
	json_t *data = json_object_get(response, "data");

	if (busy)
		*busy = code && strcmp(code, "busy") == 0;
	if (json_is_object(data))
		json_incref(data);
	else
		data = NULL;
	if (responses && !data)
		describe_error(client, response, error);
	json_decref(responses);
	return data;
}

void fw_ctrl_client_wait(struct fw_ctrl_client *client, int64_t ms)
{
	forget_error(client);
	loop_until(client, ms, never);
}
