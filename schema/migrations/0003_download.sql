-- Firmware files: what the plugin found when it verified them, and how far devices are with downloading them.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC) unless a column says otherwise.

-- The plugin's own: the file of a firmware row as it was when the row became ready or was rejected. A file that looks
-- different now is verified again before it is offered again. A rejected row that is not here was withdrawn by hand,
-- and stays so.
CREATE TABLE firmware_file (
  firmware_id TEXT NOT NULL PRIMARY KEY REFERENCES firmware (firmware_id),
  -- firmware.file at that time
  file TEXT NOT NULL,
  -- bytes; with the next three it tells this state of the file from any other; all 0: there was none
  size INTEGER NOT NULL,
  -- last write and last change of any kind, in nanoseconds
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  -- of the whole file, whatever sign_method is; NULL: rejected
  sha256 TEXT,
  -- 1: firmware.url was made by the plugin, so it follows url_base and can be made to expire
  url_made INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "url_made must be 0 or 1" CHECK (url_made IN (0, 1)),
  verified_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- serves: which files are to be verified
CREATE INDEX firmware_pending ON firmware (firmware_id) WHERE state = 'pending';

-- A row for each device and firmware, written a few seconds late, some rows at a time.
CREATE TABLE download (
  product_id TEXT NOT NULL,
  -- '' stands for all who downloaded by an address that does not say who they are
  device_id TEXT NOT NULL,
  firmware_id TEXT NOT NULL,
  -- first request
  first_byte_at INTEGER NOT NULL,
  -- latest byte that was sent
  last_byte_at INTEGER NOT NULL,
  -- sent in all, what was sent again included
  bytes INTEGER NOT NULL
    CONSTRAINT "bytes of a download must be 0 or more" CHECK (bytes >= 0),
  -- up to where the file was sent
  reached INTEGER NOT NULL
    CONSTRAINT "reached must be 0 or more" CHECK (reached >= 0),
  -- size of the file
  total INTEGER NOT NULL,
  -- HTTP requests or chunks
  requests INTEGER NOT NULL,
  -- when the end of the file was sent for the first time; NULL: not yet
  completed_at INTEGER,
  PRIMARY KEY (product_id, device_id, firmware_id)
) STRICT, WITHOUT ROWID;

-- serves: who downloads this firmware; forgetting downloads with their firmware
CREATE INDEX download_by_firmware ON download (firmware_id);
-- serves: deleting old rows after log_retention_days
CREATE INDEX download_by_last_byte ON download (last_byte_at);
