-- Devices whose upgrade is under way and that sent nothing for a while, the longest silent first.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 30 AS minutes" firmware.db < stuck_devices.sql
.bail on
.timeout 5000
.mode box
WITH since (ms) AS (SELECT (SELECT ms FROM now) - 60000 * (SELECT arg.minutes FROM arg))
SELECT
  r.task_id, t.name AS task_name, r.device_id, r.progress,
  coalesce(d.presence, 'unknown') AS presence, r.attempts,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.pushed_at / 1000, 'unixepoch') AS pushed,
  strftime('%Y-%m-%dT%H:%M:%SZ',
    max(coalesce(d.last_seen_at, 0), coalesce(r.responded_at, 0), r.pushed_at) / 1000, 'unixepoch')
    AS last_sign
-- A row under way has due_at. The index task_device_due has pushed_at and responded_at, too, so
-- rows that were pushed or answered a moment ago are left out without being read.
FROM (
  SELECT task_id, device_id, pushed_at, responded_at FROM task_device WHERE due_at IS NOT NULL) AS e
CROSS JOIN task_device AS r ON r.task_id = e.task_id AND r.device_id = e.device_id
CROSS JOIN task AS t ON t.task_id = r.task_id
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id
WHERE coalesce(e.pushed_at, 0) < (SELECT ms FROM since)
  AND coalesce(e.responded_at, 0) < (SELECT ms FROM since)
  AND coalesce(d.last_seen_at, 0) < (SELECT ms FROM since)
  AND r.state = 'processing'
ORDER BY last_sign, r.task_id, r.device_id;
