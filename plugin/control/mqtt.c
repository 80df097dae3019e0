/* The face $CONTROL/firmware/v1, without the broker.
 *
 * A request is in one of three states: it waits, the thread carries it out, or its answer waits.
 * `requests` counts all of them, and is at most FW_CONTROL_IN_ALL. One lock guards the lists; the
 * thread holds it only to take from them and to put into them.
 *
 * No user keeps others waiting for long: a request reads for some seconds at most (commands.c), the
 * next one is another user's where there is one, and some requests are left to admins. */
#include "control/mqtt.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "control/removal.h"

#define LINES_MAX 256u

struct request {
	struct request *next;
	const void *client; /* NULL: gone */
	char *user;
	enum fw_right right;
	char *body;
	size_t body_len;
	struct fw_control_reply reply; /* the payload is set by the thread, the rest at once */
};

struct line {
	struct line *next;
	enum fw_log_level level;
	char text[];
};

struct fw_control {
	struct fw_commands *commands;
	void (*done)(void *context, const struct fw_asker *asker, const char *outcome);
	void *context;
	pthread_t thread;
	bool started, stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *waiting, **last_waiting;
	struct request *running;
	struct request *answered, **last_answered;
	atomic_uint requests, replies, lines, lines_lost; /* how many; written under the lock */
	unsigned viewers;                                 /* of the requests */
	uint64_t served; /* hash of the user whose request ran last */
	struct line *first_line, **last_line;
};

static void request_free(struct request *request)
{
	if (!request)
		return;
	free(request->user);
	free(request->body);
	fw_control_reply_clear(&request->reply);
	free(request);
}

void fw_control_reply_clear(struct fw_control_reply *reply)
{
	free(reply->client_id);
	free(reply->topic);
	free(reply->payload);
	free(reply->correlation);
	*reply = (struct fw_control_reply){0};
}

/* ---- The thread */

static json_t *carry_out(struct fw_control *control, const struct request *request)
{
	struct fw_asker asker = {.user = fw_slice_of(request->user),
		.from = fw_slice_of(request->reply.client_id),
		.face = "control",
		.right = request->right};

	return fw_commands_request(
		control->commands, &asker, (struct fw_slice){request->body, request->body_len});
}

static void answer(struct fw_control *control, struct request *request)
{
	json_t *response = carry_out(control, request);
	char *text = response ? json_dumps(response, JSON_COMPACT) : NULL;

	json_decref(response);
	if (text && strlen(text) > FW_CONTROL_ANSWER_MAX) {
		free(text);
		response = fw_commands_refusal("too_large",
			"the answer is too long, though all was carried out: ask for less at once");
		text = response ? json_dumps(response, JSON_COMPACT) : NULL;
		json_decref(response);
	}
	request->reply.payload = text;
	request->reply.len = text ? strlen(text) : 0;
	free(request->body);
	request->body = NULL;
}

/* Under the lock. Forgets a request that is in none of the lists any more. */
static void leave(struct fw_control *control, struct request *request)
{
	control->requests--;
	control->viewers -= request->right == FW_RIGHT_VIEW;
	request_free(request);
}

/* Under the lock. There is no answer for a client that is gone, or without memory. */
static void put_answer(struct fw_control *control, struct request *request)
{
	control->running = NULL;
	if (!request->client || !request->reply.payload) {
		leave(control, request);
		return;
	}
	request->next = NULL;
	*control->last_answered = request;
	control->last_answered = &request->next;
	control->replies++;
}

static uint64_t hash_of(const struct request *request)
{
	return fw_hash(0, request->user, strlen(request->user));
}

/* Under the lock. Takes the first request of another user than the last one's, else the first. */
static void take_waiting(struct fw_control *control)
{
	struct request **at = &control->waiting, *request;

	while (*at && hash_of(*at) == control->served)
		at = &(*at)->next;
	if (!*at)
		at = &control->waiting;
	request = *at;
	*at = request->next;
	if (!*at)
		control->last_waiting = at;
	control->served = hash_of(request);
	control->running = request;
}

