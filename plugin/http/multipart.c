/* The layout of the body is computed first: where each part's head and bytes begin. A read finds
 * the part by binary search, and makes heads again as they are needed. */
#include "http/multipart.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_MOST 192u /* bytes of what stands before a part, or at the end */

struct part {
	int64_t at, data_at; /* where in the body its head and its bytes begin */
	struct fw_http_range_of range;
};

struct fw_http_multipart {
	int fd;
	int64_t size;    /* of the file */
	int64_t tail_at; /* where in the body the last boundary begins */
	int64_t length;
	char boundary[FW_HTTP_BOUNDARY];
	size_t count;
	struct part parts[];
};

/* Length of what stands before a part, written into `text` (HEAD_MOST bytes). NULL: behind the last
 * one. */
static int64_t write_head(
	const struct fw_http_multipart *multipart, const struct part *part, char *text)
{
	const struct fw_http_range_of *range;

	if (!part)
		return snprintf(text, HEAD_MOST, "\r\n--%s--\r\n", multipart->boundary);
	range = &part->range;
	return snprintf(text, HEAD_MOST,
		"\r\n--%s\r\nContent-Type: application/octet-stream\r\n"
		"Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\r\n\r\n",
		multipart->boundary, range->first, range->first + range->length - 1,
		multipart->size);
}

struct fw_http_multipart *fw_http_multipart_new(
	int fd, int64_t size, const struct fw_http_range_of *ranges, size_t count)
{
	struct fw_http_multipart *multipart =
		calloc(1, sizeof(*multipart) + count * sizeof(struct part));
	char head[HEAD_MOST];
	int64_t at = 0;

	if (!multipart)
		return NULL;
	multipart->fd = fd;
	multipart->size = size;
	multipart->count = count;
	/* RFC 2046, section 5.1.1: the file must not contain it, and who makes the file cannot know
	 * it */
	snprintf(multipart->boundary, sizeof(multipart->boundary), "%020" PRIu64, fw_random());
	for (size_t i = 0; i < count; i++) {
		struct part *part = &multipart->parts[i];

		part->range = ranges[i];
		part->at = at;
		part->data_at = at + write_head(multipart, part, head);
		at = part->data_at + part->range.length;
	}
	multipart->tail_at = at;
	multipart->length = at + write_head(multipart, NULL, head);
	return multipart;
}

void fw_http_multipart_free(struct fw_http_multipart *multipart)
{
	free(multipart);
}

const char *fw_http_multipart_boundary(const struct fw_http_multipart *multipart)
{
	return multipart->boundary;
}

int64_t fw_http_multipart_length(const struct fw_http_multipart *multipart)
{
	return multipart->length;
}

/* The part that this place of the body belongs to; NULL: none, it is behind the last one. */
static const struct part *find_part(const struct fw_http_multipart *multipart, int64_t at)
{
	size_t low = 0, high = multipart->count;

	if (at >= multipart->tail_at || !high)
		return NULL;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (multipart->parts[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return &multipart->parts[low];
}

static ssize_t read_head(const struct fw_http_multipart *multipart, const struct part *part,
	int64_t from, char *out, size_t most)
{
	char head[HEAD_MOST];
	size_t left = (size_t)(write_head(multipart, part, head) - from);

	if (left > most)
		left = most;
	memcpy(out, head + from, left);
	return (ssize_t)left;
}

static ssize_t read_data(const struct fw_http_multipart *multipart, const struct part *part,
	int64_t from, char *out, size_t most)
{
	int64_t left = part->range.length - from;
	ssize_t got;

	if ((uint64_t)left < most)
		most = (size_t)left;
	do
		got = pread(multipart->fd, out, most, part->range.first + from);
	while (got < 0 && errno == EINTR);
	return got > 0 ? got : -1;
}

static ssize_t read_some(
	const struct fw_http_multipart *multipart, int64_t at, char *out, size_t most)
{
	const struct part *part = find_part(multipart, at);

	if (!part)
		return read_head(multipart, NULL, at - multipart->tail_at, out, most);
	if (at < part->data_at)
		return read_head(multipart, part, at - part->at, out, most);
	return read_data(multipart, part, at - part->data_at, out, most);
}

ssize_t fw_http_multipart_read(
	const struct fw_http_multipart *multipart, int64_t at, char *out, size_t most)
{
	size_t done = 0;

	while (done < most && at < multipart->length) {
		ssize_t got = read_some(multipart, at, out + done, most - done);

		if (got < 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)got;
		at += got;
	}
	return (ssize_t)done;
}

bool fw_http_multipart_piece(const struct fw_http_multipart *multipart, int64_t *from, int64_t to,
	struct fw_http_range_of *piece)
{
	const struct part *part = *from < to ? find_part(multipart, *from) : NULL;
	int64_t begin, end;

	if (!part)
		return false;
	begin = *from > part->data_at ? *from : part->data_at;
	end = part->data_at + part->range.length < to ? part->data_at + part->range.length : to;
	if (begin >= end)
		return false;
	*piece = (struct fw_http_range_of){part->range.first + begin - part->data_at, end - begin};
	*from = end;
	return true;
}
