/* The service of chunks as its own files see it.
 *
 *   chunk.c         the queues and the thread
 *   chunk_answer.c  the answer to one request
 *   chunk_share.c   what one device may ask for */
#ifndef FW_DOWNLOAD_CHUNK_INTERNAL_H
#define FW_DOWNLOAD_CHUNK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "download/chunk.h"
#include "download/chunk_share.h"

/* A request in a queue. */
struct fw_chunk_wait {
	struct fw_chunk_wait *next;
	struct fw_chunk_share *share;
	char product_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1], firmware_id[FW_ID_MAX + 1];
	int64_t offset, length;
	int64_t due; /* boot ms: not before */
	int qos;
	char *message_id; /* JSON, the request's own copy; NULL: none */
	char *topic;
	void *correlation;
	size_t correlation_len;
};

struct fw_chunk_answer;

struct fw_chunks {
	struct fw_chunk_config config;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stop;
	struct fw_chunk_wait *first, **last;       /* ready */
	struct fw_chunk_wait *later, **last_later; /* delayed */
	int64_t next_due;                          /* boot ms when the first of these is due */
	struct fw_chunk_answer *first_answer, **last_answer;
	size_t bytes_waiting;           /* of answers */
	struct fw_chunk_shares *shares; /* of the devices */
	/* boot time in us by which all that was read has been sent at the rate of all */
	int64_t served_us;
	atomic_size_t requests, answers; /* written under the lock, read without it */
};

/* Reads what is asked for, outside the lock. True with *out made, the bytes or a refusal; false
 * when out of memory. What *out holds is the caller's in both cases. */
bool fw_chunk_answer_make(
	struct fw_chunks *chunks, struct fw_chunk_wait *request, struct fw_chunk_reply *out);

#endif
