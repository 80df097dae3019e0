/* The spool and the queue of presence are brought into the catalog: in their order, each uplink
 * once, and what is refused holds up no other. */
#include "catalog_fixture.h"

#include "store/ingest.h"

static struct fw_ingest ingest;
static int64_t now_ms;

/* In place of the clock since the start of the machine (CMakeLists.txt): it stands, so that no
 * batch ends for want of time. */
int64_t __real_fw_boot_ms(void);
int64_t __wrap_fw_boot_ms(void);
int64_t __wrap_fw_boot_ms(void)
{
	return now_ms;
}

static struct fw_health health;

static int open_ingest(void **state)
{
	struct fw_error error = {""};

	now_ms = __real_fw_boot_ms();
	if (open_catalog(state) != 0)
		return -1;
	fw_health_init(&health, &catalog.transaction, "catalog.db");
	ingest = (struct fw_ingest){.transaction = &catalog.transaction,
		.apply = catalog.apply,
		.presence = catalog.presence,
		.scheduler = catalog.scheduler,
		.health = &health,
		.queue = fw_presence_queue_new()};
	return ingest.queue && fw_spool_open("spool", 0, NULL, &ingest.spool, &error) == FW_OK ? 0
											       : -1;
}

static int close_ingest(void **state)
{
	fw_spool_seal(ingest.spool);
	fw_spool_close(ingest.spool);
	fw_presence_queue_free(ingest.queue);
	return close_catalog(state);
}

/* A report; its number in the spool. */
static uint64_t append_report(const char *device, const char *version)
{
	unsigned char record[FW_UPLINK_MAX];
	uint64_t sequence = 0;
	struct fw_uplink uplink = {.kind = FW_UPLINK_REPORT,
		.received_at = fw_now_ms(),
		.connection = FIRST_CONNECTION + 1,
		.product = LAMP,
		.device = fw_slice_of(device),
		.version = fw_slice_of(version)};
	size_t len = fw_uplink_encode(&uplink, record, sizeof(record));

	assert_int_equal(fw_spool_append(ingest.spool, record, len, &sequence), FW_OK);
	return sequence;
}

/* The device comes, or goes, behind what is in the spool now. */
static void put_presence(const char *device, bool online)
{
	struct fw_presence_event event = {.after = fw_spool_last(ingest.spool),
		.at = fw_now_ms(),
		.boot_ms = fw_boot_ms(),
		.online = online,
		.product = LAMP,
		.device = fw_slice_of(device),
		.connection = online ? FIRST_CONNECTION + 1 : 0};

	assert_int_equal(fw_presence_queue_put(ingest.queue, &event), FW_OK);
}

/* One transaction; is there more to do? */
static bool work(void)
{
	bool more = false;

	assert_int_equal(fw_ingest_work(&ingest, &more), FW_OK);
	return more;
}

static void assert_applied(uint64_t sequence)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)sequence);
	assert_int_equal(atomic_load(&ingest.applied), sequence);
	assert_rows("SELECT applied_sequence FROM catalog_state", text);
}

static void assert_versions(const char *expected)
{
	assert_rows("SELECT device_id, version FROM version_log ORDER BY log_id", expected);
}

static void uplinks_that_wait_share_a_transaction(void **state)
{
	uint64_t before = catalog.transaction.number;

	(void)state;
	append_report("d1", "2.0");
	append_report("d2", "2.0");
	append_report("d1", "3.0");
	assert_true(fw_ingest_waits(&ingest));
	assert_false(work());
	assert_int_equal(catalog.transaction.number, before + 1);
	assert_versions("d1|2.0\nd2|2.0\nd1|3.0");
	assert_applied(3);
	assert_false(fw_ingest_waits(&ingest));
}

/* Looking leaves the spool as it was. */
static void the_oldest_that_waits_is_known(void **state)
{
	int64_t before = fw_now_ms(), oldest;

	(void)state;
	assert_int_equal(fw_ingest_oldest(&ingest), 0);
	append_report("d1", "2.0");
	oldest = fw_ingest_oldest(&ingest);
	assert_true(oldest >= before && oldest <= fw_now_ms());
	usleep(5000);
	append_report("d1", "3.0");
	now_ms += 1000;
	assert_int_equal(fw_ingest_oldest(&ingest), oldest);
	assert_false(work());
	assert_versions("d1|2.0\nd1|3.0");
	assert_int_equal(fw_ingest_oldest(&ingest), 0);
}

