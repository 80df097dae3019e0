/* The transitions of a task's rows: carries out the state machine (upgrade/state_machine.h) on a
 * row of table task_device, and announces what became of it. For the store's own files; store
 * thread only, inside a transaction. */
#ifndef FW_STORE_TRANSITION_H
#define FW_STORE_TRANSITION_H

#include "store/task_device.h"

/* What an event brings along. */
struct fw_upgrade_input {
	struct fw_slice reason;  /* the device's own words, may be empty */
	int progress;            /* 0 to 100, with FW_EVENT_PROGRESS and FW_EVENT_FAILED */
	struct fw_slice version; /* what the device runs, with FW_EVENT_REPORTED_OTHER */
	bool retry;              /* FW_EVENT_FAILED: the device takes another attempt by itself */
	bool put_off;            /* FW_EVENT_REFUSED: it asked for more time, and had no more */
	bool common;             /* FW_EVENT_LOST: others are away that were not upgraded */
	bool completed;          /* FW_EVENT_REPORTED_TARGET: it says so before its restart */
	int64_t after;           /* FW_EVENT_DEFERRED: ms after which it may be asked again */
	int64_t connection;      /* by which the message came, 0: unknown, or an operator's */
};

/* Applies `event` by the rules, writes the row, and tells of it (store/task_events.h) when its
 * state changed. `row` is brought up to date. *changed (may be NULL): the state changed. A row that
 * a trigger of the operator's keeps as it was did not. What goes back to the queue of a stopped
 * task is canceled. */
enum fw_status fw_transition_apply(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *changed);

/* Writes the row's times as they are in memory; its state is as it was. */
enum fw_status fw_transition_set_times(struct fw_task_devices *rows, struct fw_task_device *row);

/* A timeout that the catalog's rules do not let happen comes again a minute later. `row` as it was
 * read. */
enum fw_status fw_transition_postpone(struct fw_task_devices *rows, struct fw_task_device *row);

/* The device went offline: notes it on the row if it is processing. */
enum fw_status fw_transition_interrupted(struct fw_task_devices *rows, struct fw_task_device *row);

/* The device went `away`, or is there again. A row that was started, or is on trial, is lost when
 * it stays away: longest_ms is its longest absence so far. */
enum fw_status fw_transition_watch_absence(
	struct fw_task_devices *rows, struct fw_task_device *row, bool away, int64_t longest_ms);

/* The device reported a version, or said a last word: what was sent with this row before is not to
 * be told of any more. */
enum fw_status fw_transition_forget_sending(
	struct fw_task_devices *rows, struct fw_task_device *row);

#endif
