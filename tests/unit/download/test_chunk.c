/* Chunks: bytes, refusals, and bounds. */
#include "download/chunk.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

#define SIZE 100000

static struct fw_chunks *chunks;
static char image[SIZE];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* locked: the reader stands still */
static int64_t reached;

static enum fw_status find(void *context, struct fw_slice firmware_id, struct fw_hosted_file *out)
{
	(void)context;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	if (fw_slice_equal(firmware_id, FW_SLICE("busy")))
		return FW_BUSY;
	if (!fw_slice_equal(firmware_id, FW_SLICE("f1")) ||
		fw_folder_open(folder, "image", &out->fd, &out->stamp, NULL) != FW_OK)
		return FW_NOT_FOUND;
	strcpy(out->product_id, "lamp");
	return FW_OK;
}

static void on_transfer(void *context, const struct fw_transfer *part)
{
	(void)context;
	if (part->reached > reached)
		reached = part->reached;
}

static int start(void **state)
{
	struct fw_chunk_config config = {.find = find, .transferred = on_transfer};

	if (make_folder(state) != 0)
		return -1;
	for (size_t i = 0; i < SIZE; i++)
		image[i] = (char)(i * 7 + i / 1000);
	write_file("image", image, SIZE);
	return fw_chunks_start(&config, &chunks, NULL) == FW_OK ? 0 : -1;
}

static int finish(void **state)
{
	fw_chunks_stop(chunks);
	fw_chunks_stop(NULL);
	return remove_folder(state);
}

static struct fw_chunk_request ask_for(
	const char *device, const char *firmware_id, int64_t offset, int64_t length)
{
	return (struct fw_chunk_request){.product = FW_SLICE("lamp"),
		.device = fw_slice_of(device),
		.firmware_id = fw_slice_of(firmware_id),
		.offset = offset,
		.length = length,
		.qos = 1};
}

static struct fw_chunk_reply take(void)
{
	struct fw_chunk_reply reply;

	for (int i = 0; i < 50000; i++) {
		if (fw_chunks_take(chunks, &reply))
			return reply;
		usleep(100);
	}
	fail_msg("no answer");
	return reply;
}

static void drop(struct fw_chunk_reply reply)
{
	free(reply.topic);
	free(reply.payload);
	free(reply.correlation);
}

static void assert_bytes(int64_t offset, int64_t length, size_t expected)
{
	struct fw_chunk_request request = ask_for("d1", "f1", offset, length);
	struct fw_chunk_reply reply;
	char topic[100];

	assert_int_equal(fw_chunks_ask(chunks, &request), FW_OK);
	reply = take();
	snprintf(topic, sizeof(topic), "/lamp/d1/firmware/chunk/reply/f1/%lld", (long long)offset);
	assert_string_equal(reply.topic, topic);
	assert_int_equal(reply.len, expected);
	assert_int_equal(reply.qos, 1);
	assert_memory_equal(reply.payload, image + offset, expected);
	assert_int_equal(reply.expiry_seconds, FW_CHUNK_EXPIRY_SECONDS);
	drop(reply);
}

static void test_bytes(void **state)
{
	(void)state;
	assert_bytes(0, 1, 1);
	assert_bytes(0, SIZE + 1, SIZE);
	assert_bytes(12345, 65536, 65536);
	assert_bytes(SIZE - 1, 65536, 1);
	assert_bytes(SIZE, 10, 0);
	assert_int_equal(reached, SIZE);
	assert_false(fw_chunks_under_way(chunks));
}

static void assert_refused(struct fw_chunk_request request, const char *code)
{
	struct fw_chunk_reply reply;
	char wanted[60], named[120];

	request.message_id = FW_SLICE("\"m-1\"");
	assert_int_equal(fw_chunks_ask(chunks, &request), FW_OK);
	reply = take();
	snprintf(wanted, sizeof(wanted), "\"code\":\"%s\"", code);
	assert_string_equal(reply.topic, "/lamp/d1/firmware/chunk/error");
	assert_non_null(strstr(reply.payload, wanted));
	assert_non_null(strstr(reply.payload, "\"messageId\":\"m-1\""));
	snprintf(named, sizeof(named), "\"firmwareId\":\"%.*s\",\"offset\":%lld}",
		(int)request.firmware_id.len, request.firmware_id.at, (long long)request.offset);
	assert_non_null(strstr(reply.payload, named));
	assert_int_equal(reply.expiry_seconds, FW_CHUNK_ERROR_EXPIRY_SECONDS);
	drop(reply);
}

