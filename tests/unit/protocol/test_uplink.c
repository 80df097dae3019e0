/* The codec of uplinks: what goes in comes out, and no bytes make it misbehave. */
#include "protocol/uplink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/message.h"
#include "spool/spool.h"
#include "spool/segment.h"

static const struct fw_uplink samples[] = {
	{.kind = FW_UPLINK_REPORT,
		.received_at = 1700000000123,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.version = FW_SLICE("1.0.0")},
	{.kind = FW_UPLINK_PROGRESS,
		.received_at = INT64_MAX,
		.has_reported_at = true,
		.reported_at = INT64_MIN,
		.connection = UINT64_MAX,
		.product = FW_SLICE("thermostat"),
		.device = FW_SLICE("dev-000001"),
		.version = FW_SLICE("2.0"),
		.firmware_id = FW_SLICE("fw-2"),
		.error_reason = FW_SLICE("flash \xc3\xa9 worn out"),
		.has_progress = true,
		.progress = 100,
		.complete = true,
		.success = true},
	{.kind = FW_UPLINK_PROGRESS,
		.received_at = -1,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.has_progress = true,
		.progress = 0},
	{.kind = FW_UPLINK_REPLY,
		.received_at = 0,
		.has_reported_at = true,
		.reported_at = 0,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.success = true},
	{.kind = FW_UPLINK_REPLY,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.at_most_once = true,
		.unchecked = true},
	{.kind = FW_UPLINK_PULL,
		.received_at = 1,
		.connection = 7,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.firmware_id = FW_SLICE("f")},
	{.kind = FW_UPLINK_PULL,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.task_id = FW_SLICE("t")},
	{.kind = FW_UPLINK_REPLY,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.retry_after = FW_RETRY_AFTER_MAX,
		.retry = true},
	{.kind = FW_UPLINK_REPORT,
		.product = FW_SLICE("p"),
		.device = FW_SLICE("d"),
		.version = FW_SLICE("1.0"),
		.has_utc_offset = true,
		.utc_offset = -FW_UTC_OFFSET_MAX},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static unsigned char buffer[FW_UPLINK_MAX];

static void assert_same(const struct fw_uplink *a, const struct fw_uplink *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(a->received_at == b->received_at && a->reported_at == b->reported_at &&
		a->connection == b->connection);
	assert_true(a->has_reported_at == b->has_reported_at && a->has_progress == b->has_progress);
	assert_int_equal(a->at_most_once, b->at_most_once);
	assert_int_equal(a->unchecked, b->unchecked);
	assert_true(fw_slice_equal(a->task_id, b->task_id));
	assert_true(a->retry_after == b->retry_after && a->retry == b->retry);
	assert_true(a->has_utc_offset == b->has_utc_offset && a->utc_offset == b->utc_offset);
	assert_true(a->complete == b->complete && a->success == b->success &&
		a->progress == b->progress);
	assert_true(fw_slice_equal(a->product, b->product) && fw_slice_equal(a->device, b->device));
	assert_true(fw_slice_equal(a->version, b->version) &&
		fw_slice_equal(a->firmware_id, b->firmware_id));
	assert_true(fw_slice_equal(a->error_reason, b->error_reason));
}

/* Decodes from a copy of exactly `len` bytes, so that the sanitizer sees a read beyond. */
static enum fw_status decode_exactly(const unsigned char *bytes, size_t len)
{
	unsigned char *copy = malloc(len ? len : 1);
	unsigned char again[FW_UPLINK_MAX];
	struct fw_uplink uplink;
	enum fw_status status;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	status = fw_uplink_decode(copy, len, &uplink);
	if (status == FW_OK) {
		/* there is one encoding of each uplink */
		assert_int_equal(fw_uplink_encode(&uplink, again, sizeof(again)), len);
		assert_memory_equal(again, copy, len);
	}
	free(copy);
	return status;
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct fw_uplink out;
		size_t len = fw_uplink_encode(&samples[i], buffer, sizeof(buffer));

		assert_true(len > 0);
		assert_int_equal(fw_uplink_decode(buffer, len, &out), FW_OK);
		assert_same(&samples[i], &out);
		assert_non_null(out.error_reason.at);
	}
}

