-- Retry one failed device of a task.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id,
--     'gw-0001' AS device_id" firmware.db < retry_device.sql
--
-- arg may have several rows.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'),
  device_id CONSTRAINT "device_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(device_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id, arg.device_id FROM arg;
UPDATE task_device SET state = 'waiting'
WHERE (task_id, device_id) IN (SELECT arg.task_id, arg.device_id FROM arg) AND state = 'failed';
SELECT 'no failed row of this task and device: nothing retried' WHERE changes() = 0;

.mode box
SELECT task_id, task_name, device_id, state, progress, error_reason, attempts
FROM task_detail WHERE (task_id, device_id) IN (SELECT arg.task_id, arg.device_id FROM arg);
