/* The spool: a list of segment files, the last of which is written.
 *
 * The broker thread writes, the store thread reads and deletes. They share:
 *  - the list, under `lock`, which the writer takes once a segment (4 MiB) and the reader at a
 * segment's end;
 *  - a segment's `end`: the writer publishes it after the bytes are in the file, the reader reads
 * no further. The writer's segment is never deleted, so neither thread ever holds a segment that
 * the other may free.
 *
 * A failed append leaves `end`, the offset and the number as they were. The next one overwrites
 * what it left; if the process dies first, that is a torn tail to the next run, or, should the
 * record be whole, one that was not acknowledged and which the device will send again. */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/mapping.h"
#include "spool/segment.h"

#define SEQUENCE_MAX ((uint64_t)INT64_MAX) /* SQLite's integers end there */
#define SEGMENT_MODE 0600u
#define SEGMENT_MOST (FW_SPOOL_SEGMENT + FW_SPOOL_RECORD_MAX) /* bytes */

struct segment {
	struct segment *next; /* under the lock */
	uint64_t first;
	uint64_t highest_possible; /* of a leftover: no record in it is numbered above */
	uint32_t magic;
	bool leftover; /* from an earlier run */
	_Atomic uint64_t end;
	/* the store thread's */
	uint64_t released; /* all before this offset is in the catalog */
	uint64_t counted;  /* damage before this offset is counted already */
	struct fw_segment_unreadable bad;
};

struct fw_spool {
	char *prefix;
	struct fw_spool_io io;
	_Atomic uint64_t last;
	_Atomic uint64_t bytes;
	atomic_bool suspect;

	pthread_mutex_t lock;
	struct segment *head, *tail;
	struct segment *writing; /* NULL until the first append; always the tail */

	/* the broker thread's */
	int fd; /* of `writing`, -1: none */
	struct fw_mapping map;
	uint64_t offset; /* where the next record goes */
	uint64_t next;   /* its number */
	unsigned char *frame;

	/* the store thread's */
	struct segment *reading; /* NULL: to be found */
	struct fw_segment_cursor cursor;
	uint64_t sequence; /* of the last record read */
	unsigned char *buffer;
	struct fw_spool_damage damage;
};

static int system_open(const char *path, int flags, unsigned mode)
{
	return open(path, flags, mode);
}

