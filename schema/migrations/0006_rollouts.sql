-- Rollouts: stages, rates, windows, a stop; and what becomes of a device after its upgrade.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says
-- otherwise; a "clock" is in milliseconds of the scheduler's steady clock (catalog_state.clock_ms).

-- A task can be paused. The check of an existing column is changed in the schema's text
-- (sqlite.org/lang_altertable.html, section 8), so that no row moves and an operator's own triggers
-- stay.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    '"state of a task must be ''running'' or ''stopped''"',
    '"state of a task must be ''running'', ''paused'' or ''stopped''"'),
  'CHECK (state IN (''running'', ''stopped''))',
  'CHECK (state IN (''running'', ''paused'', ''stopped''))')
WHERE type = 'table' AND name = 'task';
PRAGMA writable_schema = RESET;

-- what proves a device: 'version': it reported the target after the attempt began; 'complete': the
-- row is success
ALTER TABLE task ADD COLUMN gate TEXT NOT NULL DEFAULT 'version'
  CONSTRAINT "gate must be 'version' or 'complete'" CHECK (gate IN ('version', 'complete'));
-- the stop: the task pauses when so many per cent of those whose end is known failed, of at least
-- so many; or when so many failed
ALTER TABLE task ADD COLUMN stop_failed_percent INTEGER
  CONSTRAINT "stop_failed_percent must be 1 to 100 or NULL" CHECK (
    stop_failed_percent IS NULL OR stop_failed_percent BETWEEN 1 AND 100);
ALTER TABLE task ADD COLUMN stop_failed_min INTEGER NOT NULL DEFAULT 5
  CONSTRAINT "stop_failed_min must be 1 to 1000000" CHECK (stop_failed_min BETWEEN 1 AND 1000000);
ALTER TABLE task ADD COLUMN stop_failed_count INTEGER
  CONSTRAINT "stop_failed_count must be 1 to 1000000 or NULL" CHECK (
    stop_failed_count IS NULL OR stop_failed_count BETWEEN 1 AND 1000000);
-- after so many the counts of the stop begin anew
ALTER TABLE task ADD COLUMN stop_window INTEGER NOT NULL DEFAULT 1000
  CONSTRAINT "stop_window must be 10 to 1000000" CHECK (stop_window BETWEEN 10 AND 1000000);
-- starts a minute; doubled after each so many that are proved, ten times at most
ALTER TABLE task ADD COLUMN rate_per_minute INTEGER
  CONSTRAINT "rate_per_minute must be 1 to 1000000 or NULL" CHECK (
    rate_per_minute IS NULL OR rate_per_minute BETWEEN 1 AND 1000000);
ALTER TABLE task ADD COLUMN rate_doubles_after INTEGER
  CONSTRAINT "rate_doubles_after must be 1 to 1000000 or NULL" CHECK (
    rate_doubles_after IS NULL OR rate_doubles_after BETWEEN 1 AND 1000000);
-- nothing starts while so many rows are processing
ALTER TABLE task ADD COLUMN max_in_flight INTEGER
  CONSTRAINT "max_in_flight must be 1 to 1000000 or NULL" CHECK (
    max_in_flight IS NULL OR max_in_flight BETWEEN 1 AND 1000000);
-- a device is pushed when it has been online for so long
ALTER TABLE task ADD COLUMN min_online_seconds INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "min_online_seconds must be 0 to 86400" CHECK (min_online_seconds BETWEEN 0 AND 86400);
-- nothing starts before start_at and from end_at on, when the task pauses or stops
ALTER TABLE task ADD COLUMN start_at INTEGER
  CONSTRAINT "start_at must be a time in Unix milliseconds or NULL" CHECK (
    start_at IS NULL OR start_at >= 0);
ALTER TABLE task ADD COLUMN end_at INTEGER
  CONSTRAINT "end_at must be a time in Unix milliseconds or NULL" CHECK (
    end_at IS NULL OR end_at >= 0);
ALTER TABLE task ADD COLUMN end_action TEXT NOT NULL DEFAULT 'pause'
  CONSTRAINT "end_action must be 'pause' or 'stop'" CHECK (end_action IN ('pause', 'stop'));
-- the minute of the day at which the window opens, and for how long
ALTER TABLE task ADD COLUMN window_start INTEGER
  CONSTRAINT "window_start must be a minute of the day, 0 to 1439, or NULL" CHECK (
    window_start IS NULL OR window_start BETWEEN 0 AND 1439);
