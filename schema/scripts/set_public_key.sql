-- Set the public key by which signatures of a product's firmware are verified.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id,
--     CAST(readfile('public.pem') AS TEXT) AS public_key" firmware.db < set_public_key.sql
--
-- Make the keys once, on a machine that is not the broker's, and keep private.pem there; one of
--  openssl genpkey -algorithm ed25519 -out private.pem
--  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem
--  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out private.pem
-- and then
--  openssl pkey -in private.pem -pubout -out public.pem
-- Firmware that is signed is verified again with the new key.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  public_key CONSTRAINT "public_key must be text, as by CAST(readfile(...) AS TEXT), or NULL"
    CHECK (typeof(public_key) IN ('text', 'null')),
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'));
INSERT INTO quoted SELECT arg.public_key, arg.product_id FROM arg;
UPDATE product SET public_key = (
  SELECT arg.public_key FROM arg WHERE arg.product_id = product.product_id)
WHERE product_id IN (SELECT arg.product_id FROM arg);
SELECT 'no such product: nothing changed' WHERE changes() = 0;

.mode box
SELECT product_id, iif(public_key IS NULL, 'none', 'set') AS public_key FROM product
WHERE product_id IN (SELECT arg.product_id FROM arg);
