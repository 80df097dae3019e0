#include "store/ingest.h"

#include <stdio.h>

#define BATCH_MS 40 /* an operator's shell may wait for it; the longer, the more uplinks share the pages that are written */
#define BATCH_RECORDS 20000
#define LEFT_OUT_EVERY_MS 60000
#define CAREFUL_MS 60000 /* after an uplink was refused, others of its kind may be */

/* Records up to the batch's limits. *applied is the sequence of the last one. */
struct batch {
	uint64_t applied;
	size_t records;
	int64_t until; /* boot ms */
	const struct fw_presence_event *presence; /* the next event that has its place */
	bool end; /* all that was appended has been read */
	bool unread; /* the spool cannot be read */
};

/* May more be done in this transaction? What follows from one uplink or event must fit into the outbox. */
static bool has_room(struct fw_intake *intake, const struct batch *batch)
{
	return batch->records < BATCH_RECORDS && fw_boot_ms() < batch->until && fw_writer_room(intake->writer) > FW_MESSAGES_OF_UPLINK;
}

static enum fw_status apply_presence_before(struct fw_intake *intake, struct batch *batch, uint64_t sequence)
{
	enum fw_status status = FW_OK;

	while (status == FW_OK && batch->presence && batch->presence->after < sequence && has_room(intake, batch)) {
		const struct fw_presence_event *event = batch->presence;

		status = fw_store_presence_apply(intake->presence, event);
		if (status == FW_OK)
			batch->presence = event->next;
	}
	return status;
}

static bool is_careful(const struct fw_intake *intake)
{
	return fw_boot_ms() < intake->careful_until;
}

static void leave_out(struct fw_intake *intake, const char *why)
{
	intake->left_out++;
	if (fw_boot_ms() < intake->next_left_out_line)
		return;
	intake->next_left_out_line = fw_boot_ms() + LEFT_OUT_EVERY_MS;
	fw_writer_log(intake->writer, FW_LOG_WARNING, "an uplink cannot be recorded and is left out: %s (%llu since the start)", why,
		(unsigned long long)intake->left_out);
}

/* What the catalog's rules refuse, an operator's triggers among them, is left out whole. That needs a savepoint for each uplink, which is
 * had only when one was refused lately: a transaction without, in which that happens, is done again. */
static enum fw_status apply_uplink(struct fw_intake *intake, const struct fw_uplink *uplink, uint64_t sequence)
{
	bool careful = is_careful(intake);
	enum fw_status status = careful ? fw_writer_save(intake->writer) : FW_OK;

	if (status == FW_OK)
		status = fw_apply_uplink(intake->apply, uplink);
	if (status == FW_INVALID && sqlite3_get_autocommit(intake->writer->db)) {
		intake->rolls_back = sequence;
		return FW_FAILED;
	}
	if (status == FW_INVALID) {
		intake->careful_until = fw_boot_ms() + CAREFUL_MS;
		if (!careful)
			return FW_FAILED;
		leave_out(intake, sqlite3_errmsg(intake->writer->db));
		status = fw_writer_restore(intake->writer);
	}
	return careful && status == FW_OK ? fw_writer_release(intake->writer) : status;
}

static enum fw_status apply_record(struct fw_intake *intake, const unsigned char *payload, size_t len, uint64_t sequence)
{
	struct fw_uplink uplink;

	if (sequence == intake->rolls_back)
		leave_out(intake, "a trigger rolls the whole transaction back: let it RAISE(ABORT) instead");
	else if (fw_uplink_decode(payload, len, &uplink) == FW_OK)
		return apply_uplink(intake, &uplink, sequence);
	else
		leave_out(intake, "it is damaged");
	return FW_OK;
}

static enum fw_status apply_records(struct fw_intake *intake, struct batch *batch)
{
	enum fw_status status = FW_OK;

	while (has_room(intake, batch)) {
		const unsigned char *payload;
		uint64_t sequence;
		size_t len;

		status = fw_spool_read(intake->spool, &payload, &len, &sequence);
		if (status == FW_NOT_FOUND) {
			batch->end = true;
			return FW_OK;
		}
		batch->unread = status != FW_OK;
		if (status == FW_OK)
			status = apply_presence_before(intake, batch, sequence);
		/* no room for all that comes before this record: it is read again in the next batch */
		if (status == FW_OK && batch->presence && batch->presence->after < sequence) {
			fw_spool_rewind(intake->spool, batch->applied);
			return FW_OK;
		}
		if (status == FW_OK)
			status = apply_record(intake, payload, len, sequence);
		if (status != FW_OK)
			return status;
		batch->applied = sequence;
		batch->records++;
		/* behind it there may be another one */
		if (sequence == intake->rolls_back)
			return FW_OK;
	}
	return status;
}

