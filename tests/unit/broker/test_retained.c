/* The broker's file of retained messages: what is in it on firmware topics is found, and no bytes
 * make the reader misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "broker/retained.h"

static unsigned char bytes[1 << 20];
static size_t len;
static char line[2048];

static void put(const void *from, size_t size)
{
	memcpy(bytes + len, from, size);
	len += size;
}

static void put_big(uint64_t number, unsigned size)
{
	for (unsigned i = size; i-- > 0;)
		bytes[len++] = (unsigned char)(number >> 8 * i);
}

static void begin(uint32_t version)
{
	len = 0;
	put("\0\xb5\0mosquitto db\0\0\0\0", 19);
	put_big(version, 4);
}

static void put_message(uint64_t id, const char *topic, const char *payload, bool retain)
{
	put_big(2, 4);
	put_big(32 + 2 + 3 + strlen(topic) + strlen(payload), 4);
	put(&id, sizeof(id));
	put_big(0, 8);
	put_big(strlen(payload), 4);
	put_big(1, 2);
	put_big(2, 2);
	put_big(3, 2);
	put_big(strlen(topic), 2);
	put_big(1883, 2);
	put_big(1, 1);
	put_big(retain, 1);
	put("idusr", 5);
	put(topic, strlen(topic));
	put(payload, strlen(payload));
}

static void put_retain(uint64_t id)
{
	put_big(4, 4);
	put_big(8, 4);
	put(&id, sizeof(id));
}

static enum fw_status describe(void)
{
	write_file(in_folder("db"), bytes, len);
	memset(line, 'Z', sizeof(line));
	return fw_retained_describe(in_folder("db"), line, sizeof(line));
}

static void fill(uint32_t version)
{
	begin(version);
	put_big(1, 4);
	put_big(16, 4);
	put("0123456789abcdef", 16);
	put_message(7, "/lamp/d1/firmware/upgrade", "{}", true);
	put_message(3, "other/topic", "x", true);
	put_message(5, "/lamp/d2/firmware/pull/reply", "{}", true);
	put_message(4, "/lamp/d3/firmware/task", "{}", true); /* queued, not retained any more */
	put_message(2, "/lamp/d4/firmware/report", "{}", false);
	put_retain(3);
	put_retain(5);
	put_retain(2);
	put_retain(7);
	put_retain(99);
}

static void test_firmware_topics_are_found(void **state)
{
	(void)state;
	for (uint32_t version = 5; version <= 6; version++) {
		fill(version);
		assert_int_equal(describe(), FW_OK);
		assert_memory_equal(line, "2 retained messages on firmware topics", 38);
		assert_non_null(strstr(line,
			"the topics are: /lamp/d2/firmware/pull/reply, /lamp/d1/firmware/upgrade"));
		assert_non_null(strstr(line, "mosquitto_pub -r -n -t TOPIC"));
		assert_null(strstr(line, "other"));
		assert_null(strstr(line, "d3"));
		assert_null(strstr(line, "d4"));
	}
}

static void test_many_are_counted(void **state)
{
	(void)state;
	begin(6);
	for (unsigned i = 0; i < 1000; i++) {
		char topic[64];

		snprintf(topic, sizeof(topic), "/lamp/d\n%u/firmware/upgrade", 1000 - i);
		put_message(1000 - i, topic, "", true);
	}
	for (unsigned i = 0; i < 1000; i++)
		put_retain(i + 1);
	assert_int_equal(describe(), FW_OK);
	assert_memory_equal(line, "1000 retained messages", 22);
	assert_non_null(strstr(line, ", and more"));
	assert_null(strchr(line, '\n'));
}

static void test_nothing_to_tell(void **state)
{
	(void)state;
	assert_int_equal(
		fw_retained_describe(in_folder("not-there"), line, sizeof(line)), FW_NOT_FOUND);
	assert_int_equal(fw_retained_describe(folder, line, sizeof(line)), FW_NOT_FOUND);
	len = 0;
	assert_int_equal(describe(), FW_NOT_FOUND);
	begin(6);
	assert_int_equal(describe(), FW_NOT_FOUND);
	put_message(1, "other", "x", true);
	put_retain(1);
	assert_int_equal(describe(), FW_NOT_FOUND);
	begin(4);
	assert_int_equal(describe(), FW_CORRUPT);
	begin(7);
	assert_int_equal(describe(), FW_CORRUPT);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(describe(), FW_CORRUPT);
}

/* Cut anywhere, and with any byte changed: under a sanitizer nothing is read beyond. */
static void test_damage_is_harmless(void **state)
{
	size_t whole;

	(void)state;
	fill(6);
	whole = len;
	for (len = 0; len < whole; len++)
		describe();
	for (size_t at = 0; at < whole; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[at] ^= (unsigned char)(1u << bit);
			describe();
			bytes[at] ^= (unsigned char)(1u << bit);
		}
	}
}

static enum fw_status file_of(const char *conf, char *path)
{
	write_file("conf", conf, strlen(conf));
	return fw_retained_file(in_folder("conf"), path, 512);
}

static void test_the_file_is_where_the_configuration_says(void **state)
{
	char path[512], conf[1300], included[600];

	(void)state;
	assert_int_equal(file_of("", path), FW_NOT_FOUND);
	assert_int_equal(file_of("persistence false\npersistence_location /x", path), FW_NOT_FOUND);
	assert_int_equal(file_of("#persistence true\n", path), FW_NOT_FOUND);
	assert_int_equal(file_of("persistence true", path), FW_OK);
	assert_string_equal(path, "mosquitto.db");
	assert_int_equal(
		file_of("listener 1883\n  persistence\ttrue \r\n"
			"persistence_location /var/lib/my broker/ \npersistence_file a.db\n",
			path),
		FW_OK);
	assert_string_equal(path, "/var/lib/my broker//a.db");
	/* as Debian does it */
	snprintf(included, sizeof(included), "%s/conf.d", folder);
	assert_int_equal(mkdir(included, 0700), 0);
	write_file("conf.d/10.conf", "persistence true\npersistence_location /l", 40);
	write_file("conf.d/20.txt", "persistence false", 17);
	snprintf(conf, sizeof(conf), "include_dir %s\ninclude_dir %s/not-there\n", included,
		included);
	assert_int_equal(file_of(conf, path), FW_OK);
	assert_string_equal(path, "/l/mosquitto.db");
	/* one that includes itself ends */
	snprintf(conf, sizeof(conf), "include_dir %s\n", included);
	write_file("conf.d/30.conf", conf, strlen(conf));
	assert_int_equal(file_of(conf, path), FW_OK);
	assert_int_equal(
		fw_retained_file(in_folder("not-there"), path, sizeof(path)), FW_NOT_FOUND);
	assert_int_equal(unlink(in_folder("conf.d/10.conf")) | unlink(in_folder("conf.d/20.txt")) |
			unlink(in_folder("conf.d/30.conf")),
		0);
	assert_int_equal(rmdir(included), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firmware_topics_are_found),
		cmocka_unit_test(test_many_are_counted),
		cmocka_unit_test(test_nothing_to_tell),
		cmocka_unit_test(test_damage_is_harmless),
		cmocka_unit_test(test_the_file_is_where_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
