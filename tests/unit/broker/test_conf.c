/* mosquitto.conf read again: its lines, and which listener stands above the plugin's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/conf.h"
#include "folder.h"
#include "broker/listener.h"

static char seen[2048];

static void note(void *context, const struct fw_conf_line *line)
{
	size_t len = strlen(seen);

	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s%d[%s][%s]", line->included ? "+" : "",
		line->number, line->word, line->value);
}

static enum fw_status read_lines(const char *text)
{
	seen[0] = '\0';
	write_file("conf", text, strlen(text));
	return fw_conf_read(in_folder("conf"), note, NULL);
}

static void test_words_and_values(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(read_lines(""), FW_OK);
	assert_string_equal(seen, "");
	assert_int_equal(read_lines("# a b\n\n a\tb c \r\nalone\n  # x y\nlast  1"), FW_OK);
	assert_string_equal(seen, "3[a][b c]6[last][1]");
	assert_int_equal(fw_conf_read(in_folder("not-there"), note, NULL), FW_IO);
	assert_int_equal(fw_conf_path(path, sizeof(path)), FW_NOT_FOUND);
	assert_true(fw_conf_is_true("true") && fw_conf_is_true("True") && fw_conf_is_true("1"));
	assert_false(fw_conf_is_true("false") || fw_conf_is_true("2") || fw_conf_is_true("yes"));
}

static void test_files_of_a_folder_are_read_in_order(void **state)
{
	char text[1300], included[600];

	(void)state;
	snprintf(included, sizeof(included), "%s/conf.d", folder);
	assert_int_equal(mkdir(included, 0700), 0);
	write_file("conf.d/2.conf", "two 2", 5);
	snprintf(text, sizeof(text), "include_dir %s\none 1", included);
	write_file("conf.d/1.conf", text, strlen(text));
	write_file("conf.d/3.txt", "three 3", 7);
	snprintf(text, sizeof(text), "a 1\ninclude_dir %s\nb 2\n", included);
	assert_int_equal(read_lines(text), FW_OK);
	assert_string_equal(seen, "1[a][1]+2[one][1]+1[two][2]3[b][2]");
	assert_int_equal(unlink(in_folder("conf.d/1.conf")) | unlink(in_folder("conf.d/2.conf")) |
			unlink(in_folder("conf.d/3.txt")),
		0);
	assert_int_equal(rmdir(included), 0);
}

/* The sentence about a configuration, "" for none. */
static const char *sentence_of(const char *text, bool missed)
{
	static struct fw_error sentence;
	struct fw_listener_place connection;

	write_file("conf", text, strlen(text));
	assert_int_equal(fw_listener_find(in_folder("conf"), "p.so", &connection), FW_OK);
	assert_int_equal(fw_listener_describe(&connection, &sentence), missed);
	return sentence.text;
}

static void test_the_listener_above_is_served(void **state)
{
	(void)state;
	assert_string_equal(sentence_of("listener 1\nplugin /x/p.so\nlistener 2\n", false), "");
	assert_string_equal(
		sentence_of("per_listener_settings true\nlistener 1\nplugin p.so\n", false), "");
	assert_string_equal(sentence_of("per_listener_settings true\nplugin p.so\n", false), "");
	assert_non_null(strstr(sentence_of("per_listener_settings true\nlistener 1\n"
					   "plugin p.so\nlistener 2\n",
				       false),
		"serves listener 1 alone"));
	assert_non_null(strstr(sentence_of("per_listener_settings true\nport 7\nplugin p.so\n"
					   "listener 2\n",
				       false),
		"serves the default listener alone"));
	assert_non_null(strstr(sentence_of("per_listener_settings true\nplugin p.so\n"
					   "listener 2 ::1\n",
				       true),
		"Clients of 'listener 2 ::1' are not served"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_and_values),
		cmocka_unit_test(test_files_of_a_folder_are_read_in_order),
		cmocka_unit_test(test_the_listener_above_is_served),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
