-- What operators read. Can be dropped and created again at any time.

-- The time, in Unix milliseconds.
CREATE VIEW now AS SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS ms;

-- The wall clock, the scheduler's steady clock as near as a shell can tell, and the broker's zone.
CREATE VIEW clock AS
SELECT
  now.ms, s.clock_ms + now.ms - s.clock_wall_ms AS steady_ms,
  1000 * (unixepoch('now', 'localtime') - unixepoch('now')) AS zone_ms
FROM now CROSS JOIN catalog_state AS s;

-- Who writes, and when: for the triggers that write task_log.
CREATE VIEW writer AS
SELECT now.ms AS at, iif(s.plugin_writing = 1, 'plugin', 'operator') AS who
FROM now CROSS JOIN catalog_state AS s;

-- How a row of task_device begins, when it is made, continued or retried: for each task and each
-- device of its product.
CREATE VIEW task_device_begin AS
SELECT
  task_id, device_id, from_version,
  CASE
    WHEN runs_it THEN 'success'
    WHEN stopped OR runs_newer THEN 'canceled'
    ELSE 'waiting'
  END AS state,
  iif(runs_it, 100, 0) AS progress,
  iif(runs_newer, 'runs ' || from_version || ', which is newer', NULL) AS error_reason
FROM (
  SELECT
    t.task_id, d.device_id, d.version AS from_version, t.state = 'stopped' AS stopped,
    -- a task that takes devices back waits for an upgrade to other firmware that is under way
    d.version = f.version AND (t.allow_downgrade = 0 OR NOT EXISTS (
      SELECT 1 FROM task_device AS r CROSS JOIN task AS o ON o.task_id = r.task_id
      CROSS JOIN firmware AS other ON other.firmware_id = o.firmware_id
      WHERE r.device_id = d.device_id AND r.state = 'processing'
        AND other.product_id = f.product_id AND other.firmware_id <> f.firmware_id)) AS runs_it,
    runs.firmware_id IS NOT NULL AS runs_newer
  FROM task AS t
  CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
  CROSS JOIN device AS d ON d.product_id = f.product_id
  LEFT JOIN firmware AS runs ON t.allow_downgrade = 0
    AND runs.product_id = d.product_id AND runs.version = d.version
    AND runs.version_order > f.version_order);

-- The counts of a task, computed from its rows: for the triggers that change many rows at once.
CREATE VIEW task_recount AS
SELECT
  c.task_id,
  count(*) FILTER (WHERE r.state = 'waiting') AS waiting,
  count(*) FILTER (WHERE r.state = 'processing') AS processing,
  count(*) FILTER (WHERE r.state = 'success') AS success,
  count(*) FILTER (WHERE r.state = 'failed') AS failed,
  count(*) FILTER (WHERE r.state = 'canceled') AS canceled,
  count(*) FILTER (WHERE r.attempts > 0 AND r.state <> 'canceled') AS started,
  count(*) FILTER (WHERE r.attempts > 0 AND r.state <> 'canceled' AND r.proved_epoch IS NOT NULL)
    AS proved,
  count(*) FILTER (WHERE r.attempts > 0 AND r.state <> 'canceled' AND r.bad_epoch IS NOT NULL)
    AS bad,
  count(*) FILTER (
    WHERE r.attempts > 0 AND r.state = 'failed' AND r.bad_epoch IS NOT NULL AND r.retry_at IS NULL)
    AS bad_final,
  count(*) FILTER (WHERE r.attempts = 0 AND r.state = 'success') AS spared,
  count(*) FILTER (WHERE r.state = 'failed' AND r.retry_at IS NOT NULL) AS retrying,
  count(*) FILTER (WHERE r.proved_epoch = c.epoch) AS epoch_good,
  count(*) FILTER (WHERE r.bad_epoch = c.epoch) AS epoch_bad
FROM task_count AS c LEFT JOIN task_device AS r ON r.task_id = c.task_id
GROUP BY c.task_id;

-- The waiting rows whose device is not online: task_count.offline, one by one.
CREATE VIEW waiting_offline AS
SELECT r.task_id, r.device_id
FROM task_count AS c
CROSS JOIN task_device AS r ON r.task_id = c.task_id AND r.state = 'waiting'
CROSS JOIN device AS d ON d.product_id = c.product_id AND d.device_id = r.device_id
  AND d.presence IS NOT 'online';

