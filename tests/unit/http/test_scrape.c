/* The server of the metrics: what it serves and refuses, and which format a client asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"

#include "http/scrape.h"

static struct fw_scrape *scrape;
static _Atomic enum fw_status outcome; /* the server's thread reads it */

static enum fw_status render(void *context, bool openmetrics, char **out, size_t *length)
{
	enum fw_status status = outcome;

	(void)context;
	if (status != FW_OK)
		return status;
	*out = strdup(openmetrics ? "open\n" : "text\n");
	*length = 5;
	return *out ? FW_OK : FW_NOMEM;
}

static int start(void **state)
{
	struct fw_scrape_config config = {.listen = "127.0.0.1:0", .render = render};

	if (make_folder(state) != 0 || fw_scrape_start(&config, &scrape, NULL) != FW_OK)
		return -1;
	return fw_scrape_port(scrape) > 0 ? 0 : -1;
}

static int finish(void **state)
{
	fw_scrape_stop(scrape);
	fw_scrape_stop(NULL);
	return remove_folder(state);
}

/* Returns the status code; the head is in `head`, the body in `body`. */
static int curl(const char *arguments, const char *path)
{
	char command[512];

	snprintf(command, sizeof(command),
		"rm -f head body; curl -s -o body -D head -w '%%{http_code}' %s "
		"'http://127.0.0.1:%d%s' >code 2>/dev/null; true",
		arguments, fw_scrape_port(scrape), path);
	shell(command);
	return atoi(read_text("code"));
}

static void assert_header(const char *line)
{
	if (!strcasestr(read_text("head"), line))
		fail_msg("no '%s' in:\n%s", line, read_text("head"));
}

static void test_serves_both_formats(void **state)
{
	(void)state;
	outcome = FW_OK;
	assert_int_equal(curl("", "/metrics"), 200);
	assert_header("Content-Type: text/plain; version=0.0.4; charset=utf-8");
	assert_header("Cache-Control: no-store");
	assert_string_equal(read_text("body"), "text");
	assert_int_equal(curl("-H 'Accept: application/openmetrics-text'", "/metrics?x=y"), 200);
	assert_header("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");
	assert_string_equal(read_text("body"), "open");
	assert_int_equal(curl("-I", "/metrics"), 200);
	assert_header("Content-Length: 5");
}

static void test_refuses_all_else(void **state)
{
	static const char *const paths[] = {
		"/", "/metrics/", "/Metrics", "/metrics/x", "/x", "/firmware/f/a", "//metrics"};
	static const char *const methods[] = {
		"-X POST -d x", "-X PUT -d x", "-X DELETE", "-X OPTIONS", "-X WHATEVER"};

	(void)state;
	outcome = FW_OK;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(curl("--path-as-is", paths[i]), 404);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_int_equal(curl(methods[i], "/metrics"), 405);
		assert_header("Allow: GET, HEAD");
	}
	assert_int_equal(curl("", "/metrics"), 200);
}

static void test_what_cannot_be_made(void **state)
{
	(void)state;
	outcome = FW_BUSY;
	assert_int_equal(curl("", "/metrics"), 503);
	assert_header("Retry-After: 5");
	outcome = FW_NOMEM;
	assert_int_equal(curl("", "/metrics"), 500);
}

static void test_a_body_with_a_get_is_not_read(void **state)
{
	(void)state;
	outcome = FW_OK;
	assert_int_equal(curl("-X GET -d abc", "/metrics"), 200);
	assert_string_equal(read_text("body"), "text");
}

static void test_where_nobody_can_listen(void **state)
{
	struct fw_scrape_config config = {.listen = "192.0.2.1:9", .render = render};
	struct fw_error error = {""};
	struct fw_scrape *other;

	(void)state;
	assert_int_equal(fw_scrape_start(&config, &other, &error), FW_INVALID);
	assert_non_null(
		strstr(error.text, "plugin_opt_metrics_listen: cannot listen on '192.0.2.1:9': "));
}

static void test_which_format_is_asked_for(void **state)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/plain", false},
		{"application/openmetrics-text", true},
		{"Application/OpenMetrics-Text; version=1.0.0", true},
		{"application/openmetrics-text;version=1.0.0,application/"
		 "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			true},
		{"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4", false},
		{"text/plain;q=0.5, application/openmetrics-text;q=0.501", true},
		{"application/openmetrics-text;q=0", false},
		{"application/openmetrics-text; q=0.000, text/plain", false},
		{"application/openmetrics-texts", false},
		{"xapplication/openmetrics-text", false},
		{"text/plain;q=0.5,application/openmetrics-text;q", true},
		{",,, ;;q=1,application/openmetrics-text", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (fw_scrape_wants_openmetrics(cases[i].accept) != cases[i].openmetrics)
			fail_msg("%s", cases[i].accept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves_both_formats),
		cmocka_unit_test(test_refuses_all_else),
		cmocka_unit_test(test_what_cannot_be_made),
		cmocka_unit_test(test_a_body_with_a_get_is_not_read),
		cmocka_unit_test(test_where_nobody_can_listen),
		cmocka_unit_test(test_which_format_is_asked_for),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
