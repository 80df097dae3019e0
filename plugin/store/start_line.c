/* Two ways to find who is next in a task: the line, a heap by turn and device, and the walk over
 * the waiting rows, behind it. The line holds devices that the walk has passed already. It is
 * bounded: when it is full, a device cannot join, and the walk goes back to before that device. */
#include "store/start_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "catalog/db.h"

#define LINE_MAX 4096u
#define WALK_ROWS 512 /* rows that one part of the walk passes */

#define AGAIN (-2) /* turn of rows that were started before: no stage bounds them */
#define FIRST (-1) /* before all turns */

enum statement { WALK_TURNS, WALK_AGAIN, WALK_KEYS, STATEMENTS };

/* Gives turn and device_id of the rows, by both, and whether the device is online, offline. */
#define WITH_PRESENCE(rows)                                                                        \
	"SELECT r.turn, r.device_id, d.presence = 'online', d.presence = 'offline' FROM (" rows    \
	") AS r CROSS JOIN device AS d ON d.product_id = ?5 AND d.device_id = r.device_id"         \
	" ORDER BY r.turn, r.device_id"

static const char *const sql[STATEMENTS] = {
	[WALK_TURNS] = WITH_PRESENCE("SELECT turn, device_id FROM task_device WHERE task_id = ?1"
				     " AND state = 'waiting' AND lined = 1"
				     " AND (turn, device_id) > (?2, ?3)"
				     " ORDER BY turn, device_id LIMIT ?4"),
	[WALK_AGAIN] = WITH_PRESENCE("SELECT ?2 AS turn, device_id FROM task_device"
				     " WHERE task_id = ?1 AND device_id > ?3"
				     " AND state = 'waiting' AND attempts > 0"
				     " ORDER BY device_id LIMIT ?4"),
	[WALK_KEYS] = WITH_PRESENCE("SELECT ?2 AS turn, device_id FROM task_device"
				    " WHERE task_id = ?1 AND device_id > ?3"
				    " AND state = 'waiting' ORDER BY device_id LIMIT ?4"),
};

/* A place in the order. */
struct spot {
	int64_t turn;
	char device[FW_ID_MAX + 1];
};

struct line {
	struct line *next; /* in the list of called lines */
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	bool called;
	bool in_turns, known_only;
	bool walked;       /* the walk is at its end */
	struct spot walk;  /* the last spot that the walk passed */
	struct spot *heap; /* heap[0] is next */
	size_t count, room;
};

struct fw_start_lines {
	struct fw_transaction *transaction;
	struct fw_table *by_task;
	struct line *first, **last; /* the called lines, in the order of their calls */
	struct line *given;         /* the line of `found`; NULL: none, or its walk was restarted */
	struct spot found[WALK_ROWS];
	size_t found_count;
	bool of_heap;       /* `found` is of the heap, not of the walk */
	struct spot passed; /* where the walk stands when all of `found` was looked at */
	bool passed_all;    /* the walk is at its end then */
	sqlite3_stmt *statements[STATEMENTS];
};

enum fw_status fw_start_lines_open(
	struct fw_transaction *transaction, struct fw_start_lines **out, struct fw_error *error)
{
	struct fw_start_lines *lines = calloc(1, sizeof(*lines));
	enum fw_status status = FW_NOMEM;

	if (!lines)
		return FW_NOMEM;
	lines->transaction = transaction;
	lines->last = &lines->first;
	lines->by_task = fw_table_new(0);
	if (lines->by_task)
		status = fw_db_prepare(transaction->db, sql, lines->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_start_lines_close(lines);
		return status;
	}
	*out = lines;
	return FW_OK;
}

static void free_line(void *value)
{
	struct line *line = value;

	free(line->heap);
	free(line);
}

void fw_start_lines_close(struct fw_start_lines *lines)
{
	if (!lines)
		return;
	fw_table_clear(lines->by_task, free_line);
	fw_table_free(lines->by_task);
	fw_db_finalize(lines->statements, STATEMENTS);
	free(lines);
}

static struct line *find_line(
	struct fw_start_lines *lines, struct fw_slice task_id, struct fw_slice product)
{
	struct line *line = fw_table_get(lines->by_task, task_id);