ALTER TABLE task ADD COLUMN window_minutes INTEGER
  CONSTRAINT "window_minutes must be 1 to 1440 or NULL" CHECK (
    window_minutes IS NULL OR window_minutes BETWEEN 1 AND 1440);
-- days on which it opens: bit 0 is Monday
ALTER TABLE task ADD COLUMN window_days INTEGER NOT NULL DEFAULT 127
  CONSTRAINT "window_days must be 1 to 127" CHECK (window_days BETWEEN 1 AND 127);
ALTER TABLE task ADD COLUMN window_clock TEXT NOT NULL DEFAULT 'utc'
  CONSTRAINT "window_clock must be 'utc', 'broker' or 'device'" CHECK (
    window_clock IN ('utc', 'broker', 'device'));
-- what failed is started again so often by itself, after so long, twice as long each time
ALTER TABLE task ADD COLUMN retry_limit INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "retry_limit must be 0 to 10" CHECK (retry_limit BETWEEN 0 AND 10);
ALTER TABLE task ADD COLUMN retry_seconds INTEGER NOT NULL DEFAULT 600
  CONSTRAINT "retry_seconds must be 1 to 604800" CHECK (retry_seconds BETWEEN 1 AND 604800);
ALTER TABLE task ADD COLUMN retry_on TEXT NOT NULL DEFAULT 'transient'
  CONSTRAINT "retry_on must be 'transient' or 'any'" CHECK (retry_on IN ('transient', 'any'));
-- so long after it was first told a device may put its upgrade off; NULL: for ever
ALTER TABLE task ADD COLUMN defer_seconds INTEGER
  CONSTRAINT "defer_seconds must be 0 to 31536000 or NULL" CHECK (
    defer_seconds IS NULL OR defer_seconds BETWEEN 0 AND 31536000);
-- so long after its success a row is on trial; so long away after its start a device is lost
ALTER TABLE task ADD COLUMN trial_seconds INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "trial_seconds must be 0 to 604800" CHECK (trial_seconds BETWEEN 0 AND 604800);
ALTER TABLE task ADD COLUMN lost_seconds INTEGER
  CONSTRAINT "lost_seconds must be 60 to 604800 or NULL" CHECK (
    lost_seconds IS NULL OR lost_seconds BETWEEN 60 AND 604800);
-- 1: its rows take the place of those that wait in older tasks
ALTER TABLE task ADD COLUMN supersede INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "supersede must be 0 or 1" CHECK (supersede IN (0, 1));
-- 1: a device that is first heard of later gets a row
ALTER TABLE task ADD COLUMN continuous INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "continuous must be 0 or 1" CHECK (continuous IN (0, 1));
-- kept by the plugin; an operator may raise it
ALTER TABLE task ADD COLUMN stage INTEGER NOT NULL DEFAULT 1
  CONSTRAINT "stage must be 1 or more" CHECK (stage >= 1);
-- why and when it was paused
ALTER TABLE task ADD COLUMN paused_reason TEXT
  CONSTRAINT "paused_reason must be at most 1000 characters" CHECK (
    paused_reason IS NULL OR length(paused_reason) <= 1000);
ALTER TABLE task ADD COLUMN paused_at INTEGER;

-- The stages of a task: cumulative and rising. No rows: one stage of all devices.
CREATE TABLE task_stage (
  task_id TEXT NOT NULL REFERENCES task (task_id),
  stage INTEGER NOT NULL
    CONSTRAINT "stage must be 1 or more" CHECK (stage >= 1),
  -- how many devices have started when the stage is full: per cent of the task's rows, or a number
  until_percent REAL
    CONSTRAINT "until_percent must be over 0 and at most 100, or NULL" CHECK (
      until_percent IS NULL OR (until_percent > 0 AND until_percent <= 100)),
  until_count INTEGER
    CONSTRAINT "until_count must be 1 or more, or NULL" CHECK (
      until_count IS NULL OR until_count >= 1),
  -- so many per cent of them must be proved, and hold for so long, before the next stage begins
  success_percent INTEGER NOT NULL DEFAULT 90
    CONSTRAINT "success_percent must be 0 to 100" CHECK (success_percent BETWEEN 0 AND 100),
  hold_seconds INTEGER NOT NULL DEFAULT 3600
    CONSTRAINT "hold_seconds must be 0 to 2592000" CHECK (hold_seconds BETWEEN 0 AND 2592000),
  -- pause: the next stage begins when the task is resumed
  on_success TEXT NOT NULL DEFAULT 'next'
    CONSTRAINT "on_success must be 'next' or 'pause'" CHECK (on_success IN ('next', 'pause')),
  CONSTRAINT "a stage needs either until_percent or until_count" CHECK (
    (until_percent IS NULL) <> (until_count IS NULL)),
  PRIMARY KEY (task_id, stage)
) STRICT, WITHOUT ROWID;

