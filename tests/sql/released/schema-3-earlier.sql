-- A catalog with schema 3, with earlier triggers, as .dump of the sqlite3 shell writes it. Never changed once released: see damaged.bats.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO product VALUES('lamp','Lamp',1,'latest',NULL);
INSERT INTO product VALUES('oven','Öfen',0,'stepwise',replace('-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n','\n',char(10)));
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
INSERT INTO firmware VALUES('lamp-1.0','lamp','One','1.0',1,'sha256','0000000000000000000000000000000000000000000000000000000000000001','http://files.test/1.0',1000,NULL,'{}','','ready',NULL,1700000000000,1700000000000);
INSERT INTO firmware VALUES('lamp-2.0','lamp','Two','2.0',2,'sha256','0000000000000000000000000000000000000000000000000000000000000002','http://files.test/2.0',2000,NULL,'{"reboot":true}','It''s newer','ready',NULL,1700000000001,1700000000002);
INSERT INTO firmware VALUES('oven-1','oven','Oven','1',1,NULL,NULL,NULL,NULL,'oven.bin','{}','','rejected','withdrawn',1700000000003,1700000000003);
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
INSERT INTO device VALUES('lamp','d1','Desk','1.0',1700000000100,NULL,1700000000200,X'0102030405060708');
INSERT INTO device VALUES('lamp','d2','','2.0',1700000000101,NULL,1700000000201,NULL);
INSERT INTO device VALUES('lamp','d3','',NULL,NULL,NULL,NULL,NULL);
INSERT INTO device VALUES('oven','007','','1',1700000000102,NULL,1700000000202,NULL);
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
INSERT INTO progress_log VALUES(1,1700000000300,5,'lamp','d1','first','lamp-2.0','2.0',50,0,NULL,NULL);
INSERT INTO progress_log VALUES(2,1700000000301,NULL,'lamp','d2',NULL,NULL,NULL,100,1,0,replace('no ''space''\nleft','\n',char(10)));
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
INSERT INTO version_log VALUES(1,1700000000100,1,'lamp','d1','1.0',NULL);
INSERT INTO version_log VALUES(2,1700000000101,NULL,'lamp','d2','2.0','1.0');
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
INSERT INTO catalog_state VALUES(1,0,41,77,95354434653,1795354311596,12908759,'an earlier boot','240fbbb14ce06c31-f356ae763600e709');
CREATE TABLE task (
  -- made up when it is not given
  task_id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(8))))
    CONSTRAINT "task_id must be 1 to 64 of A-Z a-z 0-9 . _ -" CHECK (
      length(task_id) BETWEEN 1 AND 64
      AND instr(task_id, char(0)) = 0
      AND task_id NOT GLOB '*[^A-Za-z0-9._-]*'),
  -- what its devices get; its product is the firmware's
  firmware_id TEXT NOT NULL REFERENCES firmware (firmware_id),
  -- for people
  name TEXT NOT NULL
    CONSTRAINT "name of a task must be 1 to 64 characters" CHECK (
      length(name) BETWEEN 1 AND 64 AND instr(name, char(0)) = 0),
  -- push: the broker sends upgrade; pull: the devices get it when they ask
  mode TEXT NOT NULL
    CONSTRAINT "mode must be 'push' or 'pull'" CHECK (mode IN ('push', 'pull')),
  -- all: every device the product has when the task is made; part: the operator inserts task_device rows
  release_type TEXT NOT NULL DEFAULT 'all'
    CONSTRAINT "release_type must be 'all' or 'part'" CHECK (release_type IN ('all', 'part')),
  -- push: no sign of life for so long after the push ends the attempt; no meaning for pull
  response_timeout_seconds INTEGER NOT NULL DEFAULT 60
    CONSTRAINT "response_timeout_seconds must be 1 to 99999" CHECK (response_timeout_seconds BETWEEN 1 AND 99999),
  -- not complete so long after the push or the pull's answer is a failure
  timeout_seconds INTEGER NOT NULL DEFAULT 3600
    CONSTRAINT "timeout_seconds must be 1 to 99999" CHECK (timeout_seconds BETWEEN 1 AND 99999),
  description TEXT NOT NULL DEFAULT ''
    CONSTRAINT "description of a task must be at most 200 characters" CHECK (
      length(description) <= 200 AND instr(description, char(0)) = 0),
  -- stopped: nothing new is sent; what is under way goes on
  state TEXT NOT NULL DEFAULT 'running'
    CONSTRAINT "state of a task must be 'running' or 'stopped'" CHECK (state IN ('running', 'stopped')),
  -- a device is upgraded by its oldest task first
  created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  -- which of the tasks of one millisecond is the oldest; given by a trigger
  position INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO task VALUES('first','lamp-2.0','First','push','part',30,600,'the first','stopped',1700000000500,1);
