-- What guards the catalog and gives an operator's statements their meaning. Can be dropped and created again.
--
-- All of it holds with foreign_keys and recursive_triggers on or off, and for OR REPLACE and UPSERT: a BEFORE
-- trigger comes before any conflict is resolved. SQLite fires the triggers of one event in no order to rely on,
-- so no trigger here depends on another one of its event.
--
-- Two marks tell who writes: catalog_state.plugin_writing is 1 in the plugin's transactions, and
-- task_count.settling is 1 while a trigger below changes rows of that task and does their counting itself.

-- product

CREATE TRIGGER product_insert AFTER INSERT ON product
BEGIN
  UPDATE catalog_state SET generation = generation + 1;
  -- only INSERT OR REPLACE finds tasks here
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND t.state = 'running' AND t.mode = 'push';
END;

CREATE TRIGGER product_key BEFORE UPDATE OF product_id ON product
WHEN NEW.product_id IS NOT OLD.product_id
BEGIN
  SELECT RAISE(ABORT, 'product_id cannot change: insert a new product, and delete this one when it has no firmware and no devices');
END;

CREATE TRIGGER product_update AFTER UPDATE ON product
WHEN NEW.firmware_enabled IS NOT OLD.firmware_enabled
  OR NEW.pull_policy IS NOT OLD.pull_policy
  OR NEW.public_key IS NOT OLD.public_key
BEGIN
  UPDATE catalog_state SET generation = generation + 1;
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND OLD.firmware_enabled = 0
    AND t.state = 'running' AND t.mode = 'push';
  -- what the old key vouched for, or could not, is verified again
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND NEW.public_key IS NOT OLD.public_key
    AND file IS NOT NULL AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready' OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
END;

CREATE TRIGGER product_delete BEFORE DELETE ON product
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has firmware: delete its firmware first (DELETE FROM firmware WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
    WHEN EXISTS (SELECT 1 FROM device WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has devices: delete its devices first (DELETE FROM device WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
  END;
  UPDATE catalog_state SET generation = generation + 1;
END;

-- firmware

CREATE TRIGGER firmware_insert_guard BEFORE INSERT ON firmware
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
      THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'this firmware_id exists already: choose another one or leave it out, or change that row with UPDATE firmware')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = NEW.product_id AND version = NEW.version)
      THEN RAISE(ABORT, 'the product has firmware of this version already: choose another version, or change that row with UPDATE firmware')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = NEW.product_id AND version_order = NEW.version_order)
      THEN RAISE(ABORT, 'the product has firmware with this version_order already: choose another number (SELECT max(version_order) + 1 FROM firmware WHERE product_id = ...)')
  END;
END;

CREATE TRIGGER firmware_insert_parameters BEFORE INSERT ON firmware
BEGIN
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE WHEN json_valid(NEW.parameters) THEN json_type(NEW.parameters) = 'object' ELSE NEW.parameters IS NULL END;
END;

CREATE TRIGGER firmware_update_parameters BEFORE UPDATE OF parameters ON firmware
BEGIN
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE WHEN json_valid(NEW.parameters) THEN json_type(NEW.parameters) = 'object' ELSE NEW.parameters IS NULL END;
END;

CREATE TRIGGER firmware_insert AFTER INSERT ON firmware
BEGIN
  UPDATE firmware SET state = iif(file IS NULL, 'ready', 'pending'), state_reason = NULL
  WHERE firmware_id = NEW.firmware_id;
  UPDATE catalog_state SET generation = generation + 1;
END;

