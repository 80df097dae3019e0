-- Many tasks, of one firmware or of many products: what is asked of a device or a product looks at its own rows alone.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says otherwise.

-- IF EXISTS: an operator may have dropped it
DROP INDEX IF EXISTS task_device_open;
-- serves: the rows of a device: the open ones for its pull, its reports, and the push when it shows itself; all of them for what it
-- says of a firmware, device_history, and whether it may be deleted
CREATE INDEX task_device_by_device ON task_device (device_id, state);
