-- What guards the logs of what devices said: only the plugin writes them.

CREATE TRIGGER progress_log_insert_guard BEFORE INSERT ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log is written by the plugin alone: it records what devices said');
END;

CREATE TRIGGER progress_log_update_guard BEFORE UPDATE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be changed: it records what devices said');
END;

CREATE TRIGGER progress_log_delete_guard BEFORE DELETE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;

CREATE TRIGGER version_log_insert_guard BEFORE INSERT ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log is written by the plugin alone: it records what devices said');
END;

CREATE TRIGGER version_log_update_guard BEFORE UPDATE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be changed: it records what devices said');
END;

CREATE TRIGGER version_log_delete_guard BEFORE DELETE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;
