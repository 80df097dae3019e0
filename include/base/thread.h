/* The plugin's own threads: they get no signals. Those whose work can wait run at a lower priority
 * than the broker's. */
#ifndef FW_BASE_THREAD_H
#define FW_BASE_THREAD_H

#include <pthread.h>
#include <time.h>

#include "base/fw.h"

/* Bytes of stack of each thread: musl gives 128 KiB, glibc what `ulimit -s` says. */
#define FW_THREAD_STACK ((size_t)1024 * 1024)

/* Starts a thread with all signals blocked: they are for the broker's own. `purpose` is for the
 * sentence in `error`, such as "reads chunks". FW_OK or FW_FAILED. Any thread. */
enum fw_status fw_thread_start(pthread_t *thread, void *(*run)(void *context), void *context,
	const char *purpose, struct fw_error *error);

/* A condition that waits by CLOCK_MONOTONIC. Destroy it with pthread_cond_destroy. */
void fw_cond_init(pthread_cond_t *cond);

/* `ms` milliseconds from now by CLOCK_MONOTONIC: when pthread_cond_timedwait is to end. */
struct timespec fw_after_ms(int64_t ms);

/* Lowers the priority of the calling thread below the broker's, if the system lets it. A filter of
 * system calls (SystemCallFilter= of a unit) may end a process that asks: so a child process tries
 * first, once. Only the first call of a thread acts, so that a callback of a library may call it
 * each time. */
void fw_thread_step_behind(void);

#endif
