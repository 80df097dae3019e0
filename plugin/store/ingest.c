/* Brings the spool and the queue of presence into the catalog, one batch a transaction.
 *
 * The transaction that applies a batch also stores the number of its last record, so each record is
 * applied exactly once: a batch that is rolled back is read again from where it began. Presence
 * events are applied between the records where they happened.
 *
 * An uplink that the catalog's rules refuse must not hold up others. The batch in which that
 * happens is rolled back and done again with a savepoint for each uplink; then the refused uplink
 * is undone alone, and rejected. An uplink or event by which an operator's trigger ends the whole
 * transaction is poison: the next batch passes it over, and ends behind it. */
#include "store/ingest.h"

#include <stdio.h>

/* Of a transaction. A longer one writes fewer pages for an uplink; an operator's shell waits for
 * its end. */
#define BATCH_MS 40
#define BATCH_RECORDS 20000
#define REJECTED_EVERY_MS 60000
#define OLDEST_EVERY_MS 1000
#define SAVEPOINTS_MS 60000 /* after an uplink was refused, others may soon be */

/* Records up to the batch's limits. *applied is the sequence of the last one. */
struct batch {
	uint64_t applied;
	size_t records;
	int64_t until;                            /* boot ms */
	const struct fw_presence_event *presence; /* the next event to apply */
	bool poisoned; /* it passed something over, and ends: the next one may be poison, too */
	bool end;      /* all that was appended has been read */
	bool unread;   /* the spool cannot be read */
};

/* May more be done in this transaction? What follows from one uplink or event must fit into the
 * outbox. */
static bool has_room(struct fw_ingest *ingest, const struct batch *batch)
{
	return !batch->poisoned && batch->records < BATCH_RECORDS && fw_boot_ms() < batch->until &&
		fw_transaction_room(ingest->transaction) > FW_MESSAGES_OF_UPLINK;
}

/* Applies the event, unless it is poison. */
static enum fw_status apply_event(
	struct fw_ingest *ingest, struct batch *batch, const struct fw_presence_event *event)
{
	enum fw_status status;

	if (event->number == ingest->poison_event) {
		batch->poisoned = true;
		fw_transaction_log_passed_over(
			ingest->transaction, "a device's presence", fw_transaction_rolls_back);
		return FW_OK;
	}
	status = fw_device_presence_apply(ingest->presence, event);
	if (fw_transaction_was_ended(ingest->transaction, status) &&
		!ingest->transaction->ended_at_poison)
		ingest->poison_event = event->number;
	batch->poisoned = ingest->transaction->passed_over;
	return status;
}

static enum fw_status apply_presence_before(
	struct fw_ingest *ingest, struct batch *batch, uint64_t sequence)
{
	enum fw_status status = FW_OK;

	while (status == FW_OK && batch->presence && batch->presence->after < sequence &&
		has_room(ingest, batch)) {
		const struct fw_presence_event *event = batch->presence;

		status = apply_event(ingest, batch, event);
		if (status == FW_OK)
			batch->presence = event->next;
	}
	return status;
}

static bool uses_savepoints(const struct fw_ingest *ingest)
{
	return fw_boot_ms() < ingest->savepoints_until;
}

static void reject(struct fw_ingest *ingest, const char *why)
{
	ingest->rejecting++;
	if (fw_boot_ms() < ingest->next_rejected_line)
		return;
	ingest->next_rejected_line = fw_boot_ms() + REJECTED_EVERY_MS;
	fw_transaction_log(ingest->transaction, FW_LOG_WARNING,
		"an uplink cannot be recorded and is left out: %s (%llu since the start)", why,
		(unsigned long long)(ingest->rejected + ingest->rejecting));
}

/* Applies an uplink, or rejects it whole where the catalog's rules or an operator's trigger refuse
 * it. That takes a savepoint, which costs time, so there is one only after a refusal: the first
 * refusal fails the whole batch (FW_FAILED), which is then done again with savepoints. */
static enum fw_status apply_uplink(
	struct fw_ingest *ingest, const struct fw_uplink *uplink, uint64_t sequence)
{
	bool savepoint = uses_savepoints(ingest);
	enum fw_status status = savepoint ? fw_transaction_save(ingest->transaction) : FW_OK;

