/* Who is online, in table device, and what follows for the rows of its tasks.
 *
 * After a start of the broker presence is unknown. A device that comes is online by a connection;
 * what was sent to an earlier connection and not answered is sent again. When a device goes, its
 * rows under way get interrupted_at. A response timeout that was decided on a dead connection is
 * revoked.
 *
 * When the queue lost an event, the broker's thread is asked about every device, some at a time.
 * Its answers come by the same queue, so later events override them, and each device ends up with
 * its true presence. */
#include "store/device_presence.h"

#include <stdlib.h>

#include "catalog/db.h"
#include "store/transition.h"

#define PRODUCTS_MAX 32u
#define ASK_ROWS 512u

enum statement { DEVICE, PRODUCTS_OF_DEVICE, FORGET, DEVICES_AFTER, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[DEVICE] = "SELECT 1 FROM device WHERE product_id = ?1 AND device_id = ?2",
	[PRODUCTS_OF_DEVICE] = "SELECT product_id FROM device WHERE device_id = ?1 LIMIT ?2",
	[FORGET] =
		"UPDATE device SET presence = NULL, connection = NULL, online_clock = NULL,"
		" away_clock = iif(?2 OR presence = 'offline', ?3, NULL)"
		" WHERE (product_id, device_id) IN"
		" (SELECT product_id, device_id FROM device WHERE presence IS NOT NULL LIMIT ?1)",
	[DEVICES_AFTER] = "SELECT product_id, device_id, presence IS 'online' FROM device WHERE "
			  "(product_id, device_id) > (?1, ?2)"
			  " ORDER BY product_id, device_id LIMIT ?3",
};

/* The device last asked about; both empty: none yet. */
struct asked {
	char product[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
};

struct fw_device_presence {
	struct fw_transaction *transaction;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
	struct fw_scheduler *scheduler;
	sqlite3_stmt *statements[STATEMENTS];
	bool asking; /* an event was lost: all devices are being asked about */
	struct asked asked;
	/* rows of one device, for the function under way: too large for a small stack */
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
};

enum fw_status fw_device_presence_open(struct fw_transaction *transaction,
	struct fw_task_devices *rows, struct fw_devices *devices, struct fw_scheduler *scheduler,
	struct fw_device_presence **out, struct fw_error *error)
{
	struct fw_device_presence *presence = calloc(1, sizeof(*presence));
	enum fw_status status;

	if (!presence)
		return FW_NOMEM;
	*presence = (struct fw_device_presence){.transaction = transaction,
		.rows = rows,
		.devices = devices,
		.scheduler = scheduler};
	status = fw_db_prepare(transaction->db, sql, presence->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_device_presence_close(presence);
		return status;
	}
	*out = presence;
	return FW_OK;
}

void fw_device_presence_close(struct fw_device_presence *presence)
{
	if (!presence)
		return;
	fw_db_finalize(presence->statements, STATEMENTS);
	free(presence);
}

/* A connection by which no message came since the push was dead by then, so its response timeout
 * proves nothing. Connections of an earlier run of the broker ended with that run, and when their
 * last message came is not known any more. */
static bool was_dead(const struct fw_device_presence *presence, const struct fw_task_device *row,
	int64_t ended, int64_t heard_clock)
{
	if (row->connection == ended)
		return heard_clock <= row->pushed_clock;
	return row->connection &&
		row->connection < (int64_t)presence->transaction->context->first_connection;
}

/* The device's connection `ended`; 0: it had none. heard_clock: steady ms of its last message.
 * Revokes the response timeouts that were decided on a dead connection. */
static enum fw_status review_response_timeouts(struct fw_device_presence *presence,
	struct fw_slice product, struct fw_slice device, int64_t ended, int64_t heard_clock)
{
	struct fw_task_device *found = presence->found;
	size_t count;
	enum fw_status status = fw_task_devices_find_sent(
		presence->rows, product, device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (found[i].state == FW_UPGRADE_FAILED &&
			was_dead(presence, &found[i], ended, heard_clock))
			status = fw_transition_apply(
				presence->rows, &found[i], FW_EVENT_UNHEARD, NULL, NULL);
	}
	return status;
}

/* Is the row to be sent to the device, now that it is online by this connection? */
static bool is_wanted(const struct fw_task_device *row, const struct fw_arrival *arrival)
{
	if (row->state == FW_UPGRADE_WAITING)
		return row->push && row->task_running;
	return !row->responded_at && row->connection != arrival->connection;
}

static enum fw_status find_wanted(struct fw_device_presence *presence, struct fw_slice product,
	struct fw_slice device, const struct fw_arrival *arrival, bool *wanted)
{
	struct fw_task_device *found = presence->found;
	size_t count;
	enum fw_status status = fw_task_devices_find_open(
		presence->rows, product, device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	*wanted = false;
	for (size_t i = 0; status == FW_OK && i < count; i++)
		*wanted |= is_wanted(&found[i], arrival);
	return status;
}

/* The device went `away`, or came back: starts or stops the time after which it is lost, in its
 * rows that were started or are on trial. */
static enum fw_status watch_absence(struct fw_device_presence *presence, struct fw_slice product,
	struct fw_slice device, bool away)
{
	struct fw_task_device *found = presence->found;
	int64_t longest_ms = 0;
	size_t count, trials = 0;
	enum fw_status status = fw_task_devices_find_open(
		presence->rows, product, device, found, FW_TASK_DEVICE_ROWS_MAX / 2, &count);

