-- What guards tasks, and what stop, continue and delete do.

CREATE TRIGGER task_insert_guard BEFORE INSERT ON task
BEGIN
  SELECT CASE
    WHEN NEW.position IS NOT 0
      THEN RAISE(ABORT, 'position of a task is given by the catalog: leave it out')
    WHEN EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
      THEN RAISE(ABORT, 'this task_id exists already: choose another one or leave it out')
    WHEN NOT EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'unknown firmware_id: add the firmware first (INSERT INTO firmware ...), or look for its id (SELECT firmware_id, product_id, version FROM firmware)')
    WHEN (SELECT p.firmware_enabled FROM firmware AS f CROSS JOIN product AS p ON p.product_id = f.product_id
          WHERE f.firmware_id = NEW.firmware_id) = 0
      THEN RAISE(ABORT, 'the product of this firmware is disabled: enable it first (UPDATE product SET firmware_enabled = 1 WHERE product_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'pending'
      THEN RAISE(ABORT, 'this firmware is pending: wait until the plugin has verified its file (SELECT state, state_reason FROM firmware WHERE firmware_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'rejected'
      THEN RAISE(ABORT, 'this firmware is rejected: see why (SELECT state_reason FROM firmware WHERE firmware_id = ...), mend it, and have it verified again (UPDATE firmware SET state = ''pending'' ...)')
  END;
END;

CREATE TRIGGER task_insert AFTER INSERT ON task
BEGIN
  UPDATE task SET position = 1 + (SELECT max(position) FROM task) WHERE task_id = NEW.task_id;
  INSERT INTO task_count (task_id, settling, product_id, running)
  SELECT NEW.task_id, 1, product_id, NEW.state = 'running' FROM firmware WHERE firmware_id = NEW.firmware_id;
  INSERT INTO task_device (task_id, device_id, state, progress, error_reason, completed_at, from_version)
  SELECT b.task_id, b.device_id, b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms), b.from_version
  FROM now CROSS JOIN task_device_begin AS b
  WHERE b.task_id = NEW.task_id AND NEW.release_type = 'all';
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

CREATE TRIGGER task_update_guard BEFORE UPDATE OF task_id, firmware_id, mode, release_type, position ON task
WHEN NEW.task_id IS NOT OLD.task_id OR NEW.firmware_id IS NOT OLD.firmware_id
  OR NEW.mode IS NOT OLD.mode OR NEW.release_type IS NOT OLD.release_type
  OR (NEW.position IS NOT OLD.position AND OLD.position <> 0)
BEGIN
  SELECT RAISE(ABORT, 'task_id, firmware_id, mode, release_type and position of a task cannot change: stop this task (UPDATE task SET state = ''stopped'' ...) and make a new one');
END;

CREATE TRIGGER task_stop AFTER UPDATE OF state ON task
WHEN OLD.state = 'running' AND NEW.state = 'stopped'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, 'canceled' FROM task_device WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled',
    completed_at = (SELECT ms FROM now)
  WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_count SET settling = 0, running = 0, canceled = canceled + waiting, waiting = 0 WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

CREATE TRIGGER task_continue AFTER UPDATE OF state ON task
WHEN OLD.state = 'stopped' AND NEW.state = 'running'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO task_change (task_id, device_id, state)
  SELECT r.task_id, r.device_id, b.state
  FROM task_device AS r CROSS JOIN task_device_begin AS b ON b.task_id = r.task_id AND b.device_id = r.device_id
  WHERE r.task_id = NEW.task_id AND r.state = 'canceled' AND b.state <> 'canceled';
  UPDATE task_device SET
    (state, progress, error_reason, completed_at, from_version) = (
      SELECT b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms), b.from_version
      FROM now CROSS JOIN task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = task_device.device_id),
    failure = NULL, failed_by = NULL, interruptions = 0, connection = NULL,
    pushed_at = NULL, responded_at = NULL, interrupted_at = NULL, due_at = NULL, pushed_clock = NULL
  WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_count SET (settling, running, waiting, success, canceled) = (
    SELECT
      0, 1, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

-- Rows that it holds back, or not any more, are looked at.
CREATE TRIGGER task_allow_downgrade AFTER UPDATE OF allow_downgrade ON task
WHEN NEW.allow_downgrade IS NOT OLD.allow_downgrade
BEGIN
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

CREATE TRIGGER task_delete BEFORE DELETE ON task
BEGIN
  SELECT RAISE(ABORT, 'this task has devices that are waiting or processing: stop it first (UPDATE task SET state = ''stopped'' ...), and wait for those under way to end or time out')
  WHERE (SELECT waiting + processing FROM task_count WHERE task_id = OLD.task_id) > 0;
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  DELETE FROM task_device WHERE task_id = OLD.task_id;
  DELETE FROM task_count WHERE task_id = OLD.task_id;
  -- what its rows became is still to be told
  INSERT INTO task_change (task_id, state, product_id, firmware_id)
  SELECT OLD.task_id, 'deleted', product_id, firmware_id FROM firmware
  WHERE firmware_id = OLD.firmware_id
    AND EXISTS (SELECT 1 FROM task_change WHERE task_id = OLD.task_id AND state IS NOT NULL);
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
