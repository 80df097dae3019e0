/* Appending by memory: as safe as writing, and a page that cannot be had is an error, not the end
 * of the process. */
#include "spool_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static struct fw_spool *open_mapped(const struct fixture *fixture, uint64_t applied)
{
	struct fw_spool *spool = NULL;

	assert_int_equal(fw_spool_open(fixture->prefix, applied, NULL, &spool, NULL), FW_OK);
	return spool;
}

static off_t size_of_file;

static void note_size(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	size_of_file = status.st_size;
}

static void cut(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void test_grows_ahead_and_is_cut_at_its_end(void **state)
{
	struct fw_spool *spool = open_mapped(*state, 0);

	append(spool, "one");
	each_file(*state, note_size);
	assert_true(size_of_file > 4096);
	append(spool, "two");
	expect(spool, 1, "one");
	expect(spool, 2, "two");
	expect_end(spool);
	fw_spool_close(spool);
	each_file(*state, note_size);
	assert_int_equal(size_of_file, 2 * (HEADER + 3));
}

static void test_rotates(void **state)
{
	struct fw_spool *spool = open_mapped(*state, 0);
	uint64_t last = 0;

	append_big(spool, 3 * BIG_PER_SEGMENT + 1);
	assert_int_equal(file_count(*state), 4);
	assert_int_equal(drain(spool, &last), 3 * BIG_PER_SEGMENT + 1);
	fw_spool_close(spool);
	spool = open_mapped(*state, 0);
	last = 0;
	assert_int_equal(drain(spool, &last), 3 * BIG_PER_SEGMENT + 1);
	expect_damage(spool, 0, 0, 0);
	fw_spool_close(spool);
}

static sigjmp_buf caught;

static void *volatile fault_at;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(caught, 1);
}

/* A page of a file that has none. */
static volatile char *map_missing(const struct fixture *fixture)
{
	volatile char *at;
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/other", fixture->folder);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	close(fd);
	return at;
}

/* The handler knows its own pages by the address that comes with the signal. An emulator may give
 * that of its own process, which is not ours. */
static void need_addresses_of_faults(const struct fixture *fixture)
{
	struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	volatile char *at = map_missing(fixture);

	sigaction(SIGBUS, &ours, NULL);
	if (sigsetjmp(caught, 1) == 0)
		at[5] = 1;
	signal(SIGBUS, SIG_DFL);
	munmap((void *)(uintptr_t)at, 4096);
	if (fault_at == at + 5)
		return;
	print_message("Skipped: SIGBUS does not come with the address of the missing page.\n");
	skip();
}

static void test_a_file_that_was_cut_is_written_to(void **state)
{
	struct fw_spool *spool;

	need_addresses_of_faults(*state);
	spool = open_mapped(*state, 0);
	append(spool, "one");
	expect(spool, 1, "one");
	each_file(*state, cut);
	/* this one meets the missing page */
	append(spool, "two");
	append(spool, "three");
	expect(spool, 2, "two");
	expect(spool, 3, "three");
	expect_end(spool);
	fw_spool_close(spool);
}

static void test_a_disk_that_is_doubted_is_asked_each_time(void **state)
{
	struct fw_spool *spool = open_mapped(*state, 0);

	append(spool, "one");
	fw_spool_suspect(spool, true);
	append(spool, "two");
	each_file(*state, note_size);
	assert_int_equal(size_of_file, 2 * (HEADER + 3));
	fw_spool_suspect(spool, false);
	append_big(spool, BIG_PER_SEGMENT + 1);
	expect(spool, 1, "one");
	expect(spool, 2, "two");
	fw_spool_close(spool);
}

static void on_other(int number)
{
	(void)number;
	siglongjmp(caught, 1);
}

static void test_other_signals_go_where_they_went(void **state)
{
	struct sigaction ours = {.sa_handler = on_other}, after;
	struct fw_spool *spool;
	volatile char *at;

	need_addresses_of_faults(*state);
	sigaction(SIGBUS, &ours, NULL);
	spool = open_mapped(*state, 0);
	append(spool, "one");
	at = map_missing(*state);
	if (sigsetjmp(caught, 1) == 0) {
		at[0] = 1;
		fail();
	}
	assert_int_equal(munmap((void *)(uintptr_t)at, 4096), 0);
	append(spool, "two");
	fw_spool_close(spool);
	sigaction(SIGBUS, NULL, &after);
	assert_ptr_equal(after.sa_handler, on_other);
	signal(SIGBUS, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_grows_ahead_and_is_cut_at_its_end),
		TEST(test_rotates),
		TEST(test_a_file_that_was_cut_is_written_to),
		TEST(test_a_disk_that_is_doubted_is_asked_each_time),
		TEST(test_other_signals_go_where_they_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
