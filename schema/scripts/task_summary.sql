-- How far each task is, newest first.
--
--   sqlite3 catalog.db < task_summary.sql
.bail on
.timeout 5000
.mode box
SELECT
  task_id, name, product_id, version, mode, state, total, waiting, processing, success, failed,
  canceled,
  percent || ' %' AS done
FROM task_summary
ORDER BY created_at DESC, task_id;
