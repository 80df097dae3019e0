/* The world of fuzz_service: who sends, what is in the catalog at first, what operators do. */
#ifndef FUZZ_SERVICE_WORLD_H
#define FUZZ_SERVICE_WORLD_H

static const char *const products[] = {"lamp", "oven", "tap", "stranger", "a+b", "\xff", ""};
static const char *const devices[] = {"d1", "d2", "d3", "gate\"way'", "#", "d\n1",
	"0123456789012345678901234567890123456789012345678901234567890123x"};
static const char *const versions[] = {
	"1.0", "1.1", "2.0", "9.9", "'); DROP TABLE device; --", "\xc3\xbc\\u0022", "", "x'00'"};
static const char *const firmware_ids[] = {
	"lamp-1", "lamp-2", "lamp-3", "oven-1", "tap-1", "filed", "no-such", ""};
static const char *const task_ids[] = {"t1", "t2", "t3", "none"};
static const char *const response_topics[] = {NULL, "/lamp/d1/inbox", "/lamp/d2/inbox",
	"/lamp/d1/firmware/upgrade", "/lamp/d1/firmware/mine", "/lamp/d1/#", "$SYS/x",
	"/lamp/d1/firmware/read/reply", "/lamp/d1/firmware/chunk/reply/x/0", "/tap/d3/+/x",
	"/lamp//inbox", "/lamp/evil/inbox"};

struct person {
	const char *id, *username;
};

static const struct person people[] = {{"d1", NULL}, {"d2", "d2"}, {"d3", "nobody"},
	{"console", "admin"}, {"evil", "d1"}, {"evil", NULL}, {"d1", "admin"}, {"#", "+"},
	{"lamp/d1", "lamp/d2"}, {"gate\"way'", NULL}, {"", ""}, {NULL, "d1"}};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define FIRMWARE(id, product, order, version)                                                      \
	"('" id "','" product "','Firmware','" version "'," order                                  \
	",'md5','00000000000000000000000000000000','http://x/" id "',1000)"

static const char first_rows[] =
	"INSERT INTO product (product_id, name, pull_policy) VALUES ('lamp', 'Lamp', 'latest'), "
	"('oven', 'Oven', 'stepwise'), ('tap', 'Tap', 'task');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, "
	"sign, url, size) VALUES " FIRMWARE("lamp-1", "lamp", "1", "1.0") "," FIRMWARE(
		"lamp-2", "lamp", "2", "1.1") "," FIRMWARE("lamp-3", "lamp", "3",
		"2.0") "," FIRMWARE("oven-1", "oven", "1", "1.0") "," FIRMWARE("oven-2", "oven",
		"2", "1.1") "," FIRMWARE("tap-1", "tap", "1",
		"1.0") ";"
		       "INSERT INTO firmware (firmware_id, product_id, name, version, "
		       "version_order, file) VALUES ('filed', 'lamp', 'File', '3.0', 4, 'image');"
		       "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', "
		       "'d2'), ('oven', 'd1'), ('tap', 'd3');";

