/* A timer of the process whose signal goes to the broker's thread.
 *
 * Threads that arm it race with the broker's thread, which disarms it. Invariant: a thread leaves
 * its work where the tick looks, then arms the timer; the tick disarms the timer, then looks. So a
 * timer that is disarmed too early was for work that this tick finds. One that is armed while
 * `armed` is not yet set wakes another tick, which disarms it. */
#include "broker/wakeup.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define NOW_NS 1 /* 0 would disarm it */
#define SOON_NS 1000000
#define AGAIN_NS 5000000 /* between signals: the first may come before the thread sleeps */

struct fw_wakeup {
	timer_t timer;
	atomic_bool armed; /* set after the timer was armed: see above */
	struct sigaction before;
};

static void do_nothing(int number)
{
	(void)number;
}

/* False: somebody else handles the signal. */
static bool take_signal(struct sigaction *before)
{
	struct sigaction ours = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};

	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGURG, NULL, before) != 0 || (before->sa_flags & SA_SIGINFO) ||
		(before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN))
		return false;
	return sigaction(SIGURG, &ours, NULL) == 0;
}

struct fw_wakeup *fw_wakeup_new(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGURG,
		.sigev_notify_thread_id = gettid()};
	struct fw_wakeup *wakeup = calloc(1, sizeof(*wakeup));

	if (!wakeup)
		return NULL;
	if (take_signal(&wakeup->before)) {
		if (timer_create(CLOCK_MONOTONIC, &event, &wakeup->timer) == 0)
			return wakeup;
		sigaction(SIGURG, &wakeup->before, NULL);
	}
	free(wakeup);
	return NULL;
}

void fw_wakeup_free(struct fw_wakeup *wakeup)
{
	if (!wakeup)
		return;
	timer_delete(wakeup->timer);
	sigaction(SIGURG, &wakeup->before, NULL);
	free(wakeup);
}

static void arm(struct fw_wakeup *wakeup, long ns)
{
	struct itimerspec when = {.it_value.tv_nsec = ns, .it_interval.tv_nsec = AGAIN_NS};

	if (wakeup && timer_settime(wakeup->timer, 0, &when, NULL) == 0)
		atomic_store(&wakeup->armed, true);
}

void fw_wakeup_now(struct fw_wakeup *wakeup)
{
	arm(wakeup, NOW_NS);
}

void fw_wakeup_soon(struct fw_wakeup *wakeup)
{
	arm(wakeup, SOON_NS);
}

void fw_wakeup_over(struct fw_wakeup *wakeup)
{
	struct itimerspec never = {.it_value.tv_nsec = 0};

	if (wakeup && atomic_load(&wakeup->armed) && atomic_exchange(&wakeup->armed, false))
		timer_settime(wakeup->timer, 0, &never, NULL);
}
