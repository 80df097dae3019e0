-- What guards devices, and what a change of one does.

CREATE TRIGGER device_insert_guard BEFORE INSERT ON device
BEGIN
  SELECT RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
  WHERE NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id);
  -- INSERT OR REPLACE deletes without device_delete
  INSERT INTO touch_catalog
  SELECT 1 FROM device
  WHERE product_id = NEW.product_id AND device_id = NEW.device_id
    AND (SELECT plugin_writing FROM catalog_state) = 0;
END;

-- Checks what operators write. What devices say of themselves is recorded as it is.
CREATE TRIGGER device_insert_text BEFORE INSERT ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO check_text (what, text)
  SELECT 'device_id', NEW.device_id
  WHERE NOT EXISTS (
    SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id);
  INSERT INTO check_text (what, text) VALUES ('version', NEW.version);
END;

CREATE TRIGGER device_update_text BEFORE UPDATE OF version ON device
WHEN NEW.version IS NOT OLD.version AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO check_text (what, text) VALUES ('version', NEW.version);
END;

-- The plugin may know that a device which an operator adds is online.
CREATE TRIGGER device_insert AFTER INSERT ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO device_change (product_id, device_id) VALUES (NEW.product_id, NEW.device_id);
END;

CREATE TRIGGER device_update_key_guard BEFORE UPDATE OF product_id, device_id ON device
WHEN NEW.product_id IS NOT OLD.product_id OR NEW.device_id IS NOT OLD.device_id
BEGIN
  SELECT RAISE(ABORT, 'product_id and device_id of a device cannot change: insert a new device, and delete this one when no task has it');
END;

CREATE TRIGGER device_update_guard
BEFORE UPDATE OF connection, oldest_connection, due_at, settles_at, completed_from,
  completed_until, offered_firmware_id, offered_version, offer_completed, online_clock, away_clock,
  absence_ms, absence_at ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.connection IS NOT OLD.connection OR NEW.oldest_connection IS NOT OLD.oldest_connection
    OR NEW.due_at IS NOT OLD.due_at OR NEW.settles_at IS NOT OLD.settles_at
    OR NEW.completed_from IS NOT OLD.completed_from
    OR NEW.completed_until IS NOT OLD.completed_until
    OR NEW.offered_firmware_id IS NOT OLD.offered_firmware_id
    OR NEW.offered_version IS NOT OLD.offered_version
    OR NEW.offer_completed IS NOT OLD.offer_completed OR NEW.online_clock IS NOT OLD.online_clock
    OR NEW.away_clock IS NOT OLD.away_clock OR NEW.absence_ms IS NOT OLD.absence_ms
    OR NEW.absence_at IS NOT OLD.absence_at)
BEGIN
  SELECT RAISE(ABORT, 'of a device only name, version, presence, last_seen_at and utc_offset_minutes can be set by hand: the rest is what the plugin knows of its connection and its upgrades');
END;

CREATE TRIGGER device_delete BEFORE DELETE ON device
BEGIN
  SELECT RAISE(ABORT, 'this device is in a task: delete its rows first (DELETE FROM task_device WHERE device_id = ... AND state NOT IN (''waiting'', ''processing''))')
  WHERE EXISTS (
    SELECT 1 FROM task_device AS r
    CROSS JOIN task AS t ON t.task_id = r.task_id
    CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
    WHERE r.device_id = OLD.device_id AND f.product_id = OLD.product_id);
  DELETE FROM download WHERE product_id = OLD.product_id AND device_id = OLD.device_id;
  DELETE FROM label_mismatch WHERE product_id = OLD.product_id AND device_id = OLD.device_id;
  DELETE FROM device_tag WHERE product_id = OLD.product_id AND device_id = OLD.device_id;
  -- so that the device's next pull is recorded, even if it repeats the last one
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER device_update_version AFTER UPDATE OF version, utc_offset_minutes ON device
WHEN (NEW.version, NEW.utc_offset_minutes) IS NOT (OLD.version, OLD.utc_offset_minutes)
  AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO touch_catalog VALUES (1);
END;

-- A new device, added by the plugin or an operator, gets a row in the product's continuous task. In
-- a stopped task the row is canceled like the others, and waits when the task is continued.
CREATE TRIGGER device_insert_continuous AFTER INSERT ON device
WHEN EXISTS (SELECT 1 FROM task WHERE continuous = 1)
BEGIN
  INSERT INTO task_device (task_id, device_id)
  SELECT t.task_id, NEW.device_id
  FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
  WHERE t.continuous = 1 AND f.product_id = NEW.product_id
    -- INSERT OR REPLACE may bring one that is known
    AND NOT EXISTS (
      SELECT 1 FROM task_device AS r
      WHERE r.task_id = t.task_id AND r.device_id = NEW.device_id);
  INSERT INTO task_change (task_id, device_id)
  SELECT r.task_id, r.device_id
  FROM task AS t CROSS JOIN task_device AS r ON r.task_id = t.task_id
  CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
  WHERE t.continuous = 1 AND r.device_id = NEW.device_id AND r.state = 'waiting'
    AND f.product_id = NEW.product_id AND (SELECT plugin_writing FROM catalog_state) = 1;
END;

-- Tags are for choosing devices in SQL.
CREATE TRIGGER device_tag_insert_guard BEFORE INSERT ON device_tag
BEGIN
  SELECT RAISE(ABORT, 'no such device of this product: add the device first (INSERT INTO device (product_id, device_id) VALUES (...))')
  WHERE NOT EXISTS (
    SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id);
END;

CREATE TRIGGER device_tag_update_guard BEFORE UPDATE OF product_id, device_id ON device_tag
BEGIN
  SELECT RAISE(ABORT, 'no such device of this product: add the device first (INSERT INTO device (product_id, device_id) VALUES (...))')
  WHERE NOT EXISTS (
    SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id);
END;
