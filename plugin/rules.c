/* The transitions of a task's row, as a table: what is not in it changes nothing. The guards are the only logic.
 *
 * Invariants: success is never left. canceled, and a failure that was the device's own word, are left by an operator's
 * verb alone. Only START counts an attempt. Every way into success or failed carries FINISH. */
#include "rules.h"

/* When a transition holds. NEVER, the zero, is what the empty places of the table have. */
enum guard {
	NEVER,
	ALWAYS,
	IF_PUSH,
	IF_PULL,
	IF_PUSH_ONLINE,      /* push, and the device was there all the time */
	IF_PUSH_AWAY,        /* push, and the device was not there, or not known to be */
	IF_FAILED_BY_BROKER, /* the failure was the broker's verdict, which the device may still overturn */
	IF_FINISHED,         /* the device has had its chance to start the new version */
};

struct rule {
	enum guard guard;
	enum fw_row_state state;
	unsigned actions;
	const char *reason;
};

/* A pair of state and event has at most two outcomes, tried in order. */
static const struct rule rules[FW_ROW_STATES][FW_ROW_EVENTS][2] = {
	[FW_ROW_WAITING] = {
		[FW_EVENT_PUSHED] = {{IF_PUSH, FW_ROW_PROCESSING, FW_ACT_START, NULL}},
		/* who pulls what was to be pushed has shown a sign of life: no response timeout is due */
		[FW_EVENT_PULLED] = {{IF_PULL, FW_ROW_PROCESSING, FW_ACT_START, NULL},
				     {IF_PUSH, FW_ROW_PROCESSING, FW_ACT_START | FW_ACT_RESPONDED, NULL}},
		/* late: the row came back to waiting because nothing was heard */
		[FW_EVENT_ACCEPTED] = {{ALWAYS, FW_ROW_PROCESSING, FW_ACT_RESUME | FW_ACT_RESPONDED, NULL}},
		[FW_EVENT_REFUSED] = {{ALWAYS, FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_BY_DEVICE | FW_ACT_FINISH, NULL}},
		[FW_EVENT_PROGRESS] = {{ALWAYS, FW_ROW_PROCESSING, FW_ACT_RESUME | FW_ACT_RESPONDED | FW_ACT_PROGRESS, NULL}},
		[FW_EVENT_COMPLETED] = {{ALWAYS, FW_ROW_SUCCESS, FW_ACT_RESPONDED | FW_ACT_FINISH, NULL}},
		[FW_EVENT_BROKE] = {{ALWAYS, FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_PROGRESS | FW_ACT_BY_DEVICE | FW_ACT_FINISH, NULL}},
		[FW_EVENT_REPORTED_TARGET] = {{ALWAYS, FW_ROW_SUCCESS, FW_ACT_FINISH, NULL}},
		[FW_EVENT_STOP] = {{ALWAYS, FW_ROW_CANCELED, FW_ACT_NONE, NULL}},
	},
	[FW_ROW_PROCESSING] = {
		/* a pushed device that pulls has heard the push; one that pulls again lost the first answer: it gets it again, and the clock goes on */
		[FW_EVENT_PULLED] = {{IF_PUSH, FW_ROW_PROCESSING, FW_ACT_RESPONDED, NULL},
				     {IF_PULL, FW_ROW_PROCESSING, FW_ACT_NONE, NULL}},
		[FW_EVENT_ACCEPTED] = {{ALWAYS, FW_ROW_PROCESSING, FW_ACT_RESPONDED, NULL}},
		[FW_EVENT_REFUSED] = {{ALWAYS, FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_BY_DEVICE | FW_ACT_FINISH, NULL}},
		[FW_EVENT_PROGRESS] = {{ALWAYS, FW_ROW_PROCESSING, FW_ACT_RESPONDED | FW_ACT_PROGRESS, NULL}},
		[FW_EVENT_COMPLETED] = {{ALWAYS, FW_ROW_SUCCESS, FW_ACT_RESPONDED | FW_ACT_FINISH, NULL}},
		[FW_EVENT_BROKE] = {{ALWAYS, FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_PROGRESS | FW_ACT_BY_DEVICE | FW_ACT_FINISH, NULL}},
		[FW_EVENT_REPORTED_TARGET] = {{ALWAYS, FW_ROW_SUCCESS, FW_ACT_FINISH, NULL}},
		[FW_EVENT_REPORTED_OTHER] = {{IF_FINISHED, FW_ROW_FAILED, FW_ACT_FINISH, "still runs %s after the upgrade"}},
		[FW_EVENT_NO_RESPONSE] = {{IF_PUSH_ONLINE, FW_ROW_FAILED, FW_ACT_FINISH, "response timeout"},
					  {IF_PUSH_AWAY, FW_ROW_WAITING, FW_ACT_AWAIT, NULL}},
		[FW_EVENT_TIMEOUT] = {{ALWAYS, FW_ROW_FAILED, FW_ACT_FINISH, "upgrade timeout"}},
	},
	[FW_ROW_FAILED] = {
		[FW_EVENT_COMPLETED] = {{IF_FAILED_BY_BROKER, FW_ROW_SUCCESS, FW_ACT_RESPONDED | FW_ACT_FINISH, NULL}},
		/* the device's own reason says more than the broker's */
		[FW_EVENT_BROKE] = {{IF_FAILED_BY_BROKER, FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_PROGRESS | FW_ACT_BY_DEVICE, NULL}},
		[FW_EVENT_REPORTED_TARGET] = {{IF_FAILED_BY_BROKER, FW_ROW_SUCCESS, FW_ACT_FINISH, NULL}},
		[FW_EVENT_RETRY] = {{IF_PUSH, FW_ROW_WAITING, FW_ACT_RESET, NULL}},
	},
	[FW_ROW_CANCELED] = {
		[FW_EVENT_CONTINUE] = {{ALWAYS, FW_ROW_WAITING, FW_ACT_RESET, NULL}},
	},
};

