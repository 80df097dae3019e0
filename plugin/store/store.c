/* The store's thread, the end of the store, and what other threads may call.
 *
 * One thread owns the catalog's writing connection. The broker's thread appends uplinks to the
 * spool and presence to a queue, neither of which ever waits for the catalog; then it wakes the
 * store's thread, if that sleeps. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"

enum fw_status fw_store_start(struct fw_store *store, struct fw_error *error)
{
	enum fw_status status =
		fw_thread_start(&store->thread, fw_store_run, store, "writes the catalog", error);

	store->started = status == FW_OK;
	return status;
}

void fw_store_stop(struct fw_store *store)
{
	if (!store || !store->started)
		return;
	pthread_mutex_lock(&store->lock);
	store->stop = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
	store->started = false;
}

void fw_store_close(struct fw_store *store)
{
	if (!store)
		return;
	fw_store_stop(store);
	fw_presence_queue_free(store->presence_queue);
	fw_firmware_files_close(store->files);
	fw_apply_close(store->apply);
	fw_device_presence_close(store->presence);
	fw_label_check_close(store->labels);
	fw_history_close(store->history);
	fw_scheduler_close(store->scheduler);
	fw_devices_close(store->devices);
	fw_task_devices_close(store->rows);
	fw_rollouts_close(store->rollouts);
	fw_task_status_close(store->status);
	fw_task_events_close(store->events);
	fw_transaction_close(&store->transaction);
	fw_places_free(store->places);
	fw_spool_close(store->spool);
	free(store->spool_prefix);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

struct fw_spool *fw_store_spool(struct fw_store *store)
{
	return store->spool;
}

void fw_store_wake(struct fw_store *store)
{
	/* the record must be visible before `sleeping` is read: the store reads them the other way
	 * round before it sleeps */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&store->sleeping))
		return;
	pthread_mutex_lock(&store->lock);
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
}

void fw_store_note_presence(struct fw_store *store, struct fw_presence_event event)
{
	event.after = fw_spool_last(store->spool);
	event.at = fw_now_ms();
	event.boot_ms = fw_boot_ms();
	if (fw_presence_queue_put(store->presence_queue, &event) == FW_OK)
		fw_store_wake(store);
}

uint64_t fw_store_applied(const struct fw_store *store)
{
	return atomic_load(&store->ingest.applied);
}

struct fw_places *fw_store_places(struct fw_store *store)
{
	return store->places;
}

struct fw_clock fw_store_clock(const struct fw_store *store)
{
	return store->transaction.clock;
}
