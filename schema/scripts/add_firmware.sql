-- Add firmware that is hosted elsewhere. It is ready at once.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     110 AS version_order,
--     'Spring release' AS name, 'https://cdn.example.com/gateway-1.10.bin' AS url,
--     1048576 AS size, 'sha256' AS sign_method,
--     '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' AS sign" \
--     firmware.db < add_firmware.sql
--
-- Newer firmware has the higher version_order. size is in bytes (stat -c %s FILE), sign is the
-- file's digest in lower-case hex (sha256sum FILE).
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'),
  url CONSTRAINT "url must be text in quotes" CHECK (typeof(url) = 'text'),
  sign_method CONSTRAINT "sign_method must be text in quotes, or NULL"
    CHECK (typeof(sign_method) IN ('text', 'null')),
  sign CONSTRAINT "sign must be text in quotes, or NULL" CHECK (typeof(sign) IN ('text', 'null')));
INSERT INTO quoted
SELECT arg.product_id, arg.version, arg.name, arg.url, arg.sign_method, arg.sign FROM arg;
INSERT INTO firmware (product_id, version, version_order, name, url, size, sign_method, sign)
SELECT
  arg.product_id, arg.version, arg.version_order, arg.name, arg.url, arg.size, arg.sign_method,
  arg.sign
FROM arg;

.mode box
SELECT firmware_id, product_id, version, version_order, name, state
FROM firmware WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