INSERT INTO task VALUES('second','lamp-2.0','Second','pull','all',60,99999,'','running',1700000000501,2);
CREATE TABLE task_device (
  task_id TEXT NOT NULL REFERENCES task (task_id),
  -- with the product of the task's firmware, the key of device
  device_id TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting'
    CONSTRAINT "state of a device in a task must be 'waiting', 'processing', 'success', 'failed' or 'canceled'" CHECK (
      state IN ('waiting', 'processing', 'success', 'failed', 'canceled')),
  -- per cent of this attempt
  progress INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "progress must be 0 to 100" CHECK (progress BETWEEN 0 AND 100),
  -- why it failed, for people
  error_reason TEXT,
  -- who decided a failure: the device's own word is final, the broker's (a timeout) is not
  failed_by TEXT
    CONSTRAINT "failed_by must be 'device', 'broker' or NULL" CHECK (failed_by IS NULL OR failed_by IN ('device', 'broker')),
  -- what the device ran when its row began to wait
  from_version TEXT,
  -- how often it was pushed or answered
  attempts INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "attempts must be 0 or more" CHECK (attempts >= 0),
  created_at INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  -- when the push of this attempt was sent, or the pull answered
  pushed_at INTEGER,
  -- first upgrade/reply or progress of this attempt
  responded_at INTEGER,
  -- when it became success, failed or canceled
  completed_at INTEGER,
  -- when the device went offline during this attempt
  interrupted_at INTEGER,
  -- 1: it was known to be online when this attempt was pushed
  was_online INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "was_online must be 0 or 1" CHECK (was_online IN (0, 1)),
  -- next timeout, on the scheduler's steady clock (catalog_state.clock_ms), not wall time
  due_at INTEGER
    CONSTRAINT "due_at is for processing rows only" CHECK (due_at IS NULL OR state = 'processing'),
  -- pushed_at on the scheduler's steady clock
  pushed_clock INTEGER,
  PRIMARY KEY (task_id, device_id)
) STRICT, WITHOUT ROWID;
INSERT INTO task_device VALUES('first','d1','failed',50,'response timeout','broker','1.0',2,1700000000510,1700000000511,NULL,1700000000512,NULL,1,NULL,1000);
INSERT INTO task_device VALUES('first','d2','success',100,NULL,NULL,'1.0',1,1700000000513,1700000000514,1700000000515,1700000000516,NULL,0,NULL,1001);
INSERT INTO task_device VALUES('first','d3','canceled',0,NULL,NULL,NULL,0,1700000000517,NULL,NULL,1700000000518,NULL,0,NULL,NULL);
INSERT INTO task_device VALUES('second','d1','processing',20,NULL,NULL,'1.0',1,1700000000519,1700000000520,1700000000521,NULL,NULL,0,4000000000000000,1002);
INSERT INTO task_device VALUES('second','d3','waiting',0,NULL,NULL,NULL,0,1700000000522,NULL,NULL,NULL,NULL,0,NULL,NULL);
CREATE TABLE task_count (
  task_id TEXT NOT NULL PRIMARY KEY REFERENCES task (task_id),
  waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
  processing INTEGER NOT NULL DEFAULT 0 CHECK (processing >= 0),
  success INTEGER NOT NULL DEFAULT 0 CHECK (success >= 0),
  failed INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
  canceled INTEGER NOT NULL DEFAULT 0 CHECK (canceled >= 0),
  -- 1 only inside a trigger that changes rows of this task and keeps their counts itself
  settling INTEGER NOT NULL DEFAULT 0 CHECK (settling IN (0, 1))
) STRICT, WITHOUT ROWID;
INSERT INTO task_count VALUES('first',0,0,1,1,1,0);
INSERT INTO task_count VALUES('second',1,1,0,0,0,0);
CREATE TABLE task_change (
  change_id INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL,
  -- a row whose state changed; NULL: the task's waiting rows want a look
  device_id TEXT
) STRICT;
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
INSERT INTO download VALUES('lamp','','lamp-1.0',1700000000602,1700000000603,10,10,1000,1,NULL);
INSERT INTO download VALUES('lamp','d1','lamp-2.0',1700000000600,1700000000601,2500,2000,2000,2,1700000000601);
CREATE INDEX device_by_id ON device (device_id);
CREATE INDEX device_by_presence ON device (presence) WHERE presence IS NOT NULL;
CREATE INDEX progress_log_by_device ON progress_log (product_id, device_id, reported_at);
CREATE INDEX version_log_by_device ON version_log (product_id, device_id);
CREATE INDEX task_by_firmware ON task (firmware_id);
CREATE INDEX task_by_position ON task (position);
CREATE INDEX task_device_open ON task_device (device_id) WHERE state IN ('waiting', 'processing');
CREATE INDEX task_device_due ON task_device (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX task_count_open ON task_count (task_id) WHERE waiting + processing > 0;
CREATE INDEX firmware_pending ON firmware (firmware_id) WHERE state = 'pending';
CREATE INDEX download_by_firmware ON download (firmware_id);
CREATE INDEX download_by_last_byte ON download (last_byte_at);
CREATE TRIGGER product_insert AFTER INSERT ON product
BEGIN
  -- INSERT OR REPLACE may bring another key
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND file IS NOT NULL AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready' OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
  -- only INSERT OR REPLACE finds tasks here
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND t.state = 'running' AND t.mode = 'push';
END
;
CREATE TRIGGER product_key BEFORE UPDATE OF product_id ON product
WHEN NEW.product_id IS NOT OLD.product_id
BEGIN
  SELECT RAISE(ABORT, 'product_id cannot change: insert a new product, and delete this one when it has no firmware and no devices');
END;
CREATE TRIGGER product_update AFTER UPDATE ON product
WHEN NEW.firmware_enabled IS NOT OLD.firmware_enabled
  OR NEW.pull_policy IS NOT OLD.pull_policy
  OR NEW.public_key IS NOT OLD.public_key
BEGIN
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
  INSERT INTO task_change (task_id)
  SELECT t.task_id FROM firmware AS f CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
  WHERE f.product_id = NEW.product_id AND NEW.firmware_enabled = 1 AND OLD.firmware_enabled = 0
    AND t.state = 'running' AND t.mode = 'push';
  -- what the old key vouched for, or could not, is verified again
  UPDATE firmware SET state = 'pending', state_reason = NULL
  WHERE product_id = NEW.product_id AND NEW.public_key IS NOT OLD.public_key
    AND file IS NOT NULL AND sign_method IN ('ed25519', 'ecdsa-sha256', 'rsa-sha256')
    AND (state = 'ready' OR (state = 'rejected' AND firmware_id IN (SELECT firmware_id FROM firmware_file)));
END
;
CREATE TRIGGER product_delete BEFORE DELETE ON product
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has firmware: delete its firmware first (DELETE FROM firmware WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
    WHEN EXISTS (SELECT 1 FROM device WHERE product_id = OLD.product_id)
      THEN RAISE(ABORT, 'this product has devices: delete its devices first (DELETE FROM device WHERE product_id = ...), or disable it (UPDATE product SET firmware_enabled = 0 ...)')
  END;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER firmware_insert_guard BEFORE INSERT ON firmware
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
      THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'this firmware_id exists already: choose another one or leave it out, or change that row with UPDATE firmware')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = NEW.product_id AND version = NEW.version)
      THEN RAISE(ABORT, 'the product has firmware of this version already: choose another version, or change that row with UPDATE firmware')
    WHEN EXISTS (SELECT 1 FROM firmware WHERE product_id = NEW.product_id AND version_order = NEW.version_order)
      THEN RAISE(ABORT, 'the product has firmware with this version_order already: choose another number (SELECT max(version_order) + 1 FROM firmware WHERE product_id = ...)')
  END;
