/* Opening firmware files: regular files under plain names alone; and noticing every change. */
#include "files/folder.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "folder.h"

static struct fw_error last;

static enum fw_status open_it(const char *name, struct fw_file_stamp *stamp)
{
	struct fw_file_stamp ignored;
	int fd = -1;
	enum fw_status status;

	last.text[0] = '\0';
	status = fw_folder_open("d", name, &fd, stamp ? stamp : &ignored, &last);
	assert_true((status == FW_OK) == (fd >= 0) && (status == FW_OK) == (last.text[0] == '\0'));
	if (fd >= 0) {
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	return status;
}

static int start(void **state)
{
	return make_folder(state) == 0 &&
			system("mkdir d; printf hello >d/image; ln -s image d/link; ln -s "
			       "/etc/passwd d/out; mkdir d/sub; mkfifo d/pipe;"
			       " printf x >outside; printf x >d/.hidden; printf x >'d/with "
			       "space'") == 0
		? 0
		: -1;
}

static void test_open(void **state)
{
	struct fw_file_stamp stamp;

	(void)state;
	assert_int_equal(open_it("image", &stamp), FW_OK);
	assert_int_equal(stamp.size, 5);
	assert_int_equal(open_it("with space", NULL), FW_OK);
	assert_int_equal(open_it("absent", NULL), FW_NOT_FOUND);
	assert_int_equal(open_it("link", NULL), FW_INVALID);
	assert_int_equal(open_it("out", NULL), FW_INVALID);
	assert_int_equal(open_it("sub", NULL), FW_INVALID);
	assert_int_equal(open_it("pipe", NULL), FW_INVALID);
}

/* A clock that was wrong leaves such files, and 32 bits of seconds do not hold their times. */
static void test_a_file_from_beyond_2038(void **state)
{
	struct fw_file_stamp stamp;

	(void)state;
	shell("touch -d 2040-01-01T00:00:00Z d/image");
	assert_int_equal(open_it("image", &stamp), FW_OK);
	assert_int_equal(stamp.mtime_ns, INT64_C(2208988800) * 1000000000);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../outside", "/etc/passwd",
		"sub/../image", ".hidden", "a/b", "image/", "im\nage", "\x7f", "a\x01"};
	char name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(fw_folder_name_valid(bad[i]));
		assert_int_equal(open_it(bad[i], NULL), FW_INVALID);
	}
	memset(name, 'a', 256);
	name[256] = '\0';
	assert_int_equal(open_it(name, NULL), FW_INVALID);
	name[255] = '\0';
	assert_int_equal(open_it(name, NULL), FW_NOT_FOUND);
	assert_false(fw_folder_name_valid(NULL));
}

static void test_devices_are_not_opened(void **state)
{
	struct fw_file_stamp stamp;
	int fd = -1;

	(void)state;
	assert_int_equal(fw_folder_open("/dev", "zero", &fd, &stamp, NULL), FW_INVALID);
	assert_int_equal(fd, -1);
}

static void assert_noticed(const char *command)
{
	struct fw_file_stamp before;
	int fd = -1;

	shell("rm -f d/image; printf hello >d/image; touch -d '2020-01-01' d/image; sleep 0.02");
	assert_int_equal(fw_folder_open("d", "image", &fd, &before, NULL), FW_OK);
	assert_true(fw_folder_unchanged("d", "image", &before));
	assert_true(fw_folder_fd_unchanged(fd, &before));
	shell(command);
	if (fw_folder_unchanged("d", "image", &before))
		fail_msg("not noticed: %s", command);
	close(fd);
}

static void test_changes_are_noticed(void **state)
{
	(void)state;
	assert_noticed("rm d/image");
	assert_noticed("printf h >>d/image");
	assert_noticed("printf j | dd of=d/image conv=notrunc 2>/dev/null");
	assert_noticed(
		"printf j | dd of=d/image conv=notrunc 2>/dev/null; touch -d '2020-01-01' d/image");
	assert_noticed("cp -p d/image other; mv other d/image");
	assert_noticed("cp -p d/image d/same; ln -sf same d/image");
	assert_noticed(": >d/image");
	assert_noticed("mv d/image d/away; mkdir d/image");
	shell("rmdir d/image; rm -f d/away d/same");
}

static void test_settled(void **state)
{
	struct fw_file_stamp stamp = {.ctime_ns = INT64_C(5000) * 1000000};

	(void)state;
	assert_false(fw_file_settled(&stamp, 5000, 1000));
	assert_false(fw_file_settled(&stamp, 5999, 1000));
	assert_true(fw_file_settled(&stamp, 6000, 1000));
	assert_false(fw_file_settled(&stamp, 6000, 1001));
	assert_false(fw_file_settled(&stamp, 4900, 1000));
	assert_true(fw_file_settled(&stamp, 1000, 1000));
}

