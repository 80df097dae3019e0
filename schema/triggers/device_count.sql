-- What keeps the counts of devices: device_count by product and version, and task_count.offline,
-- how many waiting rows of a task are of devices that are not online. Changes of the rows
-- themselves are counted in triggers/task_device.sql and triggers/task.sql.
--
-- INSERT OR REPLACE deletes a row without firing DELETE triggers, unless recursive_triggers is on.
-- So BEFORE INSERT copies a device that exists already into device_replaced. An AFTER INSERT then
-- means that it was replaced, and counts it out; an AFTER DELETE has counted it out itself. INSERT
-- OR IGNORE and an upsert fire neither, and leave the copy there. That does no harm: each AFTER
-- INSERT of that device comes after a BEFORE INSERT that made a new copy.

CREATE TRIGGER device_insert_keep BEFORE INSERT ON device
WHEN EXISTS (
  SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id)
BEGIN
  DELETE FROM device_replaced;
  INSERT INTO device_replaced (product_id, device_id, version, presence)
  SELECT product_id, device_id, version, presence FROM device
  WHERE product_id = NEW.product_id AND device_id = NEW.device_id;
END;

CREATE TRIGGER device_insert_replaced AFTER INSERT ON device
WHEN EXISTS (
  SELECT 1 FROM device_replaced
  WHERE product_id = NEW.product_id AND device_id = NEW.device_id)
BEGIN
  UPDATE device_count SET devices = devices - 1, online = online - (r.presence IS 'online')
  FROM device_replaced AS r
  WHERE device_count.product_id = r.product_id AND device_count.version = coalesce(r.version, '');
  -- task_count_update_guard lets a trigger change task_count only together with settling
  UPDATE task_count SET settling = 1
  WHERE product_id = NEW.product_id AND task_id IN (
    SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting');
  UPDATE task_count SET
    settling = 0, offline = offline + (r.presence IS 'online') - (NEW.presence IS 'online')
  FROM device_replaced AS r
  WHERE task_count.product_id = NEW.product_id AND settling = 1;
  DELETE FROM device_count
  WHERE devices = 0 AND product_id = NEW.product_id AND version = (
    SELECT coalesce(version, '') FROM device_replaced);
  DELETE FROM device_replaced;
END;

CREATE TRIGGER device_insert_count AFTER INSERT ON device
BEGIN
  INSERT INTO device_count (product_id, version, devices, online)
  SELECT NEW.product_id, coalesce(NEW.version, ''), 0, 0
  WHERE NOT EXISTS (
    SELECT 1 FROM device_count
    WHERE product_id = NEW.product_id AND version = coalesce(NEW.version, ''));
  UPDATE device_count SET devices = devices + 1, online = online + (NEW.presence IS 'online')
  WHERE product_id = NEW.product_id AND version = coalesce(NEW.version, '');
END;

CREATE TRIGGER device_update_count_version AFTER UPDATE OF version ON device
WHEN NEW.version IS NOT OLD.version
BEGIN
  INSERT INTO device_count (product_id, version, devices, online)
  SELECT NEW.product_id, coalesce(NEW.version, ''), 0, 0
  WHERE NOT EXISTS (
    SELECT 1 FROM device_count
    WHERE product_id = NEW.product_id AND version = coalesce(NEW.version, ''));
  UPDATE device_count SET devices = devices + 1, online = online + (NEW.presence IS 'online')
  WHERE product_id = NEW.product_id AND version = coalesce(NEW.version, '');
  UPDATE device_count SET devices = devices - 1, online = online - (OLD.presence IS 'online')
  WHERE product_id = OLD.product_id AND version = coalesce(OLD.version, '');
  DELETE FROM device_count
  WHERE product_id = OLD.product_id AND version = coalesce(OLD.version, '') AND devices = 0;
END;

CREATE TRIGGER device_update_count_presence AFTER UPDATE OF presence ON device
WHEN (NEW.presence IS 'online') <> (OLD.presence IS 'online') AND NEW.version IS OLD.version
BEGIN
  UPDATE device_count
  SET online = online + (NEW.presence IS 'online') - (OLD.presence IS 'online')
  WHERE product_id = NEW.product_id AND version = coalesce(NEW.version, '');
END;

-- The waiting rows of a device are found by an index. Mostly there is one, or none: this trigger
-- does without IN, for which SQLite builds a temporary table that costs more than all the rest.
CREATE TRIGGER device_update_offline AFTER UPDATE OF presence ON device
WHEN (NEW.presence IS 'online') <> (OLD.presence IS 'online')
  AND (
    SELECT count(*) FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting') = 1
BEGIN
  -- task_count_update_guard lets a trigger change task_count only together with settling
  UPDATE task_count SET settling = 1
  WHERE product_id = NEW.product_id AND (SELECT plugin_writing FROM catalog_state) = 0
    AND task_id = (
      SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting');
  UPDATE task_count SET
    settling = 0,
    offline = offline + (OLD.presence IS 'online') - (NEW.presence IS 'online')
  WHERE product_id = NEW.product_id AND task_id = (
    SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting');
END;

CREATE TRIGGER device_update_offline_often AFTER UPDATE OF presence ON device
WHEN (NEW.presence IS 'online') <> (OLD.presence IS 'online')
  AND (
    SELECT count(*) FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting') > 1
BEGIN
  UPDATE task_count SET settling = 1
  WHERE product_id = NEW.product_id AND (SELECT plugin_writing FROM catalog_state) = 0
    AND task_id IN (
      SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting');
  UPDATE task_count SET
    settling = 0,
    offline = offline + (OLD.presence IS 'online') - (NEW.presence IS 'online')
  WHERE product_id = NEW.product_id AND task_id IN (
    SELECT task_id FROM task_device WHERE device_id = NEW.device_id AND state = 'waiting');
END;

-- device_delete refuses a device that is in a task, so no count of a task changes.
CREATE TRIGGER device_delete_count AFTER DELETE ON device
BEGIN
  DELETE FROM device_replaced;
  UPDATE device_count SET devices = devices - 1, online = online - (OLD.presence IS 'online')
  WHERE product_id = OLD.product_id AND version = coalesce(OLD.version, '');
  DELETE FROM device_count
  WHERE product_id = OLD.product_id AND version = coalesce(OLD.version, '') AND devices = 0;
END;
