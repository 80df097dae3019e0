/* Reads firmware files in a thread of its own, says whether they are what their rows say, and
 * watches their folder. Knows no SQLite: the store hands over one job at a time, and writes the
 * results into the catalog. */
#ifndef FW_FILES_VERIFIER_H
#define FW_FILES_VERIFIER_H

#include "base/fw.h"
#include "files/digest.h"
#include "files/folder.h"

struct fw_verifier;

/* What a row says. malloc'd text, owned by the job; NULL where the row has NULL. */
struct fw_verify_job {
	char *firmware_id, *file, *sign_method, *sign, *public_key;
	int64_t size; /* bytes; -1: NULL */
};

enum fw_verify_outcome {
	FW_VERIFY_GOOD,
	FW_VERIFY_BAD, /* `reason` says why */
	/* somebody is writing it: try again in a moment; `reason` says so where it may last */
	FW_VERIFY_UNSETTLED,
	/* it cannot be read now (a disk that fails, no memory), which says nothing about the file:
	 * try again later; `reason` says why */
	FW_VERIFY_UNREAD,
};

struct fw_verify_result {
	struct fw_verify_job job;
	enum fw_verify_outcome outcome;
	struct fw_error reason;
	struct fw_file_stamp stamp; /* of the file that was judged */
	enum fw_sign_method method; /* when good: the row's, sha256 if it had none */
	struct fw_digest_result digest;
};

/* On the I/O thread (base/io_thread.h), like fw_verifier_stop. Starts the thread. `folder` is
 * borrowed. FW_OK, or FW_FAILED with a message, FW_NOMEM. */
enum fw_status fw_verifier_start(
	const char *folder, struct fw_verifier **out, struct fw_error *error);
void fw_verifier_stop(struct fw_verifier *verifier); /* ends what it is reading; NULL is fine */

/* The rest: store thread. */

bool fw_verifier_idle(struct fw_verifier *verifier); /* it may be given a job */
/* Of one that is idle. Takes the job over. */
void fw_verifier_submit(struct fw_verifier *verifier, struct fw_verify_job job);
/* False: no result yet. out->job is the caller's: fw_verify_job_clear. */
bool fw_verifier_take(struct fw_verifier *verifier, struct fw_verify_result *out);

/* Has anything in the folder changed since this was last asked? True at first. */
bool fw_verifier_changed(struct fw_verifier *verifier);

void fw_verify_job_clear(struct fw_verify_job *job);

/* The work itself, on the caller's thread. `job` is borrowed, result->job is left alone. False when
 * canceled. */
bool fw_verify_file(const char *folder, const struct fw_verify_job *job, const atomic_bool *cancel,
	void (*progress)(void *context, int64_t done), void *context,
	struct fw_verify_result *result);

#endif
