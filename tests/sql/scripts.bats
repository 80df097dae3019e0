#!/usr/bin/env bats
# The scripts in schema/scripts, run exactly as their first lines say.

load helper

# The first test makes the folder of all.
setup() {
  local ready=$BATS_FILE_TMPDIR/ready
  cd "$BATS_TEST_TMPDIR" || return 1
  if [[ -e $ready ]]; then
    cp "$ready"/* .
    DB=$BATS_TEST_TMPDIR/firmware.db
    start_shell
    return
  fi
  catalog_setup
  sql "INSERT INTO product (product_id) VALUES ('gateway');
    INSERT INTO firmware (firmware_id, product_id, name, version, version_order, url, size, sign_method, sign) VALUES ('f100', 'gateway', 'old', '1.0', 100, $HOSTED);
    INSERT INTO device (product_id, device_id, name, version)
    VALUES ('gateway', 'gw-0001', 'Roof', '1.0'), ('gateway', 'gw-0002', '', '1.0'), ('gateway', 'gw-0003', '', '1.10'), ('gateway', 'gw-0004', '', NULL), ('gateway', 'x00A1', '', '1.0');"
  cp "$BATS_LIB_SCHEMA"/scripts/*.sql .
  mkdir "$ready"
  cp ./* "$ready"
}

# SCRIPT [SED]: the command in its first lines, changed by SED, is $COMMAND
command_of() {
  local line=''
  COMMAND=
  while IFS= read -r line && [[ $line != .* ]]; do
    [[ $line =~ ^'--   '' '*(.*) ]] && COMMAND+=${BASH_REMATCH[1]}$'\n'
  done <"$1"
  COMMAND=${COMMAND%$'\n'}
  [[ -z ${2-} ]] || COMMAND=$(sed -e "$2" <<<"$COMMAND")
}

# use SCRIPT [SED]: run the command in its first lines, changed by SED
use() {
  command_of "$@"
  [[ "$COMMAND" == sqlite3*"< $1" || "$COMMAND" == *"firmware.db < $1" ]] || fail "no use in the first lines of $1" || return 1
  eval "$COMMAND" 2>&1
}

# says WORDS SCRIPT [SED]
says() {
  local out
  out=$(use "${@:2}") || { fail "$2 failed" "$out" || return 1; }
  [[ "$out" == *"$1"* ]] || fail "$2" "wanted: $1" "got: $out"
}

# fails WORDS COMMAND...: it fails with these words and changes nothing: not a byte, or nothing that a dump shows
fails() {
  local out
  [[ $DB.before -nt $DB ]] || cp "$DB" "$DB.before"
  note_unchanged
  if out=$("${@:2}" 2>&1); then fail "did not fail: ${*:2}" "$out" || return 1; fi
  [[ "$out" == *"$1"* ]] || fail "${*:2}" "wanted: $1" "got: $out" || return 1
  unchanged && return
  same "$(sqlite3 "$DB.before" .dump)" "$(dump)" "failed, yet changed something: ${*:2}"
}

# says_no WORDS SCRIPT [SED]
says_no() {
  fails "$1" use "${@:2}"
}

with_firmware() {
  use add_firmware.sql >/dev/null
}

# a push task under the id the scripts' first lines name
with_task() {
  with_firmware
  sql "INSERT INTO task (task_id, firmware_id, name, mode) SELECT '5f1c9a2e7b3d4680', firmware_id, 'Spring', 'push' FROM firmware WHERE version = '1.10';"
}

@test "every script has its use in its first lines, waits for locks, stops at an error, and is tried here" {
  local script lines trials tried=0
  trials=$(<"$BATS_TEST_DIRNAME/scripts.bats")
  for script in *.sql; do
    lines=$'\n'$(<"$script")$'\n'
    [[ $lines == $'\n-- '* ]]
    [[ $lines =~ $'\n--  '[^$'\n']*" firmware.db < $script"$'\n' ]] || fail "$script does not say its use"
    [[ $lines == *$'\n.timeout 5000\n'* ]]
    [[ $lines == *$'\n.bail on\n'* ]]
    [[ $trials == *" $script"* ]] || fail "$script is not tried"
    tried=$((tried + 1))
  done
  ((tried >= 20))
}

@test "a script without its arguments changes nothing" {
  with_task
  local script
  for script in *.sql; do
    [[ $(<"$script") == *'TEMP TABLE arg'* ]] || continue
    fails 'no such table: arg' sqlite3 firmware.db ".read $script"
    fails 'no such column: arg.' sqlite3 -cmd 'CREATE TEMP TABLE arg AS SELECT 1 AS unused' firmware.db ".read $script"
  done
}

# The text arguments that the first lines of the script name: all but those that are numbers there.
text_arguments() {
  local line pattern="('[^']*'|NULL|AS TEXT\\)|column1) AS ([a-z_]+)(.*)"
  ARGUMENTS=()
  while IFS= read -r line; do
    while [[ $line == '--   '* && $line =~ $pattern ]]; do
      [[ " ${ARGUMENTS[*]} " == *" ${BASH_REMATCH[2]} "* ]] || ARGUMENTS+=("${BASH_REMATCH[2]}")
      line="--   ${BASH_REMATCH[3]}"
    done
  done <"$1"
}

@test "a script refuses a text without quotes, in which 1.10 is the number 1.1, and changes nothing" {
  local script argument tried=0
  with_task
  for script in *.sql; do
    text_arguments "$script"
    for argument in "${ARGUMENTS[@]}"; do
      says_no "$argument must be text" "$script" "s/\('[^']*'\|NULL\|CAST([^)]*) AS TEXT)\) AS $argument\b/1.10 AS $argument/; s/('gw-0001')/(1.10)/"
      tried=$((tried + 1))
    done
  done
  ((tried > 40))
}

@test "retire_firmware.sql given 2.10 without quotes leaves 2.1 alone" {
  sql "INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, sign) VALUES ('gateway', 'n', '2.1', 210, $HOSTED);"
  says_no 'version must be text in quotes: without them 1.10 is the number 1.1' retire_firmware.sql "s/'1.0' AS version/2.10 AS version/"
}

@test "add_product.sql" {
  says 'Gateway' add_product.sql
  rows 'gateway|Gateway' 'SELECT product_id, name FROM product;'
  says 'latest' add_product.sql "s/'gateway'/'007'/"
  rows '007 gateway' 'SELECT product_id FROM product;'
  says_no 'product_id must be 1 to 64 bytes' add_product.sql "s/'gateway'/'a\\/b'/"
}

@test "add_firmware.sql" {
  says 'ready' add_firmware.sql
  rows '1.10|110|Spring release|sha256|1048576|ready' "SELECT version, version_order, name, sign_method, size, state FROM firmware WHERE version <> '1.0';"
  says_no 'the product has firmware of this version already' add_firmware.sql
  says_no 'unknown product_id: add the product first' add_firmware.sql "s/'gateway'/'other'/"
  says_no 'must be given' add_firmware.sql "s/'1.10'/'1.11'/; s/110 AS/111 AS/; s/1048576/NULL/"
}

@test "list_offered.sql" {
  with_firmware
  sql "INSERT INTO firmware (product_id, name, version, version_order, file) VALUES ('gateway', 'n', '2', 7654321, 'x');"
  says '1.10' list_offered.sql
  local out
  out=$(use list_offered.sql)
  [[ "$out" != *7654321* && "$out" == *f100* && "$out" == *yes* ]]
}

@test "find_device.sql" {
  says 'x00A1' find_device.sql
  says 'gw-0001' find_device.sql "s/'00a1'/'roof'/"
  same '' "$(use find_device.sql "s/'00a1'/'%'/")" 'no wildcard'
}

@test "device_history.sql" {
  plugin_sql "INSERT INTO version_log (received_at, product_id, device_id, version) VALUES (1000, 'gateway', 'gw-0001', '1.0');"
  says '1970-01-01T00:00:01Z' device_history.sql
}

@test "new_push_task.sql and new_pull_task.sql" {
  with_firmware
  says 'Spring rollout' new_push_task.sql
  rows 'push|all|5|4|1' 'SELECT mode, release_type, total, waiting, success FROM task_summary;'
  says 'Spring rollout' new_pull_task.sql
  rows '1' "SELECT count(*) FROM task_summary WHERE mode = 'pull' AND total = 5;"
  says_no 'unknown firmware_id' new_push_task.sql "s/'1.10'/'9'/"
  sql "UPDATE product SET firmware_enabled = 0;"
  says_no 'the product of this firmware is disabled' new_pull_task.sql
}

@test "new_push_task_part.sql and new_pull_task_part.sql" {
  with_firmware
  says 'First three' new_push_task_part.sql
  rows 'push|part|3|2|1' 'SELECT mode, release_type, total, waiting, success FROM task_summary;'
  says 'First three' new_pull_task_part.sql
  rows '1' "SELECT count(*) FROM task_summary WHERE mode = 'pull' AND total = 3;"
  says_no 'the product of this task has no such device' new_push_task_part.sql "s/gw-0002/nope/"
  says_no 'unknown firmware_id' new_pull_task_part.sql "s/'1.10'/'9'/"
}

@test "add_task_device.sql" {
  with_task
  says_no 'this device is in the task already' add_task_device.sql
  sql "INSERT INTO device (product_id, device_id) VALUES ('gateway', 'gw-0009');"
  says 'waiting' add_task_device.sql 's/gw-0004/gw-0009/'
}

@test "stop_task.sql and continue_task.sql" {
  with_task
  says 'stopped' stop_task.sql
  rows 'stopped|0|4' 'SELECT state, waiting, canceled FROM task_summary;'
  says 'running' continue_task.sql
  rows 'running|4|0' 'SELECT state, waiting, canceled FROM task_summary;'
  says 'no such task: nothing stopped' stop_task.sql 's/5f1c/0000/'
  says 'no such task that is stopped: nothing continued' continue_task.sql 's/5f1c/0000/'
}

@test "continue_task.sql leaves a task alone that is paused, or is a draft: resume_task.sql is for these" {
  with_task
  use pause_task.sql >/dev/null
  says 'no such task that is stopped: nothing continued' continue_task.sql
  rows 'paused|holidays' 'SELECT state, paused_reason FROM task;'
  says 'running' resume_task.sql
  says 'no such task that is stopped: nothing continued' continue_task.sql
  sql "INSERT INTO task (task_id, firmware_id, name, mode, state) SELECT 'draft', firmware_id, 'Draft', 'push', 'paused' FROM firmware WHERE version = '1.10';"
  says 'no such task that is stopped: nothing continued' continue_task.sql 's/5f1c9a2e7b3d4680/draft/'
  rows 'paused' "SELECT state FROM task WHERE task_id = 'draft';"
}

@test "retry_failed.sql and retry_device.sql" {
  with_task
  plugin_sql "UPDATE task_device SET state = 'failed', completed_at = 1 WHERE device_id IN ('gw-0001', 'gw-0002');"
  says 'waiting' retry_device.sql
  rows '3|1' 'SELECT waiting, failed FROM task_summary;'
  says 'no failed row of this task and device: nothing retried' retry_device.sql
  says 'Spring' retry_failed.sql
  rows '4|0' 'SELECT waiting, failed FROM task_summary;'
  says 'nothing retried' retry_failed.sql
}

@test "stop_device.sql and continue_device.sql" {
  with_task
  says 'canceled' stop_device.sql
  rows 'gw-0001' "SELECT device_id FROM task_device WHERE state = 'canceled';"
  says 'no waiting row of this task and device: nothing stopped' stop_device.sql
  says 'waiting' continue_device.sql
  rows '4' 'SELECT waiting FROM task_summary;'
  says 'nothing continued' continue_device.sql
}

@test "delete_task.sql" {
  with_task
  says_no 'this task has devices that are waiting or processing' delete_task.sql
  use stop_task.sql
  says 'deleted' delete_task.sql
  rows '0' 'SELECT count(*) FROM task;'
  says 'no such task: nothing deleted' delete_task.sql
}

@test "task_summary.sql and task_detail.sql" {
  with_task
  says '20 %' task_summary.sql
  says 'Roof' task_detail.sql
  plugin_sql "UPDATE device SET presence = 'offline' WHERE device_id = 'gw-0001';
    UPDATE task_device SET state = 'failed', failure = 'timeout', retry_at = 1000, completed_at = 1 WHERE device_id = 'gw-0002';"
  says 'device offline' task_detail.sql
  says 'timeout' task_detail.sql
  says '1970-01-01T00:00:01Z' task_detail.sql
  use pause_task.sql >/dev/null
  says 'holidays' task_summary.sql
  same '' "$(use task_detail.sql 's/5f1c/0000/')" 'another task'
}

@test "stuck_devices.sql" {
  with_task
  plugin_sql "UPDATE task_device SET state = 'processing', due_at = 1, pushed_at = 1000 WHERE device_id = 'gw-0001';
    UPDATE task_device SET state = 'processing', due_at = 1, pushed_at = unixepoch() * 1000 WHERE device_id = 'gw-0002';
    UPDATE task_device SET state = 'processing', due_at = 1, pushed_at = 1000 WHERE device_id = 'gw-0004';
    UPDATE device SET last_seen_at = unixepoch() * 1000 WHERE device_id = 'gw-0004';"
  says 'gw-0001' stuck_devices.sql
  local out
  out=$(use stuck_devices.sql)
  [[ "$out" != *gw-0002* && "$out" != *gw-0004* && "$out" == *1970-01-01T00:00:01Z* ]]
}

@test "new_staged_task.sql, resume_task.sql, next_stage.sql and pause_task.sql" {
  local id
  with_firmware
  says 'must_be_proved' new_staged_task.sql
  rows 'push|paused|5|4|1|1|3' 'SELECT mode, state, total, waiting, success, stage, stages FROM task_summary;'
  rows '1|1|90|86400 2|1|95|86400 3|4|0|0' 'SELECT stage, budget, success_percent, hold_seconds FROM task_stage_budget ORDER BY stage;'
  rows '10' 'SELECT stop_failed_percent FROM task;'
  id=$(sql 'SELECT task_id FROM task;')
  says 'running' resume_task.sql "s/5f1c9a2e7b3d4680/$id/"
  says 'no such task that is paused: nothing resumed' resume_task.sql "s/5f1c9a2e7b3d4680/$id/"
  says 'devices_till_its_end' next_stage.sql "s/5f1c9a2e7b3d4680/$id/"
  rows '2' 'SELECT stage FROM task;'
  use next_stage.sql "s/5f1c9a2e7b3d4680/$id/"
  says_no 'this task has no such stage' next_stage.sql "s/5f1c9a2e7b3d4680/$id/"
  says 'no such task: nothing changed' next_stage.sql
  says 'holidays' pause_task.sql "s/5f1c9a2e7b3d4680/$id/"
  rows 'paused|holidays|4' 'SELECT state, paused_reason, waiting FROM task_summary;'
  says 'no such task that is running: nothing paused' pause_task.sql "s/5f1c9a2e7b3d4680/$id/"
  says_no 'stages of a task rise' new_staged_task.sql 's/SELECT 10, 95/SELECT 1, 95/'
}

@test "roll_back.sql" {
  with_task
  sql "UPDATE device SET version = '1.10' WHERE device_id = 'gw-0001';"
  plugin_sql "UPDATE task_device SET attempts = 1, state = 'success', progress = 100, completed_at = 1 WHERE device_id = 'gw-0001';
    UPDATE task_device SET attempts = 1 WHERE device_id = 'gw-0002';
    UPDATE device SET version = '1.5' WHERE device_id = 'gw-0002';"
  says 'Back to 1.0' roll_back.sql
  rows 'stopped|gw-0001|success stopped|gw-0002|canceled running|gw-0001|waiting running|gw-0002|waiting' "SELECT t.state, r.device_id, r.state
    FROM task_device AS r JOIN task AS t USING (task_id) WHERE r.attempts > 0 OR t.state = 'running' ORDER BY t.position, r.device_id;"
  says_no 'unknown firmware_id' roll_back.sql "s/'1.0' AS version/'0.9' AS version/"
  says_no 'unknown firmware_id' roll_back.sql 's/5f1c/0000/'
}

@test "why_waiting.sql" {
  local out
  with_task
  out=$(use why_waiting.sql)
  [[ "$out" == *'device offline'*4*gw-0001* ]]
  sql "UPDATE task SET state = 'paused', paused_reason = 'snow';"
  out=$(use why_waiting.sql)
  [[ "$out" == *'task paused'*4*gw-0001*snow* ]]
}

@test "failure_reasons.sql" {
  local out
  with_task
  plugin_sql "UPDATE task_device SET state = 'failed', attempts = 1, failure = 'device', error_reason = 'flash', completed_at = 1 WHERE device_id IN ('gw-0001', 'gw-0002');
    UPDATE task_device SET state = 'failed', attempts = 1, failure = 'timeout', error_reason = 'upgrade timeout', completed_at = 1 WHERE device_id = 'gw-0004';"
  out=$(use failure_reasons.sql)
  [[ "$out" == *device*flash*2*timeout*'upgrade timeout'*1* ]]
}

@test "upgrade_times.sql" {
  local out
  with_task
  sql "INSERT INTO device (product_id, device_id) SELECT 'gateway', 'm' || value FROM generate_series(1, 20);
    INSERT INTO task_device (task_id, device_id) SELECT '5f1c9a2e7b3d4680', 'm' || value FROM generate_series(1, 20);"
  plugin_sql "UPDATE task_device SET state = 'success', attempts = 1, pushed_at = 1000, completed_at = 1000 + 1000 * CAST(substr(device_id, 2) AS INTEGER)
    WHERE device_id GLOB 'm*';"
  out=$(use upgrade_times.sql)
  [[ "$out" == *' 20 '*' 10.0 '*' 19.0 '*' 20.0 '* ]]
  same '' "$(use upgrade_times.sql 's/5f1c/0000/')" 'another task'
}

@test "add_firmware_file.sql" {
  says 'pending' add_firmware_file.sql
  rows '1.10|110|Spring release|gateway-1.10.bin|pending|' "SELECT version, version_order, name, file, state, sign FROM firmware WHERE version = '1.10';"
  says_no 'file must be a plain name' add_firmware_file.sql "s/'1.10'/'1.11'/; s/110 AS/111 AS/; s/'gateway-1.10.bin'/'..\/x'/"
}

# the row of add_firmware_file.sql, as the plugin leaves it
with_file() {
  use add_firmware_file.sql >/dev/null
  plugin_sql "UPDATE firmware SET state = 'ready', size = 5, sign_method = 'sha256', sign = '$(printf '%064d' 1)', url = 'http://h/x' WHERE version = '1.10';
    INSERT INTO firmware_file (firmware_id, file, size, mtime_ns, ctime_ns, inode, sha256, url_made, verified_at)
    SELECT firmware_id, file, 5, 1, 1, 1, sign, ${1-1}, 1 FROM firmware WHERE version = '1.10';"
}

@test "replace_firmware_file.sql" {
  with_file
  says 'pending' replace_firmware_file.sql
  rows 'gateway-1.10-b.bin|||||pending' "SELECT file, size, sign_method, sign, url, state FROM firmware WHERE version = '1.10';"
  says 'nothing changed' replace_firmware_file.sql "s/'1.10'/'9'/"
  rows '1' "SELECT count(*) FROM firmware WHERE version = '1.0' AND file IS NULL;"
}

@test "replace_firmware_file.sql keeps a url that was given, and is refused while a task is open" {
  with_file 0
  use replace_firmware_file.sql >/dev/null
  rows 'http://h/x' "SELECT url FROM firmware WHERE version = '1.10';"
  plugin_sql "UPDATE firmware SET state = 'ready' WHERE version = '1.10';"
  sql "INSERT INTO task (firmware_id, name, mode) SELECT firmware_id, 't', 'push' FROM firmware WHERE version = '1.10';"
  says_no 'a task of this firmware has open rows' replace_firmware_file.sql "s/gateway-1.10-b/other/"
}

@test "set_public_key.sql" {
  with_file
  sql "UPDATE firmware SET sign_method = 'ed25519', sign = 'AAAA' WHERE version = '1.10';"
  plugin_sql "UPDATE firmware SET state = 'ready' WHERE version = '1.10';"
  openssl genpkey -algorithm ed25519 | openssl pkey -pubout >public.pem
  says 'set' set_public_key.sql
  same "$(<public.pem)" "$(sql "SELECT rtrim(public_key, char(10)) FROM product;")" 'the key'
  rows 'pending' "SELECT state FROM firmware WHERE version = '1.10';"
  echo rubbish >public.pem
  says_no 'must be a PEM public key' set_public_key.sql
}

@test "sign_firmware.sql" {
  with_file
  says 'pending' sign_firmware.sql
  rows 'ed25519|pending' "SELECT sign_method, state FROM firmware WHERE version = '1.10';"
  says_no 'sign must be base64' sign_firmware.sql "s/'O7Eu/'O7 u/"
  says 'nothing changed' sign_firmware.sql "s/'1.10'/'9'/"
}

@test "retire_firmware.sql" {
  with_file
  says 'rejected' retire_firmware.sql
  rows 'rejected|withdrawn: does not start on board revision B' "SELECT state, state_reason FROM firmware WHERE version = '1.0';"
  says 'rejected' retire_firmware.sql "s/'1.0'/'1.10'/"
  rows '0' 'SELECT count(*) FROM firmware_file;'
  says 'nothing changed' retire_firmware.sql "s/'1.0'/'9'/"
}

@test "unused_files.sql" {
  local out
  with_file
  mkdir -p files/sub
  touch -d '30 days ago' files/gateway-1.10.bin files/old.bin 'files/with space' files/sub/other
  touch files/new.bin
  out=$(use unused_files.sql "s,/var/lib/mosquitto/firmware,$PWD/files,")
  same "$PWD/files/old.bin"$'\n'"$PWD/files/with space" "$out" 'the list'
}

@test "downloads.sql" {
  local out
  plugin_sql "INSERT INTO download VALUES ('gateway', 'gw-0001', 'f100', 1000, 2000, 50, 50, 100, 1, NULL), ('gateway', 'gw-0002', 'f100', 1000, 1500, 100, 100, 100, 1, 1500);"
  out=$(use downloads.sql)
  [[ "$out" == *gw-0001*50*1970-01-01T00:00:02Z*no*gw-0002*100*yes* ]]
  refused 'download is written by the plugin alone' "INSERT INTO download VALUES ('gateway', 'gw-0003', 'f100', 1000, 2000, 50, 50, 100, 1, NULL);"
  refused 'download cannot be changed' "UPDATE download SET bytes = 0;"
  # what was sent at least once counts, where it is known
  plugin_sql "INSERT INTO download_range VALUES ('gateway', 'gw-0001', 'f100', '0123456789abcdef', 7, '43-49');"
  out=$(use downloads.sql)
  [[ "$out" == *gw-0001*' 7 '*1970-01-01T00:00:02Z*no*gw-0002*100*yes* ]]
  refused 'download_range is written by the plugin alone' "INSERT INTO download_range VALUES ('gateway', 'gw-0003', 'f100', '', 0, '');"
  refused 'download_range cannot be changed' "UPDATE download_range SET covered = 0;"
  sql "DELETE FROM download WHERE device_id = 'gw-0002'; DELETE FROM device WHERE device_id = 'gw-0001';"
  rows '0' 'SELECT count(*) FROM download;'
  rows '0' 'SELECT count(*) FROM download_range;'
}

@test "a script waits for another writer" {
  local fifo=$BATS_TEST_TMPDIR/fifo
  mkfifo "$fifo"
  sqlite3 "$DB" <"$fifo" >locked &
  exec 7>"$fifo"
  echo "BEGIN IMMEDIATE; SELECT 'locked';" >&7
  until [[ -s locked ]]; do sleep 0.05; done
  use add_product.sql >out &
  local script=$!
  sleep 0.3
  kill -0 "$script"
  echo 'COMMIT;' >&7
  exec 7>&-
  wait "$script"
  grep -q Gateway out
}
