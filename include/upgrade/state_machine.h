/* The state machine of a task's row, as a table of transitions. The store carries it out, the view
 * task_transition (schema/transitions.sql) shows it to operators, and a unit test compares the
 * two.
 * The picture of all ways: plugin/doc/protocol.md, "The life of an upgrade".
 *
 * An attempt begins when a push is sent or a pull is answered. It belongs to the connection it was
 * sent to. It ends in one of three ways: by a message of the device; by a timeout, while the device
 * was online all the time; or it is interrupted: the device came back by another connection without
 * having answered, or was silent after it came back. Where a connection speaks for many devices, a
 * report of the old version may be the only sign of a restart: it counts as coming back. An
 * interrupted attempt is followed by another one, until attempt_limit of them in a row were
 * interrupted.
 *
 * Pure; any thread. The catalog's triggers carry out operators' own steps (stop, continue,
 * retry). */
#ifndef FW_UPGRADE_STATE_MACHINE_H
#define FW_UPGRADE_STATE_MACHINE_H

#include "base/fw.h"

enum fw_upgrade_state {
	FW_UPGRADE_WAITING,
	FW_UPGRADE_PROCESSING,
	FW_UPGRADE_SUCCESS,
	FW_UPGRADE_FAILED,
	FW_UPGRADE_CANCELED,
	FW_UPGRADE_STATES
};

enum fw_upgrade_event {
	FW_EVENT_PUSHED,          /* the scheduler sends `upgrade` */
	FW_EVENT_PULLED,          /* a pull was answered with this firmware */
	FW_EVENT_ACCEPTED,        /* upgrade/reply, success */
	FW_EVENT_REFUSED,         /* upgrade/reply, not success */
	FW_EVENT_PROGRESS,        /* progress, not complete */
	FW_EVENT_COMPLETED,       /* progress: complete, success */
	FW_EVENT_FAILED,          /* progress: complete, not success */
	FW_EVENT_REPORTED_TARGET, /* the device runs the target version */
	FW_EVENT_REPORTED_OTHER,  /* the device runs another version */
	/* the device runs a version of a higher order than the target's */
	FW_EVENT_OVERTAKEN,
	FW_EVENT_NO_RESPONSE, /* response_timeout_seconds are over, without an answer */
	FW_EVENT_TIMEOUT,     /* timeout_seconds are over, and the upgrade is not complete */
	/* the attempt's connection has ended, and the device says nothing of the attempt */
	FW_EVENT_INTERRUPTED,
	/* the connection ended that a response timeout was decided on, and no message came by it
	 * since the push */
	FW_EVENT_UNHEARD,
	/* upgrade/reply, not success, with retryAfter: the device defers the upgrade */
	FW_EVENT_DEFERRED,
	FW_EVENT_RETRY, /* the time of a planned retry has come */
	/* started or on trial, the device went away and did not come back */
	FW_EVENT_LOST,
	FW_EVENT_STOP, /* the row is to wait again, and its task is stopped */
	/* the row is to wait again, and a newer task has superseded it */
	FW_EVENT_SUPERSEDED,
	FW_UPGRADE_EVENTS
};

/* What a transition may require besides state and event: bits. */
enum fw_upgrade_fact {
	FW_FACT_PUSH = 1 << 0,      /* the task's mode is push, not pull */
	FW_FACT_BY_DEVICE = 1 << 1, /* the failure was the device's own word, and final */
	/* the device is there by the connection that the attempt was sent to */
	FW_FACT_PRESENT = 1 << 2,
	FW_FACT_SAID_DONE = 1 << 3, /* it reported progress 100 in this attempt */
	FW_FACT_ANSWERED = 1 << 4,  /* it answered this attempt: upgrade/reply, progress, a pull */
	FW_FACT_ELSEWHERE = 1 << 5, /* the message came by another connection than the attempt's */
	FW_FACT_USED_UP = 1 << 6,   /* with this interruption attempt_limit is reached */
	FW_FACT_DOWNGRADE = 1 << 7, /* the task allows a lower version than the device's */
	FW_FACT_NO_RESPONSE = 1 << 8, /* the failure is a response timeout */
	FW_FACT_ON_TRIAL = 1 << 9,    /* the trial is not over (task.trial_seconds) */
	FW_FACT_LOST = 1 << 10,       /* the kind of the failure is lost */
	FW_FACT_VERIFIED = 1 << 11,   /* verified_at is set, or the row was never started */
	/* a connection may speak for many devices, and does not end when one of them restarts */
	FW_FACT_SHARED = 1 << 12,
};
#define FW_UPGRADE_FACTS 13

