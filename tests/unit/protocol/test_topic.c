/* Topics: exactly the shapes of the contract are ours, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/topic.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_slice(struct fw_slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.at, text, slice.len);
}

static void every_tail_has_its_kind_and_sender(void **state)
{
	static const struct {
		const char *topic;
		enum fw_topic_kind kind;
		enum fw_topic_sender sender;
	} cases[] = {
		{"/p/d/firmware/upgrade", FW_TOPIC_UPGRADE, FW_SENDER_BROKER},
		{"/p/d/firmware/upgrade/reply", FW_TOPIC_UPGRADE_REPLY, FW_SENDER_DEVICE},
		{"/p/d/firmware/upgrade/progress", FW_TOPIC_UPGRADE_PROGRESS, FW_SENDER_DEVICE},
		{"/p/d/firmware/pull", FW_TOPIC_PULL, FW_SENDER_DEVICE},
		{"/p/d/firmware/pull/reply", FW_TOPIC_PULL_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/report", FW_TOPIC_REPORT, FW_SENDER_DEVICE},
		{"/p/d/firmware/read", FW_TOPIC_READ, FW_SENDER_ANYONE},
		{"/p/d/firmware/read/reply", FW_TOPIC_READ_REPLY, FW_SENDER_DEVICE},
		{"/p/d/firmware/task", FW_TOPIC_TASK, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk", FW_TOPIC_CHUNK, FW_SENDER_DEVICE},
		{"/p/d/firmware/chunk/reply/fw-1/4096", FW_TOPIC_CHUNK_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk/reply//", FW_TOPIC_CHUNK_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk/reply", FW_TOPIC_CHUNK_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk/reply/", FW_TOPIC_CHUNK_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk/reply/fw/1/2", FW_TOPIC_CHUNK_REPLY, FW_SENDER_BROKER},
		{"/p/d/firmware/chunk/error", FW_TOPIC_CHUNK_ERROR, FW_SENDER_BROKER},
	};
	struct fw_topic topic;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fw_topic_parse(cases[i].topic, &topic);
		assert_int_equal(topic.kind, cases[i].kind);
		assert_int_equal(fw_topic_sender(topic.kind), cases[i].sender);
		assert_true(topic.ids_valid);
		assert_slice(topic.product, "p");
		assert_slice(topic.device, "d");
	}
}

static void other_topics_are_none_of_ours(void **state)
{
	static const char *const topics[] = {
		"",
		"/",
		"//",
		"///",
		"////",
		"p/d/firmware/pull",
		"/p/d/firmware",
		"/p/d/firmware/",
		"/p/d/firmware/pull/",
		"/p/d/firmware//pull",
		"/p/d/firmware/pulls",
		"/p/d/firmware/pul",
		"/p/d/firmware/Pull",
		"/p/d/Firmware/pull",
		"/p/d/firmwares/pull",
		"/p/firmware/pull",
		"/p/d/e/firmware/pull",
		"//p/d/firmware/pull",
		"/p/d/firmware/upgrade/reply/x",
		"/p/d/firmware/upgrade/",
		"/p/d/firmware/chunk/replyx/fw/1",
		"/p/d/firmware/read/replies",
		"$SYS/broker/firmware/pull",
		" /p/d/firmware/pull",
		"/p/d/firmware/other",
		"/p/d/firmware/pull\n",
	};
	struct fw_topic topic;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		fw_topic_parse(topics[i], &topic);
		assert_int_equal(topic.kind, FW_TOPIC_OTHER);
		assert_false(topic.ids_valid);
		assert_int_equal(topic.product.len + topic.device.len, 0);
	}
	assert_int_equal(fw_topic_sender(FW_TOPIC_OTHER), FW_SENDER_ANYONE);
	assert_string_equal(fw_topic_tail(FW_TOPIC_OTHER), "");
}

static void the_shape_is_ours_even_when_the_ids_are_not_valid(void **state)
{
	static const char *const topics[] = {
		"//d/firmware/pull",
		"/p//firmware/pull",
		"///firmware/pull",
		"/p+/d/firmware/pull",
		"/p/#/firmware/pull",
		"/p/" ID64 "x/firmware/pull",
		"/p/a\tb/firmware/pull",
		"/\xff/d/firmware/pull",
		"/p/\xc2\x80/firmware/pull",
	};
	struct fw_topic topic;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		fw_topic_parse(topics[i], &topic);
		assert_int_equal(topic.kind, FW_TOPIC_PULL);
		assert_false(topic.ids_valid);
	}
	fw_topic_parse("/" ID64 "/" ID64 "/firmware/pull", &topic);
	assert_true(topic.ids_valid);
	assert_slice(topic.product, ID64);
	assert_slice(topic.device, ID64);
}

static void a_topic_of_the_largest_size_is_harmless(void **state)
{
	char *text = malloc(FW_TOPIC_MAX + 1);
	struct fw_topic topic;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', FW_TOPIC_MAX);
	text[FW_TOPIC_MAX] = '\0';
	text[0] = '/';
	fw_topic_parse(text, &topic);
	assert_int_equal(topic.kind, FW_TOPIC_OTHER);
	memcpy(text + FW_TOPIC_MAX - 16, "/d/firmware/pull", 16);
	fw_topic_parse(text, &topic);
	assert_int_equal(topic.kind, FW_TOPIC_PULL);
	assert_false(topic.ids_valid);
	assert_int_equal(topic.product.len, FW_TOPIC_MAX - 17);
	assert_false(
		fw_topic_response_allowed(text, FW_TOPIC_PULL_REPLY, topic.product, topic.device));
	memset(text, '/', FW_TOPIC_MAX);
	fw_topic_parse(text, &topic);
	assert_int_equal(topic.kind, FW_TOPIC_OTHER);
	free(text);
}

static const char *astray(const char *text)
{
	struct fw_topic topic;

	fw_topic_parse(text, &topic);
	return fw_topic_astray(text, &topic);
}

static void assert_astray(const char *text, const char *about)
{
	const char *detail = astray(text);

	if (!detail || !strstr(detail, about))
		fail_msg("%s: said '%s', not about '%s'", text, detail ? detail : "nothing", about);
}

static void topics_that_only_look_like_ours_are_told(void **state)
{
	static const char *const unknown[] = {"progres", "progress", "pulls", "pul", "Report",
		"reply", "report/", "/report", "", "upgrade/", "upgrade/progres", "upgrade/reply/x",
		"chunk/replys", "pull\n"};
	char text[128];

	(void)state;
	for (enum fw_topic_kind kind = FW_TOPIC_UPGRADE; kind < FW_TOPIC_KINDS; kind++) {
		static const char *const fronts[] = {"p/d/firmware/", "firmware/",
			"x/p/d/firmware/", "P/D/Firmware/", " /p/d/firmware/"};
		static const char *const elsewhere[] = {"/x/p/d/firmware/", "/p/firmware/",
			"/firmware/", "//p/d/firmware/", "/p/d/Firmware/", "/p/d/FIRMWARE/",
			"/p/d/e/firmware/"};

		for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
			snprintf(text, sizeof(text), "%s%s", fronts[i], fw_topic_tail(kind));
			assert_astray(text, "slash");
		}
		for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
			snprintf(text, sizeof(text), "%s%s", elsewhere[i], fw_topic_tail(kind));
			assert_astray(text, "lower case");
		}
		snprintf(text, sizeof(text), "/p/d/firmware/%s", fw_topic_tail(kind));
		assert_null(astray(text));
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		snprintf(text, sizeof(text), "/p/d/firmware/%s", unknown[i]);
		assert_astray(text, "no such kind");
	}
	assert_astray("/P/D/FIRMWARE/UPGRADE/PROGRESS", "lower case");
	assert_astray("p/d/firmware/Pull", "slash");
}

static void other_topics_are_not_astray(void **state)
{
	static const char *const topics[] = {
		"",
		"/",
		"t",
		"sensors/a/b/temperature",
		"/p/d/firmware",
		"p/d/firmware/version",
		"home/firmware",
		"firmware",
		"firmware/",
		"pull",
		"read",
		"report",
		"a/b/pull",
		"a/report",
		"xfirmware/pull",
		"a/xfirmware/pull",
		"a/firmware/xpull",
		"a/firmwares/pull",
		"a/firmware-pull",
		"$SYS/broker/firmware/reads",
		"$SYS/p/d/firmware/pull",
		"$share/g//p/d/firmware/read",
		"a/firmware/update",
		"\xff/firmware/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		if (astray(topics[i]))
			fail_msg("%s: %s", topics[i], astray(topics[i]));
	}
}

static void ids_keep_the_rule(void **state)
{
	static const struct fw_slice good[] = {
		FW_SLICE("a"),
		FW_SLICE(ID64),
		FW_SLICE("$x y.z-_:"),
		FW_SLICE("\xc3\xa4"),
		FW_SLICE("\xc2\xa0"),
		FW_SLICE("\xf0\x9f\x98\x80"),
		FW_SLICE("\xe6\xb8\xa9"),
	};
	static const struct fw_slice bad[] = {
		{NULL, 0},
		FW_SLICE(ID64 "x"),
		FW_SLICE("a/b"),
		FW_SLICE("+"),
		FW_SLICE("a#"),
		FW_SLICE("a\0b"),
		FW_SLICE("\x1f"),
		FW_SLICE("\x7f"),
		FW_SLICE("\xc2\x80"),
		FW_SLICE("a\xc2\x9f"),
		FW_SLICE("\xc2"),
		FW_SLICE("\xff"),
		FW_SLICE("\xc0\xaf"),
		FW_SLICE("\xed\xa0\x80"),
		FW_SLICE("\xf4\x90\x80\x80"),
		FW_SLICE("\xe6\xb8"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(fw_topic_id_valid(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fw_topic_id_valid(bad[i]));
}

static void what_is_formatted_parses_back(void **state)
{
	char buffer[FW_TOPIC_BUFFER];
	enum fw_topic_kind kind;
	struct fw_topic topic;

	(void)state;
	for (kind = FW_TOPIC_UPGRADE; kind < FW_TOPIC_KINDS; kind++) {
		if (kind == FW_TOPIC_CHUNK_REPLY)
			continue;
		assert_true(fw_topic_format(
			buffer, sizeof(buffer), kind, FW_SLICE(ID64), FW_SLICE(ID64)));
		fw_topic_parse(buffer, &topic);
		assert_int_equal(topic.kind, kind);
		assert_true(topic.ids_valid);
		assert_string_equal(strstr(buffer, "/firmware/") + 10, fw_topic_tail(kind));
	}
	assert_false(fw_topic_format(
		buffer, sizeof(buffer), FW_TOPIC_OTHER, FW_SLICE("p"), FW_SLICE("d")));
	assert_false(fw_topic_format(
		buffer, sizeof(buffer), FW_TOPIC_CHUNK_REPLY, FW_SLICE("p"), FW_SLICE("d")));
	assert_false(fw_topic_format(
		buffer, sizeof(buffer), FW_TOPIC_KINDS, FW_SLICE("p"), FW_SLICE("d")));
}

static void formatting_never_writes_past_the_buffer(void **state)
{
	const size_t needed = sizeof("/p/d/firmware/pull");
	size_t size;

	(void)state;
	for (size = 0; size <= needed; size++) {
		char *buffer = malloc(size + 1);

		assert_non_null(buffer);
		buffer[size] = 'x';
		assert_int_equal(
			fw_topic_format(buffer, size, FW_TOPIC_PULL, FW_SLICE("p"), FW_SLICE("d")),
			size == needed);
		assert_int_equal(buffer[size], 'x');
		if (size == needed)
			assert_string_equal(buffer, "/p/d/firmware/pull");
		free(buffer);
	}
}

static bool allowed(const char *response, enum fw_topic_kind reply)
{
	return fw_topic_response_allowed(response, reply, FW_SLICE("p"), FW_SLICE("d"));
}

static void a_response_topic_stays_with_its_requester(void **state)
{
	(void)state;
	assert_true(allowed("/p/d/answers", FW_TOPIC_PULL_REPLY));
	assert_true(allowed("/p/d/a/b/c", FW_TOPIC_READ_REPLY));
	assert_true(allowed("/p/d/firmware/mine", FW_TOPIC_PULL_REPLY));
	assert_true(allowed("/p/d/firmware/pull/reply", FW_TOPIC_PULL_REPLY));
	assert_true(allowed("/p/d/firmware/read/reply", FW_TOPIC_READ_REPLY));
	assert_false(allowed("", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d/", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("p/d/x", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("answers", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d2/x", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/e/x", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p2/d/x", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("$share/g/p/d/x", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d/+", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d/x/#", FW_TOPIC_PULL_REPLY));
	assert_false(allowed("/p/d/\xff", FW_TOPIC_PULL_REPLY));
	assert_false(fw_topic_response_allowed(
		"/p/d/x", FW_TOPIC_PULL_REPLY, FW_SLICE("p"), FW_SLICE(ID64 ID64)));
	assert_false(fw_topic_response_allowed(
		"/a", FW_TOPIC_PULL_REPLY, FW_SLICE("a\0bcdefgh"), FW_SLICE("d")));
}

static void a_response_topic_is_never_one_that_others_must_trust(void **state)
{
	static const char *const topics[] = {
		"/p/d/firmware/upgrade",
		"/p/d/firmware/task",
		"/p/d/firmware/chunk/error",
		"/p/d/firmware/chunk/reply/fw/0",
		"/p/d/firmware/report",
		"/p/d/firmware/upgrade/progress",
		"/p/d/firmware/upgrade/reply",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		assert_false(allowed(topics[i], FW_TOPIC_PULL_REPLY));
		assert_false(allowed(topics[i], FW_TOPIC_READ_REPLY));
	}
	assert_false(allowed("/p/d/firmware/pull/reply", FW_TOPIC_READ_REPLY));
}

static void a_filter_brings_upgrades_or_not(void **state)
{
	static const char *const good[] = {
		"/lamp/d1/firmware/upgrade",
		"/oven/d1/firmware/upgrade",
		"/lamp/d1/firmware/+",
		"/lamp/d1/firmware/#",
		"/lamp/d1/firmware/upgrade/#",
		"/lamp/d1/#",
		"/lamp/d1/+/upgrade",
		"/lamp/d1/+/+",
		"/lamp/+/firmware/upgrade",
		"/lamp/+/#",
		"/lamp/#",
		"/+/d1/firmware/upgrade",
		"/+/+/+/+",
		"/+/+/firmware/upgrade/#",
		"/#",
		"+/lamp/d1/firmware/upgrade",
		"+/+/+/+/+",
		"+/+/d1/#",
		"+/#",
		"#",
		"$share/g//lamp/d1/firmware/upgrade",
		"$share/g/#",
		"$share/g/+/+/d1/firmware/+",
		"$share//#",
	};
	static const char *const bad[] = {
		"",
		"d1/cmd",
		"d1/#",
		"d1/+",
		"/",
		"//",
		"+",
		"+/+",
		"/+/+/+",
		"/lamp",
		"/lamp/d1",
		"/lamp/d1/",
		"/lamp/d1/firmware",
		"/lamp/d1/firmware/",
		"/lamp/d1/firmware/upgrade/",
		"/lamp/d1/firmware/upgrade/+",
		"/lamp/d1/firmware/upgrade/reply",
		"/lamp/d1/firmware/upgrade/reply/#",
		"/lamp/d1/firmware/upgrad",
		"/lamp/d1/firmware/upgrades",
		"/lamp/d1/firmware/pull/reply",
		"/lamp/d1/firmware/pull/#",
		"/lamp/d1/cmd/#",
		"/lamp/d1/+/cmd",
		"/lamp/d2/firmware/upgrade",
		"/lamp/d2/#",
		"/lamp/d/firmware/upgrade",
		"/lamp/d11/firmware/upgrade",
		"/d1/firmware/upgrade",
		"//d1/firmware/upgrade",
		"//#",
		"lamp/d1/firmware/upgrade",
		"lamp/#",
		"/lamp/d1/firmware/+/+",
		"+/+/+/+/+/+",
		"+/+/+/+",
		"/lamp/d1/firmware//upgrade",
		"/lamp//d1/firmware/upgrade",
		"$share",
		"$share/",
		"$share/g",
		"$share/g/",
		"$share/g/lamp/d1/firmware/upgrade",
		"$share/g/$share/g/#",
		"$shared/g/#",
		"$SYS/#",
		"$SYS/broker/+",
	};
	char *longest = malloc(FW_TOPIC_MAX + 1);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!fw_topic_filter_has_upgrade(good[i], FW_SLICE("d1")))
			fail_msg("%s", good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fw_topic_filter_has_upgrade(bad[i], FW_SLICE("d1")))
			fail_msg("%s", bad[i]);
	}
	assert_non_null(longest);
	memset(longest, '/', FW_TOPIC_MAX);
	longest[FW_TOPIC_MAX] = '\0';
	assert_false(fw_topic_filter_has_upgrade(longest, FW_SLICE("d1")));
	memset(longest, 'x', FW_TOPIC_MAX);
	longest[0] = '/';
	assert_false(fw_topic_filter_has_upgrade(longest, FW_SLICE("d1")));
	memcpy(longest + FW_TOPIC_MAX - 20, "/d1/firmware/upgrade", 20);
	assert_true(fw_topic_filter_has_upgrade(longest, FW_SLICE("d1")));
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tail_has_its_kind_and_sender),
		cmocka_unit_test(other_topics_are_none_of_ours),
		cmocka_unit_test(the_shape_is_ours_even_when_the_ids_are_not_valid),
		cmocka_unit_test(a_topic_of_the_largest_size_is_harmless),
		cmocka_unit_test(topics_that_only_look_like_ours_are_told),
		cmocka_unit_test(other_topics_are_not_astray),
		cmocka_unit_test(ids_keep_the_rule),
		cmocka_unit_test(a_filter_brings_upgrades_or_not),
		cmocka_unit_test(what_is_formatted_parses_back),
		cmocka_unit_test(formatting_never_writes_past_the_buffer),
		cmocka_unit_test(a_response_topic_stays_with_its_requester),
		cmocka_unit_test(a_response_topic_is_never_one_that_others_must_trust),
	};

	return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
