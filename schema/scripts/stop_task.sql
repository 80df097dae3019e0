-- Stop a task: its waiting devices are canceled, those under way go on.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < stop_task.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
UPDATE task SET state = 'stopped' WHERE task_id IN (SELECT arg.task_id FROM arg);
SELECT 'no such task: nothing stopped' WHERE changes() = 0;

.mode box
SELECT task_id, name, state, total, waiting, processing, success, failed, canceled
FROM task_summary WHERE task_id IN (SELECT arg.task_id FROM arg);
