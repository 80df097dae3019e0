/* What a transfer sends is told by what the peer's kernel has acknowledged (TCP_INFO), since sendfile leaves no other trace until it is
 * done. */
#include "http_state.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 450 /* about what the head of an answer takes, to tell it from the file's bytes */

static uint64_t acked_by_peer(int socket)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_acked;
}

/* Tells what is new since the last time: `sent` bytes of the transfer's length are through. */
static void tell(struct fw_http *http, struct fw_http_transfer *transfer, int64_t sent, bool started)
{
	struct fw_http_access access = {.product = fw_slice_of(transfer->product_id), .device = fw_slice_of(transfer->device_id),
		.firmware_id = fw_slice_of(transfer->firmware_id), .total = transfer->stamp.size, .bytes = sent - transfer->told,
		.reached = sent ? transfer->from + sent : 0, .started = started};

	if (sent <= transfer->told && !started)
		return;
	fw_http_count(http, FW_COUNT_DOWNLOADS_BEGUN, started);
	fw_http_count(http, FW_COUNT_DOWNLOADS_BYTES, sent - transfer->told);
	transfer->told = sent;
	if (http->config.access)
		http->config.access(http->config.context, &access);
}

static int64_t sent_so_far(const struct fw_http_transfer *transfer, int socket)
{
	int64_t sent = (int64_t)(acked_by_peer(socket) - transfer->acked) - HEAD_BYTES;

	if (sent < transfer->told)
		return transfer->told;
	return sent < transfer->length ? sent : transfer->length;
}

void fw_http_transfer_begin(struct fw_http *http, struct fw_http_transfer *transfer, int socket)
{
	transfer->acked = acked_by_peer(socket);
	transfer->window_at = fw_boot_ms();
	tell(http, transfer, 0, true);
}

void fw_http_transfer_tell(struct fw_http *http, struct fw_http_transfer *transfer, int socket)
{
	tell(http, transfer, sent_so_far(transfer, socket), false);
}

/* Renamed or deleted is harmless: what was opened is still what was verified. Its change time moves by that too, so the size and the
 * time of the last write tell. */
bool fw_http_transfer_holds(const struct fw_http_transfer *transfer)
{
	struct stat status;
	struct fw_file_stamp now;

	if (fstat(transfer->fd, &status) != 0)
		return false;
	now = fw_file_stamp_of(&status);
	/* cp -p puts back the time of the last write, never that of the last change; a file without a name left was replaced, not written to */
	return now.size == transfer->stamp.size && now.mtime_ns == transfer->stamp.mtime_ns &&
		(status.st_nlink == 0 || now.ctime_ns == transfer->stamp.ctime_ns);
}

bool fw_http_transfer_moves(struct fw_http_transfer *transfer, int64_t now, int64_t window_ms, int64_t least)
{
	if (now - transfer->window_at < window_ms)
		return true;
	if (transfer->told - transfer->window_sent < least)
		return false;
	transfer->window_at = now;
	transfer->window_sent = transfer->told;
	return true;
}

void fw_http_transfer_end(struct fw_http *http, struct fw_http_place *place, bool whole)
{
	struct fw_http_transfer *transfer = place->transfer;

	pthread_mutex_lock(&http->lock);
	place->transfer = NULL;
	/* what was sent of a file that has been written to meanwhile is nothing */
	if (fw_http_transfer_holds(transfer)) {
		fw_http_count(http, FW_COUNT_DOWNLOADS_FINISHED, whole);
		tell(http, transfer, whole ? transfer->length : sent_so_far(transfer, place->socket), false);
	}
	pthread_mutex_unlock(&http->lock);
	MHD_destroy_response(transfer->response);
	free(transfer);
}