static long system_pwrite(int fd, const void *bytes, size_t len, int64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

static long system_pread(int fd, void *bytes, size_t len, int64_t offset)
{
	return pread(fd, bytes, len, offset);
}

static struct segment *segment_new(uint64_t first, uint32_t magic)
{
	struct segment *segment = calloc(1, sizeof(*segment));

	if (segment) {
		segment->first = first;
		segment->magic = magic;
		segment->highest_possible = first;
	}
	return segment;
}

static int segment_open(const struct fw_spool *spool, const struct segment *segment, int flags)
{
	char path[PATH_MAX];

	return spool->io.open(
		fw_directory_path(spool->prefix, segment->first, segment->magic, path),
		flags | O_CLOEXEC, SEGMENT_MODE);
}

static void segment_unlink(const struct fw_spool *spool, const struct segment *segment)
{
	char path[PATH_MAX];

	unlink(fw_directory_path(spool->prefix, segment->first, segment->magic, path));
}

static void spool_link(struct fw_spool *spool, struct segment *segment)
{
	if (spool->tail)
		spool->tail->next = segment;
	else
		spool->head = segment;
	spool->tail = segment;
}

/* No record of a segment that is not being written is numbered above this. Under the lock. */
static uint64_t segment_last(const struct segment *segment)
{
	return segment->next ? segment->next->first - 1 : segment->highest_possible;
}

/* Points the spool's cursor at what is not released of `segment`. A file deleted by hand reads as
 * damage: to fail would stop all that comes behind it. */
static enum fw_status cursor_open(struct fw_spool *spool, struct segment *segment, uint64_t below)
{
	int fd = segment_open(spool, segment, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);

	spool->cursor = (struct fw_segment_cursor){
		.fd = fd,
		.pread = spool->io.pread,
		.padded = segment->leftover,
		.buffer = spool->buffer,
		.bad = &segment->bad,
		.magic = segment->magic,
		.first = segment->first,
		.below = below,
		.at = segment->released,
	};
	return fd < 0 && errno != ENOENT ? FW_IO : FW_OK;
}

static void cursor_close(struct fw_spool *spool)
{
	if (spool->cursor.fd >= 0)
		close(spool->cursor.fd);
	spool->cursor.fd = -1;
	spool->reading = NULL;
}

/* One step of the cursor through `segment`, with the damage on its way counted. After a rewind it
 * passes the same places again. */
static enum fw_status cursor_step(struct fw_spool *spool, struct segment *segment, uint64_t limit,
	struct fw_segment_record *record)
{
	uint64_t from = spool->cursor.at, skipped;
	enum fw_status status = fw_segment_cursor_next(&spool->cursor, limit, record, &skipped);

	if (skipped == 0 || from + skipped <= segment->counted)
		return status;
	if (status == FW_NOT_FOUND && segment->leftover)
		spool->damage.torn_tails++;
	else
		spool->damage.gaps++;
	spool->damage.bytes_skipped +=
		from + skipped - (from > segment->counted ? from : segment->counted);
	segment->counted = from + skipped;
	return status;
}

/* Takes a file of an earlier run into the list; NULL when out of memory. */
static struct segment *adopt(struct fw_spool *spool, const struct fw_directory_entry *found)
{
	struct segment *segment = segment_new(found->first, found->magic);
	/* the writer makes none larger; what is larger must not make reading endless */
	uint64_t size = found->size < SEGMENT_MOST ? found->size : SEGMENT_MOST;

	if (!segment)
		return NULL;
	segment->leftover = true;
	atomic_init(&segment->end, size);
	atomic_fetch_add(&spool->bytes, size);
	spool_link(spool, segment);
	return segment;
}

/* The highest sequence in a leftover segment, 0 if there is none; counts its damage. */
static uint64_t scan(struct fw_spool *spool, struct segment *segment)
{
	uint64_t below = segment->next ? segment->next->first : SEQUENCE_MAX + 1;
	uint64_t end = atomic_load(&segment->end);
	struct fw_segment_record record;
	enum fw_status status = cursor_open(spool, segment, below);

	while (status == FW_OK)
		status = cursor_step(spool, segment, end, &record);
	/* what cannot be read now may be read later: its numbers must not be given again */
	if (status != FW_NOT_FOUND)
		segment->highest_possible = segment->first + end / (FW_SPOOL_HEADER + 1);
	else if (spool->cursor.last > 0)
		segment->highest_possible = spool->cursor.last;
	cursor_close(spool);
	return spool->cursor.last;
}

/* Segments are numbered in their order, so the last one that has a record has the highest sequence.
 */
static void number_on(
	struct fw_spool *spool, uint64_t applied, struct segment *const *order, size_t count)
{
	uint64_t found = 0, highest_possible = applied;

	while (count > 0 && found == 0) {
		struct segment *segment = order[--count];

		found = scan(spool, segment);
		if (segment->highest_possible > highest_possible)
			highest_possible = segment->highest_possible;
	}
	atomic_init(&spool->last, found > applied ? found : applied);
	spool->next = highest_possible < SEQUENCE_MAX ? highest_possible + 1 : SEQUENCE_MAX + 1;
	spool->sequence = applied;
}

/* Finds what earlier runs left. */
static enum fw_status recover(struct fw_spool *spool, uint64_t applied, struct fw_error *error)
{
	struct fw_directory_entry *found = NULL;
	struct segment **order = NULL;
	size_t count = 0;
	enum fw_status status = fw_directory_list(spool->prefix, &found, &count, error);

	if (status == FW_OK) {
		order = calloc(count + 1, sizeof(struct segment *));
		status = order ? FW_OK : FW_NOMEM;
	}
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		order[i] = adopt(spool, &found[i]);
		status = order[i] ? FW_OK : FW_NOMEM;
	}
	if (status == FW_OK) {
		number_on(spool, applied, order, count);
		fw_spool_release(spool, applied);
	}
	free(order);
	free(found);
	return status;
}

static struct fw_spool *spool_new(const char *prefix, const struct fw_spool_io *io)
{
	struct fw_spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return NULL;
	pthread_mutex_init(&spool->lock, NULL);
	spool->fd = -1;
	spool->cursor.fd = -1;
	spool->io.open = io && io->open ? io->open : system_open;
	spool->io.pwrite = io && io->pwrite ? io->pwrite : system_pwrite;
	spool->io.pread = io && io->pread ? io->pread : system_pread;
	spool->prefix = strdup(prefix);
	spool->frame = malloc(FW_SPOOL_RECORD_MAX);
	spool->buffer = malloc(FW_SPOOL_BUFFER);
	if (!spool->prefix || !spool->frame || !spool->buffer) {
		fw_spool_close(spool);
		return NULL;
	}
	return spool;
}

