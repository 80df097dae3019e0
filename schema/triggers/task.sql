-- What guards tasks, and what pause, resume, stop, continue, a change of stage and delete do.
--
-- A trigger that changes a row of task itself does so while task_count.settling is 1: then the
-- triggers that guard an operator's change, or react to it, do nothing.
--
-- What canceled or waiting again makes of a row is written where it is done, and alike: canceled in
-- task_insert, task_update_stop, supersede_older_insert and by_hand_insert_stop; waiting again in
-- task_update_continue and by_hand_insert_requeue. One procedure for both would cost a trigger a
-- row: a third more time for a task of 100,000 devices that is stopped. A test compares them. A
-- stop of the task leaves proved_epoch and bad_epoch, which a continued task begins anew.

CREATE TRIGGER task_insert_guard BEFORE INSERT ON task
BEGIN
  SELECT CASE
    WHEN NEW.position IS NOT 0
      THEN RAISE(ABORT, 'position of a task is given by the catalog: leave it out')
    WHEN NEW.stage <> 1
      THEN RAISE(ABORT, 'a task begins with stage 1: leave stage out; later it may be raised (UPDATE task SET stage = stage + 1 ...)')
    WHEN NEW.paused_reason IS NOT NULL AND NEW.state <> 'paused'
      THEN RAISE(ABORT, 'paused_reason is for a paused task: leave it out, or give state ''paused'', too')
    WHEN EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
      THEN RAISE(ABORT, 'this task_id exists already: choose another one or leave it out')
    WHEN NOT EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'unknown firmware_id: add the firmware first (INSERT INTO firmware ...), or look for its id (SELECT firmware_id, product_id, version FROM firmware)')
    WHEN (
      SELECT p.firmware_enabled
      FROM firmware AS f CROSS JOIN product AS p ON p.product_id = f.product_id
      WHERE f.firmware_id = NEW.firmware_id) = 0
      THEN RAISE(ABORT, 'the product of this firmware is disabled: enable it first (UPDATE product SET firmware_enabled = 1 WHERE product_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'pending'
      THEN RAISE(ABORT, 'this firmware is pending: wait until the plugin has verified its file (SELECT state, state_reason FROM firmware WHERE firmware_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'rejected'
      THEN RAISE(ABORT, 'this firmware is rejected: see why (SELECT state_reason FROM firmware WHERE firmware_id = ...), mend it, and have it verified again (UPDATE firmware SET state = ''pending'' ...)')
  END;
END;

CREATE TRIGGER task_insert_plan_guard BEFORE INSERT ON task
BEGIN
  INSERT INTO check_task (
    task_id, firmware_id, release_type, state, start_at, end_at, ends_anew, window_start,
    window_minutes, continuous)
  VALUES (
    NEW.task_id, NEW.firmware_id, NEW.release_type, NEW.state, NEW.start_at, NEW.end_at, 1,
    NEW.window_start, NEW.window_minutes, NEW.continuous);
END;

-- A task that ended by its end_at can go on only with another end_at.
CREATE TRIGGER task_update_plan_guard
BEFORE UPDATE OF state, start_at, end_at, window_start, window_minutes, continuous ON task
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  INSERT INTO check_task (
    task_id, firmware_id, release_type, state, start_at, end_at, ends_anew, window_start,
    window_minutes, continuous)
  VALUES (
    NEW.task_id, NEW.firmware_id, NEW.release_type, NEW.state, NEW.start_at, NEW.end_at,
    NEW.end_at IS NOT OLD.end_at OR (NEW.state = 'running' AND OLD.state <> 'running'),
    NEW.window_start, NEW.window_minutes, NEW.continuous);
END;

CREATE TRIGGER check_task_insert BEFORE INSERT ON check_task
BEGIN
  SELECT CASE
    WHEN NEW.end_at < NEW.start_at
      THEN RAISE(ABORT, 'end_at is before start_at, so that nothing could start: set a later end_at, or NULL for none')
    WHEN NEW.ends_anew AND NEW.end_at < (SELECT ms FROM now)
      THEN RAISE(ABORT, 'end_at is in the past: set a later time in Unix milliseconds, or NULL for none')
    WHEN (NEW.window_start IS NULL) <> (NEW.window_minutes IS NULL)
      THEN RAISE(ABORT, 'window_start and window_minutes belong together: give both, or neither (NULL)')
    WHEN NEW.continuous = 1 AND NEW.release_type <> 'all'
      THEN RAISE(ABORT, 'a continuous task is for all devices: make a task with release_type ''all'', or leave continuous at 0')
    WHEN NEW.continuous = 1 AND NEW.state <> 'stopped' AND EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE t.continuous = 1 AND t.state <> 'stopped' AND t.task_id IS NOT NEW.task_id
        AND f.product_id = (SELECT product_id FROM firmware WHERE firmware_id = NEW.firmware_id))
      THEN RAISE(ABORT, 'the product has a continuous task already (SELECT task_id, name FROM task WHERE continuous = 1): stop that one first, or set its continuous to 0')
  END;
  SELECT RAISE(IGNORE);
END;

CREATE TRIGGER task_insert AFTER INSERT ON task
BEGIN
  UPDATE task SET position = 1 + (SELECT max(position) FROM task) WHERE task_id = NEW.task_id;
  INSERT INTO task_count (task_id, settling, product_id, running)
  SELECT NEW.task_id, 1, product_id, NEW.state <> 'stopped'
  FROM firmware WHERE firmware_id = NEW.firmware_id;
  UPDATE task SET paused_at = iif(NEW.state = 'paused', (SELECT ms FROM now), NULL)
  WHERE task_id = NEW.task_id AND (NEW.state = 'paused' OR NEW.paused_at IS NOT NULL);
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, NEW.task_id, 'created', nullif(NEW.state, 'running'), who FROM writer;
  INSERT INTO task_device (
    task_id, device_id, state, progress, error_reason, completed_at, from_version, turn)
  SELECT
    b.task_id, b.device_id, b.state, b.progress, b.error_reason,
    iif(b.state = 'waiting', NULL, now.ms), b.from_version, 1 + abs(random() % 1000000)
  FROM now CROSS JOIN task_device_begin AS b
  WHERE b.task_id = NEW.task_id AND NEW.release_type = 'all';
  UPDATE task_count SET (settling, waiting, success, canceled, spared) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled'), count(*) FILTER (WHERE state = 'success')
    FROM task_device WHERE task_id = NEW.task_id),
    offline = (SELECT count(*) FROM waiting_offline WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO touch_catalog VALUES (1);
  -- cancels the rows of older tasks that it supersedes; a single new row: supersede_older
  UPDATE task_count SET settling = 1
  WHERE task_id IN (
    SELECT task_id FROM superseded WHERE by_task_id = NEW.task_id AND state = 'waiting');
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, 'canceled'
  FROM superseded WHERE by_task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled', error_reason = 'superseded by ' || NEW.task_id,
    completed_at = (SELECT ms FROM now), proved_epoch = NULL, bad_epoch = NULL,
    deferred_until = NULL, wake_clock = NULL, lost_clock = NULL
  WHERE (task_id, device_id) IN (
    SELECT task_id, device_id
    FROM superseded WHERE by_task_id = NEW.task_id AND state = 'waiting');
  UPDATE task_count SET
    (settling, waiting, canceled, started, proved, bad, epoch_good, epoch_bad) = (
      SELECT 0, waiting, canceled, started, proved, bad, epoch_good, epoch_bad
      FROM task_recount AS n
      WHERE n.task_id = task_count.task_id),
    offline = (SELECT count(*) FROM waiting_offline AS w WHERE w.task_id = task_count.task_id)
  WHERE settling = 1 AND NEW.supersede = 1;
END;

CREATE TRIGGER task_update_guard
BEFORE UPDATE OF task_id, firmware_id, mode, release_type, position ON task
WHEN NEW.task_id IS NOT OLD.task_id OR NEW.firmware_id IS NOT OLD.firmware_id
  OR NEW.mode IS NOT OLD.mode OR NEW.release_type IS NOT OLD.release_type
  OR (NEW.position IS NOT OLD.position AND OLD.position <> 0)
BEGIN
  SELECT RAISE(ABORT, 'task_id, firmware_id, mode, release_type and position of a task cannot change: stop this task (UPDATE task SET state = ''stopped'' ...) and make a new one');
END;

CREATE TRIGGER task_update_own_guard BEFORE UPDATE OF stage, paused_reason, paused_at ON task
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  SELECT CASE
    WHEN NEW.stage < OLD.stage
      THEN RAISE(ABORT, 'stage of a task cannot be lowered, as its devices have begun: to hold the task back, pause it (UPDATE task SET state = ''paused'' ...)')
    WHEN NEW.stage > OLD.stage
      AND NEW.stage > coalesce((SELECT max(stage) FROM task_stage WHERE task_id = NEW.task_id), 1)
      THEN RAISE(ABORT, 'this task has no such stage: see its stages (SELECT * FROM task_stage WHERE task_id = ...), and add the stage first')
    WHEN NEW.paused_reason IS NOT OLD.paused_reason
      AND (OLD.state = 'paused') = (NEW.state = 'paused')
      THEN RAISE(ABORT, 'paused_reason is given with the pause alone: UPDATE task SET state = ''paused'', paused_reason = ... WHERE task_id = ... AND state = ''running''')
    WHEN NEW.paused_reason IS NOT NULL AND NEW.state <> 'paused'
      AND NEW.paused_reason IS NOT OLD.paused_reason
      THEN RAISE(ABORT, 'paused_reason is for a paused task: leave it out')
    WHEN NEW.paused_at IS NOT OLD.paused_at AND (NEW.paused_at IS NOT NULL OR NEW.state = 'paused')
      THEN RAISE(ABORT, 'paused_at of a task is set by the catalog: leave it out')
  END;
END;

-- Changes one row of task, whatever the task's size: its waiting rows stay as they are.
CREATE TRIGGER task_update_pause AFTER UPDATE OF state ON task
WHEN OLD.state = 'running' AND NEW.state = 'paused'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task SET paused_at = (SELECT ms FROM now) WHERE task_id = NEW.task_id;
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, NEW.task_id, 'paused', NEW.paused_reason, who FROM writer;
  INSERT INTO task_change (task_id)
  SELECT NEW.task_id WHERE (SELECT plugin_writing FROM catalog_state) = 0;
  -- newer tasks of the product whose devices waited for this one
  INSERT INTO task_change (task_id)
  SELECT t.task_id
  FROM task_count AS c CROSS JOIN task_count AS n ON n.product_id = c.product_id
  CROSS JOIN task AS t ON t.task_id = n.task_id
  WHERE c.task_id = NEW.task_id AND n.running = 1 AND n.waiting > 0
    AND t.state = 'running' AND t.mode = 'push' AND NEW.mode = 'push'
    AND (t.created_at, t.position) > (NEW.created_at, NEW.position);
  UPDATE task_count SET settling = 0 WHERE task_id = NEW.task_id;
  INSERT INTO touch_catalog VALUES (1);
END;

-- If the task paused because a stage was done (hold_since is -1), the next stage begins.
CREATE TRIGGER task_update_resume AFTER UPDATE OF state ON task
WHEN OLD.state = 'paused' AND NEW.state = 'running'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_log (at, task_id, what, who)
  SELECT at, NEW.task_id, 'resumed', who FROM writer;
  UPDATE task SET
    paused_reason = NULL,
    paused_at = NULL,
    stage = stage + (
      NEW.stage = OLD.stage
      AND (SELECT hold_since FROM task_count WHERE task_id = NEW.task_id) IS -1
      AND EXISTS (SELECT 1 FROM task_stage WHERE task_id = NEW.task_id AND stage = NEW.stage + 1))
  WHERE task_id = NEW.task_id;
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, task_id, 'stage', 'stage ' || stage, who
  FROM task CROSS JOIN writer WHERE task_id = NEW.task_id AND stage > NEW.stage;
  INSERT INTO task_change (task_id)
  SELECT NEW.task_id WHERE (SELECT plugin_writing FROM catalog_state) = 0;
  UPDATE task_count SET
    settling = 0,
    epoch = epoch + 1, epoch_good = 0, epoch_bad = 0, hold_since = NULL, bad_forgiven = bad_final
  WHERE task_id = NEW.task_id;
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER task_update_stage AFTER UPDATE OF stage ON task
WHEN NEW.stage <> OLD.stage
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, NEW.task_id, 'stage', 'stage ' || NEW.stage, who FROM writer;
  INSERT INTO task_change (task_id)
  SELECT NEW.task_id
  WHERE NEW.state <> 'stopped' AND (SELECT plugin_writing FROM catalog_state) = 0;
  UPDATE task_count SET
    settling = 0,
    epoch = epoch + 1, epoch_good = 0, epoch_bad = 0, hold_since = NULL,
    bad_forgiven = iif((SELECT plugin_writing FROM catalog_state) = 1, 0, bad_final)
  WHERE task_id = NEW.task_id;
  INSERT INTO touch_catalog VALUES (1);
END;

-- A stopped task retries nothing: what failed stays so.
CREATE TRIGGER task_update_stop AFTER UPDATE OF state ON task
WHEN OLD.state <> 'stopped' AND NEW.state = 'stopped'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task SET paused_reason = NULL, paused_at = NULL
  WHERE task_id = NEW.task_id AND (paused_at IS NOT NULL OR paused_reason IS NOT NULL);
  -- the plugin gives the reason with the stop, an operator gives none
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, NEW.task_id, 'stopped', iif(who = 'plugin', NEW.paused_reason, NULL), who FROM writer;
  INSERT INTO task_change (task_id, device_id, state)
  SELECT task_id, device_id, 'canceled'
  FROM task_device WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled',
    completed_at = (SELECT ms FROM now),
    deferred_until = NULL, wake_clock = NULL, lost_clock = NULL
  WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET retry_at = NULL, wake_clock = NULL
  WHERE task_id = NEW.task_id AND retry_at IS NOT NULL;
  UPDATE task_count SET
    (settling, running, waiting, canceled, started, proved, bad, bad_final, retrying) = (
      SELECT 0, 0, waiting, canceled, started, proved, bad, bad_final, retrying
      FROM task_recount WHERE task_id = NEW.task_id),
    offline = 0
  WHERE task_id = NEW.task_id;
  INSERT INTO touch_catalog VALUES (1);
END;

CREATE TRIGGER task_update_continue AFTER UPDATE OF state ON task
WHEN OLD.state = 'stopped' AND NEW.state <> 'stopped'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_log (at, task_id, what, who)
  SELECT at, NEW.task_id, 'continued', who FROM writer;
  UPDATE task SET paused_at = (SELECT ms FROM now)
  WHERE task_id = NEW.task_id AND NEW.state = 'paused';
  INSERT INTO task_log (at, task_id, what, detail, who)
  SELECT at, NEW.task_id, 'paused', NEW.paused_reason, who FROM writer WHERE NEW.state = 'paused';
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO task_change (task_id, device_id, state)
  SELECT r.task_id, r.device_id, b.state
  FROM task_device AS r
  CROSS JOIN task_device_begin AS b ON b.task_id = r.task_id AND b.device_id = r.device_id
  WHERE r.task_id = NEW.task_id AND r.state = 'canceled' AND b.state <> 'canceled';
  UPDATE task_device SET
    -- a started row whose device runs the version by now is proved, in an epoch that is over
    (state, progress, error_reason, completed_at, from_version, verified_at, proved_epoch) = (
      SELECT
        b.state, b.progress, b.error_reason, iif(b.state = 'waiting', NULL, now.ms),
        b.from_version,
        iif(b.state = 'success' AND task_device.attempts > 0, now.ms, NULL),
        iif(b.state = 'success' AND task_device.attempts > 0, 0, NULL)
      FROM now CROSS JOIN task_device_begin AS b
      WHERE b.task_id = NEW.task_id AND b.device_id = task_device.device_id),
    failure = NULL, failed_by = NULL, interruptions = 0, connection = NULL,
    pushed_at = NULL, responded_at = NULL, interrupted_at = NULL, due_at = NULL,
    pushed_clock = NULL, retries = 0, retry_at = NULL, deferred_until = NULL,
    wake_clock = NULL, trial_clock = NULL, lost_clock = NULL, bad_epoch = NULL
  WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_count SET
    (settling, running, waiting, success, canceled, started, proved, bad, spared) = (
      SELECT 0, 1, waiting, success, canceled, started, proved, bad, spared
      FROM task_recount WHERE task_id = NEW.task_id),
    offline = (SELECT count(*) FROM waiting_offline WHERE task_id = NEW.task_id),
    epoch = epoch + 1, epoch_good = 0, epoch_bad = 0, hold_since = NULL, bad_forgiven = bad_final
  WHERE task_id = NEW.task_id;
  INSERT INTO touch_catalog VALUES (1);
END;

-- A change of what decides whether rows start, or what becomes of them: the rows are looked at.
CREATE TRIGGER task_update_plan
AFTER UPDATE OF gate, stop_failed_percent, stop_failed_min, stop_failed_count, stop_window,
  rate_per_minute, rate_doubles_after, max_in_flight, min_online_seconds, start_at, end_at,
  end_action, window_start, window_minutes, window_days, window_clock, retry_limit, retry_seconds,
  retry_on, defer_seconds, trial_seconds, lost_seconds, allow_downgrade, supersede, continuous
ON task
WHEN NEW.state <> 'stopped'
  AND (NEW.gate, NEW.stop_failed_percent, NEW.stop_failed_min, NEW.stop_failed_count,
    NEW.stop_window, NEW.rate_per_minute, NEW.rate_doubles_after, NEW.max_in_flight,
    NEW.min_online_seconds, NEW.start_at, NEW.end_at, NEW.end_action, NEW.window_start,
    NEW.window_minutes, NEW.window_days, NEW.window_clock, NEW.retry_limit, NEW.retry_seconds,
    NEW.retry_on, NEW.defer_seconds, NEW.trial_seconds, NEW.lost_seconds, NEW.allow_downgrade,
    NEW.supersede, NEW.continuous)
  IS NOT (OLD.gate, OLD.stop_failed_percent, OLD.stop_failed_min, OLD.stop_failed_count,
    OLD.stop_window, OLD.rate_per_minute, OLD.rate_doubles_after, OLD.max_in_flight,
    OLD.min_online_seconds, OLD.start_at, OLD.end_at, OLD.end_action, OLD.window_start,
    OLD.window_minutes, OLD.window_days, OLD.window_clock, OLD.retry_limit, OLD.retry_seconds,
    OLD.retry_on, OLD.defer_seconds, OLD.trial_seconds, OLD.lost_seconds, OLD.allow_downgrade,
    OLD.supersede, OLD.continuous)
  AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO touch_catalog VALUES (1);
END;

-- Rows that succeeded are proved by the new rule, in the current epoch.
CREATE TRIGGER task_update_gate AFTER UPDATE OF gate ON task
WHEN NEW.gate <> OLD.gate AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET proved_epoch = (
    SELECT epoch FROM task_count WHERE task_id = NEW.task_id
      AND (NEW.gate = 'complete' OR task_device.verified_at IS NOT NULL))
  WHERE task_id = NEW.task_id AND state = 'success' AND attempts > 0
    AND (proved_epoch IS NULL) = (NEW.gate = 'complete' OR verified_at IS NOT NULL);
  UPDATE task_count SET (settling, proved, epoch_good) = (
    SELECT 0, proved, epoch_good FROM task_recount WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
END;

CREATE TRIGGER task_delete BEFORE DELETE ON task
BEGIN
  SELECT RAISE(ABORT, 'this task has devices that are waiting or processing: stop it first (UPDATE task SET state = ''stopped'' ...), and wait for those under way to end or time out')
  WHERE (SELECT waiting + processing FROM task_count WHERE task_id = OLD.task_id) > 0;
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  DELETE FROM task_device WHERE task_id = OLD.task_id;
  DELETE FROM task_stage WHERE task_id = OLD.task_id;
  DELETE FROM task_count WHERE task_id = OLD.task_id;
  -- the last states of its rows may not be announced yet
  INSERT INTO task_change (task_id, state, product_id, firmware_id)
  SELECT OLD.task_id, 'deleted', product_id, firmware_id FROM firmware
  WHERE firmware_id = OLD.firmware_id
    AND EXISTS (SELECT 1 FROM task_change WHERE task_id = OLD.task_id AND state IS NOT NULL);
  INSERT INTO touch_catalog VALUES (1);
END;
