/* The texts of tests/sql/strings.tsv, tried on the C: it takes what the catalog takes, and refuses
 * what no device can say. The file tells its own format; STRINGS is its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/folder.h"
#include "protocol/message.h"
#include "base/options.h"
#include "protocol/topic.h"

#define LINE_MAX_BYTES 4096
#define TEXT_MAX_BYTES 40000

static unsigned hex_byte(const char *digits)
{
	unsigned byte = 0;

	assert_int_equal(sscanf(digits, "%2x", &byte), 1);
	return byte;
}

/* One byte of the file's notation; returns what follows it. */
static const char *read_byte(const char *at, char *byte)
{
	if (at[0] != '\\') {
		*byte = at[0];
		return at + 1;
	}
	*byte = at[1] == 'x' ? (char)hex_byte(at + 2) : '\\';
	return at + (at[1] == 'x' ? 4 : 2);
}

/* {N*X}: X N times; 0 when it is none. */
static size_t repeat(const char **at, char *out)
{
	char piece[16], *end;
	size_t len = 0;
	long times = strtol(*at + 1, &end, 10);
	const char *from = end + 1;

	if (**at != '{' || end == *at + 1 || *end != '*')
		return 0;
	while (*from != '}' || len == 0)
		from = read_byte(from, &piece[len++]);
	for (long i = 0; i < times; i++)
		memcpy(out + (size_t)i * len, piece, len);
	*at = from + 1;
	return (size_t)times * len;
}

static size_t decode(const char *at, char *out)
{
	size_t len = 0, more;

	while (*at) {
		more = repeat(&at, out + len);
		if (!more)
			at = read_byte(at, out + len);
		len += more ? more : 1;
	}
	out[len] = '\0';
	return len;
}

static bool takes_id(const char *text, size_t len)
{
	return fw_topic_id_valid((struct fw_slice){text, len});
}

/* In a message of this kind, as the value of `member`: taken, and unchanged. */
static bool takes_member(enum fw_topic_kind kind, const char *member, struct fw_slice text,
	struct fw_slice (*value)(const struct fw_message *))
{
	char payload[2048];
	size_t len = (size_t)snprintf(payload, sizeof(payload), "{\"%s\":\"", member);
	struct fw_message message;
	const char *why;
	bool taken;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];

		len += (size_t)sprintf(payload + len,
			byte < 0x20                           ? "\\u%04x"
				: byte == '"' || byte == '\\' ? "\\%c"
							      : "%c",
			byte);
	}
	len += (size_t)sprintf(payload + len, "\"}");
	taken = fw_message_parse(kind, payload, len, &message, &why) == FW_OK &&
		fw_slice_equal(value(&message), text) && text.len > 0;
	fw_message_clear(&message);
	return taken;
}

static struct fw_slice version_of(const struct fw_message *message)
{
	return message->version;
}

static struct fw_slice firmware_of(const struct fw_message *message)
{
	return message->firmware_id;
}

static bool takes_version(const char *text, size_t len)
{
	return takes_member(FW_TOPIC_REPORT, "version", (struct fw_slice){text, len}, version_of);
}

static bool takes_firmware_id(const char *text, size_t len)
{
	return takes_member(
		FW_TOPIC_UPGRADE_PROGRESS, "firmwareId", (struct fw_slice){text, len}, firmware_of);
}

static bool takes_file(const char *text, size_t len)
{
	return strlen(text) == len && fw_folder_name_valid(text);
}

static bool takes_url(const char *text, size_t len)
{
	struct fw_option_line lines[] = {{"db_file", "/x/y.db"}, {"url_base", text}};
	struct fw_options options;
	struct fw_error error = {""};
	bool taken = strlen(text) == len && fw_options_parse(lines, 2, &options, &error) == FW_OK;

	if (strlen(text) == len)
		fw_options_clear(&options);
	return taken;
}

static bool takes_parameters(const char *text, size_t len)
{
	struct fw_offer offer = {.firmware_id = "f",
		.version = "1",
		.url = "u",
		.sign = "s",
		.sign_method = "md5",
		.parameters = text,
		.size = 1};
	char *rendered = NULL;
	bool taken = strlen(text) == len && fw_message_render_offer(&offer, &rendered) == FW_OK;

	free(rendered);
	return taken;
}

static const struct {
	const char *kind;
	bool (*takes)(const char *text, size_t len);
} kinds[] = {
	{"product_id", takes_id},
	{"device_id", takes_id},
	{"version", takes_version},
	{"firmware_id", takes_firmware_id},
	{"task_id", NULL},
	{"file", takes_file},
	{"url", takes_url},
	{"parameters", takes_parameters},
};

static void try_line(const char *line, const char *kind, const char *verdict, const char *text)
{
	static char bytes[TEXT_MAX_BYTES];
	size_t len = decode(text, bytes);
	bool known = false;

	assert_true(strcmp(verdict, "good") == 0 || strcmp(verdict, "bad") == 0 ||
		strcmp(verdict, "heard") == 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		known = true;
		/* what a device says with blanks around it is heard without them */
		if (strcmp(verdict, "heard") == 0 && kinds[i].takes == takes_version)
			continue;
		if (kinds[i].takes && kinds[i].takes(bytes, len) != (strcmp(verdict, "bad") != 0))
			fail_msg("the C does otherwise: %s", line);
	}
	assert_true(known);
}

static void test_each_text(void **state)
{
	char line[LINE_MAX_BYTES], copy[LINE_MAX_BYTES];
	FILE *file = fopen(STRINGS, "r");
	int tried = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest = copy, *kind, *verdict;

		line[strcspn(line, "\n")] = '\0';
		strcpy(copy, line);
		if (line[0] == '#')
			continue;
		kind = strsep(&rest, "\t");
		verdict = strsep(&rest, "\t");
		assert_non_null(rest);
		try_line(line, kind, verdict, rest);
		tried++;
	}
	fclose(file);
	assert_true(tried > 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