-- Which rows are superseded, and by which newer task of the product: one with supersede 1 that is
-- not stopped. by_state is the state of its own row of the device: what was under way is followed
-- by that row, unless it is canceled. Read by by_task_id, or by task_id and device_id: so the order
-- of the joins is SQLite's to choose.
CREATE VIEW superseded AS
SELECT
  t.task_id AS by_task_id, t.created_at AS by_created_at, t.position AS by_position,
  r.state AS by_state, old.task_id, r.device_id, old.state,
  old.attempts, old.proved_epoch, old.bad_epoch
FROM task AS t
JOIN task_count AS c ON c.task_id = t.task_id
JOIN task_device AS r ON r.task_id = t.task_id
JOIN task_device AS old ON old.device_id = r.device_id
JOIN task AS older ON older.task_id = old.task_id
  AND (older.created_at, older.position) < (t.created_at, t.position)
JOIN task_count AS oc ON oc.task_id = old.task_id AND oc.product_id = c.product_id
WHERE t.supersede = 1 AND t.state <> 'stopped';

-- The stages of each task in numbers of rows. n: its rows, without canceled ones and those that
-- were success before any attempt. budget: so many may start; needed: so many of them must be
-- proved.
CREATE VIEW task_stage_budget AS
SELECT *, (success_percent * budget + 99) / 100 AS needed
FROM (
  SELECT
    s.task_id, s.stage, s.until_percent, s.until_count, s.success_percent, s.hold_seconds,
    s.on_success, c.n,
    -- in millionths of a per cent, so that nothing is rounded twice
    iif(s.until_percent IS NULL,
      min(s.until_count, c.n),
      max(1, (CAST(round(s.until_percent * 1000000) AS INTEGER) * c.n + 99999999) / 100000000))
      AS budget
  FROM task_stage AS s
  CROSS JOIN (
    SELECT task_id, waiting + processing + success + failed - spared AS n FROM task_count) AS c
    ON c.task_id = s.task_id);

-- When the window of a task opens and closes, in minutes since 1970 by the window's clock: from the
-- day before yesterday on, since a clock may be a day behind UTC, to a week after tomorrow.
CREATE VIEW task_window AS
SELECT
  t.task_id, 1440 * d.day + t.window_start AS opens,
  1440 * d.day + t.window_start + t.window_minutes AS closes
FROM task AS t CROSS JOIN (
  SELECT now.ms / 86400000 + column1 AS day
  FROM now CROSS JOIN (VALUES (-2), (-1), (0), (1), (2), (3), (4), (5), (6), (7), (8))) AS d
-- bit 0 is Monday, and 1970 began with a Thursday
WHERE t.window_days >> ((d.day + 3) % 7) & 1;

-- What a task is about to do: the budget of its current stage, how many rows of it must be proved,
-- until when that must hold, whether its window is open and when it opens next (by the broker's
-- zone where each device has its own), and what all of its rows wait for.
CREATE VIEW task_plan AS
SELECT
  *,
  CASE
    WHEN state <> 'running' THEN NULL
    WHEN start_at > ms THEN start_at
    WHEN hold_until IS NOT NULL THEN hold_until
    WHEN NOT window_open AND open > 0 THEN window_next
  END AS next_at,
  CASE
    WHEN state <> 'running' THEN 'task ' || state
    WHEN start_at > ms THEN 'start time'
    WHEN end_at <= ms THEN 'end time'
    WHEN NOT window_open AND window_clock <> 'device' THEN 'window'
    WHEN NOT offered THEN 'firmware'
    WHEN started >= budget THEN 'stage'
    WHEN processing >= max_in_flight THEN 'in flight'
  END AS waits_for
FROM (
  SELECT
    *,
    window_start IS NULL OR EXISTS (
      SELECT 1 FROM task_window AS w
      WHERE w.task_id = p.task_id AND local_minute BETWEEN w.opens AND w.closes - 1)
      AS window_open,
    (
      SELECT min(iif(window_clock = 'utc', at, unixepoch(datetime(at, 'unixepoch'), 'utc')))
      FROM (
        SELECT 60 * w.opens AS at FROM task_window AS w
        WHERE w.task_id = p.task_id AND w.opens > local_minute)) * 1000 AS window_next
  FROM (
    SELECT
      t.task_id, c.product_id, t.state, t.start_at, t.end_at, t.window_start, t.window_clock,
      t.max_in_flight, t.stage,
      max(1, (SELECT count(*) FROM task_stage AS s WHERE s.task_id = t.task_id)) AS stages,
      c.waiting + c.processing + c.success + c.failed - c.spared AS n,
      b.budget, b.needed, b.hold_seconds, b.on_success,
      c.waiting + c.retrying AS open, c.processing, c.started, c.proved, c.bad,
      -- hold_since is -1 when the stage is done
      iif(c.hold_since >= 0
        AND EXISTS (
          SELECT 1 FROM task_stage AS s WHERE s.task_id = t.task_id AND s.stage > t.stage),
        c.hold_since + 1000 * b.hold_seconds + k.ms - k.steady_ms, NULL) AS hold_until,
      f.state = 'ready' AND p.firmware_enabled AS offered,
      k.ms,
      (k.ms + iif(t.window_clock = 'utc', 0, k.zone_ms)) / 60000 AS local_minute
    FROM clock AS k
    CROSS JOIN task AS t
    CROSS JOIN task_count AS c ON c.task_id = t.task_id
    CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
    CROSS JOIN product AS p ON p.product_id = f.product_id
    LEFT JOIN task_stage_budget AS b ON b.task_id = t.task_id AND b.stage = t.stage) AS p);