static void test_refusals(void **state)
{
	struct fw_chunk_request other = ask_for("d1", "f1", 0, 1);

	(void)state;
	assert_refused(ask_for("d1", "f1", SIZE + 1, 10), "bad_request");
	assert_refused(ask_for("d1", "f1", INT64_MAX, 10), "bad_request");
	assert_refused(ask_for("d1", "f2", 0, 10), "not_found");
	assert_refused(ask_for("d1", "busy", 0, 10), "busy");
	other.product = FW_SLICE("oven");
	assert_int_equal(fw_chunks_ask(chunks, &other), FW_OK);
	{
		struct fw_chunk_reply reply = take();

		assert_string_equal(reply.topic, "/oven/d1/firmware/chunk/error");
		assert_non_null(strstr(reply.payload, "not_found"));
		drop(reply);
	}
}

static void test_properties(void **state)
{
	static char large[FW_CHUNK_PROPERTIES_MAX];
	struct fw_chunk_request request = ask_for("d1", "f1", 5, 3);
	struct fw_chunk_reply reply;

	(void)state;
	request.response_topic = "/lamp/d1/in";
	request.correlation = "c\0d";
	request.correlation_len = 3;
	assert_int_equal(fw_chunks_ask(chunks, &request), FW_OK);
	reply = take();
	assert_string_equal(reply.topic, "/lamp/d1/in");
	assert_int_equal(reply.correlation_len, 3);
	assert_memory_equal(reply.correlation, "c\0d", 3);
	drop(reply);
	request.correlation = large;
	request.correlation_len = sizeof(large);
	assert_int_equal(fw_chunks_ask(chunks, &request), FW_INVALID);
}

/* One device may have so many requests waiting; another one still gets in. */
static void test_bound_of_a_device(void **state)
{
	struct fw_chunk_request greedy = ask_for("greedy", "f1", 0, 10),
				other = ask_for("other", "f1", 0, 10);
	unsigned taken = 0;

	(void)state;
	pthread_mutex_lock(&gate);
	while (fw_chunks_ask(chunks, &greedy) == FW_OK)
		taken++;
	assert_int_equal(taken, FW_CHUNK_OF_DEVICE);
	assert_int_equal(fw_chunks_ask(chunks, &other), FW_OK);
	assert_true(fw_chunks_under_way(chunks));
	pthread_mutex_unlock(&gate);
	for (unsigned i = 0; i <= taken; i++)
		drop(take());
	assert_false(fw_chunks_under_way(chunks));
}

/* Takes the next answer: is it this device's? */
static bool take_for(const char *device)
{
	struct fw_chunk_reply reply = take();
	bool its = strstr(reply.topic, device) != NULL;

	drop(reply);
	return its;
}

/* Who asks faster than it may have is not refused, but waits, and holds up nobody else. */
static void test_rate_of_a_device(void **state)
{
	struct fw_chunk_request fast = ask_for("fast", "f1", 0, FW_CHUNK_DEVICE_RATE / 4),
				other = ask_for("other", "f1", 0, 10);
	int64_t begun = fw_boot_ms();
	unsigned served = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(fw_chunks_ask(chunks, &fast), FW_OK);
	/* what it may have of the second before, and now; then one each quarter of a second */
	while (served < 5)
		served += take_for("/fast/");
	assert_int_equal(fw_chunks_ask(chunks, &other), FW_OK);
	while (!take_for("/other/"))
		served++;
	assert_in_range(served, 5, 5 + (fw_boot_ms() - begun) / 250);
	while (served < 8)
		served += take_for("/fast/");
	assert_true(fw_boot_ms() - begun >= 750);
	assert_false(fw_chunks_under_way(chunks));
}