	if (line)
		return line;
	line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	if (fw_slice_copy(task_id, line->task_id, sizeof(line->task_id)) &&
		fw_slice_copy(product, line->product_id, sizeof(line->product_id)) &&
		fw_table_put(lines->by_task, task_id, line, NULL) == FW_OK)
		return line;
	free(line);
	return NULL;
}

static void restart_walk(
	struct fw_start_lines *lines, struct line *line, const struct fw_rollout_call *call)
{
	line->in_turns = call->in_turns;
	line->known_only = call->known_only;
	line->count = 0;
	line->walk = (struct spot){.turn = line->in_turns ? AGAIN : 0};
	line->walked = false;
	if (lines->given == line)
		lines->given = NULL;
}

enum fw_status fw_start_lines_call(struct fw_start_lines *lines, const struct fw_rollout_call *call)
{
	struct line *line =
		find_line(lines, fw_slice_of(call->task_id), fw_slice_of(call->product_id));

	if (!line)
		return FW_NOMEM;
	if (call->restart || line->in_turns != call->in_turns ||
		line->known_only != call->known_only)
		restart_walk(lines, line, call);
	if (line->called)
		return FW_OK;
	line->called = true;
	line->next = NULL;
	*lines->last = line;
	lines->last = &line->next;
	return FW_OK;
}

static void end_call(struct fw_start_lines *lines, struct line *line)
{
	struct line **at = &lines->first;

	while (*at && *at != line)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = line->next;
	if (lines->last == &line->next)
		lines->last = at;
	line->called = false;
}

void fw_start_lines_rest(struct fw_start_lines *lines, struct fw_slice task_id)
{
	struct line *line = fw_table_get(lines->by_task, task_id);

	if (line && line->called)
		end_call(lines, line);
}

bool fw_start_lines_wait(const struct fw_start_lines *lines)
{
	return lines->first != NULL;
}

static int compare_spots(const struct spot *a, const struct spot *b)
{
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return strcmp(a->device, b->device);
}

static void sift_up(struct line *line, size_t at)
{
	while (at && compare_spots(&line->heap[at], &line->heap[(at - 1) / 2]) < 0) {
		struct spot above = line->heap[(at - 1) / 2];

		line->heap[(at - 1) / 2] = line->heap[at];
		line->heap[at] = above;
		at = (at - 1) / 2;
	}
}

static void sift_down(struct line *line)
{
	size_t at = 0, least;

	for (;;) {
		least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < line->count &&
				compare_spots(&line->heap[child], &line->heap[least]) < 0)
				least = child;
		}
		if (least == at)
			return;
		struct spot down = line->heap[at];

		line->heap[at] = line->heap[least];
		line->heap[least] = down;
		at = least;
	}
}

static bool is_in_line(const struct line *line, const struct spot *spot)
{
	for (size_t i = 0; i < line->count; i++) {
		if (compare_spots(&line->heap[i], spot) == 0)
			return true;
	}
	return false;
}

/* Sets the walk back to before the spot, if it has passed it. */
static void walk_back(struct line *line, const struct spot *spot)
{
	if (!line->walked && compare_spots(&line->walk, spot) < 0)
		return;
	bool at_start = !line->in_turns || spot->turn == AGAIN;

	line->walk = (struct spot){.turn = at_start ? spot->turn : spot->turn - 1};
	/* before all devices, or behind all of the turn before */
	line->walk.device[0] = at_start ? '\0' : '\xff';
	line->walked = false;
}

enum fw_status fw_start_lines_join(struct fw_start_lines *lines, struct fw_slice task_id,
	struct fw_slice product, struct fw_slice device, int64_t turn, bool again)
{
	struct line *line = find_line(lines, task_id, product);
	struct spot spot = {.turn = again ? AGAIN : turn};

	if (!line)
		return FW_NOMEM;
	if (!line->in_turns)
		spot.turn = 0;
	fw_slice_copy(device, spot.device, sizeof(spot.device));
	/* the walk will come to the device */
	if (!line->walked && compare_spots(&spot, &line->walk) > 0)
		return FW_OK;
	if (line->count == LINE_MAX) {
		walk_back(line, &spot);
		return FW_OK;
	}
	if (is_in_line(line, &spot))
		return FW_OK;
	if (line->count == line->room) {
		size_t room = 2 * line->room + 16;
		struct spot *heap = reallocarray(line->heap, room, sizeof(*heap));

		if (!heap)
			return FW_NOMEM;
		line->heap = heap;
		line->room = room;
	}
	line->heap[line->count] = spot;
	sift_up(line, line->count++);
	return FW_OK;
}

