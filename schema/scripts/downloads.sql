-- How far the devices are with downloading a firmware, those that stopped longest ago first.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.0' AS version" \
--     firmware.db < downloads.sql
--
-- percent and complete are of the bytes that were sent at least once, in whatever order. Device ''
-- stands for all downloads by a URL that names no device (url_ttl_seconds is 0).
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'));
INSERT INTO quoted SELECT arg.product_id, arg.version FROM arg;
.mode box
SELECT
  w.device_id, 100 * coalesce(r.covered, w.reached) / w.total AS percent, w.bytes, w.total,
  w.requests,
  strftime('%Y-%m-%dT%H:%M:%SZ', w.first_byte_at / 1000, 'unixepoch') AS first_byte,
  strftime('%Y-%m-%dT%H:%M:%SZ', w.last_byte_at / 1000, 'unixepoch') AS last_byte,
  iif(w.completed_at IS NULL, 'no', 'yes') AS complete
FROM firmware AS f CROSS JOIN download AS w ON w.firmware_id = f.firmware_id
LEFT JOIN download_range AS r
  ON r.product_id = w.product_id AND r.device_id = w.device_id AND r.firmware_id = w.firmware_id
WHERE (f.product_id, f.version) IN (SELECT arg.product_id, arg.version FROM arg)
ORDER BY w.completed_at IS NOT NULL, w.last_byte_at;
