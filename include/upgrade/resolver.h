/* Answers pulls and reads from the catalog (plugin/doc/protocol.md).
 *
 * Keeps what replies need, the constant part of the JSON already rendered, and asks its source at
 * each answer whether the catalog changed: an operator's committed change is seen by the next pull.
 * Broker thread only. Pure: the source is catalog/pull_reader.h, or a table in a test. */
#ifndef FW_UPGRADE_RESOLVER_H
#define FW_UPGRADE_RESOLVER_H

#include "base/fw.h"
#include "files/folder.h"
#include "protocol/message.h"
#include "upgrade/unapplied.h"

enum fw_pull_policy { FW_POLICY_LATEST, FW_POLICY_STEPWISE, FW_POLICY_TASK };

struct fw_product {
	bool enabled;
	/* some task that is not stopped has waiting rows, or some task has rows that are processing
	 * or will be retried */
	bool open_tasks;
	bool mislabelled; /* some device of it installed an offer and reported another version */
	bool completing;  /* some device of it has completed an upgrade, and not reported since */
	bool ordered;     /* some firmware of it has a min_version_order */
	enum fw_pull_policy policy;
};

struct fw_firmware {
	int64_t order; /* version_order */
	bool ready;
	const char *version, *firmware_id;
	const char *rendered;       /* fw_message_render_offer; NULL unless ready */
	const char *file;           /* in files_dir; NULL: hosted elsewhere */
	struct fw_file_stamp stamp; /* of the file as it was verified */
	bool url_per_device;        /* rendered is without the url: each device gets its own */
};

/* A row of a device: waiting, processing, or failed and to be retried. */
struct fw_open_row {
	bool processing;
	bool failed;  /* and will be retried later */
	bool retried; /* its task retries what failed (retry_limit > 0) */
	/* it may be handed out: its firmware is ready, and its task running; or paused, for a row
	 * that is processing */
	bool offered;
	bool downgrade; /* to a device that runs a higher version, too */
	char firmware_id[FW_ID_MAX + 1];
	char version[FW_VERSION_BUFFER];
	int64_t order;
	char task_id[FW_ID_MAX + 1];
	bool managed;          /* the gate decides when it starts (upgrade/start_gate.h) */
	int64_t defer_ms;      /* task.defer_seconds; -1: no limit */
	int64_t first_told_at; /* Unix ms: when the device was first offered it; 0: not yet */
};

/* how often a device may install an image and report another version than the catalog's, before
 * it is not offered that image any more; the view mislabelled has the same number */
#define FW_LABEL_CHECK_TIMES 3

/* per device; more than fw_unapplied remembers as closed, so that one is left to choose */
#define FW_OPEN_ROWS_MAX 16u

struct fw_pull {
	struct fw_slice product, device;
	struct fw_slice current, request; /* versions; empty when not given */
	int64_t now;                      /* Unix ms */
};

/* Where the catalog comes from. Each function returns FW_OK, FW_NOT_FOUND, FW_NOMEM, or FW_BUSY,
 * FW_IO, FW_CORRUPT when the catalog cannot be read now. Firmware is new, made by fw_firmware_copy,
 * owned by the caller. */
