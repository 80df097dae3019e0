/* Any bytes as a segment that an earlier run left: it is read to the end, its records come in
 * order, opening and reading find the same, and what is appended afterwards is read. */
#include "spool/spool.h"
#include "spool/segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The magic of the corpus' records is "FUZZ". */
#define SEGMENT "-00000000000000000001-5a5a5546"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static char folder[] = "/tmp/fw-fuzz-spool-XXXXXX";
static char prefix[sizeof(folder) + 8];
static char segment[sizeof(prefix) + sizeof(SEGMENT)];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void remove_folder(void)
{
	unlink(segment);
	rmdir(folder);
}

static void make_segment(const uint8_t *bytes, size_t len)
{
	int fd;

	if (!prefix[0]) {
		require(mkdtemp(folder) != NULL);
		snprintf(prefix, sizeof(prefix), "%s/spool", folder);
		snprintf(segment, sizeof(segment), "%s" SEGMENT, prefix);
		atexit(remove_folder);
	}
	fd = open(segment, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

/* Reads what is there; returns the number of records. */
static size_t read_all(struct fw_spool *spool, uint64_t *last)
{
	const unsigned char *payload;
	size_t count = 0, len;
	uint64_t sequence;

	for (; fw_spool_read(spool, &payload, &len, &sequence) == FW_OK; count++) {
		require(sequence > *last && len >= 1 && len <= FW_SPOOL_PAYLOAD_MAX);
		*last = sequence;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fw_error error = {""};
	struct fw_spool_damage damage, again;
	uint64_t last = 0, sequence = 0;
	struct fw_spool *spool;
	size_t count;

	make_segment(bytes, len);
	require(fw_spool_open(prefix, 0, NULL, &spool, &error) == FW_OK);
	require(fw_spool_bytes(spool) <= len);
	damage = fw_spool_damage(spool);
	count = read_all(spool, &last);
	require(last == fw_spool_last(spool) && count * 21 + damage.bytes_skipped <= len);
	fw_spool_rewind(spool, 0);
	last = 0;
	require(read_all(spool, &last) == count);
	again = fw_spool_damage(spool);
	require(memcmp(&damage, &again, sizeof(damage)) == 0);
	require(fw_spool_append(spool, bytes,
			len < 1             ? 0
				: len < 100 ? len
					    : 100,
			&sequence) == (len < 1 ? FW_INVALID : FW_OK));
	require(len < 1 || (sequence > last && read_all(spool, &last) == 1 && last == sequence));
	fw_spool_release(spool, last);
	require(fw_spool_bytes(spool) == 0);
	fw_spool_close(spool);
	/* after the next open the last segment goes too: all of it is applied */
	last = last > 0 ? last : 1;
	require(fw_spool_open(prefix, last, NULL, &spool, &error) == FW_OK);
	fw_spool_release(spool, last);
	require(fw_spool_bytes(spool) == 0);
	fw_spool_close(spool);
	return 0;
}
