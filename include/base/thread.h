/* Threads that leave the broker's signals, and its turn, alone. */
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

/* A condition whose waits end at a time of fw_after_ms. Destroy it with pthread_cond_destroy. */
void fw_cond_init(pthread_cond_t *cond);

/* So many milliseconds from now, on a clock that nobody sets, for pthread_cond_timedwait. */
struct timespec fw_after_ms(int64_t ms);

/* The calling thread goes behind the broker's when processors are short, if the system lets it.
 * Where a filter ends processes that ask for that (SystemCallFilter= of a unit), it stays where it
 * is: a child finds out, once in a process. Threads that a library starts may call it at each of
 * their turns: it acts once. */
void fw_thread_step_behind(void);

#endif
