/* A growing array. Its items belong to the queue until they are moved into the outbox or dropped.
 */
#include "store/queue.h"

#include <stdlib.h>

bool fw_queue_add(struct fw_queue *queue, struct fw_outgoing item)
{
	if (queue->count == queue->room) {
		size_t room = queue->room ? queue->room * 2 : 64;
		struct fw_outgoing *larger = realloc(queue->items, room * sizeof(*larger));

		if (!larger)
			return false;
		queue->items = larger;
		queue->room = room;
	}
	queue->items[queue->count++] = item;
	return true;
}

void fw_queue_drop(struct fw_queue *queue, size_t kept)
{
	while (queue->count > kept) {
		struct fw_outgoing *last = &queue->items[--queue->count];

		free(last->topic);
		free(last->payload);
	}
}

size_t fw_queue_send(struct fw_queue *queue, struct fw_outbox *outbox)
{
	size_t dropped = 0;

	for (size_t i = 0; i < queue->count; i++)
		dropped += fw_outbox_put(outbox, queue->items[i]) != FW_OK;
	if (queue->count)
		fw_outbox_wake(outbox);
	queue->count = 0;
	return dropped;
}

void fw_queue_free(struct fw_queue *queue)
{
	fw_queue_drop(queue, 0);
	free(queue->items);
	*queue = (struct fw_queue){.count = 0};
}
