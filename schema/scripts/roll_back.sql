-- Take the devices of a bad task back: the task stops, and a new one brings older firmware to those
-- that it started.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id,
--     '1.0' AS version, 'Back to 1.0' AS name" firmware.db < roll_back.sql
--
-- version is what they are taken back to. The new task allows the downgrade, and takes the place of
-- what waits in older tasks.
-- Withdraw the bad firmware, too, or pulls get it again: retire_firmware.sql.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'));
INSERT INTO quoted SELECT arg.task_id, arg.version, arg.name FROM arg;
CREATE TEMP TABLE made AS SELECT lower(hex(randomblob(8))) AS task_id;
BEGIN IMMEDIATE;
UPDATE task SET state = 'stopped' WHERE task_id IN (SELECT arg.task_id FROM arg);
INSERT INTO task (task_id, firmware_id, name, mode, release_type, allow_downgrade, supersede)
SELECT
  made.task_id,
  (
    SELECT older.firmware_id FROM task AS t
    CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
    CROSS JOIN firmware AS older ON older.product_id = f.product_id
    WHERE t.task_id = arg.task_id AND older.version = arg.version),
  arg.name, 'push', 'part', 1, 1
FROM made CROSS JOIN arg;
INSERT INTO task_device (task_id, device_id)
SELECT made.task_id, r.device_id
FROM made CROSS JOIN arg CROSS JOIN task_device AS r ON r.task_id = arg.task_id
WHERE r.attempts > 0;
COMMIT;

.mode box
SELECT task_id, name, product_id, version, mode, state, total, waiting, processing, success
FROM task_summary
WHERE task_id IN (SELECT made.task_id FROM made UNION SELECT arg.task_id FROM arg)
ORDER BY created_at;
