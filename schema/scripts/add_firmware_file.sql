-- Add firmware from a file. It is pending until the plugin has read the file, and then ready, or
-- rejected with the reason.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     110 AS version_order,
--     'Spring release' AS name, 'gateway-1.10.bin' AS file, NULL AS sign_method, NULL AS sign" \
--     firmware.db < add_firmware_file.sql
--
-- Copy the file into files_dir first, under another name if that takes long, and rename it when it
-- is whole. With sign_method and sign NULL the plugin fills in the file's SHA-256; otherwise they
-- must match the file (sign_firmware.sql tells how to make a signature). Newer firmware has the
-- higher version_order.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'),
  file CONSTRAINT "file must be text in quotes" CHECK (typeof(file) = 'text'),
  sign_method CONSTRAINT "sign_method must be text in quotes, or NULL"
    CHECK (typeof(sign_method) IN ('text', 'null')),
  sign CONSTRAINT "sign must be text in quotes, or NULL" CHECK (typeof(sign) IN ('text', 'null')));
INSERT INTO quoted
SELECT arg.product_id, arg.version, arg.name, arg.file, arg.sign_method, arg.sign FROM arg;
INSERT INTO firmware (product_id, version, version_order, name, file, sign_method, sign)
SELECT
  arg.product_id, arg.version, arg.version_order, arg.name, arg.file, arg.sign_method, arg.sign
FROM arg;

.mode box
SELECT firmware_id, product_id, version, version_order, name, file, state
FROM firmware WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
.print See how it went: SELECT state, state_reason FROM firmware WHERE ...