static void without_anything_there_is_no_transaction(void **state)
{
	uint64_t before = catalog.transaction.number;

	(void)state;
	assert_false(work());
	/* most clients of a broker are no devices */
	put_presence("stranger", true);
	assert_false(work());
	assert_int_equal(catalog.transaction.number, before);
	assert_true(fw_presence_queue_empty(ingest.queue));
}

static void presence_takes_its_place_among_the_uplinks(void **state)
{
	(void)state;
	/* d9 is a device only behind its first report */
	append_report("d9", "1.0");
	put_presence("d9", false);
	work();
	assert_rows("SELECT presence FROM device WHERE device_id = 'd9'", "offline");
	/* it goes, and then it speaks */
	put_presence("d1", false);
	append_report("d1", "1.0");
	work();
	assert_rows("SELECT presence FROM device WHERE device_id = 'd1'", "online");
	assert_true(fw_presence_queue_empty(ingest.queue));
}

static void presence_alone_is_applied_too(void **state)
{
	(void)state;
	put_presence("d1", true);
	assert_false(work());
	assert_rows(
		"SELECT presence, connection FROM device WHERE device_id = 'd1'", "online|1001");
	assert_applied(0);
}

static void a_catalog_that_is_locked_is_tried_again(void **state)
{
	bool more = false;

	(void)state;
	append_report("d1", "2.0");
	put_presence("d2", true);
	operate("BEGIN IMMEDIATE");
	assert_int_equal(fw_ingest_work(&ingest, &more), FW_BUSY);
	assert_true(fw_ingest_waits(&ingest));
	operate("ROLLBACK");
	assert_applied(0);
	work();
	assert_versions("d1|2.0");
	assert_rows("SELECT presence FROM device WHERE device_id = 'd2'", "online");
	assert_applied(1);
}

/* A batch that is rolled back is read again from where it began. */
static void a_batch_that_is_rolled_back_leaves_nothing(void **state)
{
	bool more = false;

	(void)state;
	append_report("d1", "2.0");
	append_report("d2", "2.0");
	put_presence("d2", false);
	/* the plugin cannot commit as long as the counter is not there */
	operate("ALTER TABLE catalog_state RENAME TO away");
	assert_int_not_equal(fw_ingest_work(&ingest, &more), FW_OK);
	operate("ALTER TABLE away RENAME TO catalog_state");
	assert_versions("");
	assert_applied(0);
	assert_published("");
	assert_false(work());
	assert_versions("d1|2.0\nd2|2.0");
	assert_rows("SELECT presence FROM device WHERE device_id = 'd2'", "offline");
	assert_applied(2);
}

static const char refuse_bad[] =
	"CREATE TRIGGER refuse BEFORE INSERT ON version_log WHEN NEW.version = 'bad' BEGIN SELECT "
	"RAISE(ABORT, 'not this one'); END";

static void a_refused_uplink_is_rejected_whole(void **state)
{
	(void)state;
	operate(refuse_bad);
	append_report("d1", "2.0");
	append_report("d2", "bad");
	append_report("d1", "3.0");
	/* the batch is rolled back, and done again with savepoints: no error to tell of */
	assert_true(work());
	assert_applied(0);
	assert_false(work());
	assert_applied(3);
	assert_versions("d1|2.0\nd1|3.0");
	/* also what it wrote before it was refused */
	assert_rows("SELECT version, version_at, presence FROM device WHERE device_id = 'd2'",
		"1.0|-|-");
	assert_int_equal(ingest.rejected, 1);
	assert_logged("an uplink cannot be recorded and is left out: not this one");
}

static void after_a_refusal_each_uplink_has_a_savepoint(void **state)
{
	(void)state;
	operate(refuse_bad);
	append_report("d2", "bad");
	assert_true(work());
	assert_false(work());
	append_report("d2", "bad");
	append_report("d1", "2.0");
	/* no batch is done twice */
	assert_false(work());
	assert_versions("d1|2.0");
	assert_int_equal(ingest.rejected, 2);
	assert_applied(3);
	/* a minute later they have none */
	now_ms += 60000;
	append_report("d2", "bad");
	assert_true(work());
	assert_applied(3);
	assert_false(work());
	assert_applied(4);
}

