-- Triggers keep the counts of a task's rows. The plugin itself writes hold_since, and begins an
-- epoch.

CREATE TRIGGER task_count_insert_guard BEFORE INSERT ON task_count
WHEN NEW.settling = 0 OR EXISTS (SELECT 1 FROM task_count WHERE task_id = NEW.task_id)
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: make a task instead (INSERT INTO task ...)');
END;

-- Every change by a trigger in an operator's statement comes with settling going from 0 to 1 or
-- back.
CREATE TRIGGER task_count_update_guard BEFORE UPDATE ON task_count
WHEN NEW.settling = OLD.settling AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: change the rows it counts instead (UPDATE task_device ...)');
END;

-- Counts a change of one row of task_device: triggers insert here what the row was (old_..., with
-- old_state '' when it is new) and what it is (state '' when it is deleted). Nothing is counted
-- unless task_count.settling is old_settling; then it becomes settling. What a row counts as is
-- defined here, and for all rows of a task in the view task_recount.
CREATE VIEW count_row (
  task_id, device_id, old_settling, settling,
  old_state, old_attempts, old_retry_at, old_proved_epoch, old_bad_epoch,
  state, attempts, retry_at, proved_epoch, bad_epoch)
AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TRIGGER count_row_insert INSTEAD OF INSERT ON count_row
BEGIN
  UPDATE task_count SET
    settling = NEW.settling,
    waiting = waiting + (NEW.state = 'waiting') - (NEW.old_state = 'waiting'),
    offline = offline + iif((NEW.state = 'waiting') = (NEW.old_state = 'waiting'), 0, (
      SELECT count(*) * ((NEW.state = 'waiting') - (NEW.old_state = 'waiting')) FROM device
      WHERE product_id = task_count.product_id AND device_id = NEW.device_id
        AND presence IS NOT 'online')),
    processing = processing + (NEW.state = 'processing') - (NEW.old_state = 'processing'),
    success = success + (NEW.state = 'success') - (NEW.old_state = 'success'),
    failed = failed + (NEW.state = 'failed') - (NEW.old_state = 'failed'),
    canceled = canceled + (NEW.state = 'canceled') - (NEW.old_state = 'canceled'),
    started = started + (NEW.attempts > 0 AND NEW.state <> 'canceled')
      - (NEW.old_attempts > 0 AND NEW.old_state <> 'canceled'),
    proved = proved
      + (NEW.proved_epoch IS NOT NULL AND NEW.attempts > 0 AND NEW.state <> 'canceled')
      - (NEW.old_proved_epoch IS NOT NULL AND NEW.old_attempts > 0
        AND NEW.old_state <> 'canceled'),
    bad = bad
      + (NEW.bad_epoch IS NOT NULL AND NEW.attempts > 0 AND NEW.state <> 'canceled')
      - (NEW.old_bad_epoch IS NOT NULL AND NEW.old_attempts > 0 AND NEW.old_state <> 'canceled'),
    bad_final = bad_final
      + (NEW.bad_epoch IS NOT NULL AND NEW.retry_at IS NULL AND NEW.attempts > 0
        AND NEW.state = 'failed')
      - (NEW.old_bad_epoch IS NOT NULL AND NEW.old_retry_at IS NULL AND NEW.old_attempts > 0
        AND NEW.old_state = 'failed'),
    -- a row that is retried and fails again is not forgiven a second time
    bad_forgiven = min(bad_forgiven, bad_final
      + (NEW.bad_epoch IS NOT NULL AND NEW.retry_at IS NULL AND NEW.attempts > 0
        AND NEW.state = 'failed')
      - (NEW.old_bad_epoch IS NOT NULL AND NEW.old_retry_at IS NULL AND NEW.old_attempts > 0
        AND NEW.old_state = 'failed')),
    spared = spared + (NEW.attempts = 0 AND NEW.state = 'success')
      - (NEW.old_attempts = 0 AND NEW.old_state = 'success'),
    retrying = retrying + (NEW.retry_at IS NOT NULL AND NEW.state = 'failed')
      - (NEW.old_retry_at IS NOT NULL AND NEW.old_state = 'failed'),
    epoch_good = epoch_good + (NEW.proved_epoch IS epoch) - (NEW.old_proved_epoch IS epoch),
    epoch_bad = epoch_bad + (NEW.bad_epoch IS epoch) - (NEW.old_bad_epoch IS epoch)
  WHERE task_id = NEW.task_id AND settling = NEW.old_settling;
END;

CREATE TRIGGER task_count_update_open AFTER UPDATE OF waiting, processing, retrying ON task_count
WHEN (NEW.waiting + NEW.processing > 0) <> (OLD.waiting + OLD.processing > 0)
  OR (NEW.retrying > 0) <> (OLD.retrying > 0)
BEGIN
  INSERT INTO touch_catalog VALUES (1);
END;

-- The task has ended: no row is open or will be retried any more, also where the task is paused. In
-- an operator's statement task_log is written while settling is 1.
CREATE TRIGGER task_count_update_ended AFTER UPDATE OF waiting, processing, retrying ON task_count
WHEN NEW.waiting + NEW.processing + NEW.retrying = 0
  AND OLD.waiting + OLD.processing + OLD.retrying > 0
  AND (SELECT state <> 'stopped' AND continuous = 0 FROM task WHERE task_id = NEW.task_id)
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id AND NEW.settling = 0;
  INSERT INTO task_log (at, task_id, what, who)
  SELECT at, NEW.task_id, 'ended', who FROM writer;
  UPDATE task_count SET settling = 0 WHERE task_id = NEW.task_id AND NEW.settling = 0;
END;

CREATE TRIGGER task_count_delete_guard BEFORE DELETE ON task_count
WHEN OLD.settling = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: delete the task instead (DELETE FROM task WHERE task_id = ...)');
END;
