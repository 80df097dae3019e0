/* The rules of a task's row (contract, section 4), told once: a table of transitions that the store
 * executes, the tests walk through pair by pair, and the README prints.
 *
 *             push sent / pull answered            complete, success
 *   waiting ------------------------> processing -------------------> success
 *    ^  |                              |     |      report = target
 *    |  | stop                         |     | complete, not success; no response; timeout
 *    |  v                    no sign of life v
 *   canceled                 <- waiting     failed --(retry)--> waiting
 *
 * Pure; any thread. Operators' own changes (stop, continue, retry) are carried out by the catalog's
 * triggers, by the same table. */
#ifndef FW_RULES_H
#define FW_RULES_H

#include "fw.h"

enum fw_row_state { FW_ROW_WAITING, FW_ROW_PROCESSING, FW_ROW_SUCCESS, FW_ROW_FAILED, FW_ROW_CANCELED, FW_ROW_STATES };

enum fw_row_event {
	FW_EVENT_PUSHED,           /* the scheduler sends `upgrade` */
	FW_EVENT_PULLED,           /* a pull was answered with this firmware */
	FW_EVENT_ACCEPTED,         /* upgrade/reply, success */
	FW_EVENT_REFUSED,          /* upgrade/reply, not success */
	FW_EVENT_PROGRESS,         /* progress, not complete */
	FW_EVENT_COMPLETED,        /* progress: complete, success */
	FW_EVENT_BROKE,            /* progress: complete, not success */
	FW_EVENT_REPORTED_TARGET,  /* the device runs the target version */
	FW_EVENT_REPORTED_OTHER,   /* the device runs another version */
	FW_EVENT_NO_RESPONSE,      /* response_timeout_seconds over, nothing heard */
	FW_EVENT_TIMEOUT,          /* timeout_seconds over, not complete */
	FW_EVENT_STOP,             /* operator: task or row stopped */
	FW_EVENT_CONTINUE,         /* operator: task or row continued */
	FW_EVENT_RETRY,            /* operator: failed row of a push task */
	FW_ROW_EVENTS
};

/* What a rule may ask besides state and event. */
struct fw_row_facts {
	bool push;             /* the task's mode; false: pull */
	bool failed_by_device; /* the failure was the device's own word, and final */
	bool was_online;       /* FW_EVENT_NO_RESPONSE: the device was online when it was pushed, and has been all the time since */
	bool finished_before;  /* FW_EVENT_REPORTED_OTHER: it had said complete (progress 100), or went offline after the push and came back */
};

/* What follows, besides the new state. */
enum fw_row_action {
	FW_ACT_NONE = 0,
	FW_ACT_RESPONDED = 1 << 0,  /* note responded_at; a row under way goes from the response timeout to the upgrade timeout */
	FW_ACT_START = 1 << 1,      /* note pushed_at, count the attempt, start the timers */
	FW_ACT_RESUME = 1 << 2,     /* a late sign of life: start the upgrade timer without counting an attempt */
	FW_ACT_PROGRESS = 1 << 3,   /* take over the progress figure (never lower than it was) */
	FW_ACT_FINISH = 1 << 4,     /* note completed_at, stop the timers */
	FW_ACT_BY_DEVICE = 1 << 5,  /* the failure is the device's own word */
	FW_ACT_RESET = 1 << 6,      /* clear progress, reason and times for another attempt */
	FW_ACT_AWAIT = 1 << 7,      /* back to waiting for the device to show itself: clear the timers, keep the attempt count */
};

struct fw_row_step {
	bool legal;               /* false: the event changes nothing in this state */
	enum fw_row_state state;  /* the state after the event; as before when not legal */
	unsigned actions;         /* of enum fw_row_action */
	const char *reason;       /* failed: the broker's reason, NULL where the device gives its own; "%s" stands for the version it still runs */
};

/* `facts` is not NULL; what the event does not ask for may be false. */
struct fw_row_step fw_rules_step(enum fw_row_state state, enum fw_row_event event, const struct fw_row_facts *facts);

const char *fw_rules_state_name(enum fw_row_state state); /* as stored in task_device.state */
bool fw_rules_state_parse(struct fw_slice text, enum fw_row_state *out);
const char *fw_rules_event_name(enum fw_row_event event); /* for tests and logs */

#endif
