-- What real fleets do: which connection an attempt was sent to, how often it was cut off, and what
-- a device is known to be doing.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says
-- otherwise.

-- attempts in a row that neither the device's word nor a timeout ended; then the row fails
ALTER TABLE task ADD COLUMN attempt_limit INTEGER NOT NULL DEFAULT 5
  CONSTRAINT "attempt_limit must be 1 to 100" CHECK (attempt_limit BETWEEN 1 AND 100);
-- 0: a device whose version has a higher order than the target's is left alone, its row canceled
ALTER TABLE task ADD COLUMN allow_downgrade INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "allow_downgrade must be 0 or 1" CHECK (allow_downgrade IN (0, 1));
-- tasks go on as they were made
UPDATE task SET allow_downgrade = 1;

-- the kind of a failure, beside the sentence in error_reason; NULL: not failed, or failed before
-- there were kinds
ALTER TABLE task_device ADD COLUMN failure TEXT
  CONSTRAINT "failure must be 'device', 'response', 'timeout', 'version', 'lost', 'reverted', 'interrupted', 'refused' or NULL" CHECK (
    failure IS NULL
    OR failure IN ('device', 'response', 'timeout', 'version', 'lost', 'reverted', 'interrupted', 'refused'));
-- attempts in a row that were interrupted: ended neither by the device's word nor by a timeout
-- while it was there
ALTER TABLE task_device ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "interruptions must be 0 or more" CHECK (interruptions >= 0);
-- number of the connection that the last attempt was sent to, 0: sent while nobody knew whether the
-- device is there; NULL: nothing was sent since the device last reported a version
ALTER TABLE task_device ADD COLUMN connection INTEGER;
-- 1: more rows changed at once than are told of in a second: its task event comes later, with what
-- the row is by then
ALTER TABLE task_device ADD COLUMN untold INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "untold must be 0 or 1" CHECK (untold IN (0, 1));

-- number of the connection by which it is online; NULL: it is not, or that is not known
ALTER TABLE device ADD COLUMN connection INTEGER;
-- of several by which it is online the oldest: what was sent to any of them since is not lost
ALTER TABLE device ADD COLUMN oldest_connection INTEGER;
-- when the scheduler looks at it again, on the steady clock (catalog_state.clock_ms)
ALTER TABLE device ADD COLUMN due_at INTEGER;
-- an upgrade of it ended, and it has not reported its version since: when it counts as settled if
-- it stays there, on the steady clock; NULL: it is
ALTER TABLE device ADD COLUMN settles_at INTEGER;
-- what it ran before the upgrade that it completed last; NULL: it has reported since
ALTER TABLE device ADD COLUMN completed_from TEXT;
-- till then a pull that names completed_from comes from before the restart
ALTER TABLE device ADD COLUMN completed_until INTEGER;
-- what its last pull was offered, and no later report has shown the outcome of
ALTER TABLE device ADD COLUMN offered_firmware_id TEXT;
-- what it ran then; NULL: unknown
ALTER TABLE device ADD COLUMN offered_version TEXT;
-- 1: it said that it completed that upgrade
ALTER TABLE device ADD COLUMN offer_completed INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "offer_completed must be 0 or 1" CHECK (offer_completed IN (0, 1));

-- Images that call themselves otherwise than the catalog does: a device that pulled one and
-- installed it reports another version, and would get it again for ever. The plugin's own.
CREATE TABLE label_mismatch (
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  -- what it was offered
  firmware_id TEXT NOT NULL,
  -- what it ran when it was offered that; NULL: unknown
  from_version TEXT,
  -- what it reported then
  label TEXT NOT NULL,
  -- how often in a row
  times INTEGER NOT NULL CHECK (times >= 1),
  -- the last time
  at INTEGER NOT NULL,
  PRIMARY KEY (product_id, device_id, firmware_id)
) STRICT, WITHOUT ROWID;

