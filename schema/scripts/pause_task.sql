-- Pause a task: nothing starts any more, what is under way goes on, and waiting devices wait on.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id,
--     'holidays' AS reason" firmware.db < pause_task.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'),
  reason CONSTRAINT "reason must be text in quotes" CHECK (typeof(reason) = 'text'));
INSERT INTO quoted SELECT arg.task_id, arg.reason FROM arg;
UPDATE task SET
  state = 'paused',
  paused_reason = (SELECT arg.reason FROM arg WHERE arg.task_id = task.task_id)
WHERE task_id IN (SELECT arg.task_id FROM arg) AND state = 'running';
SELECT 'no such task that is running: nothing paused' WHERE changes() = 0;

.mode box
SELECT
  task_id, name, state, paused_reason, stage, stages, total, waiting, processing, success, failed
FROM task_summary WHERE task_id IN (SELECT arg.task_id FROM arg);
