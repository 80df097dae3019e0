#include "base/io_thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/thread.h"

#define FIRST_CLOSED 3u /* standard output and error stay */

struct fw_side {
	pthread_t thread;
	bool apart;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	enum fw_status (*job)(void *context); /* NULL: none, or done */
	void *context;
	enum fw_status status;
	bool ready, stop;
};

static void *run(void *argument)
{
	struct fw_side *side = argument;
#ifdef __SANITIZE_THREAD__
	bool apart = false; /* the sanitizer takes equal numbers in two tables for one file, and tells of races */
#else
	/* closing the copies of the broker's descriptors keeps nothing open that the broker closes */
	bool apart = side->apart && close_range(FIRST_CLOSED, ~0u, CLOSE_RANGE_UNSHARE) == 0;
#endif

	pthread_mutex_lock(&side->lock);
	side->apart = apart;
	side->ready = true;
	pthread_cond_broadcast(&side->changed);
	while (!side->stop) {
		if (side->job) {
			side->status = side->job(side->context);
			side->job = NULL;
			pthread_cond_broadcast(&side->changed);
		}
		pthread_cond_wait(&side->changed, &side->lock);
	}
	pthread_mutex_unlock(&side->lock);
	return NULL;
}

enum fw_status fw_side_open(bool apart, struct fw_side **out, struct fw_error *error)
{
	struct fw_side *side = calloc(1, sizeof(*side));
	enum fw_status status;

	if (!side)
		return FW_NOMEM;
	side->apart = apart;
	pthread_mutex_init(&side->lock, NULL);
	pthread_cond_init(&side->changed, NULL);
	status = fw_thread_start(&side->thread, run, side, "opens the catalog", error);
	if (status != FW_OK) {
		pthread_cond_destroy(&side->changed);
		pthread_mutex_destroy(&side->lock);
		free(side);
		return status;
	}
	pthread_mutex_lock(&side->lock);
	while (!side->ready)
		pthread_cond_wait(&side->changed, &side->lock);
	pthread_mutex_unlock(&side->lock);
	*out = side;
	return FW_OK;
}

bool fw_side_apart(const struct fw_side *side)
{
	return side->apart;
}

enum fw_status fw_side_run(struct fw_side *side, enum fw_status (*job)(void *context), void *context)
{
	enum fw_status status;

	pthread_mutex_lock(&side->lock);
	side->job = job;
	side->context = context;
	pthread_cond_broadcast(&side->changed);
	while (side->job)
		pthread_cond_wait(&side->changed, &side->lock);
	status = side->status;
	pthread_mutex_unlock(&side->lock);
	return status;
}

void fw_side_close(struct fw_side *side)
{
	if (!side)
		return;
	pthread_mutex_lock(&side->lock);
	side->stop = true;
	pthread_cond_broadcast(&side->changed);
	pthread_mutex_unlock(&side->lock);
	pthread_join(side->thread, NULL);
	pthread_cond_destroy(&side->changed);
	pthread_mutex_destroy(&side->lock);
	free(side);
}
