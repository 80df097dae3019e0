/* The rules of a rollout (plugin/doc/rollouts.md): the size of a stage, its gate, the stop, the
 * end. Plan, counts and clocks go in, the next step comes out.
 *
 *                    all of the budget started, enough of them proved
 *   stage n: starting ---------------------------------------------> holding ----> stage n + 1
 *       |    ^      ^                                                  |   |
 *       |    |      +----------------- no longer so -------------------+   +--(on_success)-->
 * paused |    +-- resumed
 *       +-- too many failed; the gate out of reach; end_at --> paused
 *
 * Counts are rows. Durations are milliseconds; "steady" is the scheduler's clock, "wall" Unix time.
 * Percent are integers, so that no rounding depends on the machine. Pure, without errors: what is
 * out of range counts as the nearest that is in it. Any thread. */
#ifndef FW_UPGRADE_ROLLOUT_H
#define FW_UPGRADE_ROLLOUT_H

#include "base/fw.h"
#include "upgrade/retry.h"
#include "upgrade/state_machine.h"
#include "upgrade/window.h"

#define FW_ROLLOUT_ALL 100000000        /* 100 % in millionths of a percent */
#define FW_ROLLOUT_WALL_SLACK_MS 600000 /* a wall clock that is behind by more is not believed */
#define FW_ROLLOUT_REASON_MAX 160       /* bytes of a reason, terminated */

enum fw_rollout_state { FW_ROLLOUT_RUNNING, FW_ROLLOUT_PAUSED, FW_ROLLOUT_STOPPED };

/* What proves a device, as task.gate has it. */
enum fw_rollout_gate { FW_ROLLOUT_BY_VERSION, FW_ROLLOUT_BY_COMPLETE };

struct fw_rollout_stage {
	int64_t until_millionths; /* of a percent of the task's rows; 0: until_count counts */
	int64_t until_count;
	int64_t success_percent; /* of the budget must be proved */
	int64_t hold_ms;
	bool pause_after; /* on_success: 'pause', not 'next' */
};

struct fw_rollout_stop {
	int64_t failed_percent; /* 0: none */
	int64_t failed_min;     /* so many ended before the percentage counts */
	int64_t failed_count;   /* 0: none */
	int64_t window;         /* after so many ended the counts begin anew */
};

/* What a task's row says. All zero but stop.window and defer_ms: a task as it was before rollouts.
 */
struct fw_rollout_plan {
	enum fw_rollout_state state;
	enum fw_rollout_gate gate;
	struct fw_rollout_stop stop;
	int64_t rate_per_minute;    /* 0: none */
	int64_t rate_doubles_after; /* 0: none */
	int64_t max_in_flight;      /* 0: none */
	int64_t min_online_ms;
	int64_t start_at, end_at; /* wall; 0: none */
	bool end_stops;           /* end_action: 'stop', not 'pause' */
	struct fw_window window;
	struct fw_retry retry;
	int64_t defer_ms; /* -1: a device may put it off for ever */
	int64_t trial_ms;
	int64_t lost_ms; /* 0: none */

	int64_t stage;  /* from 1 */
	int64_t stages; /* 0: none; beyond the last one all rows may start, too */
	struct fw_rollout_stage current;
};

#define FW_ROLLOUT_DONE (-1) /* hold_since: the stage is done, and the task paused for that */

struct fw_rollout_counts {
	int64_t n;         /* rows, without canceled ones and those that needed no upgrade */
	int64_t started;   /* that had an attempt */
	int64_t in_flight; /* processing */
	int64_t proved;
	int64_t bad;
	int64_t bad_final; /* bad, and not to be retried */
	/* bad_final when an operator last resumed the task or raised its stage, lowered with
	 * bad_final: these do not pause it again. 0 when the stage grew by itself. */
	int64_t bad_forgiven;
	int64_t epoch_good, epoch_bad; /* proved and bad in this epoch of the stop */
	bool holding;                  /* the gate's conditions hold */
	int64_t hold_since;            /* steady, or FW_ROLLOUT_DONE; while holding */
};

