/* Options: defaults, good values, and for each bad one a line that says what to change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/options.h"

static struct fw_options options;
static struct fw_error error;

static int set_up(void **state)
{
	(void)state;
	memset(&options, 0, sizeof(options));
	memset(&error, 0, sizeof(error));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fw_options_clear(&options);
	return 0;
}

static enum fw_status parse(const char *key, const char *value)
{
	struct fw_option_line lines[] = {{"db_file", "/var/lib/x/firmware.db"}, {key, value}};

	fw_options_clear(&options);
	memset(&error, 0, sizeof(error));
	return fw_options_parse(lines, key ? 2 : 1, &options, &error);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL, NULL), FW_OK);
	assert_string_equal(options.db_file, "/var/lib/x/firmware.db");
	assert_string_equal(options.files_dir, "/var/lib/x/firmware");
	assert_string_equal(options.url_secret_file, "/var/lib/x/url.secret");
	assert_int_equal(options.identity, FW_IDENTITY_CLIENTID);
	assert_null(options.operators);
	assert_false(fw_options_have_admins(&options));
	assert_null(options.http_listen);
	assert_null(options.metrics_listen);
	assert_null(options.url_base);
	assert_int_equal(options.url_ttl_seconds, 0);
	assert_int_equal(options.chunk_max_bytes, 65536);
	assert_false(options.read_from_device);
	assert_false(options.sync_full);
	assert_int_equal(options.sync_interval_ms, 100);
	assert_int_equal(options.log_retention_days, 0);
	assert_null(options.admin_listen);
	assert_null(options.admin_password_file);
	assert_null(options.admin_certfile);
	assert_null(options.admin_keyfile);
	assert_null(options.admin_hosts);
	assert_false(options.admin_behind_proxy);
	assert_int_equal(options.admin_upload_max_bytes, 1073741824);
}

static void test_admin(void **state)
{
	(void)state;
	assert_int_equal(parse("admin_listen", "[::1]:8081"), FW_OK);
	assert_string_equal(options.admin_listen, "[::1]:8081");
	assert_int_equal(parse("admin_listen", "unix:/run/mosquitto/firmware.sock"), FW_OK);
	assert_string_equal(options.admin_listen, "unix:/run/mosquitto/firmware.sock");
	assert_int_equal(parse("admin_hosts", "a.example, b.example:8443"), FW_OK);
	assert_string_equal(options.admin_hosts[0], "a.example");
	assert_string_equal(options.admin_hosts[1], "b.example:8443");
	assert_null(options.admin_hosts[2]);
	assert_int_equal(parse("admin_behind_proxy", "true"), FW_OK);
	assert_true(options.admin_behind_proxy);
	assert_int_equal(parse("admin_upload_max_bytes", "7"), FW_OK);
	assert_int_equal(options.admin_upload_max_bytes, 7);
}

/* As Mosquitto leaves it: only a line end is cut off, and of a file from Windows not even that
 * whole. */
static void test_what_nobody_sees_at_the_ends_is_cut_off(void **state)
{
	static const char *const ends[] = {" ", "\t", "\r", " \t \r", "\n", "\v\f", "\xc2\xa0",
		"\xe2\x80\x8b", "\xef\xbb\xbf", " \xe3\x80\x80\r"};
	static const char *const values[][2] = {
		{"db_file", "/var/lib/x/y z.db"},
		{"files_dir", "/x/my files"},
		{"identity", "username"},
		{"operators", "a b,c"},
		{"admins", "a b,c"},
		{"admin_viewers", "a b,c"},
		{"http_listen", "127.0.0.1:80"},
		{"url_base", "http://h/x"},
		{"url_ttl_seconds", "5"},
		{"url_secret_file", "/x/a key"},
		{"chunk_max_bytes", "7"},
		{"read_source", "device"},
		{"sync", "full"},
		{"sync_interval_ms", "50"},
		{"log_retention_days", "3"},
		{"admin_listen", "unix:/run/a b"},
		{"admin_password_file", "/x/pass words"},
		{"admin_hosts", "a.example,b.example:8443"},
		{"admin_behind_proxy", "true"},
		{"admin_upload_max_bytes", "1000"},
	};
	char value[80];

	(void)state;
	for (size_t end = 0; end < sizeof(ends) / sizeof(ends[0]); end++) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			snprintf(
				value, sizeof(value), "%s%s%s", ends[end], values[i][1], ends[end]);
			assert_int_equal(parse(values[i][0], value), FW_OK);
			if (i == 0)
				assert_string_equal(options.db_file, values[i][1]);
		}
		snprintf(value, sizeof(value), "/x/my files%s", ends[end]);
		assert_int_equal(parse("files_dir", value), FW_OK);
		assert_string_equal(options.files_dir, "/x/my files");
		snprintf(value, sizeof(value), "a b%s", ends[end]);
		assert_int_equal(parse("operators", value), FW_OK);
		assert_true(fw_options_is_operator(&options, "a b"));
		assert_int_equal(parse("db_file", ends[end]), FW_INVALID);
	}
}

