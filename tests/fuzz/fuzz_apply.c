/* Any uplinks, as a spool could hold them, presence by any connections, and time that goes by,
 * brought into a catalog with tasks: each is recorded or refused, and the rows agree with each
 * other. What is tried is rolled back. */
#include "stepped.h"

#include "service/internal.h"
#include "store/apply.h"
#include "catalog/db.h"

#define UPLINKS_MAX 60
#define FIRST_CONNECTION 1000 /* of this run of the broker */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static char folder[] = "/tmp/fw-fuzz-apply-XXXXXX";
static char catalog_path[64];
static struct fw_options options;
static struct fw_hosting hosting;
static struct fw_counters counters;
static struct fw_outbox *outbox;
static struct fw_transfers *transfers;
static struct fw_store *store;

static const char *const products[] = {"lamp", "oven", "unknown"};
static const char *const devices[] = {"d1", "d2", "d3", "#"};
static const char *const versions[] = {"1.0", "2.0", "3.0"};
static const char *const firmware_ids[] = {"f1", "f2", "f3", "none"};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FIRMWARE(id, product, version, order)                                                      \
	"('" id "','" product "','n','" version "'," order                                         \
	",'md5','00000000000000000000000000000000','http://x/',1)"

static const char first_rows[] =
	"INSERT INTO product (product_id) VALUES ('lamp'), ('oven');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, "
	"sign, url, size) VALUES " FIRMWARE("f1", "lamp", "1.0", "1") "," FIRMWARE(
		"f2", "lamp", "2.0", "2") "," FIRMWARE("f3", "oven", "1.0",
		"1") ";"
		     "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', "
		     "'d2'), ('oven', 'd1');"
		     "INSERT INTO task (task_id, firmware_id, name, mode, attempt_limit, "
		     "allow_downgrade) VALUES ('push', 'f2', 'n', 'push', 2, 0),"
		     " ('pull', 'f1', 'n', 'pull', 1, 0), ('oven', 'f3', 'n', 'push', 5, 0), "
		     "('back', 'f1', 'n', 'push', 1, 1);";

/* What no look at the rows at the end can tell: the plugin itself began an upgrade beside another
 * one. */
static const char watch_begins[] =
	"CREATE TEMP TABLE begun_beside (task_id TEXT, device_id TEXT);"
	"CREATE TEMP VIEW of_product AS SELECT td.task_id, td.device_id, td.state, f.product_id "
	"FROM task_device td JOIN task USING (task_id)"
	" JOIN firmware f USING (firmware_id);"
	"CREATE TEMP TRIGGER begins AFTER UPDATE OF state ON main.task_device WHEN NEW.state = "
	"'processing' AND NEW.attempts > OLD.attempts BEGIN"
	" INSERT INTO begun_beside SELECT NEW.task_id, NEW.device_id FROM of_product own JOIN "
	"of_product beside USING (product_id, device_id)"
	"  WHERE own.task_id = NEW.task_id AND own.device_id = NEW.device_id AND beside.task_id <> "
	"own.task_id AND beside.state = 'processing';"
	" END;";

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void remove_folder(void)
{
	char command[96];

	fw_store_close(store);
	fw_outbox_free(outbox);
	fw_transfers_free(transfers);
	fw_options_clear(&options);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	(void)!system(command);
}

static void make_store(void)
{
	const struct fw_option_line lines[] = {{"db_file", catalog_path}};
	struct fw_error error = {""};
	struct fw_store_config config = {.options = &options,
		.counters = &counters,
		.hosting = &hosting,
		.first_connection = FIRST_CONNECTION};

	check(mkdtemp(folder) != NULL);
	snprintf(catalog_path, sizeof(catalog_path), "%s/firmware.db", folder);
	check(fw_options_parse(lines, 1, &options, &error) == FW_OK &&
		fw_hosting_init(&hosting, &options, &error) == FW_OK);
	config.outbox = outbox = fw_outbox_new(8192);
	config.transfers = transfers = fw_transfers_new(100);
	check(outbox && transfers && fw_store_open(&config, &store, &error) == FW_OK &&
		fw_store_start(store, &error) == FW_OK);
	atexit(remove_folder);
	check(sqlite3_exec(store->transaction.db, first_rows, NULL, NULL, NULL) == SQLITE_OK);
	check(sqlite3_exec(store->transaction.db, watch_begins, NULL, NULL, NULL) == SQLITE_OK);
}

struct input {
	const uint8_t *at, *end;
};

static uint8_t take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

/* One of the names, or any bytes. */
static struct fw_slice take_text(struct input *input, const char *const *names, size_t count)
{
	uint8_t choice = take(input);
	struct fw_slice text;

	if (choice < 160)
		return fw_slice_of(names[choice % count]);
	text = (struct fw_slice){(const char *)input->at, choice - 160u};
	if (text.len > (size_t)(input->end - input->at))
		text.len = (size_t)(input->end - input->at);
	input->at += text.len;
	return text;
}

/* What surrounds an uplink, or is one's presence in its place. */
struct setting {
	uint64_t connection; /* 0: an operator's; of an earlier run of the broker; or of this one */
	bool at_most_once;
	int64_t passed_ms; /* since the last one */
	bool clock_right;  /* the device's */
	bool presence;
};

static struct setting take_setting(struct input *input)
{
	static const int64_t passed[] = {0, 1, FW_HOLD_MS + 1, FW_SETTLE_MS + 1};
	static const uint64_t connections[] = {0, 7, FIRST_CONNECTION - 1, FIRST_CONNECTION,
		FIRST_CONNECTION + 1, FIRST_CONNECTION + 2, FIRST_CONNECTION + 3,
		FIRST_CONNECTION + 4};
	uint8_t bits = take(input);