	if (status == FW_OK)
		status = fw_apply_uplink(ingest->apply, uplink);
	if (fw_transaction_was_ended(ingest->transaction, status)) {
		/* what follows from it is passed over next time, and the uplink is applied */
		if (!ingest->transaction->ended_at_poison)
			ingest->poison_sequence = sequence;
		return FW_FAILED;
	}
	if (status == FW_INVALID) {
		ingest->savepoints_until = fw_boot_ms() + SAVEPOINTS_MS;
		if (!savepoint)
			return FW_FAILED;
		reject(ingest, sqlite3_errmsg(ingest->transaction->db));
		status = fw_transaction_restore(ingest->transaction);
	}
	return savepoint && status == FW_OK ? fw_transaction_release(ingest->transaction) : status;
}

/* The place of a pull ends with its uplink, applied or rejected. */
static enum fw_status release_place(struct fw_ingest *ingest, const struct fw_uplink *uplink)
{
	return uplink->task_id.len ? fw_places_applied(ingest->transaction->context->places,
					     uplink->task_id, uplink->device)
				   : FW_OK;
}

static enum fw_status apply_record(struct fw_ingest *ingest, struct batch *batch,
	const unsigned char *payload, size_t len, uint64_t sequence)
{
	struct fw_uplink uplink = {.connection = 0};
	enum fw_status status = FW_OK;

	if (fw_uplink_decode(payload, len, &uplink) != FW_OK) {
		reject(ingest, "it is damaged");
		return FW_OK;
	}
	batch->poisoned = sequence == ingest->poison_sequence;
	if (batch->poisoned)
		reject(ingest, fw_transaction_rolls_back);
	else
		status = apply_uplink(ingest, &uplink, sequence);
	batch->poisoned |= ingest->transaction->passed_over;
	return status == FW_OK ? release_place(ingest, &uplink) : status;
}

static enum fw_status apply_records(struct fw_ingest *ingest, struct batch *batch)
{
	enum fw_status status = FW_OK;

	while (has_room(ingest, batch)) {
		const unsigned char *payload;
		uint64_t sequence;
		size_t len;

		status = fw_spool_read(ingest->spool, &payload, &len, &sequence);
		if (status == FW_NOT_FOUND) {
			batch->end = true;
			return FW_OK;
		}
		batch->unread = status != FW_OK;
		if (status == FW_OK)
			status = apply_presence_before(ingest, batch, sequence);
		/* the batch ends among the events before this record: the next one reads it again
		 */
		if (status == FW_OK &&
			(batch->poisoned ||
				(batch->presence && batch->presence->after < sequence))) {
			fw_spool_rewind(ingest->spool, batch->applied);
			return FW_OK;
		}
		if (status == FW_OK)
			status = apply_record(ingest, batch, payload, len, sequence);
		if (status != FW_OK)
			return status;
		batch->applied = sequence;
		batch->records++;
	}
	return status;
}

/* Presence events whose place is behind the last record. */
static enum fw_status apply_presence_behind(struct fw_ingest *ingest, struct batch *batch)
{
	return batch->end ? apply_presence_before(ingest, batch, batch->applied + 1) : FW_OK;
}

bool fw_ingest_waits(const struct fw_ingest *ingest)
{
	return fw_spool_last(ingest->spool) > atomic_load(&ingest->applied) ||
		!fw_presence_queue_empty(ingest->queue);
}

/* Drops the events before the first one of a device, and returns that; NULL: there is none. Most
 * clients of a broker are no devices, and their events cost no transaction. */
static const struct fw_presence_event *forget_strangers(struct fw_ingest *ingest)
{
	const struct fw_presence_event *event = fw_presence_queue_take(ingest->queue);

	while (event &&
		fw_device_presence_knows(ingest->presence, event->product, event->device) ==
			FW_NOT_FOUND)
		event = event->next;
	fw_presence_queue_drop(ingest->queue, event);
	return event;
}

/* The first event of the queue that has to be applied. False: there is nothing to do. */
static bool find_presence(struct fw_ingest *ingest, struct batch *batch, uint64_t last)
{
	/* the uplinks before an event may add its device */
	if (last > batch->applied) {
		batch->presence = fw_presence_queue_take(ingest->queue);
		return true;
	}
	batch->presence = forget_strangers(ingest);
	return batch->presence != NULL;
}

/* The work of the open transaction. `last`: the end of the spool when it began. */
static enum fw_status apply_all(struct fw_ingest *ingest, struct batch *batch, uint64_t last)
{
	enum fw_status status = apply_records(ingest, batch);

	/* an unreadable end of the spool will never be read: it counts as applied */
	if (status == FW_OK && batch->end && last > batch->applied)
		batch->applied = last;
	return status == FW_OK ? apply_presence_behind(ingest, batch) : status;
}

/* The transaction was rolled back: all of it is read again. The first refusal of an uplink is no
 * error: the batch is done again with savepoints. */