/* Takes the next devices that have joined. */
static void take_from_line(struct fw_start_lines *lines, struct line *line, size_t most)
{
	lines->of_heap = true;
	while (line->count && lines->found_count < most) {
		lines->found[lines->found_count++] = line->heap[0];
		line->heap[0] = line->heap[--line->count];
		sift_down(line);
	}
}

static enum statement kind_of(const struct line *line)
{
	if (!line->in_turns)
		return WALK_KEYS;
	return line->walk.turn == AGAIN ? WALK_AGAIN : WALK_TURNS;
}

/* Takes the next part of the walk: its devices that may be online. */
static enum fw_status walk(struct fw_start_lines *lines, struct line *line, size_t most)
{
	enum statement kind = kind_of(line);
	sqlite3_stmt *statement = lines->statements[kind];
	/* devices of unknown presence are tried where the broker does not report connections; with
	 * known_only only those that were started before, which take no place of the stage */
	bool tries = !lines->transaction->context->sees_connections &&
		(!line->known_only || kind == WALK_AGAIN);
	enum fw_status status = FW_OK;
	int rows = 0;

	lines->of_heap = false;
	lines->passed = line->walk;
	sqlite3_bind_text(statement, 1, line->task_id, -1, SQLITE_STATIC);
	fw_db_bind_integer(statement, 2, line->walk.turn);
	sqlite3_bind_text(statement, 3, line->walk.device, -1, SQLITE_STATIC);
	fw_db_bind_integer(statement, 4, WALK_ROWS);
	sqlite3_bind_text(statement, 5, line->product_id, -1, SQLITE_STATIC);
	while (lines->found_count < most && (status = fw_db_step(statement)) == FW_OK) {
		bool there = sqlite3_column_int(statement, 2),
		     away = sqlite3_column_int(statement, 3);

		rows++;
		lines->passed.turn = sqlite3_column_int64(statement, 0);
		fw_db_copy_text(statement, 1, lines->passed.device, sizeof(lines->passed.device));
		if (there || (!away && tries))
			lines->found[lines->found_count++] = lines->passed;
	}
	sqlite3_reset(statement);
	lines->passed_all = status == FW_NOT_FOUND && rows < WALK_ROWS;
	if (lines->passed_all && kind == WALK_AGAIN) {
		lines->passed = (struct spot){.turn = FIRST};
		lines->passed_all = false;
	}
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_start_lines_next(struct fw_start_lines *lines, char *task_id,
	struct fw_device_name *found, size_t most, size_t *count)
{
	struct line *line = lines->first;
	enum fw_status status = FW_OK;

	*count = 0;
	lines->found_count = 0;
	lines->given = line;
	if (!line)
		return FW_OK;
	memcpy(task_id, line->task_id, sizeof(line->task_id));
	if (line->count)
		take_from_line(lines, line, most < WALK_ROWS ? most : WALK_ROWS);
	else if (!line->walked)
		status = walk(lines, line, most < WALK_ROWS ? most : WALK_ROWS);
	else
		end_call(lines, line);
	for (size_t i = 0; i < lines->found_count; i++) {
		memcpy(found[i].product, line->product_id, sizeof(line->product_id));
		memcpy(found[i].device, lines->found[i].device, sizeof(found[i].device));
	}
	*count = lines->found_count;
	return status;
}

void fw_start_lines_passed(struct fw_start_lines *lines, size_t count)
{
	struct line *line = lines->given;

	lines->given = NULL;
	/* its walk was restarted meanwhile, or there was none */
	if (!line)
		return;
	if (lines->of_heap) {
		for (size_t i = count; i < lines->found_count; i++)
			fw_start_lines_join(lines, fw_slice_of(line->task_id),
				fw_slice_of(line->product_id), fw_slice_of(lines->found[i].device),
				lines->found[i].turn, lines->found[i].turn == AGAIN);
	} else if (count < lines->found_count) {
		if (count)
			line->walk = lines->found[count - 1];
	} else {
		line->walk = lines->passed;
		line->walked = lines->passed_all;
	}
}
