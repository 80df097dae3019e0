-- How far each task is, and why it is paused if it is, newest first.
--
--   sqlite3 firmware.db < task_summary.sql
.bail on
.timeout 5000
.mode box
SELECT
  task_id, name, product_id, version, mode, state, total, waiting, processing, success, failed,
  canceled,
  percent || ' %' AS done, stage, stages, paused_reason
FROM task_summary
ORDER BY created_at DESC, task_id;
