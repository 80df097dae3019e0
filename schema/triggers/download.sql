-- Downloads are the plugin's own records.

CREATE TRIGGER download_insert_guard BEFORE INSERT ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download is written by the plugin alone: it records what was sent to devices');
END;

CREATE TRIGGER download_delete_effect AFTER DELETE ON download
BEGIN
  DELETE FROM download_range
  WHERE product_id = OLD.product_id AND device_id = OLD.device_id AND firmware_id = OLD.firmware_id;
END;

CREATE TRIGGER download_range_insert_guard BEFORE INSERT ON download_range
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download_range is written by the plugin alone: it records what was sent to devices');
END;

CREATE TRIGGER download_range_update_guard BEFORE UPDATE ON download_range
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download_range cannot be changed: it records what was sent to devices; delete the row of download to begin anew');
END;

CREATE TRIGGER download_update_guard BEFORE UPDATE ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download cannot be changed: it records what was sent to devices; a row may be deleted, and begins anew with the next download');
END;
