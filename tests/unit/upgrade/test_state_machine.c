/* The state machine of a task's row: its table against the sentences of the contract, against the
 * view that shows it to operators, and against what must hold of any such table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "upgrade/state_machine.h"
#include "catalog/schema_data.h"

#define ALL_FACTS (1u << FW_UPGRADE_FACTS)

struct sentence {
	const char *words; /* of the contract */
	enum fw_upgrade_state from;
	enum fw_upgrade_event event;
	unsigned facts;
	enum fw_upgrade_state to;
	const char *failure, *reason;
};

static const struct sentence sentences[] = {
	{"the broker publishes upgrade to each waiting device of a running push task",
		FW_UPGRADE_WAITING, FW_EVENT_PUSHED, FW_FACT_PUSH, FW_UPGRADE_PROCESSING, "", NULL},
	{"a pull-mode task sends nothing", FW_UPGRADE_WAITING, FW_EVENT_PUSHED, 0,
		FW_UPGRADE_WAITING, "", NULL},
	{"a pull answered with the firmware of an open waiting row makes that row processing",
		FW_UPGRADE_WAITING, FW_EVENT_PULLED, 0, FW_UPGRADE_PROCESSING, "", NULL},
	{"failed, response timeout, if the device was online", FW_UPGRADE_PROCESSING,
		FW_EVENT_NO_RESPONSE, FW_FACT_PUSH | FW_FACT_PRESENT, FW_UPGRADE_FAILED, "response",
		"response timeout"},
	{"back to waiting if it went offline or was never seen", FW_UPGRADE_PROCESSING,
		FW_EVENT_NO_RESPONSE, FW_FACT_PUSH, FW_UPGRADE_WAITING, "", NULL},
	{"not complete within timeout_seconds", FW_UPGRADE_PROCESSING, FW_EVENT_TIMEOUT, 0,
		FW_UPGRADE_FAILED, "timeout", "upgrade timeout"},
	{"a report of the target version completes an open row", FW_UPGRADE_WAITING,
		FW_EVENT_REPORTED_TARGET, 0, FW_UPGRADE_SUCCESS, "", NULL},
	{"a report of the old version fails a row only after the device said complete",
		FW_UPGRADE_PROCESSING, FW_EVENT_REPORTED_OTHER,
		FW_FACT_SAID_DONE | FW_FACT_ANSWERED, FW_UPGRADE_FAILED, "version",
		"still runs %s after the upgrade"},
	{"unanswered: back to waiting, sent again", FW_UPGRADE_PROCESSING, FW_EVENT_REPORTED_OTHER,
		FW_FACT_ELSEWHERE, FW_UPGRADE_WAITING, "", NULL},
	{"answered and not complete: it stays processing", FW_UPGRADE_PROCESSING,
		FW_EVENT_REPORTED_OTHER, FW_FACT_ELSEWHERE | FW_FACT_ANSWERED,
		FW_UPGRADE_PROCESSING, "", NULL},
	{"answered, at the last attempt: it stays processing all the same", FW_UPGRADE_PROCESSING,
		FW_EVENT_REPORTED_OTHER, FW_FACT_ELSEWHERE | FW_FACT_ANSWERED | FW_FACT_USED_UP,
		FW_UPGRADE_PROCESSING, "", NULL},
	{"by the connection that it was sent to, a report says nothing of the attempt",
		FW_UPGRADE_PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_PRESENT,
		FW_UPGRADE_PROCESSING, "", NULL},
	{"but where a connection speaks for many devices it may be a restart",
		FW_UPGRADE_PROCESSING, FW_EVENT_REPORTED_OTHER, FW_FACT_PRESENT | FW_FACT_SHARED,
		FW_UPGRADE_PROCESSING, "", NULL},
	{"or when the attempts are used up", FW_UPGRADE_PROCESSING, FW_EVENT_REPORTED_OTHER,
		FW_FACT_ELSEWHERE | FW_FACT_USED_UP, FW_UPGRADE_FAILED, "interrupted",
		"gone after each of %d attempts"},
	{"if nothing more is heard, the attempt counts as interrupted and the row is sent again",
		FW_UPGRADE_PROCESSING, FW_EVENT_INTERRUPTED, FW_FACT_ANSWERED, FW_UPGRADE_WAITING,
		"", NULL},
	{"attempt_limit", FW_UPGRADE_PROCESSING, FW_EVENT_INTERRUPTED, FW_FACT_USED_UP,
		FW_UPGRADE_FAILED, "interrupted", "gone after each of %d attempts"},
	{"a response timeout whose connection ends later without a word is taken back",
		FW_UPGRADE_FAILED, FW_EVENT_UNHEARD, FW_FACT_NO_RESPONSE, FW_UPGRADE_WAITING, "",
		NULL},
	{"other failures are", FW_UPGRADE_FAILED, FW_EVENT_UNHEARD, 0, FW_UPGRADE_FAILED, NULL,
		NULL},
	{"such rows end at once, canceled, with the reason", FW_UPGRADE_WAITING, FW_EVENT_OVERTAKEN,
		0, FW_UPGRADE_CANCELED, "", "runs %s, which is newer"},
	{"with 1 they are done", FW_UPGRADE_WAITING, FW_EVENT_OVERTAKEN, FW_FACT_DOWNGRADE,
		FW_UPGRADE_WAITING, NULL, NULL},
	{"a refusal is final", FW_UPGRADE_PROCESSING, FW_EVENT_REFUSED, 0, FW_UPGRADE_FAILED,
		"refused", NULL},
	{"a failure that the device itself reported stays", FW_UPGRADE_FAILED, FW_EVENT_COMPLETED,
		FW_FACT_BY_DEVICE, FW_UPGRADE_FAILED, NULL, NULL},
	{"a timed-out row becomes success if the device completes", FW_UPGRADE_FAILED,
		FW_EVENT_COMPLETED, 0, FW_UPGRADE_SUCCESS, "", NULL},
	{"or reports the target version, after all", FW_UPGRADE_FAILED, FW_EVENT_REPORTED_TARGET, 0,
		FW_UPGRADE_SUCCESS, "", NULL},
};

