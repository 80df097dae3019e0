-- The catalog: products, their firmware, the devices, what devices reported, and the plugin's own state.
--
-- A migration: never changed after release. Times are Unix milliseconds (UTC). A table whose key is text has no
-- rowid, so that INSERT OR REPLACE cannot hit a second, hidden key. The names of the constraints are sentences
-- because the shell prints them.

CREATE TABLE product (
  -- the first level of the topics
  product_id TEXT NOT NULL PRIMARY KEY
    CONSTRAINT "product_id must be 1 to 64 bytes, without / + # and without control characters" CHECK (
      length(CAST(product_id AS BLOB)) BETWEEN 1 AND 64
      AND instr(product_id, char(0)) = 0
      AND product_id NOT GLOB '*[/+#' || char(1) || '-' || char(31) || char(127) || ']*'),
  -- for people
  name TEXT NOT NULL DEFAULT ''
    CONSTRAINT "name of a product must be at most 64 characters" CHECK (
      length(name) <= 64 AND instr(name, char(0)) = 0),
  -- 0: every pull is answered firmware_disabled, and nothing is pushed
  firmware_enabled INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "firmware_enabled must be 0 or 1" CHECK (firmware_enabled IN (0, 1)),
  -- which firmware a pull gets that names no version
  pull_policy TEXT NOT NULL DEFAULT 'latest'
    CONSTRAINT "pull_policy must be 'latest', 'stepwise' or 'task'" CHECK (pull_policy IN ('latest', 'stepwise', 'task')),
  -- PEM; verifies signatures of firmware files
  public_key TEXT
    CONSTRAINT "public_key must be a PEM public key (-----BEGIN PUBLIC KEY-----) or NULL" CHECK (
      public_key IS NULL OR (instr(public_key, '-----BEGIN PUBLIC KEY-----') > 0 AND instr(public_key, 'PRIVATE KEY') = 0
        AND instr(public_key, char(0)) = 0))
) STRICT, WITHOUT ROWID;

