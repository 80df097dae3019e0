-- Many tasks, of one firmware or of many products: what is asked of a device or a product looks at its own rows alone.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says otherwise.

-- IF EXISTS: an operator may have dropped it
DROP INDEX IF EXISTS task_device_open;
-- serves: the rows of a device: the open ones for its pull, its reports, and the push when it shows itself; all of them for what it
-- says of a firmware, device_history, and whether it may be deleted
CREATE INDEX task_device_by_device ON task_device (device_id, state);

-- product of the task; given by a trigger
ALTER TABLE task_count ADD COLUMN product_id TEXT NOT NULL DEFAULT '';
-- 1: the task is running
ALTER TABLE task_count ADD COLUMN running INTEGER NOT NULL DEFAULT 1 CHECK (running IN (0, 1));
UPDATE catalog_state SET plugin_writing = 1;
UPDATE task_count SET product_id = f.product_id, running = t.state = 'running'
FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
WHERE t.task_id = task_count.task_id;
UPDATE catalog_state SET plugin_writing = 0;
DROP INDEX IF EXISTS task_count_open;
-- serves: has a product running tasks with open rows, asked at the first pull after a change of the catalog
CREATE INDEX task_count_open ON task_count (product_id) WHERE running = 1 AND waiting + processing > 0;

-- what the operator's change brought the row to, told to applications whatever becomes of the row, once; NULL: there is nothing to
-- tell of a row that was added, or the task's waiting rows want a look; 'deleted', without a device: the task was
ALTER TABLE task_change ADD COLUMN state TEXT;
-- with 'deleted': whose product and firmware the task's changes before this one are told of
ALTER TABLE task_change ADD COLUMN product_id TEXT;
ALTER TABLE task_change ADD COLUMN firmware_id TEXT;
UPDATE task_change SET state = (
  SELECT r.state FROM task_device AS r WHERE r.task_id = task_change.task_id AND r.device_id = task_change.device_id);
-- serves: what waits to be told of a row, before its next change is; was the task of a change deleted
CREATE INDEX task_change_of_row ON task_change (task_id, device_id) WHERE state IS NOT NULL;