/* An earlier version knew four flags. What it left in the spool is read after an upgrade. */
static void test_a_record_of_the_previous_format_decodes_as_before(void **state)
{
	static const unsigned char record[] = {
		1,
		2,
		0x0f,
		42, /* progress, with all four flags */
		1,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		2,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		3,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		1,
		0,
		1,
		0,
		3,
		0,
		1,
		0,
		2,
		0,
		'p',
		'd',
		'1',
		'.',
		'0',
		'f',
		'n',
		'o',
	};
	struct fw_uplink out;

	(void)state;
	assert_int_equal(fw_uplink_decode(record, sizeof(record), &out), FW_OK);
	assert_int_equal(out.kind, FW_UPLINK_PROGRESS);
	assert_true(out.received_at == 1 && out.has_reported_at && out.reported_at == 2 &&
		out.connection == 3);
	assert_true(out.has_progress && out.progress == 42 && out.complete && out.success);
	assert_false(out.at_most_once);
	assert_false(out.unchecked);
	assert_true(fw_slice_equal(out.version, FW_SLICE("1.0")) &&
		fw_slice_equal(out.error_reason, FW_SLICE("no")));
}

static void test_fits_exactly_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t len = fw_uplink_encode(&samples[i], buffer, sizeof(buffer));

		for (size_t size = 0; size <= len; size++) {
			unsigned char *tight = malloc(size ? size : 1);

			assert_int_equal(
				fw_uplink_encode(&samples[i], tight, size), size == len ? len : 0);
			free(tight);
		}
	}
}

static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t len = fw_uplink_encode(&samples[i], buffer, sizeof(buffer));

		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(decode_exactly(buffer, cut), FW_CORRUPT);
		buffer[len] = 0;
		assert_int_equal(decode_exactly(buffer, len + 1), FW_CORRUPT);
	}
}

static void test_every_flip_is_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t len = fw_uplink_encode(&samples[i], buffer, sizeof(buffer));

		for (size_t at = 0; at < len; at++) {
			for (unsigned value = 0; value < 256; value++) {
				unsigned char kept = buffer[at];

				buffer[at] = (unsigned char)value;
				decode_exactly(buffer, len);
				buffer[at] = kept;
			}
		}
	}
}

static void test_limits(void **state)
{
	static char text[UINT16_MAX + 1], buffer_of_more[3 * UINT16_MAX];
	struct fw_uplink uplink = samples[1], out;
	size_t len;

	(void)state;
	memset(text, 't', sizeof(text));
	/* the longest that a payload can carry: a member's name and the quotes need some of it */
	uplink.error_reason = (struct fw_slice){text, FW_PAYLOAD_MAX - 1};
	uplink.product = uplink.device = (struct fw_slice){text, FW_ID_MAX};
	len = fw_uplink_encode(&uplink, buffer, sizeof(buffer));
	assert_true(len > FW_PAYLOAD_MAX);
	assert_int_equal(fw_uplink_decode(buffer, len, &out), FW_OK);
	assert_same(&uplink, &out);
	/* what an earlier version wrote, and no longer than a length can tell */
	uplink.error_reason.len = UINT16_MAX;
	assert_true(fw_uplink_encode(&uplink, (unsigned char *)buffer_of_more,
			    sizeof(buffer_of_more)) > UINT16_MAX);
	uplink.error_reason.len++;
	assert_int_equal(
		fw_uplink_encode(&uplink, (unsigned char *)buffer_of_more, sizeof(buffer_of_more)),
		0);
	uplink.error_reason.len = SIZE_MAX;
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	assert_true(FW_UPLINK_MAX <= FW_SPOOL_PAYLOAD_MAX);
}

