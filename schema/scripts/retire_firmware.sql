-- Withdraw firmware: no device is offered it any more, and its file is not sent any more. The row
-- and the file stay.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.0' AS version,
--     'does not start on board revision B' AS reason" firmware.db < retire_firmware.sql
--
-- Back again: UPDATE firmware SET state = 'pending' WHERE product_id = ... AND version = ...
-- Devices of running tasks keep waiting: stop the tasks too (stop_task.sql).
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  reason CONSTRAINT "reason must be text in quotes" CHECK (typeof(reason) = 'text'),
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'));
INSERT INTO quoted SELECT arg.reason, arg.product_id, arg.version FROM arg;
UPDATE firmware SET
  state = 'rejected',
  state_reason = 'withdrawn: ' || (
    SELECT arg.reason FROM arg
    WHERE arg.product_id = firmware.product_id AND arg.version = firmware.version)
WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
SELECT 'no such firmware: nothing changed' WHERE changes() = 0;

.mode box
SELECT
  f.firmware_id, f.product_id, f.version, f.state, f.state_reason,
  (
    SELECT count(*) FROM task AS t
    WHERE t.firmware_id = f.firmware_id AND t.state = 'running') AS running_tasks
FROM firmware AS f WHERE (f.product_id, f.version) IN (SELECT arg.product_id, arg.version FROM arg);