CREATE TRIGGER firmware_update_guard BEFORE UPDATE ON firmware
BEGIN
  SELECT CASE
    WHEN NEW.firmware_id IS NOT OLD.firmware_id
      THEN RAISE(ABORT, 'firmware_id cannot change: insert new firmware, and delete this one when it has no task')
    WHEN NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
      OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
      OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
      THEN CASE
        WHEN (SELECT plugin_writing FROM catalog_state) = 0 AND EXISTS (
          SELECT 1 FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
          WHERE t.firmware_id = OLD.firmware_id AND c.waiting + c.processing > 0)
          THEN RAISE(ABORT, 'a task of this firmware has open rows: what devices are told (version, version_order, product_id, file, url, size, sign, sign_method) cannot change before they end; stop the task (UPDATE task SET state = ''stopped'' ...) and wait for what is under way, or add new firmware')
        WHEN NEW.product_id IS NOT OLD.product_id AND EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id)
          THEN RAISE(ABORT, 'this firmware has a task, whose devices are of its product: delete the task first (DELETE FROM task WHERE firmware_id = ...)')
        WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
          THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version = NEW.version AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware of this version already: choose another version')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version_order = NEW.version_order AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware with this version_order already: choose another number')
      END
  END;
  SELECT RAISE(ABORT, 'firmware with a file becomes ready when the plugin has verified the file: set state = ''pending'' to have it verified again')
  WHERE NEW.file IS NOT NULL AND NEW.state = 'ready' AND OLD.state IS NOT 'ready'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
END;

-- By hand: a hosted row that is pending is ready at once; a row whose file is told differently is verified again.
CREATE TRIGGER firmware_settle AFTER UPDATE OF state, state_reason, file, url, size, sign, sign_method ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.state IS NOT OLD.state OR NEW.state_reason IS NOT OLD.state_reason
    OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
    OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method)
BEGIN
  UPDATE firmware SET state = CASE
    WHEN NEW.state = 'rejected' AND OLD.state <> 'rejected' THEN 'rejected'
    WHEN NEW.file IS NULL THEN iif(NEW.state = 'pending' OR OLD.file IS NOT NULL, 'ready', NEW.state)
    WHEN NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url OR NEW.size IS NOT OLD.size
      OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method THEN 'pending'
    ELSE NEW.state
  END
  WHERE firmware_id = NEW.firmware_id;
  UPDATE firmware SET state_reason = NULL
  WHERE firmware_id = NEW.firmware_id AND state <> 'rejected' AND state_reason IS NOT NULL;
END;

CREATE TRIGGER firmware_updated_at
AFTER UPDATE OF product_id, name, version, version_order, sign_method, sign, url, size, file, parameters, description, state
ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware SET updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE firmware_id = NEW.firmware_id;
END;

CREATE TRIGGER firmware_update AFTER UPDATE ON firmware
WHEN NEW.state IS NOT OLD.state OR NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
  OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
  OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
  OR NEW.parameters IS NOT OLD.parameters
BEGIN
  UPDATE catalog_state SET generation = generation + 1;
  -- who verified the file does not matter: waiting devices can be served now
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task
  WHERE firmware_id = NEW.firmware_id AND NEW.state = 'ready' AND OLD.state <> 'ready'
    AND state = 'running' AND mode = 'push';
END;

CREATE TRIGGER firmware_delete BEFORE DELETE ON firmware
BEGIN
  SELECT RAISE(ABORT, 'this firmware has a task: delete the task first (DELETE FROM task WHERE firmware_id = ...), or withdraw the firmware (UPDATE firmware SET state = ''rejected'' ...)')
  WHERE EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id);
  DELETE FROM firmware_file WHERE firmware_id = OLD.firmware_id;
  DELETE FROM download WHERE firmware_id = OLD.firmware_id;
  UPDATE catalog_state SET generation = generation + 1;
END;

-- firmware_file

-- Withdrawn by hand: no new state of its file brings it back. Hosted elsewhere: its file is no concern any more.
CREATE TRIGGER firmware_file_forget AFTER UPDATE OF state, file ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND ((NEW.state = 'rejected' AND OLD.state <> 'rejected') OR (NEW.file IS NULL AND OLD.file IS NOT NULL))
BEGIN
  DELETE FROM firmware_file WHERE firmware_id = NEW.firmware_id;
END;

-- A url given by hand is not the plugin's to change.
CREATE TRIGGER firmware_file_url AFTER UPDATE OF url ON firmware
WHEN NEW.url IS NOT OLD.url AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware_file SET url_made = 0 WHERE firmware_id = NEW.firmware_id;
END;

-- download

CREATE TRIGGER download_insert BEFORE INSERT ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download is written by the plugin alone: it records what was sent to devices');
END;

CREATE TRIGGER download_update BEFORE UPDATE ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download cannot be changed: it records what was sent to devices; a row may be deleted, and begins anew with the next download');
END;