/* What follows, besides the new state: bits. */
enum fw_upgrade_action {
	FW_ACT_RESPONDED = 1 << 0, /* note responded_at; the upgrade timeout is the next one */
	/* an attempt begins: note pushed_at, count it, start the timers */
	FW_ACT_START = 1 << 1,
	/* a late message: the attempt goes on, with a new upgrade timeout */
	FW_ACT_RESUME = 1 << 2,
	FW_ACT_PROGRESS = 1 << 3, /* write progress, never lower than it was */
	FW_ACT_FINISH = 1 << 4,   /* note completed_at, stop the timers */
	/* back to the queue: clear progress and timers, keep the attempts */
	FW_ACT_REQUEUE = 1 << 5,
	FW_ACT_COUNT = 1 << 6, /* count an interruption */
	/* a message about the upgrade is due within response_timeout_seconds; within 3 seconds if
	 * there was none yet */
	FW_ACT_WATCH = 1 << 7,
	FW_ACT_VERIFY = 1 << 8, /* a started row's device reports the target: note verified_at */
	FW_ACT_DEFER = 1 << 9,  /* the attempt is taken back, and made later: note deferred_until */
};
#define FW_UPGRADE_ACTIONS 10

/* The kinds of failure, as in task_device.failure. */
enum fw_failure {
	FW_FAILURE_NONE,
	FW_FAILURE_DEVICE,
	FW_FAILURE_RESPONSE,
	FW_FAILURE_TIMEOUT,
	FW_FAILURE_VERSION,
	FW_FAILURE_LOST,
	FW_FAILURE_REVERTED,
	FW_FAILURE_INTERRUPTED,
	FW_FAILURE_REFUSED,
	FW_FAILURES
};

struct fw_upgrade_step {
	bool legal;                  /* false: the event changes nothing in this state */
	enum fw_upgrade_state state; /* the state after the event; as before when not legal */
	unsigned actions;            /* of enum fw_upgrade_action */
	enum fw_failure failure;     /* the kind, when the state is failed */
	const char *reason; /* the broker's reason; NULL: the device gives its own, or there is
			     * none. "%s" stands for the version that the device runs, or the task
			     * that took its place, "%d" for the number of interruptions */
};

/* The step of an event in a state. `facts`: bits of enum fw_upgrade_fact; those that no transition
 * of the event requires may be 0. */
struct fw_upgrade_step fw_state_machine_step(
	enum fw_upgrade_state state, enum fw_upgrade_event event, unsigned facts);

/* The table itself, for tests: the transition number `index`, from 0. False behind the last one.
 * `yes` and `no` are the facts that must, and must not, hold. Of several transitions that match,
 * the first one counts. */
struct fw_transition {
	enum fw_upgrade_state from;
	enum fw_upgrade_event event;
	unsigned yes, no;
	struct fw_upgrade_step step;
};
bool fw_state_machine_transition(size_t index, struct fw_transition *out);

/* Names, as the catalog has them; "" for what is out of range. Static. */
const char *fw_state_machine_state_name(enum fw_upgrade_state state);
const char *fw_state_machine_event_name(enum fw_upgrade_event event);
const char *fw_state_machine_fact_name(unsigned bit);   /* number of the bit */
const char *fw_state_machine_action_name(unsigned bit); /* number of the bit */
const char *fw_state_machine_failure_name(enum fw_failure failure);

/* False, and *out as it was, when `text` names no state. */
bool fw_state_machine_state_parse(struct fw_slice text, enum fw_upgrade_state *out);

/* FW_FAILURE_NONE for a text that names no kind. */
enum fw_failure fw_state_machine_failure_parse(struct fw_slice text);

#endif
