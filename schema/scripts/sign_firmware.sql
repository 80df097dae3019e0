-- Give firmware its signature. It is verified with the product's public key (set_public_key.sql)
-- before it is offered.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, '1.10' AS version,
--     'ed25519' AS sign_method,
--     'O7Eu2jwpjbXeJVl/VNkk8uF+eKJq2JU+2CGO5oLwu76QIeLzAJ0VLJEb8fJexoOpAnFBZnZ6+9jlvQ+wEk7Lig=='
--     AS sign" firmware.db < sign_firmware.sql
--
-- Sign on the machine that has private.pem, for 'ecdsa-sha256' and 'rsa-sha256' by
--  openssl dgst -sha256 -sign private.pem gateway-1.10.bin | openssl base64 -A
-- for 'ed25519' by
--  openssl pkeyutl -sign -rawin -inkey private.pem -in gateway-1.10.bin | openssl base64 -A
-- Refused while a task of this firmware has open rows.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  sign_method CONSTRAINT "sign_method must be text in quotes, or NULL"
    CHECK (typeof(sign_method) IN ('text', 'null')),
  sign CONSTRAINT "sign must be text in quotes, or NULL" CHECK (typeof(sign) IN ('text', 'null')),
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  version CONSTRAINT "version must be text in quotes: without them 1.10 is the number 1.1"
    CHECK (typeof(version) = 'text'));
INSERT INTO quoted SELECT arg.sign_method, arg.sign, arg.product_id, arg.version FROM arg;
UPDATE firmware SET (sign_method, sign) = (
  SELECT arg.sign_method, arg.sign FROM arg
  WHERE arg.product_id = firmware.product_id AND arg.version = firmware.version)
WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
SELECT 'no such firmware: nothing changed' WHERE changes() = 0;

.mode box
SELECT firmware_id, product_id, version, sign_method, state
FROM firmware WHERE (product_id, version) IN (SELECT arg.product_id, arg.version FROM arg);
