#include "thread.h"

#include <signal.h>
#include <string.h>

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