static bool holds(enum guard guard, const struct fw_row_facts *facts)
{
	switch (guard) {
	case NEVER:
		return false;
	case ALWAYS:
		return true;
	case IF_PUSH:
		return facts->push;
	case IF_PULL:
		return !facts->push;
	case IF_PUSH_ONLINE:
		return facts->push && facts->was_online;
	case IF_PUSH_AWAY:
		return facts->push && !facts->was_online;
	case IF_FAILED_BY_BROKER:
		return !facts->failed_by_device;
	case IF_FINISHED:
		return facts->finished_before;
	}
	return false;
}

struct fw_row_step fw_rules_step(enum fw_row_state state, enum fw_row_event event, const struct fw_row_facts *facts)
{
	size_t i;

	for (i = 0; state < FW_ROW_STATES && event < FW_ROW_EVENTS && i < 2; i++) {
		const struct rule *rule = &rules[state][event][i];

		if (holds(rule->guard, facts))
			return (struct fw_row_step){true, rule->state, rule->actions, rule->reason};
	}
	return (struct fw_row_step){.state = state};
}

static const char *const state_names[FW_ROW_STATES] = {
	[FW_ROW_WAITING] = "waiting",
	[FW_ROW_PROCESSING] = "processing",
	[FW_ROW_SUCCESS] = "success",
	[FW_ROW_FAILED] = "failed",
	[FW_ROW_CANCELED] = "canceled",
};

const char *fw_rules_state_name(enum fw_row_state state)
{
	return state < FW_ROW_STATES ? state_names[state] : "";
}

bool fw_rules_state_parse(struct fw_slice text, enum fw_row_state *out)
{
	enum fw_row_state state;

	for (state = FW_ROW_WAITING; state < FW_ROW_STATES; state++) {
		if (fw_slice_equal(text, fw_slice_of(state_names[state]))) {
			*out = state;
			return true;
		}
	}
	return false;
}

const char *fw_rules_event_name(enum fw_row_event event)
{
	static const char *const names[FW_ROW_EVENTS] = {
		[FW_EVENT_PUSHED] = "pushed",
		[FW_EVENT_PULLED] = "pulled",
		[FW_EVENT_ACCEPTED] = "accepted",
		[FW_EVENT_REFUSED] = "refused",
		[FW_EVENT_PROGRESS] = "progress",
		[FW_EVENT_COMPLETED] = "completed",
		[FW_EVENT_BROKE] = "broke",
		[FW_EVENT_REPORTED_TARGET] = "reported target",
		[FW_EVENT_REPORTED_OTHER] = "reported other",
		[FW_EVENT_NO_RESPONSE] = "no response",
		[FW_EVENT_TIMEOUT] = "timeout",
		[FW_EVENT_STOP] = "stop",
		[FW_EVENT_CONTINUE] = "continue",
		[FW_EVENT_RETRY] = "retry",
	};

	return event < FW_ROW_EVENTS ? names[event] : "";
}