-- Always empty: triggers look at what is inserted here, and refuse a plan that cannot be.
CREATE TABLE check_task (
  task_id TEXT,
  firmware_id TEXT,
  release_type TEXT,
  state TEXT,
  start_at INTEGER,
  end_at INTEGER,
  -- 1: end_at must not be past
  ends_anew INTEGER,
  window_start INTEGER,
  window_minutes INTEGER,
  continuous INTEGER
) STRICT;
CREATE TABLE check_task_stage (
  task_id TEXT,
  stage INTEGER,
  until_percent REAL,
  until_count INTEGER
) STRICT;

-- lower ones start first; drawn when the row is made
ALTER TABLE task_device ADD COLUMN turn INTEGER
  CONSTRAINT "turn must be 0 to 1000000" CHECK (turn IS NULL OR turn BETWEEN 0 AND 1000000);
-- 1: its task has stages, so that its turn counts
ALTER TABLE task_device ADD COLUMN lined INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "lined must be 0 or 1" CHECK (lined IN (0, 1));
-- when the device, started, reported the target
ALTER TABLE task_device ADD COLUMN verified_at INTEGER;
-- when a failed row is started again by itself
ALTER TABLE task_device ADD COLUMN retry_at INTEGER;
-- till when the device has put it off
ALTER TABLE task_device ADD COLUMN deferred_until INTEGER;
-- when the device was first told, counted from for defer_seconds
ALTER TABLE task_device ADD COLUMN first_told_at INTEGER;
-- how often it was started again by itself since an operator did
ALTER TABLE task_device ADD COLUMN retries INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "retries must be 0 or more" CHECK (retries >= 0);
-- on the clock: when the scheduler looks at the row again: a retry, the end of a deferral, of the
-- trial, or of the time after which the device is lost
ALTER TABLE task_device ADD COLUMN wake_clock INTEGER;
-- on the clock: the end of the trial; NULL: not on trial
ALTER TABLE task_device ADD COLUMN trial_clock INTEGER;
-- on the clock: the device went away after its start, and is lost then; NULL: it is there
ALTER TABLE task_device ADD COLUMN lost_clock INTEGER;
-- task_count.epoch in which the row was counted as proved, as bad; 0: in none; NULL: it is not
ALTER TABLE task_device ADD COLUMN proved_epoch INTEGER;
ALTER TABLE task_device ADD COLUMN bad_epoch INTEGER;

-- rows that were started (attempts >= 1, not canceled); of these those that are proved, bad, and
-- bad without another attempt to come
ALTER TABLE task_count ADD COLUMN started INTEGER NOT NULL DEFAULT 0 CHECK (started >= 0);
ALTER TABLE task_count ADD COLUMN proved INTEGER NOT NULL DEFAULT 0 CHECK (proved >= 0);
ALTER TABLE task_count ADD COLUMN bad INTEGER NOT NULL DEFAULT 0 CHECK (bad >= 0);
ALTER TABLE task_count ADD COLUMN bad_final INTEGER NOT NULL DEFAULT 0 CHECK (bad_final >= 0);
-- of these, those in spite of which an operator went on
ALTER TABLE task_count ADD COLUMN bad_forgiven INTEGER NOT NULL DEFAULT 0
  CHECK (bad_forgiven >= 0);
-- rows that were success before any attempt: they belong to no stage
ALTER TABLE task_count ADD COLUMN spared INTEGER NOT NULL DEFAULT 0 CHECK (spared >= 0);
-- failed rows that are started again by themselves
ALTER TABLE task_count ADD COLUMN retrying INTEGER NOT NULL DEFAULT 0 CHECK (retrying >= 0);
-- the stop counts from the beginning of an epoch: a stage, a resume, a full stop_window
ALTER TABLE task_count ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
ALTER TABLE task_count ADD COLUMN epoch_good INTEGER NOT NULL DEFAULT 0 CHECK (epoch_good >= 0);
ALTER TABLE task_count ADD COLUMN epoch_bad INTEGER NOT NULL DEFAULT 0 CHECK (epoch_bad >= 0);
-- on the clock: since when the gate's conditions hold; NULL: they do not
ALTER TABLE task_count ADD COLUMN hold_since INTEGER;