/* An operator's shell may wait for the catalog: a batch ends in time. */
static void a_batch_takes_so_many_uplinks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20001; i++)
		append_report("d1", "1.0");
	assert_true(fw_ingest_crowded(&ingest));
	assert_true(work());
	assert_applied(20000);
	assert_false(fw_ingest_crowded(&ingest));
	assert_false(work());
	assert_applied(20001);
}

/* A trigger that ends the whole transaction takes the uplinks before it along. */
static void a_poisoned_record_is_passed_over(void **state)
{
	bool more = false;

	(void)state;
	operate("CREATE TRIGGER poison BEFORE INSERT ON version_log WHEN NEW.version = 'bad' "
		"BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END");
	append_report("d1", "2.0");
	append_report("d2", "bad");
	append_report("d1", "3.0");
	assert_int_not_equal(fw_ingest_work(&ingest, &more), FW_OK);
	assert_true(more);
	assert_int_equal(ingest.poison_sequence, 2);
	assert_versions("");
	/* up to the record, and without it */
	assert_true(work());
	assert_versions("d1|2.0");
	assert_applied(2);
	assert_false(work());
	assert_versions("d1|2.0\nd1|3.0");
	assert_applied(3);
	assert_int_equal(ingest.rejected, 1);
	assert_logged("a trigger rolls the whole transaction back");
}

static const char poison_presence[] =
	"CREATE TRIGGER poison BEFORE UPDATE OF presence ON device WHEN NEW.device_id = 'd2' BEGIN "
	"SELECT RAISE(ROLLBACK, 'all of it'); END";

static void a_poisoned_event_is_passed_over(void **state)
{
	bool more = false;

	(void)state;
	operate(poison_presence);
	append_report("d1", "2.0");
	put_presence("d2", true);
	put_presence("d1", false);
	append_report("d1", "3.0");
	assert_int_not_equal(fw_ingest_work(&ingest, &more), FW_OK);
	assert_true(more);
	/* up to the event, and without it */
	assert_true(work());
	assert_versions("d1|2.0");
	assert_applied(1);
	assert_false(work());
	assert_versions("d1|2.0\nd1|3.0");
	assert_applied(2);
	assert_rows("SELECT presence FROM device WHERE device_id = 'd2'", "-");
	assert_true(fw_presence_queue_empty(ingest.queue));
	assert_logged("refuse a device's presence, which is passed over: a trigger rolls the whole "
		      "transaction back");
	assert_int_equal(ingest.rejected, 0);
}

/* Each of them costs a batch that fails, and one that ends behind it. */
static void poison_among_poison_is_passed_over(void **state)
{
	bool more = true;

	(void)state;
	operate(poison_presence);
	operate("CREATE TRIGGER poison_too BEFORE INSERT ON version_log WHEN NEW.version = 'bad' "
		"BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END");
	put_presence("d2", true);
	put_presence("d2", false);
	append_report("d1", "bad");
	put_presence("d2", true);
	append_report("d1", "2.0");
	put_presence("d2", false);
	for (unsigned rounds = 0; more && rounds < 10; rounds++) {
		more = false;
		fw_ingest_work(&ingest, &more);
	}
	assert_false(more);
	assert_versions("d1|2.0");
	assert_applied(2);
	assert_true(fw_presence_queue_empty(ingest.queue));
	assert_int_equal(ingest.rejected, 1);
}

static void a_damaged_record_is_rejected(void **state)
{
	(void)state;
	append_report("d1", "2.0");
	assert_int_equal(fw_spool_append(ingest.spool, "no uplink", 9, NULL), FW_OK);
	append_report("d1", "3.0");
	assert_false(work());
	assert_versions("d1|2.0\nd1|3.0");
	assert_applied(3);
	assert_int_equal(ingest.rejected, 1);
	assert_logged("it is damaged");
}

/* The batch with the damaged record is rolled back by the one behind it, and done again. */
static void what_is_rejected_twice_is_counted_once(void **state)
{
	bool more = false;

	(void)state;
	operate("CREATE TRIGGER poison BEFORE INSERT ON version_log WHEN NEW.version = 'bad' "
		"BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END");
	assert_int_equal(fw_spool_append(ingest.spool, "no uplink", 9, NULL), FW_OK);
	append_report("d2", "bad");
	assert_int_not_equal(fw_ingest_work(&ingest, &more), FW_OK);
	assert_int_equal(ingest.rejected, 0);
	work();
	assert_applied(2);
	assert_int_equal(ingest.rejected, 2);
}

