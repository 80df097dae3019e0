/* The pulls that an earlier run left in the spool hold their places, however many uplinks are
 * there. */
#define FW_UNAPPLIED_MAX 4u

#include "stepped_service.h"

#include "service/internal.h"
#include "upgrade/unapplied.c"

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	(void)level;
	(void)text;
}

static const struct fw_broker broker = {.publish = publish_nothing, .log = log_line};

static int start(void **state)
{
	(void)state;
	open_service(&broker, "INSERT INTO product (product_id) VALUES ('lamp')");
	return 0;
}

/* A pull that was answered with the firmware of task t. */
static void spool_pull(unsigned number)
{
	unsigned char record[FW_UPLINK_MAX];
	char device[16];
	struct fw_uplink uplink = {.kind = FW_UPLINK_PULL,
		.received_at = fw_now_ms(),
		.product = FW_SLICE("lamp"),
		.version = FW_SLICE("1.0"),
		.task_id = FW_SLICE("t")};

	snprintf(device, sizeof(device), "d%u", number);
	uplink.device = fw_slice_of(device);
	assert_int_equal(fw_spool_append(fw_store_spool(service->store), record,
				 fw_uplink_encode(&uplink, record, sizeof(record)), NULL),
		FW_OK);
}

static enum fw_status note_held(void *context, const struct fw_places_held *held)
{
	*(int64_t *)context = held->pulls;
	return FW_NOT_FOUND;
}

static void every_pull_in_the_spool_holds_its_place(void **state)
{
	struct fw_error error = {""};
	int64_t held = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		spool_pull(i);
	fw_service_close(service);
	assert_int_equal(fw_service_open(&options, &broker, &service, &error), FW_OK);
	assert_int_equal(fw_places_take_for_pull(fw_store_places(service->store), FW_SLICE("t"),
				 FW_SLICE("new"), note_held, &held),
		FW_NOT_FOUND);
	assert_int_equal(held, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_pull_in_the_spool_holds_its_place, start, close_service),
	};

	return cmocka_run_group_tests_name("spooled_places", tests, make_folder, remove_folder);
}
