/* One slot goes from IDLE to GIVEN (the store), to DONE (the thread), to IDLE (the store). A file
 * is good only if it was the same before, while and after it was read, and nobody was writing to
 * it. */
#include "files/verifier.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

#define LOOK_EVERY_MS 2000 /* for a folder that appears, where there was none to watch */

enum phase { IDLE, GIVEN, DONE };

struct fw_verifier {
	const char *folder;
	struct fw_watch *watch; /* the thread's own; NULL: there is no inotify */
	int wake;               /* eventfd */
	pthread_t thread;
	atomic_bool stop, changed;
	pthread_mutex_t lock; /* guards what follows */
	enum phase phase;
	struct fw_verify_result slot; /* GIVEN: its job; DONE: all of it */
};

void fw_verify_job_clear(struct fw_verify_job *job)
{
	free(job->firmware_id);
	free(job->file);
	free(job->sign_method);
	free(job->sign);
	free(job->public_key);
	*job = (struct fw_verify_job){.size = -1};
}

static void reject(struct fw_verify_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void reject(struct fw_verify_result *result, const char *format, ...)
{
	va_list arguments;
	char text[400];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	result->outcome = FW_VERIFY_BAD;
	fw_error_set(&result->reason, "%s", text);
}

/* Has the copying of the file ended? A copy may stall for longer than a file takes to settle, so
 * nobody must have the file open for writing. Where that cannot be seen, it takes longer to settle.
 */
static bool is_whole(int fd, const struct fw_verify_job *job, struct fw_verify_result *result)
{
	enum fw_file_writers writers = fw_folder_writers(fd);

	if (writers == FW_WRITERS_SOME)
		fw_error_set(&result->reason,
			"somebody has the file '%.255s' open for writing: it is verified once that "
			"is over",
			job->file);
	else if (fw_file_settled(&result->stamp, fw_now_ms(),
			 writers == FW_WRITERS_NONE ? FW_FILE_SETTLE_MS : FW_FILE_SETTLE_UNSEEN_MS))
		return true;
	result->outcome = FW_VERIFY_UNSETTLED;
	return false;
}

/* False: the result is there already, without reading the file. */
static bool worth_reading(int fd, const struct fw_verify_job *job, struct fw_verify_result *result)
{
	if (!is_whole(fd, job, result))
		return false;
	result->method = FW_SIGN_SHA256;
	if (result->stamp.size == 0)
		reject(result, "the file '%.255s' is empty", job->file);
	else if (job->size >= 0 && job->size != result->stamp.size)
		reject(result,
			"the file has %lld bytes, but size is %lld: put the right file there, or "
			"set size and sign to NULL to have them filled in",
			(long long)result->stamp.size, (long long)job->size);
	else if (job->sign_method &&
		!fw_sign_method_parse(fw_slice_of(job->sign_method), &result->method))
		reject(result, "sign_method is not one that the plugin knows");
	else if (!fw_sign_method_is_digest(result->method) && !job->sign)
		reject(result,
			"sign is missing: sign_method '%s' needs the signature of the file, made "
			"with your private key",
			job->sign_method);
	else
		return true;
	return false;
}

static void conclude(enum fw_status status, struct fw_verify_result *result)
{
	switch (status) {
	case FW_OK:
		result->outcome = FW_VERIFY_GOOD;
		break;
	case FW_CORRUPT: /* its length changed */
		result->outcome = FW_VERIFY_UNSETTLED;
		break;
	case FW_IO:
	case FW_NOMEM:
		result->outcome = FW_VERIFY_UNREAD;
		break;
	default:
		result->outcome = FW_VERIFY_BAD;
	}
}

/* Reads and judges the open file. False when it was canceled. */
static bool judge(struct fw_digest_request *request, const struct fw_verify_job *job,
	struct fw_verify_result *result)
{
	enum fw_status status;

	request->size = result->stamp.size;
	request->method = result->method;
	status = fw_digest_file(request, &result->digest, &result->reason);
	if (status == FW_BUSY)
		return false;
	conclude(status, result);
	/* somebody may have begun to write meanwhile */
	if (result->outcome == FW_VERIFY_GOOD)
		is_whole(request->fd, job, result);
	return true;
}

bool fw_verify_file(const char *folder, const struct fw_verify_job *job, const atomic_bool *cancel,
	void (*progress)(void *context, int64_t done), void *context,
	struct fw_verify_result *result)
{
	struct fw_digest_request request = {.sign = job->sign,
		.public_key = job->public_key,
		.cancel = cancel,
		.progress = progress,
		.context = context};
	struct fw_file_stamp look = fw_folder_look(folder, job->file), after;
	enum fw_status status;
	bool read, finished;

	result->reason.text[0] = '\0';
	status = fw_folder_open(folder, job->file, &request.fd, &result->stamp, &result->reason);
	if (status != FW_OK) {
		result->stamp = look;
		/* what passes, such as want of descriptors, says nothing about the file */
		result->outcome = status == FW_BUSY ? FW_VERIFY_UNREAD : FW_VERIFY_BAD;
		return true;
	}
	read = worth_reading(request.fd, job, result);
	finished = !read || judge(&request, job, result);
	close(request.fd);
	if (!read || !finished)
		return finished;
	/* what was read must be what is there now, from the first look on */
	after = fw_folder_look(folder, job->file);
	if (!fw_file_stamp_equal(&look, &result->stamp) ||
		!fw_file_stamp_equal(&after, &result->stamp)) {
		result->outcome = FW_VERIFY_UNSETTLED;
		result->reason.text[0] = '\0';
	}
	return true;
}

static void look_at_folder(struct fw_verifier *verifier)
{
	if (verifier->watch && fw_watch_take(verifier->watch))
		atomic_store(&verifier->changed, true);
}

static void on_progress(void *context, int64_t done)
{
	(void)done;
	look_at_folder(context);
}

static void verify_given(struct fw_verifier *verifier)
{
	struct fw_verify_result result;
	bool given;

	pthread_mutex_lock(&verifier->lock);
	given = verifier->phase == GIVEN;
	result = verifier->slot;
	pthread_mutex_unlock(&verifier->lock);
	/* while it is GIVEN the job is this thread's alone */
	if (!given ||
		!fw_verify_file(verifier->folder, &result.job, &verifier->stop, on_progress,
			verifier, &result))
		return;
	pthread_mutex_lock(&verifier->lock);
	verifier->slot = result;
	verifier->phase = DONE;
	pthread_mutex_unlock(&verifier->lock);
}

static void *run_verifier(void *argument)
{
	struct fw_verifier *verifier = argument;

	fw_thread_step_behind();
	while (!atomic_load(&verifier->stop)) {
		struct pollfd ready[2] = {{.fd = verifier->wake, .events = POLLIN},
			{.fd = verifier->watch ? fw_watch_fd(verifier->watch) : -1,
				.events = POLLIN}};
		uint64_t ignored;

		poll(ready, 2, LOOK_EVERY_MS);
		if (ready[0].revents)
			(void)!read(verifier->wake, &ignored, sizeof(ignored));
		look_at_folder(verifier);
		verify_given(verifier);
	}
	return NULL;
}

enum fw_status fw_verifier_start(
	const char *folder, struct fw_verifier **out, struct fw_error *error)
{
	struct fw_verifier *verifier = calloc(1, sizeof(*verifier));
	enum fw_status status = FW_FAILED;

	if (!verifier)
		return FW_NOMEM;
	verifier->folder = folder;
	atomic_store(&verifier->changed, true);
	pthread_mutex_init(&verifier->lock, NULL);
	verifier->watch = fw_watch_open(folder);
	verifier->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (verifier->wake < 0)
		fw_error_set(error, "cannot make an eventfd: %s", strerror(errno));
	else
		status = fw_thread_start(
			&verifier->thread, run_verifier, verifier, "verifies files", error);
	if (status == FW_OK) {
		*out = verifier;
		return FW_OK;
	}
	if (verifier->wake >= 0)
		close(verifier->wake);
	fw_watch_close(verifier->watch);
	pthread_mutex_destroy(&verifier->lock);
	free(verifier);
	return status;
}

static void wake_verifier(struct fw_verifier *verifier)
{
	uint64_t one = 1;

	(void)!write(verifier->wake, &one, sizeof(one));
}

void fw_verifier_stop(struct fw_verifier *verifier)
{
	if (!verifier)
		return;
	atomic_store(&verifier->stop, true);
	wake_verifier(verifier);
	pthread_join(verifier->thread, NULL);
	if (verifier->phase != IDLE)
		fw_verify_job_clear(&verifier->slot.job);
	close(verifier->wake);
	fw_watch_close(verifier->watch);
	pthread_mutex_destroy(&verifier->lock);
	free(verifier);
}

bool fw_verifier_idle(struct fw_verifier *verifier)
{
	bool idle;

	pthread_mutex_lock(&verifier->lock);
	idle = verifier->phase == IDLE;
	pthread_mutex_unlock(&verifier->lock);
	return idle;
}

void fw_verifier_submit(struct fw_verifier *verifier, struct fw_verify_job job)
{
	pthread_mutex_lock(&verifier->lock);
	verifier->slot = (struct fw_verify_result){.job = job};
	verifier->phase = GIVEN;
	pthread_mutex_unlock(&verifier->lock);
	wake_verifier(verifier);
}

bool fw_verifier_take(struct fw_verifier *verifier, struct fw_verify_result *out)
{
	bool done;

	pthread_mutex_lock(&verifier->lock);
	done = verifier->phase == DONE;
	if (done) {
		*out = verifier->slot;
		verifier->phase = IDLE;
	}
	pthread_mutex_unlock(&verifier->lock);
	return done;
}

bool fw_verifier_changed(struct fw_verifier *verifier)
{
	return atomic_exchange(&verifier->changed, false);
}
