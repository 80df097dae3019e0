-- A catalog with schema 2, as .dump of the sqlite3 shell writes it. Never changed once released: see damaged.bats.
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
INSERT INTO device VALUES('lamp','d1','Desk','1.0',1700000000100,'online',1700000000200,X'0102030405060708');
INSERT INTO device VALUES('lamp','d2','','2.0',1700000000101,'offline',1700000000201,NULL);
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
INSERT INTO catalog_state VALUES(1,0,41,77,123456,1700000000400,5000,'an earlier boot','of an earlier version');
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
CREATE INDEX device_by_id ON device (device_id);
CREATE INDEX device_by_presence ON device (presence) WHERE presence IS NOT NULL;
CREATE INDEX progress_log_by_device ON progress_log (product_id, device_id, reported_at);
CREATE INDEX version_log_by_device ON version_log (product_id, device_id);
CREATE INDEX task_by_firmware ON task (firmware_id);
CREATE INDEX task_by_position ON task (position);
CREATE INDEX task_device_open ON task_device (device_id) WHERE state IN ('waiting', 'processing');
CREATE INDEX task_device_due ON task_device (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX task_count_open ON task_count (task_id) WHERE waiting + processing > 0;
CREATE VIEW device_history AS SELECT 'of an earlier version';
PRAGMA application_id = 0x4D6F4657; PRAGMA user_version = 2;
COMMIT;
