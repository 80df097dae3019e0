-- Devices whose upgrade is under way and that told nothing for a while, the longest silent first.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 30 AS minutes" catalog.db < stuck_devices.sql
.bail on
.timeout 5000
.mode box
SELECT
  r.task_id, t.name AS task_name, r.device_id, r.progress,
  coalesce(d.presence, 'unknown') AS presence, r.attempts,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.pushed_at / 1000, 'unixepoch') AS pushed,
  strftime('%Y-%m-%dT%H:%M:%SZ',
    max(coalesce(d.last_seen_at, 0), coalesce(r.responded_at, 0), r.pushed_at) / 1000, 'unixepoch')
    AS last_sign
FROM task_device AS r
JOIN task AS t ON t.task_id = r.task_id
JOIN firmware AS f ON f.firmware_id = t.firmware_id
JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id
-- what is under way has its next timeout, and an index by it
WHERE r.due_at IS NOT NULL AND r.state = 'processing'
  AND max(coalesce(d.last_seen_at, 0), coalesce(r.responded_at, 0), coalesce(r.pushed_at, 0))
    < (julianday('now') - 2440587.5) * 86400000.0 - (SELECT arg.minutes FROM arg) * 60000
ORDER BY last_sign, r.task_id, r.device_id;
