/* Watches the catalog's log by inotify.
 *
 * A commit becomes visible by a change of the WAL-index, memory that all connections share and that
 * cannot be watched. Before that, SQLite writes the log with pwrite. So a write of the log is the
 * earliest sign of a commit, and often comes some microseconds before the commit is visible.
 *
 * Each arming is for one write (IN_ONESHOT), by the log's name: what the plugin itself writes
 * between two armings costs nothing, and a log that was replaced is found again. */
#include "catalog/log_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/thread.h"

struct fw_log_watch {
	char *path; /* of the log */
	void (*written)(void *context);
	void *context;
	int inotify, stop; /* descriptors; -1: not open */
	atomic_bool armed;
	pthread_t thread;
	bool started;
};

/* Reads all events that are there. True when something was written. */
static bool read_events(int inotify)
{
	_Alignas(struct inotify_event) char buffer[1024];
	ssize_t len = read(inotify, buffer, sizeof(buffer));
	bool found = false;

	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

		found |= (event->mask & (IN_MODIFY | IN_Q_OVERFLOW)) != 0;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return found;
}

static void *watch_log(void *argument)
{
	struct fw_log_watch *watch = argument;
	struct pollfd fds[] = {
		{.fd = watch->inotify, .events = POLLIN}, {.fd = watch->stop, .events = POLLIN}};

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents && read_events(watch->inotify) &&
			atomic_exchange(&watch->armed, false))
			watch->written(watch->context);
	}
	return NULL;
}

static bool start_watch(struct fw_log_watch *watch)
{
	watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch->stop = eventfd(0, EFD_CLOEXEC);
	watch->started = watch->inotify >= 0 && watch->stop >= 0 &&
		fw_thread_start(&watch->thread, watch_log, watch, "watches the catalog",
			&(struct fw_error){""}) == FW_OK;
	return watch->started;
}

enum fw_status fw_log_watch_open(const char *db_file, void (*written)(void *context), void *context,
	struct fw_log_watch **out)
{
	struct fw_log_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return FW_NOMEM;
	watch->written = written;
	watch->context = context;
	watch->inotify = watch->stop = -1;
	if (asprintf(&watch->path, "%s-wal", db_file) < 0) {
		free(watch);
		return FW_NOMEM;
	}
	if (!start_watch(watch)) {
		fw_log_watch_close(watch);
		return FW_FAILED;
	}
	*out = watch;
	return FW_OK;
}

bool fw_log_watch_arm(struct fw_log_watch *watch)
{
	if (!watch)
		return false;
	atomic_store(&watch->armed, true);
	return inotify_add_watch(watch->inotify, watch->path, IN_MODIFY | IN_ONESHOT) >= 0;
}

void fw_log_watch_disarm(struct fw_log_watch *watch)
{
	if (watch)
		atomic_store(&watch->armed, false);
}

void fw_log_watch_close(struct fw_log_watch *watch)
{
	if (!watch)
		return;
	if (watch->started && write(watch->stop, &(uint64_t){1}, sizeof(uint64_t)) > 0)
		pthread_join(watch->thread, NULL);
	if (watch->inotify >= 0)
		close(watch->inotify);
	if (watch->stop >= 0)
		close(watch->stop);
	free(watch->path);
	free(watch);
}