static void the_table_says_what_the_contract_says(void **ignored)
{
	(void)ignored;
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		const struct sentence *sentence = &sentences[i];
		struct fw_upgrade_step step =
			fw_state_machine_step(sentence->from, sentence->event, sentence->facts);

		if (step.state != sentence->to)
			fail_msg("\"%s\": %s -> %s", sentence->words,
				fw_state_machine_state_name(sentence->from),
				fw_state_machine_state_name(step.state));
		if (sentence->failure)
			assert_string_equal(
				fw_state_machine_failure_name(step.failure), sentence->failure);
		else
			assert_false(step.legal);
		if (sentence->reason)
			assert_string_equal(step.reason, sentence->reason);
		else
			assert_null(step.reason);
	}
}

/* "a, b, not c", of the bits of `yes` and `no`. */
static void write_bits(
	char *text, size_t size, unsigned yes, unsigned no, const char *(*name)(unsigned bit))
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned bit = 0; bit < 32; bit++) {
		if (yes & 1u << bit)
			len += (size_t)snprintf(
				text + len, size - len, "%s%s", len ? ", " : "", name(bit));
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		if (no & 1u << bit)
			len += (size_t)snprintf(
				text + len, size - len, "%snot %s", len ? ", " : "", name(bit));
	}
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text ? text : "";
}

static sqlite3 *open_view(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	for (const struct fw_schema_file *file = fw_schema_files; file->name; file++) {
		if (strcmp(file->name, "transitions.sql") == 0)
			assert_int_equal(sqlite3_exec(db, file->sql, NULL, NULL, NULL), SQLITE_OK);
	}
	return db;
}

static void compare_line(sqlite3_stmt *statement, const struct fw_transition *transition)
{
	char condition[256], actions[256];

	write_bits(condition, sizeof(condition), transition->yes, transition->no,
		fw_state_machine_fact_name);
	write_bits(actions, sizeof(actions), transition->step.actions, 0,
		fw_state_machine_action_name);
	assert_string_equal(text_of(statement, 0), fw_state_machine_state_name(transition->from));
	assert_string_equal(text_of(statement, 1), fw_state_machine_event_name(transition->event));
	assert_string_equal(text_of(statement, 2), condition);
	assert_string_equal(
		text_of(statement, 3), fw_state_machine_state_name(transition->step.state));
	assert_string_equal(text_of(statement, 4), actions);
	assert_string_equal(
		text_of(statement, 5), fw_state_machine_failure_name(transition->step.failure));
	assert_string_equal(
		text_of(statement, 6), transition->step.reason ? transition->step.reason : "");
}

