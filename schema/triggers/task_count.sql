-- The counts of a task's rows are kept by triggers alone.

CREATE TRIGGER task_count_insert BEFORE INSERT ON task_count
WHEN NEW.settling = 0 OR EXISTS (SELECT 1 FROM task_count WHERE task_id = NEW.task_id)
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: make a task instead (INSERT INTO task ...)');
END;

-- Every change by a trigger in an operator's statement comes with settling going from 0 to 1 or
-- back.
CREATE TRIGGER task_count_update BEFORE UPDATE ON task_count
WHEN NEW.settling = OLD.settling AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: change the rows it counts instead (UPDATE task_device ...)');
END;

CREATE TRIGGER task_count_open AFTER UPDATE OF waiting, processing, retrying ON task_count
WHEN (NEW.waiting + NEW.processing > 0) <> (OLD.waiting + OLD.processing > 0)
  OR (NEW.retrying > 0) <> (OLD.retrying > 0)
BEGIN
  INSERT INTO touch_catalog VALUES (1);
END;

-- No row of a task is open, or will be started again, any more. A paused one has nothing left to be
-- resumed for.
CREATE TRIGGER task_ended AFTER UPDATE OF waiting, processing, retrying ON task_count
WHEN NEW.waiting + NEW.processing + NEW.retrying = 0
  AND OLD.waiting + OLD.processing + OLD.retrying > 0
  AND (SELECT state <> 'stopped' AND continuous = 0 FROM task WHERE task_id = NEW.task_id)
  AND (SELECT plugin_writing FROM catalog_state) = 1
BEGIN
  INSERT INTO task_log (at, task_id, what, who)
  SELECT at, NEW.task_id, 'ended', who FROM writer;
END;

-- The counts are settled by now, so that its entry is made as the plugin's are.
CREATE TRIGGER task_ended_by_hand AFTER UPDATE OF waiting, processing, retrying ON task_count
WHEN NEW.waiting + NEW.processing + NEW.retrying = 0
  AND OLD.waiting + OLD.processing + OLD.retrying > 0
  AND (SELECT state <> 'stopped' AND continuous = 0 FROM task WHERE task_id = NEW.task_id)
  AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE catalog_state SET plugin_writing = 1;
  INSERT INTO task_log (at, task_id, what, who)
  SELECT ms, NEW.task_id, 'ended', 'operator' FROM now;
  UPDATE catalog_state SET plugin_writing = 0;
END;

CREATE TRIGGER task_count_delete BEFORE DELETE ON task_count
WHEN OLD.settling = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: delete the task instead (DELETE FROM task WHERE task_id = ...)');
END;