-- The first thing that keeps a row from starting, of rows that wait, and failed rows that will be
-- retried; in the order of plugin/upgrade/start_gate.c. NULL: it is about to start, or its device
-- has not pulled.
CREATE VIEW task_device_waits AS
SELECT
  task_id, device_id,
  CASE
    WHEN task_state <> 'running' THEN 'task ' || task_state
    WHEN start_at > ms THEN 'start time'
    WHEN end_at <= ms THEN 'end time'
    WHEN window_start IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM task_window AS o
      WHERE o.task_id = w.task_id AND local_minute BETWEEN o.opens AND o.closes - 1)
      THEN 'window'
    WHEN firmware_state <> 'ready' OR firmware_enabled = 0 THEN 'firmware'
    WHEN push AND presence IS NOT 'online' THEN 'device offline'
    WHEN push AND coalesce(steady_ms - online_clock, 0) < 1000 * min_online_seconds
      THEN 'device unsettled'
    WHEN EXISTS (
      SELECT 1 FROM task_device AS r
      CROSS JOIN task AS t ON t.task_id = r.task_id
      CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE r.device_id = w.device_id AND r.task_id <> w.task_id AND f.product_id = w.product_id
        AND (r.state = 'processing'
          OR (r.state = 'waiting' AND push AND t.mode = 'push' AND t.state = 'running'
            AND f.state = 'ready' AND (t.created_at, t.position) < (w.created_at, w.position))))
      THEN 'other task'
    WHEN min_version_order > coalesce((
      SELECT runs.version_order FROM firmware AS runs
      WHERE runs.product_id = w.product_id AND runs.version = w.version), 0)
      THEN 'older firmware first'
    -- cleared when its time is over on the steady clock
    WHEN deferred_until IS NOT NULL THEN 'deferred'
    WHEN row_state = 'failed' THEN 'retry'
    -- its last upgrade has ended, and it has not reported its version since
    WHEN push AND settles_at > steady_ms THEN 'device unsettled'
    WHEN attempts = 0 AND started >= (
      SELECT b.budget FROM task_stage_budget AS b WHERE b.task_id = w.task_id AND b.stage = w.stage)
      THEN 'stage'
    WHEN processing >= max_in_flight THEN 'in flight'
    -- the tokens are not in the catalog: nothing else is left that holds the row up
    WHEN rate_per_minute IS NOT NULL THEN 'rate'
  END AS waits_for
FROM (
  SELECT
    r.task_id, r.device_id, r.state AS row_state, r.attempts, r.deferred_until,
    t.state AS task_state, t.mode = 'push' AS push, t.created_at, t.position, t.stage, t.start_at,
    t.end_at, t.window_start, t.min_online_seconds, t.max_in_flight, t.rate_per_minute,
    c.started, c.processing,
    f.product_id, f.state AS firmware_state, f.min_version_order, p.firmware_enabled,
    d.version, d.presence, d.online_clock, d.settles_at,
    k.ms, k.steady_ms,
    (k.ms + CASE t.window_clock
      WHEN 'utc' THEN 0
      WHEN 'device' THEN coalesce(60000 * d.utc_offset_minutes, k.zone_ms)
      ELSE k.zone_ms
    END) / 60000 AS local_minute
  FROM clock AS k
  CROSS JOIN task AS t
  CROSS JOIN task_count AS c ON c.task_id = t.task_id
  CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
  CROSS JOIN product AS p ON p.product_id = f.product_id
  CROSS JOIN task_device AS r ON r.task_id = t.task_id
  CROSS JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id
  WHERE r.state = 'waiting' OR (r.state = 'failed' AND r.retry_at IS NOT NULL)) AS w;

