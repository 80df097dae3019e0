/* The transitions of a task's rows: carries out the state machine (upgrade/state_machine.h) on a
 * row of table task_device, and announces what became of it. For the store's own files; store
 * thread only, inside a transaction. */
#ifndef FW_STORE_TRANSITION_H
#define FW_STORE_TRANSITION_H

#include "store/task_device.h"

/* What an event brings along. */
struct fw_upgrade_input {
	struct fw_slice reason; /* the device's own words, may be empty */
	int progress;           /* 0 to 100, with FW_EVENT_PROGRESS and FW_EVENT_FAILED */
	/* what %s in the reason stands for: the version that the device runs, or the task that took
	 * its place; empty: the row's device_version */
	struct fw_slice subject;
	bool retry;         /* FW_EVENT_FAILED: the device takes another attempt by itself */
	bool put_off;       /* FW_EVENT_REFUSED: it asked for more time than it was given */
	bool common;        /* FW_EVENT_LOST: fw_rollouts_loss_is_common */
	bool completed;     /* FW_EVENT_REPORTED_TARGET: by a progress, before the restart */
	int64_t after;      /* FW_EVENT_DEFERRED: ms after which it may be sent again */
	int64_t connection; /* FW_EVENT_PUSHED: to which the push goes; else by which the
			     * message came; 0: unknown */
};

/* Applies `event` by the state machine, writes the row, and announces its new state
 * (store/task_events.h). `input` may be NULL. `row` is brought up to date. *changed (may be NULL):
 * the state changed; it did not where an operator's trigger keeps the row as it was. A row that
 * would wait again is canceled, if its task is stopped or a newer task has superseded it. FW_OK,
 * FW_INVALID when the catalog's rules refuse it, or an error. */
enum fw_status fw_transition_apply(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *changed);

/* Writes the row's times as they are in memory; its state stays. FW_OK, or an error, like all
 * below. */
enum fw_status fw_transition_set_times(struct fw_task_devices *rows, struct fw_task_device *row);

/* Moves due_at a minute on: the catalog's rules did not let the timeout happen. `row` is as it was
 * read. */
enum fw_status fw_transition_postpone(struct fw_task_devices *rows, struct fw_task_device *row);

/* The same of wake_clock. */
enum fw_status fw_transition_wake_later(struct fw_task_devices *rows, struct fw_task_device *row);

/* The device went offline: sets interrupted_at of a row that is processing. */
enum fw_status fw_transition_interrupted(struct fw_task_devices *rows, struct fw_task_device *row);

/* The device went `away`, or came back: sets or clears lost_clock of a row that was started or is
 * on trial. longest_ms: the device's longest absence of the last week. */
enum fw_status fw_transition_watch_absence(
	struct fw_task_devices *rows, struct fw_task_device *row, bool away, int64_t longest_ms);

/* The device has reported a version: no later message is about what was sent for this row. */
enum fw_status fw_transition_forget_sending(
	struct fw_task_devices *rows, struct fw_task_device *row);

#endif