static enum fw_status rewind_batch(struct fw_ingest *ingest, const struct batch *batch,
	enum fw_status status, bool had_savepoints)
{
	if (batch->unread)
		snprintf(ingest->transaction->error.text, sizeof(ingest->transaction->error.text),
			"the spool beside it cannot be read");
	fw_spool_rewind(ingest->spool, atomic_load(&ingest->applied));
	return uses_savepoints(ingest) && !had_savepoints ? FW_OK : status;
}

/* The transaction is committed: drops its events, and releases its records in the spool. If the
 * catalog's file was removed or replaced, the spool keeps them for the file in its place. */
static void release_batch(struct fw_ingest *ingest, const struct batch *batch)
{
	atomic_store(&ingest->applied, batch->applied);
	ingest->rejected += ingest->rejecting;
	fw_health_check_catalog(ingest->health);
	if (!ingest->health->lost)
		fw_spool_release(ingest->spool, batch->applied);
	fw_presence_queue_drop(ingest->queue, batch->presence);
	fw_scheduler_changed(ingest->scheduler);
}

/* One transaction: uplinks and presence, in their order. */
static enum fw_status apply_batch(struct fw_ingest *ingest, bool *more)
{
	struct batch batch = {
		.applied = atomic_load(&ingest->applied), .until = fw_boot_ms() + BATCH_MS};
	uint64_t last = fw_spool_last(ingest->spool);
	bool savepoint = uses_savepoints(ingest);
	enum fw_status status;

	if (!fw_ingest_waits(ingest) || !has_room(ingest, &batch) ||
		!find_presence(ingest, &batch, last))
		return FW_OK;
	status = fw_transaction_begin(ingest->transaction);
	if (status != FW_OK)
		return status;
	ingest->rejecting = 0;
	status = apply_all(ingest, &batch, last);
	status = fw_transaction_end(ingest->transaction, status, batch.applied);
	if (status != FW_OK) {
		*more = true;
		return rewind_batch(ingest, &batch, status, savepoint);
	}
	release_batch(ingest, &batch);
	*more |= fw_ingest_waits(ingest);
	return FW_OK;
}

/* Advances the watermark: all that arrived before it is applied, so timeouts up to it may be
 * decided. `last` was the end of the spool at the steady time `now`. */
static void advance_watermark(struct fw_ingest *ingest, uint64_t last, int64_t now)
{
	uint64_t applied = atomic_load(&ingest->applied);
	struct fw_transaction *transaction = ingest->transaction;
	const struct fw_presence_event *waiting;

	if (applied < last && applied < ingest->watermark_sequence)
		return;
	transaction->heard_until_ms = applied >= last ? now : ingest->watermark_ms;
	/* not beyond an event that waits: a device that went must not fail for want of an answer */
	waiting = fw_presence_queue_take(ingest->queue);
	if (waiting &&
		fw_clock_at(&transaction->clock, waiting->boot_ms) < transaction->heard_until_ms)
		transaction->heard_until_ms = fw_clock_at(&transaction->clock, waiting->boot_ms);
	ingest->watermark_sequence = last;
	ingest->watermark_ms = now;
}

/* Reads when the next record came. The cursor goes back; damage before the record is counted. */
static void read_oldest(struct fw_ingest *ingest)
{
	const unsigned char *payload;
	struct fw_uplink uplink;
	uint64_t sequence;
	size_t len;

	if (fw_spool_read(ingest->spool, &payload, &len, &sequence) == FW_OK &&
		fw_uplink_decode(payload, len, &uplink) == FW_OK)
		ingest->oldest_at = uplink.received_at;
	fw_spool_rewind(ingest->spool, atomic_load(&ingest->applied));
}

int64_t fw_ingest_oldest(struct fw_ingest *ingest)
{
	if (fw_spool_last(ingest->spool) <= atomic_load(&ingest->applied)) {
		ingest->oldest_at = 0;
	} else if (fw_boot_ms() >= ingest->next_oldest_look) {
		ingest->next_oldest_look = fw_boot_ms() + OLDEST_EVERY_MS;
		read_oldest(ingest);
	}
	return ingest->oldest_at;
}

bool fw_ingest_crowded(const struct fw_ingest *ingest)
{
	return fw_spool_last(ingest->spool) - atomic_load(&ingest->applied) >= BATCH_RECORDS;
}

enum fw_status fw_ingest_work(struct fw_ingest *ingest, bool *more)
{
	int64_t now = fw_clock_now(&ingest->transaction->clock);
	uint64_t last = fw_spool_last(ingest->spool);
	enum fw_status status = apply_batch(ingest, more);

	if (status == FW_OK)
		advance_watermark(ingest, last, now);
	return status;
}