enum fw_status fw_spool_open(const char *prefix, uint64_t applied, const struct fw_spool_io *io,
	struct fw_spool **out, struct fw_error *error)
{
	struct fw_spool *spool;
	enum fw_status status;

	spool = spool_new(prefix, io);
	status = spool ? recover(spool, applied, error) : FW_NOMEM;
	if (status == FW_NOMEM)
		fw_error_set(error, "out of memory while opening the spool");
	if (status == FW_OK)
		*out = spool;
	else
		fw_spool_close(spool);
	return status;
}

void fw_spool_suspect(struct fw_spool *spool, bool suspect)
{
	atomic_store_explicit(&spool->suspect, suspect, memory_order_relaxed);
}

void fw_spool_seal(struct fw_spool *spool)
{
	if (!spool || spool->fd < 0)
		return;
	fw_mapping_close(&spool->map, spool->offset);
	close(spool->fd);
	spool->fd = -1;
}

void fw_spool_close(struct fw_spool *spool)
{
	if (!spool)
		return;
	cursor_close(spool);
	fw_spool_seal(spool);
	if (spool->writing && spool->offset == 0)
		segment_unlink(spool, spool->writing);
	for (struct segment *segment = spool->head, *next; segment; segment = next) {
		next = segment->next;
		free(segment);
	}
	pthread_mutex_destroy(&spool->lock);
	free(spool->prefix);
	free(spool->frame);
	free(spool->buffer);
	free(spool);
}

static enum fw_status status_of_errno(int code)
{
	return code == ENOSPC || code == EDQUOT ? FW_FULL : FW_IO;
}

static uint32_t random_magic(void)
{
	uint32_t magic;

	do {
		magic = (uint32_t)fw_random();
	} while (magic == 0); /* zeros are what a loss of power leaves */
	return magic;
}

/* Begins a new segment. When that fails the old one stays, full, and the next append tries again.
 */
static enum fw_status rotate(struct fw_spool *spool)
{
	struct segment *segment = segment_new(spool->next, random_magic());
	int fd;

	if (!segment)
		return FW_NOMEM;
	fd = segment_open(spool, segment, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0) {
		enum fw_status status = status_of_errno(errno);

		free(segment);
		return status;
	}
	fw_spool_seal(spool);
	spool->fd = fd;
	spool->offset = 0;
	/* blocks in advance, without a longer file: each append is then spared finding some. Where
	 * there are none, each write is to say so. */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SEGMENT_MOST) == 0 &&
		spool->io.pwrite == system_pwrite && !atomic_load(&spool->suspect))
		fw_mapping_open(&spool->map, fd, SEGMENT_MOST);
	pthread_mutex_lock(&spool->lock);
	spool_link(spool, segment);
	spool->writing = segment;
	pthread_mutex_unlock(&spool->lock);
	return FW_OK;
}

/* A copy; or one system call but for a signal or a disk that takes a part. */
static enum fw_status write_frame(struct fw_spool *spool, size_t len)
{
	size_t done = 0;

	if (spool->map.at && !atomic_load_explicit(&spool->suspect, memory_order_relaxed) &&
		fw_mapping_write(&spool->map, spool->frame, len, spool->offset))
		return FW_OK;
	fw_mapping_close(&spool->map, spool->offset);
	while (done < len) {
		long wrote = spool->io.pwrite(spool->fd, spool->frame + done, len - done,
			(int64_t)(spool->offset + done));

		if (wrote > 0)
			done += (size_t)wrote;
		else if (wrote == 0)
			return FW_IO;
		else if (errno != EINTR)
			return status_of_errno(errno);
	}
	return FW_OK;
}

enum fw_status fw_spool_append(
	struct fw_spool *spool, const void *payload, size_t len, uint64_t *sequence)
{
	enum fw_status status = FW_OK;
	size_t size;

	if (len == 0 || len > FW_SPOOL_PAYLOAD_MAX)
		return FW_INVALID;
	if (spool->next > SEQUENCE_MAX)
		return FW_FULL;
	if (!spool->writing || spool->offset >= FW_SPOOL_SEGMENT)
		status = rotate(spool);
	if (status != FW_OK)
		return status;
	size = fw_segment_frame(spool->frame, spool->writing->magic, spool->next, payload, len);
	status = write_frame(spool, size);
	if (status != FW_OK)
		return status;
	spool->offset += size;
	atomic_fetch_add_explicit(&spool->bytes, size, memory_order_relaxed);
	atomic_store_explicit(&spool->writing->end, spool->offset, memory_order_release);
	atomic_store_explicit(&spool->last, spool->next, memory_order_release);
	if (sequence)
		*sequence = spool->next;
	spool->next++;
	return FW_OK;
}