static void the_view_shows_the_table(void **ignored)
{
	sqlite3 *db = open_view();
	struct fw_transition transition;
	sqlite3_stmt *statement;
	size_t lines = 0;

	(void)ignored;
	assert_int_equal(
		sqlite3_prepare_v2(db,
			"SELECT from_state, event, condition, to_state, actions, failure, reason"
			" FROM task_transition WHERE who = 'plugin' ORDER BY line",
			-1, &statement, NULL),
		SQLITE_OK);
	for (; sqlite3_step(statement) == SQLITE_ROW; lines++) {
		assert_true(fw_state_machine_transition(lines, &transition));
		compare_line(statement, &transition);
	}
	assert_false(fw_state_machine_transition(lines, &transition));
	assert_true(lines > 30);
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

static const char *text_of_view(void)
{
	const struct fw_schema_file *file = fw_schema_files;

	while (strcmp(file->name, "transitions.sql") != 0)
		file++;
	return file->sql;
}

/* In its comment, at the front of a line. */
static void assert_explained(const char *word)
{
	const char *text = text_of_view(), *found;
	char line[64];

	snprintf(line, sizeof(line), "\n--   %-18s ", word);
	found = strstr(text, line);
	if (!found || found > strstr(text, "CREATE VIEW"))
		fail_msg("'%s' is not explained in transitions.sql", word);
}

static void the_view_explains_each_word(void **ignored)
{
	(void)ignored;
	for (unsigned bit = 0; bit < FW_UPGRADE_FACTS; bit++)
		assert_explained(fw_state_machine_fact_name(bit));
	for (unsigned bit = 0; bit < FW_UPGRADE_ACTIONS; bit++)
		assert_explained(fw_state_machine_action_name(bit));
}

/* "success, canceled and a failure that the device itself reported stay as they are whatever comes
 * later", but for a success that is on trial, and a retry. */
static bool is_final(enum fw_upgrade_state state, enum fw_upgrade_event event, unsigned facts)
{
	if (state == FW_UPGRADE_SUCCESS)
		return event != FW_EVENT_REPORTED_TARGET && event != FW_EVENT_LOST &&
			!(facts & FW_FACT_ON_TRIAL);
	return state == FW_UPGRADE_CANCELED ||
		(state == FW_UPGRADE_FAILED && (facts & FW_FACT_BY_DEVICE) &&
			event != FW_EVENT_RETRY);
}

static void check_invariants(
	enum fw_upgrade_state state, enum fw_upgrade_event event, unsigned facts)
{
	struct fw_upgrade_step step = fw_state_machine_step(state, event, facts);
	bool open = step.state == FW_UPGRADE_WAITING || step.state == FW_UPGRADE_PROCESSING;
	bool by_device = step.failure == FW_FAILURE_DEVICE || step.failure == FW_FAILURE_REFUSED;
	/* a row failed for want of a response, or was lost, only if it was the broker's word */
	bool possible =
		!(facts & FW_FACT_BY_DEVICE) || !(facts & (FW_FACT_NO_RESPONSE | FW_FACT_LOST));

	assert_true(!possible || !is_final(state, event, facts) || !step.legal);
	assert_true(step.legal ||
		(step.state == state && step.actions == 0 && !step.reason &&
			step.failure == FW_FAILURE_NONE));
	assert_true(step.state == state || open || (step.actions & FW_ACT_FINISH));
	assert_true(!step.legal ||
		(step.state == FW_UPGRADE_FAILED) == (step.failure != FW_FAILURE_NONE));
	assert_true(!step.legal || step.state != FW_UPGRADE_FAILED || by_device == !step.reason);
	assert_true(!(step.actions & FW_ACT_START) ||
		(state == FW_UPGRADE_WAITING && step.state == FW_UPGRADE_PROCESSING));
	assert_true(!(step.actions & FW_ACT_RESUME) || !(step.actions & FW_ACT_START));
	assert_int_equal(
		!!(step.actions & FW_ACT_REQUEUE), step.legal && step.state == FW_UPGRADE_WAITING);
}

static void every_step_keeps_the_invariants(void **ignored)
{
	(void)ignored;
	for (unsigned state = 0; state < FW_UPGRADE_STATES; state++) {
		for (unsigned event = 0; event < FW_UPGRADE_EVENTS; event++) {
			for (unsigned facts = 0; facts < ALL_FACTS; facts++)
				check_invariants(state, event, facts);
		}
	}
}

/* A redelivered message changes nothing twice: the second time the row is where it was after the
 * first. */
static void a_repeated_event_does_not_move_a_row_twice(void **ignored)
{
	(void)ignored;
	for (unsigned state = 0; state < FW_UPGRADE_STATES; state++) {
		for (unsigned event = 0; event < FW_UPGRADE_EVENTS; event++) {
			for (unsigned facts = 0; facts < ALL_FACTS; facts++) {
				struct fw_upgrade_step first =
					fw_state_machine_step(state, event, facts);
				unsigned after = facts &
					~(unsigned)(FW_FACT_BY_DEVICE | FW_FACT_NO_RESPONSE |
						FW_FACT_ON_TRIAL | FW_FACT_LOST);

				if (!first.legal)
					continue;
				if (first.failure == FW_FAILURE_DEVICE ||
					first.failure == FW_FAILURE_REFUSED)
					after |= FW_FACT_BY_DEVICE;
				assert_int_equal(
					fw_state_machine_step(first.state, event, after).state,
					first.state);
			}
		}
	}
}

/* Whatever a row under way meets, there is a way out that no device has to open. */
static void every_open_row_can_end(void **ignored)
{
	(void)ignored;
	for (unsigned facts = 0; facts < ALL_FACTS; facts++)
		assert_int_equal(
			fw_state_machine_step(FW_UPGRADE_PROCESSING, FW_EVENT_TIMEOUT, facts).state,
			FW_UPGRADE_FAILED);
}

static void names_go_both_ways(void **ignored)
{
	static const char *const bad[] = {
		"", "Waiting", "waiting ", "wait", "cancelled", "running"};
	enum fw_upgrade_state found = FW_UPGRADE_STATES;

	(void)ignored;
	for (unsigned i = 0; i < FW_UPGRADE_STATES; i++) {
		assert_true(fw_state_machine_state_parse(
			fw_slice_of(fw_state_machine_state_name(i)), &found));
		assert_int_equal(found, i);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fw_state_machine_state_parse(fw_slice_of(bad[i]), &found));
	assert_false(fw_state_machine_state_parse((struct fw_slice){NULL, 0}, &found));
	assert_int_equal(found, FW_UPGRADE_STATES - 1);
	for (unsigned i = 0; i < FW_FAILURES; i++)
		assert_int_equal(fw_state_machine_failure_parse(
					 fw_slice_of(fw_state_machine_failure_name(i))),
			i);
	assert_int_equal(fw_state_machine_failure_parse(fw_slice_of("late")), FW_FAILURE_NONE);
}

static void a_pull_is_an_answer(void **ignored)
{
	(void)ignored;
	for (unsigned facts = 0; facts <= FW_FACT_PUSH; facts++) {
		assert_true(
			fw_state_machine_step(FW_UPGRADE_WAITING, FW_EVENT_PULLED, facts).actions &
			FW_ACT_RESPONDED);
		assert_true(fw_state_machine_step(FW_UPGRADE_PROCESSING, FW_EVENT_PULLED, facts)
				    .actions &
			FW_ACT_RESPONDED);
	}
}

static void events_have_names_of_their_own(void **ignored)
{
	(void)ignored;
	for (unsigned i = 0; i < FW_UPGRADE_EVENTS; i++) {
		assert_true(strlen(fw_state_machine_event_name(i)) > 0);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
				fw_state_machine_event_name(i), fw_state_machine_event_name(k));
	}
}

