/* Download over MQTT: chunks of firmware files, read by a thread of its own. Keeps no state of a
 * download; the requests and answers that wait are bounded for each device and in all. Knows no
 * catalog: a callback finds the file. */
#ifndef FW_DOWNLOAD_CHUNK_H
#define FW_DOWNLOAD_CHUNK_H

#include "base/counter.h"
#include "base/waker.h"
#include "files/hosting.h"
#include "files/transfers.h"

#define FW_CHUNK_OF_DEVICE 16u /* requests of one device that wait to be read */
#define FW_CHUNK_IN_ALL 4096u  /* of all */
/* bytes that were read and wait for the broker thread; one chunk may be larger */
#define FW_CHUNK_WAITING (8u << 20)
/* bytes that a device gets a second, those of the first second at once: what it does not read piles
 * up in the broker */
#define FW_CHUNK_DEVICE_RATE (4u << 20)
/* bytes a second of all devices together, if no other is set */
#define FW_CHUNK_RATE_TOTAL (32 << 20)
/* by then a device that waits for a chunk has asked for it again: MQTT 5, section 3.3.2.3.3 */
#define FW_CHUNK_EXPIRY_SECONDS 30u
#define FW_CHUNK_ERROR_EXPIRY_SECONDS 60u
/* bytes of response topic and correlation data of a request */
#define FW_CHUNK_PROPERTIES_MAX 4096u

struct fw_chunks;

struct fw_chunk_config {
	void *context;
	/* FW_OK with *out opened when it is ready firmware; FW_NOT_FOUND; else why it cannot be
	 * read now. Called on the chunk thread. */
	enum fw_status (*find)(
		void *context, struct fw_slice firmware_id, struct fw_hosted_file *out);
	void (*transferred)(void *context, const struct fw_transfer *part); /* may be NULL */
	struct fw_counters *counters;                                       /* may be NULL */
	struct fw_waker waker; /* called when a first reply waits for the broker thread */
	/* bytes a second of all devices together: chunks beyond it come later; 0:
	 * FW_CHUNK_RATE_TOTAL */
	int64_t rate_total;
};

/* A device asks for a chunk. Borrowed for the call. */
struct fw_chunk_request {
	struct fw_slice product, device, firmware_id;
	int64_t offset, length; /* bytes; length at least 1 */
	int qos;
	struct fw_slice message_id; /* JSON; empty: none */
	/* where the bytes go; NULL: chunk/reply/{firmwareId}/{offset} */
	const char *response_topic;
	const void *correlation; /* NULL: none */
	size_t correlation_len;
};

/* What is to be published. topic, payload and correlation are malloc'd and the taker's; payload may
 * be NULL when len is 0. */
struct fw_chunk_reply {
	char *topic;
	char *payload;
	size_t len; /* bytes */
	int qos;
	void *correlation; /* NULL: none */
	size_t correlation_len;
	uint32_t expiry_seconds; /* as in struct fw_publication */
};

/* These two on the I/O thread (base/io_thread.h). FW_OK with the thread running; FW_NOMEM;
 * FW_FAILED with a message. */
enum fw_status fw_chunks_start(
	const struct fw_chunk_config *config, struct fw_chunks **out, struct fw_error *error);
void fw_chunks_stop(struct fw_chunks *chunks); /* drops what waits; NULL is fine */

/* Broker thread. FW_OK: it will be answered, later if the device asks faster than its rate.
 * FW_BUSY: too many requests of this device, or of all, wait. FW_INVALID: its properties or ids are
 * too large. FW_NOMEM. */
enum fw_status fw_chunks_ask(struct fw_chunks *chunks, const struct fw_chunk_request *asked);

/* Broker thread. Takes the next reply. False when there is none; costs an atomic load then. */
bool fw_chunks_take(struct fw_chunks *chunks, struct fw_chunk_reply *out);

/* Any thread. Are there requests that are not answered, or replies that are not taken? */
bool fw_chunks_under_way(const struct fw_chunks *chunks);

#endif
