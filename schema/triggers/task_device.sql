-- What guards a task's rows, and what an operator's stop, continue and retry do.
--
-- triggers/task_count.sql defines what a row counts as in task_count. The triggers here insert into
-- count_row what the row was, and what it is now. What becomes of a row that is canceled or waits
-- again is written in triggers/task.sql, too: see its beginning.

CREATE TRIGGER task_device_insert_guard BEFORE INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) IS NOT 1
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
      THEN CASE
        WHEN EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
          THEN RAISE(ABORT, 'the product of this task has no such device: add the device first (INSERT INTO device (product_id, device_id) VALUES (...))')
        ELSE RAISE(ABORT, 'unknown task_id: make the task first (INSERT INTO task ...)')
      END
    WHEN EXISTS (
      SELECT 1 FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
      THEN RAISE(ABORT, 'this device is in the task already: to upgrade it again, retry its failed row (UPDATE task_device SET state = ''waiting'' WHERE task_id = ... AND device_id = ... AND state = ''failed''), or delete the row and insert it again')
  END;
  SELECT RAISE(ABORT, 'insert only task_id and device_id into task_device, and turn: state, progress and times follow from the rules')
  WHERE (NEW.state <> 'waiting' OR NEW.progress <> 0 OR NEW.attempts <> 0 OR NEW.was_online <> 0
      OR NEW.interruptions <> 0 OR NEW.untold <> 0 OR NEW.retries <> 0 OR NEW.lined <> 0
      OR coalesce(NEW.from_version, NEW.error_reason, NEW.failed_by, NEW.failure, NEW.pushed_at,
        NEW.responded_at, NEW.completed_at, NEW.interrupted_at, NEW.due_at, NEW.pushed_clock,
        NEW.connection, NEW.verified_at, NEW.retry_at, NEW.deferred_until, NEW.first_told_at,
        NEW.wake_clock, NEW.trial_clock, NEW.lost_clock, NEW.proved_epoch, NEW.bad_epoch)
        IS NOT NULL)
    -- values that the rules would give anyway may be inserted
    AND NOT EXISTS (
      SELECT 1 FROM task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id
        AND NEW.state = b.state AND NEW.progress IN (0, b.progress)
        AND NEW.attempts = 0 AND NEW.was_online = 0 AND NEW.interruptions = 0 AND NEW.untold = 0
        AND NEW.retries = 0
        AND (NEW.from_version IS NULL OR NEW.from_version IS b.from_version)
        AND (NEW.error_reason IS NULL OR NEW.error_reason IS b.error_reason)
        AND coalesce(NEW.failed_by, NEW.failure, NEW.pushed_at, NEW.responded_at, NEW.completed_at,
          NEW.interrupted_at, NEW.due_at, NEW.pushed_clock, NEW.connection, NEW.verified_at,
          NEW.retry_at, NEW.deferred_until, NEW.first_told_at, NEW.wake_clock, NEW.trial_clock,
          NEW.lost_clock, NEW.proved_epoch, NEW.bad_epoch) IS NULL);
END;

CREATE TRIGGER task_device_insert AFTER INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    turn = coalesce(turn, 1 + abs(random() % 1000000)),
    lined = EXISTS (SELECT 1 FROM task_stage WHERE task_id = NEW.task_id),
    (state, progress, error_reason, completed_at, from_version) = (
      SELECT
        b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms),
        b.from_version
      FROM now CROSS JOIN task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  -- without a state: that a new row waits is not announced
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
  INSERT INTO count_row VALUES (
    NEW.task_id, NEW.device_id, 1, 0,
    '', 0, NULL, NULL, NULL,
    (SELECT state FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id),
    0, NULL, NULL, NULL);
  INSERT INTO supersede_older
  SELECT task_id, NEW.device_id FROM task WHERE task_id = NEW.task_id AND supersede = 1;
END;

-- A single new row of a task with supersede 1: cancels what it supersedes. For the rows that are
-- made with their task: task_insert.
CREATE VIEW supersede_older (task_id, device_id) AS SELECT NULL, NULL;

CREATE TRIGGER supersede_older_insert INSTEAD OF INSERT ON supersede_older
BEGIN
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, 'canceled' FROM superseded
  WHERE by_task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting';
  INSERT INTO count_row
  SELECT
    task_id, device_id, 0, 1,
    state, attempts, NULL, proved_epoch, bad_epoch,
    'canceled', attempts, NULL, NULL, NULL
  FROM superseded
  WHERE by_task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled', error_reason = 'superseded by ' || NEW.task_id,
    completed_at = (SELECT ms FROM now), proved_epoch = NULL, bad_epoch = NULL,
    deferred_until = NULL, wake_clock = NULL, lost_clock = NULL
  WHERE (task_id, device_id) IN (
    SELECT task_id, device_id FROM superseded
    WHERE by_task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting');
  UPDATE task_count SET settling = 0
  WHERE settling = 1 AND task_id IN (
    SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'canceled');
END;

CREATE TRIGGER task_device_update_key_guard BEFORE UPDATE OF task_id, device_id ON task_device
WHEN NEW.task_id IS NOT OLD.task_id OR NEW.device_id IS NOT OLD.device_id
BEGIN
  SELECT RAISE(ABORT, 'task_id and device_id of a row in task_device cannot change: insert a new row, and delete this one');
END;

CREATE TRIGGER task_device_update_guard BEFORE UPDATE ON task_device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  SELECT CASE
    WHEN NEW.progress IS NOT OLD.progress OR NEW.error_reason IS NOT OLD.error_reason
      OR NEW.failed_by IS NOT OLD.failed_by OR NEW.from_version IS NOT OLD.from_version
      OR NEW.attempts IS NOT OLD.attempts OR NEW.created_at IS NOT OLD.created_at
      OR NEW.pushed_at IS NOT OLD.pushed_at OR NEW.responded_at IS NOT OLD.responded_at
      OR NEW.completed_at IS NOT OLD.completed_at OR NEW.interrupted_at IS NOT OLD.interrupted_at
      OR NEW.was_online IS NOT OLD.was_online OR NEW.failure IS NOT OLD.failure
      OR NEW.interruptions IS NOT OLD.interruptions OR NEW.connection IS NOT OLD.connection
      OR NEW.untold IS NOT OLD.untold
      OR NEW.due_at IS NOT OLD.due_at OR NEW.pushed_clock IS NOT OLD.pushed_clock
      OR NEW.verified_at IS NOT OLD.verified_at OR NEW.retry_at IS NOT OLD.retry_at
      OR NEW.deferred_until IS NOT OLD.deferred_until
      OR NEW.first_told_at IS NOT OLD.first_told_at OR NEW.retries IS NOT OLD.retries
      OR NEW.wake_clock IS NOT OLD.wake_clock OR NEW.trial_clock IS NOT OLD.trial_clock
      OR NEW.lost_clock IS NOT OLD.lost_clock OR NEW.proved_epoch IS NOT OLD.proved_epoch
      OR NEW.bad_epoch IS NOT OLD.bad_epoch OR NEW.lined IS NOT OLD.lined
      THEN RAISE(ABORT, 'only state of a row in task_device can be set by hand, and its turn: the rest follows from them')
    WHEN NEW.turn IS NOT OLD.turn AND OLD.attempts > 0
      THEN RAISE(ABORT, 'this upgrade has started, so that its turn is over: add AND attempts = 0')
    WHEN NEW.state IS OLD.state THEN NULL
    WHEN NEW.state = 'canceled' THEN CASE OLD.state
      WHEN 'waiting' THEN NULL
      WHEN 'processing'
        THEN RAISE(ABORT, 'this upgrade is under way and cannot be stopped: wait for its end or its timeout, or add AND state = ''waiting''')
      ELSE RAISE(ABORT, 'this upgrade has ended, there is nothing to stop: add AND state = ''waiting''')
    END
    WHEN NEW.state = 'waiting' THEN CASE
      WHEN OLD.state = 'processing'
        THEN RAISE(ABORT, 'this upgrade is under way: wait for its end or its timeout; to retry what failed, add AND state = ''failed''')
      WHEN OLD.state = 'success' AND (
        SELECT d.version IS NOT f.version AND d.version IS NOT NULL
        FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
        CROSS JOIN device AS d ON d.product_id = f.product_id
        WHERE t.task_id = OLD.task_id AND d.device_id = OLD.device_id)
        THEN RAISE(ABORT, 'this upgrade succeeded, and the device has gone back to another version since (SELECT version FROM device WHERE device_id = ...): to upgrade it again, delete this row and insert it anew (DELETE FROM task_device ...; INSERT INTO task_device (task_id, device_id) VALUES (...))')
      WHEN OLD.state = 'success'
        THEN RAISE(ABORT, 'this upgrade succeeded and is not repeated: to retry what failed, add AND state = ''failed''; to continue what was stopped, add AND state = ''canceled''')
      WHEN (SELECT state FROM task WHERE task_id = OLD.task_id) = 'stopped'
        THEN RAISE(ABORT, 'the task of this row is stopped: continue the task first (UPDATE task SET state = ''running'' WHERE task_id = ...)')
    END
    ELSE RAISE(ABORT, 'by hand, state of a row in task_device can be set to ''waiting'' (retry a failed row, continue a canceled one) or ''canceled'' (stop a waiting one): the rest is for the devices to say')
  END;
END;

CREATE TRIGGER task_device_update_turn AFTER UPDATE OF turn ON task_device
WHEN NEW.turn IS NULL
BEGIN
  UPDATE task_device SET turn = 1 + abs(random() % 1000000)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
END;

-- The order of starts changes: queued once for many rows.
CREATE TRIGGER task_device_update_turn_by_hand AFTER UPDATE OF turn ON task_device
WHEN NEW.turn <> OLD.turn AND NEW.state = 'waiting' AND NEW.lined = 1
  AND (SELECT settling FROM task_count WHERE task_id = NEW.task_id) = 0
BEGIN
  INSERT INTO task_change (task_id)
  SELECT NEW.task_id
  WHERE NOT EXISTS (
    SELECT 1 FROM (SELECT task_id, device_id FROM task_change ORDER BY change_id DESC LIMIT 1)
    WHERE task_id = NEW.task_id AND device_id IS NULL);
END;

-- An operator gave a row another state: what follows is told in the triggers of by_hand, and not
-- here, since each trigger of a table costs the plugin's own writes the memory of its whole body.
CREATE TRIGGER task_device_update_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state <> OLD.state
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  INSERT INTO by_hand VALUES (
    NEW.task_id, NEW.device_id, NEW.state,
    OLD.state, OLD.attempts, OLD.retry_at, OLD.proved_epoch, OLD.bad_epoch);
END;

-- A row that an operator stops, continues or retries: what it was, and the state that was written.
CREATE VIEW by_hand (
  task_id, device_id, state, old_state, old_attempts, old_retry_at, old_proved_epoch, old_bad_epoch)
AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TRIGGER by_hand_insert_stop INSTEAD OF INSERT ON by_hand
WHEN NEW.state = 'canceled'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    completed_at = (SELECT ms FROM now), proved_epoch = NULL, bad_epoch = NULL,
    deferred_until = NULL, wake_clock = NULL, lost_clock = NULL
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  INSERT INTO task_change (task_id, device_id, state)
  VALUES (NEW.task_id, NEW.device_id, NEW.state);
  INSERT INTO count_row
  SELECT
    task_id, device_id, 1, 0,
    NEW.old_state, NEW.old_attempts, NEW.old_retry_at, NEW.old_proved_epoch, NEW.old_bad_epoch,
    state, attempts, NULL, NULL, NULL
  FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
END;

CREATE TRIGGER by_hand_insert_requeue INSTEAD OF INSERT ON by_hand
WHEN NEW.state = 'waiting'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    -- a started row whose device runs the version by now is proved; a retried row stays bad
    (state, progress, error_reason, completed_at, from_version, verified_at, proved_epoch,
      bad_epoch) = (
      SELECT
        b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms),
        b.from_version,
        iif(b.state = 'success' AND task_device.attempts > 0, now.ms, NULL),
        iif(b.state = 'success' AND task_device.attempts > 0, c.epoch, NULL),
        iif(b.state <> 'success' AND NEW.old_state = 'failed', task_device.bad_epoch, NULL)
      FROM now CROSS JOIN task_device_begin AS b CROSS JOIN task_count AS c ON c.task_id = b.task_id
      WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id),
    failure = NULL, failed_by = NULL, interruptions = 0, connection = NULL,
    pushed_at = NULL, responded_at = NULL, interrupted_at = NULL, due_at = NULL,
    pushed_clock = NULL, retries = 0, retry_at = NULL, deferred_until = NULL,
    wake_clock = NULL, trial_clock = NULL, lost_clock = NULL
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  -- the operator wants it now: the push does not wait for a report after the failed upgrade
  UPDATE catalog_state SET plugin_writing = 1;
  UPDATE device SET due_at = nullif(due_at, settles_at), settles_at = NULL
  WHERE device_id = NEW.device_id AND settles_at IS NOT NULL AND product_id = (
    SELECT f.product_id FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
    WHERE t.task_id = NEW.task_id);
  UPDATE catalog_state SET plugin_writing = 0;
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, state
  FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  INSERT INTO count_row
  SELECT
    task_id, device_id, 1, 0,
    NEW.old_state, NEW.old_attempts, NEW.old_retry_at, NEW.old_proved_epoch, NEW.old_bad_epoch,
    state, attempts, retry_at, proved_epoch, bad_epoch
  FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
END;

-- Counts the plugin's own changes. It fires often, so it writes only when a count changes.
CREATE TRIGGER task_device_update_count
AFTER UPDATE OF state, attempts, retry_at, proved_epoch, bad_epoch ON task_device
WHEN (NEW.state <> OLD.state
    OR NEW.proved_epoch IS NOT OLD.proved_epoch OR NEW.bad_epoch IS NOT OLD.bad_epoch
    OR (NEW.attempts > 0) <> (OLD.attempts > 0)
    OR (NEW.retry_at IS NULL) <> (OLD.retry_at IS NULL))
  AND (SELECT plugin_writing FROM catalog_state) = 1
BEGIN
  INSERT INTO count_row VALUES (
    NEW.task_id, NEW.device_id, 0, 0,
    OLD.state, OLD.attempts, OLD.retry_at, OLD.proved_epoch, OLD.bad_epoch,
    NEW.state, NEW.attempts, NEW.retry_at, NEW.proved_epoch, NEW.bad_epoch);
END;

CREATE TRIGGER task_device_delete_guard BEFORE DELETE ON task_device
WHEN OLD.state IN ('waiting', 'processing')
BEGIN
  SELECT CASE OLD.state
    WHEN 'waiting'
      THEN RAISE(ABORT, 'this device is waiting: stop its row first (UPDATE task_device SET state = ''canceled'' WHERE task_id = ... AND device_id = ... AND state = ''waiting'')')
    ELSE RAISE(ABORT, 'this upgrade is under way: wait for its end or its timeout, then delete the row')
  END;
END;

CREATE TRIGGER task_device_delete AFTER DELETE ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  INSERT INTO count_row VALUES (
    OLD.task_id, OLD.device_id, 1, 0,
    OLD.state, OLD.attempts, OLD.retry_at, OLD.proved_epoch, OLD.bad_epoch,
    '', 0, NULL, NULL, NULL);
  -- its place in the stage is free; queued once for many rows
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM task AS t
  WHERE t.task_id = OLD.task_id AND t.state <> 'stopped'
    AND EXISTS (SELECT 1 FROM task_stage AS s WHERE s.task_id = OLD.task_id)
    AND NOT EXISTS (
      SELECT 1 FROM (SELECT task_id, device_id FROM task_change ORDER BY change_id DESC LIMIT 1)
      WHERE task_id = OLD.task_id AND device_id IS NULL);
END;
