-- New pull task for some devices: nothing is sent, the devices get it when they pull.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     'First three' AS name,
--     column1 AS device_id FROM (VALUES ('gw-0001'), ('gw-0002'), ('gw-0003'))" \
--     firmware.db < new_pull_task_part.sql
--
-- arg has a row for each device. More can be added later with add_task_device.sql.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'),
  device_id CONSTRAINT "device_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(device_id) = 'text'));
INSERT INTO quoted SELECT arg.product_id, arg.version, arg.name, arg.device_id FROM arg;
CREATE TEMP TABLE made AS SELECT lower(hex(randomblob(8))) AS task_id;
BEGIN IMMEDIATE;
INSERT INTO task (task_id, firmware_id, name, mode, release_type)
SELECT
  made.task_id,
  (
    SELECT f.firmware_id FROM firmware AS f
    WHERE f.product_id = arg.product_id AND f.version = arg.version),
  arg.name, 'pull', 'part'
FROM made CROSS JOIN (SELECT arg.product_id, arg.version, arg.name FROM arg LIMIT 1) AS arg;
INSERT INTO task_device (task_id, device_id)
SELECT DISTINCT made.task_id, arg.device_id FROM made CROSS JOIN arg;
COMMIT;

.mode box
SELECT task_id, name, product_id, version, mode, state, total, waiting, success
FROM task_summary WHERE task_id IN (SELECT made.task_id FROM made);