static void *run(void *context)
{
	struct fw_control *control = context;

	fw_thread_step_behind();
	pthread_mutex_lock(&control->lock);
	for (;;) {
		while (!control->stop && !control->waiting)
			pthread_cond_wait(&control->wake, &control->lock);
		if (control->stop)
			break;
		take_waiting(control);
		pthread_mutex_unlock(&control->lock);
		answer(control, control->running);
		pthread_mutex_lock(&control->lock);
		put_answer(control, control->running);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

/* ---- Its life */

static void log_command(void *context, enum fw_log_level level, const char *line)
{
	fw_control_log(context, level, line);
}

static void count_command(void *context, const struct fw_asker *asker, const char *outcome)
{
	struct fw_control *control = context;

	if (control->done)
		control->done(control->context, asker, outcome);
}

enum fw_status fw_control_open(
	const struct fw_control_config *config, struct fw_control **out, struct fw_error *error)
{
	struct fw_control *control = calloc(1, sizeof(*control));
	struct fw_commands_config commands = {.db_file = config->db_file,
		.files_dir = config->files_dir,
		.log = log_command,
		.done = count_command,
		.context = control};
	enum fw_status status;

	if (!control)
		return FW_NOMEM;
	control->done = config->done;
	control->context = config->context;
	pthread_mutex_init(&control->lock, NULL);
	fw_cond_init(&control->wake);
	control->last_waiting = &control->waiting;
	control->last_answered = &control->answered;
	control->last_line = &control->first_line;
	if (config->files_dir)
		fw_removal_sweep(config->files_dir);
	status = fw_commands_open(&commands, &control->commands, error);
	if (status == FW_OK)
		status = fw_thread_start(
			&control->thread, run, control, "carries out commands", error);
	if (status != FW_OK) {
		fw_control_close(control);
		return status;
	}
	control->started = true;
	*out = control;
	return FW_OK;
}

void fw_control_stop(struct fw_control *control)
{
	if (!control || !control->started)
		return;
	fw_commands_stop(control->commands);
	pthread_mutex_lock(&control->lock);
	control->stop = true;
	pthread_cond_signal(&control->wake);
	pthread_mutex_unlock(&control->lock);
	pthread_join(control->thread, NULL);
	control->started = false;
}

static void free_requests(struct request *request)
{
	while (request) {
		struct request *next = request->next;

		request_free(request);
		request = next;
	}
}

void fw_control_close(struct fw_control *control)
{
	enum fw_log_level level;
	char *line;

	if (!control)
		return;
	free_requests(control->waiting);
	free_requests(control->answered);
	while ((line = fw_control_take_line(control, &level)))
		free(line);
	fw_commands_close(control->commands);
	pthread_cond_destroy(&control->wake);
	pthread_mutex_destroy(&control->lock);
	free(control);
}

/* ---- The broker's thread */

/* NULL without memory. */
static struct request *make_request(const struct fw_control_request *asked)
{
	struct request *request = calloc(1, sizeof(*request));
	bool whole;

	if (!request)
		return NULL;
	request->client = asked->client;
	request->right = asked->right;
	request->user = strdup(asked->user);
	request->body = malloc(asked->body.len + 1);
	request->body_len = asked->body.len;
	request->reply.client_id = strdup(asked->client_id);
	request->reply.topic =
		strdup(asked->response_topic ? asked->response_topic : FW_CONTROL_RESPONSE_TOPIC);
	request->reply.qos = asked->qos;
	request->reply.correlation = asked->correlation ? malloc(asked->correlation_len + 1) : NULL;
	request->reply.correlation_len = asked->correlation_len;
	whole = request->user && request->body && request->reply.client_id &&
		request->reply.topic && (request->reply.correlation || !asked->correlation);
	if (!whole) {
		request_free(request);
		return NULL;
	}
	if (asked->body.len)
		memcpy(request->body, asked->body.at, asked->body.len);
	if (asked->correlation_len)
		memcpy(request->reply.correlation, asked->correlation, asked->correlation_len);
	return request;
}

/* Under the lock. */
static bool is_full(const struct fw_control *control, const struct fw_control_request *asked)
{
	unsigned own = 0;

	for (const struct request *request = control->waiting; request; request = request->next)
		own += request->client == asked->client;
	return own >= FW_CONTROL_OF_CLIENT || control->requests >= FW_CONTROL_IN_ALL ||
		(asked->right == FW_RIGHT_VIEW && control->viewers >= FW_CONTROL_OF_VIEWERS);
}

enum fw_status fw_control_ask(struct fw_control *control, const struct fw_control_request *asked)
{
	struct request *request;
	bool full;

	pthread_mutex_lock(&control->lock);
	full = is_full(control, asked);
	pthread_mutex_unlock(&control->lock);
	if (full)
		return FW_FULL;
	request = make_request(asked);
	if (!request)
		return FW_NOMEM;
	pthread_mutex_lock(&control->lock);
	*control->last_waiting = request;
	control->last_waiting = &request->next;
	control->requests++;
	control->viewers += request->right == FW_RIGHT_VIEW;
	pthread_cond_signal(&control->wake);
	pthread_mutex_unlock(&control->lock);
	return FW_OK;
}

bool fw_control_take(struct fw_control *control, struct fw_control_reply *out)
{
	struct request *request;

	if (atomic_load_explicit(&control->replies, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&control->lock);
	request = control->answered;
	control->answered = request->next;
	if (!control->answered)
		control->last_answered = &control->answered;
	control->replies--;
	*out = request->reply;
	request->reply = (struct fw_control_reply){0};
	leave(control, request);
	pthread_mutex_unlock(&control->lock);
	return true;
}

/* The requests are carried out all the same, and not answered. */
static void forget_client(struct request *request, const void *client)
{
	for (; request; request = request->next) {
		if (request->client == client)
			request->client = NULL;
	}
}

/* Under the lock. */
static void drop_answers(struct fw_control *control, const void *client)
{
	struct request **at = &control->answered, *request;

	while ((request = *at)) {
		if (request->client != client) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		control->replies--;
		leave(control, request);
	}
	control->last_answered = at;
}

void fw_control_gone(struct fw_control *control, const void *client)
{
	if (!fw_control_under_way(control))
		return;
	pthread_mutex_lock(&control->lock);
	forget_client(control->waiting, client);
	if (control->running && control->running->client == client)
		control->running->client = NULL;
	drop_answers(control, client);
	pthread_mutex_unlock(&control->lock);
}

bool fw_control_under_way(struct fw_control *control)
{
	return atomic_load_explicit(&control->requests, memory_order_relaxed) > 0;
}

/* ---- Lines of the log */

void fw_control_log(struct fw_control *control, enum fw_log_level level, const char *text)
{
	size_t len = strlen(text);
	struct line *line = malloc(sizeof(*line) + len + 1);

	pthread_mutex_lock(&control->lock);
	if (!line || control->lines >= LINES_MAX) {
		control->lines_lost++;
		free(line);
	} else {
		line->next = NULL;
		line->level = level;
		memcpy(line->text, text, len + 1);
		*control->last_line = line;
		control->last_line = &line->next;
		control->lines++;
	}
	pthread_mutex_unlock(&control->lock);
}

/* Under the lock, when no line is left: how many were lost, or NULL. */
static char *lost_line(struct fw_control *control, enum fw_log_level *level)
{
	char *text = NULL;

	if (control->lines_lost &&
		asprintf(&text, "%u lines about commands are left out: see admin_log",
			atomic_load(&control->lines_lost)) < 0)
		text = NULL;
	control->lines_lost = 0;
	*level = FW_LOG_WARNING;
	return text;
}

char *fw_control_take_line(struct fw_control *control, enum fw_log_level *level)
{
	struct line *line;
	char *text;

	if (atomic_load_explicit(&control->lines, memory_order_relaxed) == 0 &&
		!control->lines_lost)
		return NULL;
	pthread_mutex_lock(&control->lock);
	line = control->first_line;
	if (line) {
		control->first_line = line->next;
		if (!control->first_line)
			control->last_line = &control->first_line;
		control->lines--;
	}
	*level = line ? line->level : FW_LOG_WARNING;
	text = line ? strdup(line->text) : lost_line(control, level);
	pthread_mutex_unlock(&control->lock);
	free(line);
	return text;
}
