-- What guards a task's rows, and what an operator's stop, continue and retry do.

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
    WHEN EXISTS (SELECT 1 FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
      THEN RAISE(ABORT, 'this device is in the task already: to upgrade it again, retry its failed row (UPDATE task_device SET state = ''waiting'' WHERE task_id = ... AND device_id = ... AND state = ''failed''), or delete the row and insert it again')
  END;
  SELECT RAISE(ABORT, 'insert only task_id and device_id into task_device: state, progress and times follow from the rules')
  WHERE (NEW.state <> 'waiting' OR NEW.progress <> 0 OR NEW.attempts <> 0 OR NEW.was_online <> 0 OR NEW.interruptions <> 0 OR NEW.untold <> 0
      OR coalesce(NEW.from_version, NEW.error_reason, NEW.failed_by, NEW.failure, NEW.pushed_at, NEW.responded_at,
        NEW.completed_at, NEW.interrupted_at, NEW.due_at, NEW.pushed_clock, NEW.connection) IS NOT NULL)
    -- what the rules give anyway may be written down
    AND NOT EXISTS (
      SELECT 1 FROM task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id
        AND NEW.state = b.state AND NEW.progress IN (0, b.progress)
        AND NEW.attempts = 0 AND NEW.was_online = 0 AND NEW.interruptions = 0 AND NEW.untold = 0
        AND (NEW.from_version IS NULL OR NEW.from_version IS b.from_version)
        AND (NEW.error_reason IS NULL OR NEW.error_reason IS b.error_reason)
        AND coalesce(NEW.failed_by, NEW.failure, NEW.pushed_at, NEW.responded_at, NEW.completed_at,
          NEW.interrupted_at, NEW.due_at, NEW.pushed_clock, NEW.connection) IS NULL);
END;

CREATE TRIGGER task_device_insert AFTER INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET (state, progress, error_reason, completed_at, from_version) = (
    SELECT b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms), b.from_version
    FROM now CROSS JOIN task_device_begin AS b
    WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  -- that a new row waits is no change of state
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT 0, waiting + (state = 'waiting'), success + (state = 'success'), canceled + (state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
  WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_device_key BEFORE UPDATE OF task_id, device_id ON task_device
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
      THEN RAISE(ABORT, 'only state of a row in task_device can be set by hand: the rest follows from it')
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
      WHEN OLD.state = 'failed' AND (SELECT mode FROM task WHERE task_id = OLD.task_id) = 'pull'
        THEN RAISE(ABORT, 'only rows of push tasks are retried: in a pull task delete the row (DELETE FROM task_device ...) and insert it again')
    END
    ELSE RAISE(ABORT, 'by hand, state of a row in task_device can be set to ''waiting'' (retry a failed row, continue a canceled one) or ''canceled'' (stop a waiting one): the rest is for the devices to say')
  END;
END;

CREATE TRIGGER task_device_canceled_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state = 'canceled' AND OLD.state <> 'canceled'
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET completed_at = (SELECT ms FROM now)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  INSERT INTO task_change (task_id, device_id, state) VALUES (NEW.task_id, NEW.device_id, NEW.state);
  UPDATE task_count SET settling = 0, waiting = waiting - 1, canceled = canceled + 1 WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_device_waiting_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state = 'waiting' AND OLD.state <> 'waiting'
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    (state, progress, error_reason, completed_at, from_version) = (
      SELECT b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms), b.from_version
      FROM now CROSS JOIN task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = NEW.device_id),
    failure = NULL, failed_by = NULL, interruptions = 0, connection = NULL,
    pushed_at = NULL, responded_at = NULL, interrupted_at = NULL, due_at = NULL, pushed_clock = NULL
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  -- who retries wants it now: what the end of the failed upgrade has the device wait for is over
  UPDATE catalog_state SET plugin_writing = 1;
  UPDATE device SET due_at = nullif(due_at, settles_at), settles_at = NULL
  WHERE device_id = NEW.device_id AND settles_at IS NOT NULL AND product_id = (
    SELECT f.product_id FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
    WHERE t.task_id = NEW.task_id);
  UPDATE catalog_state SET plugin_writing = 0;
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, state FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  UPDATE task_count SET (settling, waiting, success, failed, canceled) = (
    SELECT
      0, waiting + (state = 'waiting'), success + (state = 'success'),
      failed - (OLD.state = 'failed'), canceled + (state = 'canceled') - (OLD.state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
  WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_device_counted AFTER UPDATE OF state ON task_device
WHEN NEW.state <> OLD.state AND (SELECT plugin_writing FROM catalog_state) = 1
BEGIN
  UPDATE task_count SET
    waiting = waiting + (NEW.state = 'waiting') - (OLD.state = 'waiting'),
    processing = processing + (NEW.state = 'processing') - (OLD.state = 'processing'),
    success = success + (NEW.state = 'success') - (OLD.state = 'success'),
    failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
    canceled = canceled + (NEW.state = 'canceled') - (OLD.state = 'canceled')
  WHERE task_id = NEW.task_id AND settling = 0;
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
  UPDATE task_count SET
    settling = 0,
    success = success - (OLD.state = 'success'),
    failed = failed - (OLD.state = 'failed'),
    canceled = canceled - (OLD.state = 'canceled')
  WHERE task_id = OLD.task_id;
END;
