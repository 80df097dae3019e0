/* Segments that are damaged, torn, gone or forged: only what is damaged is lost, it is counted, and
 * nothing is made up. */
#include "spool_fixture.h"

static void test_cut_at_every_byte(void **state)
{
	size_t boundary[TEXTS + 1];

	make_image(*state, boundary);
	for (size_t cut = 0; cut <= image.len; cut++) {
		struct fw_spool *spool;
		size_t whole = 0, torn = cut;

		store_image(image.bytes, cut);
		while (whole < TEXTS && boundary[whole + 1] <= cut)
			whole++;
		/* zeros at the end may as well be what the file had before the record */
		while (torn > boundary[whole] && image.bytes[torn - 1] == 0)
			torn--;
		spool = reopen(*state, 0);
		assert_int_equal(fw_spool_last(spool), whole);
		expect_damage(spool, torn - boundary[whole], torn > boundary[whole], 0);
		for (size_t i = 0; i < whole; i++)
			expect(spool, i + 1, texts[i]);
		expect_end(spool);
		/* a new record is read although the torn one comes before it */
		expect(spool, append(spool, "new"), "new");
		expect_end(spool);
		expect_damage(spool, torn - boundary[whole], torn > boundary[whole], 0);
		fw_spool_release(spool, fw_spool_last(spool));
		assert_int_equal(fw_spool_bytes(spool), 0);
		assert_int_equal(file_count(*state), 1);
		fw_spool_close(spool);
		each_file(*state, remove_any);
	}
}

static void check_flip(const struct fixture *fixture, const size_t boundary[TEXTS + 1], size_t at)
{
	struct fw_spool *spool = reopen(fixture, 0);
	size_t hit = 0;

	while (boundary[hit + 1] <= at)
		hit++;
	for (size_t i = 0; i < TEXTS; i++)
		if (i != hit)
			expect(spool, i + 1, texts[i]);
	expect_end(spool);
	expect_damage(spool, boundary[hit + 1] - boundary[hit], hit == TEXTS - 1, hit != TEXTS - 1);
	fw_spool_rewind(spool, 0);
	expect(spool, hit == 0 ? 2 : 1, texts[hit == 0]);
	expect_damage(spool, boundary[hit + 1] - boundary[hit], hit == TEXTS - 1, hit != TEXTS - 1);
	fw_spool_close(spool);
}

static void test_flip_of_every_bit_loses_one_record(void **state)
{
	size_t boundary[TEXTS + 1];

	make_image(*state, boundary);
	for (size_t at = 0; at < image.len; at++) {
		for (int bit = 0; bit <= 8; bit++) {
			unsigned char flipped[sizeof(image.bytes)];

			memcpy(flipped, image.bytes, image.len);
			flipped[at] ^= (unsigned char)(bit == 8 ? 0xff : 1 << bit);
			store_image(flipped, image.len);
			check_flip(*state, boundary, at);
		}
	}
}

static void test_damage_across_a_read_buffer(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;
	int fd;

	append_big(spool, 40);
	append(spool, "tail");
	fw_spool_close(spool);
	each_file(*state, load_image);
	fd = open(image.path, O_WRONLY);
	/* the headers of records 2 to 31: the search crosses several buffers */
	for (unsigned i = 1; i < 31; i++)
		assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, (off_t)i * (BIG + HEADER)), 4);
	close(fd);
	spool = reopen(*state, 0);
	assert_int_equal(drain(spool, &last), 11);
	assert_int_equal(last, 41);
	expect_damage(spool, 30 * (BIG + HEADER), 0, 1);
	fw_spool_close(spool);
}

