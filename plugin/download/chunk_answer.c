/* The answer to a request for a chunk: bytes of a verified file, or a refusal with its reason.
 *
 * Invariant: bytes are sent only if the file is the verified one after they were read. */
#include "download/chunk_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/message.h"
#include "protocol/topic.h"

static char *reply_topic(const struct fw_chunk_wait *request)
{
	char *topic = NULL;

	return asprintf(&topic, "/%s/%s/firmware/chunk/reply/%s/%" PRId64, request->product_id,
		       request->device_id, request->firmware_id, request->offset) < 0
		? NULL
		: topic;
}

static void count(const struct fw_chunks *chunks, enum fw_counter counter, size_t by)
{
	fw_count_add(chunks->config.counters, counter, by);
}

static bool refuse(const struct fw_chunks *chunks, const struct fw_chunk_wait *request,
	const char *code, const char *message, struct fw_chunk_reply *out)
{
	char topic[FW_TOPIC_BUFFER];

	count(chunks, FW_COUNT_CHUNKS_REFUSED, 1);
	if (!fw_topic_format(topic, sizeof(topic), FW_TOPIC_CHUNK_ERROR,
		    fw_slice_of(request->product_id), fw_slice_of(request->device_id)))
		return false;
	out->topic = strdup(topic);
	out->expiry_seconds = FW_CHUNK_ERROR_EXPIRY_SECONDS;
	out->payload = fw_message_write_chunk_refusal(
		&(struct fw_chunk_refusal){.code = code,
			.message = message,
			.firmware_id = fw_slice_of(request->firmware_id),
			.has_offset = true,
			.offset = request->offset},
		fw_now_ms(), fw_slice_of(request->message_id), &out->len);
	return out->topic && out->payload;
}

/* Reads all `len` bytes. False when the file has become shorter, or the disk fails. */
static bool read_all(int fd, char *at, size_t len, int64_t offset)
{
	while (len) {
		ssize_t got = pread(fd, at, len, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		len -= (size_t)got;
		offset += got;
	}
	return true;
}

static void tell_transfer(struct fw_chunks *chunks, const struct fw_chunk_wait *request,
	const struct fw_hosted_file *file, size_t len)
{
	struct fw_transfer part = {.product = fw_slice_of(request->product_id),
		.device = fw_slice_of(request->device_id),
		.firmware_id = fw_slice_of(request->firmware_id),
		.image = fw_slice_of(file->sha256),
		.total = file->stamp.size,
		.bytes = (int64_t)len,
		.reached = request->offset + (int64_t)len,
		.started = true};

	if (chunks->config.transferred)
		chunks->config.transferred(chunks->config.context, &part);
}

static bool send_bytes(struct fw_chunks *chunks, struct fw_chunk_wait *request,
	const struct fw_hosted_file *file, struct fw_chunk_reply *out)
{
	int64_t left = file->stamp.size - request->offset;
	size_t len = (size_t)(left < request->length ? left : request->length);
	char *payload = malloc(len + 1);

	if (!payload)
		return refuse(chunks, request, "busy", "out of memory: ask again later", out);
	if (!read_all(file->fd, payload, len, request->offset) ||
		!fw_folder_fd_unchanged(file->fd, &file->stamp)) {
		free(payload);
		return refuse(chunks, request, "not_found",
			"the file is being changed: ask for the firmware again", out);
	}
	out->payload = payload;
	out->len = len;
	out->expiry_seconds = FW_CHUNK_EXPIRY_SECONDS;
	out->topic = request->topic ? request->topic : reply_topic(request);
	request->topic = NULL;
	tell_transfer(chunks, request, file, len);
	count(chunks, FW_COUNT_CHUNKS_SENT, 1);
	count(chunks, FW_COUNT_CHUNKS_BYTES, len);
	count(chunks, FW_COUNT_CHUNKS_BEGUN, request->offset == 0);
	count(chunks, FW_COUNT_CHUNKS_FINISHED, len > 0 && left == (int64_t)len);
	return out->topic != NULL;
}

bool fw_chunk_answer_make(
	struct fw_chunks *chunks, struct fw_chunk_wait *request, struct fw_chunk_reply *out)
{
	struct fw_hosted_file file = {.fd = -1};
	enum fw_status status = chunks->config.find(
		chunks->config.context, fw_slice_of(request->firmware_id), &file);
	bool answered;

	out->qos = request->qos;
	out->correlation = request->correlation;
	out->correlation_len = request->correlation_len;
	request->correlation = NULL;
	if (status != FW_OK && status != FW_NOT_FOUND)
		return refuse(chunks, request, "busy",
			"the catalog cannot be read now: ask again later", out);
	if (status == FW_OK && strcmp(file.product_id, request->product_id) != 0) {
		close(file.fd);
		status = FW_NOT_FOUND;
	}
	if (status != FW_OK)
		return refuse(chunks, request, "not_found",
			"the product has no ready firmware of this firmwareId with a file", out);
	answered = request->offset > file.stamp.size
		? refuse(chunks, request, "bad_request", "offset is beyond the end of the file",
			  out)
		: send_bytes(chunks, request, &file, out);
	close(file.fd);
	return answered;
}
