-- What guards firmware and the plugin's notes on its files, and what a change of one does.

CREATE TRIGGER firmware_insert_guard BEFORE INSERT ON firmware
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
      THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'this firmware_id exists already: choose another one or leave it out, or change that row with UPDATE firmware')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = NEW.product_id AND version = NEW.version)
      THEN RAISE(ABORT, 'the product has firmware of this version already: choose another version, or change that row with UPDATE firmware')
    WHEN EXISTS (
      SELECT 1 FROM firmware
      WHERE product_id = NEW.product_id AND version_order = NEW.version_order)
      THEN RAISE(ABORT, 'the product has firmware with this version_order already: choose another number (SELECT max(version_order) + 1 FROM firmware WHERE product_id = ...)')
  END;
END;

CREATE TRIGGER firmware_insert_text BEFORE INSERT ON firmware
BEGIN
  INSERT INTO check_text (what, text)
  VALUES ('version', NEW.version), ('file', NEW.file), ('url', NEW.url);
END;

-- Checks only texts that change: the rest of a row with an old text can still be changed.
CREATE TRIGGER firmware_update_text BEFORE UPDATE OF version, file, url ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO check_text (what, text)
  SELECT 'version', NEW.version WHERE NEW.version IS NOT OLD.version
  UNION ALL SELECT 'file', NEW.file WHERE NEW.file IS NOT OLD.file
  UNION ALL SELECT 'url', NEW.url WHERE NEW.url IS NOT OLD.url;
END;

CREATE TRIGGER firmware_insert_parameters BEFORE INSERT ON firmware
BEGIN
  INSERT INTO check_parameters (text) VALUES (NEW.parameters);
END;

CREATE TRIGGER firmware_update_parameters BEFORE UPDATE OF parameters ON firmware
WHEN NEW.parameters IS NOT OLD.parameters
BEGIN
  INSERT INTO check_parameters (text) VALUES (NEW.parameters);
END;

CREATE TRIGGER firmware_insert AFTER INSERT ON firmware
BEGIN
  UPDATE firmware SET state = iif(file IS NULL, 'ready', 'pending'), state_reason = NULL
  WHERE firmware_id = NEW.firmware_id;
  DELETE FROM label_mismatch WHERE product_id = NEW.product_id;
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER firmware_update_guard BEFORE UPDATE ON firmware
BEGIN
  SELECT CASE
    WHEN NEW.firmware_id IS NOT OLD.firmware_id
      THEN RAISE(ABORT, 'firmware_id cannot change: insert new firmware, and delete this one when it has no task')
    WHEN NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
      OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
      OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign
      OR NEW.sign_method IS NOT OLD.sign_method
      THEN CASE
        WHEN (SELECT plugin_writing FROM catalog_state) = 0 AND EXISTS (
          SELECT 1 FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
          WHERE t.firmware_id = OLD.firmware_id AND c.waiting + c.processing + c.retrying > 0)
          THEN RAISE(ABORT, 'a task of this firmware has open rows: what devices are told (version, version_order, product_id, file, url, size, sign, sign_method) cannot change before they end; stop the task (UPDATE task SET state = ''stopped'' ...) and wait for what is under way, or add new firmware')
        WHEN NEW.product_id IS NOT OLD.product_id
          AND EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id)
          THEN RAISE(ABORT, 'this firmware has a task, whose devices are of its product: delete the task first (DELETE FROM task WHERE firmware_id = ...)')
        WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
          THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version = NEW.version
            AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware of this version already: choose another version')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version_order = NEW.version_order
            AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware with this version_order already: choose another number')
      END
  END;
  SELECT RAISE(ABORT, 'firmware with a file becomes ready when the plugin has verified the file: set state = ''pending'' to have it verified again')
  WHERE NEW.file IS NOT NULL AND NEW.state = 'ready' AND OLD.state IS NOT 'ready'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
END;

-- By hand: a pending row without a file is ready at once; a row whose file is described differently
-- is verified again.
CREATE TRIGGER firmware_update_settle
AFTER UPDATE OF state, state_reason, file, url, size, sign, sign_method ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.state IS NOT OLD.state OR NEW.state_reason IS NOT OLD.state_reason
    OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
    OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign
    OR NEW.sign_method IS NOT OLD.sign_method)
BEGIN
  UPDATE firmware SET state = CASE
    WHEN NEW.state = 'rejected' AND OLD.state <> 'rejected' THEN 'rejected'
    WHEN NEW.file IS NULL
      THEN iif(NEW.state = 'pending' OR OLD.file IS NOT NULL, 'ready', NEW.state)
    WHEN NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url OR NEW.size IS NOT OLD.size
      OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method THEN 'pending'
    ELSE NEW.state
  END
  WHERE firmware_id = NEW.firmware_id;
  UPDATE firmware SET state_reason = NULL
  WHERE firmware_id = NEW.firmware_id AND state <> 'rejected' AND state_reason IS NOT NULL;
END;

CREATE TRIGGER firmware_update_stamp
AFTER UPDATE OF product_id, name, version, version_order, sign_method, sign, url, size, file,
  parameters, description, state, by_task_only, min_version_order
ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware SET updated_at = (SELECT ms FROM now)
  WHERE firmware_id = NEW.firmware_id;
END;

CREATE TRIGGER firmware_update AFTER UPDATE ON firmware
WHEN NEW.state IS NOT OLD.state OR NEW.version IS NOT OLD.version
  OR NEW.version_order IS NOT OLD.version_order OR NEW.product_id IS NOT OLD.product_id
  OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url OR NEW.size IS NOT OLD.size
  OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
  OR NEW.parameters IS NOT OLD.parameters
