-- The state machine of an upgrade, for operators to read. An event that is not in it changes
-- nothing.
--
-- plugin/upgrade/state_machine.c carries out the plugin's, and a test compares the two; triggers
-- carry out the operators'. Of several transitions of one `who`, state and event, the first one
-- whose condition holds counts: the lowest `line`. The plugin has the event `retry` for a row that
-- has retries left and was not superseded.
--
--   SELECT * FROM task_transition WHERE from_state = 'failed' AND event = 'retry';
--
-- condition:
--   push               the task's mode is push
--   failed by device   the failure is the device's own word
--   present            the device is online by the connection that the attempt was sent to
--   elsewhere          the message came by another connection
--   shared             a connection may speak for many devices (identity none)
--   answered           the device answered this attempt
--   said done          it reported progress 100
--   used up            with this interruption attempt_limit is reached
--   no response        the failure is a response timeout
--   on trial           the success is younger than trial_seconds, or the device was offline when
--                      the trial ended
--   lost               the failure is that the device was lost
--   verified           verified_at is set, or the row was never started
--   downgrade allowed  task.allow_downgrade is 1
--   has version        the device runs the task's target; with allow_downgrade also: and no
--                      upgrade of it to other firmware is under way
--   runs newer         the device runs a higher version
-- actions:
--   responded          responded_at is set; the upgrade timeout is the next one
--   start              an attempt begins and is counted
--   resume             a late message: the attempt goes on
--   progress           progress is written
--   finish             completed_at is set, timeouts end
--   requeue            the row waits for the next attempt
--   count              an interruption is counted
--   defer              the attempt is taken back, and made later
--   watch              a message about the upgrade is due within response_timeout_seconds; if
--                      there was none yet, within 3 seconds
--   verify             verified_at is set

CREATE VIEW task_transition (
  line, who, from_state, event, condition, to_state, actions, failure, reason) AS
WITH plugin (from_state, event, condition, to_state, actions, failure, reason) AS (VALUES
  ('waiting', 'pushed', 'push', 'processing', 'start', NULL, NULL),
  ('waiting', 'pulled', '', 'processing', 'responded, start', NULL, NULL),
  ('waiting', 'accepted', '', 'processing', 'responded, resume', NULL, NULL),
  ('waiting', 'progress', '', 'processing', 'responded, resume, progress', NULL, NULL),
  ('waiting', 'refused', '', 'failed', 'responded, finish', 'refused', NULL),
  ('waiting', 'completed', '', 'success', 'responded, finish', NULL, NULL),
  ('waiting', 'failed', '', 'failed', 'responded, progress, finish', 'device', NULL),
  ('waiting', 'deferred', '', 'waiting', 'requeue, defer', NULL, NULL),
  ('waiting', 'reported target', '', 'success', 'finish, verify', NULL, NULL),
  ('waiting', 'overtaken', 'not downgrade allowed', 'canceled', 'finish',
    NULL, 'runs %s, which is newer'),
  ('waiting', 'lost', '', 'failed', 'finish', 'lost', 'not seen since the upgrade'),
  ('waiting', 'stop', '', 'canceled', 'finish', NULL, NULL),
  ('waiting', 'superseded', '', 'canceled', 'finish', NULL, 'superseded by %s'),
  ('processing', 'pulled', '', 'processing', 'responded', NULL, NULL),
  ('processing', 'accepted', '', 'processing', 'responded', NULL, NULL),
  ('processing', 'progress', '', 'processing', 'responded, progress', NULL, NULL),
  ('processing', 'refused', '', 'failed', 'responded, finish', 'refused', NULL),
  ('processing', 'completed', '', 'success', 'responded, finish', NULL, NULL),
  ('processing', 'failed', '', 'failed', 'responded, progress, finish', 'device', NULL),
  ('processing', 'deferred', '', 'waiting', 'requeue, defer', NULL, NULL),
  ('processing', 'reported target', '', 'success', 'finish, verify', NULL, NULL),
  ('processing', 'reported other', 'said done', 'failed', 'finish',
    'version', 'still runs %s after the upgrade'),
  ('processing', 'reported other', 'elsewhere, used up, not answered', 'failed', 'finish, count',
    'interrupted', 'gone after each of %d attempts'),
  ('processing', 'reported other', 'elsewhere, not answered', 'waiting', 'requeue, count',
    NULL, NULL),
  ('processing', 'reported other', 'elsewhere', 'processing', 'watch', NULL, NULL),
  ('processing', 'reported other', 'shared', 'processing', 'watch', NULL, NULL),
  ('processing', 'overtaken', 'not downgrade allowed', 'canceled', 'finish',
    NULL, 'runs %s, which is newer'),
  ('processing', 'no response', 'present', 'failed', 'finish', 'response', 'response timeout'),
  ('processing', 'no response', 'used up', 'failed', 'finish, count',
    'interrupted', 'gone after each of %d attempts'),
  ('processing', 'no response', '', 'waiting', 'requeue, count', NULL, NULL),
  ('processing', 'interrupted', 'used up', 'failed', 'finish, count',
    'interrupted', 'gone after each of %d attempts'),
  ('processing', 'interrupted', '', 'waiting', 'requeue, count', NULL, NULL),
  ('processing', 'timeout', '', 'failed', 'finish', 'timeout', 'upgrade timeout'),
  ('processing', 'lost', '', 'failed', 'finish', 'lost', 'not seen since the upgrade'),
  ('success', 'reported target', 'not verified', 'success', 'verify', NULL, NULL),
  ('success', 'reported other', 'on trial', 'failed', 'finish', 'reverted', 'went back to %s'),
  ('success', 'lost', '', 'failed', 'finish', 'lost', 'not seen since the upgrade'),
  ('failed', 'completed', 'not failed by device', 'success', 'responded, finish', NULL, NULL),
  ('failed', 'failed', 'not failed by device', 'failed', 'responded, progress', 'device', NULL),
  ('failed', 'reported target', 'not failed by device', 'success', 'finish, verify', NULL, NULL),
  ('failed', 'reported other', 'lost', 'failed', 'finish', 'reverted', 'went back to %s'),
  ('failed', 'retry', '', 'waiting', 'requeue', NULL, NULL),
  ('failed', 'unheard', 'used up, no response', 'failed', 'count',
    'interrupted', 'gone after each of %d attempts'),
  ('failed', 'unheard', 'no response', 'waiting', 'requeue, count', NULL, NULL)
),
operator (from_state, event, condition, to_state, actions, failure, reason) AS (VALUES
  ('waiting', 'stop', '', 'canceled', 'finish', NULL, NULL),
  ('canceled', 'continue', 'has version', 'success', 'finish', NULL, NULL),
  ('canceled', 'continue', 'runs newer, not downgrade allowed', 'canceled', 'finish',
    NULL, 'runs %s, which is newer'),
  ('canceled', 'continue', '', 'waiting', 'requeue', NULL, NULL),
  ('failed', 'retry', 'has version', 'success', 'finish', NULL, NULL),
  ('failed', 'retry', 'runs newer, not downgrade allowed', 'canceled', 'finish',
    NULL, 'runs %s, which is newer'),
  ('failed', 'retry', '', 'waiting', 'requeue', NULL, NULL)
)
SELECT row_number() OVER (), * FROM (
  SELECT 'plugin', * FROM plugin
  UNION ALL
  SELECT 'operator', * FROM operator
);
