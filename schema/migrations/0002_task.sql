-- Upgrade tasks: which devices get which firmware, and how far each one is.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says otherwise.

CREATE TABLE task (
  -- made up when it is not given
  task_id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(8))))
    CONSTRAINT "task_id must be 1 to 64 of A-Z a-z 0-9 . _ -" CHECK (
      length(task_id) BETWEEN 1 AND 64
      AND instr(task_id, char(0)) = 0
      AND task_id NOT GLOB '*[^A-Za-z0-9._-]*'),
  -- what its devices get; its product is the firmware's
  firmware_id TEXT NOT NULL REFERENCES firmware (firmware_id),
  -- for people
  name TEXT NOT NULL
    CONSTRAINT "name of a task must be 1 to 64 characters" CHECK (
      length(name) BETWEEN 1 AND 64 AND instr(name, char(0)) = 0),
  -- push: the broker sends upgrade; pull: the devices get it when they ask
  mode TEXT NOT NULL
    CONSTRAINT "mode must be 'push' or 'pull'" CHECK (mode IN ('push', 'pull')),
  -- all: every device the product has when the task is made; part: the operator inserts task_device rows
  release_type TEXT NOT NULL DEFAULT 'all'
    CONSTRAINT "release_type must be 'all' or 'part'" CHECK (release_type IN ('all', 'part')),
  -- push: no sign of life for so long after the push ends the attempt; no meaning for pull
  response_timeout_seconds INTEGER NOT NULL DEFAULT 60
    CONSTRAINT "response_timeout_seconds must be 1 to 99999" CHECK (response_timeout_seconds BETWEEN 1 AND 99999),
  -- not complete so long after the push or the pull's answer is a failure
  timeout_seconds INTEGER NOT NULL DEFAULT 3600
    CONSTRAINT "timeout_seconds must be 1 to 99999" CHECK (timeout_seconds BETWEEN 1 AND 99999),
  description TEXT NOT NULL DEFAULT ''
    CONSTRAINT "description of a task must be at most 200 characters" CHECK (
      length(description) <= 200 AND instr(description, char(0)) = 0),
  -- stopped: nothing new is sent; what is under way goes on
  state TEXT NOT NULL DEFAULT 'running'
    CONSTRAINT "state of a task must be 'running' or 'stopped'" CHECK (state IN ('running', 'stopped')),
  -- a device is upgraded by its oldest task first
  created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  -- which of the tasks of one millisecond is the oldest; given by a trigger
  position INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- serves: may this firmware be changed or deleted; the tasks of a product
CREATE INDEX task_by_firmware ON task (firmware_id);
-- serves: the position of the next task
CREATE INDEX task_by_position ON task (position);

CREATE TABLE task_device (
  task_id TEXT NOT NULL REFERENCES task (task_id),
  -- with the product of the task's firmware, the key of device
  device_id TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting'
    CONSTRAINT "state of a device in a task must be 'waiting', 'processing', 'success', 'failed' or 'canceled'" CHECK (
      state IN ('waiting', 'processing', 'success', 'failed', 'canceled')),
  -- per cent of this attempt
  progress INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "progress must be 0 to 100" CHECK (progress BETWEEN 0 AND 100),
  -- why it failed, for people
  error_reason TEXT,
  -- who decided a failure: the device's own word is final, the broker's (a timeout) is not
  failed_by TEXT
    CONSTRAINT "failed_by must be 'device', 'broker' or NULL" CHECK (failed_by IS NULL OR failed_by IN ('device', 'broker')),
  -- what the device ran when its row began to wait
  from_version TEXT,
  -- how often it was pushed or answered
  attempts INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "attempts must be 0 or more" CHECK (attempts >= 0),
  created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  -- when the push of this attempt was sent, or the pull answered
  pushed_at INTEGER,
  -- first upgrade/reply or progress of this attempt
  responded_at INTEGER,
  -- when it became success, failed or canceled
  completed_at INTEGER,
  -- when the device went offline during this attempt
  interrupted_at INTEGER,
  -- 1: it was known to be online when this attempt was pushed
  was_online INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "was_online must be 0 or 1" CHECK (was_online IN (0, 1)),
  -- next timeout, on the scheduler's steady clock (catalog_state.clock_ms), not wall time
  due_at INTEGER
    CONSTRAINT "due_at is for processing rows only" CHECK (due_at IS NULL OR state = 'processing'),
  -- pushed_at on the scheduler's steady clock
  pushed_clock INTEGER,
  PRIMARY KEY (task_id, device_id)
) STRICT, WITHOUT ROWID;

-- serves: the open rows of a device: for its pull, its progress and reports, and the push when it shows itself
CREATE INDEX task_device_open ON task_device (device_id) WHERE state IN ('waiting', 'processing');
-- serves: the next timeout
CREATE INDEX task_device_due ON task_device (due_at) WHERE due_at IS NOT NULL;

-- How many rows of a task are in which state. Exact: triggers keep it; nobody else writes it.
CREATE TABLE task_count (
  task_id TEXT NOT NULL PRIMARY KEY REFERENCES task (task_id),
  waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
  processing INTEGER NOT NULL DEFAULT 0 CHECK (processing >= 0),
  success INTEGER NOT NULL DEFAULT 0 CHECK (success >= 0),
  failed INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
  canceled INTEGER NOT NULL DEFAULT 0 CHECK (canceled >= 0),
  -- 1 only inside a trigger that changes rows of this task and keeps their counts itself
  settling INTEGER NOT NULL DEFAULT 0 CHECK (settling IN (0, 1))
) STRICT, WITHOUT ROWID;

-- serves: has a product running tasks with open rows, asked at the first pull after a change of the catalog
CREATE INDEX task_count_open ON task_count (task_id) WHERE waiting + processing > 0;

-- What operators changed: a queue the plugin empties.
CREATE TABLE task_change (
  change_id INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL,
  -- a row whose state changed; NULL: the task's waiting rows want a look
  device_id TEXT
) STRICT;
