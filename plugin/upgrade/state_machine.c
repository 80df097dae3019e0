/* The transitions of a task's row, as a table. An event that is not in it changes nothing. The
 * facts that a transition requires are the only logic.
 *
 * Invariants: success is left while it is on trial, or when the device is lost. No message of a
 * device leaves canceled, or a failure that the device itself declared. Only START counts an
 * attempt. Every way into success, failed or canceled carries FINISH. */
#include "upgrade/state_machine.h"

#define WAITING FW_UPGRADE_WAITING
#define PROCESSING FW_UPGRADE_PROCESSING
#define SUCCESS FW_UPGRADE_SUCCESS
#define FAILED FW_UPGRADE_FAILED
#define CANCELED FW_UPGRADE_CANCELED

#define RESPONDED FW_ACT_RESPONDED
#define PROGRESS FW_ACT_PROGRESS
#define FINISH FW_ACT_FINISH

/* from, event, facts that must hold, facts that must not, {true, to, actions, kind of failure,
 * reason} */
static const struct fw_transition transitions[] = {
	{WAITING, FW_EVENT_PUSHED, FW_FACT_PUSH, 0,
		{true, PROCESSING, FW_ACT_START, FW_FAILURE_NONE, NULL}},
	/* a pull counts as an answer: no response timeout is due, and a device that comes back may
	 * go on */
	{WAITING, FW_EVENT_PULLED, 0, 0,
		{true, PROCESSING, FW_ACT_START | RESPONDED, FW_FAILURE_NONE, NULL}},
	/* a late answer: the row waits again because none came in time */
	{WAITING, FW_EVENT_ACCEPTED, 0, 0,
		{true, PROCESSING, FW_ACT_RESUME | RESPONDED, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_PROGRESS, 0, 0,
		{true, PROCESSING, FW_ACT_RESUME | RESPONDED | PROGRESS, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_REFUSED, 0, 0,
		{true, FAILED, RESPONDED | FINISH, FW_FAILURE_REFUSED, NULL}},
	{WAITING, FW_EVENT_COMPLETED, 0, 0,
		{true, SUCCESS, RESPONDED | FINISH, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_FAILED, 0, 0,
		{true, FAILED, RESPONDED | PROGRESS | FINISH, FW_FAILURE_DEVICE, NULL}},
	/* the device defers what it was sent before the row came to wait again */
	{WAITING, FW_EVENT_DEFERRED, 0, 0,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_DEFER, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_REPORTED_TARGET, 0, 0,
		{true, SUCCESS, FINISH | FW_ACT_VERIFY, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_OVERTAKEN, 0, FW_FACT_DOWNGRADE,
		{true, CANCELED, FINISH, FW_FAILURE_NONE, "runs %s, which is newer"}},
	{WAITING, FW_EVENT_LOST, 0, 0,
		{true, FAILED, FINISH, FW_FAILURE_LOST, "not seen since the upgrade"}},
	{WAITING, FW_EVENT_STOP, 0, 0, {true, CANCELED, FINISH, FW_FAILURE_NONE, NULL}},
	{WAITING, FW_EVENT_SUPERSEDED, 0, 0,
		{true, CANCELED, FINISH, FW_FAILURE_NONE, "superseded by %s"}},

	/* a pushed device that pulls has got the push; one that pulls again lost the answer, and
	 * gets it again; the timeout goes on */
	{PROCESSING, FW_EVENT_PULLED, 0, 0, {true, PROCESSING, RESPONDED, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_ACCEPTED, 0, 0, {true, PROCESSING, RESPONDED, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_PROGRESS, 0, 0,
		{true, PROCESSING, RESPONDED | PROGRESS, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_REFUSED, 0, 0,
		{true, FAILED, RESPONDED | FINISH, FW_FAILURE_REFUSED, NULL}},
	{PROCESSING, FW_EVENT_COMPLETED, 0, 0,
		{true, SUCCESS, RESPONDED | FINISH, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_FAILED, 0, 0,
		{true, FAILED, RESPONDED | PROGRESS | FINISH, FW_FAILURE_DEVICE, NULL}},
	{PROCESSING, FW_EVENT_DEFERRED, 0, 0,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_DEFER, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_REPORTED_TARGET, 0, 0,
		{true, SUCCESS, FINISH | FW_ACT_VERIFY, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_SAID_DONE, 0,
		{true, FAILED, FINISH, FW_FAILURE_VERSION, "still runs %s after the upgrade"}},
	/* it came back without an answer to the upgrade: it lost the message, or never got it */
	{PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_ELSEWHERE | FW_FACT_USED_UP, FW_FACT_ANSWERED,
		{true, FAILED, FW_ACT_COUNT | FINISH, FW_FAILURE_INTERRUPTED,
			"gone after each of %d attempts"}},
	{PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_ELSEWHERE, FW_FACT_ANSWERED,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_COUNT, FW_FAILURE_NONE, NULL}},
	/* it came back in the middle of the upgrade, and may go on */
	{PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_ELSEWHERE, 0,
		{true, PROCESSING, FW_ACT_WATCH, FW_FAILURE_NONE, NULL}},
	/* it may have restarted behind its gateway, whose connection does not end */
	{PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_SHARED, 0,
		{true, PROCESSING, FW_ACT_WATCH, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_OVERTAKEN, 0, FW_FACT_DOWNGRADE,
		{true, CANCELED, FINISH, FW_FAILURE_NONE, "runs %s, which is newer"}},
	{PROCESSING, FW_EVENT_NO_RESPONSE, FW_FACT_PRESENT, 0,
		{true, FAILED, FINISH, FW_FAILURE_RESPONSE, "response timeout"}},
	{PROCESSING, FW_EVENT_NO_RESPONSE, FW_FACT_USED_UP, 0,
		{true, FAILED, FW_ACT_COUNT | FINISH, FW_FAILURE_INTERRUPTED,
			"gone after each of %d attempts"}},
	{PROCESSING, FW_EVENT_NO_RESPONSE, 0, 0,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_COUNT, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_INTERRUPTED, FW_FACT_USED_UP, 0,
		{true, FAILED, FW_ACT_COUNT | FINISH, FW_FAILURE_INTERRUPTED,
			"gone after each of %d attempts"}},
	{PROCESSING, FW_EVENT_INTERRUPTED, 0, 0,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_COUNT, FW_FAILURE_NONE, NULL}},
	{PROCESSING, FW_EVENT_TIMEOUT, 0, 0,
		{true, FAILED, FINISH, FW_FAILURE_TIMEOUT, "upgrade timeout"}},
	{PROCESSING, FW_EVENT_LOST, 0, 0,
		{true, FAILED, FINISH, FW_FAILURE_LOST, "not seen since the upgrade"}},

	{SUCCESS, FW_EVENT_REPORTED_TARGET, 0, FW_FACT_VERIFIED,
		{true, SUCCESS, FW_ACT_VERIFY, FW_FAILURE_NONE, NULL}},
	{SUCCESS, FW_EVENT_REPORTED_OTHER, FW_FACT_ON_TRIAL, 0,
		{true, FAILED, FINISH, FW_FAILURE_REVERTED, "went back to %s"}},
	{SUCCESS, FW_EVENT_LOST, 0, 0,
		{true, FAILED, FINISH, FW_FAILURE_LOST, "not seen since the upgrade"}},

	/* what the device says overrides a failure that the broker decided */
	{FAILED, FW_EVENT_COMPLETED, 0, FW_FACT_BY_DEVICE,
		{true, SUCCESS, RESPONDED | FINISH, FW_FAILURE_NONE, NULL}},
	/* the device's own reason replaces the broker's */
	{FAILED, FW_EVENT_FAILED, 0, FW_FACT_BY_DEVICE,
		{true, FAILED, RESPONDED | PROGRESS, FW_FAILURE_DEVICE, NULL}},
	{FAILED, FW_EVENT_REPORTED_TARGET, 0, FW_FACT_BY_DEVICE,
		{true, SUCCESS, FINISH | FW_ACT_VERIFY, FW_FAILURE_NONE, NULL}},
	{FAILED, FW_EVENT_REPORTED_OTHER, FW_FACT_LOST, 0,
		{true, FAILED, FINISH, FW_FAILURE_REVERTED, "went back to %s"}},
	{FAILED, FW_EVENT_RETRY, 0, 0, {true, WAITING, FW_ACT_REQUEUE, FW_FAILURE_NONE, NULL}},
	/* the connection was dead: no device could answer */
	{FAILED, FW_EVENT_UNHEARD, FW_FACT_NO_RESPONSE | FW_FACT_USED_UP, 0,
		{true, FAILED, FW_ACT_COUNT, FW_FAILURE_INTERRUPTED,
			"gone after each of %d attempts"}},
	{FAILED, FW_EVENT_UNHEARD, FW_FACT_NO_RESPONSE, 0,
		{true, WAITING, FW_ACT_REQUEUE | FW_ACT_COUNT, FW_FAILURE_NONE, NULL}},
};

#define TRANSITIONS (sizeof(transitions) / sizeof(transitions[0]))

struct fw_upgrade_step fw_state_machine_step(
	enum fw_upgrade_state state, enum fw_upgrade_event event, unsigned facts)
{
	for (size_t i = 0; i < TRANSITIONS; i++) {
		const struct fw_transition *transition = &transitions[i];

		if (transition->from == state && transition->event == event &&
			(facts & transition->yes) == transition->yes && !(facts & transition->no))
			return transition->step;
	}
	return (struct fw_upgrade_step){.state = state};
}

bool fw_state_machine_transition(size_t index, struct fw_transition *out)
{
	if (index >= TRANSITIONS)
		return false;
	*out = transitions[index];
	return true;
}

static const char *const state_names[FW_UPGRADE_STATES] = {
	[FW_UPGRADE_WAITING] = "waiting",
	[FW_UPGRADE_PROCESSING] = "processing",
	[FW_UPGRADE_SUCCESS] = "success",
	[FW_UPGRADE_FAILED] = "failed",
	[FW_UPGRADE_CANCELED] = "canceled",
};

static const char *const event_names[FW_UPGRADE_EVENTS] = {
	[FW_EVENT_PUSHED] = "pushed",
	[FW_EVENT_PULLED] = "pulled",
	[FW_EVENT_ACCEPTED] = "accepted",
	[FW_EVENT_REFUSED] = "refused",
	[FW_EVENT_PROGRESS] = "progress",
	[FW_EVENT_COMPLETED] = "completed",
	[FW_EVENT_FAILED] = "failed",
	[FW_EVENT_REPORTED_TARGET] = "reported target",
	[FW_EVENT_REPORTED_OTHER] = "reported other",
	[FW_EVENT_OVERTAKEN] = "overtaken",
	[FW_EVENT_NO_RESPONSE] = "no response",
	[FW_EVENT_TIMEOUT] = "timeout",
	[FW_EVENT_INTERRUPTED] = "interrupted",
	[FW_EVENT_UNHEARD] = "unheard",
	[FW_EVENT_DEFERRED] = "deferred",
	[FW_EVENT_RETRY] = "retry",
	[FW_EVENT_LOST] = "lost",
	[FW_EVENT_STOP] = "stop",
	[FW_EVENT_SUPERSEDED] = "superseded",
};

static const char *const fact_names[FW_UPGRADE_FACTS] = {
	"push",
	"failed by device",
	"present",
	"said done",
	"answered",
	"elsewhere",
	"used up",
	"downgrade allowed",
	"no response",
	"on trial",
	"lost",
	"verified",
	"shared",
};

static const char *const action_names[FW_UPGRADE_ACTIONS] = {
	"responded",
	"start",
	"resume",
	"progress",
	"finish",
	"requeue",
	"count",
	"watch",
	"verify",
	"defer",
};

static const char *const failure_names[FW_FAILURES] = {
	[FW_FAILURE_NONE] = "",
	[FW_FAILURE_DEVICE] = "device",
	[FW_FAILURE_RESPONSE] = "response",
	[FW_FAILURE_TIMEOUT] = "timeout",
	[FW_FAILURE_VERSION] = "version",
	[FW_FAILURE_LOST] = "lost",
	[FW_FAILURE_REVERTED] = "reverted",
	[FW_FAILURE_INTERRUPTED] = "interrupted",
	[FW_FAILURE_REFUSED] = "refused",
};

const char *fw_state_machine_state_name(enum fw_upgrade_state state)
{
	return state < FW_UPGRADE_STATES ? state_names[state] : "";
}

const char *fw_state_machine_event_name(enum fw_upgrade_event event)
{
	return event < FW_UPGRADE_EVENTS ? event_names[event] : "";
}

const char *fw_state_machine_fact_name(unsigned bit)
{
	return bit < FW_UPGRADE_FACTS ? fact_names[bit] : "";
}

const char *fw_state_machine_action_name(unsigned bit)
{
	return bit < FW_UPGRADE_ACTIONS ? action_names[bit] : "";
}

const char *fw_state_machine_failure_name(enum fw_failure failure)
{
	return failure < FW_FAILURES ? failure_names[failure] : "";
}

bool fw_state_machine_state_parse(struct fw_slice text, enum fw_upgrade_state *out)
{
	for (enum fw_upgrade_state state = FW_UPGRADE_WAITING; state < FW_UPGRADE_STATES; state++) {
		if (fw_slice_equal(text, fw_slice_of(state_names[state]))) {
			*out = state;
			return true;
		}
	}
	return false;
}

enum fw_failure fw_state_machine_failure_parse(struct fw_slice text)
{
	for (enum fw_failure failure = FW_FAILURE_DEVICE; failure < FW_FAILURES; failure++) {
		if (fw_slice_equal(text, fw_slice_of(failure_names[failure])))
			return failure;
	}
	return FW_FAILURE_NONE;
}
