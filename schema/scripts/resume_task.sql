-- Resume a paused task, or begin a draft. Its stop counts anew: the failures so far do not pause it
-- again.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < resume_task.sql
--
-- Why it paused: task_summary.paused_reason, and failure_reasons.sql.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
UPDATE task SET state = 'running'
WHERE task_id IN (SELECT arg.task_id FROM arg) AND state = 'paused';
SELECT 'no such task that is paused: nothing resumed' WHERE changes() = 0;

.mode box
SELECT task_id, name, state, stage, stages, total, waiting, processing, success, failed
FROM task_summary WHERE task_id IN (SELECT arg.task_id FROM arg);