-- device

CREATE TRIGGER device_insert_guard BEFORE INSERT ON device
BEGIN
  SELECT RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
  WHERE NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id);
END;

-- The plugin may know it online.
CREATE TRIGGER device_insert AFTER INSERT ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO device_change (product_id, device_id) VALUES (NEW.product_id, NEW.device_id);
END;

CREATE TRIGGER device_key BEFORE UPDATE OF product_id, device_id ON device
WHEN NEW.product_id IS NOT OLD.product_id OR NEW.device_id IS NOT OLD.device_id
BEGIN
  SELECT RAISE(ABORT, 'product_id and device_id of a device cannot change: insert a new device, and delete this one when no task has it');
END;

CREATE TRIGGER device_delete BEFORE DELETE ON device
BEGIN
  SELECT RAISE(ABORT, 'this device is in a task: delete its rows first (DELETE FROM task_device WHERE device_id = ... AND state NOT IN (''waiting'', ''processing''))')
  WHERE EXISTS (
    SELECT 1 FROM firmware AS f
    CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
    CROSS JOIN task_device AS r ON r.task_id = t.task_id AND r.device_id = OLD.device_id
    WHERE f.product_id = OLD.product_id);
  DELETE FROM download WHERE product_id = OLD.product_id AND device_id = OLD.device_id;
END;

-- logs

CREATE TRIGGER progress_log_insert BEFORE INSERT ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log is written by the plugin alone: it records what devices said');
END;

CREATE TRIGGER progress_log_update BEFORE UPDATE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be changed: it records what devices said');
END;

CREATE TRIGGER progress_log_delete BEFORE DELETE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;

CREATE TRIGGER version_log_insert BEFORE INSERT ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log is written by the plugin alone: it records what devices said');
END;

CREATE TRIGGER version_log_update BEFORE UPDATE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be changed: it records what devices said');
END;

CREATE TRIGGER version_log_delete BEFORE DELETE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;

-- catalog_state

CREATE TRIGGER catalog_state_insert BEFORE INSERT ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state has its one row already: leave it to the plugin');
END;

CREATE TRIGGER catalog_state_delete BEFORE DELETE ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state must keep its row: leave it to the plugin');
END;

-- task

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
  INSERT INTO task_count (task_id, settling) VALUES (NEW.task_id, 1);
  INSERT INTO task_device (task_id, device_id, state, progress, completed_at, from_version)
  SELECT
    NEW.task_id, d.device_id,
    CASE WHEN d.version = f.version THEN 'success' WHEN NEW.state = 'stopped' THEN 'canceled' ELSE 'waiting' END,
    CASE WHEN d.version = f.version THEN 100 ELSE 0 END,
    CASE WHEN d.version = f.version OR NEW.state = 'stopped'
      THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
    d.version
  FROM firmware AS f CROSS JOIN device AS d ON d.product_id = f.product_id
  WHERE f.firmware_id = NEW.firmware_id AND NEW.release_type = 'all';
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  UPDATE catalog_state SET generation = generation + 1;
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
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled',
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_count SET settling = 0, canceled = canceled + waiting, waiting = 0 WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1;
END;

CREATE TRIGGER task_continue AFTER UPDATE OF state ON task
WHEN OLD.state = 'stopped' AND NEW.state = 'running'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_device SET
    (state, progress, completed_at, from_version) = (
      SELECT
        CASE WHEN d.version = f.version THEN 'success' ELSE 'waiting' END,
        CASE WHEN d.version = f.version THEN 100 ELSE 0 END,
        CASE WHEN d.version = f.version
          THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        d.version
      FROM firmware AS f CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE f.firmware_id = NEW.firmware_id AND d.device_id = task_device.device_id),
    error_reason = NULL, failed_by = NULL, pushed_at = NULL, responded_at = NULL,
    interrupted_at = NULL, due_at = NULL, pushed_clock = NULL
  WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1;
END;

