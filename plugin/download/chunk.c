/* The service of chunks: requests wait in queues until one thread reads what they ask for.
 *
 * Three queues: delayed (over the device's rate), ready, answers. The thread reads while few
 * answers wait for the broker's thread, and while all devices together are below their rate. So it
 * slows down to the broker that publishes, and to the rate of all. Requests are refused only when
 * too many wait. */
#include "download/chunk_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

#define SECOND_US 1000000
#define BURST_US (SECOND_US / 8) /* the rate of so much idle time may be used at once */

struct fw_chunk_answer {
	struct fw_chunk_answer *next;
	struct fw_chunk_reply reply;
};

static void request_free(struct fw_chunk_wait *request)
{
	free(request->message_id);
	free(request->topic);
	free(request->correlation);
	free(request);
}

static bool admit(struct fw_chunks *chunks, const struct fw_chunk_request *asked,
	struct fw_chunk_wait *request)
{
	if (chunks->requests < FW_CHUNK_IN_ALL)
		request->share = fw_chunk_share_take(chunks->shares, asked->product, asked->device,
			asked->length, &request->due);
	return request->share != NULL;
}

static void queue_ready(struct fw_chunks *chunks, struct fw_chunk_wait *request)
{
	request->next = NULL;
	*chunks->last = request;
	chunks->last = &request->next;
}

static void queue_later(struct fw_chunks *chunks, struct fw_chunk_wait *request)
{
	*chunks->last_later = request;
	chunks->last_later = &request->next;
	if (request->due < chunks->next_due)
		chunks->next_due = request->due;
}

/* Moves the delayed requests that are due to the ready ones. */
static void release_due(struct fw_chunks *chunks)
{
	struct fw_chunk_wait **at = &chunks->later, *request;
	int64_t now = fw_boot_ms();

	if (now < chunks->next_due)
		return;
	chunks->next_due = INT64_MAX;
	while ((request = *at)) {
		if (request->due <= now) {
			*at = request->next;
			queue_ready(chunks, request);
			continue;
		}
		if (request->due < chunks->next_due)
			chunks->next_due = request->due;
		at = &request->next;
	}
	chunks->last_later = at;
}

static struct fw_chunk_wait *make_request(const struct fw_chunk_request *asked)
{
	struct fw_chunk_wait *request = calloc(1, sizeof(*request));
	bool whole;

	if (!request)
		return NULL;
	fw_slice_copy(asked->product, request->product_id, sizeof(request->product_id));
	fw_slice_copy(asked->device, request->device_id, sizeof(request->device_id));
	fw_slice_copy(asked->firmware_id, request->firmware_id, sizeof(request->firmware_id));
	request->offset = asked->offset;
	request->length = asked->length;
	request->qos = asked->qos;
	whole = !asked->message_id.len ||
		(request->message_id = strndup(asked->message_id.at, asked->message_id.len));
	whole = whole &&
		(!asked->response_topic || (request->topic = strdup(asked->response_topic)));
	if (whole && asked->correlation) {
		request->correlation = malloc(asked->correlation_len + 1);
		request->correlation_len = asked->correlation_len;
		whole = request->correlation != NULL;
		if (whole)
			memcpy(request->correlation, asked->correlation, asked->correlation_len);
	}
	if (whole)
		return request;
	request_free(request);
	return NULL;
}

enum fw_status fw_chunks_ask(struct fw_chunks *chunks, const struct fw_chunk_request *asked)
{
	struct fw_chunk_wait *request;
	enum fw_status status = FW_BUSY;

	if (asked->correlation_len + (asked->response_topic ? strlen(asked->response_topic) : 0) >
			FW_CHUNK_PROPERTIES_MAX ||
		asked->product.len > FW_ID_MAX || asked->device.len > FW_ID_MAX ||
		asked->firmware_id.len > FW_ID_MAX)
		return FW_INVALID;
	request = make_request(asked);
	if (!request)
		return FW_NOMEM;
	pthread_mutex_lock(&chunks->lock);
	if (admit(chunks, asked, request)) {
		if (request->due <= fw_boot_ms())
			queue_ready(chunks, request);
		else
			queue_later(chunks, request);
		chunks->requests++;
		pthread_cond_signal(&chunks->wake);
		status = FW_OK;
	}
	pthread_mutex_unlock(&chunks->lock);
	if (status != FW_OK)
		request_free(request);
	return status;
}

static void drop_reply(struct fw_chunk_reply *reply)
{
	free(reply->topic);
	free(reply->payload);
	free(reply->correlation);
}

/* Gives back the request's share, and frees it. */
static void end_request(struct fw_chunk_wait *request)
{
	fw_chunk_share_give_back(request->share);
	request_free(request);
}

/* Takes what was read from the budget of all, which a chunk may overdraw: chunks are not split. */
static void charge(struct fw_chunks *chunks, size_t len)
{
	int64_t earliest = fw_boot_ms() * 1000 - BURST_US;

	if (chunks->served_us < earliest)
		chunks->served_us = earliest;
	chunks->served_us += (int64_t)len * SECOND_US / chunks->config.rate_total;
}