static int64_t steady_now(void)
{
	return fw_clock_now(&catalog.transaction.clock);
}

/* No timeout is decided beyond what devices said and what is in the catalog. */
static void the_watermark_follows_what_is_applied(void **state)
{
	int64_t begun;
	bool more;

	(void)state;
	now_ms += 5000;
	begun = steady_now();
	work();
	assert_int_equal(catalog.transaction.heard_until_ms, begun);
	now_ms += 1000;
	append_report("d1", "2.0");
	operate("BEGIN IMMEDIATE");
	assert_int_equal(fw_ingest_work(&ingest, &more), FW_BUSY);
	assert_int_equal(catalog.transaction.heard_until_ms, begun);
	operate("ROLLBACK");
	work();
	assert_int_equal(catalog.transaction.heard_until_ms, begun + 1000);
}

static void the_watermark_waits_for_what_is_not_applied_yet(void **state)
{
	int64_t begun;

	(void)state;
	now_ms += 5000;
	begun = steady_now();
	work();
	now_ms += 1000;
	for (unsigned i = 0; i < 20001; i++)
		append_report("d1", "1.0");
	assert_true(work());
	assert_int_equal(catalog.transaction.heard_until_ms, begun);
	now_ms += 1000;
	assert_false(work());
	assert_int_equal(catalog.transaction.heard_until_ms, begun + 2000);
}

static void what_is_applied_is_read_no_more(void **state)
{
	const unsigned char *payload;
	uint64_t sequence;
	size_t len;

	(void)state;
	append_report("d1", "2.0");
	work();
	assert_int_equal(fw_spool_read(ingest.spool, &payload, &len, &sequence), FW_NOT_FOUND);
	fw_spool_rewind(ingest.spool, 0);
	assert_int_equal(fw_spool_bytes(ingest.spool), 0);
	assert_int_equal(append_report("d1", "3.0"), 2);
	assert_false(work());
	assert_applied(2);
}

/* What was written into a catalog that is gone, the spool keeps for the one in its place. */
static void nothing_is_released_for_a_catalog_that_is_gone(void **state)
{
	(void)state;
	append_report("d1", "2.0");
	assert_int_equal(rename("catalog.db", "elsewhere.db"), 0);
	work();
	assert_true(health.lost);
	assert_int_not_equal(fw_spool_bytes(ingest.spool), 0);
	assert_int_equal(rename("elsewhere.db", "catalog.db"), 0);
}

#define INGEST_TEST(name) cmocka_unit_test_setup_teardown(name, open_ingest, close_ingest)

int main(void)
{
	const struct CMUnitTest tests[] = {
		INGEST_TEST(uplinks_that_wait_share_a_transaction),
		INGEST_TEST(the_oldest_that_waits_is_known),
		INGEST_TEST(without_anything_there_is_no_transaction),
		INGEST_TEST(presence_takes_its_place_among_the_uplinks),
		INGEST_TEST(presence_alone_is_applied_too),
		INGEST_TEST(a_catalog_that_is_locked_is_tried_again),
		INGEST_TEST(a_batch_that_is_rolled_back_leaves_nothing),
		INGEST_TEST(a_refused_uplink_is_rejected_whole),
		INGEST_TEST(after_a_refusal_each_uplink_has_a_savepoint),
		INGEST_TEST(a_batch_takes_so_many_uplinks),
		INGEST_TEST(a_poisoned_record_is_passed_over),
		INGEST_TEST(a_poisoned_event_is_passed_over),
		INGEST_TEST(poison_among_poison_is_passed_over),
		INGEST_TEST(a_damaged_record_is_rejected),
		INGEST_TEST(what_is_rejected_twice_is_counted_once),
		INGEST_TEST(the_watermark_follows_what_is_applied),
		INGEST_TEST(the_watermark_waits_for_what_is_not_applied_yet),
		INGEST_TEST(what_is_applied_is_read_no_more),
		INGEST_TEST(nothing_is_released_for_a_catalog_that_is_gone),
	};

	return cmocka_run_group_tests_name("ingest", tests, open_folder, close_folder);
}
