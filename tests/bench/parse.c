/* What a topic and a payload cost the broker's thread, in nanoseconds each: the best of some
 * rounds.
 *
 *   gcc -O2 -D_GNU_SOURCE -Iinclude tests/bench/parse.c build/libfw.a -ljansson -o parse && ./parse
 *
 * With -DBEFORE the astray topics are not looked for: what the difference costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/message.h"

#define ROUNDS 15

static const char *const topics[] = {
	"sensors/a/b/temperature",
	"/sensors/a/b/temperature",
	"t",
	"$SYS/broker/uptime",
	"zigbee2mqtt/0x00158d0001a2b3c4/availability",
	"spBv1.0/plant/NDATA/line-12/edge/node/state/machine",
	"/lamp/lamp-1/firmware/pull",
	"a/b/firmware/version",
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void look(const char *text)
{
	struct fw_topic topic;

	fw_topic_parse(text, &topic);
#ifndef BEFORE
	if (topic.kind == FW_TOPIC_OTHER && fw_topic_astray(text, &topic))
		__asm__ volatile("" ::: "memory");
#endif
	__asm__ volatile("" ::"r"(&topic) : "memory");
}

static void time_topic(const char *name, const char *text)
{
	double best = 1e18;

	for (unsigned round = 0; round < ROUNDS; round++) {
		double from = now_ns();

		for (unsigned i = 0; i < 200000; i++)
			look(text);
		best = now_ns() - from < best ? now_ns() - from : best;
	}
	printf("topic %-60.60s %8.1f ns\n", name, best / 200000);
}

static void time_payload(const char *name, enum fw_topic_kind kind, const char *text, size_t len)
{
	double best = 1e18;
	struct fw_message message;
	const char *why = NULL;

	for (unsigned round = 0; round < ROUNDS; round++) {
		double from = now_ns();

		for (unsigned i = 0; i < 200; i++) {
			fw_message_parse(kind, text, len, &message, &why);
			fw_message_clear(&message);
		}
		best = now_ns() - from < best ? now_ns() - from : best;
	}
	printf("payload %-40s %6zu bytes %10.0f ns  %s\n", name, len, best / 200, why ? why : "");
}

/* `unit` over and over between `front` and `back`, `len` bytes in all at most. */
static void time_filled(
	const char *name, size_t len, const char *front, const char *unit, const char *back)
{
	static char text[70000];
	size_t used = strlen(front);

	strcpy(text, front);
	while (used + strlen(unit) + strlen(back) <= len) {
		strcpy(text + used, unit);
		used += strlen(unit);
	}
	strcpy(text + used, back);
	time_payload(name, FW_TOPIC_REPORT, text, strlen(text));
}

static void time_nested(size_t len)
{
	static char text[70000];
	size_t depth = (len - 6) / 2;

	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', depth);
	memset(text + 5 + depth, ']', depth);
	text[5 + 2 * depth] = '}';
	time_payload(depth > 2048 ? "nested deeper than jansson goes" : "nested", FW_TOPIC_REPORT,
		text, 6 + 2 * depth);
}

int main(void)
{
	static const char pull[] =
		"{\"timestamp\":1700000000000,\"messageId\":\"m-1\",\"currentVersion\":\"1.0.1\"}";
	static const char odd[] = "{\"timestamp\":1700000000000,\"messageId\":\"m-1\","
				  "\"currentVersion\":\"1.0.1\",\"x\":{}}";
	char *longest = malloc(FW_TOPIC_MAX + 1);

	memset(longest, 'x', FW_TOPIC_MAX);
	longest[FW_TOPIC_MAX] = '\0';
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		time_topic(topics[i], topics[i]);
	time_topic("(300 bytes)", longest + FW_TOPIC_MAX - 300);
	time_topic("(65535 bytes)", longest);
	memset(longest, '/', FW_TOPIC_MAX);
	time_topic("(65535 slashes)", longest);
	time_payload("pull", FW_TOPIC_PULL, pull, sizeof(pull) - 1);
	time_payload("pull, not plain", FW_TOPIC_PULL, odd, sizeof(odd) - 1);
	for (size_t len = 8192; len <= 65536; len *= 8) {
		time_filled("one long text", len, "{\"version\":\"1\",\"a\":\"", "x", "\"}");
		time_filled("one long text with escapes", len, "{\"version\":\"1\",\"a\":\"",
			"\\u00e4", "\"}");
		time_filled("empty arrays", len, "{\"version\":\"1\",\"a\":[0", ",[]", "]}");
		time_filled("objects of one member", len, "{\"version\":\"1\",\"a\":[0",
			",{\"b\":0}", "]}");
		time_filled("numbers", len, "{\"version\":\"1\",\"a\":[0", ",1", "]}");
		time_filled("16 deep, again and again", len, "{\"version\":\"1\",\"a\":[0",
			",[[[[[[[[[[[[[[]]]]]]]]]]]]]]", "]}");
		time_nested(len);
	}
	time_nested(4000);
	free(longest);
	return 0;
}
