-- Find devices by a part of their id or name, 50 at most.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT '00a1' AS text" firmware.db < find_device.sql
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  text CONSTRAINT "text must be text in quotes" CHECK (typeof(text) = 'text'));
INSERT INTO quoted SELECT arg.text FROM arg;
.mode box
SELECT
  product_id, device_id, name, version, coalesce(presence, 'unknown') AS presence,
  strftime('%Y-%m-%dT%H:%M:%SZ', last_seen_at / 1000, 'unixepoch') AS last_seen
FROM device
WHERE instr(lower(device_id), lower((SELECT arg.text FROM arg))) > 0
  OR instr(lower(name), lower((SELECT arg.text FROM arg))) > 0
ORDER BY product_id, device_id
LIMIT 50;
