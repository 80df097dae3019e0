-- Add a product, or give the one there is another name.
--
--   sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'gateway' AS product_id, 'Gateway' AS name" \
--     firmware.db < add_product.sql
--
-- product_id is the first level of its devices' topics.
.bail on
.timeout 5000
CREATE TEMP TABLE quoted (
  product_id CONSTRAINT "product_id must be text in quotes: without them 007 is the number 7"
    CHECK (typeof(product_id) = 'text'),
  name CONSTRAINT "name must be text in quotes" CHECK (typeof(name) = 'text'));
INSERT INTO quoted SELECT arg.product_id, arg.name FROM arg;
INSERT INTO product (product_id, name)
SELECT arg.product_id, arg.name FROM arg WHERE true
ON CONFLICT (product_id) DO UPDATE SET name = excluded.name;

.mode box
SELECT product_id, name, firmware_enabled, pull_policy
FROM product WHERE product_id IN (SELECT arg.product_id FROM arg);