	if (status == FW_OK)
		status = fw_task_devices_find_on_trial(presence->rows, product, device,
			found + count, FW_TASK_DEVICE_ROWS_MAX - count, &trials);
	if (status == FW_OK && away && count + trials)
		status = fw_device_longest_absence(presence->devices, product, device, &longest_ms);
	for (size_t i = 0; status == FW_OK && i < count + trials; i++)
		status = fw_transition_watch_absence(presence->rows, &found[i], away, longest_ms);
	return status;
}

enum fw_status fw_device_presence_arrive(struct fw_device_presence *presence,
	struct fw_slice product, struct fw_slice device, struct fw_device *known,
	const struct fw_arrival *arrival)
{
	int64_t now = presence->transaction->steady_ms;
	struct fw_presence_of_device there = {.online = true,
		.at = arrival->at,
		.connection = arrival->connection,
		.oldest_connection = arrival->oldest,
		.settles_at = known->settles_at ? now + FW_SETTLE_MS : 0};
	bool wanted = false;
	enum fw_status status = review_response_timeouts(
		presence, product, device, known->online ? known->connection : 0, INT64_MAX);

	if (status == FW_OK)
		status = watch_absence(presence, product, device, false);
	if (status == FW_OK)
		status = find_wanted(presence, product, device, arrival, &wanted);
	/* A device that went before its time was over is not made to wait a second time: it may be
	 * awake for a moment only. */
	if (there.settles_at)
		there.due_at = there.settles_at;
	else if (wanted)
		there.due_at = known->due_at && known->due_at < now + FW_LISTEN_MS
			? known->due_at
			: now + arrival->hold_ms;
	if (status == FW_OK)
		status = fw_device_set_presence(presence->devices, product, device, &there);
	known->online = true;
	known->connection = arrival->connection;
	known->oldest_connection = arrival->oldest;
	known->due_at = there.due_at;
	known->settles_at = there.settles_at;
	return status;
}

static enum fw_status interrupt_rows(
	struct fw_device_presence *presence, struct fw_slice product, struct fw_slice device)
{
	struct fw_task_device *found = presence->found;
	size_t count;
	enum fw_status status = fw_task_devices_find_open(
		presence->rows, product, device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++)
		status = fw_transition_interrupted(presence->rows, &found[i]);
	return status;
}

static enum fw_status depart(struct fw_device_presence *presence, struct fw_slice product,
	const struct fw_presence_event *event, const struct fw_device *known)
{
	struct fw_presence_of_device gone = {.at = event->at,
		.due_at = known->settles_at ? 0 : known->due_at,
		.settles_at = known->settles_at};
	int64_t heard_clock =
		fw_clock_at(&presence->transaction->clock, event->last_message_boot_ms);
	enum fw_status status =
		fw_device_set_presence(presence->devices, product, event->device, &gone);

	if (status == FW_OK)
		status = review_response_timeouts(
			presence, product, event->device, known->connection, heard_clock);
	if (status == FW_OK)
		status = interrupt_rows(presence, product, event->device);
	return status == FW_OK ? watch_absence(presence, product, event->device, true) : status;
}

/* How long a push waits for the device's report. A device that an operator added, and that was
 * online before, sends none. */
static int64_t hold_of(const struct fw_presence_event *event, const struct fw_device *known)
{
	if (event->asked && !known->last_seen_at)
		return 0;
	return event->listens ? FW_HOLD_MS : FW_LISTEN_MS;
}

static enum fw_status apply_to_device(struct fw_device_presence *presence, struct fw_slice product,
	const struct fw_presence_event *event)
{
	struct fw_device known;
	enum fw_status status = fw_device_find(presence->devices, product, event->device, &known);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	if (!event->online)
		return depart(presence, product, event, &known);
	if (!known.online || known.connection != (int64_t)event->connection)
		status = fw_device_presence_arrive(presence, product, event->device, &known,
			&(struct fw_arrival){.connection = (int64_t)event->connection,
				.oldest = (int64_t)event->oldest,
				.at = event->at,
				.hold_ms = hold_of(event, &known)});
	else if (event->listens && known.due_at > presence->transaction->steady_ms + FW_HOLD_MS &&
		!known.settles_at)
		status = fw_device_set_due(presence->devices, product, event->device,
			presence->transaction->steady_ms + FW_HOLD_MS);
	return status == FW_OK && event->listens
		? fw_scheduler_settle_and_push(presence->scheduler, product, event->device)
		: status;
}

static enum fw_status apply(
	struct fw_device_presence *presence, const struct fw_presence_event *event)
{
	char products[PRODUCTS_MAX][FW_ID_MAX + 1];
	sqlite3_stmt *statement = presence->statements[PRODUCTS_OF_DEVICE];
	size_t count = 0;
	enum fw_status status;

