/* A thread that sleeps in epoll_wait is woken when that was asked for, and not after it is over. */
#include "broker/wakeup.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int sleep_ms(int ms)
{
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC), result = epoll_wait(fd, &event, 1, ms);

	close(fd);
	return result;
}

static void test_wakes(void **state)
{
	struct fw_wakeup *wakeup = fw_wakeup_new();

	(void)state;
	assert_non_null(wakeup);
	for (int i = 0; i < 3; i++) {
		fw_wakeup_soon(wakeup);
		assert_int_equal(sleep_ms(60000), -1);
		assert_int_equal(errno, EINTR);
	}
	/* comes again, should the first one have been too early */
	assert_int_equal(sleep_ms(60000), -1);
	fw_wakeup_over(wakeup);
	assert_int_equal(sleep_ms(50), 0);
	fw_wakeup_free(wakeup);
}

static _Thread_local volatile int mine;

static void do_nothing(int number)
{
	(void)number;
}

static void *sleep_on(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* The exit status says whether this thread still has its own variables after a signal. */
static _Noreturn void look_after_a_signal(void)
{
	pthread_t thread;

	signal(SIGURG, do_nothing);
	mine = 1;
	if (pthread_create(&thread, NULL, sleep_on, NULL) != 0)
		_exit(2);
	pthread_kill(pthread_self(), SIGURG);
	_exit(mine == 1 ? 0 : 1);
}

/* An emulator may go on, after the handler, with the registers of the thread that began last: all
 * that the C library knows of a thread is wrong then. */
static void need_threads_with_signals(void)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		look_after_a_signal();
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	print_message("Skipped: a signal's handler leaves a thread with another's variables.\n");
	skip();
}

static void *call(void *wakeup)
{
	fw_wakeup_now(wakeup);
	return NULL;
}

/* Each of many threads that call wakes the sleeper, whatever it was just about to disarm. */
static void test_wakes_from_another_thread(void **state)
{
	struct fw_wakeup *wakeup;

	(void)state;
	need_threads_with_signals();
	wakeup = fw_wakeup_new();
	for (int i = 0; i < 300; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, call, wakeup), 0);
		assert_int_equal(sleep_ms(60000), -1);
		fw_wakeup_over(wakeup);
		pthread_join(thread, NULL);
	}
	/* what the last one armed behind our back wakes once more at most */
	while (sleep_ms(50) == -1)
		fw_wakeup_over(wakeup);
	fw_wakeup_free(wakeup);
}

static void on_urgent(int number)
{
	(void)number;
}

static void test_takes_nobodys_signal(void **state)
{
	struct sigaction after;
	struct fw_wakeup *wakeup;

	(void)state;
	signal(SIGURG, on_urgent);
	assert_null(fw_wakeup_new());
	sigaction(SIGURG, NULL, &after);
	assert_ptr_equal(after.sa_handler, on_urgent);
	signal(SIGURG, SIG_DFL);
	wakeup = fw_wakeup_new();
	fw_wakeup_free(wakeup);
	sigaction(SIGURG, NULL, &after);
	assert_ptr_equal(after.sa_handler, SIG_DFL);
	fw_wakeup_soon(NULL);
	fw_wakeup_over(NULL);
	fw_wakeup_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakes),
		cmocka_unit_test(test_wakes_from_another_thread),
		cmocka_unit_test(test_takes_nobodys_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
