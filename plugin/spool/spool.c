/* Opens the spool, and recovers what an earlier run left.
 *
 * Segments of an earlier run are adopted as they are and never appended to. The last one that has a
 * record says where the numbers go on: above each number that a record there may have. No number is
 * given to a second record while the first one can still be read. */
#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/directory.h"

#define SEGMENT_MODE 0600u

static int system_open(const char *path, int flags, unsigned mode)
{
	return open(path, flags, mode);
}

long fw_spool_system_pwrite(int fd, const void *bytes, size_t len, int64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

static long system_pread(int fd, void *bytes, size_t len, int64_t offset)
{
	return pread(fd, bytes, len, offset);
}

struct fw_spool_segment *fw_spool_segment_new(uint64_t first, uint32_t magic)
{
	struct fw_spool_segment *segment = calloc(1, sizeof(*segment));

	if (segment) {
		segment->first = first;
		segment->magic = magic;
		segment->highest_possible = first;
	}
	return segment;
}

int fw_spool_segment_open(
	const struct fw_spool *spool, const struct fw_spool_segment *segment, int flags)
{
	char path[PATH_MAX];

	return spool->io.open(
		fw_directory_path(spool->prefix, segment->first, segment->magic, path),
		flags | O_CLOEXEC, SEGMENT_MODE);
}

void fw_spool_segment_unlink(const struct fw_spool *spool, const struct fw_spool_segment *segment)
{
	char path[PATH_MAX];

	unlink(fw_directory_path(spool->prefix, segment->first, segment->magic, path));
}

void fw_spool_link(struct fw_spool *spool, struct fw_spool_segment *segment)
{
	if (spool->tail)
		spool->tail->next = segment;
	else
		spool->head = segment;
	spool->tail = segment;
}

/* Takes a file of an earlier run into the list; NULL when out of memory. */
static struct fw_spool_segment *adopt(
	struct fw_spool *spool, const struct fw_directory_entry *found)
{
	struct fw_spool_segment *segment = fw_spool_segment_new(found->first, found->magic);
	/* the writer makes none larger; what is larger must not make reading endless */
	uint64_t size = found->size < FW_SPOOL_SEGMENT_MOST ? found->size : FW_SPOOL_SEGMENT_MOST;

	if (!segment)
		return NULL;
	segment->leftover = true;
	atomic_init(&segment->end, size);
	atomic_fetch_add(&spool->bytes, size);
	fw_spool_link(spool, segment);
	return segment;
}

/* The highest sequence in a leftover segment, 0 if there is none; counts its damage. */
static uint64_t scan_segment(struct fw_spool *spool, struct fw_spool_segment *segment)
{
	uint64_t below = segment->next ? segment->next->first : FW_SPOOL_SEQUENCE_MAX + 1;
	uint64_t end = atomic_load(&segment->end);
	struct fw_segment_record record;
	enum fw_status status = fw_spool_cursor_open(spool, segment, below);

	while (status == FW_OK)
		status = fw_spool_cursor_step(spool, segment, end, &record);
	/* what cannot be read now may be read later: its numbers must not be given again */
	if (status != FW_NOT_FOUND)
		segment->highest_possible = segment->first + end / (FW_SPOOL_HEADER + 1);
	else if (spool->cursor.last > 0)
		segment->highest_possible = spool->cursor.last;
	fw_spool_cursor_close(spool);
	return spool->cursor.last;
}

/* Sets where the numbers go on. Segments are numbered in their order, so the last one that has a
 * record has the highest sequence. */
static void continue_numbers(struct fw_spool *spool, uint64_t applied,
	struct fw_spool_segment *const *order, size_t count)
{
	uint64_t found = 0, highest_possible = applied;

	while (count > 0 && found == 0) {
		struct fw_spool_segment *segment = order[--count];

		found = scan_segment(spool, segment);
		if (segment->highest_possible > highest_possible)
			highest_possible = segment->highest_possible;
	}
	atomic_init(&spool->last, found > applied ? found : applied);
	spool->next = highest_possible < FW_SPOOL_SEQUENCE_MAX ? highest_possible + 1
							       : FW_SPOOL_SEQUENCE_MAX + 1;
	spool->sequence = applied;
}

/* Finds what earlier runs left. */
static enum fw_status recover(struct fw_spool *spool, uint64_t applied, struct fw_error *error)
{
	struct fw_directory_entry *found = NULL;
	struct fw_spool_segment **order = NULL;
	size_t count = 0;
	enum fw_status status = fw_directory_list(spool->prefix, &found, &count, error);

	if (status == FW_OK) {
		order = calloc(count + 1, sizeof(struct fw_spool_segment *));
		status = order ? FW_OK : FW_NOMEM;
	}
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		order[i] = adopt(spool, &found[i]);
		status = order[i] ? FW_OK : FW_NOMEM;
	}
	if (status == FW_OK)
		continue_numbers(spool, applied, order, count);
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
	spool->io.pwrite = io && io->pwrite ? io->pwrite : fw_spool_system_pwrite;
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

enum fw_status fw_spool_quarantine(const char *prefix, uint64_t *last, struct fw_error *error)
{
	struct fw_directory_entry *found;
	size_t count;
	enum fw_status status = fw_directory_list(prefix, &found, &count, error);

	*last = 0;
	if (status != FW_OK)
		return status;
	for (size_t i = 0; i < count && status == FW_OK; i++) {
		/* no record is smaller */
		uint64_t most = found[i].first + found[i].size / (FW_SPOOL_HEADER + 1);
		char path[PATH_MAX], kept[PATH_MAX + 8];

		*last = most > *last ? most : *last;
		fw_directory_path(prefix, found[i].first, found[i].magic, path);
		snprintf(kept, sizeof(kept), "%s.kept", path);
		if (rename(path, kept) != 0) {
			fw_error_set(error,
				"cannot rename %s, which keeps acknowledged messages: %s", path,
				strerror(errno));
			status = FW_IO;
		}
	}
	free(found);
	return status;
}

void fw_spool_suspect(struct fw_spool *spool, bool suspect)
{
	atomic_store_explicit(&spool->suspect, suspect, memory_order_relaxed);
}

void fw_spool_close(struct fw_spool *spool)
{
	if (!spool)
		return;
	fw_spool_cursor_close(spool);
	fw_spool_seal(spool);
	if (spool->writing && spool->offset == 0)
		fw_spool_segment_unlink(spool, spool->writing);
	for (struct fw_spool_segment *segment = spool->head, *next; segment; segment = next) {
		next = segment->next;
		free(segment);
	}
	pthread_mutex_destroy(&spool->lock);
	free(spool->prefix);
	free(spool->frame);
	free(spool->buffer);
	free(spool);
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
