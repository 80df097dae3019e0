/* Outcomes of commands as statuses, ETags and conditions, with commands that only say what they
 * were asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/api.h"

/* What the stand-in answers: {"code","error"} or {"data"}. */
static json_t *response, *get_response, *list_response;
static char asked[4096]; /* all commands that it was asked, one after the other */
static struct fw_api_answer answer;

static json_t *run(void *context, const struct fw_asker *asker, const json_t *command)
{
	const char *name = json_string_value(json_object_get(command, "command"));

	(void)context;
	(void)asker;
	strncat(asked, name, sizeof(asked) - strlen(asked) - 1);
	strncat(asked, " ", sizeof(asked) - strlen(asked) - 1);
	if (strncmp(name, "list", 4) == 0 && list_response)
		return json_incref(list_response);
	return json_incref(strncmp(name, "get", 3) == 0 && get_response ? get_response : response);
}

static json_t *run_request(void *context, const struct fw_asker *asker, struct fw_slice body)
{
	(void)context;
	(void)asker;
	return json_pack("{s:[{s:i}]}", "responses", "length", (int)body.len);
}

static const struct fw_api_commands commands = {NULL, run, run_request};

struct sent {
	const char *method, *path, *query, *body, *if_match, *if_none_match;
};

#define SEND(how, where, what) ((struct sent){.method = (how), .path = (where), .body = (what)})
#define GET(where) SEND("GET", where, NULL)

static unsigned ask(struct sent sent)
{
	static const struct fw_asker asker = {.face = "http"};
	struct fw_route_match match;
	struct fw_api_request request = {.match = &match,
		.query = sent.query,
		.body = fw_slice_of(sent.body),
		.asker = &asker,
		.if_match = sent.if_match,
		.if_none_match = sent.if_none_match};

	free(answer.text);
	asked[0] = '\0';
	fw_route_find(sent.method, sent.path, &match);
	assert_non_null(match.route);
	fw_api_answer(&commands, &request, &answer);
	assert_true(answer.status == 304 ? !answer.text : answer.text != NULL);
	return answer.status;
}

static void respond(json_t **which, const char *text)
{
	json_decref(*which);
	*which = text ? json_loads(text, 0, NULL) : NULL;
}

static int reset(void **state)
{
	(void)state;
	respond(&response, "{\"data\":{\"name\":\"L\"}}");
	respond(&get_response, NULL);
	respond(&list_response, NULL);
	return 0;
}

static void test_statuses(void **state)
{
	static const struct {
		const char *response;
		unsigned status;
	} cases[] = {
		{"{\"code\":\"bad_request\",\"error\":\"e\"}", 400},
		{"{\"code\":\"not_allowed\",\"error\":\"e\"}", 403},
		{"{\"code\":\"not_found\",\"error\":\"e\"}", 404},
		{"{\"code\":\"conflict\",\"error\":\"e\"}", 409},
		{"{\"code\":\"too_large\",\"error\":\"e\"}", 413},
		{"{\"code\":\"busy\",\"error\":\"e\"}", 503},
		{"{\"code\":\"failed\",\"error\":\"e\"}", 500},
		{"{\"code\":\"news\",\"error\":\"e\"}", 500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		respond(&response, cases[i].response);
		assert_int_equal(ask(GET("/api/v1/tasks")), cases[i].status);
		assert_string_equal(answer.etag, "");
		assert_non_null(strstr(answer.text, "\"message\":\"e\""));
		assert_int_equal(answer.retry_after != 0, cases[i].status == 503);
	}
	respond(&response, "{\"data\":{}}");
	assert_int_equal(ask(SEND("POST", "/api/v1/products", "{}")), 201);
	assert_int_equal(ask(SEND("POST", "/api/v1/tasks/t/stop", NULL)), 200);
	assert_string_equal(answer.text, "{}");
}

static void test_bodies(void **state)
{
	static const char *const bad[] = {"[]", "1", "{", "{}x", "\"\"", "{\"a\":1,\"a\":2}",
		"{\"a\":\"\xff\"}", "{'a':1}", "nul"};
	static char deep[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ask(SEND("POST", "/api/v1/products", bad[i])), 400);
		assert_string_equal(asked, "");
	}
	strcpy(deep, "{\"a\":");
	memset(deep + 5, '[', 3000);
	assert_int_equal(ask(SEND("POST", "/api/v1/products", deep)), 400);
	assert_int_equal(ask(SEND("POST", "/api/v1/products",
				 "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}")),
		201);
	assert_int_equal(ask(SEND("POST", "/api/v1/commands", "{}")), 200);
	assert_string_equal(answer.text, "{\"responses\":[{\"length\":2}]}");
}

static void test_etags(void **state)
{
	char etag[FW_API_ETAG], list[128];
	struct sent get = GET("/api/v1/products/lamp");

	(void)state;
	assert_int_equal(ask(get), 200);
	strcpy(etag, answer.etag);
	assert_int_equal(strlen(etag), 34);
	assert_int_equal(ask(get), 200);
	assert_string_equal(answer.etag, etag);
	get.if_none_match = etag;
	assert_int_equal(ask(get), 304);
	assert_string_equal(answer.etag, etag);
	snprintf(list, sizeof(list), "\"x\", W/%s", etag);
	get.if_none_match = list;
	assert_int_equal(ask(get), 304);
	respond(&response, "{\"data\":{\"name\":\"M\"}}");
	assert_int_equal(ask(get), 200);
	assert_string_not_equal(answer.etag, etag);
	get = (struct sent){.method = "GET", .path = "/api/v1/products/lamp", .if_match = etag};
	assert_int_equal(ask(get), 412);
	assert_string_equal(answer.etag, "");
}

