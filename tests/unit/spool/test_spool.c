/* The spool in good health: what was appended is read, once and in order, across segments, restarts
 * and threads. */
#include "spool_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static void test_reads_what_was_appended_in_order(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	assert_int_equal(fw_spool_last(spool), 0);
	expect_end(spool);
	assert_int_equal(file_count(*state), 0);
	assert_int_equal(append(spool, "one"), 1);
	assert_int_equal(append(spool, "two"), 2);
	assert_int_equal(fw_spool_bytes(spool), 2 * (HEADER + 3));
	expect(spool, 1, "one");
	expect(spool, 2, "two");
	expect_end(spool);
	append(spool, "three");
	expect(spool, 3, "three");
	expect_end(spool);
	fw_spool_release(spool, 3);
	assert_int_equal(fw_spool_bytes(spool), 0);
	expect_damage(spool, 0, 0, 0);
	fw_spool_close(spool);
}

static void test_one_write_per_record(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	for (int i = 0; i < 100; i++)
		append(spool, "record");
	assert_int_equal(fault.writes, 100);
	for (uint64_t i = 1; i <= 100; i++)
		expect(spool, i, "record");
	assert_int_equal(fault.reads, 1);
	fw_spool_close(spool);
}

static void test_lengths(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	unsigned char *big = calloc(1, FW_SPOOL_PAYLOAD_MAX + 1);
	const unsigned char *payload;
	uint64_t sequence;
	size_t len;

	assert_int_equal(fw_spool_append(spool, big, 0, NULL), FW_INVALID);
	assert_int_equal(fw_spool_append(spool, big, FW_SPOOL_PAYLOAD_MAX + 1, NULL), FW_INVALID);
	assert_int_equal(fw_spool_append(spool, big, SIZE_MAX, NULL), FW_INVALID);
	assert_int_equal(fw_spool_append(spool, big, FW_SPOOL_PAYLOAD_MAX, NULL), FW_OK);
	assert_int_equal(fw_spool_append(spool, big, 1, NULL), FW_OK);
	assert_int_equal(fw_spool_read(spool, &payload, &len, &sequence), FW_OK);
	assert_int_equal(len, FW_SPOOL_PAYLOAD_MAX);
	assert_memory_equal(payload, big, len);
	assert_int_equal(fw_spool_read(spool, &payload, &len, &sequence), FW_OK);
	assert_int_equal(len, 1);
	expect_end(spool);
	free(big);
	fw_spool_close(spool);
}

static void test_rewind_reads_again(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append(spool, "one");
	append(spool, "two");
	append(spool, "three");
	expect(spool, 1, "one");
	fw_spool_release(spool, 1);
	expect(spool, 2, "two");
	expect(spool, 3, "three");
	expect_end(spool);
	fw_spool_rewind(spool, 1);
	expect(spool, 2, "two");
	fw_spool_rewind(spool, 2);
	expect(spool, 3, "three");
	expect_end(spool);
	fw_spool_close(spool);
}

static void test_rewind_across_segments(void **state)
{
	unsigned total = 3 * BIG_PER_SEGMENT;
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;

	append_big(spool, total);
	assert_int_equal(drain(spool, &last), total);
	for (last = 0; last < total; last += 17) {
		uint64_t seen = last;

		fw_spool_rewind(spool, last);
		assert_int_equal(drain(spool, &seen), total - last);
		assert_int_equal(seen, total);
	}
	fw_spool_close(spool);
}

static void test_release_deletes_applied_segments(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;

	append_big(spool, 3 * BIG_PER_SEGMENT);
	assert_int_equal(file_count(*state), 3);
	assert_int_equal(drain(spool, &last), 3 * BIG_PER_SEGMENT);
	fw_spool_release(spool, BIG_PER_SEGMENT - 1);
	assert_int_equal(file_count(*state), 3);
	fw_spool_release(spool, BIG_PER_SEGMENT);
	assert_int_equal(file_count(*state), 2);
	assert_int_equal(fw_spool_bytes(spool), 2 * BIG_PER_SEGMENT * (BIG + HEADER));
	fw_spool_release(spool, 3 * BIG_PER_SEGMENT);
	assert_int_equal(file_count(*state), 1);
	assert_int_equal(fw_spool_bytes(spool), 0);
	assert_int_equal(append(spool, "more"), 3 * BIG_PER_SEGMENT + 1);
	expect(spool, 3 * BIG_PER_SEGMENT + 1, "more");
	fw_spool_close(spool);
}

static void test_release_of_what_was_not_read(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append_big(spool, 2 * BIG_PER_SEGMENT);
	append(spool, "last");
	fw_spool_release(spool, 2 * BIG_PER_SEGMENT);
	expect(spool, 2 * BIG_PER_SEGMENT + 1, "last");
	expect_end(spool);
	assert_int_equal(file_count(*state), 1);
	fw_spool_close(spool);
}