struct fw_resolver_source {
	void *context;
	/* a number that moves with every change that an answer may depend on; called at each
	 * answer, so it must be cheap */
	enum fw_status (*generation)(void *context, uint64_t *out);
	enum fw_status (*product)(void *context, struct fw_slice product, struct fw_product *out);
	enum fw_status (*by_version)(void *context, struct fw_slice product,
		struct fw_slice version, struct fw_firmware **out);
	enum fw_status (*by_id)(void *context, struct fw_slice product, struct fw_slice firmware_id,
		struct fw_firmware **out);
	/* the ready firmware with the highest order, of what a pull may get without a task.
	 * `order`: of the device's version; INT64_MAX: no firmware has a min_version_order */
	enum fw_status (*latest)(
		void *context, struct fw_slice product, int64_t order, struct fw_firmware **out);
	/* the ready firmware with the lowest order above `order`, of what a pull may get without a
	 * task */
	enum fw_status (*next)(
		void *context, struct fw_slice product, int64_t order, struct fw_firmware **out);
	/* the device's open rows: the one under way first, then the others whose firmware is ready,
	 * lowest or highest order first. Of rows that offer the same firmware and are not managed,
	 * one; *count at most FW_OPEN_ROWS_MAX */
	enum fw_status (*open_rows)(void *context, struct fw_slice product, struct fw_slice device,
		bool lowest_first, struct fw_open_row *rows, size_t *count);
	/* the recorded version, terminated, FW_NOT_FOUND when none */
	enum fw_status (*device_version)(void *context, struct fw_slice product,
		struct fw_slice device, char *version, size_t size);
	/* what the device ran, terminated, before the upgrade that it completed and has not
	 * reported of; FW_NOT_FOUND when there is none, or that is too long ago at `now` (Unix ms)
	 */
	enum fw_status (*completed_from)(void *context, struct fw_slice product,
		struct fw_slice device, int64_t now, char *version, size_t size);
	/* *out: the device, which reports `version`, has installed this firmware and reported
	 * another version FW_LABEL_CHECK_TIMES in a row; FW_NOT_FOUND when it never did */
	enum fw_status (*is_mislabelled)(void *context, struct fw_slice product,
		struct fw_slice device, const char *firmware_id, struct fw_slice version,
		bool *out);
	/* takes a place for the row to start now, which the caller gives back if the row is not
	 * handed out. FW_NOT_FOUND: not now; in *retry_after_ms it may be, 0 unknown. NULL: all
	 * rows may start */
	enum fw_status (*take_place)(void *context, const struct fw_pull *pull,
		const struct fw_open_row *row, int64_t order, int64_t *retry_after_ms);
	void (*give_back)(void *context, const struct fw_pull *pull, const char *task_id);
};

/* A copy in one block of memory, with the texts behind the struct: a pull reads all of them, and
 * one block costs fewer cache misses. Free it with free(). NULL when out of memory. */
struct fw_firmware *fw_firmware_copy(const struct fw_firmware *firmware);

struct fw_resolver;

/* `source` and `unapplied` are borrowed. NULL when out of memory. */
struct fw_resolver *fw_resolver_new(
	const struct fw_resolver_source *source, const struct fw_unapplied *unapplied);
void fw_resolver_free(struct fw_resolver *resolver); /* NULL is fine */

/* The generation that the last answer came from: it moves with every change that an answer may
 * depend on. */
uint64_t fw_resolver_generation(const struct fw_resolver *resolver);

/* FW_OK, FW_NOT_FOUND (unknown product), or the source's error. */
enum fw_status fw_resolver_product(
	struct fw_resolver *resolver, struct fw_slice product, struct fw_product *out);

struct fw_answer {
	enum fw_pull_code code;
	/* when code is FW_PULL_OFFER; borrowed until the next call */
	const struct fw_firmware *firmware;
	/* the device has completed an upgrade and not restarted yet: the pull names the version
	 * before it */
	bool before_restart;
	/* the task in which the answer took a place, "" for none: give it back if the answer is not
	 * sent */
	char task_id[FW_ID_MAX + 1];
	int64_t retry_after_ms; /* with no_update: then another answer is likely; 0: unknown */
	struct fw_deferral deferral;
	bool watched; /* the device reported another version after this: offers are counted */
	/* the answer is about an open row of the device, or may be (a request by version) */
	bool of_task;
};

/* Gives back the place that the answer took, if it took one: the answer was not sent. */
void fw_resolver_give_back(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *answer);

/* Decides, in the order that plugin/upgrade/resolver.c begins with. FW_OK, or the source's error:
 * then there is no answer, and *out stays as it was. */
enum fw_status fw_resolver_answer(
	struct fw_resolver *resolver, const struct fw_pull *pull, struct fw_answer *out);

/* A device completed an upgrade: from now on answers check whether a pull comes from before the
 * restart. */
void fw_resolver_note_completion(struct fw_resolver *resolver);

/* The version that the device last named, by uplinks that are not yet applied, too.
 * FW_OK with terminated text of at most `size` bytes; FW_NOT_FOUND; or the source's error. */
enum fw_status fw_resolver_device_version(struct fw_resolver *resolver, struct fw_slice product,
	struct fw_slice device, char *version, size_t size);

#endif