/* The segment after the one being read, or, if there is none, the first with something unread; NULL
 * if there is nothing. *below: the number at which the one after that begins. */
static struct segment *segment_ahead(struct fw_spool *spool, uint64_t *below)
{
	struct segment *segment;

	pthread_mutex_lock(&spool->lock);
	segment = spool->reading ? spool->reading->next : spool->head;
	while (!spool->reading && segment && segment != spool->writing &&
		segment_last(segment) <= spool->sequence)
		segment = segment->next;
	*below = segment && segment->next ? segment->next->first : SEQUENCE_MAX + 1;
	pthread_mutex_unlock(&spool->lock);
	return segment;
}

/* Goes on when all up to `end` of the segment being read (if any) has been read. FW_NOT_FOUND: that
 * was all. */
static enum fw_status read_on(struct fw_spool *spool, uint64_t end)
{
	uint64_t below;
	struct segment *segment = segment_ahead(spool, &below);
	enum fw_status status;

	/* the writer may have added to the old segment before it began the new one */
	if (spool->reading &&
		atomic_load_explicit(&spool->reading->end, memory_order_acquire) > end)
		return FW_OK;
	if (!segment)
		return FW_NOT_FOUND;
	cursor_close(spool);
	status = cursor_open(spool, segment, below);
	if (status == FW_OK)
		spool->reading = segment;
	return status;
}

enum fw_status fw_spool_read(
	struct fw_spool *spool, const unsigned char **payload, size_t *len, uint64_t *sequence)
{
	struct fw_segment_record record;
	enum fw_status status = spool->reading ? FW_OK : read_on(spool, 0);

	while (status == FW_OK) {
		uint64_t end = atomic_load_explicit(&spool->reading->end, memory_order_acquire);

		status = cursor_step(spool, spool->reading, end, &record);
		if (status == FW_OK && record.sequence > spool->sequence) {
			*payload = record.payload;
			*len = record.len;
			*sequence = spool->sequence = record.sequence;
			return FW_OK;
		}
		if (status == FW_NOT_FOUND)
			status = read_on(spool, end);
	}
	return status;
}

void fw_spool_rewind(struct fw_spool *spool, uint64_t sequence)
{
	cursor_close(spool);
	spool->sequence = sequence;
}

/* Takes the segments that hold nothing above `sequence` off the list. `passed`: all that was read
 * is released, so whatever lies before the segment being read is too. */
static struct segment *unlink_released(struct fw_spool *spool, uint64_t sequence, bool passed)
{
	struct segment *gone, *last = NULL;

	pthread_mutex_lock(&spool->lock);
	gone = spool->head;
	while (spool->head && spool->head != spool->writing &&
		(segment_last(spool->head) <= sequence ||
			(passed && spool->reading && spool->head != spool->reading))) {
		last = spool->head;
		if (last == spool->reading)
			passed = false;
		spool->head = last->next;
	}
	if (!spool->head)
		spool->tail = NULL;
	pthread_mutex_unlock(&spool->lock);
	if (!last)
		return NULL;
	last->next = NULL;
	return gone;
}

void fw_spool_release(struct fw_spool *spool, uint64_t sequence)
{
	struct segment *gone, *next;

	gone = unlink_released(spool, sequence, sequence >= spool->sequence);
	if (sequence > spool->sequence)
		spool->sequence = sequence;
	for (; gone; gone = next) {
		next = gone->next;
		if (gone == spool->reading)
			cursor_close(spool);
		segment_unlink(spool, gone);
		atomic_fetch_sub(&spool->bytes, atomic_load(&gone->end) - gone->released);
		free(gone);
	}
	if (spool->reading && sequence == spool->sequence) {
		atomic_fetch_sub(&spool->bytes, spool->cursor.at - spool->reading->released);
		spool->reading->released = spool->cursor.at;
	}
}

uint64_t fw_spool_last(const struct fw_spool *spool)
{
	return atomic_load_explicit(&spool->last, memory_order_acquire);
}

uint64_t fw_spool_bytes(const struct fw_spool *spool)
{
	return atomic_load_explicit(&spool->bytes, memory_order_relaxed);
}

struct fw_spool_damage fw_spool_damage(const struct fw_spool *spool)
{
	return spool->damage;
}