static void test_restart_goes_on_where_the_catalog_is(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append(spool, "one");
	append(spool, "two");
	append(spool, "three");
	fw_spool_close(spool);
	spool = reopen(*state, 1);
	assert_int_equal(fw_spool_last(spool), 3);
	assert_int_equal(append(spool, "four"), 4);
	assert_int_equal(file_count(*state), 2);
	expect(spool, 2, "two");
	expect(spool, 3, "three");
	expect(spool, 4, "four");
	expect_end(spool);
	fw_spool_release(spool, 4);
	assert_int_equal(file_count(*state), 1);
	assert_int_equal(fw_spool_bytes(spool), 0);
	expect_damage(spool, 0, 0, 0);
	fw_spool_close(spool);
}

static void test_restart_deletes_what_is_applied(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append_big(spool, 2 * BIG_PER_SEGMENT);
	fw_spool_close(spool);
	spool = reopen(*state, 1000);
	assert_int_equal(file_count(*state), 0);
	assert_int_equal(fw_spool_bytes(spool), 0);
	assert_int_equal(fw_spool_last(spool), 1000);
	expect_end(spool);
	assert_int_equal(append(spool, "next"), 1001);
	expect(spool, 1001, "next");
	fw_spool_close(spool);
}

static void test_many_restarts_keep_the_order(void **state)
{
	uint64_t last = 0;
	struct fw_spool *spool;

	for (uint64_t run = 0; run < 20; run++) {
		spool = reopen(*state, 0);
		assert_int_equal(append(spool, "x"), 2 * run + 1);
		assert_int_equal(append(spool, "y"), 2 * run + 2);
		fw_spool_close(spool);
	}
	assert_int_equal(file_count(*state), 20);
	spool = reopen(*state, 5);
	assert_int_equal(file_count(*state), 18);
	expect(spool, 6, "y");
	last = 6;
	assert_int_equal(drain(spool, &last), 34);
	fw_spool_release(spool, 40);
	assert_int_equal(file_count(*state), 0);
	fw_spool_close(spool);
}

static void test_close_without_append_leaves_nothing(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	fault.write_errno = EIO;
	assert_int_equal(fw_spool_append(spool, "x", 1, NULL), FW_IO);
	assert_int_equal(file_count(*state), 1);
	fw_spool_close(spool);
	assert_int_equal(file_count(*state), 0);
	fw_spool_close(NULL);
}

static void touch(const struct fixture *fixture, const char *name, const char *text)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_other_names_are_left_alone(void **state)
{
	static const char *const names[] = {"spool", "spool-", "spool-1-2",
		"spool-0000000000000000000x-11111111", "spool-00000000000000000007-1111111",
		"spool-00000000000000000007-1111111g", "spool-00000000000000000007-11111111.bak",
		"spool-99999999999999999999-11111111", "spool-18446744073709551615-11111111",
		"spool-00000000000000000000-11111111", "spool-00000000000000000007-00000000",
		"spool-00000000000000000007-1111111A", "catalog.db"};
	const struct fixture *fixture = *state;
	char folder[400], link[400];
	struct fw_spool *spool;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		touch(fixture, names[i], "not a segment");
	snprintf(folder, sizeof(folder), "%s-00000000000000000008-11111111", fixture->prefix);
	snprintf(link, sizeof(link), "%s-00000000000000000009-11111111", fixture->prefix);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink("/dev/zero", link), 0);
	touch(fixture, "spool-00000000000000000010-11111111", "");
	spool = reopen(fixture, 0);
	assert_int_equal(file_count(fixture), sizeof(names) / sizeof(names[0]) + 2);
	assert_int_equal(append(spool, "one"), 1);
	expect(spool, 1, "one");
	fw_spool_close(spool);
}

static void test_open_says_what_to_do(void **state)
{
	struct fw_error error = {""};
	struct fw_spool *spool = NULL;
	char path[6000];

	(void)state;
	assert_int_equal(fw_spool_open("/no/such/folder/spool", 0, NULL, &spool, &error), FW_IO);
	assert_non_null(strstr(error.text, "/no/such/folder"));
	assert_null(spool);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	error.text[0] = 0;
	assert_int_equal(fw_spool_open(path, 0, NULL, &spool, &error), FW_IO);
	assert_non_null(strstr(error.text, "too long"));
}

static void test_the_last_number(void **state)
{
	struct fw_spool *spool = reopen(*state, INT64_MAX - 1);
	uint64_t sequence;

	assert_int_equal(fw_spool_append(spool, "x", 1, &sequence), FW_OK);
	assert_int_equal(sequence, INT64_MAX);
	assert_int_equal(fw_spool_append(spool, "x", 1, &sequence), FW_FULL);
	expect(spool, INT64_MAX, "x");
	expect_end(spool);
	fw_spool_close(spool);
	spool = reopen(*state, UINT64_MAX);
	assert_int_equal(fw_spool_append(spool, "x", 1, &sequence), FW_FULL);
	fw_spool_close(spool);
}