static void test_what_could_not_be_decoded_is_not_encoded(void **state)
{
	static char text[FW_ID_MAX + 1];
	struct fw_uplink uplink;

	(void)state;
	memset(text, 't', sizeof(text));
	uplink = samples[0];
	uplink.kind = (enum fw_uplink_kind)0;
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	uplink.kind = (enum fw_uplink_kind)(FW_UPLINK_PULL + 1);
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	uplink = samples[0];
	uplink.product.len = 0;
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	uplink = samples[0];
	uplink.device = (struct fw_slice){text, sizeof(text)};
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	uplink = samples[2];
	uplink.progress = 101;
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
	uplink.progress = -1;
	assert_int_equal(fw_uplink_encode(&uplink, buffer, sizeof(buffer)), 0);
}

/* Encodes sample `which`, with bytes of the record replaced. */
static enum fw_status decode_with(size_t which, size_t at, const unsigned char *bytes, size_t count)
{
	size_t len = fw_uplink_encode(&samples[which], buffer, sizeof(buffer));

	assert_true(len >= at + count);
	memcpy(buffer + at, bytes, count);
	return decode_exactly(buffer, len);
}

static void test_what_no_version_has_written_is_refused(void **state)
{
	const size_t after = SAMPLES - 2, zone = SAMPLES - 1;
	static char text[FW_ID_MAX + 1];
	struct fw_uplink uplink = samples[SAMPLES - 3], out;
	unsigned char record[FW_UPLINK_MAX];
	size_t len;

	(void)state;
	/* 2592000, 2592001 */
	assert_int_equal(decode_with(after, 40, (unsigned char[]){0, 0x8d, 0x27, 0}, 4), FW_OK);
	assert_int_equal(
		decode_with(after, 40, (unsigned char[]){1, 0x8d, 0x27, 0}, 4), FW_CORRUPT);
	/* 840, 841, -840, -841 */
	assert_int_equal(decode_with(zone, 44, (unsigned char[]){0x48, 3}, 2), FW_OK);
	assert_int_equal(decode_with(zone, 44, (unsigned char[]){0x49, 3}, 2), FW_CORRUPT);
	assert_int_equal(decode_with(zone, 44, (unsigned char[]){0xb8, 0xfc}, 2), FW_OK);
	assert_int_equal(decode_with(zone, 44, (unsigned char[]){0xb7, 0xfc}, 2), FW_CORRUPT);
	/* the longest id, and a byte more */
	memset(text, 't', sizeof(text));
	uplink.task_id = (struct fw_slice){text, FW_ID_MAX};
	len = fw_uplink_encode(&uplink, record, sizeof(record));
	assert_int_equal(fw_uplink_decode(record, len, &out), FW_OK);
	record[38]++;
	record[len] = 't';
	assert_int_equal(decode_exactly(record, len + 1), FW_CORRUPT);
	uplink.task_id.len++;
	assert_int_equal(fw_uplink_encode(&uplink, record, sizeof(record)), 0);
	uplink = samples[after];
	uplink.retry_after++;
	assert_int_equal(fw_uplink_encode(&uplink, record, sizeof(record)), 0);
	uplink = samples[zone];
	uplink.utc_offset--;
	assert_int_equal(fw_uplink_encode(&uplink, record, sizeof(record)), 0);
}

static void test_decode_leaves_out_alone_on_failure(void **state)
{
	struct fw_uplink out;
	struct fw_uplink before;

	(void)state;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&before, &out, sizeof(out));
	assert_int_equal(fw_uplink_decode((const unsigned char *)"", 0, &out), FW_CORRUPT);
	assert_memory_equal(&before, &out, sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_a_record_of_the_previous_format_decodes_as_before),
		cmocka_unit_test(test_fits_exactly_or_not_at_all),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_every_flip_is_harmless),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_what_could_not_be_decoded_is_not_encoded),
		cmocka_unit_test(test_what_no_version_has_written_is_refused),
		cmocka_unit_test(test_decode_leaves_out_alone_on_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
