# shellcheck shell=bash
# A fresh catalog for each test, driven by nothing but the sqlite3 shell.

# shellcheck source=tests/integration/shell.bash
source "${BASH_SOURCE[0]%/*}/../integration/shell.bash"

BATS_LIB_SCHEMA=$(cd "$BATS_TEST_DIRNAME/../../schema" && pwd)
HOSTED="'http://h/x', 10, 'md5', '0123456789abcdef0123456789abcdef'"

FK=off RT=off # the pragmas of `sql`

# catalog_make FILE: what the plugin makes on first start.
catalog_make() {
  {
    # a migration changes the text of a table's check
    echo '.dbconfig defensive off'
    echo 'PRAGMA journal_mode = wal; BEGIN;'
    cat "$BATS_LIB_SCHEMA"/migrations/*.sql "$BATS_LIB_SCHEMA"/views.sql "$BATS_LIB_SCHEMA"/triggers/*.sql
    echo 'PRAGMA application_id = 0x4D6F4657; PRAGMA user_version = 7; COMMIT;'
  } | sqlite3 -bail "$1" >/dev/null
}

catalog_setup() {
  DB=$BATS_TEST_TMPDIR/firmware.db
  # one for all tests of the file
  [[ -e $BATS_FILE_TMPDIR/empty.db ]] || catalog_make "$BATS_FILE_TMPDIR/empty.db"
  cp "$BATS_FILE_TMPDIR/empty.db" "$DB"
  start_shell
}

setup_file() { open_shell; }
teardown_file() { close_shell; }

# sql STATEMENTS: run by an operator; stops at the first error.
sql() {
  local status=0
  sql_ask "$1" || status=$?
  [[ -z $ANSWER ]] || printf '%s\n' "$ANSWER"
  return "$status"
}

# sql_ask STATEMENTS: as sql; what it prints is in $ANSWER.
sql_ask() {
  ask "PRAGMA foreign_keys = $FK; PRAGMA recursive_triggers = $RT; $1"
}

# plugin_sql STATEMENTS: run as the plugin does, in one transaction with its mark.
plugin_sql() {
  sql "BEGIN IMMEDIATE; UPDATE catalog_state SET plugin_writing = 1;
    $1
    UPDATE catalog_state SET plugin_writing = 0; COMMIT;"
}

fail() {
  printf '%s\n' "$@" >&2
  return 1
}

# same WANTED GOT WHAT
same() {
  [[ "$1" == "$2" ]] || fail "$3" "wanted: $1" "got:    $2"
}

# rows WANTED QUERY: rows are joined by a space.
rows() {
  sql_ask "$2" || { fail "failed: $2" || return 1; }
  same "$1" "${ANSWER//$'\n'/ }" "$2"
}

# The pragmas that an operator's shell may have set, foreign_keys and recursive_triggers: neither
# and both; with --long each alone, too.
WAYS=('off off' 'on on')
[[ -z ${FW_LONG:-} ]] || WAYS+=('off on' 'on off')

each_way() {
  local way
  for way in "${WAYS[@]}"; do
    FK=${way% *} RT=${way#* }
    "$@" || fail "with foreign_keys=$FK recursive_triggers=$RT" || return 1
  done
  FK=off RT=off
}

dump() {
  sqlite3 "$DB" .dump
}

# The last connection that leaves the catalog takes its log away; a shell that ends at an error
# leaves an empty one. So the file alone tells whether anything changed. It was older than the stamp
# when that was made.
note_unchanged() {
  until unchanged; do : >"$DB.stamp"; done
}

unchanged() { [[ $DB -ot $DB.stamp && ! -s $DB-wal ]]; }

refused_once() {
  note_unchanged
  if sql_ask "$2" 2>/dev/null; then fail "not refused: $2" "$ANSWER" || return 1; fi
  [[ $ERRORS == *"$1"* ]] || { fail "wrong words for: $2" "wanted: $1" "got:    $ERRORS" || return 1; }
  unchanged || fail "refused, yet something changed: $2"
}

# refused WORDS STATEMENT: it fails with these words and changes nothing, whatever the pragmas.
refused() {
  each_way refused_once "$@"
}

# What the catalog is, in memory; the statements; and what the query gives.
gives_once() {
  local status=0
  shell_takes '' || fail 'the shell does not answer' || return 1
  shell_reads ".open :memory:
.restore '$DB'
PRAGMA foreign_keys = $FK; PRAGMA recursive_triggers = $RT;
.output /dev/null
$2
;
.output '$SHELL_DIR/said'
$3
$WRONG" || status=$?
  ((status == 0)) || { shell_failed && return 1; }
  same "$1" "${ANSWER//$'\n'/ }" "$3"
}

# gives WANTED STATEMENTS QUERY: on a copy of the catalog, whatever the pragmas. In the short form
# the ways take turns.
gives() {
  local WAYS=("${WAYS[@]}")
  if [[ -z ${FW_LONG:-} ]]; then
    TURN=$((${TURN:-BATS_TEST_NUMBER} + 1))
    WAYS=("${WAYS[TURN % ${#WAYS[@]}]}")
  fi
  each_way gives_once "$@"
}

# What must hold at any moment; a row for each thing that is wrong.
WRONG="
SELECT 'count', task_id, waiting, processing, success, failed, canceled, settling, 0 FROM task_count AS c
WHERE (waiting, processing, success, failed, canceled, settling) IS NOT (
  SELECT count(*) FILTER (WHERE r.state = 'waiting'), count(*) FILTER (WHERE r.state = 'processing'),
    count(*) FILTER (WHERE r.state = 'success'), count(*) FILTER (WHERE r.state = 'failed'),
    count(*) FILTER (WHERE r.state = 'canceled'), 0
  FROM task_device AS r WHERE r.task_id = c.task_id)
UNION ALL SELECT 'offline', task_id, offline, 0, 0, 0, 0, 0, 0 FROM task_count AS c WHERE offline <> (
  SELECT count(*) FROM task_device AS r JOIN device AS d ON d.product_id = c.product_id AND d.device_id = r.device_id
  WHERE r.task_id = c.task_id AND r.state = 'waiting' AND d.presence IS NOT 'online')
UNION ALL SELECT 'devices', product_id, version, devices, online, 0, 0, 0, 0 FROM device_count AS n
WHERE devices = 0 OR (devices, online) IS NOT (SELECT count(*), count(*) FILTER (WHERE presence = 'online') FROM device AS d
  WHERE d.product_id = n.product_id AND coalesce(d.version, '') = n.version)
UNION ALL SELECT 'devices without count', product_id, device_id, version, 0, 0, 0, 0, 0 FROM device
WHERE (product_id, coalesce(version, '')) NOT IN (SELECT product_id, version FROM device_count)
UNION ALL SELECT 'rollout', task_id, started, proved, bad, bad_final, spared || ':' || retrying, epoch_good, epoch_bad FROM task_count AS c
WHERE (started, proved, bad, bad_final, spared, retrying, epoch_good, epoch_bad) IS NOT (
  SELECT coalesce(sum(began), 0), coalesce(sum(began AND proved_epoch IS NOT NULL), 0), coalesce(sum(began AND bad_epoch IS NOT NULL), 0),
    coalesce(sum(began AND bad_epoch IS NOT NULL AND state = 'failed' AND retry_at IS NULL), 0),
    coalesce(sum(state = 'success' AND attempts = 0), 0), coalesce(sum(state = 'failed' AND retry_at IS NOT NULL), 0),
    coalesce(sum(proved_epoch IS c.epoch), 0), coalesce(sum(bad_epoch IS c.epoch), 0)
  FROM (SELECT *, attempts >= 1 AND state <> 'canceled' AS began FROM task_device AS r WHERE r.task_id = c.task_id))
UNION ALL SELECT 'row without a turn', task_id, device_id, 0, 0, 0, 0, 0, 0 FROM task_device WHERE turn IS NULL
UNION ALL SELECT 'wakes for nothing', task_id, device_id, state, 0, 0, 0, 0, 0 FROM task_device WHERE state = 'canceled' AND wake_clock IS NOT NULL
UNION ALL SELECT 'paused or not', task_id, state, paused_at, paused_reason, 0, 0, 0, 0 FROM task
WHERE (state = 'paused') <> (paused_at IS NOT NULL) OR (state <> 'paused' AND paused_reason IS NOT NULL)
UNION ALL SELECT 'stages with a gap', task_id, max(stage), count(*), 0, 0, 0, 0, 0 FROM task_stage GROUP BY task_id HAVING max(stage) <> count(*)
UNION ALL SELECT 'stage without task', task_id, stage, 0, 0, 0, 0, 0, 0 FROM task_stage WHERE task_id NOT IN (SELECT task_id FROM task)
UNION ALL SELECT 'tag without device', product_id, device_id, tag, 0, 0, 0, 0, 0 FROM device_tag
WHERE (product_id, device_id) NOT IN (SELECT product_id, device_id FROM device)
UNION ALL SELECT 'count of another task', t.task_id, c.product_id, c.running, 0, 0, 0, 0, 0
FROM task_count AS c JOIN task AS t USING (task_id) JOIN firmware AS f USING (firmware_id)
WHERE (c.product_id, c.running) IS NOT (f.product_id, t.state <> 'stopped')
UNION ALL SELECT 'task without count', task_id, 0, 0, 0, 0, 0, 0, 0 FROM task WHERE task_id NOT IN (SELECT task_id FROM task_count)
UNION ALL SELECT 'count without task', task_id, 0, 0, 0, 0, 0, 0, 0 FROM task_count WHERE task_id NOT IN (SELECT task_id FROM task)
UNION ALL SELECT 'task without firmware', task_id, 0, 0, 0, 0, 0, 0, 0 FROM task WHERE firmware_id NOT IN (SELECT firmware_id FROM firmware)
UNION ALL SELECT 'row without device', r.task_id, r.device_id, 0, 0, 0, 0, 0, 0 FROM task_device AS r
WHERE NOT EXISTS (SELECT 1 FROM task AS t JOIN firmware AS f USING (firmware_id) JOIN device AS d USING (product_id)
  WHERE t.task_id = r.task_id AND d.device_id = r.device_id)
UNION ALL SELECT 'firmware without product', firmware_id, 0, 0, 0, 0, 0, 0, 0 FROM firmware WHERE product_id NOT IN (SELECT product_id FROM product)
UNION ALL SELECT 'device without product', device_id, 0, 0, 0, 0, 0, 0, 0 FROM device WHERE product_id NOT IN (SELECT product_id FROM product)
UNION ALL SELECT 'hosted but pending', firmware_id, 0, 0, 0, 0, 0, 0, 0 FROM firmware WHERE file IS NULL AND state = 'pending'
UNION ALL SELECT 'open yet ended', task_id, device_id, 0, 0, 0, 0, 0, 0 FROM task_device
WHERE state IN ('waiting', 'processing') AND (completed_at IS NOT NULL OR failed_by IS NOT NULL)
UNION ALL SELECT 'ended without a time', task_id, device_id, 0, 0, 0, 0, 0, 0 FROM task_device
WHERE state IN ('success', 'failed', 'canceled') AND completed_at IS NULL
UNION ALL SELECT 'the mark stands', '', 0, 0, 0, 0, 0, 0, 0 FROM catalog_state WHERE plugin_writing <> 0;"

counts_exact() {
  rows '' "$WRONG"
}

generation() {
  sql 'SELECT generation FROM catalog_state;'
}

# a product p, firmware f1 (version 1.0), f2 (version 2.0), and devices d1 to d4: d4 runs 2.0
# already
small_fleet() {
  sql "
  INSERT INTO product (product_id) VALUES ('p'), ('q');
  INSERT INTO firmware (firmware_id, product_id, name, version, version_order, url, size, sign_method, sign)
  VALUES ('f1', 'p', 'one', '1.0', 1, $HOSTED), ('f2', 'p', 'two', '2.0', 2, $HOSTED), ('g1', 'q', 'one', '1.0', 1, $HOSTED);
  INSERT INTO device (product_id, device_id, version)
  VALUES ('p', 'd1', '1.0'), ('p', 'd2', '1.0'), ('p', 'd3', NULL), ('p', 'd4', '2.0'), ('q', 'e1', '0.9');"
}
