/* A ring under a mutex. Invariant: count slots from head on are in use, count <= most. */
#include "store/outbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct fw_outbox {
	pthread_mutex_t lock;
	struct fw_waker waker;
	size_t most, head;
	atomic_size_t count; /* written under the lock, read without it to skip an empty queue */
	struct fw_outgoing ring[];
};

struct fw_outbox *fw_outbox_new(size_t most)
{
	struct fw_outbox *outbox = calloc(1, sizeof(*outbox) + most * sizeof(outbox->ring[0]));

	if (!outbox)
		return NULL;
	pthread_mutex_init(&outbox->lock, NULL);
	outbox->most = most;
	return outbox;
}

void fw_outbox_free(struct fw_outbox *outbox)
{
	struct fw_outgoing message;

	if (!outbox)
		return;
	while (fw_outbox_take(outbox, &message)) {
		free(message.topic);
		free(message.payload);
	}
	pthread_mutex_destroy(&outbox->lock);
	free(outbox);
}

void fw_outbox_set_waker(struct fw_outbox *outbox, struct fw_waker waker)
{
	outbox->waker = waker;
}

void fw_outbox_wake(const struct fw_outbox *outbox)
{
	fw_wake(outbox->waker);
}

size_t fw_outbox_room(struct fw_outbox *outbox)
{
	return outbox->most - atomic_load(&outbox->count);
}

enum fw_status fw_outbox_put(struct fw_outbox *outbox, struct fw_outgoing message)
{
	enum fw_status status = FW_FULL;

	pthread_mutex_lock(&outbox->lock);
	if (outbox->count < outbox->most) {
		outbox->ring[(outbox->head + outbox->count) % outbox->most] = message;
		outbox->count++;
		status = FW_OK;
	}
	pthread_mutex_unlock(&outbox->lock);
	if (status != FW_OK) {
		free(message.topic);
		free(message.payload);
	}
	return status;
}

bool fw_outbox_take(struct fw_outbox *outbox, struct fw_outgoing *out)
{
	if (atomic_load_explicit(&outbox->count, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&outbox->lock);
	*out = outbox->ring[outbox->head];
	outbox->head = (outbox->head + 1) % outbox->most;
	outbox->count--;
	pthread_mutex_unlock(&outbox->lock);
	return true;
}