/* Appends for ever, telling each number that a device would now hold an acknowledgement for. */
static void append_and_tell(const struct fixture *fixture, uint64_t applied, int tell)
{
	struct fw_spool *spool = NULL;
	uint64_t sequence;

	if (fw_spool_open(fixture->prefix, applied, NULL, &spool, NULL) != FW_OK)
		_exit(1);
	while (fw_spool_append(spool, "acknowledged", 12, &sequence) == FW_OK)
		if (write(tell, &sequence, sizeof(sequence)) != sizeof(sequence))
			break;
	_exit(1);
}

static void test_killed_at_any_moment(void **state)
{
	uint64_t applied = 0;

	for (int round = 0; round < 20; round++) {
		uint64_t told = 0, last = applied, records;
		struct fw_spool *spool;
		int ends[2];
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		if (child == 0)
			append_and_tell(*state, applied, ends[1]);
		close(ends[1]);
		for (int i = 0; i < 100 + 50 * round; i++)
			assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
		kill(child, SIGKILL);
		while (read(ends[0], &told, sizeof(told)) == sizeof(told)) {
		}
		close(ends[0]);
		waitpid(child, NULL, 0);
		spool = reopen(*state, applied);
		records = drain(spool, &last);
		assert_int_equal(records, last - applied);
		assert_true(last >= told);
		assert_int_equal(fw_spool_damage(spool).gaps, 0);
		fw_spool_close(spool);
		applied += (last - applied) / 2;
	}
}

#define THREADED 200000u

struct threaded_record {
	uint64_t number;
	unsigned char fill[200];
};

static void *write_many(void *argument)
{
	struct fw_spool *spool = argument;
	struct threaded_record record;
	uint64_t sequence;

	for (uint64_t i = 1; i <= THREADED; i++) {
		size_t fill = (size_t)(i % sizeof(record.fill));

		record.number = i;
		memset(record.fill, (int)(i & 0xff), fill);
		if (fw_spool_append(spool, &record, sizeof(record.number) + fill, &sequence) !=
				FW_OK ||
			sequence != i)
			return argument;
	}
	return NULL;
}

static void check_threaded(
	const unsigned char *payload, size_t len, uint64_t sequence, uint64_t expected)
{
	struct threaded_record record;

	assert_int_equal(sequence, expected);
	assert_int_equal(len, sizeof(record.number) + expected % sizeof(record.fill));
	memcpy(&record, payload, len);
	assert_int_equal(record.number, expected);
	for (size_t i = 0; i < expected % sizeof(record.fill); i++)
		if (record.fill[i] != (expected & 0xff))
			fail();
}

static void test_writer_and_reader_threads(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	const unsigned char *payload;
	uint64_t expected = 1, released = 0, rewound = 0, sequence;
	pthread_t transaction;
	void *failed;
	size_t len;

	pthread_create(&transaction, NULL, write_many, spool);
	while (expected <= THREADED) {
		enum fw_status status = fw_spool_read(spool, &payload, &len, &sequence);

		if (status == FW_NOT_FOUND) {
			sched_yield();
			continue;
		}
		assert_int_equal(status, FW_OK);
		check_threaded(payload, len, sequence, expected++);
		if (sequence == released + 1000) {
			fw_spool_release(spool, sequence);
			released = sequence;
		} else if (sequence % 20011 == 0 && rewound < sequence) {
			rewound = sequence;
			fw_spool_rewind(spool, released);
			expected = released + 1;
		}
	}
	pthread_join(transaction, &failed);
	assert_null(failed);
	expect_end(spool);
	fw_spool_release(spool, THREADED);
	assert_int_equal(fw_spool_bytes(spool), 0);
	assert_int_equal(file_count(*state), 1);
	expect_damage(spool, 0, 0, 0);
	fw_spool_close(spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_what_was_appended_in_order),
		TEST(test_one_write_per_record),
		TEST(test_lengths),
		TEST(test_rewind_reads_again),
		TEST(test_rewind_across_segments),
		TEST(test_release_deletes_applied_segments),
		TEST(test_release_of_what_was_not_read),
		TEST(test_restart_goes_on_where_the_catalog_is),
		TEST(test_restart_deletes_what_is_applied),
		TEST(test_many_restarts_keep_the_order),
		TEST(test_close_without_append_leaves_nothing),
		TEST(test_other_names_are_left_alone),
		TEST(test_open_says_what_to_do),
		TEST(test_the_last_number),
		TEST(test_killed_at_any_moment),
		TEST(test_writer_and_reader_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