CREATE TABLE firmware (
  -- names this firmware to devices and in download addresses; made up when it is not given
  firmware_id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(8))))
    CONSTRAINT "firmware_id must be 1 to 64 of A-Z a-z 0-9 . _ -, and more than dots" CHECK (
      length(firmware_id) BETWEEN 1 AND 64
      AND firmware_id NOT IN ('.', '..')
      AND instr(firmware_id, char(0)) = 0
      AND firmware_id NOT GLOB '*[^A-Za-z0-9._-]*'),
  product_id TEXT NOT NULL REFERENCES product (product_id),
  -- for people
  name TEXT NOT NULL
    CONSTRAINT "name of firmware must be 1 to 64 characters" CHECK (
      length(name) BETWEEN 1 AND 64 AND instr(name, char(0)) = 0),
  -- what a device that runs this firmware reports
  version TEXT NOT NULL
    CONSTRAINT "version must be 1 to 64 characters" CHECK (
      length(version) BETWEEN 1 AND 64 AND instr(version, char(0)) = 0),
  -- newer firmware has the higher number
  version_order INTEGER NOT NULL
    CONSTRAINT "version_order must be 1 or more" CHECK (version_order >= 1),
  -- how sign was made; NULL with a file: the plugin fills in sha256
  sign_method TEXT
    CONSTRAINT "sign_method must be 'md5', 'sha256', 'sha512', 'ed25519', 'ecdsa-sha256' or 'rsa-sha256'" CHECK (
      sign_method IN ('md5', 'sha256', 'sha512', 'ed25519', 'ecdsa-sha256', 'rsa-sha256')),
  -- digest in lower-case hex, or signature in base64
  sign TEXT,
  -- where devices download; NULL with a file: the plugin fills it in
  url TEXT
    CONSTRAINT "url must be 1 to 2048 bytes, without spaces and control characters" CHECK (
      url IS NULL OR (
        length(CAST(url AS BLOB)) BETWEEN 1 AND 2048
        AND instr(url, char(0)) = 0
        AND url NOT GLOB '*[' || char(1) || '-' || char(32) || char(127) || ']*')),
  -- bytes; NULL with a file: the plugin fills it in
  size INTEGER
    CONSTRAINT "size must be 1 byte or more" CHECK (size IS NULL OR size >= 1),
  -- plain name in files_dir; NULL: hosted elsewhere
  file TEXT
    CONSTRAINT "file must be a plain name in files_dir: 1 to 255 bytes, no /, no leading dot, no control characters" CHECK (
      file IS NULL OR (
        length(CAST(file AS BLOB)) BETWEEN 1 AND 255
        AND instr(file, char(0)) = 0
        AND file NOT GLOB '.*'
        AND file NOT GLOB '*[/' || char(1) || '-' || char(31) || char(127) || ']*')),
  -- told to devices as it is; a trigger sees to the JSON, because a schema that mentions json_valid cannot be
  -- opened at all with trusted_schema off in SQLite 3.40
  parameters TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "parameters must be a JSON object of at most 32768 bytes" CHECK (
      length(CAST(parameters AS BLOB)) BETWEEN 2 AND 32768 AND instr(parameters, char(0)) = 0),
  description TEXT NOT NULL DEFAULT ''
    CONSTRAINT "description of firmware must be at most 200 characters" CHECK (
      length(description) <= 200 AND instr(description, char(0)) = 0),
  -- only ready firmware is ever offered
  state TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "state of firmware must be 'pending', 'ready' or 'rejected'" CHECK (
      state IN ('pending', 'ready', 'rejected')),
  -- why it is not ready, for people
  state_reason TEXT,
  created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  -- last change by an operator
  updated_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),

  CONSTRAINT "firmware without a file is hosted elsewhere: url, size, sign_method and sign must be given" CHECK (
    file IS NOT NULL
    OR (url IS NOT NULL AND size IS NOT NULL AND sign_method IS NOT NULL AND sign IS NOT NULL)),
  CONSTRAINT "sign needs its sign_method" CHECK (sign IS NULL OR sign_method IS NOT NULL),
  CONSTRAINT "sign must be lower-case hex: 32 digits for md5, 64 for sha256, 128 for sha512" CHECK (
    sign IS NULL OR sign_method NOT IN ('md5', 'sha256', 'sha512')
    OR (length(CAST(sign AS BLOB)) = CASE sign_method WHEN 'md5' THEN 32 WHEN 'sha256' THEN 64 ELSE 128 END
        AND instr(sign, char(0)) = 0
        AND sign NOT GLOB '*[^0-9a-f]*')),
  CONSTRAINT "sign must be base64 on one line (openssl base64 -A): A-Z a-z 0-9 + / and = at the end" CHECK (
    sign IS NULL OR sign_method IN ('md5', 'sha256', 'sha512')
    OR (length(CAST(sign AS BLOB)) BETWEEN 4 AND 4096
        AND length(CAST(sign AS BLOB)) % 4 = 0
        AND instr(sign, char(0)) = 0
        AND sign NOT GLOB '*[^A-Za-z0-9+/=]*'
        AND rtrim(sign, '=') NOT GLOB '*=*'
        AND length(sign) - length(rtrim(sign, '=')) <= 2)),
  -- serves: a pull that names a version; progress that names its version; all firmware of a product
  UNIQUE (product_id, version),
  -- serves: the highest, lowest and next firmware of a product
  UNIQUE (product_id, version_order)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
  product_id TEXT NOT NULL REFERENCES product (product_id),
  -- the second level of the topics
  device_id TEXT NOT NULL
    CONSTRAINT "device_id must be 1 to 64 bytes, without / + # and without control characters" CHECK (
      length(CAST(device_id AS BLOB)) BETWEEN 1 AND 64
      AND instr(device_id, char(0)) = 0
      AND device_id NOT GLOB '*[/+#' || char(1) || '-' || char(31) || char(127) || ']*'),
  -- for people
  name TEXT NOT NULL DEFAULT ''
    CONSTRAINT "name of a device must be at most 64 characters" CHECK (
      length(name) <= 64 AND instr(name, char(0)) = 0),
  -- what it runs, as it last said; NULL: it never said
  version TEXT
    CONSTRAINT "version of a device must be 1 to 64 characters or NULL" CHECK (
      version IS NULL OR (length(version) BETWEEN 1 AND 64 AND instr(version, char(0)) = 0)),
  -- when it last said so
  version_at INTEGER,
  -- as the broker sees it; NULL: not seen since the broker started
  presence TEXT
    CONSTRAINT "presence must be 'online', 'offline' or NULL (unknown)" CHECK (
      presence IS NULL OR presence IN ('online', 'offline')),
  -- last sign of life
  last_seen_at INTEGER,
  -- digests of the last reports and replies that carried a timestamp, 8 bytes each, newest first: one that is delivered again
  -- is known by its own
  recent_messages BLOB,
  PRIMARY KEY (product_id, device_id)
) STRICT, WITHOUT ROWID;