END;
CREATE TRIGGER firmware_insert_parameters BEFORE INSERT ON firmware
BEGIN
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE WHEN json_valid(NEW.parameters) THEN json_type(NEW.parameters) = 'object' ELSE NEW.parameters IS NULL END;
END;
CREATE TRIGGER firmware_update_parameters BEFORE UPDATE OF parameters ON firmware
BEGIN
  SELECT RAISE(ABORT, 'parameters must be a JSON object of at most 32768 bytes, such as {"reboot":true}')
  WHERE NOT CASE WHEN json_valid(NEW.parameters) THEN json_type(NEW.parameters) = 'object' ELSE NEW.parameters IS NULL END;
END;
CREATE TRIGGER firmware_insert AFTER INSERT ON firmware
BEGIN
  UPDATE firmware SET state = iif(file IS NULL, 'ready', 'pending'), state_reason = NULL
  WHERE firmware_id = NEW.firmware_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER firmware_update_guard BEFORE UPDATE ON firmware
BEGIN
  SELECT CASE
    WHEN NEW.firmware_id IS NOT OLD.firmware_id
      THEN RAISE(ABORT, 'firmware_id cannot change: insert new firmware, and delete this one when it has no task')
    WHEN NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
      OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
      OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
      THEN CASE
        WHEN (SELECT plugin_writing FROM catalog_state) = 0 AND EXISTS (
          SELECT 1 FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id
          WHERE t.firmware_id = OLD.firmware_id AND c.waiting + c.processing > 0)
          THEN RAISE(ABORT, 'a task of this firmware has open rows: what devices are told (version, version_order, product_id, file, url, size, sign, sign_method) cannot change before they end; stop the task (UPDATE task SET state = ''stopped'' ...) and wait for what is under way, or add new firmware')
        WHEN NEW.product_id IS NOT OLD.product_id AND EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id)
          THEN RAISE(ABORT, 'this firmware has a task, whose devices are of its product: delete the task first (DELETE FROM task WHERE firmware_id = ...)')
        WHEN NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id)
          THEN RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version = NEW.version AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware of this version already: choose another version')
        WHEN EXISTS (
          SELECT 1 FROM firmware
          WHERE product_id = NEW.product_id AND version_order = NEW.version_order AND firmware_id IS NOT OLD.firmware_id)
          THEN RAISE(ABORT, 'the product has other firmware with this version_order already: choose another number')
      END
  END;
  SELECT RAISE(ABORT, 'firmware with a file becomes ready when the plugin has verified the file: set state = ''pending'' to have it verified again')
  WHERE NEW.file IS NOT NULL AND NEW.state = 'ready' AND OLD.state IS NOT 'ready'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
