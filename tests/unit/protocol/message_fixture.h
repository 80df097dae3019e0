/* A message that is parsed from a payload of exactly its length. */
#ifndef FW_TEST_MESSAGE_FIXTURE_H
#define FW_TEST_MESSAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocator.h"

#include "protocol/message.c"

#define C64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define U16                                                                                        \
	"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4" \
	"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"

static struct fw_message message;

static const char *why;

/* of the payload: it ends where the payload ends, so that a sanitizer sees what reads further */
static char *copy;

static inline enum fw_status parse_bytes(enum fw_topic_kind kind, const void *payload, size_t len)
{
	enum fw_status status;

	fw_message_clear(&message);
	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, payload, len);
	status = fw_message_parse(kind, len ? copy : NULL, len, &message, &why);
	assert_true((status == FW_OK) == (why == NULL));
	return status;
}

static inline enum fw_status parse(enum fw_topic_kind kind, const char *payload)
{
	return parse_bytes(kind, payload, strlen(payload));
}

/* The payload is refused, with a message that says `about`. */
static void refused(enum fw_topic_kind kind, const char *payload, const char *about)
{
	if (parse(kind, payload) != FW_INVALID || !why)
		fail_msg("accepted, or refused without a reason: %s", payload);
	if (!strstr(why, about))
		fail_msg("%s: said '%s', not about '%s'", payload, why, about);
}

static inline void assert_slice(struct fw_slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_true(slice.len == 0 || memcmp(slice.at, text, slice.len) == 0);
}

static inline int clear(void **state)
{
	(void)state;
	fw_message_clear(&message);
	fw_message_clear(NULL);
	free(copy);
	copy = NULL;
	return 0;
}

/* The payload is taken without something, which is counted. */
static inline void mended(
	enum fw_topic_kind kind, const char *payload, size_t len, const char *about)
{
	if (parse_bytes(kind, payload, len) != FW_OK)
		fail_msg("refused: %s", payload);
	if (!message.mended || !strstr(message.mended, about))
		fail_msg("%s: said '%s', not about '%s'", payload,
			message.mended ? message.mended : "", about);
}

#endif