-- serves: a client connects or goes, and its id is all that is known of the device; an operator looks for a device
CREATE INDEX device_by_id ON device (device_id);
-- serves: after a start of the broker every presence becomes unknown
CREATE INDEX device_by_presence ON device (presence) WHERE presence IS NOT NULL;

-- Devices that operators added: a queue the plugin empties, as it may know them online.
CREATE TABLE device_change (
  change_id INTEGER PRIMARY KEY,
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL
) STRICT;

CREATE TABLE progress_log (
  -- grows with received_at, so the oldest rows have the lowest log_id
  log_id INTEGER PRIMARY KEY CONSTRAINT "log_id must be 1 or more" CHECK (log_id >= 1),
  -- the broker's clock
  received_at INTEGER NOT NULL,
  -- the timestamp in the message; NULL: it had none
  reported_at INTEGER,
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  -- the task whose row it moved; NULL: no task; outlives the task
  task_id TEXT,
  -- as the message named it, or resolved from its version; NULL: neither
  firmware_id TEXT,
  -- as the message named it, or resolved from its firmware; NULL: neither
  version TEXT,
  progress INTEGER
    CONSTRAINT "progress must be 0 to 100" CHECK (progress IS NULL OR progress BETWEEN 0 AND 100),
  -- 1: the device said that this upgrade has ended
  complete INTEGER
    CONSTRAINT "complete must be 0, 1 or NULL" CHECK (complete IS NULL OR complete IN (0, 1)),
  success INTEGER
    CONSTRAINT "success must be 0, 1 or NULL" CHECK (success IS NULL OR success IN (0, 1)),
  error_reason TEXT
) STRICT;

-- serves: device_history; recognising a redelivered message among a device's latest rows
CREATE INDEX progress_log_by_device ON progress_log (product_id, device_id, reported_at);

CREATE TABLE version_log (
  -- grows with received_at, so the oldest rows have the lowest log_id
  log_id INTEGER PRIMARY KEY CONSTRAINT "log_id must be 1 or more" CHECK (log_id >= 1),
  -- the broker's clock
  received_at INTEGER NOT NULL,
  -- the timestamp in the message; NULL: it had none
  reported_at INTEGER,
  product_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  version TEXT NOT NULL,
  -- NULL: the first the device told
  previous_version TEXT
) STRICT;

-- serves: device_history
CREATE INDEX version_log_by_device ON version_log (product_id, device_id);

-- The plugin's own state; operators leave it alone.
CREATE TABLE catalog_state (
  id INTEGER PRIMARY KEY CONSTRAINT "catalog_state has one row" CHECK (id = 1),
  -- 1 inside a transaction of the plugin: its first statement sets it, its last resets it, a crash rolls it back;
  -- triggers that refuse or give meaning to an operator's act look at it
  plugin_writing INTEGER NOT NULL DEFAULT 0 CHECK (plugin_writing IN (0, 1)),
  -- grows whenever something changed that a cached answer to a pull depends on
  generation INTEGER NOT NULL DEFAULT 0,
  -- sequence of the last spool record that is in the catalog
  applied_sequence INTEGER NOT NULL DEFAULT 0,
  -- the scheduler's steady clock when it was last saved, in ms; task_device.due_at is on this clock
  clock_ms INTEGER NOT NULL DEFAULT 0,
  -- wall clock at that moment
  clock_wall_ms INTEGER NOT NULL DEFAULT 0,
  -- time since the machine's start at that moment
  clock_boot_ms INTEGER NOT NULL DEFAULT 0,
  -- which start of the machine that was
  clock_boot_id TEXT NOT NULL DEFAULT '',
  -- digest of the views and triggers that are in this file: another one in the plugin, and it applies its own
  programs_digest TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO catalog_state (id) VALUES (1);
