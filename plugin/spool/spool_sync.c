/* Makes the spool safe against loss of power: the store thread's side.
 *
 * The broker thread appends without waiting for the disk. The store thread opens each segment anew,
 * since the broker thread's descriptors are not valid here (base/io_thread.h), and syncs it:
 * fdatasync covers what was copied into a mapping, too. A segment's name is safe once its folder
 * was synced. */
#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "spool/directory.h"

static enum fw_status sync_folder(const struct fw_spool *spool)
{
	char folder[PATH_MAX];
	int fd, code;

	fd = open(fw_directory_folder(spool->prefix, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return FW_IO;
	code = fsync(fd);
	close(fd);
	return code == 0 ? FW_OK : FW_IO;
}

/* Sets *named when the name of the segment may not be safe yet. */
static enum fw_status sync_segment(
	const struct fw_spool *spool, struct fw_spool_segment *segment, bool *named)
{
	uint64_t end = atomic_load_explicit(&segment->end, memory_order_acquire);
	int fd, code;

	if (end <= segment->synced)
		return FW_OK;
	fd = fw_spool_segment_open(spool, segment, O_RDONLY);
	/* a removed segment is damage, which the reader counts */
	if (fd < 0 && errno != ENOENT)
		return FW_IO;
	code = fd < 0 ? 0 : fdatasync(fd);
	if (fd >= 0)
		close(fd);
	if (code != 0)
		return FW_IO;
	*named |= segment->synced == 0;
	segment->synced = end;
	return FW_OK;
}

static struct fw_spool_segment *next_of(struct fw_spool *spool, struct fw_spool_segment *segment)
{
	struct fw_spool_segment *next;

	pthread_mutex_lock(&spool->lock);
	next = segment ? segment->next : spool->head;
	pthread_mutex_unlock(&spool->lock);
	return next;
}

enum fw_status fw_spool_sync(struct fw_spool *spool, uint64_t *sequence)
{
	uint64_t last = fw_spool_last(spool);
	enum fw_status status = FW_OK;
	bool named = false;

	for (struct fw_spool_segment *segment = next_of(spool, NULL); segment && status == FW_OK;
		segment = next_of(spool, segment))
		status = sync_segment(spool, segment, &named);
	spool->unnamed |= named;
	if (status == FW_OK && spool->unnamed) {
		status = sync_folder(spool);
		spool->unnamed = status != FW_OK;
	}
	if (status == FW_OK)
		*sequence = last;
	return status;
}