static void test_db_file_without_a_folder(void **state)
{
	struct fw_option_line lines[] = {{"db_file", "firmware.db"}};
	char folder[PATH_MAX], beside[PATH_MAX + 16];

	(void)state;
	assert_int_equal(fw_options_parse(lines, 1, &options, &error), FW_OK);
	assert_non_null(realpath(".", folder));
	snprintf(beside, sizeof(beside), "%s/firmware", folder);
	assert_string_equal(options.files_dir, beside);
	snprintf(beside, sizeof(beside), "%s/url.secret", folder);
	assert_string_equal(options.url_secret_file, beside);
}

static void test_db_file_is_required(void **state)
{
	struct fw_option_line lines[] = {{"sync", "full"}};

	(void)state;
	assert_int_equal(fw_options_parse(lines, 1, &options, &error), FW_INVALID);
	assert_non_null(strstr(error.text, "plugin_opt_db_file is missing"));
	fw_options_clear(&options);
	assert_int_equal(fw_options_parse(NULL, 0, &options, &(struct fw_error){""}), FW_INVALID);
}

static void test_good_values(void **state)
{
	(void)state;
	assert_int_equal(parse("identity", "username"), FW_OK);
	assert_int_equal(options.identity, FW_IDENTITY_USERNAME);
	assert_int_equal(parse("identity", "none"), FW_OK);
	assert_int_equal(options.identity, FW_IDENTITY_NONE);
	assert_int_equal(parse("read_source", "device"), FW_OK);
	assert_true(options.read_from_device);
	assert_int_equal(parse("sync", "full"), FW_OK);
	assert_true(options.sync_full);
	assert_int_equal(parse("files_dir", "/srv/files"), FW_OK);
	assert_string_equal(options.files_dir, "/srv/files");
	assert_int_equal(parse("http_listen", "127.0.0.1:8080"), FW_OK);
	assert_string_equal(options.url_base, "http://127.0.0.1:8080");
	assert_int_equal(parse("http_listen", "[::1]:65535"), FW_OK);
	assert_int_equal(parse("metrics_listen", "[::]:9091"), FW_OK);
	assert_string_equal(options.metrics_listen, "[::]:9091");
	assert_null(options.http_listen);
	assert_int_equal(parse("url_base", "https://cdn.example.com/x/"), FW_OK);
	assert_string_equal(options.url_base, "https://cdn.example.com/x");
	assert_int_equal(parse("url_ttl_seconds", "3600"), FW_OK);
	assert_int_equal(options.url_ttl_seconds, 3600);
	assert_int_equal(parse("chunk_max_bytes", "1"), FW_OK);
	assert_int_equal(options.chunk_max_bytes, 1);
	/* beyond what 32 bits hold */
	assert_int_equal(parse("admin_upload_max_bytes", "9223372036854775807"), FW_OK);
	assert_int_equal(options.admin_upload_max_bytes, INT64_MAX);
	assert_int_equal(parse("chunk_rate_total", "1099511627776"), FW_OK);
	assert_int_equal(options.chunk_rate_total, INT64_C(1099511627776));
	assert_int_equal(parse("log_retention_days", "36500"), FW_OK);
	assert_int_equal(options.log_retention_days, 36500);
	assert_int_equal(options.registration, FW_REGISTRATION_ONCE);
	assert_int_equal(options.device_rate_per_minute, 1200);
	assert_int_equal(parse("registration", "closed"), FW_OK);
	assert_int_equal(options.registration, FW_REGISTRATION_CLOSED);
	assert_int_equal(parse("registration", "open"), FW_OK);
	assert_int_equal(options.registration, FW_REGISTRATION_OPEN);
	assert_int_equal(parse("device_rate_per_minute", "0"), FW_OK);
	assert_int_equal(options.device_rate_per_minute, 0);
}

