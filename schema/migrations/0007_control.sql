-- What the control plane writes and shows: who administered what, and counts that a million rows
-- are too many for.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says
-- otherwise.

-- Who administered what by the control plane ($CONTROL and HTTP); statements in a shell leave
-- nothing here.
CREATE TABLE admin_log (
  -- grows with at, so the oldest rows have the lowest log_id
  log_id INTEGER PRIMARY KEY CONSTRAINT "log_id must be 1 or more" CHECK (log_id >= 1),
  at INTEGER NOT NULL,
  -- user name; '' where the socket's permissions are the login
  who TEXT NOT NULL,
  -- the face and the client id, or the network address: 'control ctrl-1', 'http 127.0.0.1'
  from_ TEXT NOT NULL,
  -- such as 'stopTask'
  command TEXT NOT NULL,
  -- what it was about: an id, or those of product and device with a slash between; '': none
  subject TEXT NOT NULL,
  -- 'ok', or the code of the error and its sentence
  outcome TEXT NOT NULL
) STRICT;

-- How many devices of a product run which version, and how many of these are online. Exact:
-- triggers keep it; nobody else writes it.
CREATE TABLE device_count (
  product_id TEXT NOT NULL,
  -- '': they never told it
  version TEXT NOT NULL,
  devices INTEGER NOT NULL CHECK (devices >= 0),
  online INTEGER NOT NULL CHECK (online BETWEEN 0 AND devices),
  PRIMARY KEY (product_id, version)
) STRICT, WITHOUT ROWID;

INSERT INTO device_count (product_id, version, devices, online)
SELECT product_id, coalesce(version, ''), count(*), count(*) FILTER (WHERE presence = 'online')
FROM device GROUP BY 1, 2;

-- A device as it is before a statement that may replace it: INSERT OR REPLACE deletes without a
-- trigger. For the triggers alone; at most one row.
CREATE TABLE device_replaced (
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  version TEXT,
  presence TEXT
) STRICT;

-- of the waiting rows those whose device is not online
ALTER TABLE task_count ADD COLUMN offline INTEGER NOT NULL DEFAULT 0 CHECK (offline >= 0);

UPDATE catalog_state SET plugin_writing = 1;
UPDATE task_count SET offline = (
  SELECT count(*)
  FROM task_device AS r
  CROSS JOIN device AS d ON d.product_id = task_count.product_id AND d.device_id = r.device_id
  WHERE r.task_id = task_count.task_id AND r.state = 'waiting' AND d.presence IS NOT 'online')
WHERE waiting > 0;
UPDATE catalog_state SET plugin_writing = 0;

-- why rows failed is counted by this index alone, beside a million others
CREATE INDEX task_device_failure ON task_device (task_id, failure, error_reason)
WHERE state = 'failed';

-- serves: the next timeout; and who says nothing for long, by the index alone
DROP INDEX task_device_due;
CREATE INDEX task_device_due ON task_device (due_at, task_id, device_id, pushed_at, responded_at)
WHERE due_at IS NOT NULL;
