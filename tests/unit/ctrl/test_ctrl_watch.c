/* `watch` with a broker that the test plays: when it ends, and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctrl/run.h"

/* The answers in their order: JSON of the data, or NULL for a catalog that is locked. */
static const char *const *answers;
static unsigned asked;

json_t *fw_ctrl_client_data(
	struct fw_ctrl_client *client, const json_t *command, struct fw_error *error, bool *busy)
{
	const char *answer = answers[asked++];

	(void)client;
	(void)command;
	*busy = !answer;
	if (!answer)
		fw_error_set(error, "the catalog is locked");
	return answer ? json_loads(answer, 0, NULL) : NULL;
}

json_t *fw_ctrl_client_ask(struct fw_ctrl_client *client, json_t *commands, struct fw_error *error)
{
	(void)client;
	(void)error;
	json_decref(commands);
	return NULL;
}

void fw_ctrl_client_wait(struct fw_ctrl_client *client, int64_t ms)
{
	(void)client;
	(void)ms;
}

#define OPEN "{\"taskId\":\"t\",\"state\":\"running\",\"total\":2,\"waiting\":1,\"success\":1}"
#define FAILED                                                                                     \
	"{\"taskId\":\"t\",\"state\":\"running\",\"total\":2,\"success\":1,\"failed\":1,"          \
	"\"retryLimit\":1}"
#define NONE "{\"items\":[]}"
#define ONE "{\"items\":[{\"deviceId\":\"d\"}]}"

static void watch(const char *const *given, unsigned count)
{
	char *text = NULL;
	size_t size;
	struct fw_ctrl_run run = {.asked = {.command = json_pack("{s:s}", "taskId", "t")}};

	run.out = open_memstream(&text, &size);
	answers = given;
	asked = 0;
	assert_true(fw_ctrl_watch(&run));
	assert_int_equal(asked, count);
	fclose(run.out);
	assert_non_null(strstr(text, "over: 1 of 2 devices run it"));
	free(text);
	json_decref(run.asked.command);
}

static void test_until_nothing_is_open(void **state)
{
	static const char *const given[] = {OPEN, NULL, FAILED, ONE, FAILED, NONE};

	(void)state;
	watch(given, 6);
}

/* A failed device may be retried: a catalog that does not say so now is asked again. */
static void test_locked_at_the_end(void **state)
{
	static const char *const given[] = {FAILED, NULL, FAILED, NONE};

	(void)state;
	watch(given, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until_nothing_is_open),
		cmocka_unit_test(test_locked_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
