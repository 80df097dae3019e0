/* A write in the log is told once for each arming, and none is told when it is not armed. */
#include "catalog/log_watch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static atomic_int told;

static void on_written(void *context)
{
	(void)context;
	atomic_fetch_add(&told, 1);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){0, ms * 1000000L}, NULL);
}

static bool told_soon(int count)
{
	for (int i = 0; i < 2000 && atomic_load(&told) < count; i++)
		pause_ms(5);
	return atomic_load(&told) == count;
}

static void write_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "frame", 5), 5);
	close(fd);
}

static void test_tells_once(void **state)
{
	struct fw_log_watch *watch = NULL;
	char db[4096], log[4200];

	(void)state;
	snprintf(db, sizeof(db), "%s/catalog.db", folder);
	snprintf(log, sizeof(log), "%s-wal", db);
	assert_int_equal(fw_log_watch_open(db, on_written, NULL, &watch), FW_OK);
	assert_false(fw_log_watch_arm(watch)); /* there is no log yet */
	write_log(log);
	assert_true(fw_log_watch_arm(watch));
	write_log(log);
	assert_true(told_soon(1));
	write_log(log);
	assert_true(fw_log_watch_arm(watch));
	write_log(log);
	assert_true(told_soon(2));
	/* one that took its place */
	unlink(log);
	write_log(log);
	assert_true(fw_log_watch_arm(watch));
	write_log(log);
	assert_true(told_soon(3));
	assert_true(fw_log_watch_arm(watch));
	fw_log_watch_disarm(watch);
	write_log(log);
	pause_ms(30);
	assert_int_equal(atomic_load(&told), 3);
	fw_log_watch_close(watch);
	fw_log_watch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tells_once),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