END;
CREATE TRIGGER firmware_settle AFTER UPDATE OF state, state_reason, file, url, size, sign, sign_method ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (NEW.state IS NOT OLD.state OR NEW.state_reason IS NOT OLD.state_reason
    OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
    OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method)
BEGIN
  UPDATE firmware SET state = CASE
    WHEN NEW.state = 'rejected' AND OLD.state <> 'rejected' THEN 'rejected'
    WHEN NEW.file IS NULL THEN iif(NEW.state = 'pending' OR OLD.file IS NOT NULL, 'ready', NEW.state)
    WHEN NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url OR NEW.size IS NOT OLD.size
      OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method THEN 'pending'
    ELSE NEW.state
  END
  WHERE firmware_id = NEW.firmware_id;
  UPDATE firmware SET state_reason = NULL
  WHERE firmware_id = NEW.firmware_id AND state <> 'rejected' AND state_reason IS NOT NULL;
END;
CREATE TRIGGER firmware_updated_at
AFTER UPDATE OF product_id, name, version, version_order, sign_method, sign, url, size, file, parameters, description, state
ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware SET updated_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE firmware_id = NEW.firmware_id;
END;
CREATE TRIGGER firmware_update AFTER UPDATE ON firmware
WHEN NEW.state IS NOT OLD.state OR NEW.version IS NOT OLD.version OR NEW.version_order IS NOT OLD.version_order
  OR NEW.product_id IS NOT OLD.product_id OR NEW.file IS NOT OLD.file OR NEW.url IS NOT OLD.url
  OR NEW.size IS NOT OLD.size OR NEW.sign IS NOT OLD.sign OR NEW.sign_method IS NOT OLD.sign_method
  OR NEW.parameters IS NOT OLD.parameters
BEGIN
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
  -- who verified the file does not matter: waiting devices can be served now
  INSERT INTO task_change (task_id)
  SELECT task_id FROM task
  WHERE firmware_id = NEW.firmware_id AND NEW.state = 'ready' AND OLD.state <> 'ready'
    AND state = 'running' AND mode = 'push';
END
;
CREATE TRIGGER firmware_delete BEFORE DELETE ON firmware
BEGIN
  SELECT RAISE(ABORT, 'this firmware has a task: delete the task first (DELETE FROM task WHERE firmware_id = ...), or withdraw the firmware (UPDATE firmware SET state = ''rejected'' ...)')
  WHERE EXISTS (SELECT 1 FROM task WHERE firmware_id = OLD.firmware_id);
  DELETE FROM firmware_file WHERE firmware_id = OLD.firmware_id;
  DELETE FROM download WHERE firmware_id = OLD.firmware_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER firmware_file_forget AFTER UPDATE OF state, file ON firmware
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND ((NEW.state = 'rejected' AND OLD.state <> 'rejected') OR (NEW.file IS NULL AND OLD.file IS NOT NULL))
BEGIN
  DELETE FROM firmware_file WHERE firmware_id = NEW.firmware_id;
END;
CREATE TRIGGER firmware_file_url AFTER UPDATE OF url ON firmware
WHEN NEW.url IS NOT OLD.url AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  UPDATE firmware_file SET url_made = 0 WHERE firmware_id = NEW.firmware_id;
END;
CREATE TRIGGER download_insert BEFORE INSERT ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download is written by the plugin alone: it records what was sent to devices');
END;
CREATE TRIGGER download_update BEFORE UPDATE ON download
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'download cannot be changed: it records what was sent to devices; a row may be deleted, and begins anew with the next download');
END;
CREATE TRIGGER device_insert_guard BEFORE INSERT ON device
BEGIN
  SELECT RAISE(ABORT, 'unknown product_id: add the product first (INSERT INTO product (product_id, name) VALUES (...))')
  WHERE NOT EXISTS (SELECT 1 FROM product WHERE product_id = NEW.product_id);
END;
CREATE TRIGGER device_insert AFTER INSERT ON device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  INSERT INTO device_change (product_id, device_id) VALUES (NEW.product_id, NEW.device_id);
END;
CREATE TRIGGER device_key BEFORE UPDATE OF product_id, device_id ON device
WHEN NEW.product_id IS NOT OLD.product_id OR NEW.device_id IS NOT OLD.device_id
BEGIN
  SELECT RAISE(ABORT, 'product_id and device_id of a device cannot change: insert a new device, and delete this one when no task has it');
END;
CREATE TRIGGER device_delete BEFORE DELETE ON device
BEGIN
  SELECT RAISE(ABORT, 'this device is in a task: delete its rows first (DELETE FROM task_device WHERE device_id = ... AND state NOT IN (''waiting'', ''processing''))')
  WHERE EXISTS (
    SELECT 1 FROM firmware AS f
    CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
    CROSS JOIN task_device AS r ON r.task_id = t.task_id AND r.device_id = OLD.device_id
    WHERE f.product_id = OLD.product_id);
  DELETE FROM download WHERE product_id = OLD.product_id AND device_id = OLD.device_id;
