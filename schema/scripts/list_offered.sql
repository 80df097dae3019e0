-- What each product offers, newest first.
--
--   sqlite3 firmware.db < list_offered.sql
--
-- offer_bytes is the size of the whole MQTT packet of an upgrade, for the longest device_id of the
-- product: an upper bound. A device whose Maximum Packet Size (MQTT 5) or buffer is smaller does
-- not get it. A pull/reply has the request's messageId too.
.bail on
.timeout 5000
.mode box
SELECT
  p.product_id, p.pull_policy, f.version, f.version_order, f.firmware_id, f.name, f.size,
  -- fixed header, length and text of the topic, packet id, properties
  5 + 2 + length('///firmware/upgrade') - 1 + length(CAST(p.product_id AS BLOB)) + d.longest + 2 + 8
    + length('{"timestamp":1700000000000,"url":,"version":,"parameters":,"sign":,'
      || '"signMethod":,"firmwareId":,"size":}')
    + length(CAST(json_quote(f.url) || json_quote(f.version) || f.parameters || json_quote(f.sign)
      || json_quote(f.sign_method) || json_quote(f.firmware_id) || f.size AS BLOB))
    -- with url_ttl_seconds each device is told a URL of its own, in which a byte of its id takes up
    -- to three
    + iif(ff.url_made,
      length('?device=&expires=1700000000&signature=') + 3 * d.longest + 64, 0) AS offer_bytes,
  iif(p.firmware_enabled = 1, 'yes', 'no: the product is disabled') AS offered
FROM product AS p
CROSS JOIN (
  SELECT p.product_id, coalesce(max(length(CAST(device_id AS BLOB))), 64) AS longest
  FROM product AS p LEFT JOIN device AS d ON d.product_id = p.product_id GROUP BY p.product_id) AS d
  ON d.product_id = p.product_id
CROSS JOIN firmware AS f ON f.product_id = p.product_id
LEFT JOIN firmware_file AS ff ON ff.firmware_id = f.firmware_id
WHERE f.state = 'ready'
ORDER BY p.product_id, f.version_order DESC;
