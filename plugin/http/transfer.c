/* Follows how much of a file has arrived. While a transfer lasts, that is what the peer's kernel
 * has acknowledged (TCP_INFO): sendfile says nothing before it is done. At the end it is what was
 * sent. Where the kernel does not say, only whole transfers are reported, and none is too slow. */
#include "http/internal.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "http/multipart.h"

/* False where the kernel does not know it (older than Linux 4.1, and what stands in for Linux). */
static bool acknowledged(int socket, uint64_t *bytes)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
		len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return false;
	*bytes = info.tcpi_bytes_acked;
	return true;
}

/* Bytes that the peer has acknowledged since it connected. False: none yet, or the kernel does not
 * say. The first number above 0 shows that it does. */
static bool ask_kernel(struct fw_http *http, int socket, uint64_t *bytes)
{
	bool (*ask)(int socket, uint64_t *bytes) =
		http->config.acknowledged ? http->config.acknowledged : acknowledged;

	*bytes = 0;
	if (!ask(socket, bytes))
		*bytes = 0;
	http->knows_acks |= *bytes > 0;
	return *bytes > 0;
}

/* Bytes in the kernel that the peer has not acknowledged; with `unsent`, only those of them that
 * were never sent. */
static uint64_t queued(int socket, bool unsent)
{
	int bytes = 0;
	int result = unsent ? ioctl(socket, SIOCOUTQNSD, &bytes) : ioctl(socket, SIOCOUTQ, &bytes);

	return result == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

/* Reports one piece of the file. `first`: the transfer's first report. */
static void report_piece(struct fw_http *http, const struct fw_http_transfer *transfer,
	const struct fw_http_range_of *piece, bool first)
{
	struct fw_transfer part = {.product = fw_slice_of(transfer->product_id),
		.device = fw_slice_of(transfer->device_id),
		.firmware_id = fw_slice_of(transfer->firmware_id),
		.image = fw_slice_of(transfer->sha256),
		.total = transfer->stamp.size,
		.bytes = piece->length,
		.reached = piece->length ? piece->first + piece->length : 0,
		.started = first};

	fw_count_add(http->config.counters, FW_COUNT_DOWNLOADS_BYTES, (uint64_t)piece->length);
	if (http->config.transferred)
		http->config.transferred(http->config.context, &part);
}

/* The first piece of the file between what was reported and `to` of the body. False when there is
 * none. */
static bool next_piece(
	struct fw_http_transfer *transfer, int64_t to, struct fw_http_range_of *piece)
{
	if (transfer->multipart)
		return fw_http_multipart_piece(transfer->multipart, &transfer->reported, to, piece);
	*piece = (struct fw_http_range_of){
		transfer->from + transfer->reported, to - transfer->reported};
	transfer->reported = to;
	return piece->length > 0;
}

/* Reports what is new since the last time, when the body has arrived up to `to`. */
static void report_body(struct fw_http *http, struct fw_http_transfer *transfer, int64_t to)
{
	struct fw_http_range_of piece;

	if (to <= transfer->reported)
		return;
	while (next_piece(transfer, to, &piece))
		report_piece(http, transfer, &piece, false);
	transfer->reported = to;
}

/* Bytes of the body within the first `bytes` of the connection; never less than was reported. */
static int64_t body_of(const struct fw_http_transfer *transfer, uint64_t bytes)
{
	int64_t body = (int64_t)(bytes - transfer->before) - transfer->head;

	if (body < transfer->reported)
		return transfer->reported;
	return body < transfer->length ? body : transfer->length;
}

/* What the peer has acknowledged. */
static int64_t arrived(struct fw_http *http, const struct fw_http_transfer *transfer, int socket)
{
	uint64_t acked;

	return ask_kernel(http, socket, &acked) ? body_of(transfer, acked) : transfer->reported;
}

/* What was sent at least once: the most that the peer can have. The three numbers are asked in this
 * order so that what happens in between makes the sum smaller, never larger. */
static int64_t sent(struct fw_http *http, const struct fw_http_transfer *transfer, int socket)
{
	uint64_t acked, waiting, unsent;

	if (!ask_kernel(http, socket, &acked))
		return transfer->reported;
	waiting = queued(socket, false);
	unsent = queued(socket, true);
	return body_of(transfer, acked + waiting - (unsent < waiting ? unsent : waiting));
}

void fw_http_transfer_begin(struct fw_http *http, struct fw_http_transfer *transfer, int socket)
{
	static const struct fw_http_range_of nothing = {0, 0};

	ask_kernel(http, socket, &transfer->before);
	transfer->before += queued(socket, false);
	transfer->window_at = fw_boot_ms();
	fw_count(http->config.counters, FW_COUNT_DOWNLOADS_BEGUN);
	report_piece(http, transfer, &nothing, true);
}

void fw_http_transfer_report(struct fw_http *http, struct fw_http_transfer *transfer, int socket)
{
	report_body(http, transfer, arrived(http, transfer, socket));
}

/* A write changes the size or the time of the last write; cp -p puts that time back, but never the
 * change time. Losing its last name moves the change time too: the file was deleted or replaced,
 * and what was opened is still what was verified. */
bool fw_http_transfer_holds(const struct fw_http_transfer *transfer)
{
	struct stat status;
	struct fw_file_stamp now;

	if (fstat(transfer->fd, &status) != 0)
		return false;
	now = fw_file_stamp_of(&status);
	return now.size == transfer->stamp.size && now.mtime_ns == transfer->stamp.mtime_ns &&
		(status.st_nlink == 0 || now.ctime_ns == transfer->stamp.ctime_ns);
}

bool fw_http_transfer_moves(
	struct fw_http_transfer *transfer, int64_t now, int64_t window_ms, int64_t least)
{
	if (now - transfer->window_at < window_ms)
		return true;
	if (transfer->reported - transfer->window_sent < least)
		return false;
	transfer->window_at = now;
	transfer->window_sent = transfer->reported;
	return true;
}

void fw_http_transfer_end(struct fw_http *http, struct fw_http_connection *connection, bool whole)
{
	struct fw_http_transfer *transfer = connection->transfer;

	pthread_mutex_lock(&http->slots.lock);
	connection->transfer = NULL;
	/* what was sent of a file that was written to meanwhile does not count */
	if (fw_http_transfer_holds(transfer)) {
		fw_count_add(http->config.counters, FW_COUNT_DOWNLOADS_FINISHED, (uint64_t)whole);
		report_body(http, transfer,
			whole ? transfer->length : sent(http, transfer, connection->slot.socket));
	}
	pthread_mutex_unlock(&http->slots.lock);
	MHD_destroy_response(transfer->response);
	free(transfer);
}