static enum fw_file_writers writers_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum fw_file_writers writers = fw_folder_writers(fd);

	assert_true(fd >= 0);
	close(fd);
	return writers;
}

static void test_writers(void **state)
{
	void *mapped;
	int fd;

	(void)state;
	shell("printf hello >w1");
	assert_int_equal(writers_of("w1"), FW_WRITERS_NONE);
	fd = open("w1", O_RDONLY | O_CLOEXEC);
	assert_int_equal(writers_of("w1"), FW_WRITERS_NONE);
	close(fd);
	fd = open("w1", O_RDWR | O_CLOEXEC);
	assert_int_equal(writers_of("w1"), FW_WRITERS_SOME);
	mapped = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(mapped != MAP_FAILED);
	close(fd);
	assert_int_equal(writers_of("w1"), FW_WRITERS_SOME);
	munmap(mapped, 5);
	assert_int_equal(writers_of("w1"), FW_WRITERS_NONE);
}

/* Not ours, and no CAP_LEASE: the kernel does not tell. */
static void test_writers_unknown(void **state)
{
	uid_t own = geteuid();

	(void)state;
	if (own == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(writers_of("/etc/passwd"), FW_WRITERS_UNKNOWN);
	assert_int_equal(seteuid(own), 0);
}

static atomic_bool stop_asking;

static void *ask_again_and_again(void *argument)
{
	int64_t asked = 0;

	while (!stop_asking) {
		writers_of("w2");
		asked++;
	}
	*(int64_t *)argument = asked;
	return NULL;
}

/* A lease that is broken would send SIGIO, which ends a process, and hold up the writer until it is
 * given back. */
static void test_writers_are_not_disturbed(void **state)
{
	pthread_t thread;
	int64_t asked = 0, slowest = 0;

	(void)state;
	shell("printf hello >w2");
	assert_true(signal(SIGIO, SIG_DFL) != SIG_ERR);
	assert_int_equal(pthread_create(&thread, NULL, ask_again_and_again, &asked), 0);
	for (int i = 0; i < 20000; i++) {
		int64_t begun = fw_boot_ms();
		int fd = open("w2", O_WRONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		close(fd);
		if (fw_boot_ms() - begun > slowest)
			slowest = fw_boot_ms() - begun;
	}
	stop_asking = true;
	pthread_join(thread, NULL);
	assert_true(asked > 100);
	/* the kernel breaks a lease by force after 45 seconds */
	assert_in_range(slowest, 0, 10000);
}

static void test_prepare(void **state)
{
	(void)state;
	assert_int_equal(fw_folder_prepare("new", NULL), FW_OK);
	assert_int_equal(fw_folder_prepare("new", NULL), FW_OK);
	assert_int_equal(fw_folder_prepare("outside", &last), FW_INVALID);
	last.text[0] = '\0';
	assert_int_equal(fw_folder_prepare("absent/new", &last), FW_INVALID);
	assert_non_null(strstr(last.text, "plugin_opt_files_dir"));
}

static bool happens(struct fw_watch *watch, const char *command)
{
	struct pollfd ready = {.fd = fw_watch_fd(watch), .events = POLLIN};

	shell(command);
	poll(&ready, 1, 2000);
	return fw_watch_take(watch);
}

static void test_watch(void **state)
{
	struct fw_watch *watch;

	(void)state;
	shell("mkdir w");
	watch = fw_watch_open("w");
	assert_non_null(watch);
	assert_false(fw_watch_take(watch));
	assert_true(happens(watch, "printf a >w/f"));
	assert_true(happens(watch, "printf a >>w/f"));
	assert_true(happens(watch, "chmod 600 w/f"));
	assert_true(happens(watch, "mv w/f w/g"));
	assert_true(happens(watch, "rm w/g"));
	assert_false(fw_watch_take(watch));
	/* removed, and made again */
	assert_true(happens(watch, "rmdir w"));
	assert_false(fw_watch_take(watch));
	shell("mkdir w");
	assert_true(fw_watch_take(watch));
	assert_true(happens(watch, "printf a >w/f"));
	/* moved away, and another one in its place */
	assert_true(happens(watch, "mv w v; mkdir w"));
	fw_watch_take(watch);
	assert_true(happens(watch, "printf a >w/f"));
	fw_watch_close(watch);
	fw_watch_close(NULL);
	watch = fw_watch_open("absent");
	assert_non_null(watch);
	assert_false(fw_watch_take(watch));
	fw_watch_close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_a_file_from_beyond_2038),
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_devices_are_not_opened),
		cmocka_unit_test(test_changes_are_noticed),
		cmocka_unit_test(test_settled),
		cmocka_unit_test(test_writers),
		cmocka_unit_test(test_writers_unknown),
		cmocka_unit_test(test_writers_are_not_disturbed),
		cmocka_unit_test(test_prepare),
		cmocka_unit_test(test_watch),
	};

	return cmocka_run_group_tests(tests, start, remove_folder);
}
