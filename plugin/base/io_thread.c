/* One thread that runs one job at a time. It first leaves the table of open files that it shares
 * with the broker, and sleeps whenever it has no job. */
#include "base/io_thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/thread.h"

#ifndef FW_HAS_CLOSE_RANGE
#define close_range(first, last, flags) syscall(SYS_close_range, first, last, flags)
#endif

#define FIRST_CLOSED 3u /* standard output and error stay */

struct fw_io_thread {
	pthread_t thread;
	bool own_table;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	enum fw_status (*job)(void *context); /* NULL: none, or done */
	void *context;
	enum fw_status status;
	bool ready, stop;
};

static void *run_io_thread(void *argument)
{
	struct fw_io_thread *io_thread = argument;
#ifdef __SANITIZE_THREAD__
	/* the sanitizer takes equal numbers in two tables for one file, and reports races */
	bool own_table = false;
#else
	/* the copies of the broker's descriptors are closed: else the broker could close none for
	 * good */
	bool own_table =
		io_thread->own_table && close_range(FIRST_CLOSED, ~0u, CLOSE_RANGE_UNSHARE) == 0;
#endif

	pthread_mutex_lock(&io_thread->lock);
	io_thread->own_table = own_table;
	io_thread->ready = true;
	pthread_cond_broadcast(&io_thread->changed);
	while (!io_thread->stop) {
		if (io_thread->job) {
			io_thread->status = io_thread->job(io_thread->context);
			io_thread->job = NULL;
			pthread_cond_broadcast(&io_thread->changed);
		}
		pthread_cond_wait(&io_thread->changed, &io_thread->lock);
	}
	pthread_mutex_unlock(&io_thread->lock);
	return NULL;
}

enum fw_status fw_io_thread_open(bool own_table, struct fw_io_thread **out, struct fw_error *error)
{
	struct fw_io_thread *io_thread = calloc(1, sizeof(*io_thread));
	enum fw_status status;

	if (!io_thread)
		return FW_NOMEM;
	io_thread->own_table = own_table;
	pthread_mutex_init(&io_thread->lock, NULL);
	pthread_cond_init(&io_thread->changed, NULL);
	status = fw_thread_start(
		&io_thread->thread, run_io_thread, io_thread, "opens the catalog", error);
	if (status != FW_OK) {
		pthread_cond_destroy(&io_thread->changed);
		pthread_mutex_destroy(&io_thread->lock);
		free(io_thread);
		return status;
	}
	pthread_mutex_lock(&io_thread->lock);
	while (!io_thread->ready)
		pthread_cond_wait(&io_thread->changed, &io_thread->lock);
	pthread_mutex_unlock(&io_thread->lock);
	*out = io_thread;
	return FW_OK;
}

bool fw_io_thread_has_own_table(const struct fw_io_thread *io_thread)
{
	return io_thread->own_table;
}

enum fw_status fw_io_thread_run(
	struct fw_io_thread *io_thread, enum fw_status (*job)(void *context), void *context)
{
	enum fw_status status;

	pthread_mutex_lock(&io_thread->lock);
	io_thread->job = job;
	io_thread->context = context;
	pthread_cond_broadcast(&io_thread->changed);
	while (io_thread->job)
		pthread_cond_wait(&io_thread->changed, &io_thread->lock);
	status = io_thread->status;
	pthread_mutex_unlock(&io_thread->lock);
	return status;
}

void fw_io_thread_close(struct fw_io_thread *io_thread)
{
	if (!io_thread)
		return;
	pthread_mutex_lock(&io_thread->lock);
	io_thread->stop = true;
	pthread_cond_broadcast(&io_thread->changed);
	pthread_mutex_unlock(&io_thread->lock);
	pthread_join(io_thread->thread, NULL);
	pthread_cond_destroy(&io_thread->changed);
	pthread_mutex_destroy(&io_thread->lock);
	free(io_thread);
}
