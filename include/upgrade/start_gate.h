/* When a row may start, for pushes and pulls alike (plugin/doc/rollouts.md, "What a device waits
 * for"). The view task_device_waits tells operators the same.
 *
 * Pure, without errors; any thread. */
#ifndef FW_UPGRADE_START_GATE_H
#define FW_UPGRADE_START_GATE_H

#include "base/fw.h"
#include "upgrade/rollout.h"
#include "upgrade/start_rate.h"

/* What a row waits for: the first of these counts. */
enum fw_start_wait {
	FW_WAITS_FOR_NOTHING, /* it may start */
	FW_WAITS_FOR_PAUSED_TASK,
	FW_WAITS_FOR_STOPPED_TASK,
	FW_WAITS_FOR_START_TIME,
	FW_WAITS_FOR_END_TIME, /* no more starts: end_at is over */
	FW_WAITS_FOR_WINDOW,
	FW_WAITS_FOR_FIRMWARE,
	FW_WAITS_FOR_DEVICE,
	FW_WAITS_FOR_UNSETTLED_DEVICE,
	FW_WAITS_FOR_OTHER_TASK,
	FW_WAITS_FOR_OLDER_FIRMWARE,
	FW_WAITS_FOR_DEFERRAL,
	FW_WAITS_FOR_RETRY,
	FW_WAITS_FOR_STAGE,
	FW_WAITS_FOR_IN_FLIGHT,
	FW_WAITS_FOR_RATE,
	FW_START_WAITS
};

/* What is known of a row, its device, and its firmware. Times are steady milliseconds. */
struct fw_start_row {
	bool started; /* it had an attempt: the stage counts it already */
	bool firmware_ready;
	bool pull; /* the device pulls, and so is online */
	/* presence; neither: unknown, which counts as offline until the row was started, or the
	 * last stage begins */
	bool online, offline;
	int64_t online_since;   /* while online: since when without a break */
	bool other_task;        /* another upgrade is under way, or an older one waits */
	bool below_min_order;   /* the device's version is below firmware.min_version_order */
	int64_t deferred_until; /* 0: it is not deferred */
	int64_t retry_at;       /* of a failed row; 0: none */
	bool utc_offset_known;
	int utc_offset; /* minutes, of the device */
};

/* The first thing that the row waits for. `rate`: the task's bucket, from which nothing is taken.
 * *retry_after_ms: the time until that wait is over, at least 1; 0: not known, or no wait. */
enum fw_start_wait fw_start_gate_row(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_start_row *row,
	const struct fw_rollout_now *now, const struct fw_start_rate *rate,
	int64_t *retry_after_ms);

/* The same, for a start that follows at once: with FW_WAITS_FOR_NOTHING a token is taken from the
 * bucket. The caller owns the bucket and keeps others from it. */
enum fw_start_wait fw_start_gate_take(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_start_row *row,
	const struct fw_rollout_now *now, struct fw_start_rate *rate, int64_t *retry_after_ms);

/* What a whole task waits for: the first thing that all of its rows wait for. FW_WAITS_FOR_NOTHING:
 * some may start. A window by the devices' clocks does not count for a task. Nor does a full stage
 * with `again`: rows that were started before may wait for another attempt, which takes no room. */
enum fw_start_wait fw_start_gate_task(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, bool firmware_ready, bool again,
	const struct fw_rollout_now *now, const struct fw_start_rate *rate,
	int64_t *retry_after_ms);

/* As task_detail.waits_for has it: 'task paused' ... 'rate'; "" for FW_WAITS_FOR_NOTHING, and for
 * what is out of range. Static. */
const char *fw_start_gate_wait_name(enum fw_start_wait wait);

#endif
