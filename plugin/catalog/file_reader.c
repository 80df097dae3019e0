/* A connection and its two statements under a mutex, which is held for a look-up alone: the file is
 * opened after it. A file that is not the one that was verified sets hosting->suspect, and the
 * store compares all files with their rows. */
#include "catalog/file_reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog/db.h"

/* Short, since callers take turns. In WAL mode a reader waits only while the log is recovered; the
 * client is then told to ask again. */
#define BUSY_MS 50

enum statement { FIND, REJECTED, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[FIND] = "SELECT f.product_id, f.file, ff.size, ff.mtime_ns, ff.ctime_ns, ff.inode, "
		 "ff.sha256"
		 " FROM firmware f CROSS JOIN firmware_file ff ON ff.firmware_id = f.firmware_id "
		 "AND ff.file = f.file"
		 " WHERE f.firmware_id = ?1 AND f.state = 'ready' AND ff.sha256 IS NOT NULL",
	/* not pending: the file was touched or replaced, and transfers of the old one may go on */
	[REJECTED] = "SELECT state = 'rejected' FROM firmware WHERE firmware_id = ?1",
};

struct fw_file_reader {
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	struct fw_hosting *hosting;
};

enum fw_status fw_file_reader_open(const char *path, struct fw_hosting *hosting,
	struct fw_file_reader **out, struct fw_error *error)
{
	struct fw_file_reader *file_reader = calloc(1, sizeof(*file_reader));
	enum fw_status status;

	if (!file_reader)
		return FW_NOMEM;
	pthread_mutex_init(&file_reader->lock, NULL);
	file_reader->hosting = hosting;
	status = fw_db_open(path, BUSY_MS, &file_reader->db, error);
	if (status == FW_OK)
		status = fw_db_exec(
			file_reader->db, "PRAGMA query_only = ON; PRAGMA cache_size = -512", error);
	if (status == FW_OK)
		status = fw_db_prepare(
			file_reader->db, sql, file_reader->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_file_reader_close(file_reader);
		return status;
	}
	*out = file_reader;
	return FW_OK;
}

void fw_file_reader_close(struct fw_file_reader *file_reader)
{
	if (!file_reader)
		return;
	fw_db_finalize(file_reader->statements, STATEMENTS);
	sqlite3_close(file_reader->db);
	pthread_mutex_destroy(&file_reader->lock);
	free(file_reader);
}

/* False: there is no text, or it does not fit. */
static bool copy_text(struct fw_slice text, char *buffer, size_t size)
{
	return text.len && fw_slice_copy(text, buffer, size);
}

static bool read_row(sqlite3_stmt *statement, struct fw_hosted_file *out, char *file, size_t size)
{
	out->stamp = (struct fw_file_stamp){.size = sqlite3_column_int64(statement, 2),
		.mtime_ns = sqlite3_column_int64(statement, 3),
		.ctime_ns = sqlite3_column_int64(statement, 4),
		.inode = sqlite3_column_int64(statement, 5)};
	return copy_text(fw_db_text(statement, 0), out->product_id, sizeof(out->product_id)) &&
		copy_text(fw_db_text(statement, 1), file, size) &&
		copy_text(fw_db_text(statement, 6), out->sha256, sizeof(out->sha256));
}

static enum fw_status look_up(struct fw_file_reader *file_reader, struct fw_slice firmware_id,
	struct fw_hosted_file *out, char *file, size_t size)
{
	sqlite3_stmt *statement = file_reader->statements[FIND];
	enum fw_status status;

	pthread_mutex_lock(&file_reader->lock);
	fw_db_bind_text(statement, 1, firmware_id);
	status = fw_db_step(statement);
	if (status == FW_OK) {
		status = read_row(statement, out, file, size) ? FW_OK : FW_NOT_FOUND;
		sqlite3_reset(statement);
	}
	pthread_mutex_unlock(&file_reader->lock);
	return status;
}

enum fw_status fw_file_reader_find(struct fw_file_reader *file_reader, struct fw_slice firmware_id,
	struct fw_slice file, struct fw_hosted_file *out)
{
	struct fw_file_stamp stamp;
	char name[256];
	enum fw_status status;

	if (!copy_text(firmware_id, out->firmware_id, sizeof(out->firmware_id)))
		return FW_NOT_FOUND;
	status = look_up(file_reader, firmware_id, out, name, sizeof(name));
	if (status != FW_OK)
		return status;
	if (file.len && !fw_slice_equal(file, fw_slice_of(name)))
		return FW_NOT_FOUND;
	status = fw_folder_open(file_reader->hosting->folder, name, &out->fd, &stamp, NULL);
	if (status == FW_OK && fw_file_stamp_equal(&stamp, &out->stamp))
		return FW_OK;
	/* a passing error, such as too few descriptors */
	if (status == FW_BUSY)
		return FW_BUSY;
	if (status == FW_OK)
		close(out->fd);
	atomic_store(&file_reader->hosting->suspect, true);
	return FW_NOT_FOUND;
}

bool fw_file_reader_withdrawn(struct fw_file_reader *file_reader, struct fw_slice firmware_id)
{
	sqlite3_stmt *statement = file_reader->statements[REJECTED];
	enum fw_status status;
	bool withdrawn;

	pthread_mutex_lock(&file_reader->lock);
	fw_db_bind_text(statement, 1, firmware_id);
	status = fw_db_step(statement);
	withdrawn = status == FW_NOT_FOUND || (status == FW_OK && sqlite3_column_int(statement, 0));
	sqlite3_reset(statement);
	pthread_mutex_unlock(&file_reader->lock);
	return withdrawn;
}