static void test_bad_values(void **state)
{
	static const char *const bad[][2] = {
		{"db_file", ""},
		{"files_dir", ""},
		{"url_secret_file", ""},
		{"identity", "Clientid"},
		{"identity", ""},
		{"read_source", "both"},
		{"sync", "off"},
		{"sync_interval_ms", "9"},
		{"sync_interval_ms", "60001"},
		{"operators", ""},
		{"operators", ","},
		{"operators", "a,,b"},
		{"operators", "a, "},
		{"admins", ""},
		{"admins", "a,,b"},
		{"admin_viewers", ","},
		{"http_listen", "8080"},
		{"http_listen", ":8080"},
		{"http_listen", "host:"},
		{"http_listen", "host:0"},
		{"http_listen", "host:65536"},
		{"http_listen", "host:80x"},
		{"metrics_listen", "9091"},
		{"metrics_listen", "host:0"},
		{"url_base", "cdn.example.com"},
		{"url_base", "ftp://x"},
		{"url_base", "http://"},
		{"url_base", "https:///x"},
		{"url_ttl_seconds", "-1"},
		{"url_ttl_seconds", "31536001"},
		{"url_ttl_seconds", "1h"},
		{"url_ttl_seconds", ""},
		{"chunk_max_bytes", "0"},
		{"chunk_max_bytes", "99999999999999999999"},
		{"chunk_max_bytes", "16777217"},
		{"log_retention_days", "1.5"},
		{"log_retention_days", "36501"},
		{"http_listen", NULL},
		{"registration", "Once"},
		{"registration", ""},
		{"device_rate_per_minute", "-1"},
		{"device_rate_per_minute", "1000001"},
		{"device_rate_per_minute", "20/s"},
		{"admin_listen", ""},
		{"admin_listen", "8081"},
		{"admin_listen", "127.0.0.1"},
		{"admin_listen", "127.0.0.1:0"},
		{"admin_listen", "unix:"},
		{"admin_listen", "unix:/"},
		{"admin_listen", "unix:relative.sock"},
		{"admin_password_file", ""},
		{"admin_certfile", ""},
		{"admin_keyfile", ""},
		{"admin_hosts", "a,,b"},
		{"admin_behind_proxy", "yes"},
		{"admin_upload_max_bytes", "0"},
		{"admin_upload_max_bytes", "9223372036854775808"},
		{"chunk_rate_total", "1099511627777"},
		{"admin_upload_max_bytes", "1g"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char start[64];

		if (parse(bad[i][0], bad[i][1]) != FW_INVALID)
			fail_msg("%s '%s' is taken", bad[i][0], bad[i][1]);
		snprintf(start, sizeof(start), "plugin_opt_%s '", bad[i][0]);
		assert_int_equal(strncmp(error.text, start, strlen(start)), 0);
		assert_non_null(strstr(error.text, "it must be "));
		assert_null(strchr(error.text, '\n'));
	}
}

static void test_an_unknown_option_names_those_there_are(void **state)
{
	static const char *const all[] = {"db_file", "files_dir", "identity", "operators",
		"http_listen", "metrics_listen", "url_base", "url_ttl_seconds", "url_secret_file",
		"chunk_max_bytes", "read_source", "sync", "sync_interval_ms", "log_retention_days",
		"admins", "admin_viewers", "admin_listen", "admin_password_file", "admin_certfile",
		"admin_keyfile", "admin_hosts", "admin_behind_proxy", "admin_upload_max_bytes"};

	(void)state;
	assert_int_equal(parse("db-file", "x"), FW_INVALID);
	assert_non_null(strstr(error.text, "plugin_opt_db-file is not an option"));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_non_null(strstr(error.text, all[i]));
}

static void test_operators(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL, NULL), FW_OK);
	assert_false(fw_options_is_operator(&options, "admin"));
	assert_false(fw_options_is_operator(&options, NULL));
	assert_int_equal(parse("operators", " admin ,\tops two,x"), FW_OK);
	assert_true(fw_options_is_operator(&options, "admin"));
	assert_true(fw_options_is_operator(&options, "ops two"));
	assert_true(fw_options_is_operator(&options, "x"));
	assert_false(fw_options_is_operator(&options, "Admin"));
	assert_false(fw_options_is_operator(&options, " admin "));
	assert_false(fw_options_is_operator(&options, "admi"));
	assert_false(fw_options_is_operator(&options, ""));
	assert_false(fw_options_is_operator(&options, NULL));
}

