/* Two tables: records are added to one, and taken from the other until it is empty. Then the two
 * are swapped. */
#include "files/transfers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

struct fw_transfers {
	pthread_mutex_t lock;              /* guards the tables and the walk */
	struct fw_table *gathered, *taken; /* added to; taken from */
	struct fw_table_walk walk;         /* through `taken` */
	size_t most;
	pthread_mutex_t sampling; /* held while the sampler runs */
	void (*sample)(void *context);
	void *context;
};

struct fw_transfers *fw_transfers_new(size_t most)
{
	struct fw_transfers *transfers = calloc(1, sizeof(*transfers));

	if (!transfers)
		return NULL;
	transfers->gathered = fw_table_new(0);
	transfers->taken = fw_table_new(0);
	if (!transfers->gathered || !transfers->taken) {
		fw_table_free(transfers->gathered);
		fw_table_free(transfers->taken);
		free(transfers);
		return NULL;
	}
	transfers->most = most;
	pthread_mutex_init(&transfers->lock, NULL);
	pthread_mutex_init(&transfers->sampling, NULL);
	return transfers;
}

void fw_transfers_free(struct fw_transfers *transfers)
{
	if (!transfers)
		return;
	fw_table_clear(transfers->gathered, free);
	fw_table_clear(transfers->taken, free);
	fw_table_free(transfers->gathered);
	fw_table_free(transfers->taken);
	pthread_mutex_destroy(&transfers->lock);
	pthread_mutex_destroy(&transfers->sampling);
	free(transfers);
}

/* Neither ids nor firmware ids have a slash. */
static struct fw_slice make_key(const struct fw_transfers_record *record, char *buffer)
{
	char *end = stpcpy(buffer, record->product_id);

	*end++ = '/';
	end = stpcpy(end, record->device_id);
	*end++ = '/';
	end = stpcpy(end, record->firmware_id);
	*end++ = '/';
	end = stpcpy(end, record->image);
	return (struct fw_slice){buffer, (size_t)(end - buffer)};
}

static void merge(struct fw_transfers_record *known, const struct fw_transfers_record *more)
{
	if (more->first_at < known->first_at)
		known->first_at = more->first_at;
	if (more->last_at > known->last_at)
		known->last_at = more->last_at;
	known->bytes += more->bytes;
	known->requests += more->requests;
	known->total = more->total;
	if (more->reached > known->reached)
		known->reached = more->reached;
	for (size_t i = 0; i < more->span_count; i++)
		fw_spans_add(known->spans, &known->span_count, FW_TRANSFERS_SPANS, more->spans[i]);
}

void fw_transfers_note(struct fw_transfers *transfers, const struct fw_transfers_record *record)
{
	char buffer[3 * FW_ID_MAX + FW_TRANSFERS_IMAGE + 4];
	struct fw_slice key = make_key(record, buffer);
	struct fw_transfers_record *known;

	pthread_mutex_lock(&transfers->lock);
	known = fw_table_get(transfers->gathered, key);
	if (known) {
		merge(known, record);
	} else if (fw_table_count(transfers->gathered) + fw_table_count(transfers->taken) <
			transfers->most &&
		(known = malloc(sizeof(*known)))) {
		*known = *record;
		if (fw_table_put(transfers->gathered, key, known, NULL) != FW_OK)
			free(known);
	}
	pthread_mutex_unlock(&transfers->lock);
}

void fw_transfers_set_sampler(
	struct fw_transfers *transfers, void (*sample)(void *context), void *context)
{
	pthread_mutex_lock(&transfers->sampling);
	transfers->sample = sample;
	transfers->context = context;
	pthread_mutex_unlock(&transfers->sampling);
}

void fw_transfers_sample(struct fw_transfers *transfers)
{
	pthread_mutex_lock(&transfers->sampling);
	if (transfers->sample)
		transfers->sample(transfers->context);
	pthread_mutex_unlock(&transfers->sampling);
}

/* Begins a round: what was gathered meanwhile is taken next. */
static void turn_over(struct fw_transfers *transfers)
{
	struct fw_table *empty = transfers->taken;

	fw_table_clear(empty, NULL);
	transfers->taken = transfers->gathered;
	transfers->gathered = empty;
	transfers->walk = (struct fw_table_walk){.bucket = 0};
}

size_t fw_transfers_take(struct fw_transfers *transfers, struct fw_transfers_record *records,
	size_t most, bool *left)
{
	size_t count = 0;

	pthread_mutex_lock(&transfers->lock);
	if (fw_table_count(transfers->taken) == 0)
		turn_over(transfers);
	while (count < most && fw_table_next(transfers->taken, &transfers->walk)) {
		struct fw_transfers_record *record = transfers->walk.value;

		records[count++] = *record;
		fw_table_remove(transfers->taken, transfers->walk.key);
		free(record);
	}
	*left = fw_table_count(transfers->taken) > 0;
	pthread_mutex_unlock(&transfers->lock);
	return count;
}
