/* The queue of presence events between two threads, as two lists.
 *
 * The broker's thread appends to `arrived` under the lock. The store's thread moves that list to
 * the end of `taken`, which is its own, and drops events from there once they are in the catalog.
 * So an event of a transaction that is rolled back is still at hand. A full queue loses the new
 * event and remembers that one was lost. */
#include "store/presence_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct list {
	struct fw_presence_event *first, *last;
};

struct fw_presence_queue {
	pthread_mutex_t lock; /* guards `arrived` */
	struct list arrived;
	uint64_t last_number; /* the broker thread's own */
	struct list taken;    /* the store thread's own */
	atomic_size_t count;  /* in both */
	atomic_bool lost;
};

struct fw_presence_queue *fw_presence_queue_new(void)
{
	struct fw_presence_queue *queue = calloc(1, sizeof(*queue));

	if (queue)
		pthread_mutex_init(&queue->lock, NULL);
	return queue;
}

void fw_presence_queue_free(struct fw_presence_queue *queue)
{
	if (!queue)
		return;
	fw_presence_queue_take(queue);
	fw_presence_queue_drop(queue, NULL);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static void append(struct list *list, struct list more)
{
	if (!more.first)
		return;
	if (list->first)
		list->last->next = more.first;
	else
		list->first = more.first;
	list->last = more.last;
}

static struct fw_presence_event *copy_of(const struct fw_presence_event *event)
{
	struct fw_presence_event *copy =
		malloc(sizeof(*copy) + event->product.len + event->device.len);
	char *ids;

	if (!copy)
		return NULL;
	ids = (char *)(copy + 1);
	*copy = *event;
	copy->next = NULL;
	copy->product.at = ids;
	copy->device.at = ids + event->product.len;
	if (event->product.len)
		memcpy(ids, event->product.at, event->product.len);
	memcpy(ids + event->product.len, event->device.at, event->device.len);
	return copy;
}

enum fw_status fw_presence_queue_put(
	struct fw_presence_queue *queue, const struct fw_presence_event *event)
{
	bool full = atomic_load(&queue->count) >= FW_PRESENCE_QUEUE_MAX;
	struct fw_presence_event *copy = full ? NULL : copy_of(event);

	if (!copy) {
		atomic_store(&queue->lost, true);
		return full ? FW_FULL : FW_NOMEM;
	}
	copy->number = ++queue->last_number;
	pthread_mutex_lock(&queue->lock);
	append(&queue->arrived, (struct list){copy, copy});
	atomic_fetch_add(&queue->count, 1);
	pthread_mutex_unlock(&queue->lock);
	return FW_OK;
}

bool fw_presence_queue_empty(const struct fw_presence_queue *queue)
{
	return atomic_load(&queue->count) == 0;
}

bool fw_presence_queue_crowded(const struct fw_presence_queue *queue)
{
	return atomic_load(&queue->count) > FW_PRESENCE_QUEUE_MAX / 2;
}

bool fw_presence_queue_lost(struct fw_presence_queue *queue)
{
	return atomic_exchange(&queue->lost, false);
}

const struct fw_presence_event *fw_presence_queue_take(struct fw_presence_queue *queue)
{
	struct list arrived;

	pthread_mutex_lock(&queue->lock);
	arrived = queue->arrived;
	queue->arrived = (struct list){NULL, NULL};
	pthread_mutex_unlock(&queue->lock);
	append(&queue->taken, arrived);
	return queue->taken.first;
}

void fw_presence_queue_drop(struct fw_presence_queue *queue, const struct fw_presence_event *first)
{
	while (queue->taken.first && queue->taken.first != first) {
		struct fw_presence_event *event = queue->taken.first;

		queue->taken.first = event->next;
		atomic_fetch_sub(&queue->count, 1);
		free(event);
	}
}