/* The clocks, read once for all questions of one pass. */
struct fw_rollout_now {
	int64_t steady_ms, wall_ms;
	bool wall_behind;      /* fw_rollout_wall_is_behind */
	int broker_utc_offset; /* minutes that the broker's zone is ahead of UTC at wall_ms */
};

enum fw_rollout_action {
	FW_ROLLOUT_NOTHING,
	FW_ROLLOUT_HOLD,       /* the gate's conditions came to hold: note hold_since = steady_ms */
	FW_ROLLOUT_UNHOLD,     /* they broke: forget hold_since */
	FW_ROLLOUT_NEXT_STAGE, /* stage + 1, a new epoch, forget hold_since and bad_forgiven */
	FW_ROLLOUT_NEW_EPOCH,  /* the stop counts anew */
	/* the task pauses, with the reason */
	FW_ROLLOUT_PAUSE_DONE, /* the gate is open: the stage grows when the task is resumed */
	FW_ROLLOUT_PAUSE_STOP, /* too many failed */
	FW_ROLLOUT_PAUSE_UNREACHABLE, /* too few are left for success_percent */
	FW_ROLLOUT_PAUSE_END,         /* end_at */
	FW_ROLLOUT_STOP_END,          /* the task is stopped at end_at, with the reason */
	FW_ROLLOUT_ACTIONS
};

struct fw_rollout_step {
	enum fw_rollout_action action;
	/* call again at this time at the latest, on either clock; 0: no time matters */
	int64_t steady_at, wall_at;
	char reason[FW_ROLLOUT_REASON_MAX]; /* for people; empty when there is none */
};

/* `percent`, above 0 and at most 100, in millionths of a percent: rounded, at least 1. */
int64_t fw_rollout_millionths(double percent);

/* Is the wall clock more than ten minutes behind `seen_ms`, the latest wall time that the catalog
 * has recorded (0: none)? Then start_at, end_at and windows are suspended: a task that has begun
 * goes on, none begins or ends by its times, and no window is open. */
bool fw_rollout_wall_is_behind(int64_t wall_ms, int64_t seen_ms);

/* Does a stage say how many may start? False without stages, and beyond the last one. */
bool fw_rollout_has_stage(const struct fw_rollout_plan *plan);

/* How many rows may have started in the current stage: at least 1, so that a stage without rows
 * waits for one. Without a stage: n. */
int64_t fw_rollout_budget(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts);

/* How many of `budget` rows must be proved for the current stage's gate, rounded up. */
int64_t fw_rollout_needed(const struct fw_rollout_plan *plan, int64_t budget);

/* Is there room in the current stage for a row that has not been started yet? */
bool fw_rollout_has_room(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts);

/* Is the gate open: have its conditions held for hold_seconds? Never in the last stage. */
bool fw_rollout_gate_is_open(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, int64_t steady_ms);

/* The one step that is due, the stop before all others. After it was carried out there may be
 * another one: the caller calls again until FW_ROLLOUT_NOTHING. Called for tasks with open rows,
 * and within the transaction that applies a failure, so that the stop precedes the next push. A
 * paused task only gets FW_ROLLOUT_HOLD, FW_ROLLOUT_UNHOLD and FW_ROLLOUT_STOP_END; a stopped one
 * nothing. */
void fw_rollout_next_step(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_rollout_now *now,
	struct fw_rollout_step *out);

/* Is a row proved? `started`: it had an attempt. `reported`: the device reported the target version
 * after that began. `success`: the row's state. */
bool fw_rollout_is_proved(enum fw_rollout_gate gate, bool started, bool reported, bool success);

/* Does a row that failed count as bad? `put_off`: the device asked for more time than it was given.
 * `common`: the loss is no more frequent than in the control group (fw_trial_is_remarkable). */
bool fw_rollout_is_bad(bool started, enum fw_failure failure, bool put_off, bool common);

#endif