/* Presence events whose place is behind the last record. */
static enum fw_status apply_presence_behind(struct fw_intake *intake, struct batch *batch)
{
	return batch->end ? apply_presence_before(intake, batch, batch->applied + 1) : FW_OK;
}

bool fw_intake_waits(const struct fw_intake *intake)
{
	return fw_spool_last(intake->spool) > atomic_load(&intake->applied) || !fw_presence_queue_empty(intake->queue);
}

/* Most clients of a broker are no devices: their coming and going costs no transaction. The first event of a device, NULL when there is none. */
static const struct fw_presence_event *forget_strangers(struct fw_intake *intake)
{
	const struct fw_presence_event *event = fw_presence_queue_take(intake->queue);

	while (event && fw_store_presence_knows(intake->presence, event->product, event->device) == FW_NOT_FOUND)
		event = event->next;
	fw_presence_queue_drop(intake->queue, event);
	return event;
}

/* One transaction: uplinks and presence, in their order. */
static enum fw_status apply_batch(struct fw_intake *intake, bool *more)
{
	struct batch batch = {.applied = atomic_load(&intake->applied), .until = fw_boot_ms() + BATCH_MS};
	uint64_t last = fw_spool_last(intake->spool);
	bool careful = is_careful(intake);
	enum fw_status status;

	if (!fw_intake_waits(intake) || !has_room(intake, &batch))
		return FW_OK;
	/* with uplinks before them, strangers may be devices by then */
	if (last > batch.applied)
		batch.presence = fw_presence_queue_take(intake->queue);
	else if (!(batch.presence = forget_strangers(intake)))
		return FW_OK;
	status = fw_writer_begin(intake->writer);
	if (status != FW_OK)
		return status;
	status = apply_records(intake, &batch);
	/* what is unreadable at the end of the spool will never be read */
	if (status == FW_OK && batch.end && last > batch.applied)
		batch.applied = last;
	if (status == FW_OK)
		status = apply_presence_behind(intake, &batch);
	status = fw_writer_end(intake->writer, status, batch.applied);
	if (status != FW_OK) {
		if (batch.unread)
			snprintf(intake->writer->trouble, sizeof(intake->writer->trouble), "the spool beside it cannot be read");
		fw_spool_rewind(intake->spool, atomic_load(&intake->applied));
		*more = true;
		return is_careful(intake) && !careful ? FW_OK : status;
	}
	atomic_store(&intake->applied, batch.applied);
	/* what was written into a catalog that is not there any more, the spool keeps for the one in its place */
	fw_health_look_at_catalog(intake->health);
	if (!intake->health->lost)
		fw_spool_release(intake->spool, batch.applied);
	fw_presence_queue_drop(intake->queue, batch.presence);
	fw_schedule_changed(intake->schedule);
	*more |= fw_intake_waits(intake);
	return FW_OK;
}

/* Uplinks and presence may have waited long for the catalog, longer than a timeout that they forestall. `last` was the end of the spool
 * at the steady time `now`. */
static void note_heard(struct fw_intake *intake, uint64_t last, int64_t now)
{
	uint64_t applied = atomic_load(&intake->applied);
	const struct fw_presence_event *waiting;

	if (applied < last && applied < intake->mark)
		return;
	intake->writer->heard_ms = applied >= last ? now : intake->mark_ms;
	/* who went since then may be about to be blamed */
	waiting = fw_presence_queue_take(intake->queue);
	if (waiting && waiting->boot_ms + intake->writer->clock.offset < intake->writer->heard_ms)
		intake->writer->heard_ms = waiting->boot_ms + intake->writer->clock.offset;
	intake->mark = last;
	intake->mark_ms = now;
}

bool fw_intake_crowded(const struct fw_intake *intake)
{
	return fw_spool_last(intake->spool) - atomic_load(&intake->applied) >= BATCH_RECORDS;
}

enum fw_status fw_intake_work(struct fw_intake *intake, bool *more)
{
	int64_t now = fw_clock_now(&intake->writer->clock);
	uint64_t last = fw_spool_last(intake->spool);
	enum fw_status status = apply_batch(intake, more);

	if (status == FW_OK)
		note_heard(intake, last, now);
	return status;
}