END;
CREATE TRIGGER progress_log_insert BEFORE INSERT ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log is written by the plugin alone: it records what devices said');
END;
CREATE TRIGGER progress_log_update BEFORE UPDATE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be changed: it records what devices said');
END;
CREATE TRIGGER progress_log_delete BEFORE DELETE ON progress_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'progress_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;
CREATE TRIGGER version_log_insert BEFORE INSERT ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log is written by the plugin alone: it records what devices said');
END;
CREATE TRIGGER version_log_update BEFORE UPDATE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be changed: it records what devices said');
END;
CREATE TRIGGER version_log_delete BEFORE DELETE ON version_log
WHEN (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'version_log cannot be deleted by hand: set the option log_retention_days, and the plugin deletes old rows');
END;
CREATE TRIGGER catalog_state_update BEFORE UPDATE ON catalog_state
WHEN OLD.plugin_writing = 0
  AND (NEW.applied_sequence IS NOT OLD.applied_sequence OR NEW.clock_ms IS NOT OLD.clock_ms
    OR NEW.clock_wall_ms IS NOT OLD.clock_wall_ms OR NEW.clock_boot_ms IS NOT OLD.clock_boot_ms
    OR NEW.clock_boot_id IS NOT OLD.clock_boot_id)
BEGIN
  SELECT RAISE(ABORT, 'catalog_state is the plugin''s own: leave it alone, or messages that devices sent are lost');
END;
CREATE TRIGGER catalog_state_insert BEFORE INSERT ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state has its one row already: leave it to the plugin');
END;
CREATE TRIGGER catalog_state_delete BEFORE DELETE ON catalog_state
BEGIN
  SELECT RAISE(ABORT, 'catalog_state must keep its row: leave it to the plugin');
END;
CREATE TRIGGER task_insert_guard BEFORE INSERT ON task
BEGIN
  SELECT CASE
    WHEN NEW.position IS NOT 0
      THEN RAISE(ABORT, 'position of a task is given by the catalog: leave it out')
    WHEN EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
      THEN RAISE(ABORT, 'this task_id exists already: choose another one or leave it out')
    WHEN NOT EXISTS (SELECT 1 FROM firmware WHERE firmware_id = NEW.firmware_id)
      THEN RAISE(ABORT, 'unknown firmware_id: add the firmware first (INSERT INTO firmware ...), or look for its id (SELECT firmware_id, product_id, version FROM firmware)')
    WHEN (SELECT p.firmware_enabled FROM firmware AS f CROSS JOIN product AS p ON p.product_id = f.product_id
          WHERE f.firmware_id = NEW.firmware_id) = 0
      THEN RAISE(ABORT, 'the product of this firmware is disabled: enable it first (UPDATE product SET firmware_enabled = 1 WHERE product_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'pending'
      THEN RAISE(ABORT, 'this firmware is pending: wait until the plugin has verified its file (SELECT state, state_reason FROM firmware WHERE firmware_id = ...)')
    WHEN (SELECT state FROM firmware WHERE firmware_id = NEW.firmware_id) = 'rejected'
      THEN RAISE(ABORT, 'this firmware is rejected: see why (SELECT state_reason FROM firmware WHERE firmware_id = ...), mend it, and have it verified again (UPDATE firmware SET state = ''pending'' ...)')
  END;
END;
CREATE TRIGGER task_insert AFTER INSERT ON task
BEGIN
  UPDATE task SET position = 1 + (SELECT max(position) FROM task) WHERE task_id = NEW.task_id;
  INSERT INTO task_count (task_id, settling) VALUES (NEW.task_id, 1);
  INSERT INTO task_device (task_id, device_id, state, progress, completed_at, from_version)
  SELECT
    NEW.task_id, d.device_id,
    CASE WHEN d.version = f.version THEN 'success' WHEN NEW.state = 'stopped' THEN 'canceled' ELSE 'waiting' END,
    CASE WHEN d.version = f.version THEN 100 ELSE 0 END,
    CASE WHEN d.version = f.version OR NEW.state = 'stopped'
      THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
    d.version
  FROM firmware AS f CROSS JOIN device AS d ON d.product_id = f.product_id
  WHERE f.firmware_id = NEW.firmware_id AND NEW.release_type = 'all';
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER task_update_guard BEFORE UPDATE OF task_id, firmware_id, mode, release_type, position ON task
WHEN NEW.task_id IS NOT OLD.task_id OR NEW.firmware_id IS NOT OLD.firmware_id
  OR NEW.mode IS NOT OLD.mode OR NEW.release_type IS NOT OLD.release_type
  OR (NEW.position IS NOT OLD.position AND OLD.position <> 0)
BEGIN
  SELECT RAISE(ABORT, 'task_id, firmware_id, mode, release_type and position of a task cannot change: stop this task (UPDATE task SET state = ''stopped'' ...) and make a new one');
END;
CREATE TRIGGER task_stop AFTER UPDATE OF state ON task
WHEN OLD.state = 'running' AND NEW.state = 'stopped'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_device SET
    state = 'canceled',
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND state = 'waiting';
  UPDATE task_count SET settling = 0, canceled = canceled + waiting, waiting = 0 WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER task_continue AFTER UPDATE OF state ON task
WHEN OLD.state = 'stopped' AND NEW.state = 'running'
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  INSERT INTO task_change (task_id) VALUES (NEW.task_id);
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_device SET
    (state, progress, completed_at, from_version) = (
      SELECT
        CASE WHEN d.version = f.version THEN 'success' ELSE 'waiting' END,
        CASE WHEN d.version = f.version THEN 100 ELSE 0 END,
        CASE WHEN d.version = f.version
          THEN CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) END,
        d.version
      FROM firmware AS f CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE f.firmware_id = NEW.firmware_id AND d.device_id = task_device.device_id),
    error_reason = NULL, failed_by = NULL, pushed_at = NULL, responded_at = NULL,
    interrupted_at = NULL, due_at = NULL, pushed_clock = NULL
  WHERE task_id = NEW.task_id AND state = 'canceled';
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT
      0, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'success'),
      count(*) FILTER (WHERE state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id)
  WHERE task_id = NEW.task_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER task_delete BEFORE DELETE ON task
