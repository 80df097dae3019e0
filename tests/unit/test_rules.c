/* Every pair of state and event, with every combination of facts, against what the contract says in section 4:
 * told here event by event, in the words of its sentences, where the code tells it state by state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"

static bool open_row(enum fw_row_state state)
{
	return state == FW_ROW_WAITING || state == FW_ROW_PROCESSING;
}

/* "success, canceled and a failure that the device itself reported stay as they are whatever comes later" */
static bool settled(enum fw_row_state state, const struct fw_row_facts *facts)
{
	return state == FW_ROW_SUCCESS || state == FW_ROW_CANCELED || (state == FW_ROW_FAILED && facts->failed_by_device);
}

static struct fw_row_step to(enum fw_row_state state, unsigned actions, const char *reason)
{
	return (struct fw_row_step){true, state, actions, reason};
}

static struct fw_row_step expected_of_operator(enum fw_row_state state, enum fw_row_event event, const struct fw_row_facts *facts)
{
	/* "its waiting rows become canceled, processing ones go on" */
	if (event == FW_EVENT_STOP && state == FW_ROW_WAITING)
		return to(FW_ROW_CANCELED, 0, NULL);
	/* "canceled rows wait again" */
	if (event == FW_EVENT_CONTINUE && state == FW_ROW_CANCELED)
		return to(FW_ROW_WAITING, FW_ACT_RESET, NULL);
	/* "batch retry ... push tasks only" */
	if (event == FW_EVENT_RETRY && state == FW_ROW_FAILED && facts->push)
		return to(FW_ROW_WAITING, FW_ACT_RESET, NULL);
	return (struct fw_row_step){.state = state};
}

static struct fw_row_step expected_of_broker(enum fw_row_state state, enum fw_row_event event, const struct fw_row_facts *facts)
{
	const struct fw_row_step nothing = {.state = state};

	switch (event) {
	case FW_EVENT_PUSHED: /* "publishes upgrade to each waiting device of a running push task" */
		return state == FW_ROW_WAITING && facts->push ? to(FW_ROW_PROCESSING, FW_ACT_START, NULL) : nothing;
	case FW_EVENT_PULLED: /* "answered with the firmware of an open waiting row makes that row processing"; the pull is its response */
		if (state == FW_ROW_PROCESSING)
			return to(FW_ROW_PROCESSING, facts->push ? (unsigned)FW_ACT_RESPONDED : 0, NULL);
		if (state == FW_ROW_WAITING)
			return to(FW_ROW_PROCESSING, FW_ACT_START | (facts->push ? (unsigned)FW_ACT_RESPONDED : 0), NULL);
		return nothing;
	case FW_EVENT_NO_RESPONSE: /* "failed if the device was online; back to waiting if it went offline or was never seen"; push only */
		if (state != FW_ROW_PROCESSING || !facts->push)
			return nothing;
		return facts->was_online ? to(FW_ROW_FAILED, FW_ACT_FINISH, "response timeout") : to(FW_ROW_WAITING, FW_ACT_AWAIT, NULL);
	case FW_EVENT_TIMEOUT: /* "not complete within timeout_seconds of the push or the pull's answer" */
		return state == FW_ROW_PROCESSING ? to(FW_ROW_FAILED, FW_ACT_FINISH, "upgrade timeout") : nothing;
	default:
		return expected_of_operator(state, event, facts);
	}
}

static struct fw_row_step expected(enum fw_row_state state, enum fw_row_event event, const struct fw_row_facts *facts)
{
	const unsigned alive = FW_ACT_RESPONDED | (state == FW_ROW_WAITING ? (unsigned)FW_ACT_RESUME : 0);
	const struct fw_row_step nothing = {.state = state};

	switch (event) {
	case FW_EVENT_ACCEPTED:
		return open_row(state) ? to(FW_ROW_PROCESSING, alive, NULL) : nothing;
	case FW_EVENT_PROGRESS:
		return open_row(state) ? to(FW_ROW_PROCESSING, alive | FW_ACT_PROGRESS, NULL) : nothing;
	case FW_EVENT_REFUSED:
		return open_row(state) ? to(FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_BY_DEVICE | FW_ACT_FINISH, NULL) : nothing;
	case FW_EVENT_BROKE:
		if (settled(state, facts))
			return nothing;
		return to(FW_ROW_FAILED, FW_ACT_RESPONDED | FW_ACT_PROGRESS | FW_ACT_BY_DEVICE | (open_row(state) ? (unsigned)FW_ACT_FINISH : 0), NULL);
	case FW_EVENT_COMPLETED: /* "a timed-out row becomes success if the device completes, or reports the target version, after all" */
		return settled(state, facts) ? nothing : to(FW_ROW_SUCCESS, FW_ACT_RESPONDED | FW_ACT_FINISH, NULL);
	case FW_EVENT_REPORTED_TARGET:
		return settled(state, facts) ? nothing : to(FW_ROW_SUCCESS, FW_ACT_FINISH, NULL);
	case FW_EVENT_REPORTED_OTHER:
		if (state != FW_ROW_PROCESSING || !facts->finished_before)
			return nothing;
		return to(FW_ROW_FAILED, FW_ACT_FINISH, "still runs %s after the upgrade");
	default:
		return expected_of_broker(state, event, facts);
	}
}

