-- What happened with a device: the versions it told, its progress, its tasks; the latest 100,
-- newest first.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id,
--     'gw-0001' AS device_id" firmware.db < device_history.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  device_id CONSTRAINT "device_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(device_id) = 'text'));
INSERT INTO quoted SELECT arg.product_id, arg.device_id FROM arg;
.mode box
SELECT time, what, version, state, progress, detail, task_id, firmware_id
FROM device_history
WHERE product_id = (SELECT arg.product_id FROM arg) AND device_id = (SELECT arg.device_id FROM arg)
ORDER BY at DESC
LIMIT 100;
