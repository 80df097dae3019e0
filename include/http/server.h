/* The download server: GET and HEAD of /firmware/{firmwareId}/{file}, with ranges. On
 * libmicrohttpd, in threads of its own that run behind the broker's; it is started and stopped on
 * the I/O thread (base/io_thread.h).
 *
 * Knows neither the catalog nor keys: it asks its callbacks, which are called on its threads,
 * several at a time. */
#ifndef FW_HTTP_SERVER_H
#define FW_HTTP_SERVER_H

#include "base/counter.h"
#include "base/fw.h"
#include "files/hosting.h"
#include "files/transfers.h"

struct fw_http;

/* The query of a request, decoded; empty where it is absent. */
struct fw_http_query {
	struct fw_slice device, expires, signature;
};

#define FW_HTTP_LEAST 4096 /* bytes of a transfer in a window */

struct fw_http_config {
	/* address:port; an IPv6 address in brackets; a name is all its addresses; port 0: any
	 * free one */
	const char *listen;
	/* in all; 0: 2048, with the soft limit of open files raised for them, or fewer where
	 * that is not allowed */
	unsigned connections;
	/* of one address; 0: an eighth of `connections`; an IPv6 address counts by its first 64
	 * bits */
	unsigned per_address;
	/* the same for loopback addresses, since a proxy speaks for many; 0: seven eighths */
	unsigned loopback;
	/* after which a connection is closed that is idle or stalled, or whose request has not
	 * come in whole; 0: 30 */
	unsigned timeout_seconds;
	/* in which the peer must acknowledge FW_HTTP_LEAST bytes of a transfer; 0: 60 */
	unsigned window_seconds;
	void *context;
	/* FW_OK with *out set when it is ready firmware; FW_NOT_FOUND (404); else 503. The slices
	 * are terminated. */
	enum fw_status (*find)(void *context, struct fw_slice firmware_id, struct fw_slice file,
		struct fw_hosted_file *out);
	/* May this request have it? *device: who it is, as far as the query proves it (borrowed
	 * from the query, or left alone). */
	bool (*permit)(void *context, const struct fw_hosted_file *file, struct fw_slice name,
		const struct fw_http_query *query, struct fw_slice *device);
	void (*transferred)(void *context, const struct fw_transfer *part); /* may be NULL */
	/* Must a transfer of this firmware end? Asked by fw_http_sample, on its thread. May be
	 * NULL. */
	bool (*withdrawn)(void *context, struct fw_slice firmware_id);
	/* How many bytes the peer of a socket has acknowledged; false: the kernel does not say.
	 * NULL: TCP_INFO. */
	bool (*acknowledged)(int socket, uint64_t *bytes);
	struct fw_counters *counters; /* may be NULL */
	/* URLs are for one device each: caches between must not keep what they get */
	bool is_private;
};

/* FW_OK with the server running; FW_INVALID with a message; FW_NOMEM. The caller owns *out.
 * `config` is copied; its texts are borrowed for the call, its context and counters until
 * fw_http_stop. */
enum fw_status fw_http_start(
	const struct fw_http_config *config, struct fw_http **out, struct fw_error *error);
void fw_http_stop(struct fw_http *http); /* ends all transfers; NULL is fine */

int fw_http_port(const struct fw_http *http); /* that it listens on */

/* Any thread; to be called every second. Reports how far the transfers are. Ends those whose file
 * is no longer what was verified or whose firmware was withdrawn, those that are too slow, and
 * connections whose request does not come. */
void fw_http_sample(struct fw_http *http);

/* A Range header's meaning for a file of `size` bytes: RFC 9110, section 14.2. */
enum fw_http_range { FW_RANGE_NONE, FW_RANGE_PART, FW_RANGE_UNSATISFIABLE };

#define FW_HTTP_RANGES_MOST 256u /* of one request; who asks for more gets the whole file */

struct fw_http_range_of {
	int64_t first, length; /* bytes */
};

/* FW_RANGE_PART: *count ranges, at least one, are in `ranges` (room for FW_HTTP_RANGES_MOST), in
 * the order they were asked for; those beyond the end of the file are left out.
 * FW_RANGE_UNSATISFIABLE: all of them are (416). FW_RANGE_NONE, the whole file: there is no header,
 * it is not valid, has other units, or its ranges are together larger than the file. Pure; any
 * thread. */
enum fw_http_range fw_http_ranges_parse(
	const char *header, int64_t size, struct fw_http_range_of *ranges, size_t *count);

#endif