CREATE TRIGGER task_delete BEFORE DELETE ON task
BEGIN
  SELECT RAISE(ABORT, 'this task has devices that are waiting or processing: stop it first (UPDATE task SET state = ''stopped'' ...), and wait for those under way to end or time out')
  WHERE (SELECT waiting + processing FROM task_count WHERE task_id = OLD.task_id) > 0;
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  DELETE FROM task_device WHERE task_id = OLD.task_id;
  DELETE FROM task_count WHERE task_id = OLD.task_id;
  DELETE FROM task_change WHERE task_id = OLD.task_id;
  UPDATE catalog_state SET generation = generation + 1;
END;

-- task_device

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
  WHERE (NEW.state <> 'waiting' OR NEW.progress <> 0 OR NEW.attempts <> 0 OR NEW.was_online <> 0
      OR coalesce(NEW.from_version, NEW.error_reason, NEW.failed_by, NEW.pushed_at, NEW.responded_at,
        NEW.completed_at, NEW.interrupted_at, NEW.due_at, NEW.pushed_clock) IS NOT NULL)
    -- what the rules give anyway may be written down
    AND NOT EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id
        AND NEW.state = CASE WHEN d.version = f.version THEN 'success' WHEN t.state = 'stopped' THEN 'canceled' ELSE 'waiting' END
        AND NEW.progress IN (0, CASE WHEN d.version = f.version THEN 100 ELSE 0 END)
        AND NEW.attempts = 0 AND NEW.was_online = 0
        AND (NEW.from_version IS NULL OR NEW.from_version IS d.version)
        AND coalesce(NEW.error_reason, NEW.failed_by, NEW.pushed_at, NEW.responded_at, NEW.completed_at,
          NEW.interrupted_at, NEW.due_at, NEW.pushed_clock) IS NULL);
END;

CREATE TRIGGER task_device_insert AFTER INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    from_version = (
      SELECT d.version
      FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  UPDATE task_device SET
    state = 'success', progress = 100,
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id
    AND from_version = (
      SELECT f.version FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE t.task_id = NEW.task_id);
  UPDATE task_device SET
    state = 'canceled',
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id AND state <> 'success'
    AND (SELECT state FROM task WHERE task_id = NEW.task_id) = 'stopped';
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
      OR NEW.was_online IS NOT OLD.was_online
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
  UPDATE task_device SET completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  INSERT INTO task_change (task_id, device_id) VALUES (NEW.task_id, NEW.device_id);
  UPDATE task_count SET settling = 0, waiting = waiting - 1, canceled = canceled + 1 WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_device_waiting_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state = 'waiting' AND OLD.state <> 'waiting'
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    progress = 0, error_reason = NULL, failed_by = NULL, pushed_at = NULL, responded_at = NULL,
    completed_at = NULL, interrupted_at = NULL, due_at = NULL, pushed_clock = NULL,
    from_version = (
      SELECT d.version
      FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  UPDATE task_device SET
    state = 'success', progress = 100,
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id
    AND from_version = (
      SELECT f.version FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE t.task_id = NEW.task_id);
  INSERT INTO task_change (task_id, device_id) VALUES (NEW.task_id, NEW.device_id);
  UPDATE task_count SET (settling, waiting, success, failed, canceled) = (
    SELECT
      0, waiting + (state = 'waiting'), success + (state = 'success'),
      failed - (OLD.state = 'failed'), canceled - (OLD.state = 'canceled')
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

-- task_count

CREATE TRIGGER task_count_insert BEFORE INSERT ON task_count
WHEN NEW.settling = 0 OR EXISTS (SELECT 1 FROM task_count WHERE task_id = NEW.task_id)
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: make a task instead (INSERT INTO task ...)');
END;

-- Every change by a trigger in an operator's statement comes with settling going from 0 to 1 or back.
CREATE TRIGGER task_count_update BEFORE UPDATE ON task_count
WHEN NEW.settling = OLD.settling AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: change the rows it counts instead (UPDATE task_device ...)');
END;

CREATE TRIGGER task_count_open AFTER UPDATE OF waiting, processing ON task_count
WHEN (NEW.waiting + NEW.processing > 0) <> (OLD.waiting + OLD.processing > 0)
BEGIN
  UPDATE catalog_state SET generation = generation + 1;
END;

CREATE TRIGGER task_count_delete BEFORE DELETE ON task_count
WHEN OLD.settling = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: delete the task instead (DELETE FROM task WHERE task_id = ...)');
END;
