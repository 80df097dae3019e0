/* The spool: an append-only file that keeps uplinks safe before the device gets its
 * acknowledgement.
 *
 * One writer (the broker thread: fw_spool_append) and one reader (the store thread: fw_spool_read,
 * fw_spool_release). Records carry a sequence number that rises by one; the catalog stores the
 * number of the last record it applied in the transaction that applied it, so replay after a crash
 * is exactly once.
 *
 * On disk: segments `{prefix}-{first sequence, 20 digits}-{magic, 8 hex digits}`, each at most
 * FW_SPOOL_SEGMENT bytes and a record. A record is: the segment's magic (4 bytes), payload length
 * (4), sequence (8), CRC-32C of length, sequence and payload (4), payload; little endian. The magic
 * is random, so that no device can forge a record within its message for a reader that searches
 * behind damage. Zeros may follow the last record: the file grows before it is filled. A
 * segment is never appended to after a restart, so a torn last record stays where it is and is
 * skipped. A reader that meets damage searches for the next good record, counts what it skipped,
 * and goes on. A segment whose records are all applied is deleted.
 *
 * Numbers may be left out after a restart over damage. No number is given to a second record while
 * the first one can still be read. To know whether all has been read, ask fw_spool_read; do not
 * compare numbers.
 *
 * Once fw_spool_append has returned, a record survives the death of the process: it is in the
 * kernel's page cache. It survives a loss of power once fw_spool_sync, or the kernel by itself, has
 * written it. */
#ifndef FW_SPOOL_SPOOL_H
#define FW_SPOOL_SPOOL_H

#include "base/fw.h"

#define FW_SPOOL_SEGMENT (4u * 1024 * 1024)

struct fw_spool;

/* The seam that tests replace to inject faults; production passes NULL for the system's own, and a
 * member that is NULL is the system's own too. Each behaves as the system call of its name. */
struct fw_spool_io {
	int (*open)(const char *path, int flags, unsigned mode);
	long (*pwrite)(int fd, const void *bytes, size_t len, int64_t offset);
	long (*pread)(int fd, void *bytes, size_t len, int64_t offset);
};

/* Damage met since the spool was opened, by opening it or by reading. The same place is counted
 * once. Zeros at the end of a segment are no damage: what a loss of power left cannot be told from
 * space that was never written. */
struct fw_spool_damage {
	uint64_t bytes_skipped; /* unreadable bytes, a torn tail included */
	/* segments of an earlier run that end within a record: what a crash leaves */
	uint64_t torn_tails;
	uint64_t gaps; /* places in the middle of a segment where bytes were skipped */
};

/* Opens the spool whose segments begin with `prefix` (a path; its folder must exist), finding what
 * an earlier run left. `applied` is the catalog's last applied sequence; numbering goes on above
 * both. Deletes nothing but empty segments: SQLite's log, by which the catalog has what is applied,
 * may not be synced yet. The caller releases that once it is. FW_OK, FW_NOMEM, or FW_IO with a
 * message in `error`. The caller owns *out. On the I/O thread, at start. */
enum fw_status fw_spool_open(const char *prefix, uint64_t applied, const struct fw_spool_io *io,
	struct fw_spool **out, struct fw_error *error);

/* Renames the segments of an earlier run, so that they are not applied: ".kept" is put behind their
 * names. *last: no record of them is numbered above; 0: there were none. A spool that numbers above
 * *last can take them back later. FW_OK, FW_NOMEM, or FW_IO with a message in `error`. On the I/O
 * thread, at start, before fw_spool_open. */
enum fw_status fw_spool_quarantine(const char *prefix, uint64_t *last, struct fw_error *error);

/* Any thread. `suspect`: writing to the disk has failed elsewhere. Then each append is a pwrite(),
 * which reports errors, and not a copy into the mapping. */
void fw_spool_suspect(struct fw_spool *spool, bool suspect);

/* Broker thread. Nothing will be appended any more: closes what appending opened. NULL is fine. */
void fw_spool_seal(struct fw_spool *spool);

/* NULL is fine. On the I/O thread, with the store's thread stopped, after fw_spool_seal (which it
 * does for a caller of one thread). Deletes nothing but an empty segment. */
void fw_spool_close(struct fw_spool *spool);

/* Broker thread. Appends one record with one copy or write; on FW_OK it is readable and *sequence
 * (may be NULL) is set. FW_FULL (ENOSPC, EDQUOT, or no number is left), FW_IO, FW_NOMEM, FW_INVALID
 * (len 0 or over FW_SPOOL_PAYLOAD_MAX of spool/segment.h, 66,560 bytes): nothing was appended, and
 * the next append overwrites whatever part reached the file. */
enum fw_status fw_spool_append(
	struct fw_spool *spool, const void *payload, size_t len, uint64_t *sequence);

/* Store thread. Points *payload at the next record after the last one read, valid until the next
 * call of this function. FW_OK; FW_NOT_FOUND when all that was appended has been read; FW_IO: try
 * again later (what could not be read after several tries counts as damage, so that one bad sector
 * does not hold up everything behind it). The first record read is the first one with a sequence
 * above `applied`. */
enum fw_status fw_spool_read(
	struct fw_spool *spool, const unsigned char **payload, size_t *len, uint64_t *sequence);

/* Store thread. Goes back to read again from the first record above `sequence` (a transaction was
 * rolled back). `sequence` is never below what was released. */
void fw_spool_rewind(struct fw_spool *spool, uint64_t sequence);

/* Store thread. All records up to `sequence` are in the catalog: deletes the segments that hold no
 * others. Records up to `sequence` that were not read yet will not be read any more. */
void fw_spool_release(struct fw_spool *spool, uint64_t sequence);

/* Store thread. Waits until the disk has all that was appended before the call: *sequence is then
 * the last of it. FW_OK, or FW_IO with *sequence as it was. */
enum fw_status fw_spool_sync(struct fw_spool *spool, uint64_t *sequence);

/* Any thread. Sequence of the last appended record, 0 if none ever. */
uint64_t fw_spool_last(const struct fw_spool *spool);

/* Any thread. Bytes of the records appended or found and not yet released. */
uint64_t fw_spool_bytes(const struct fw_spool *spool);

/* Store thread. What has been skipped so far. */
struct fw_spool_damage fw_spool_damage(const struct fw_spool *spool);

#endif
