/* What the tests of the spool share: a folder of their own, system calls that fail on demand, and
 * short forms of "append this" and "the next record is that". */
#ifndef SPOOL_FIXTURE_H
#define SPOOL_FIXTURE_H

#include "spool/spool.h"
#include "spool/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER 20u /* bytes around a payload: spool/spool.h */
#define BIG 60000u
#define BIG_PER_SEGMENT (FW_SPOOL_SEGMENT / (BIG + HEADER) + 1)

struct fixture {
	char folder[64];
	char prefix[80];
};

/* What the injected system calls do next. */
static struct {
	int open_errno;  /* fail the next opens for writing */
	int write_errno; /* fail writes, once `write_budget` bytes went through */
	long write_budget;
	long write_most; /* bytes a write takes at a time, 0 for all */
	bool write_lies; /* a failing write has written everything */
	int interrupts;  /* EINTR so many times first */
	int read_errno;
	int64_t read_bad_from, read_bad_to; /* offsets at which reading fails */
	int read_failures;                  /* how often it fails, -1 for ever */
	bool read_whole;                    /* and so does a read that begins before them */
	long read_most;
	void (*at_read)(void); /* called once, in the middle of the next read */
	int writes, reads;
} fault;

static inline int faulty_open(const char *path, int flags, unsigned mode)
{
	if ((flags & O_CREAT) && fault.open_errno) {
		errno = fault.open_errno;
		return -1;
	}
	return open(path, flags, mode);
}

static inline long faulty_pwrite(int fd, const void *bytes, size_t len, int64_t offset)
{
	fault.writes++;
	if (fault.interrupts > 0) {
		fault.interrupts--;
		errno = EINTR;
		return -1;
	}
	if (fault.write_errno && fault.write_budget <= 0) {
		if (fault.write_lies)
			assert_int_equal(pwrite(fd, bytes, len, offset), len);
		errno = fault.write_errno;
		return -1;
	}
	if (fault.write_errno && (long)len > fault.write_budget)
		len = (size_t)fault.write_budget;
	if (fault.write_most && (long)len > fault.write_most)
		len = (size_t)fault.write_most;
	fault.write_budget -= (long)len;
	return pwrite(fd, bytes, len, offset);
}

static inline long faulty_pread(int fd, void *bytes, size_t len, int64_t offset)
{
	void (*at_read)(void) = fault.at_read;

	fault.reads++;
	fault.at_read = NULL;
	if (at_read)
		at_read();
	if (fault.read_errno && fault.read_failures != 0 && offset < fault.read_bad_to &&
		offset + (int64_t)len > fault.read_bad_from) {
		if (offset < fault.read_bad_from && !fault.read_whole)
			return pread(fd, bytes, (size_t)(fault.read_bad_from - offset), offset);
		fault.read_failures -= fault.read_failures > 0;
		errno = fault.read_errno;
		return -1;
	}
	if (fault.read_most && (long)len > fault.read_most)
		len = (size_t)fault.read_most;
	return pread(fd, bytes, len, offset);
}

static const struct fw_spool_io faulty = {faulty_open, faulty_pwrite, faulty_pread};

static inline int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	memset(&fault, 0, sizeof(fault));
	strcpy(fixture->folder, "/tmp/fw-spool-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->prefix, sizeof(fixture->prefix), "%s/spool", fixture->folder);
	*state = fixture;
	return 0;
}

/* Calls `visit` with the path of each file in the folder; returns their number. */
static inline int each_file(const struct fixture *fixture, void (*visit)(const char *path))
{
	DIR *dir = opendir(fixture->folder);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[400];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", fixture->folder, entry->d_name);
		if (visit)
			visit(path);
		count++;
	}
	closedir(dir);
	return count;
}

static inline void remove_any(const char *path)
{
	if (unlink(path) != 0)
		rmdir(path);
}

static inline int teardown(void **state)
{
	each_file(*state, remove_any);
	rmdir(((struct fixture *)*state)->folder);
	free(*state);
	return 0;
}

static inline int file_count(const struct fixture *fixture)
{
	return each_file(fixture, NULL);
}

static inline struct fw_spool *reopen(const struct fixture *fixture, uint64_t applied)
{
	struct fw_error error = {""};
	struct fw_spool *spool = NULL;
	enum fw_status status = fw_spool_open(fixture->prefix, applied, &faulty, &spool, &error);

	assert_string_equal(error.text, "");
	assert_int_equal(status, FW_OK);
	fw_spool_release(spool, applied);
	return spool;
}

static inline uint64_t append(struct fw_spool *spool, const char *text)
{
	uint64_t sequence = 0;

	assert_int_equal(fw_spool_append(spool, text, strlen(text), &sequence), FW_OK);
	assert_int_equal(fw_spool_last(spool), sequence);
	return sequence;
}

static inline void append_big(struct fw_spool *spool, unsigned count)
{
	static unsigned char big[BIG];

	memset(big, 'b', sizeof(big));
	for (unsigned i = 0; i < count; i++) {
		big[0] = (unsigned char)i;
		assert_int_equal(fw_spool_append(spool, big, sizeof(big), NULL), FW_OK);
	}
}

static inline void expect(struct fw_spool *spool, uint64_t sequence, const char *text)
{
	const unsigned char *payload;
	uint64_t got;
	size_t len;

	assert_int_equal(fw_spool_read(spool, &payload, &len, &got), FW_OK);
	assert_int_equal(got, sequence);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(payload, text, len);
}

static inline void expect_end(struct fw_spool *spool)
{
	const unsigned char *payload;
	uint64_t sequence;
	size_t len;

	assert_int_equal(fw_spool_read(spool, &payload, &len, &sequence), FW_NOT_FOUND);
}

/* Reads to the end; returns the number of records and the last sequence. Each must be above the one
 * before. */
static inline unsigned drain(struct fw_spool *spool, uint64_t *last)
{
	const unsigned char *payload;
	unsigned count = 0;
	uint64_t sequence;
	size_t len;

	while (fw_spool_read(spool, &payload, &len, &sequence) == FW_OK) {
		assert_true(sequence > *last);
		*last = sequence;
		count++;
	}
	return count;
}

static inline void expect_damage(
	struct fw_spool *spool, uint64_t bytes, uint64_t torn, uint64_t gaps)
{
	struct fw_spool_damage damage = fw_spool_damage(spool);

	assert_int_equal(damage.bytes_skipped, bytes);
	assert_int_equal(damage.torn_tails, torn);
	assert_int_equal(damage.gaps, gaps);
}

/* One segment's file, for tests that damage it. */
struct image {
	char path[400];
	unsigned char bytes[4096];
	size_t len;
};

static struct image image;

static inline void load_image(const char *path)
{
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	snprintf(image.path, sizeof(image.path), "%s", path);
	image.len = fread(image.bytes, 1, sizeof(image.bytes), file);
	fclose(file);
}

static inline void store_image(const unsigned char *bytes, size_t len)
{
	FILE *file = fopen(image.path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static const char *const texts[] = {
	"a", "second", "the third record", "4444", "the fifth and last"};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

/* Leaves a closed spool of the texts in `image`; boundary[i] is where record i begins. */
static inline void make_image(const struct fixture *fixture, size_t boundary[TEXTS + 1])
{
	struct fw_spool *spool = reopen(fixture, 0);

	boundary[0] = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		assert_int_equal(append(spool, texts[i]), i + 1);
		boundary[i + 1] = boundary[i] + HEADER + strlen(texts[i]);
	}
	fw_spool_close(spool);
	assert_int_equal(each_file(fixture, load_image), 1);
	assert_int_equal(image.len, boundary[TEXTS]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