static void what_is_out_of_range_changes_nothing(void **ignored)
{
	struct fw_transition transition;

	(void)ignored;
	assert_false(fw_state_machine_step(FW_UPGRADE_STATES, FW_EVENT_PUSHED, FW_FACT_PUSH).legal);
	assert_false(
		fw_state_machine_step(FW_UPGRADE_WAITING, FW_UPGRADE_EVENTS, FW_FACT_PUSH).legal);
	assert_false(fw_state_machine_transition(10000, &transition));
	assert_string_equal(fw_state_machine_state_name(FW_UPGRADE_STATES), "");
	assert_string_equal(fw_state_machine_event_name(FW_UPGRADE_EVENTS), "");
	assert_string_equal(fw_state_machine_fact_name(FW_UPGRADE_FACTS), "");
	assert_string_equal(fw_state_machine_action_name(FW_UPGRADE_ACTIONS), "");
	assert_string_equal(fw_state_machine_failure_name(FW_FAILURES), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_says_what_the_contract_says),
		cmocka_unit_test(the_view_shows_the_table),
		cmocka_unit_test(the_view_explains_each_word),
		cmocka_unit_test(every_step_keeps_the_invariants),
		cmocka_unit_test(a_repeated_event_does_not_move_a_row_twice),
		cmocka_unit_test(every_open_row_can_end),
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(a_pull_is_an_answer),
		cmocka_unit_test(events_have_names_of_their_own),
		cmocka_unit_test(what_is_out_of_range_changes_nothing),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
