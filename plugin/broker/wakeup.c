#include "broker/wakeup.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SOON_NS 1000000
#define AGAIN_NS 10000000 /* the first one may come before the thread sleeps */

struct fw_nudge {
	timer_t timer;
	bool armed;
	struct sigaction before;
};

static void do_nothing(int number)
{
	(void)number;
}

/* Nobody's handler is taken away. */
static bool take_signal(struct sigaction *before)
{
	struct sigaction ours = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};

	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGURG, NULL, before) != 0 || (before->sa_flags & SA_SIGINFO) || (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN))
		return false;
	return sigaction(SIGURG, &ours, NULL) == 0;
}

struct fw_nudge *fw_nudge_new(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG, ._sigev_un._tid = gettid()};
	struct fw_nudge *nudge = calloc(1, sizeof(*nudge));

	if (!nudge)
		return NULL;
	if (take_signal(&nudge->before)) {
		if (timer_create(CLOCK_MONOTONIC, &event, &nudge->timer) == 0)
			return nudge;
		sigaction(SIGURG, &nudge->before, NULL);
	}
	free(nudge);
	return NULL;
}

void fw_nudge_free(struct fw_nudge *nudge)
{
	if (!nudge)
		return;
	timer_delete(nudge->timer);
	sigaction(SIGURG, &nudge->before, NULL);
	free(nudge);
}

void fw_nudge_soon(struct fw_nudge *nudge)
{
	struct itimerspec soon = {.it_value.tv_nsec = SOON_NS, .it_interval.tv_nsec = AGAIN_NS};

	if (nudge)
		nudge->armed = timer_settime(nudge->timer, 0, &soon, NULL) == 0;
}

void fw_nudge_over(struct fw_nudge *nudge)
{
	struct itimerspec never = {.it_value.tv_nsec = 0};

	if (!nudge || !nudge->armed)
		return;
	timer_settime(nudge->timer, 0, &never, NULL);
	nudge->armed = false;
}
