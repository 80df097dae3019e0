#include "thread.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEHIND_BROKER 10 /* nice value */

enum fw_status fw_thread_start(pthread_t *thread, void *(*run)(void *context), void *context, const char *purpose, struct fw_error *error)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code == 0)
		return FW_OK;
	fw_error_set(error, "cannot start the thread that %s: %s", purpose, strerror(code));
	return FW_FAILED;
}

void fw_thread_step_behind(void)
{
	struct sched_param none = {0};

	sched_setscheduler(0, SCHED_BATCH, &none);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BEHIND_BROKER);
}
