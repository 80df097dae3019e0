-- What guards the catalog and gives an operator's statements their meaning. Can be dropped and created again.
--
-- All of it holds with foreign_keys and recursive_triggers on or off, and for OR REPLACE and UPSERT: a BEFORE
-- trigger comes before any conflict is resolved. SQLite fires the triggers of one event in no order to rely on,
-- so no trigger here depends on another one of its event.
--
-- Two marks tell who writes: catalog_state.plugin_writing is 1 in the plugin's transactions, and
-- task_count.settling is 1 while a trigger below changes rows of that task and does their counting itself.

-- check_text

-- Refuses a text that is matched letter by letter, or that devices are told, with the reason. Triggers insert the texts of
-- their rows here, for SQLite has no procedures; what passes is not kept.
CREATE TRIGGER check_text_insert BEFORE INSERT ON check_text
BEGIN
  -- SQLite reads a character out of bytes that are none, and writes others for it. Text of ASCII alone is not looked at.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'version' THEN RAISE(ABORT, 'version is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'file' THEN RAISE(ABORT, 'file is not UTF-8: set your terminal to UTF-8, and rename the file if its name is not')
    WHEN 'url' THEN RAISE(ABORT, 'url is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
    WHEN 'parameters' THEN RAISE(ABORT, 'parameters is not UTF-8: set your terminal, or the encoding of the file that it comes from, to UTF-8')
  END
  WHERE EXISTS (
    WITH RECURSIVE rest(text) AS (
      SELECT NEW.text WHERE NEW.text GLOB '*[^' || char(1) || '-' || char(127) || ']*'
      UNION ALL
      SELECT substr(text, 2) FROM rest WHERE text <> '')
    SELECT 1 FROM rest WHERE text <> '' AND CAST(substr(text, 1, 1) AS BLOB) <> CAST(char(unicode(text)) AS BLOB));
  -- U+00A0 and all other blanks but the plain one, what has no width (zero-width blanks and joiners, the byte-order
  -- mark, fillers, variation selectors), and what turns the direction of writing.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'version' THEN RAISE(ABORT, 'version has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
    WHEN 'file' THEN RAISE(ABORT, 'file has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: rename the file, and type its name instead of pasting it')
    WHEN 'url' THEN RAISE(ABORT, 'url has a character that nobody sees, such as U+00A0, U+200B or U+FEFF: type it instead of pasting it')
  END
  WHERE NEW.text GLOB '*[' || char(160, 173, 847, 1564, 4447, 4448, 5760, 6068, 6069, 10240, 12288, 12644, 65279, 65440)
    || char(6155) || '-' || char(6159) || char(8192) || '-' || char(8207) || char(8232) || '-' || char(8239)
    || char(8287) || '-' || char(8303) || char(65024) || '-' || char(65039) || char(65529) || '-' || char(65531)
    || char(113824) || '-' || char(113827) || char(119155) || '-' || char(119162) || char(917504) || '-' || char(921599) || ']*';
  -- All but parameters: there a blank at the ends is none of the value.
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id must not begin or end with a blank: leave it out')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id must not begin or end with a blank: leave it out')
    WHEN 'version' THEN RAISE(ABORT, 'version must not begin or end with a blank: leave it out, no device reports it')
    WHEN 'file' THEN RAISE(ABORT, 'file must not begin or end with a blank: leave it out, and rename the file if it has one')
  END
  WHERE NEW.text GLOB ' *' OR NEW.text GLOB '* ';
  SELECT CASE NEW.what
    WHEN 'product_id' THEN RAISE(ABORT, 'product_id must be 1 to 64 bytes, without / + # and without control characters')
    WHEN 'device_id' THEN RAISE(ABORT, 'device_id must be 1 to 64 bytes, without / + # and without control characters')
    WHEN 'version' THEN RAISE(ABORT, 'version must be without control characters, such as tabs and line ends')
    WHEN 'file' THEN RAISE(ABORT, 'file must be a plain name in files_dir: 1 to 255 bytes, no /, no leading dot, no control characters')
    WHEN 'url' THEN RAISE(ABORT, 'url must be 1 to 2048 bytes, without spaces and control characters')
  END
  WHERE NEW.text GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*';
  SELECT RAISE(IGNORE);
END;

-- Apart from the others, because SQLite 3.40 takes no statement with json_valid while trusted_schema is off.
CREATE TRIGGER check_parameters_insert BEFORE INSERT ON check_parameters
BEGIN
  INSERT INTO check_text (what, text) VALUES ('parameters', NEW.text);
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE WHEN json_valid(NEW.text) THEN json_type(NEW.text) = 'object' ELSE NEW.text IS NULL END;
  SELECT RAISE(ABORT, 'parameters has a number that is too large for JSON (1.8e308 and above): write it as a string')
  WHERE EXISTS (
    SELECT 1 FROM json_tree(NEW.text)
    WHERE type IN ('integer', 'real') AND (value > 1.7976931348623157e308 OR value < -1.7976931348623157e308));
  -- RFC 8259, section 8.2; an escaped backslash begins no other escape
  SELECT RAISE(ABORT, 'parameters must be without \u0000 and without half of a surrogate pair (\ud800 to \udfff): no JSON parser agrees with another on what these are')
  WHERE EXISTS (
    WITH RECURSIVE piece(rest) AS (
      SELECT replace(NEW.text, '\\', '--') WHERE instr(NEW.text, '\u') > 0
      UNION ALL
      SELECT substr(rest, instr(rest, '\u') + iif(substr(rest, instr(rest, '\u')) GLOB '\u[dD][89aAbB]*', 12, 6))
      FROM piece WHERE instr(rest, '\u') > 0)
    SELECT 1 FROM piece
    WHERE substr(rest, instr(rest, '\u')) GLOB '\u0000*'
      OR (substr(rest, instr(rest, '\u')) GLOB '\u[dD][89a-fA-F]*'
        AND substr(rest, instr(rest, '\u')) NOT GLOB '\u[dD][89aAbB]??\u[dD][c-fC-F]*'));
  SELECT RAISE(IGNORE);
END;

-- product

CREATE TRIGGER product_insert AFTER INSERT ON product
BEGIN
  -- INSERT OR REPLACE may bring another key
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND file IS NOT NULL AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready' OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
  -- only INSERT OR REPLACE finds tasks here
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND t.state = 'running' AND t.mode = 'push';
END;

CREATE TRIGGER product_insert_text BEFORE INSERT ON product
BEGIN
  INSERT INTO check_text (what, text)
  SELECT 'product_id', NEW.product_id
  WHERE NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id);
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
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
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
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
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

CREATE TRIGGER firmware_insert_text BEFORE INSERT ON firmware
BEGIN
  INSERT INTO check_text (what, text)
  VALUES ('version', NEW.version), ('file', NEW.file), ('url', NEW.url);
END;

-- What stands there already is left alone, so that the rest of its row can be changed.
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
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
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
  UPDATE firmware SET updated_at = (SELECT ms FROM now)
  WHERE firmware_id = NEW.firmware_id;
END;

CREATE TRIGGER firmware_update AFTER UPDATE ON firmware
WHEN NEW.state IS NOT OLD.state OR NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
  OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
  OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
  OR NEW.parameters IS NOT OLD.parameters
BEGIN
  DELETE FROM label_mismatch WHERE product_id = NEW.product_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
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
  DELETE FROM download WHERE firmware_id = OLD.firmware_id;
  DELETE FROM label_mismatch WHERE product_id = OLD.product_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

-- firmware_file: whoever could write here could have bytes sent that nobody verified.

CREATE TRIGGER firmware_file_insert BEFORE INSERT ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'firmware_file is written by the plugin alone: it records which files were verified; to have one verified again: UPDATE firmware SET state = ''pending'' ...');
END;

