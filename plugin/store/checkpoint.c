/* Copies SQLite's log into the catalog.
 *
 * The WAL hook notes after each commit how long the log is. When it has grown by DUE_PAGES, the
 * store copies what no reader needs any more (a PASSIVE checkpoint, which waits for nobody); once
 * all is copied, SQLite starts the log over with the next write. Invariant: no transaction begins
 * while the log has `most_pages`, or while the last checkpoint has failed. Either is tried again at
 * most each HINDERED_MS. */
#include "store/checkpoint.h"

#include <stdio.h>

#include "base/clock.h"
#include "catalog/db.h"

#define DUE_PAGES 4000       /* 16 MiB; under load a transaction writes up to a third of that */
#define MOST_PAGES (1 << 18) /* 1 GiB */
#define HINDERED_MS 1000     /* between checkpoints while a reader hinders them */
#define PINNED_MS 60000      /* a reader pins the log when none has got farther for so long */

/* The WAL hook: after each commit, with the pages that the log has
 * (sqlite.org/c3ref/wal_hook.html). */
static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
	struct fw_checkpoint *checkpoint = context;

	(void)db;
	(void)name;
	/* the log was started over */
	if (pages < checkpoint->log_pages)
		checkpoint->due_pages = DUE_PAGES;
	checkpoint->log_pages = pages;
	return SQLITE_OK;
}

void fw_checkpoint_init(struct fw_checkpoint *checkpoint, sqlite3 *db)
{
	*checkpoint = (struct fw_checkpoint){
		.db = db, .due_pages = DUE_PAGES, .most_pages = MOST_PAGES, .status = FW_OK};
	sqlite3_wal_hook(db, note_log, checkpoint);
}

static void note_done(struct fw_checkpoint *checkpoint, int done)
{
	checkpoint->tried_at = fw_boot_ms();
	if (done != checkpoint->done_pages)
		checkpoint->moved_at = checkpoint->tried_at;
	checkpoint->done_pages = done;
}

bool fw_checkpoint_is_pinned(const struct fw_checkpoint *checkpoint)
{
	return checkpoint->done_pages < checkpoint->log_pages / 2 ||
		checkpoint->tried_at - checkpoint->moved_at >= PINNED_MS;
}

const char *fw_checkpoint_hindrance(const struct fw_checkpoint *checkpoint)
{
	if (fw_checkpoint_is_pinned(checkpoint))
		return "because some connection keeps a read transaction open: end it";
	return "because read transactions overlap without end: let those who read make a pause, or "
	       "read a copy (VACUUM INTO)";
}

void fw_checkpoint_when_due(struct fw_checkpoint *checkpoint)
{
	int total = 0, done = 0;

	if (checkpoint->log_pages < checkpoint->due_pages || fw_boot_ms() < checkpoint->not_before)
		return;
	checkpoint->status = fw_db_status(sqlite3_wal_checkpoint_v2(
		checkpoint->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &total, &done));
	note_done(checkpoint, done);
	if (checkpoint->status == FW_BUSY)
		checkpoint->status = FW_OK;
	if (checkpoint->status != FW_OK)
		snprintf(checkpoint->error.text, sizeof(checkpoint->error.text),
			"its log cannot be brought into it: %s", sqlite3_errmsg(checkpoint->db));
	else
		checkpoint->due_pages = checkpoint->log_pages + DUE_PAGES;
	checkpoint->not_before =
		checkpoint->status != FW_OK || done < total ? fw_boot_ms() + HINDERED_MS : 0;
}

void fw_checkpoint_empty_log(struct fw_checkpoint *checkpoint)
{
	sqlite3_wal_checkpoint_v2(checkpoint->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* Starts the log over. False while a reader keeps it. */
static bool start_log_over(struct fw_checkpoint *checkpoint)
{
	int total = 0, done = 0;

	checkpoint->not_before = fw_boot_ms() + HINDERED_MS;
	if (sqlite3_wal_checkpoint_v2(
		    checkpoint->db, NULL, SQLITE_CHECKPOINT_RESTART, &total, &done) != SQLITE_OK) {
		note_done(checkpoint, done);
		return false;
	}
	checkpoint->log_pages = 0;
	checkpoint->due_pages = DUE_PAGES;
	checkpoint->not_before = 0;
	return true;
}

/* sqlite.org/wal.html, "Avoiding Excessively Large WAL Files" */
static enum fw_status bound_log(struct fw_checkpoint *checkpoint)
{
	if (checkpoint->log_pages < checkpoint->most_pages)
		return FW_OK;
	if (fw_boot_ms() >= checkpoint->not_before && start_log_over(checkpoint))
		return FW_OK;
	snprintf(checkpoint->error.text, sizeof(checkpoint->error.text),
		"its log has grown to %d MiB, %s", checkpoint->most_pages >> 8,
		fw_checkpoint_hindrance(checkpoint));
	return FW_FAILED;
}

enum fw_status fw_checkpoint_allows(struct fw_checkpoint *checkpoint)
{
	if (checkpoint->status != FW_OK)
		fw_checkpoint_when_due(checkpoint);
	return checkpoint->status == FW_OK ? bound_log(checkpoint) : checkpoint->status;
}
