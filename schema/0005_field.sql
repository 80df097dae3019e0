-- What real fleets do: which connection an attempt was sent to, how often it was cut off, and what a device is known to be doing.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says otherwise.

-- attempts in a row that neither the device's word nor a timeout ended; then the row fails
ALTER TABLE task ADD COLUMN attempt_limit INTEGER NOT NULL DEFAULT 5
  CONSTRAINT "attempt_limit must be 1 to 100" CHECK (attempt_limit BETWEEN 1 AND 100);
-- 0: a device whose version has a higher order than the target's is left alone, its row canceled
ALTER TABLE task ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "allow_downgrade must be 0 or 1" CHECK (allow_downgrade IN (0, 1));
-- tasks go on as they were made
UPDATE task SET allow_downgrade = 1;

-- the kind of a failure, beside the sentence in error_reason; NULL: not failed, or failed before there were kinds
ALTER TABLE task_device ADD COLUMN failure TEXT
  CONSTRAINT "failure must be 'device', 'response', 'timeout', 'version', 'lost', 'reverted', 'interrupted', 'refused' or NULL" CHECK (
    failure IS NULL
    OR failure IN ('device', 'response', 'timeout', 'version', 'lost', 'reverted', 'interrupted', 'refused'));
-- attempts in a row that were interrupted: ended neither by the device's word nor by a timeout while it was there
ALTER TABLE task_device ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "interruptions must be 0 or more" CHECK (interruptions >= 0);
-- number of the connection that the last attempt was sent to, 0: sent while nobody knew whether the device is there;
-- NULL: nothing was sent since the device last reported a version
ALTER TABLE task_device ADD COLUMN connection INTEGER;

-- number of the connection by which it is online; NULL: it is not, or that is not known
ALTER TABLE device ADD COLUMN connection INTEGER;
-- when the scheduler looks at it again, on the steady clock (catalog_state.clock_ms)
ALTER TABLE device ADD COLUMN due_at INTEGER;
-- 1: an upgrade of it ended, and it has not reported its version since
ALTER TABLE device ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "unsettled must be 0 or 1" CHECK (unsettled IN (0, 1));
-- what it ran before the upgrade that it completed last; NULL: it has reported since
ALTER TABLE device ADD COLUMN completed_from TEXT;
-- till then a pull that names completed_from comes from before the restart
ALTER TABLE device ADD COLUMN completed_until INTEGER;
-- the messages of the last two connections that may be delivered again are kept in another form now
UPDATE device SET recent_messages = NULL WHERE recent_messages IS NOT NULL;

-- serves: the devices that the scheduler looks at next
CREATE INDEX device_due ON device (due_at) WHERE due_at IS NOT NULL AND presence IS NOT 'offline';
-- serves: has a product devices between the end of an upgrade and their report, asked by a pull
CREATE INDEX device_completed ON device (product_id) WHERE completed_from IS NOT NULL;
-- serves: what was sent to a device since it last reported its version
CREATE INDEX task_device_sent ON task_device (device_id) WHERE connection IS NOT NULL;

-- Downloads: what of an image was sent, beside the row of download and gone with it. From now on download.completed_at is when
-- the last byte of the image that had not been sent was sent, by whichever requests and chunks: sent, not received (a device
-- that breaks off has less). It stands until another image takes the place of this one and is downloaded. Rows from before
-- this migration keep the completed_at that they have: when the end of the file was sent. For device '' it says that all bytes
-- were sent, to whomever.
CREATE TABLE download_range (
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  firmware_id TEXT NOT NULL,
  -- first 16 hex digits of the SHA-256 of the image
  image TEXT NOT NULL,
  -- bytes of it that were sent at least once
  covered INTEGER NOT NULL
    CONSTRAINT "covered must be 0 or more" CHECK (covered >= 0),
  -- which bytes these are, as in a Range header ('0-99,200-299'). At most 64 ranges: of more the smallest are forgotten, and
  -- count as not sent; so does what was sent in the last seconds before a crash (not: an orderly stop) of the broker
  ranges TEXT NOT NULL,
  PRIMARY KEY (product_id, device_id, firmware_id)
) STRICT, WITHOUT ROWID;
