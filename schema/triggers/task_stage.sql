-- What guards the stages of a task, and what a change of one does.
--
-- Stages that have begun stay as they are: those below the current one, and the current one from
-- the first start on. Deleting a stage deletes those after it, so that there is never a gap.

CREATE TRIGGER task_stage_insert_guard BEFORE INSERT ON task_stage
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
      THEN RAISE(ABORT, 'unknown task_id: make the task first, with state ''paused'' so that nothing starts before its stages are there (INSERT INTO task ...)')
    WHEN EXISTS (SELECT 1 FROM task_stage WHERE task_id = NEW.task_id AND stage = NEW.stage)
      THEN RAISE(ABORT, 'the task has this stage already: change it (UPDATE task_stage SET ... WHERE task_id = ... AND stage = ...)')
    WHEN NEW.stage <> 1 + (
      SELECT coalesce(max(stage), 0) FROM task_stage WHERE task_id = NEW.task_id)
      THEN RAISE(ABORT, 'stages of a task are 1, 2, 3 without gaps: insert the next one (SELECT max(stage) + 1 FROM task_stage WHERE task_id = ...)')
    WHEN EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
      WHERE t.task_id = NEW.task_id AND NEW.stage <= t.stage AND c.started > 0)
      THEN RAISE(ABORT, 'devices of this task have started without stages: stop it, and make a new task with stages for the others')
  END;
  INSERT INTO check_task_stage (task_id, stage, until_percent, until_count)
  VALUES (NEW.task_id, NEW.stage, NEW.until_percent, NEW.until_count);
END;

CREATE TRIGGER task_stage_update_guard BEFORE UPDATE ON task_stage
BEGIN
  SELECT CASE
    WHEN NEW.task_id IS NOT OLD.task_id OR NEW.stage IS NOT OLD.stage
      THEN RAISE(ABORT, 'task_id and stage of a row in task_stage cannot change: delete the stage, which deletes those after it, and insert it anew')
    WHEN EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
      WHERE t.task_id = OLD.task_id
        AND (OLD.stage < t.stage OR (OLD.stage = t.stage AND c.started > 0)))
      THEN RAISE(ABORT, 'this stage has begun and stays as it is: change a later one (AND stage > (SELECT stage FROM task WHERE task_id = ...)), or go on to the next one (UPDATE task SET stage = stage + 1 ...)')
  END;
  INSERT INTO check_task_stage (task_id, stage, until_percent, until_count)
  VALUES (NEW.task_id, NEW.stage, NEW.until_percent, NEW.until_count);
END;

-- Two percentages, or two numbers, are compared as they are; a percentage and a number as numbers
-- of the task's rows. Two stages that both reach all rows may follow each other.
CREATE TRIGGER check_task_stage_insert BEFORE INSERT ON check_task_stage
BEGIN
  SELECT RAISE(ABORT, 'stages of a task rise: until_percent or until_count must be more than that of the stage before, and less than that of the stage after (SELECT * FROM task_stage WHERE task_id = ...)')
  FROM (
    SELECT
      b.stage > NEW.stage AS comes_later,
      iif(b.until_percent IS NULL, b.until_count, b.until_percent) AS theirs,
      iif(b.until_percent IS NULL, NEW.until_count, NEW.until_percent) AS ours,
      b.budget,
      iif(NEW.until_percent IS NULL,
        min(NEW.until_count, b.n),
        max(1, (CAST(round(NEW.until_percent * 1000000) AS INTEGER) * b.n + 99999999) / 100000000))
        AS our_budget,
      b.n
    FROM task_stage_budget AS b
    WHERE b.task_id = NEW.task_id AND b.stage IN (NEW.stage - 1, NEW.stage + 1)
      -- both or neither given: the table's CHECK refuses that
      AND (NEW.until_percent IS NULL) <> (NEW.until_count IS NULL))
  WHERE CASE
    WHEN ours IS NOT NULL THEN iif(comes_later, ours >= theirs, ours <= theirs)
    WHEN n = 0 OR (our_budget = n AND budget = n) THEN 0
    ELSE iif(comes_later, our_budget >= budget, our_budget <= budget)
  END;
  SELECT RAISE(IGNORE);
END;

-- From the first stage on, the task's rows start in the order of their turns.
CREATE TRIGGER task_stage_insert_first AFTER INSERT ON task_stage
WHEN NEW.stage = 1
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET lined = 1 WHERE task_id = NEW.task_id AND lined = 0;
  UPDATE task_count SET settling = 0 WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_stage_insert AFTER INSERT ON task_stage
BEGIN
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task WHERE task_id = NEW.task_id AND state <> 'stopped';
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER task_stage_update AFTER UPDATE ON task_stage
BEGIN
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task WHERE task_id = NEW.task_id AND state <> 'stopped';
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER task_stage_delete_guard BEFORE DELETE ON task_stage
WHEN (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  SELECT RAISE(ABORT, 'this stage has begun and stays: delete a later one (AND stage > (SELECT stage FROM task WHERE task_id = ...)), or stop the task (UPDATE task SET state = ''stopped'' ...)')
  FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
  WHERE t.task_id = OLD.task_id
    AND (OLD.stage < t.stage OR (OLD.stage = t.stage AND (c.started > 0 OR t.stage > 1)));
END;

CREATE TRIGGER task_stage_delete AFTER DELETE ON task_stage
WHEN (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  DELETE FROM task_stage WHERE task_id = OLD.task_id AND stage > OLD.stage;
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task WHERE task_id = OLD.task_id AND state <> 'stopped';
  INSERT INTO touch_catalog VALUES (1);
END;
