/* What the parts of the download server share: http/server.c starts and stops it, http/connection.c
 * keeps its connections in bounds, http/request.c reads requests, http/answer.c answers them,
 * http/transfer.c follows files on their way.
 *
 * The server's threads hold a connection's socket open from its first notice to its last; in
 * between it has a slot. The lock is that of the slots. */
#ifndef FW_HTTP_INTERNAL_H
#define FW_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "http/listen.h"
#include "http/server.h"
#include "http/slots.h"

/* A file on its way to a client. */
struct fw_http_transfer {
	struct MHD_Response *response;
	int fd; /* the file, owned by the response */
	struct fw_file_stamp stamp;
	char product_id[FW_ID_MAX + 1], firmware_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1];
	char sha256[FW_SHA256_TEXT];
	/* several ranges, owned by the response; NULL: one */
	const struct fw_http_multipart *multipart;
	int64_t from;        /* of one range: where in the file it begins */
	int64_t length;      /* bytes of the body */
	int64_t head;        /* bytes of the answer before its body, about */
	int64_t reported;    /* bytes of the body that were reported */
	uint64_t before;     /* bytes on this connection before the answer */
	int64_t window_at;   /* boot ms when the transfer was last seen to move */
	int64_t window_sent; /* what `reported` was then */
};

/* A connection of a client. Its slot is in the list from its start to its end. */
struct fw_http_connection {
	/* since: when it began to wait for a request, or to be answered without a file */
	struct fw_http_slot slot;
	struct fw_http_transfer *transfer; /* NULL: none. Guarded by the lock of the slots */
};

struct fw_http {
	struct fw_http_config config;
	/* one for each address; the first `listening` */
	struct MHD_Daemon *daemons[FW_LISTEN_MOST];
	unsigned listening;
	struct fw_http_slots slots; /* each in a struct fw_http_connection */
	/* the kernel says how much a peer has acknowledged; guarded by the lock of the slots */
	bool knows_acks;
	int port;
};

/* --- http/connection.c --- */

/* Callbacks of the library. */
enum MHD_Result fw_http_admit(void *context, const struct sockaddr *address, socklen_t len);
void fw_http_on_connection(void *context, struct MHD_Connection *mhd, void **connection,
	enum MHD_ConnectionNotificationCode code);

/* NULL when there was no memory for it. */
struct fw_http_connection *fw_http_connection_of(struct MHD_Connection *mhd);

/* The connection begins something new: its time counts from now. `transfer`: the one that begins,
 * or NULL. */
void fw_http_connection_renew(struct fw_http *http, struct fw_http_connection *connection,
	struct fw_http_transfer *transfer);

/* --- http/transfer.c --- */

/* With the lock held. Reports that the transfer begins, and how far it is. */
void fw_http_transfer_begin(struct fw_http *http, struct fw_http_transfer *transfer, int socket);
void fw_http_transfer_report(struct fw_http *http, struct fw_http_transfer *transfer, int socket);

/* With the lock held. Is its file still what was verified? Were `least` bytes acknowledged within
 * `window_ms`, as far as such a window is over? If not, it must end. */
bool fw_http_transfer_holds(const struct fw_http_transfer *transfer);
bool fw_http_transfer_moves(
	struct fw_http_transfer *transfer, int64_t now, int64_t window_ms, int64_t least);

/* The transfer is over; frees it. `whole`: the library has handed all of it to the kernel. */
void fw_http_transfer_end(struct fw_http *http, struct fw_http_connection *connection, bool whole);

/* --- http/request.c, callbacks of the library --- */

void *fw_http_on_uri(void *context, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result fw_http_on_request(void *context, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **closure);
void fw_http_on_completed(void *context, struct MHD_Connection *mhd, void **closure,
	enum MHD_RequestTerminationCode code);

#endif