/* Called with the lock held, and gives it up meanwhile. */
static void serve(struct fw_chunks *chunks, struct fw_chunk_wait *request)
{
	struct fw_chunk_answer *made = calloc(1, sizeof(*made));
	bool answered;

	pthread_mutex_unlock(&chunks->lock);
	answered = made && fw_chunk_answer_make(chunks, request, &made->reply);
	pthread_mutex_lock(&chunks->lock);
	/* without memory for the answer the device gets none, and asks again */
	if (answered) {
		*chunks->last_answer = made;
		chunks->last_answer = &made->next;
		chunks->bytes_waiting += made->reply.len;
		charge(chunks, made->reply.len);
		if (chunks->answers++ == 0)
			fw_wake(chunks->config.waker);
	} else if (made) {
		drop_reply(&made->reply);
		free(made);
	}
	chunks->requests--;
	end_request(request);
}

static bool has_room(const struct fw_chunks *chunks)
{
	return !chunks->bytes_waiting ||
		chunks->bytes_waiting + (size_t)chunks->first->length <= FW_CHUNK_WAITING;
}

/* Boot ms from which on all devices together may have more. */
static int64_t next_share(const struct fw_chunks *chunks)
{
	return (chunks->served_us + 999) / 1000;
}

static bool may_read(const struct fw_chunks *chunks)
{
	return chunks->first && has_room(chunks) && fw_boot_ms() >= next_share(chunks);
}

/* Sleeps until a request is due, or the budget of all allows one, or the broker's thread asks or
 * takes. */
static void wait_for_work(struct fw_chunks *chunks)
{
	bool held_back = chunks->first && has_room(chunks);
	int64_t next = chunks->later ? chunks->next_due : INT64_MAX, wait_ms;
	struct timespec until;

	if (held_back && next_share(chunks) < next)
		next = next_share(chunks);
	if (next == INT64_MAX) {
		pthread_cond_wait(&chunks->wake, &chunks->lock);
		return;
	}
	wait_ms = next - fw_boot_ms();
	until = fw_after_ms(wait_ms > 0 ? wait_ms : 0);
	pthread_cond_timedwait(&chunks->wake, &chunks->lock, &until);
}

static void *run_chunks(void *argument)
{
	struct fw_chunks *chunks = argument;

	pthread_mutex_lock(&chunks->lock);
	while (!chunks->stop) {
		struct fw_chunk_wait *request;

		release_due(chunks);
		request = chunks->first;
		if (!may_read(chunks)) {
			wait_for_work(chunks);
			continue;
		}
		chunks->first = request->next;
		if (!chunks->first)
			chunks->last = &chunks->first;
		serve(chunks, request);
	}
	pthread_mutex_unlock(&chunks->lock);
	return NULL;
}

bool fw_chunks_take(struct fw_chunks *chunks, struct fw_chunk_reply *out)
{
	struct fw_chunk_answer *first;

	if (atomic_load_explicit(&chunks->answers, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&chunks->lock);
	first = chunks->first_answer;
	chunks->first_answer = first->next;
	if (!chunks->first_answer)
		chunks->last_answer = &chunks->first_answer;
	chunks->bytes_waiting -= first->reply.len;
	chunks->answers--;
	pthread_cond_signal(&chunks->wake);
	pthread_mutex_unlock(&chunks->lock);
	*out = first->reply;
	free(first);
	return true;
}

bool fw_chunks_under_way(const struct fw_chunks *chunks)
{
	return atomic_load_explicit(&chunks->requests, memory_order_relaxed) +
		atomic_load_explicit(&chunks->answers, memory_order_relaxed) >
		0;
}

static void free_chunks(struct fw_chunks *chunks)
{
	fw_chunk_shares_free(chunks->shares);
	free(chunks);
}

enum fw_status fw_chunks_start(
	const struct fw_chunk_config *config, struct fw_chunks **out, struct fw_error *error)
{
	struct fw_chunks *chunks = calloc(1, sizeof(*chunks));
	enum fw_status status;

	if (!chunks)
		return FW_NOMEM;
	chunks->shares = fw_chunk_shares_new();
	if (!chunks->shares) {
		free_chunks(chunks);
		return FW_NOMEM;
	}
	chunks->config = *config;
	if (!chunks->config.rate_total)
		chunks->config.rate_total = FW_CHUNK_RATE_TOTAL;
	chunks->last = &chunks->first;
	chunks->last_answer = &chunks->first_answer;
	chunks->last_later = &chunks->later;
	chunks->next_due = INT64_MAX;
	pthread_mutex_init(&chunks->lock, NULL);
	fw_cond_init(&chunks->wake);
	status = fw_thread_start(&chunks->thread, run_chunks, chunks, "reads chunks", error);
	if (status != FW_OK) {
		free_chunks(chunks);
		return status;
	}
	*out = chunks;
	return FW_OK;
}

static void end_all(struct fw_chunk_wait *request)
{
	while (request) {
		struct fw_chunk_wait *next = request->next;

		end_request(request);
		request = next;
	}
}

void fw_chunks_stop(struct fw_chunks *chunks)
{
	struct fw_chunk_reply reply;

	if (!chunks)
		return;
	pthread_mutex_lock(&chunks->lock);
	chunks->stop = true;
	pthread_cond_signal(&chunks->wake);
	pthread_mutex_unlock(&chunks->lock);
	pthread_join(chunks->thread, NULL);
	end_all(chunks->first);
	end_all(chunks->later);
	while (fw_chunks_take(chunks, &reply))
		drop_reply(&reply);
	pthread_cond_destroy(&chunks->wake);
	pthread_mutex_destroy(&chunks->lock);
	free_chunks(chunks);
}
