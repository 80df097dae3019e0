-- Why devices of a task failed: each reason once, the most frequent first.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < failure_reasons.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
.mode box
SELECT task_id, failure, error_reason, count AS devices
FROM failure_reasons WHERE task_id IN (SELECT arg.task_id FROM arg)
ORDER BY task_id, devices DESC, failure, error_reason;
