/* Starts threads; and lowers the priority of one: batch scheduling, and a nice value of its own. */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEHIND_BROKER 10 /* nice value */

enum fw_status fw_thread_start(pthread_t *thread, void *(*run)(void *context), void *context,
	const char *purpose, struct fw_error *error)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int code;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, FW_THREAD_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(thread, &attributes, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (code == 0)
		return FW_OK;
	fw_error_set(error, "cannot start the thread that %s: %s", purpose, strerror(code));
	return FW_FAILED;
}

void fw_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct timespec fw_after_ms(int64_t ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += (time_t)(ms / 1000);
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	return time;
}

static void step_behind(void)
{
	struct sched_param none = {0};

	sched_setscheduler(0, SCHED_BATCH, &none);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BEHIND_BROKER);
}

/* Is there, or may there be, a filter of system calls? It may end the process for one. */
static bool is_filtered(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	bool found = !file;

	while (file && fgets(line, sizeof(line), file))
		found |= strncmp(line, "Seccomp:", 8) == 0 && !strchr(line, '0');
	if (file)
		fclose(file);
	return found;
}

/* Nobody can ask a filter what it forbids, so a child tries. */
static bool child_survives(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 0); /* no core */
		step_behind();
		_exit(0);
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(status);
}

static bool allowed;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void)
{
	allowed = !is_filtered() || child_survives();
}

void fw_thread_step_behind(void)
{
	static _Thread_local bool done;

	if (done)
		return;
	done = true;
	pthread_once(&asked, ask);
	if (allowed)
		step_behind();
}
