-- What each product offers, newest first.
--
--   sqlite3 catalog.db < list_offered.sql
.bail on
.timeout 5000
.mode box
SELECT
  p.product_id, p.pull_policy, f.version, f.version_order, f.firmware_id, f.name, f.size,
  iif(p.firmware_enabled = 1, 'yes', 'no: the product is disabled') AS offered
FROM product AS p CROSS JOIN firmware AS f ON f.product_id = p.product_id
WHERE f.state = 'ready'
ORDER BY p.product_id, f.version_order DESC;
