-- Add firmware that is hosted elsewhere. It is ready at once.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version, 110 AS version_order,
--     'Spring release' AS name, 'https://cdn.example.com/gateway-1.10.bin' AS url, 1048576 AS size, 'sha256' AS sign_method,
--     '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' AS sign" catalog.db < add_firmware.sql
--
-- Newer firmware has the higher version_order. size is in bytes (stat -c %s FILE), sign is the file's digest in
-- lower-case hex (sha256sum FILE).
.bail on
.timeout 5000
INSERT INTO firmware (product_id, version, version_order, name, url, size, sign_method, sign)
SELECT arg.product_id, arg.version, arg.version_order, arg.name, arg.url, arg.size, arg.sign_method, arg.sign FROM arg;

.mode box
SELECT firmware_id, product_id, version, version_order, name, state
FROM firmware WHERE (product_id, version) IN (SELECT arg.product_id, CAST(arg.version AS TEXT) FROM arg);