-- What firmware_file_url does, below, may be done by hand too.
CREATE TRIGGER firmware_file_update BEFORE UPDATE ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.firmware_id IS NOT OLD.firmware_id OR NEW.file IS NOT OLD.file OR NEW.size IS NOT OLD.size
    OR NEW.mtime_ns IS NOT OLD.mtime_ns OR NEW.ctime_ns IS NOT OLD.ctime_ns OR NEW.inode IS NOT OLD.inode
    OR NEW.sha256 IS NOT OLD.sha256 OR NEW.verified_at IS NOT OLD.verified_at OR NEW.url_made > OLD.url_made)
BEGIN
  SELECT RAISE(ABORT, 'firmware_file cannot be changed: it records which files were verified; to have one verified again: UPDATE firmware SET state = ''pending'' ...');
END;

-- A row goes with its firmware, or when that is withdrawn or hosted elsewhere.
CREATE TRIGGER firmware_file_delete BEFORE DELETE ON firmware_file
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'firmware_file cannot be deleted by hand: it records which files were verified; to withdraw firmware: UPDATE firmware SET state = ''rejected'' ..., to have its file verified again: SET state = ''pending'' ...')
  WHERE EXISTS (SELECT 1 FROM firmware WHERE firmware_id = OLD.firmware_id AND state <> 'rejected' AND file IS NOT NULL);
END;

CREATE TRIGGER firmware_deleted AFTER DELETE ON firmware
BEGIN
  DELETE FROM firmware_file WHERE firmware_id = OLD.firmware_id;
END;