-- 1: only tasks hand it out, whatever pull_policy says
ALTER TABLE firmware ADD COLUMN by_task_only INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "by_task_only must be 0 or 1" CHECK (by_task_only IN (0, 1));
-- only for devices that run a version of at least this order
ALTER TABLE firmware ADD COLUMN min_version_order INTEGER
  CONSTRAINT "min_version_order must be 1 or more, or NULL" CHECK (
    min_version_order IS NULL OR min_version_order >= 1);

-- the device's own zone, as its report says
ALTER TABLE device ADD COLUMN utc_offset_minutes INTEGER
  CONSTRAINT "utc_offset_minutes must be -840 to 840 or NULL" CHECK (
    utc_offset_minutes IS NULL OR utc_offset_minutes BETWEEN -840 AND 840);
-- on the clock: since when it is online without a break; since when it is away
ALTER TABLE device ADD COLUMN online_clock INTEGER;
ALTER TABLE device ADD COLUMN away_clock INTEGER;
-- its longest absence of the last week, in ms, and when that ended
ALTER TABLE device ADD COLUMN absence_ms INTEGER;
ALTER TABLE device ADD COLUMN absence_at INTEGER;

-- For choosing devices in SQL; starts nothing.
CREATE TABLE device_tag (
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  tag TEXT NOT NULL
    CONSTRAINT "tag must be 1 to 64 characters" CHECK (
      length(tag) BETWEEN 1 AND 64 AND instr(tag, char(0)) = 0),
  PRIMARY KEY (product_id, device_id, tag)
) STRICT, WITHOUT ROWID;

-- serves: the devices with a tag
CREATE INDEX device_tag_by_tag ON device_tag (product_id, tag);

-- What happened to tasks; outlives them.
CREATE TABLE task_log (
  log_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  what TEXT NOT NULL
    CONSTRAINT "what is no change of a task" CHECK (
      what IN ('created', 'paused', 'resumed', 'stopped', 'continued', 'stage', 'ended')),
  detail TEXT,
  who TEXT NOT NULL
    CONSTRAINT "who must be 'operator' or 'plugin'" CHECK (who IN ('operator', 'plugin'))
) STRICT;

-- serves: the log of a task
CREATE INDEX task_log_by_task ON task_log (task_id, log_id);

UPDATE catalog_state SET plugin_writing = 1;
-- what ended before counts as proved, or bad, and in no epoch
UPDATE task_device SET
  turn = 1 + abs(random() % 1000000),
  proved_epoch = iif(attempts > 0 AND state = 'success', 0, NULL),
  bad_epoch = iif(attempts > 0 AND state = 'failed', 0, NULL);
UPDATE task_count SET (started, proved, bad, bad_final, spared) = (
  SELECT
    count(*) FILTER (WHERE attempts > 0 AND state <> 'canceled'),
    count(*) FILTER (WHERE attempts > 0 AND state = 'success'),
    count(*) FILTER (WHERE attempts > 0 AND state = 'failed'),
    count(*) FILTER (WHERE attempts > 0 AND state = 'failed'),
    count(*) FILTER (WHERE attempts = 0 AND state = 'success')
  FROM task_device AS r WHERE r.task_id = task_count.task_id);
UPDATE catalog_state SET plugin_writing = 0;

-- serves: the next rows to start, in their turn
CREATE INDEX task_device_turn ON task_device (task_id, turn, device_id)
  WHERE state = 'waiting' AND lined = 1;
-- serves: the rows to be started again, which no stage bounds
CREATE INDEX task_device_again ON task_device (task_id, device_id)
  WHERE state = 'waiting' AND attempts > 0;
-- serves: the row that the scheduler looks at next
CREATE INDEX task_device_wake ON task_device (wake_clock) WHERE wake_clock IS NOT NULL;
-- serves: the rows of a device that are on trial, when it reports or goes away
CREATE INDEX task_device_trial ON task_device (device_id) WHERE trial_clock IS NOT NULL;
-- serves: failed rows that wait for their task to be resumed
CREATE INDEX task_device_retry ON task_device (task_id) WHERE retry_at IS NOT NULL;
-- serves: how many rows ended in the last minutes (task_summary.per_minute)
CREATE INDEX task_device_ended ON task_device (task_id, completed_at, created_at, state)
  WHERE state IN ('success', 'failed') AND completed_at > created_at;
-- serves: a device is heard of for the first time
CREATE INDEX task_continuous ON task (firmware_id) WHERE continuous = 1;
-- serves: has a product failed rows that may be handed out again, asked like task_count_open
CREATE INDEX task_count_retrying ON task_count (product_id) WHERE retrying > 0;