/* ?1 product, ?2 device, ?3 firmware, ?4 task, ?5 any bytes, ?6 any number. */
static const char *const statements[] = {
	"INSERT INTO task (task_id, firmware_id, name, mode) VALUES (?4, ?3, 'n', 'push')",
	"INSERT INTO task (task_id, firmware_id, name, mode) VALUES (?4, ?3, 'n', 'pull')",
	"INSERT INTO task (task_id, firmware_id, name, mode, release_type, "
	"response_timeout_seconds, timeout_seconds) VALUES (?4, ?3, ?5, 'push', 'part', 1 + ?6 % "
	"90, 100)",
	"INSERT INTO task_device (task_id, device_id) VALUES (?4, ?2)",
	"UPDATE task SET state = 'stopped' WHERE task_id = ?4",
	"UPDATE task SET state = 'running' WHERE task_id = ?4",
	"UPDATE task_device SET state = 'waiting' WHERE task_id = ?4 AND state = 'failed'",
	"UPDATE task_device SET state = 'canceled' WHERE task_id = ?4 AND device_id = ?2",
	"UPDATE task_device SET state = 'waiting' WHERE task_id = ?4 AND device_id = ?2",
	"UPDATE task_device SET state = 'success' WHERE task_id = ?4",
	"DELETE FROM task_device WHERE task_id = ?4 AND state NOT IN ('waiting', 'processing')",
	"DELETE FROM task WHERE task_id = ?4",
	"UPDATE task SET timeout_seconds = 1 + ?6 % 99999, response_timeout_seconds = 1 + ?6 % "
	"99999",
	"UPDATE product SET firmware_enabled = 1 - firmware_enabled WHERE product_id = ?1",
	"UPDATE product SET pull_policy = CASE ?6 % 3 WHEN 0 THEN 'latest' WHEN 1 THEN 'stepwise' "
	"ELSE 'task' END WHERE product_id = ?1",
	"INSERT INTO device (product_id, device_id) VALUES (?1, ?2)",
	"DELETE FROM device WHERE product_id = ?1 AND device_id = ?2",
	"INSERT INTO device (product_id, device_id, name, version) VALUES (?1, CAST(?5 AS TEXT), "
	"CAST(?5 AS TEXT), CAST(?5 AS TEXT))",
	"UPDATE firmware SET parameters = CAST(?5 AS TEXT) WHERE firmware_id = ?3",
	"UPDATE firmware SET parameters = json_object('p', CAST(?5 AS TEXT)) WHERE firmware_id = "
	"?3",
	"UPDATE firmware SET version = CAST(?5 AS TEXT) WHERE firmware_id = ?3",
	"UPDATE firmware SET url = 'http://' || CAST(?5 AS TEXT), name = CAST(?5 AS TEXT), "
	"description = CAST(?5 AS TEXT) WHERE firmware_id = ?3",
	"UPDATE firmware SET sign_method = 'ed25519', sign = CAST(?5 AS TEXT) WHERE firmware_id = "
	"?3",
	"UPDATE firmware SET size = ?6 WHERE firmware_id = ?3",
	"UPDATE firmware SET version_order = ?6 WHERE firmware_id = ?3",
	"UPDATE firmware SET state = 'rejected' WHERE firmware_id = ?3",
	"UPDATE firmware SET state = 'pending' WHERE firmware_id = ?3",
	"UPDATE firmware SET file = CAST(?5 AS TEXT) WHERE firmware_id = ?3",
	"UPDATE firmware SET file = 'image', sign = NULL, sign_method = NULL, url = NULL, size = "
	"NULL WHERE firmware_id = ?3",
	"DELETE FROM firmware WHERE firmware_id = ?3",
	"INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, "
	"sign) VALUES (?1, 'n', CAST(?5 AS TEXT), ?6, 'http://y/', 1, 'md5', "
	"'00000000000000000000000000000000')",
	"UPDATE product SET public_key = CAST(?5 AS TEXT) WHERE product_id = ?1",
	"UPDATE progress_log SET progress = 1",
	"DELETE FROM progress_log",
	"DELETE FROM version_log",
	"INSERT INTO progress_log (received_at, product_id, device_id) VALUES (1, ?1, ?2)",
	"UPDATE catalog_state SET applied_sequence = ?6",
	"DELETE FROM catalog_state",
	"INSERT OR REPLACE INTO task_device (task_id, device_id, state) VALUES (?4, ?2, 'success')",
	"UPDATE OR REPLACE task SET task_id = ?4",
	"SELECT count(*) FROM task_summary JOIN task_detail USING (task_id) JOIN device_history "
	"USING (device_id)",
	"BEGIN IMMEDIATE",
	"BEGIN",
	"COMMIT",
	"ROLLBACK",
	"PRAGMA wal_checkpoint(TRUNCATE)",
	"PRAGMA foreign_keys = ON",
	"PRAGMA recursive_triggers = ON",
	"VACUUM",
};

/* Done to the schema or to the plugin's own: nothing may crash, but the rows need not be right
 * afterwards. */
static const char *const vandalism[] = {
	"DROP TABLE device",
	"DROP TABLE task_change",
	"DROP VIEW task_summary",
	"DROP TRIGGER catalog_state_update_guard",
	"ALTER TABLE task_device RENAME TO moved",
	"ALTER TABLE firmware DROP COLUMN description",
	"UPDATE catalog_state SET plugin_writing = 1",
	"UPDATE product SET product_id = CAST(?5 AS TEXT)",
	"CREATE TRIGGER mine AFTER INSERT ON progress_log BEGIN SELECT RAISE(ABORT, 'no'); END",
	"CREATE TRIGGER mine2 AFTER UPDATE ON device BEGIN DELETE FROM device; END",
	"PRAGMA user_version = 99",
	"PRAGMA journal_mode = DELETE",
	"DROP TABLE catalog_state",
};

#endif