/* Each of them below its own share, together above that of all: they wait, and none is refused. */
static void test_rate_of_all(void **state)
{
	struct fw_chunk_config config = {.find = find, .rate_total = 8 * SIZE};
	struct fw_chunks *shared = chunks, *own;
	int64_t begun = fw_boot_ms();

	(void)state;
	assert_int_equal(fw_chunks_start(&config, &own, NULL), FW_OK);
	chunks = own;
	for (unsigned i = 0; i < 12; i++) {
		char device[16];
		struct fw_chunk_request request;

		snprintf(device, sizeof(device), "one-%u", i);
		request = ask_for(device, "f1", 0, SIZE);
		assert_int_equal(fw_chunks_ask(own, &request), FW_OK);
	}
	for (unsigned i = 0; i < 12; i++) {
		struct fw_chunk_reply reply = take();

		assert_int_equal(reply.len, SIZE);
		drop(reply);
	}
	/* one at once, one on credit of the eighth of a second before; then eight a second */
	assert_in_range(fw_boot_ms() - begun, 1150, 10000);
	chunks = shared;
	fw_chunks_stop(own);
}

/* What waits for the broker thread is bounded in all: the reader stands still until something is
 * taken. */
static void test_bound_in_all(void **state)
{
	unsigned asked = 0;

	(void)state;
	shell("truncate -s 64M large && mv large image");
	for (unsigned i = 0; i < 64; i++) {
		char device[16];
		struct fw_chunk_request request;

		snprintf(device, sizeof(device), "dev-%u", i);
		request = ask_for(device, "f1", 0, 1 << 20);
		asked += fw_chunks_ask(chunks, &request) == FW_OK;
	}
	assert_int_equal(asked, 64);
	usleep(500000);
	for (unsigned i = 0; i < 64; i++) {
		struct fw_chunk_reply reply = take();

		assert_int_equal(reply.len, 1 << 20);
		drop(reply);
	}
}

static double cpu_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1000 + (double)time.tv_nsec / 1e6;
}

/* A device that asks once, out of very many. Returns the processor's milliseconds that it took. */
static double ask_once(unsigned number)
{
	char device[24];
	struct fw_chunk_request request;
	double before;

	snprintf(device, sizeof(device), "dev-%u", number);
	request = ask_for(device, "f2", 0, 1);
	before = cpu_ms();
	assert_int_equal(fw_chunks_ask(chunks, &request), FW_OK);
	return cpu_ms() - before;
}

/* 200,000 devices from `first` on ask once, and one goes on asking. Returns the longest of the
 * 200,000, in milliseconds. */
static double ask_many(unsigned first)
{
	struct fw_chunk_request steady = ask_for("steady", "f2", 0, FW_CHUNK_DEVICE_RATE / 16);
	int64_t begun = fw_boot_ms();
	unsigned asked = 0, taken = 0;
	double worst = 0;

	for (unsigned i = 0; i < 200000; i++) {
		double took = ask_once(first + i);

		worst = took > worst ? took : worst;
		if (i % 1000 != 999)
			continue;
		asked += fw_chunks_ask(chunks, &steady) == FW_OK;
		for (unsigned others = 0; others < 1000;) {
			if (take_for("/dev-"))
				others++;
			else
				taken++;
		}
	}
	while (taken < asked)
		taken += take_for("/steady/");
	/* what it may have of the second before, and now; then sixteen a second */
	assert_in_range(taken, 17, 17 + (fw_boot_ms() - begun) * 16 / 1000);
	return worst;
}

/* However many devices ask, no request pays for forgetting the others; and who goes on asking is
 * not forgotten. A machine that is taken away for a moment costs a request as much, but not each
 * time. */
static void test_many_devices(void **state)
{
	double worst = ask_many(0);

	(void)state;
	for (unsigned again = 1; worst >= 8 && again < 4; again++) {
		sleep(2);
		worst = ask_many(again * 200000);
	}
	assert_true(worst < 8);
}

/* Stopping with much under way leaks nothing (address sanitizer). */
static void test_stop_with_work(void **state)
{
	struct fw_chunk_config config = {.find = find};
	struct fw_chunks *own;

	(void)state;
	assert_int_equal(fw_chunks_start(&config, &own, NULL), FW_OK);
	for (unsigned i = 0; i < FW_CHUNK_OF_DEVICE; i++) {
		struct fw_chunk_request request = ask_for("d", "f1", 0, 1 << 20);

		fw_chunks_ask(own, &request);
	}
	fw_chunks_stop(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_bound_of_a_device),
		cmocka_unit_test(test_rate_of_a_device),
		cmocka_unit_test(test_rate_of_all),
		cmocka_unit_test(test_bound_in_all),
		cmocka_unit_test(test_many_devices),
		cmocka_unit_test(test_stop_with_work),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
