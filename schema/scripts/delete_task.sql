-- Delete a task and its rows; what the devices reported stays in progress_log. Refused while a
-- device waits or is under way.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < delete_task.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
DELETE FROM task WHERE task_id IN (SELECT arg.task_id FROM arg);
SELECT iif(changes() = 0, 'no such task: nothing deleted', 'deleted');