-- Withdrawn by hand: no new state of its file brings it back. Hosted elsewhere: its file is no concern any more.
CREATE TRIGGER firmware_file_forget AFTER UPDATE OF state, file ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND ((NEW.state = 'rejected' AND OLD.state <> 'rejected') OR (NEW.file IS NULL AND OLD.file IS NOT NULL))
BEGIN
  -- that the plugin made the url is forgotten too: so it goes, and is made anew when the row is put back, maybe with
  -- another file. It is the plugin's doing: allowed while a task is open, and nothing that settle is to hear of.
  UPDATE catalog_state SET plugin_writing = 1;
  UPDATE firmware SET url = NULL
  WHERE firmware_id = NEW.firmware_id AND file IS NOT NULL AND NEW.url IS OLD.url
    AND EXISTS (SELECT 1 FROM firmware_file AS ff WHERE ff.firmware_id = NEW.firmware_id AND ff.url_made = 1);
  UPDATE catalog_state SET plugin_writing = 0;
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

CREATE TRIGGER download_delete_effect AFTER DELETE ON download
BEGIN
  DELETE FROM download_range
  WHERE product_id = OLD.product_id AND device_id = OLD.device_id AND firmware_id = OLD.firmware_id;
END;

CREATE TRIGGER download_range_insert BEFORE INSERT ON download_range
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download_range is written by the plugin alone: it records what was sent to devices');
END;

CREATE TRIGGER download_range_update BEFORE UPDATE ON download_range
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download_range cannot be changed: it records what was sent to devices; delete the row of download to begin anew');
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
  -- INSERT OR REPLACE deletes without device_delete
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000)
  WHERE plugin_writing = 0 AND EXISTS (SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id);
END;

-- What devices call themselves is recorded as they say it.
CREATE TRIGGER device_insert_text BEFORE INSERT ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO check_text (what, text)
  SELECT 'device_id', NEW.device_id
  WHERE NOT EXISTS (SELECT 1 FROM device WHERE product_id = NEW.product_id AND device_id = NEW.device_id);
  INSERT INTO check_text (what, text) VALUES ('version', NEW.version);
END;

CREATE TRIGGER device_update_text BEFORE UPDATE OF version ON device
WHEN NEW.version IS NOT OLD.version AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO check_text (what, text) VALUES ('version', NEW.version);
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

CREATE TRIGGER device_state_guard BEFORE UPDATE OF connection, oldest_connection, due_at, settles_at, completed_from,
  completed_until, offered_firmware_id, offered_version, offer_completed ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.connection IS NOT OLD.connection OR NEW.oldest_connection IS NOT OLD.oldest_connection
    OR NEW.due_at IS NOT OLD.due_at OR NEW.settles_at IS NOT OLD.settles_at
    OR NEW.completed_from IS NOT OLD.completed_from OR NEW.completed_until IS NOT OLD.completed_until
    OR NEW.offered_firmware_id IS NOT OLD.offered_firmware_id OR NEW.offered_version IS NOT OLD.offered_version
    OR NEW.offer_completed IS NOT OLD.offer_completed)
BEGIN
  SELECT RAISE(ABORT, 'of a device only name, version, presence and last_seen_at can be set by hand: the rest is what the plugin knows of its connection and its upgrades');
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
  -- its next pull is news
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

CREATE TRIGGER device_version AFTER UPDATE OF version ON device
WHEN NEW.version IS NOT OLD.version AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
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

-- A generation never comes twice, not even in a catalog that was restored from a backup: hence its random steps.
CREATE TRIGGER catalog_state_update BEFORE UPDATE ON catalog_state
WHEN OLD.plugin_writing = 0
  AND (NEW.applied_sequence IS NOT OLD.applied_sequence OR NEW.clock_ms IS NOT OLD.clock_ms
    OR NEW.clock_wall_ms IS NOT OLD.clock_wall_ms OR NEW.clock_boot_ms IS NOT OLD.clock_boot_ms
    OR NEW.clock_boot_id IS NOT OLD.clock_boot_id OR NEW.trust_wall_ms IS NOT OLD.trust_wall_ms
    OR NEW.trust_steady_ms IS NOT OLD.trust_steady_ms OR NEW.trust_off_ms IS NOT OLD.trust_off_ms
    OR NEW.trust_off_since IS NOT OLD.trust_off_since OR NEW.trust_boot_id IS NOT OLD.trust_boot_id)
BEGIN
  SELECT RAISE(ABORT, 'catalog_state is the plugin''s own: leave it alone, or messages that devices sent are lost');
END;

CREATE TRIGGER catalog_state_insert BEFORE INSERT ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state has its one row already: leave it to the plugin');
END;

CREATE TRIGGER catalog_state_delete BEFORE DELETE ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state must keep its row: leave it to the plugin');
END;
