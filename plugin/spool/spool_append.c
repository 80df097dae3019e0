/* Appends to the spool: the broker thread's side.
 *
 * A failed append leaves `end`, the offset and the number as they were, and the next append
 * overwrites its bytes. If the process dies before that, the next run finds a torn tail; or, where
 * the record is whole, an uplink that was not acknowledged and that the device sends again. */
#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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

void fw_spool_seal(struct fw_spool *spool)
{
	if (!spool || spool->fd < 0)
		return;
	fw_mapping_close(&spool->map, spool->offset);
	close(spool->fd);
	spool->fd = -1;
}

/* Begins a new segment. Where that fails, the full one stays, and the next append tries again. */
static enum fw_status begin_segment(struct fw_spool *spool)
{
	struct fw_spool_segment *segment = fw_spool_segment_new(spool->next, random_magic());
	int fd;

	if (!segment)
		return FW_NOMEM;
	fd = fw_spool_segment_open(spool, segment, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0) {
		enum fw_status status = status_of_errno(errno);

		free(segment);
		return status;
	}
	fw_spool_seal(spool);
	spool->fd = fd;
	spool->offset = 0;
	/* Allocates the blocks in advance, without a longer file: appends need not find any. Where
	 * that fails nothing is mapped, so that each pwrite reports a full disk. */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, FW_SPOOL_SEGMENT_MOST) == 0 &&
		spool->io.pwrite == fw_spool_system_pwrite && !atomic_load(&spool->suspect))
		fw_mapping_open(&spool->map, fd, FW_SPOOL_SEGMENT_MOST);
	pthread_mutex_lock(&spool->lock);
	fw_spool_link(spool, segment);
	spool->writing = segment;
	pthread_mutex_unlock(&spool->lock);
	return FW_OK;
}

/* Copies the frame into the mapping, or writes it: one system call, unless a signal or a full disk
 * cuts it short. */
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
	if (spool->next > FW_SPOOL_SEQUENCE_MAX)
		return FW_FULL;
	if (!spool->writing || spool->offset >= FW_SPOOL_SEGMENT)
		status = begin_segment(spool);
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