-- A row for each task: its counts, and what it does.
CREATE VIEW task_summary AS
SELECT
  t.task_id, t.name, f.product_id, t.firmware_id, f.version, t.mode, t.release_type, t.state,
  t.created_at,
  c.waiting + c.processing + c.success + c.failed + c.canceled AS total,
  c.waiting, c.processing, c.success, c.failed, c.canceled,
  -- rows that came to an end by themselves
  coalesce(
    100 * (c.success + c.failed)
      / nullif(c.waiting + c.processing + c.success + c.failed + c.canceled, 0), 0)
    AS percent,
  t.stage, p.stages, c.started, c.proved, c.bad, t.paused_reason, p.next_at,
  -- by the index task_device_ended
  (
    SELECT count(*) FROM task_device AS r
    WHERE r.task_id = t.task_id AND r.completed_at > now.ms - 600000
      AND r.state IN ('success', 'failed') AND r.completed_at > r.created_at) / 10.0
    AS per_minute,
  -- of the waiting ones
  c.offline
FROM now
CROSS JOIN task AS t
CROSS JOIN task_count AS c ON c.task_id = t.task_id
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN task_plan AS p ON p.task_id = t.task_id;

-- A row for each device of a task.
CREATE VIEW task_detail AS
SELECT
  t.task_id, t.name AS task_name, t.mode, t.state AS task_state,
  f.product_id, t.firmware_id, f.name AS firmware_name, f.version,
  r.device_id, d.name AS device_name, d.version AS current_version, d.presence,
  r.state, r.progress, r.failure, r.error_reason, r.from_version, r.attempts, r.interruptions,
  r.created_at, r.pushed_at, r.responded_at, r.completed_at, d.last_seen_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.created_at / 1000, 'unixepoch') AS created_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.pushed_at / 1000, 'unixepoch') AS pushed_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.responded_at / 1000, 'unixepoch') AS responded_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.completed_at / 1000, 'unixepoch') AS completed_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', d.last_seen_at / 1000, 'unixepoch') AS last_seen_time,
  (
    SELECT w.waits_for FROM task_device_waits AS w
    WHERE w.task_id = r.task_id AND w.device_id = r.device_id) AS waits_for,
  r.retry_at, r.deferred_until, r.verified_at
FROM task AS t
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN task_device AS r ON r.task_id = t.task_id
CROSS JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id;

-- Why rows failed: each reason once.
CREATE VIEW failure_reasons AS
SELECT task_id, failure, error_reason, count(*) AS count
FROM task_device
WHERE state = 'failed'
GROUP BY task_id, failure, error_reason;

-- Firmware that is not offered to a device any more: the device installed it three times, and
-- reported another version than the catalog's each time. Mend the version in the catalog, or the
-- image: then it is offered again.
CREATE VIEW mislabelled AS
SELECT
  m.product_id, m.device_id, m.firmware_id, f.version, m.label AS reported, m.times, m.at,
  strftime('%Y-%m-%dT%H:%M:%SZ', m.at / 1000, 'unixepoch') AS time
FROM label_mismatch AS m
CROSS JOIN firmware AS f ON f.firmware_id = m.firmware_id
WHERE m.times >= 3;

-- What happened with a device: versions, progress, rows of tasks. Quick when product_id and
-- device_id are given.
CREATE VIEW device_history AS
SELECT
  product_id, device_id, received_at AS at,
  strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000, 'unixepoch') AS time,
  'version' AS what, NULL AS task_id, NULL AS firmware_id, version, NULL AS progress, NULL AS state,
  iif(previous_version IS NULL, 'first report', 'before: ' || previous_version) AS detail
FROM version_log
UNION ALL
SELECT
  product_id, device_id, received_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000, 'unixepoch'),
  'progress', task_id, firmware_id, version, progress,
  CASE WHEN complete = 1 THEN iif(success = 1, 'success', 'failed') END,
  error_reason
FROM progress_log
UNION ALL
SELECT
  f.product_id, r.device_id, coalesce(r.completed_at, r.responded_at, r.pushed_at, r.created_at),
  strftime('%Y-%m-%dT%H:%M:%SZ',
    coalesce(r.completed_at, r.responded_at, r.pushed_at, r.created_at) / 1000, 'unixepoch'),
  'task', r.task_id, t.firmware_id, f.version, r.progress, r.state, r.error_reason
FROM task_device AS r
CROSS JOIN task AS t ON t.task_id = r.task_id
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id;