static void test_damaged_start_does_not_reuse_numbers(void **state)
{
	size_t boundary[TEXTS + 1];
	unsigned char ones[sizeof(image.bytes)];
	struct fw_spool *spool;

	make_image(*state, boundary);
	memset(ones, 0xff, sizeof(ones));
	store_image(ones, image.len);
	spool = reopen(*state, 0);
	expect_damage(spool, image.len, 1, 0);
	expect_end(spool);
	/* number 1 was given to this segment: its name says so */
	assert_int_equal(append(spool, "new"), 2);
	expect(spool, 2, "new");
	fw_spool_release(spool, 2);
	assert_int_equal(file_count(*state), 1);
	assert_int_equal(fw_spool_bytes(spool), 0);
	fw_spool_close(spool);
}

static void test_zeros_behind_the_last_record_are_no_damage(void **state)
{
	size_t boundary[TEXTS + 1];
	struct fw_spool *spool;
	uint64_t last = 0;

	make_image(*state, boundary);
	assert_int_equal(truncate(image.path, 300000), 0);
	spool = reopen(*state, 0);
	assert_int_equal(drain(spool, &last), TEXTS);
	expect_damage(spool, 0, 0, 0);
	fw_spool_release(spool, last);
	assert_int_equal(fw_spool_bytes(spool), 0);
	fw_spool_close(spool);
}

/* Any garbage: no crash, no endless loop, rising numbers, and the spool still works. */
static void test_garbage(void **state)
{
	size_t boundary[TEXTS + 1];
	unsigned seed = 1;

	make_image(*state, boundary);
	for (int round = 0; round < 2000; round++) {
		unsigned char garbage[sizeof(image.bytes)];
		struct fw_spool *spool;
		uint64_t last = 0;
		int blows = 1 + rand_r(&seed) % 8;

		memcpy(garbage, image.bytes, image.len);
		while (blows-- > 0) {
			size_t to = (size_t)rand_r(&seed) % image.len,
			       from = (size_t)rand_r(&seed) % image.len;
			size_t room = image.len - (to > from ? to : from);

			memmove(garbage + to, garbage + from, (size_t)rand_r(&seed) % room + 1);
		}
		store_image(garbage, image.len);
		spool = reopen(*state, 0);
		assert_true(drain(spool, &last) <= TEXTS);
		assert_true(last <= TEXTS);
		expect(spool, append(spool, "new"), "new");
		fw_spool_close(spool);
		each_file(*state, remove_any);
	}
}

static void test_deleted_by_hand(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append_big(spool, BIG_PER_SEGMENT);
	append(spool, "after");
	each_file(*state, load_image);
	fw_spool_close(spool);
	spool = reopen(*state, 0);
	append(spool, "new");
	each_file(*state, remove_any);
	expect_end(spool);
	assert_true(fw_spool_damage(spool).bytes_skipped > FW_SPOOL_SEGMENT);
	append(spool, "lost as well");
	expect_end(spool);
	fw_spool_release(spool, fw_spool_last(spool));
	fw_spool_close(spool);
}

static void test_truncated_while_reading(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;

	append_big(spool, 30);
	each_file(*state, load_image);
	assert_int_equal(truncate(image.path, 5 * (BIG + HEADER) + 7), 0);
	assert_int_equal(drain(spool, &last), 5);
	expect(spool, append(spool, "beyond the hole"), "beyond the hole");
	expect_damage(spool, 25 * (BIG + HEADER), 0, 1);
	fw_spool_close(spool);
}

static struct fw_spool *busy;

static void fill_and_rotate(void)
{
	append_big(busy, 3);
}

/* The writer fills its segment and begins the next just as the reader finds no more in the first.
 */