static struct fw_row_facts facts_of(unsigned bits)
{
	return (struct fw_row_facts){
		.push = bits & 1,
		.failed_by_device = bits & 2,
		.was_online = bits & 4,
		.finished_before = bits & 8,
	};
}

static void check(enum fw_row_state state, enum fw_row_event event, unsigned bits)
{
	struct fw_row_facts facts = facts_of(bits);
	struct fw_row_step step = fw_rules_step(state, event, &facts), wanted = expected(state, event, &facts);

	if (step.legal != wanted.legal || step.state != wanted.state || step.actions != wanted.actions)
		fail_msg("%s, %s, facts %u: legal %d -> %s, actions %x; wanted legal %d -> %s, actions %x", fw_rules_state_name(state),
			 fw_rules_event_name(event), bits, step.legal, fw_rules_state_name(step.state), step.actions, wanted.legal,
			 fw_rules_state_name(wanted.state), wanted.actions);
	if (wanted.reason)
		assert_string_equal(step.reason, wanted.reason);
	else
		assert_null(step.reason);
}

static void every_pair_does_what_the_contract_says(void **ignored)
{
	unsigned state, event, bits;

	(void)ignored;
	for (state = 0; state < FW_ROW_STATES; state++) {
		for (event = 0; event < FW_ROW_EVENTS; event++) {
			for (bits = 0; bits < 16; bits++)
				check(state, event, bits);
		}
	}
}

/* What must hold of any table, whatever the sentences say. */
static void every_step_keeps_the_invariants(void **ignored)
{
	unsigned state, event, bits;

	(void)ignored;
	for (state = 0; state < FW_ROW_STATES; state++) {
		for (event = 0; event < FW_ROW_EVENTS; event++) {
			for (bits = 0; bits < 16; bits++) {
				struct fw_row_facts facts = facts_of(bits);
				struct fw_row_step step = fw_rules_step(state, event, &facts);
				bool ends = step.state == FW_ROW_SUCCESS || step.state == FW_ROW_FAILED;

				assert_false(state == FW_ROW_SUCCESS && step.legal);
				assert_false(settled(state, &facts) && step.legal && event < FW_EVENT_STOP);
				assert_true(step.legal || (step.state == state && step.actions == 0 && !step.reason));
				assert_true(!(step.state != state && ends) || (step.actions & FW_ACT_FINISH));
				assert_true(!step.reason || (step.state == FW_ROW_FAILED && !(step.actions & FW_ACT_BY_DEVICE)));
				assert_true(!(step.actions & FW_ACT_START) || (state == FW_ROW_WAITING && step.state == FW_ROW_PROCESSING));
				assert_true(!(step.actions & FW_ACT_RESUME) || !(step.actions & FW_ACT_START));
			}
		}
	}
}

/* A redelivered message changes nothing twice: the second time the row is where it was after the first. */
static void a_repeated_event_does_not_move_a_row_twice(void **ignored)
{
	unsigned state, event, bits;

	(void)ignored;
	for (state = 0; state < FW_ROW_STATES; state++) {
		for (event = 0; event < FW_EVENT_STOP; event++) {
			for (bits = 0; bits < 16; bits++) {
				struct fw_row_facts facts = facts_of(bits);
				struct fw_row_step first = fw_rules_step(state, event, &facts), second;

				if (first.actions & FW_ACT_BY_DEVICE)
					facts.failed_by_device = true;
				second = fw_rules_step(first.state, event, &facts);
				assert_int_equal(second.state, first.state);
			}
		}
	}
}

static void names_go_both_ways(void **ignored)
{
	static const char *const bad[] = {"", "Waiting", "waiting ", "wait", "cancelled", "running"};
	enum fw_row_state found = FW_ROW_STATES;
	unsigned i, k;

	(void)ignored;
	for (i = 0; i < FW_ROW_STATES; i++) {
		assert_true(fw_rules_state_parse(fw_slice_of(fw_rules_state_name(i)), &found));
		assert_int_equal(found, i);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fw_rules_state_parse(fw_slice_of(bad[i]), &found));
	assert_false(fw_rules_state_parse((struct fw_slice){NULL, 0}, &found));
	assert_int_equal(found, FW_ROW_STATES - 1);
	for (i = 0; i < FW_ROW_EVENTS; i++) {
		assert_true(strlen(fw_rules_event_name(i)) > 0);
		for (k = 0; k < i; k++)
			assert_string_not_equal(fw_rules_event_name(i), fw_rules_event_name(k));
	}
}

static void what_is_out_of_range_changes_nothing(void **ignored)
{
	const struct fw_row_facts facts = {.push = true};

	(void)ignored;
	assert_false(fw_rules_step(FW_ROW_STATES, FW_EVENT_PUSHED, &facts).legal);
	assert_false(fw_rules_step(FW_ROW_WAITING, FW_ROW_EVENTS, &facts).legal);
	assert_string_equal(fw_rules_state_name(FW_ROW_STATES), "");
	assert_string_equal(fw_rules_event_name(FW_ROW_EVENTS), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_does_what_the_contract_says),
		cmocka_unit_test(every_step_keeps_the_invariants),
		cmocka_unit_test(a_repeated_event_does_not_move_a_row_twice),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(what_is_out_of_range_changes_nothing),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
