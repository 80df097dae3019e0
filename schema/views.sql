-- What operators read. Can be dropped and created again at any time.

-- The time, in Unix milliseconds.
CREATE VIEW now AS SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS ms;

-- How a row of task_device begins, when it is made, continued or retried: for each task and each device of its product.
CREATE VIEW task_device_begin AS
SELECT
  t.task_id, d.device_id, d.version AS from_version,
  CASE
    WHEN d.version = f.version THEN 'success'
    -- runs is of a higher order
    WHEN t.state = 'stopped' OR runs.firmware_id IS NOT NULL THEN 'canceled'
    ELSE 'waiting'
  END AS state,
  iif(d.version = f.version, 100, 0) AS progress,
  iif(runs.firmware_id IS NOT NULL, 'runs ' || d.version || ', which is newer', NULL) AS error_reason
FROM task AS t
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN device AS d ON d.product_id = f.product_id
LEFT JOIN firmware AS runs ON t.allow_downgrade = 0
  AND runs.product_id = d.product_id AND runs.version = d.version AND runs.version_order > f.version_order;

CREATE VIEW task_summary AS
SELECT
  t.task_id, t.name, f.product_id, t.firmware_id, f.version, t.mode, t.release_type, t.state, t.created_at,
  c.waiting + c.processing + c.success + c.failed + c.canceled AS total,
  c.waiting, c.processing, c.success, c.failed, c.canceled,
  -- rows that came to an end by themselves
  coalesce(100 * (c.success + c.failed) / nullif(c.waiting + c.processing + c.success + c.failed + c.canceled, 0), 0)
    AS percent
FROM task AS t
CROSS JOIN task_count AS c ON c.task_id = t.task_id
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id;

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
  strftime('%Y-%m-%dT%H:%M:%SZ', d.last_seen_at / 1000, 'unixepoch') AS last_seen_time
FROM task AS t
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN task_device AS r ON r.task_id = t.task_id
CROSS JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id;

-- Firmware that is not offered to a device any more, because it installed it three times and reported another version each time: the image
-- names itself otherwise than the catalog does. Mend the version in the catalog, or the image: then it is offered again.
CREATE VIEW mislabelled AS
SELECT
  m.product_id, m.device_id, m.firmware_id, f.version, m.label AS reported, m.times, m.at,
  strftime('%Y-%m-%dT%H:%M:%SZ', m.at / 1000, 'unixepoch') AS time
FROM label_mismatch AS m
CROSS JOIN firmware AS f ON f.firmware_id = m.firmware_id
WHERE m.times >= 3;

-- Quick when product_id and device_id are given.
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
