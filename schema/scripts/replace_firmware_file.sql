-- Give firmware another file, or accept that its file was changed: it is verified again from the
-- start.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     'gateway-1.10-b.bin' AS file,
--     NULL AS sign_method, NULL AS sign" firmware.db < replace_firmware_file.sql
--
-- With sign_method and sign NULL the plugin fills in the new file's SHA-256. Refused while a task
-- of this firmware has open rows. Devices that have the version already do not ask again: a mistake
-- in the field is better mended by a new version.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  file CONSTRAINT "file must be text in quotes" CHECK (typeof(file) = 'text'),
  sign_method CONSTRAINT "sign_method must be text in quotes, or NULL"
    CHECK (typeof(sign_method) IN ('text', 'null')),
  sign CONSTRAINT "sign must be text in quotes, or NULL" CHECK (typeof(sign) IN ('text', 'null')),
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'));
INSERT INTO quoted SELECT arg.file, arg.sign_method, arg.sign, arg.product_id, arg.version FROM arg;
UPDATE firmware SET
  (file, sign_method, sign) = (
    SELECT arg.file, arg.sign_method, arg.sign FROM arg
    WHERE arg.product_id = firmware.product_id AND arg.version = firmware.version),
  size = NULL,
  -- an address that was given by hand stays
  url = iif(
    EXISTS (
      SELECT 1 FROM firmware_file AS ff
      WHERE ff.firmware_id = firmware.firmware_id AND ff.url_made = 1),
    NULL, url),
  state = 'pending'
WHERE (product_id, version) IN (
  SELECT arg.product_id, arg.version FROM arg WHERE arg.file IS NOT NULL);
SELECT 'no such firmware: nothing changed' WHERE changes() = 0;

.mode box
SELECT firmware_id, product_id, version, file, state
FROM firmware WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
