-- What happened to tasks is written by triggers, in an operator's statement while
-- task_count.settling is 1, and by the plugin.

CREATE TRIGGER task_log_insert_guard BEFORE INSERT ON task_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = NEW.task_id) IS NOT 1
BEGIN
  SELECT RAISE(ABORT, 'task_log is append-only, and written by the catalog itself: change the task instead');
END;

CREATE TRIGGER task_log_update_guard BEFORE UPDATE ON task_log
BEGIN
  SELECT RAISE(ABORT, 'task_log is append-only: it records what happened to tasks, and is not changed');
END;

CREATE TRIGGER task_log_delete_guard BEFORE DELETE ON task_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'task_log is append-only: it records what happened to tasks, and outlives them');
END;
