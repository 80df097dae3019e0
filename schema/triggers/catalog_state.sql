-- What guards the one row of catalog_state, the plugin's own state.
--
-- Triggers of many tables move its generation when something changed that a cached answer depends
-- on, by INSERT INTO touch_catalog VALUES (1): SQLite has no procedures.

CREATE TRIGGER catalog_state_update_guard BEFORE UPDATE ON catalog_state
WHEN OLD.plugin_writing = 0
  AND (NEW.applied_sequence IS NOT OLD.applied_sequence OR NEW.clock_ms IS NOT OLD.clock_ms
    OR NEW.clock_wall_ms IS NOT OLD.clock_wall_ms OR NEW.clock_boot_ms IS NOT OLD.clock_boot_ms
    OR NEW.clock_boot_id IS NOT OLD.clock_boot_id OR NEW.trust_wall_ms IS NOT OLD.trust_wall_ms
    OR NEW.trust_steady_ms IS NOT OLD.trust_steady_ms OR NEW.trust_off_ms IS NOT OLD.trust_off_ms
    OR NEW.trust_off_since IS NOT OLD.trust_off_since
    OR NEW.trust_boot_id IS NOT OLD.trust_boot_id)
BEGIN
  SELECT RAISE(ABORT, 'catalog_state is the plugin''s own: leave it alone, or messages that devices sent are lost');
END;

CREATE VIEW touch_catalog AS SELECT 1 AS touches;

-- By random steps, so that no generation comes twice, not even in a catalog that was restored from
-- a backup.
CREATE TRIGGER touch_catalog_insert INSTEAD OF INSERT ON touch_catalog
BEGIN
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;

CREATE TRIGGER catalog_state_insert_guard BEFORE INSERT ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state has its one row already: leave it to the plugin');
END;

CREATE TRIGGER catalog_state_delete_guard BEFORE DELETE ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state must keep its row: leave it to the plugin');
END;