static void test_rotation_behind_the_readers_back(void **state)
{
	off_t at = (BIG_PER_SEGMENT - 2) * (off_t)(BIG + HEADER);
	unsigned char magic;
	uint64_t last = 0;
	int fd;

	busy = reopen(*state, 0);
	append_big(busy, BIG_PER_SEGMENT - 2);
	assert_int_equal(drain(busy, &last), BIG_PER_SEGMENT - 2);
	append(busy, "lost");
	each_file(*state, load_image);
	fd = open(image.path, O_RDWR);
	assert_int_equal(pread(fd, &magic, 1, at), 1);
	magic = (unsigned char)~magic; /* it is random: any fixed byte could be what is there */
	assert_int_equal(pwrite(fd, &magic, 1, at), 1);
	close(fd);
	fault.at_read = fill_and_rotate;
	assert_int_equal(drain(busy, &last), 3);
	assert_int_equal(file_count(*state), 2);
	assert_int_equal(last, BIG_PER_SEGMENT + 2);
	expect_damage(busy, HEADER + 4, 0, 1);
	fw_spool_close(busy);
}

static void put(unsigned char *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t crc32c(const unsigned char *at, size_t len)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* A whole record of 4 payload bytes. */
static void forge(unsigned char record[24], uint32_t magic, uint64_t sequence)
{
	unsigned char covered[16];

	put(record, magic, 4);
	put(record + 4, 4, 4);
	put(record + 8, sequence, 8);
	memcpy(record + 20, "FAKE", 4);
	memcpy(covered, record + 4, 12);
	memcpy(covered + 12, record + 20, 4);
	put(record + 16, crc32c(covered, sizeof(covered)), 4);
}

static uint32_t image_magic(void)
{
	return (uint32_t)strtoul(strrchr(image.path, '-') + 1, NULL, 16);
}

/* The forgery is sound: with the right magic it is a record. That the format is what the header
 * says follows. */
static void test_format_is_as_documented(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	unsigned char record[24];

	append(spool, "FAKE");
	fw_spool_close(spool);
	each_file(*state, load_image);
	forge(record, image_magic(), 1);
	assert_int_equal(image.len, sizeof(record));
	assert_memory_equal(image.bytes, record, sizeof(record));
	assert_int_equal(crc32c((const unsigned char *)"123456789", 9), 0xe3069283u);
}

static void test_record_inside_a_payload_is_not_taken(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	unsigned char forged[24];

	append(spool, "one");
	forge(forged, 0x12345678, 2);
	assert_int_equal(fw_spool_append(spool, forged, sizeof(forged), NULL), FW_OK);
	append(spool, "three");
	fw_spool_close(spool);
	each_file(*state, load_image);
	image.bytes[HEADER + 3] ^= 1; /* the header of the record around the forgery */
	store_image(image.bytes, image.len);
	spool = reopen(*state, 0);
	expect(spool, 1, "one");
	expect(spool, 3, "three");
	expect_end(spool);
	expect_damage(spool, HEADER + sizeof(forged), 0, 1);
	fw_spool_close(spool);
}

static void test_sequences_that_cannot_be(void **state)
{
	static const uint64_t sequences[] = {
		0, 1, 2, 8, 1000, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};

	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		struct fw_spool *spool = reopen(*state, 0);

		append(spool, "one");
		append(spool, "two");
		fw_spool_close(spool);
		each_file(*state, load_image);
		forge(image.bytes + image.len, image_magic(), sequences[i]);
		store_image(image.bytes, image.len + 24);
		spool = reopen(*state, 0);
		assert_int_equal(fw_spool_last(spool), 2);
		expect(spool, 1, "one");
		expect(spool, 2, "two");
		expect_end(spool);
		assert_int_equal(append(spool, "three"), 3);
		fw_spool_close(spool);
		each_file(*state, remove_any);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cut_at_every_byte),
		TEST(test_flip_of_every_bit_loses_one_record),
		TEST(test_damage_across_a_read_buffer),
		TEST(test_damaged_start_does_not_reuse_numbers),
		TEST(test_zeros_behind_the_last_record_are_no_damage),
		TEST(test_garbage),
		TEST(test_deleted_by_hand),
		TEST(test_truncated_while_reading),
		TEST(test_rotation_behind_the_readers_back),
		TEST(test_format_is_as_documented),
		TEST(test_record_inside_a_payload_is_not_taken),
		TEST(test_sequences_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