static void test_if_match(void **state)
{
	char etag[FW_API_ETAG];
	struct sent patch = SEND("PATCH", "/api/v1/products/lamp", "{}");

	(void)state;
	ask(GET("/api/v1/products/lamp"));
	strcpy(etag, answer.etag);
	patch.if_match = etag;
	assert_int_equal(ask(patch), 200);
	assert_string_equal(asked, "getProduct modifyProduct ");
	patch.if_match = "\"other\"";
	assert_int_equal(ask(patch), 412);
	assert_string_equal(asked, "getProduct ");
	patch.if_match = "*";
	assert_int_equal(ask(patch), 200);
	/* what is not there, and what cannot be looked at */
	respond(&get_response, "{\"code\":\"not_found\",\"error\":\"e\"}");
	assert_int_equal(ask(patch), 412);
	respond(&get_response, "{\"code\":\"busy\",\"error\":\"e\"}");
	assert_int_equal(ask(patch), 503);
	assert_string_equal(asked, "getProduct ");
}

static void test_if_none_match_of_a_write(void **state)
{
	struct sent put = SEND("PUT", "/api/v1/tasks/t", "{}");

	(void)state;
	put.if_none_match = "*";
	assert_int_equal(ask(put), 412);
	assert_string_equal(asked, "getTask ");
	respond(&get_response, "{\"code\":\"not_found\",\"error\":\"e\"}");
	assert_int_equal(ask(put), 201);
}

static void test_a_create_that_is_repeated(void **state)
{
	struct sent put = SEND("PUT", "/api/v1/tasks/t", "{\"name\":\"n\",\"deviceIds\":[]}");

	(void)state;
	assert_int_equal(ask(put), 201);
	respond(&response, "{\"code\":\"conflict\",\"error\":\"is there\"}");
	respond(&get_response, "{\"data\":{\"taskId\":\"t\",\"name\":\"n\",\"mode\":\"push\"}}");
	assert_int_equal(ask(put), 200);
	assert_string_equal(asked, "createTask getTask ");
	assert_non_null(strstr(answer.text, "\"push\""));
	respond(&get_response, "{\"data\":{\"taskId\":\"t\",\"name\":\"m\"}}");
	assert_int_equal(ask(put), 409);
	assert_non_null(strstr(answer.text, "is there"));
	respond(&get_response, "{\"code\":\"not_found\",\"error\":\"e\"}");
	assert_int_equal(ask(put), 409);
}

/* The task is there already; its GET answers `task`. */
static unsigned put_again(const char *task, const char *body)
{
	respond(&response, "{\"code\":\"conflict\",\"error\":\"is there\"}");
	respond(&get_response, task);
	return ask(SEND("PUT", "/api/v1/tasks/t", body));
}

static void test_a_repeated_create_says_the_same_in_other_words(void **state)
{
	static const char task[] =
		"{\"data\":{\"taskId\":\"t\",\"releaseType\":\"all\",\"allowDowngrade\":true,"
		"\"endAction\":\"pause\",\"stages\":[{\"stage\":1,\"untilPercent\":50.0,"
		"\"untilCount\":null,\"budget\":3},{\"stage\":2,\"untilPercent\":null,"
		"\"untilCount\":9,\"budget\":9}]}}";
	static const char stages[] =
		"{\"stages\":[{\"untilPercent\":%s},{\"untilCount\":9}],\"endAction\":null,"
		"\"allowDowngrade\":%s}";
	char body[256];

	(void)state;
	snprintf(body, sizeof(body), stages, "50", "1");
	assert_int_equal(put_again(task, body), 200);
	snprintf(body, sizeof(body), stages, "51", "1");
	assert_int_equal(put_again(task, body), 409);
	snprintf(body, sizeof(body), stages, "50", "0");
	assert_int_equal(put_again(task, body), 409);
	assert_int_equal(put_again(task, "{\"stages\":[{\"untilPercent\":50}]}"), 409);
	assert_int_equal(put_again(task, "{\"tag\":\"x\"}"), 409);
}

static void test_a_repeated_create_is_for_the_same_devices(void **state)
{
	static const char two[] =
		"{\"data\":{\"taskId\":\"t\",\"releaseType\":\"part\",\"total\":2}}";

	(void)state;
	respond(&list_response,
		"{\"data\":{\"items\":[{\"deviceId\":\"a\"},{\"deviceId\":\"b\"}],"
		"\"next\":null}}");
	assert_int_equal(put_again(two, "{\"devices\":[\"b\",\"a\",\"b\"]}"), 200);
	assert_string_equal(asked, "createTask getTask listTaskDevices ");
	assert_int_equal(put_again(two, "{\"devices\":[\"a\",\"c\"]}"), 409);
	assert_int_equal(put_again(two, "{\"devices\":[\"a\"]}"), 409);
	assert_string_equal(asked, "createTask getTask ");
	assert_int_equal(put_again(two, "{\"tag\":\"north\"}"), 200);
	assert_int_equal(put_again(two, "{}"), 409);
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_statuses),
		TEST(test_bodies),
		TEST(test_etags),
		TEST(test_if_match),
		TEST(test_if_none_match_of_a_write),
		TEST(test_a_create_that_is_repeated),
		TEST(test_a_repeated_create_says_the_same_in_other_words),
		TEST(test_a_repeated_create_is_for_the_same_devices),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	respond(&response, NULL);
	respond(&get_response, NULL);
	respond(&list_response, NULL);
	free(answer.text);
	return failed;
}
