/* Any uplinks, as a spool could hold them, and presence, brought into a catalog with tasks: each is recorded or refused, and the rows agree
 * with each other. What is tried is rolled back. */
#include "stepped.h"

#include "../../plugin/service_state.h"
#include "store_apply.h"
#include "store_db.h"

#define UPLINKS_MAX 60

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static char folder[] = "/tmp/fw-fuzz-apply-XXXXXX";
static char catalog_path[64];
static struct fw_options options;
static struct fw_delivery delivery;
static struct fw_counters counters;
static struct fw_outbox *outbox;
static struct fw_access *access_notes;
static struct fw_store *store;

static const char *const products[] = {"lamp", "oven", "unknown"};
static const char *const devices[] = {"d1", "d2", "d3", "#"};
static const char *const versions[] = {"1.0", "2.0", "3.0"};
static const char *const firmware_ids[] = {"f1", "f2", "f3", "none"};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FIRMWARE(id, product, version, order) "('" id "','" product "','n','" version "'," order ",'md5','00000000000000000000000000000000','http://x/',1)"

static const char first_rows[] =
	"INSERT INTO product (product_id) VALUES ('lamp'), ('oven');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, sign, url, size) VALUES "
	FIRMWARE("f1", "lamp", "1.0", "1") "," FIRMWARE("f2", "lamp", "2.0", "2") "," FIRMWARE("f3", "oven", "1.0", "1") ";"
	"INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', 'd2'), ('oven', 'd1');"
	"INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('push', 'f2', 'n', 'push'), ('pull', 'f1', 'n', 'pull'), ('oven', 'f3', 'n', 'push');";

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
	fw_access_free(access_notes);
	fw_options_clear(&options);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	(void)!system(command);
}

static void make_store(void)
{
	const struct fw_option_line lines[] = {{"db_file", catalog_path}};
	struct fw_error error = {""};
	struct fw_store_config config = {.options = &options, .counters = &counters, .delivery = &delivery, .first_connection = 1};

	check(mkdtemp(folder) != NULL);
	snprintf(catalog_path, sizeof(catalog_path), "%s/firmware.db", folder);
	check(fw_options_parse(lines, 1, &options, &error) == FW_OK && fw_delivery_init(&delivery, &options, &error) == FW_OK);
	config.outbox = outbox = fw_outbox_new(8192);
	config.access = access_notes = fw_access_new(100);
	check(outbox && access_notes && fw_store_open(&config, &store, &error) == FW_OK && fw_store_start(store, &error) == FW_OK);
	atexit(remove_folder);
	check(sqlite3_exec(store->writer.db, first_rows, NULL, NULL, NULL) == SQLITE_OK);
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

static struct fw_uplink take_uplink(struct input *input)
{
	static const char *const reasons[] = {"", "no space left"};
	uint8_t bits = take(input);
	struct fw_uplink uplink = {.kind = (enum fw_uplink_kind)(1 + bits % 4), .received_at = fw_now_ms(), .has_reported_at = bits & 4, .complete = bits & 8,
		.success = bits & 16, .has_progress = bits & 32, .connection = bits >> 6};

	uplink.product = take_text(input, products, COUNT(products));
	uplink.device = take_text(input, devices, COUNT(devices));
	uplink.version = take_text(input, versions, COUNT(versions));
	uplink.firmware_id = take_text(input, firmware_ids, COUNT(firmware_ids));
	uplink.error_reason = take_text(input, reasons, COUNT(reasons));
	uplink.progress = uplink.has_progress ? take(input) % 101 : 0;
	uplink.reported_at = uplink.has_reported_at ? take(input) : 0;
	return uplink;
}

static int64_t ask(const char *sql)
{
	int64_t value = -1;

	check(fw_db_integer(store->writer.db, sql, &value, NULL) == FW_OK);
	return value;
}

static void check_rows(int64_t progress)
{
	check(ask("SELECT count(*) FROM progress_log") <= progress);
	check(ask("SELECT count(*) FROM task_count c WHERE (waiting, processing, success, failed, canceled) <>"
		" (SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'processing'), count(*) FILTER (WHERE state = 'success'),"
		" count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'canceled') FROM task_device td WHERE td.task_id = c.task_id)") == 0);
	check(ask("SELECT count(*) FROM product") == 2 && ask("SELECT count(*) FROM firmware") == 3 && ask("SELECT count(*) FROM task") == 3);
	check(ask("SELECT count(*) FROM device WHERE product_id NOT IN ('lamp', 'oven')") == 0);
	check(ask("SELECT count(*) FROM (SELECT product_id, device_id FROM task_device JOIN task USING (task_id) JOIN firmware USING (firmware_id)"
		" WHERE mode = 'push' AND task_device.state = 'processing' AND pushed_at IS NOT NULL AND responded_at IS NULL GROUP BY 1, 2 HAVING count(*) > 1)") == 0);
	check(ask("SELECT count(*) FROM pragma_foreign_key_check") == 0);
}

static void apply_one(struct input *input, int64_t *progress)
{
	static unsigned char record[FW_UPLINK_MAX];
	struct fw_uplink uplink = take_uplink(input), decoded;
	size_t len = fw_uplink_encode(&uplink, record, sizeof(record));
	enum fw_status status;

	if (uplink.connection == 3) {
		struct fw_presence_event event = {.at = fw_now_ms(), .online = uplink.success, .listens = uplink.complete, .product = uplink.product, .device = uplink.device};

		status = fw_store_presence_apply(stepped_store->presence, &event);
		check(status == FW_OK || status == FW_INVALID);
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
	check(fw_writer_begin(&store->writer) == FW_OK);
	for (unsigned i = 0; i < UPLINKS_MAX && input.at < input.end; i++)
		apply_one(&input, &progress);
	check_rows(progress);
	fw_writer_rollback(&store->writer);
	while (fw_outbox_take(outbox, &message)) {
		free(message.topic);
		free(message.payload);
	}
	return 0;
}