	if (event->product.len)
		return apply_to_device(presence, event->product, event);
	fw_db_bind_text(statement, 1, event->device);
	fw_db_bind_integer(statement, 2, PRODUCTS_MAX);
	while ((status = fw_db_step(statement)) == FW_OK && count < PRODUCTS_MAX) {
		fw_db_copy_text(statement, 0, products[count], sizeof(products[count]));
		count++;
	}
	sqlite3_reset(statement);
	status = status == FW_NOT_FOUND ? FW_OK : status;
	for (size_t i = 0; status == FW_OK && i < count; i++)
		status = apply_to_device(presence, fw_slice_of(products[i]), event);
	return status;
}

enum fw_status fw_device_presence_apply(
	struct fw_device_presence *presence, const struct fw_presence_event *event)
{
	return fw_transaction_pass_over(
		presence->transaction, apply(presence, event), "a device's presence");
}

enum fw_status fw_device_presence_knows(
	struct fw_device_presence *presence, struct fw_slice product, struct fw_slice device)
{
	sqlite3_stmt *statement = presence->statements[product.len ? DEVICE : PRODUCTS_OF_DEVICE];

	if (product.len) {
		fw_db_bind_text(statement, 1, product);
		fw_db_bind_text(statement, 2, device);
	} else {
		fw_db_bind_text(statement, 1, device);
		fw_db_bind_integer(statement, 2, 1);
	}
	return fw_db_exists(statement);
}

enum fw_status fw_device_presence_forget(
	struct fw_device_presence *presence, int64_t most, bool *left)
{
	enum fw_status status;

	fw_db_bind_integer(presence->statements[FORGET], 1, most);
	/* a device that was offline may still be away; where connections are seen, any may be */
	fw_db_bind_integer(
		presence->statements[FORGET], 2, presence->transaction->context->sees_connections);
	fw_db_bind_integer(presence->statements[FORGET], 3, presence->transaction->steady_ms);
	status = fw_db_run(presence->statements[FORGET]);
	*left = status == FW_OK && sqlite3_changes(presence->transaction->db) >= most;
	return fw_transaction_pass_over(
		presence->transaction, status, "that the presence of devices is unknown");
}

static void ask_about_all(struct fw_device_presence *presence)
{
	if (!presence->asking)
		fw_transaction_log(presence->transaction, FW_LOG_NOTICE,
			"presence queue overflow: checking all devices again");
	presence->asking = true;
	presence->asked = (struct asked){"", ""};
	/* until all is known again no device fails for want of an answer */
	presence->transaction->presence_complete_since_ms = INT64_MAX;
}

/* Asks about the next devices behind *asked. */
static enum fw_status ask_step(
	struct fw_device_presence *presence, size_t most, struct asked *asked, bool *done)
{
	sqlite3_stmt *statement = presence->statements[DEVICES_AFTER];
	size_t count = 0;
	enum fw_status status;

	/* empty texts, not NULL: all keys are greater */
	sqlite3_bind_text(statement, 1, presence->asked.product, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, presence->asked.device, -1, SQLITE_STATIC);
	fw_db_bind_integer(statement, 3, (int64_t)most);
	while ((status = fw_db_step(statement)) == FW_OK) {
		struct fw_slice product = fw_db_text(statement, 0),
				device = fw_db_text(statement, 1);

		status = fw_transaction_ask_presence(
			presence->transaction, product, device, sqlite3_column_int(statement, 2));
		if (status != FW_OK)
			break;
		fw_slice_copy(product, asked->product, sizeof(asked->product));
		fw_slice_copy(device, asked->device, sizeof(asked->device));
		count++;
	}
	sqlite3_reset(statement);
	*done = count < most;
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static enum fw_status ask_more(struct fw_device_presence *presence, size_t most)
{
	struct asked asked = presence->asked;
	bool done = false;
	enum fw_status status = fw_transaction_begin(presence->transaction);

	if (status != FW_OK)
		return status;
	status = fw_transaction_end(
		presence->transaction, ask_step(presence, most, &asked, &done), 0);
	if (status != FW_OK)
		return status;
	presence->asked = asked;
	presence->asking = !done;
	if (done)
		presence->transaction->presence_complete_since_ms =
			fw_clock_now(&presence->transaction->clock);
	return FW_OK;
}

enum fw_status fw_device_presence_work(
	struct fw_device_presence *presence, struct fw_presence_queue *queue, bool *more)
{
	size_t room = fw_transaction_room(presence->transaction);
	enum fw_status status = FW_OK;

	/* asked first: an event that is lost later starts the asking anew */
	if (fw_presence_queue_lost(queue))
		ask_about_all(presence);
	if (presence->asking && room && !fw_presence_queue_crowded(queue))
		status = ask_more(presence, room < ASK_ROWS ? room : ASK_ROWS);
	*more |= presence->asking;
	return status;
}
