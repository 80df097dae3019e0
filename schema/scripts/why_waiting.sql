-- What the waiting devices of a task wait for: how many for what, and one of them.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < why_waiting.sql
--
-- Of one device: SELECT waits_for FROM task_detail WHERE task_id = '...' AND device_id = '...'
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
.mode box
SELECT
  task_id, coalesce(waits_for, 'its turn, or its pull') AS waits_for, count(*) AS devices,
  min(device_id) AS for_example
FROM task_device_waits WHERE task_id IN (SELECT arg.task_id FROM arg)
GROUP BY task_id, waits_for
ORDER BY task_id, devices DESC;
SELECT
  task_id, state, paused_reason, stage, stages, started, proved, bad,
  strftime('%Y-%m-%dT%H:%M:%SZ', next_at / 1000, 'unixepoch') AS next
FROM task_summary WHERE task_id IN (SELECT arg.task_id FROM arg);