static void test_admins(void **state)
{
	(void)state;
	assert_int_equal(parse("admins", "ada, ops two"), FW_OK);
	assert_true(fw_options_is_admin(&options, "ops two"));
	assert_false(fw_options_is_viewer(&options, "ada"));
	assert_false(fw_options_is_operator(&options, "ada"));
	assert_false(fw_options_is_admin(&options, NULL));
	assert_true(fw_options_have_admins(&options));
	assert_int_equal(parse("admin_viewers", "eve"), FW_OK);
	assert_true(fw_options_is_viewer(&options, "eve"));
	assert_false(fw_options_is_admin(&options, "eve"));
	assert_true(fw_options_have_admins(&options));
}

static void test_the_last_of_two_lines_counts(void **state)
{
	struct fw_option_line lines[] = {{"db_file", "/a/a.db"}, {"operators", "one"},
		{"db_file", "/b/b.db"}, {"operators", "two"}};

	(void)state;
	assert_int_equal(fw_options_parse(lines, 4, &options, &error), FW_OK);
	assert_string_equal(options.files_dir, "/b/firmware");
	assert_true(fw_options_is_operator(&options, "two"));
	assert_false(fw_options_is_operator(&options, "one"));
}

static void test_a_folder_that_is_not_there(void **state)
{
	struct fw_option_line lines[] = {{"db_file", "/nonexistent folder/firmware.db"}};

	(void)state;
	assert_int_equal(fw_options_parse(lines, 1, &options, &error), FW_OK);
	assert_int_equal(fw_options_check_db_file(&options, &error), FW_INVALID);
	assert_non_null(strstr(error.text,
		"plugin_opt_db_file: cannot write to the folder '/nonexistent folder/"));
	assert_non_null(strstr(error.text, "install -d -o mosquitto"));
}

static void test_a_folder_that_is_there(void **state)
{
	char folder[] = "/tmp/test_options.XXXXXX", path[64];
	struct fw_option_line line = {"db_file", path};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/firmware.db", folder);
	assert_int_equal(fw_options_parse(&line, 1, &options, &error), FW_OK);
	assert_int_equal(fw_options_check_db_file(&options, &error), FW_OK);
	rmdir(folder);
}

/* The catalog that SQLite will make there is beside the spool, at this start and at the next. */
static void test_a_link_to_a_catalog_that_is_not_there(void **state)
{
	char folder[] = "/tmp/test_options.XXXXXX", link[64], other[64], wanted[64];
	struct fw_option_line line = {"db_file", link};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(link, sizeof(link), "%s/link.db", folder);
	snprintf(other, sizeof(other), "%s/other.db", folder);
	snprintf(wanted, sizeof(wanted), "%s/firmware.db", folder);
	assert_int_equal(symlink(other, link), 0);
	assert_int_equal(symlink("firmware.db", other), 0);
	assert_int_equal(fw_options_parse(&line, 1, &options, &error), FW_OK);
	assert_string_equal(options.db_file, wanted);
	unlink(link);
	unlink(other);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_admin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_nobody_sees_at_the_ends_is_cut_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_db_file_without_a_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_db_file_is_required, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_good_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_unknown_option_names_those_there_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_operators, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_admins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_last_of_two_lines_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_folder_that_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_folder_that_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_link_to_a_catalog_that_is_not_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