-- the messages of the last two connections that may be delivered again are kept in another form now
UPDATE device SET recent_messages = NULL WHERE recent_messages IS NOT NULL;

-- what was sent before connections were known by number
UPDATE catalog_state SET plugin_writing = 1;
UPDATE task_device SET connection = 0 WHERE state = 'processing' OR (state = 'waiting' AND attempts > 0);
UPDATE task_device SET failure = CASE
    WHEN failed_by = 'device' THEN 'device'
    WHEN error_reason = 'response timeout' THEN 'response'
    WHEN error_reason = 'upgrade timeout' THEN 'timeout'
    WHEN error_reason GLOB 'still runs *' THEN 'version'
  END
WHERE state = 'failed';
UPDATE catalog_state SET plugin_writing = 0;

-- serves: the devices that the scheduler looks at next
CREATE INDEX device_due ON device (due_at) WHERE due_at IS NOT NULL AND presence IS NOT 'offline';
-- serves: has a product devices between the end of an upgrade and their report, asked by a pull
CREATE INDEX device_completed ON device (product_id) WHERE completed_from IS NOT NULL;
-- serves: has a product upgrades under way, of a task that was stopped too
CREATE INDEX task_count_under_way ON task_count (product_id) WHERE processing > 0;
-- serves: which events are still to be sent
CREATE INDEX task_device_untold ON task_device (task_id, device_id) WHERE untold = 1;
-- serves: what was sent to a device since it last reported its version
CREATE INDEX task_device_sent ON task_device (device_id) WHERE connection IS NOT NULL;

-- Always empty: triggers look at what is inserted here, and refuse what is no good as a text of its
-- kind.
CREATE TABLE check_text (
  -- 'product_id', 'device_id', 'version', 'file', 'url' or 'parameters'
  what TEXT NOT NULL,
  text TEXT
) STRICT;
CREATE TABLE check_parameters (
  -- firmware.parameters
  text TEXT
) STRICT;
-- their work is check_text's now
DROP TRIGGER IF EXISTS firmware_insert_version;
DROP TRIGGER IF EXISTS firmware_update_version;

-- how far the wall clock is believed when old rows are deleted: the wall clock and the steady one
-- at one moment; 0: not yet
ALTER TABLE catalog_state ADD COLUMN trust_wall_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE catalog_state ADD COLUMN trust_steady_ms INTEGER NOT NULL DEFAULT 0;
-- by so much the wall clock has left that, and since when on the steady clock
ALTER TABLE catalog_state ADD COLUMN trust_off_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE catalog_state ADD COLUMN trust_off_since INTEGER NOT NULL DEFAULT 0;
-- the start of the machine in which that was saved
ALTER TABLE catalog_state ADD COLUMN trust_boot_id TEXT NOT NULL DEFAULT '';

-- Downloads: what of an image was sent, beside the row of download and gone with it. From now on
-- download.completed_at is when the last byte of the image that had not been sent was sent, by
-- whichever requests and chunks: sent, not received (a device that breaks off has less). It stands
-- until another image takes the place of this one and is downloaded. Rows from before this
-- migration keep the completed_at that they have: when the end of the file was sent. For device ''
-- it says that all bytes were sent, to whomever.
CREATE TABLE download_range (
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  firmware_id TEXT NOT NULL,
  -- first 16 hex digits of the SHA-256 of the image
  image TEXT NOT NULL,
  -- bytes of it that were sent at least once
  covered INTEGER NOT NULL
    CONSTRAINT "covered must be 0 or more" CHECK (covered >= 0),
  -- which bytes these are, as in a Range header ('0-99,200-299'). At most 64 ranges: of more the
  -- smallest are forgotten, and count as not sent; so does what was sent in the last seconds before
  -- a crash (not: an orderly stop) of the broker
  ranges TEXT NOT NULL,
  PRIMARY KEY (product_id, device_id, firmware_id)
) STRICT, WITHOUT ROWID;
