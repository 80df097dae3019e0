-- What guards admin_log: only the control plane writes it, and nothing in it is changed.

CREATE TRIGGER admin_log_insert_guard BEFORE INSERT ON admin_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'admin_log is append-only, and written by the plugin alone: it records what was done by $CONTROL and HTTP');
END;

CREATE TRIGGER admin_log_update_guard BEFORE UPDATE ON admin_log
BEGIN
  SELECT RAISE(ABORT, 'admin_log is append-only: it records what was done, and is not changed');
END;

CREATE TRIGGER admin_log_delete_guard BEFORE DELETE ON admin_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'admin_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;
