-- Each device of a task: which are under way, which failed and why, what the others wait for.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < task_detail.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
.mode box
SELECT
  device_id, device_name, state, progress, waits_for, failure, error_reason,
  current_version, version AS target_version, coalesce(presence, 'unknown') AS presence, attempts,
  pushed_time, responded_time, completed_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', retry_at / 1000, 'unixepoch') AS retry_time
FROM task_detail WHERE task_id IN (SELECT arg.task_id FROM arg)
ORDER BY device_id;
