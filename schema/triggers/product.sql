-- What guards products, and what a change of one does.

CREATE TRIGGER product_insert AFTER INSERT ON product
BEGIN
  -- INSERT OR REPLACE may bring another key
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND file IS NOT NULL
    AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready'
      OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
  INSERT INTO touch_catalog VALUES (1);
  -- only INSERT OR REPLACE finds tasks here
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1
    AND t.state = 'running' AND t.mode = 'push';
END;

CREATE TRIGGER product_insert_text BEFORE INSERT ON product
BEGIN
  INSERT INTO check_text (what, text)
  SELECT 'product_id', NEW.product_id
  WHERE NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id);
END;

CREATE TRIGGER product_update_key_guard BEFORE UPDATE OF product_id ON product
WHEN NEW.product_id IS NOT OLD.product_id
BEGIN
  SELECT RAISE(ABORT, 'product_id cannot change: insert a new product, and delete this one when it has no firmware and no devices');
END;

CREATE TRIGGER product_update AFTER UPDATE ON product
WHEN NEW.firmware_enabled IS NOT OLD.firmware_enabled
  OR NEW.pull_policy IS NOT OLD.pull_policy
  OR NEW.public_key IS NOT OLD.public_key
BEGIN
  INSERT INTO touch_catalog VALUES (1);
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND OLD.firmware_enabled = 0
    AND t.state = 'running' AND t.mode = 'push';
  -- what the old key vouched for, or could not, is verified again
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND NEW.public_key IS NOT OLD.public_key
    AND file IS NOT NULL AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready'
      OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
END;

CREATE TRIGGER product_delete BEFORE DELETE ON product
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has firmware: delete its firmware first (DELETE FROM firmware WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
    WHEN EXISTS (SELECT 1 FROM device WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has devices: delete its devices first (DELETE FROM device WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
  END;
  INSERT INTO touch_catalog VALUES (1);
END;