BEGIN
  DELETE FROM label_mismatch WHERE product_id = NEW.product_id;
  INSERT INTO touch_catalog VALUES (1);
  -- whoever made it ready: waiting devices can be served now
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task
  WHERE firmware_id = NEW.firmware_id AND NEW.state = 'ready' AND OLD.state <> 'ready'
    AND state = 'running' AND mode = 'push';
  -- withdrawn: devices that waited for a task of it go on with the others of the product
  INSERT INTO task_change (task_id)
  SELECT t.task_id
  FROM task_count AS c CROSS JOIN task AS t ON t.task_id = c.task_id
  WHERE NEW.state <> 'ready' AND OLD.state = 'ready'
    AND c.product_id = OLD.product_id AND c.running = 1 AND c.waiting > 0
    AND t.firmware_id <> NEW.firmware_id AND t.state = 'running' AND t.mode = 'push'
    AND EXISTS (
      SELECT 1 FROM task AS w
      WHERE w.firmware_id = NEW.firmware_id AND w.state = 'running' AND w.mode = 'push');
END;

-- Which devices it is offered to. Its description stays.
CREATE TRIGGER firmware_update_offer AFTER UPDATE OF by_task_only, min_version_order ON firmware
WHEN (NEW.by_task_only, NEW.min_version_order) IS NOT (OLD.by_task_only, OLD.min_version_order)
BEGIN
  INSERT INTO touch_catalog VALUES (1);
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task
  WHERE firmware_id = NEW.firmware_id AND NEW.min_version_order IS NOT OLD.min_version_order
    AND state = 'running' AND mode = 'push';
END;

CREATE TRIGGER firmware_delete BEFORE DELETE ON firmware
BEGIN
  SELECT RAISE(ABORT, 'this firmware has a task: delete the task first (DELETE FROM task WHERE firmware_id = ...), or withdraw the firmware (UPDATE firmware SET state = ''rejected'' ...)')
  WHERE EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id);
  DELETE FROM download WHERE firmware_id = OLD.firmware_id;
  DELETE FROM label_mismatch WHERE product_id = OLD.product_id;
  INSERT INTO touch_catalog VALUES (1);
END;

-- Only the plugin writes firmware_file: other writers could have unverified bytes sent to devices.
CREATE TRIGGER firmware_file_insert_guard BEFORE INSERT ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'firmware_file is written by the plugin alone: it records which files were verified; to have one verified again: UPDATE firmware SET state = ''pending'' ...');
END;

-- What firmware_update_url does, below, may be done by hand too.
CREATE TRIGGER firmware_file_update_guard BEFORE UPDATE ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.firmware_id IS NOT OLD.firmware_id OR NEW.file IS NOT OLD.file
    OR NEW.size IS NOT OLD.size OR NEW.mtime_ns IS NOT OLD.mtime_ns
    OR NEW.ctime_ns IS NOT OLD.ctime_ns OR NEW.inode IS NOT OLD.inode
    OR NEW.sha256 IS NOT OLD.sha256 OR NEW.verified_at IS NOT OLD.verified_at
    OR NEW.url_made > OLD.url_made)
BEGIN
  SELECT RAISE(ABORT, 'firmware_file cannot be changed: it records which files were verified; to have one verified again: UPDATE firmware SET state = ''pending'' ...');
END;

-- A row goes with its firmware, or when that is withdrawn or hosted elsewhere.
CREATE TRIGGER firmware_file_delete_guard BEFORE DELETE ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'firmware_file cannot be deleted by hand: it records which files were verified; to withdraw firmware: UPDATE firmware SET state = ''rejected'' ..., to have its file verified again: SET state = ''pending'' ...')
  WHERE EXISTS (
    SELECT 1 FROM firmware
    WHERE firmware_id = OLD.firmware_id AND state <> 'rejected' AND file IS NOT NULL);
END;

CREATE TRIGGER firmware_delete_file AFTER DELETE ON firmware
BEGIN
  DELETE FROM firmware_file WHERE firmware_id = OLD.firmware_id;
END;

-- Rejected by hand: no change of its file makes it ready again. Hosted elsewhere: its file does not
-- matter any more.
CREATE TRIGGER firmware_update_forget_file AFTER UPDATE OF state, file ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND ((NEW.state = 'rejected' AND OLD.state <> 'rejected')
    OR (NEW.file IS NULL AND OLD.file IS NOT NULL))
BEGIN
  -- The row that says that the plugin made the url is deleted below. So the url is cleared, and
  -- made anew when the firmware is put back, maybe with another file. As the plugin, since that is
  -- allowed while a task is open, and firmware_update_settle does not react to it.
  UPDATE catalog_state SET plugin_writing = 1;
  UPDATE firmware SET url = NULL
  WHERE firmware_id = NEW.firmware_id AND file IS NOT NULL AND NEW.url IS OLD.url
    AND EXISTS (
      SELECT 1 FROM firmware_file AS ff
      WHERE ff.firmware_id = NEW.firmware_id AND ff.url_made = 1);
  UPDATE catalog_state SET plugin_writing = 0;
  DELETE FROM firmware_file WHERE firmware_id = NEW.firmware_id;
END;

-- A url given by hand is not the plugin's to change.
CREATE TRIGGER firmware_update_url AFTER UPDATE OF url ON firmware
WHEN NEW.url IS NOT OLD.url AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware_file SET url_made = 0 WHERE firmware_id = NEW.firmware_id;
END;
