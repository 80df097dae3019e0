-- Go on to the next stage of a task now, whatever its devices have shown so far.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '5f1c9a2e7b3d4680' AS task_id" \
--     firmware.db < next_stage.sql
--
-- A paused task stays paused: resume_task.sql.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  task_id CONSTRAINT "task_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(task_id) = 'text'));
INSERT INTO quoted SELECT arg.task_id FROM arg;
UPDATE task SET stage = stage + 1 WHERE task_id IN (SELECT arg.task_id FROM arg);
SELECT 'no such task: nothing changed' WHERE changes() = 0;

.mode box
SELECT
  s.task_id, s.name, s.state, s.stage, s.stages, p.budget AS devices_till_its_end,
  s.started, s.proved, s.bad
FROM task_summary AS s CROSS JOIN task_plan AS p ON p.task_id = s.task_id
WHERE s.task_id IN (SELECT arg.task_id FROM arg);