BEGIN
  SELECT RAISE(ABORT, 'this task has devices that are waiting or processing: stop it first (UPDATE task SET state = ''stopped'' ...), and wait for those under way to end or time out')
  WHERE (SELECT waiting + processing FROM task_count WHERE task_id = OLD.task_id) > 0;
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  DELETE FROM task_device WHERE task_id = OLD.task_id;
  DELETE FROM task_count WHERE task_id = OLD.task_id;
  DELETE FROM task_change WHERE task_id = OLD.task_id;
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER task_device_insert_guard BEFORE INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) IS NOT 1
BEGIN
  SELECT CASE
    WHEN NOT EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
      THEN CASE
        WHEN EXISTS (SELECT 1 FROM task WHERE task_id = NEW.task_id)
          THEN RAISE(ABORT, 'the product of this task has no such device: add the device first (INSERT INTO device (product_id, device_id) VALUES (...))')
        ELSE RAISE(ABORT, 'unknown task_id: make the task first (INSERT INTO task ...)')
      END
    WHEN EXISTS (SELECT 1 FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
      THEN RAISE(ABORT, 'this device is in the task already: to upgrade it again, retry its failed row (UPDATE task_device SET state = ''waiting'' WHERE task_id = ... AND device_id = ... AND state = ''failed''), or delete the row and insert it again')
  END;
  SELECT RAISE(ABORT, 'insert only task_id and device_id into task_device: state, progress and times follow from the rules')
  WHERE (NEW.state <> 'waiting' OR NEW.progress <> 0 OR NEW.attempts <> 0 OR NEW.was_online <> 0
      OR coalesce(NEW.from_version, NEW.error_reason, NEW.failed_by, NEW.pushed_at, NEW.responded_at,
        NEW.completed_at, NEW.interrupted_at, NEW.due_at, NEW.pushed_clock) IS NOT NULL)
    -- what the rules give anyway may be written down
    AND NOT EXISTS (
      SELECT 1 FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id
        AND NEW.state = CASE WHEN d.version = f.version THEN 'success' WHEN t.state = 'stopped' THEN 'canceled' ELSE 'waiting' END
        AND NEW.progress IN (0, CASE WHEN d.version = f.version THEN 100 ELSE 0 END)
        AND NEW.attempts = 0 AND NEW.was_online = 0
        AND (NEW.from_version IS NULL OR NEW.from_version IS d.version)
        AND coalesce(NEW.error_reason, NEW.failed_by, NEW.pushed_at, NEW.responded_at, NEW.completed_at,
          NEW.interrupted_at, NEW.due_at, NEW.pushed_clock) IS NULL);
END
;
CREATE TRIGGER task_device_insert AFTER INSERT ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = NEW.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    from_version = (
      SELECT d.version
      FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  UPDATE task_device SET
    state = 'success', progress = 100,
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id
    AND from_version = (
      SELECT f.version FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE t.task_id = NEW.task_id);
  UPDATE task_device SET
    state = 'canceled',
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id AND state <> 'success'
    AND (SELECT state FROM task WHERE task_id = NEW.task_id) = 'stopped';
  INSERT INTO task_change (task_id, device_id)
  SELECT task_id, device_id FROM task_device
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id AND state = 'waiting'
    AND (SELECT plugin_writing FROM catalog_state) = 0;
  UPDATE task_count SET (settling, waiting, success, canceled) = (
    SELECT 0, waiting + (state = 'waiting'), success + (state = 'success'), canceled + (state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
  WHERE task_id = NEW.task_id;
END;
CREATE TRIGGER task_device_key BEFORE UPDATE OF task_id, device_id ON task_device
WHEN NEW.task_id IS NOT OLD.task_id OR NEW.device_id IS NOT OLD.device_id
BEGIN
  SELECT RAISE(ABORT, 'task_id and device_id of a row in task_device cannot change: insert a new row, and delete this one');
END;
CREATE TRIGGER task_device_update_guard BEFORE UPDATE ON task_device
WHEN (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  SELECT CASE
    WHEN NEW.progress IS NOT OLD.progress OR NEW.error_reason IS NOT OLD.error_reason
      OR NEW.failed_by IS NOT OLD.failed_by OR NEW.from_version IS NOT OLD.from_version
      OR NEW.attempts IS NOT OLD.attempts OR NEW.created_at IS NOT OLD.created_at
      OR NEW.pushed_at IS NOT OLD.pushed_at OR NEW.responded_at IS NOT OLD.responded_at
      OR NEW.completed_at IS NOT OLD.completed_at OR NEW.interrupted_at IS NOT OLD.interrupted_at
      OR NEW.was_online IS NOT OLD.was_online
      OR NEW.due_at IS NOT OLD.due_at OR NEW.pushed_clock IS NOT OLD.pushed_clock
      THEN RAISE(ABORT, 'only state of a row in task_device can be set by hand: the rest follows from it')
    WHEN NEW.state IS OLD.state THEN NULL
    WHEN NEW.state = 'canceled' THEN CASE OLD.state
      WHEN 'waiting' THEN NULL
      WHEN 'processing'
        THEN RAISE(ABORT, 'this upgrade is under way and cannot be stopped: wait for its end or its timeout, or add AND state = ''waiting''')
      ELSE RAISE(ABORT, 'this upgrade has ended, there is nothing to stop: add AND state = ''waiting''')
    END
    WHEN NEW.state = 'waiting' THEN CASE
      WHEN OLD.state = 'processing'
        THEN RAISE(ABORT, 'this upgrade is under way: wait for its end or its timeout; to retry what failed, add AND state = ''failed''')
      WHEN OLD.state = 'success'
        THEN RAISE(ABORT, 'this upgrade succeeded and is not repeated: to retry what failed, add AND state = ''failed''; to continue what was stopped, add AND state = ''canceled''')
      WHEN (SELECT state FROM task WHERE task_id = OLD.task_id) = 'stopped'
        THEN RAISE(ABORT, 'the task of this row is stopped: continue the task first (UPDATE task SET state = ''running'' WHERE task_id = ...)')
      WHEN OLD.state = 'failed' AND (SELECT mode FROM task WHERE task_id = OLD.task_id) = 'pull'
        THEN RAISE(ABORT, 'only rows of push tasks are retried: in a pull task delete the row (DELETE FROM task_device ...) and insert it again')
    END
    ELSE RAISE(ABORT, 'by hand, state of a row in task_device can be set to ''waiting'' (retry a failed row, continue a canceled one) or ''canceled'' (stop a waiting one): the rest is for the devices to say')
  END;
END;
CREATE TRIGGER task_device_canceled_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state = 'canceled' AND OLD.state <> 'canceled'
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  INSERT INTO task_change (task_id, device_id) VALUES (NEW.task_id, NEW.device_id);
  UPDATE task_count SET settling = 0, waiting = waiting - 1, canceled = canceled + 1 WHERE task_id = NEW.task_id;
END;
CREATE TRIGGER task_device_waiting_by_hand AFTER UPDATE OF state ON task_device
WHEN NEW.state = 'waiting' AND OLD.state <> 'waiting'
  AND (SELECT plugin_writing FROM catalog_state) = 0
  AND (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = NEW.task_id;
  UPDATE task_device SET
    progress = 0, error_reason = NULL, failed_by = NULL, pushed_at = NULL, responded_at = NULL,
    completed_at = NULL, interrupted_at = NULL, due_at = NULL, pushed_clock = NULL,
    from_version = (
      SELECT d.version
      FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      CROSS JOIN device AS d ON d.product_id = f.product_id
      WHERE t.task_id = NEW.task_id AND d.device_id = NEW.device_id)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id;
  UPDATE task_device SET
    state = 'success', progress = 100,
    completed_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
  WHERE task_id = NEW.task_id AND device_id = NEW.device_id
    AND from_version = (
      SELECT f.version FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
      WHERE t.task_id = NEW.task_id);
  INSERT INTO task_change (task_id, device_id) VALUES (NEW.task_id, NEW.device_id);
  UPDATE task_count SET (settling, waiting, success, failed, canceled) = (
    SELECT
      0, waiting + (state = 'waiting'), success + (state = 'success'),
      failed - (OLD.state = 'failed'), canceled - (OLD.state = 'canceled')
    FROM task_device WHERE task_id = NEW.task_id AND device_id = NEW.device_id)
  WHERE task_id = NEW.task_id;
END;
CREATE TRIGGER task_device_counted AFTER UPDATE OF state ON task_device
WHEN NEW.state <> OLD.state AND (SELECT plugin_writing FROM catalog_state) = 1
BEGIN
  UPDATE task_count SET
    waiting = waiting + (NEW.state = 'waiting') - (OLD.state = 'waiting'),
    processing = processing + (NEW.state = 'processing') - (OLD.state = 'processing'),
    success = success + (NEW.state = 'success') - (OLD.state = 'success'),
    failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
    canceled = canceled + (NEW.state = 'canceled') - (OLD.state = 'canceled')
  WHERE task_id = NEW.task_id AND settling = 0;
END;
CREATE TRIGGER task_device_delete_guard BEFORE DELETE ON task_device
WHEN OLD.state IN ('waiting', 'processing')
BEGIN
  SELECT CASE OLD.state
    WHEN 'waiting'
      THEN RAISE(ABORT, 'this device is waiting: stop its row first (UPDATE task_device SET state = ''canceled'' WHERE task_id = ... AND device_id = ... AND state = ''waiting'')')
    ELSE RAISE(ABORT, 'this upgrade is under way: wait for its end or its timeout, then delete the row')
  END;
END;
CREATE TRIGGER task_device_delete AFTER DELETE ON task_device
WHEN (SELECT settling FROM task_count WHERE task_id = OLD.task_id) = 0
BEGIN
  UPDATE task_count SET settling = 1 WHERE task_id = OLD.task_id;
  UPDATE task_count SET
    settling = 0,
    success = success - (OLD.state = 'success'),
    failed = failed - (OLD.state = 'failed'),
    canceled = canceled - (OLD.state = 'canceled')
  WHERE task_id = OLD.task_id;
END;
CREATE TRIGGER task_count_insert BEFORE INSERT ON task_count
WHEN NEW.settling = 0 OR EXISTS (SELECT 1 FROM task_count WHERE task_id = NEW.task_id)
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: make a task instead (INSERT INTO task ...)');
END;
CREATE TRIGGER task_count_update BEFORE UPDATE ON task_count
WHEN NEW.settling = OLD.settling AND (SELECT plugin_writing FROM catalog_state) = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: change the rows it counts instead (UPDATE task_device ...)');
END;
CREATE TRIGGER task_count_open AFTER UPDATE OF waiting, processing ON task_count
WHEN (NEW.waiting + NEW.processing > 0) <> (OLD.waiting + OLD.processing > 0)
BEGIN
  UPDATE catalog_state SET generation = generation + 1 + abs(random() % 1000000);
END;
CREATE TRIGGER task_count_delete BEFORE DELETE ON task_count
WHEN OLD.settling = 0
BEGIN
  SELECT RAISE(ABORT, 'task_count is kept by triggers: delete the task instead (DELETE FROM task WHERE task_id = ...)');
END;
CREATE VIEW task_summary AS
SELECT
  t.task_id, t.name, f.product_id, t.firmware_id, f.version, t.mode, t.release_type, t.state, t.created_at,
  c.waiting + c.processing + c.success + c.failed + c.canceled AS total,
  c.waiting, c.processing, c.success, c.failed, c.canceled,
  -- rows that came to an end by themselves
  coalesce(100 * (c.success + c.failed) / nullif(c.waiting + c.processing + c.success + c.failed + c.canceled, 0), 0)
    AS percent
FROM task AS t
CROSS JOIN task_count AS c ON c.task_id = t.task_id
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
;
CREATE VIEW task_detail AS
SELECT
  t.task_id, t.name AS task_name, t.mode, t.state AS task_state,
  f.product_id, t.firmware_id, f.name AS firmware_name, f.version,
  r.device_id, d.name AS device_name, d.version AS current_version, d.presence,
  r.state, r.progress, r.error_reason, r.from_version, r.attempts,
  r.created_at, r.pushed_at, r.responded_at, r.completed_at, d.last_seen_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.created_at / 1000, 'unixepoch') AS created_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.pushed_at / 1000, 'unixepoch') AS pushed_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.responded_at / 1000, 'unixepoch') AS responded_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', r.completed_at / 1000, 'unixepoch') AS completed_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', d.last_seen_at / 1000, 'unixepoch') AS last_seen_time
FROM task AS t
CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id
CROSS JOIN task_device AS r ON r.task_id = t.task_id
CROSS JOIN device AS d ON d.product_id = f.product_id AND d.device_id = r.device_id;
CREATE VIEW device_history AS
SELECT
  product_id, device_id, received_at AS at,
  strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000, 'unixepoch') AS time,
  'version' AS what, NULL AS task_id, NULL AS firmware_id, version, NULL AS progress, NULL AS state,
  iif(previous_version IS NULL, 'first report', 'before: ' || previous_version) AS detail
FROM version_log
UNION ALL
SELECT
  product_id, device_id, received_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', received_at / 1000, 'unixepoch'),
  'progress', task_id, firmware_id, version, progress,
  CASE WHEN complete = 1 THEN iif(success = 1, 'success', 'failed') END,
  error_reason
FROM progress_log
UNION ALL
SELECT
  f.product_id, r.device_id, coalesce(r.completed_at, r.responded_at, r.pushed_at, r.created_at),
  strftime('%Y-%m-%dT%H:%M:%SZ',
    coalesce(r.completed_at, r.responded_at, r.pushed_at, r.created_at) / 1000, 'unixepoch'),
  'task', r.task_id, t.firmware_id, f.version, r.progress, r.state, r.error_reason
FROM firmware AS f
CROSS JOIN task AS t ON t.firmware_id = f.firmware_id
CROSS JOIN task_device AS r ON r.task_id = t.task_id;
PRAGMA application_id = 0x4D6F4657; PRAGMA user_version = 3;
COMMIT;