	return (struct setting){.connection = connections[bits & 7],
		.at_most_once = bits & 8,
		.passed_ms = passed[bits >> 4 & 3],
		.clock_right = bits & 64,
		.presence = bits & 128};
}

static struct fw_uplink take_uplink(struct input *input, struct setting *setting)
{
	static const char *const reasons[] = {"", "no space left"};
	uint8_t bits = take(input);
	struct fw_uplink uplink = {.kind = (enum fw_uplink_kind)(1 + bits % 4),
		.received_at = fw_now_ms(),
		.has_reported_at = bits & 4,
		.complete = bits & 8,
		.success = bits & 16,
		.has_progress = bits & 32};

	*setting = take_setting(input);
	uplink.connection = setting->connection;
	uplink.at_most_once = setting->at_most_once;
	uplink.product = take_text(input, products, COUNT(products));
	uplink.device = take_text(input, devices, COUNT(devices));
	uplink.version = take_text(input, versions, COUNT(versions));
	uplink.firmware_id = take_text(input, firmware_ids, COUNT(firmware_ids));
	uplink.error_reason = take_text(input, reasons, COUNT(reasons));
	uplink.progress = uplink.has_progress ? take(input) % 101 : 0;
	uplink.reported_at = uplink.has_reported_at
		? take(input) + (setting->clock_right ? uplink.received_at : 0)
		: 0;
	return uplink;
}

static int64_t ask(const char *sql)
{
	int64_t value = -1;

	check(fw_db_integer(store->transaction.db, sql, &value, NULL) == FW_OK);
	return value;
}

static void check_rows(int64_t progress)
{
	check(ask("SELECT count(*) FROM progress_log") <= progress);
	check(ask("SELECT count(*) FROM task_count c WHERE (waiting, processing, success, failed, "
		  "canceled) <>"
		  " (SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE "
		  "state = 'processing'), count(*) FILTER (WHERE state = 'success'),"
		  " count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = "
		  "'canceled') FROM task_device td WHERE td.task_id = c.task_id)") == 0);
	check(ask("SELECT count(*) FROM product") == 2 &&
		ask("SELECT count(*) FROM firmware") == 3 && ask("SELECT count(*) FROM task") == 4);
	check(ask("SELECT count(*) FROM device WHERE product_id NOT IN ('lamp', 'oven')") == 0);
	check(ask("SELECT count(*) FROM begun_beside") == 0);
	check(ask("SELECT count(*) FROM task_device JOIN task USING (task_id) WHERE interruptions "
		  "> attempt_limit OR interruptions > attempts") == 0);
	/* a last word; and an attempt always was sent somewhere */
	check(ask("SELECT count(*) FROM task_device WHERE connection IS NOT NULL AND (state = "
		  "'success' OR failed_by = 'device')") == 0);
	check(ask("SELECT count(*) FROM task_device WHERE state = 'processing' AND (connection IS "
		  "NULL OR due_at IS NULL)") == 0);
	check(ask("SELECT count(*) FROM device WHERE connection IS NOT NULL AND presence IS NOT "
		  "'online'") == 0);
	check(ask("SELECT count(*) FROM device WHERE settles_at IS NOT NULL AND due_at IS NULL AND "
		  "presence = 'online'") == 0);
	check(ask("SELECT count(*) FROM pragma_foreign_key_check") == 0);
}

/* The transaction's time goes on, and the device is looked at, as it would be where something was
 * due. */
static void pass_time(const struct fw_uplink *uplink, int64_t passed_ms)
{
	store->transaction.steady_ms += passed_ms;
	store->transaction.wall_ms += passed_ms;
	if (passed_ms)
		check(fw_scheduler_settle_and_push(
			      stepped_store->scheduler, uplink->product, uplink->device) == FW_OK);
}

static void apply_presence(const struct fw_uplink *uplink, uint64_t connection)
{
	struct fw_presence_event event = {.at = fw_now_ms(),
		.online = uplink->success,
		.listens = uplink->complete,
		.product = uplink->product,
		.device = uplink->device,
		.connection = uplink->success ? connection : 0,
		.last_message_boot_ms = uplink->has_progress
			? store->transaction.steady_ms - store->transaction.clock.offset
			: 0};
	enum fw_status status = fw_device_presence_apply(stepped_store->presence, &event);

	check(status == FW_OK || status == FW_INVALID);
}

static void apply_one(struct input *input, int64_t *progress)
{
	static unsigned char record[FW_UPLINK_MAX];
	struct setting setting;
	struct fw_uplink uplink = take_uplink(input, &setting), decoded;
	size_t len = fw_uplink_encode(&uplink, record, sizeof(record));
	enum fw_status status;

	pass_time(&uplink, setting.passed_ms);
	if (setting.presence) {
		apply_presence(&uplink, setting.connection);
		return;
	}
	if (!len)
		return;
	check(fw_uplink_decode(record, len, &decoded) == FW_OK);
	status = fw_apply_uplink(stepped_store->apply, &decoded);
	check(status == FW_OK || status == FW_INVALID);
	*progress += decoded.kind == FW_UPLINK_PROGRESS;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input input = {bytes, bytes + len};
	struct fw_outgoing message;
	int64_t progress = 0;

	if (!store)
		make_store();
	check(fw_transaction_begin(&store->transaction) == FW_OK);
	for (unsigned i = 0; i < UPLINKS_MAX && input.at < input.end; i++)
		apply_one(&input, &progress);
	check_rows(progress);
	fw_transaction_rollback(&store->transaction);
	while (fw_outbox_take(outbox, &message)) {
		free(message.topic);
		free(message.payload);
	}
	return 0;
}
