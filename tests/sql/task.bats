#!/usr/bin/env bats
# What a bare shell may do with tasks and their rows, the words of each refusal, and exact counts.

load helper

setup() {
  catalog_setup
  small_fleet
  STATES="SELECT device_id || ':' || state || ':' || progress FROM task_device ORDER BY task_id, device_id;"
  COUNTS='SELECT waiting, processing, success, failed, canceled FROM task_count;'
}

push_task() {
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
}

# a push task whose rows d1 to d4 have one state each, and d4 succeeded from the start
mixed_task() {
  push_task
  plugin_sql "UPDATE task_device SET state = 'processing', attempts = 1, due_at = 9, pushed_at = 8, pushed_clock = 8 WHERE device_id IN ('d2', 'd3');
    UPDATE task_device SET state = 'failed', progress = 40, error_reason = 'flash', failed_by = 'device', due_at = NULL, responded_at = 9, interrupted_at = 9, completed_at = 10
    WHERE device_id = 'd3';"
}

@test "a new task has a made-up id and its defaults" {
  sql "INSERT INTO task (firmware_id, name, mode) VALUES ('f2', 'n', 'push');"
  rows '16|all|60|3600||running|1' "SELECT length(task_id), release_type, response_timeout_seconds, timeout_seconds, description, state,
    abs(created_at - unixepoch() * 1000) < 60000 FROM task;"
}

@test "tasks of one statement keep their order" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('z', 'f2', 'n', 'push', 'part'), ('a', 'f2', 'n', 'push', 'part');"
  gives 'z a m' "INSERT OR REPLACE INTO task (task_id, firmware_id, name, mode) VALUES ('m', 'f2', 'n', 'push');" 'SELECT task_id FROM task ORDER BY position;'
  refused 'position of a task is given by the catalog' "INSERT INTO task (firmware_id, name, mode, position) VALUES ('f2', 'n', 'push', 7);"
}

@test "a task over all makes a row a device, success for those that run the version" {
  gives 'd1:waiting:0 d2:waiting:0 d3:waiting:0 d4:success:100' \
    "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');" "$STATES"
  gives '3|0|1|0|0' "INSERT OR REPLACE INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');" "$COUNTS"
  push_task
  rows 'd1|1.0|0|1 d2|1.0|0|1 d3||0|1 d4|2.0|0|0' "SELECT device_id, from_version, attempts, completed_at IS NULL FROM task_device;"
  counts_exact
}

@test "a task that starts stopped has canceled rows" {
  gives 'd1:canceled:0 d2:canceled:0 d3:canceled:0 d4:success:100' \
    "INSERT INTO task (task_id, firmware_id, name, mode, state) VALUES ('t', 'f2', 'n', 'pull', 'stopped');" "$STATES"
}

@test "a task over a part has the rows the operator inserts" {
  gives 'd1:waiting:0 d4:success:100' "BEGIN;
    INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', 'f2', 'n', 'push', 'part');
    INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1'), ('t', 'd4'); COMMIT;" "$STATES"
  gives 'd1:canceled:0 d4:success:100' "
    INSERT INTO task (task_id, firmware_id, name, mode, release_type, state) VALUES ('t', 'f2', 'n', 'push', 'part', 'stopped');
    INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1'), ('t', 'd4');" "$STATES"
  gives '1.0|1|0' "INSERT INTO task (task_id, firmware_id, name, mode, release_type, state) VALUES ('t', 'f2', 'n', 'push', 'part', 'stopped');
    INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1');" "SELECT from_version, completed_at > 0, attempts FROM task_device;"
}

@test "a device that came later is added to a task over all" {
  push_task
  gives '4|0|1|0|0' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');" "$COUNTS"
}

@test "a task is for ready firmware of an enabled product" {
  local verb
  sql "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f1'; UPDATE product SET firmware_enabled = 0 WHERE product_id = 'q';
    INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('h', 'p', 'n', '3', 3, 'x');
    INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  for verb in INSERT 'INSERT OR REPLACE' 'INSERT OR IGNORE'; do
    refused 'unknown firmware_id: add the firmware first' "$verb INTO task (firmware_id, name, mode) VALUES ('nope', 'n', 'push');"
    refused 'unknown firmware_id: add the firmware first' "$verb INTO task (firmware_id, name, mode) VALUES (NULL, 'n', 'push');"
    refused 'this firmware is rejected: see why' "$verb INTO task (firmware_id, name, mode) VALUES ('f1', 'n', 'push');"
    refused 'this firmware is pending: wait' "$verb INTO task (firmware_id, name, mode) VALUES ('h', 'n', 'push');"
    refused 'the product of this firmware is disabled: enable it first' "$verb INTO task (firmware_id, name, mode) VALUES ('g1', 'n', 'push');"
    refused 'this task_id exists already' "$verb INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'push');"
  done
}

@test "a task's columns are checked, in words" {
  push_task
  local set words
  while IFS='~' read -r set words; do
    refused "$words" "UPDATE task SET $set;"
  done <<'END'
name = ''~name of a task must be 1 to 64 characters
name = NULL~NOT NULL constraint failed: task.name
name = printf('%065d', 1)~name of a task must be 1 to 64 characters
response_timeout_seconds = 0~response_timeout_seconds must be 1 to 99999
response_timeout_seconds = 100000~response_timeout_seconds must be 1 to 99999
timeout_seconds = 0~timeout_seconds must be 1 to 99999
timeout_seconds = 100000~timeout_seconds must be 1 to 99999
timeout_seconds = 'x'~cannot store TEXT value in INTEGER column
description = printf('%0201d', 1)~description of a task must be at most 200 characters
state = 'held'~state of a task must be 'running', 'paused' or 'stopped'
END
  refused "mode must be 'push' or 'pull'" "INSERT INTO task (firmware_id, name, mode) VALUES ('f1', 'n', 'both');"
  refused "release_type must be 'all' or 'part'" "INSERT INTO task (firmware_id, name, mode, release_type) VALUES ('f1', 'n', 'push', 'some');"
  refused 'task_id must be 1 to 64 of' "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('a b', 'f1', 'n', 'push');"
  gives '1|99999|x|y' "UPDATE task SET response_timeout_seconds = 1, timeout_seconds = 99999, description = 'x', name = 'y';" \
    'SELECT response_timeout_seconds, timeout_seconds, description, name FROM task;'
}

@test "what a task is does not change" {
  push_task
  local verb set
  for verb in UPDATE 'UPDATE OR REPLACE' 'UPDATE OR IGNORE'; do
    for set in "task_id = 'u'" "firmware_id = 'f1'" "mode = 'pull'" "release_type = 'part'" 'position = 0' 'position = 9'; do
      refused 'task_id, firmware_id, mode, release_type and position of a task cannot change' "$verb task SET $set;"
    done
  done
  gives 'push' "UPDATE task SET mode = mode, task_id = task_id;" 'SELECT mode FROM task;'
}

@test "stop cancels what waits and leaves what is under way" {
  mixed_task
  gives 'd1:canceled:0 d2:processing:0 d3:failed:40 d4:success:100' "UPDATE task SET state = 'stopped';" "$STATES"
  gives 'd1:canceled:0 d2:processing:0 d3:failed:40 d4:success:100' "UPDATE OR REPLACE task SET state = 'stopped'; UPDATE task SET state = 'stopped';" "$STATES"
  gives '1' "UPDATE task SET state = 'stopped';" "SELECT abs(completed_at - unixepoch() * 1000) < 60000 FROM task_device WHERE device_id = 'd1';"
}

@test "continue lets canceled rows wait again, or succeed where the device runs the version by now" {
  mixed_task
  sql "UPDATE task SET state = 'stopped';"
  gives 'd1:waiting:0 d2:processing:0 d3:failed:40 d4:success:100' "UPDATE task SET state = 'running';" "$STATES"
  gives 'd1:success:100 d2:processing:0 d3:failed:40 d4:success:100' "UPDATE device SET version = '2.0' WHERE device_id = 'd1'; UPDATE task SET state = 'running';" "$STATES"
  gives '1.5||0' "UPDATE device SET version = '1.5' WHERE device_id = 'd1'; UPDATE task SET state = 'running';" \
    "SELECT from_version, completed_at, attempts FROM task_device WHERE device_id = 'd1';"
}

@test "one row is stopped and continued" {
  mixed_task
  gives 'canceled|1' "UPDATE task_device SET state = 'canceled' WHERE task_id = 't' AND device_id = 'd1';" \
    "SELECT state, abs(completed_at - unixepoch() * 1000) < 60000 FROM task_device WHERE device_id = 'd1';"
  sql "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';"
  gives 'waiting|' "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';" "SELECT state, completed_at FROM task_device WHERE device_id = 'd1';"
  gives 'success|100|2.0' "UPDATE device SET version = '2.0' WHERE device_id = 'd1'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';" \
    "SELECT state, progress, from_version FROM task_device WHERE device_id = 'd1';"
  sql "UPDATE task SET state = 'stopped';"
  refused 'the task of this row is stopped: continue the task first' "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';"
}

@test "batch retry clears the attempt that failed" {
  mixed_task
  plugin_sql "UPDATE task_device SET state = 'failed', failed_by = 'broker', error_reason = 'upgrade timeout', due_at = NULL, completed_at = 11 WHERE device_id = 'd2';"
  gives 'd1:waiting:0 d2:waiting:0 d3:waiting:0 d4:success:100' "UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';" "$STATES"
  gives 'waiting|0||||1.7|1||||||' "UPDATE device SET version = '1.7'; UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';" \
    "SELECT state, progress, error_reason, failed_by, '', from_version, attempts, pushed_at, responded_at, completed_at, interrupted_at, due_at, pushed_clock
     FROM task_device WHERE device_id = 'd3';"
  gives 'success|100||2.0|1|1' "UPDATE device SET version = '2.0'; UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';" \
    "SELECT state, progress, error_reason, from_version, attempts, completed_at > 11 FROM task_device WHERE device_id = 'd3';"
  sql "UPDATE task SET state = 'stopped';"
  refused 'the task of this row is stopped: continue the task first' "UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';"
}

@test "rows of a pull task are retried too: the device may ask for it again" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', 'pull');"
  plugin_sql "UPDATE task_device SET state = 'failed', completed_at = 1 WHERE device_id = 'd1';"
  gives 'd1:waiting:0 d2:waiting:0 d3:waiting:0 d4:success:100' "UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';" "$STATES"
  gives 'd1:waiting:0 d2:waiting:0 d3:waiting:0 d4:success:100' "DELETE FROM task_device WHERE device_id = 'd1';
    INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1');" "$STATES"
}

# every pair of states: allowed (+), no change (=), or refused with these words
@test "every change of state by hand" {
  push_task
  sql "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5');  INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');
    UPDATE task_device SET state = 'canceled' WHERE device_id = 'd5';"
  plugin_sql "UPDATE task_device SET state = 'processing', due_at = 1 WHERE device_id IN ('d2');
    UPDATE task_device SET state = 'failed', completed_at = 1, progress = 10 WHERE device_id = 'd3';"
  local from to words device
  declare -A device=([waiting]=d1 [processing]=d2 [failed]=d3 [success]=d4 [canceled]=d5)
  while IFS='~' read -r from to words; do
    local statement="UPDATE task_device SET state = '$to' WHERE task_id = 't' AND device_id = '${device[$from]}';"
    local query="SELECT state FROM task_device WHERE task_id = 't' AND device_id = '${device[$from]}';"
    case $words in
      + | =) gives "$to" "$statement" "$query" ;;
      *)
        refused "$words" "$statement"
        refused "$words" "${statement/UPDATE/UPDATE OR REPLACE}"
        refused "$words" "${statement/UPDATE/UPDATE OR IGNORE}"
        ;;
    esac
  done <<'END'
waiting~waiting~=
waiting~processing~by hand, state of a row in task_device can be set to
waiting~success~by hand, state of a row in task_device can be set to
waiting~failed~by hand, state of a row in task_device can be set to
waiting~canceled~+
processing~waiting~this upgrade is under way: wait for its end or its timeout; to retry what failed, add AND state = 'failed'
processing~processing~=
processing~success~by hand, state of a row in task_device can be set to
processing~failed~by hand, state of a row in task_device can be set to
processing~canceled~this upgrade is under way and cannot be stopped: wait for its end or its timeout
success~waiting~this upgrade succeeded and is not repeated: to retry what failed, add AND state = 'failed'
success~processing~by hand, state of a row in task_device can be set to
success~success~=
success~failed~by hand, state of a row in task_device can be set to
success~canceled~this upgrade has ended, there is nothing to stop: add AND state = 'waiting'
failed~waiting~+
failed~processing~by hand, state of a row in task_device can be set to
failed~success~by hand, state of a row in task_device can be set to
failed~failed~=
failed~canceled~this upgrade has ended, there is nothing to stop: add AND state = 'waiting'
canceled~waiting~+
canceled~processing~by hand, state of a row in task_device can be set to
canceled~success~by hand, state of a row in task_device can be set to
canceled~failed~by hand, state of a row in task_device can be set to
canceled~canceled~=
END
}

# The guard's sentences must be literals (RAISE takes no other before SQLite 3.47), so that it cannot look them up.
@test "what the table of transitions allows an operator is what the guard lets pass" {
  local from to allowed passed
  push_task
  sql "$(<"$BATS_LIB_SCHEMA/transitions.sql")"
  for from in waiting processing failed success canceled; do
    for to in canceled waiting; do
      [[ $from != "$to" ]] || continue
      sql_ask "SELECT count(*) > 0 FROM task_transition WHERE who = 'operator' AND from_state = '$from'
        AND ('$to' = 'canceled') = (event = 'stop');"
      allowed=$ANSWER
      plugin_sql "UPDATE task_device SET state = '$from', due_at = NULL WHERE device_id = 'd1';"
      passed=0
      if sql "UPDATE task_device SET state = '$to' WHERE device_id = 'd1';"; then passed=1; fi
      same "$allowed" "$passed" "$from to $to"
    done
  done
}

@test "other columns of a row are not set by hand" {
  mixed_task
  local set
  for set in 'progress = 5' "error_reason = 'x'" "failed_by = 'broker'" "from_version = 'x'" 'attempts = 9' 'created_at = 1' \
    'pushed_at = 1' 'responded_at = 1' 'completed_at = 1' 'interrupted_at = 1' 'due_at = 1' 'pushed_clock = 1' "state = 'canceled', completed_at = 1"; do
    refused 'only state of a row in task_device can be set by hand' "UPDATE task_device SET $set WHERE device_id = 'd1';"
  done
  refused 'task_id and device_id of a row in task_device cannot change' "UPDATE task_device SET device_id = 'd9' WHERE device_id = 'd1';"
  refused 'task_id and device_id of a row in task_device cannot change' "UPDATE OR REPLACE task_device SET device_id = 'd2' WHERE device_id = 'd1';"
  refused 'task_id and device_id of a row in task_device cannot change' "UPDATE OR REPLACE task_device SET task_id = 'u' WHERE device_id = 'd1';"
  refused "state of a device in a task must be 'waiting', 'processing'" "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE task_device SET state = 'done';"
  refused 'due_at is for processing rows only' "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE task_device SET state = 'failed' WHERE device_id = 'd2';"
  gives 'd1:waiting:0 d2:processing:0 d3:failed:40 d4:success:100' "UPDATE task_device SET progress = progress, attempts = attempts, state = state;" "$STATES"
}

@test "a row is inserted with its key alone" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', 'f2', 'n', 'push', 'part');"
  local column
  for column in "state~'success'" "state~'canceled'" "state~'processing'" "state~'failed'" 'progress~1' 'progress~100' 'attempts~1' "error_reason~'x'" \
    "failed_by~'device'" "from_version~'7'" 'pushed_at~1' 'responded_at~1' 'completed_at~1' 'interrupted_at~1' 'due_at~1' 'pushed_clock~1'; do
    refused 'insert only task_id and device_id into task_device' \
      "INSERT INTO task_device (task_id, device_id, ${column%%~*}) VALUES ('t', 'd1', ${column##*~});"
  done
  refused 'unknown task_id: make the task first' "INSERT INTO task_device (task_id, device_id) VALUES ('nope', 'd1');"
  refused 'the product of this task has no such device: add the device first' "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'nope');"
  refused 'the product of this task has no such device: add the device first' "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'e1');"
  gives 'd1:waiting:0 d4:success:100' "INSERT INTO task_device (task_id, device_id, state, progress, from_version)
    VALUES ('t', 'd1', 'waiting', 0, '1.0'), ('t', 'd4', 'success', 100, '2.0');" "$STATES"
  gives '1' "UPDATE task SET state = 'stopped'; INSERT INTO task_device (task_id, device_id, state) VALUES ('t', 'd1', 'canceled');" \
    "SELECT completed_at > 0 FROM task_device WHERE state = 'canceled';"
}

@test "a row that is there is not replaced" {
  mixed_task
  local verb device
  for verb in INSERT 'INSERT OR REPLACE' 'INSERT OR IGNORE' REPLACE; do
    for device in d1 d2 d3 d4; do
      refused 'this device is in the task already' "$verb INTO task_device (task_id, device_id) VALUES ('t', '$device');"
    done
  done
  refused 'this device is in the task already' "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1')
    ON CONFLICT DO UPDATE SET state = 'success';"
}

@test "a row goes when it has ended" {
  mixed_task
  refused 'this device is waiting: stop its row first' "DELETE FROM task_device WHERE device_id = 'd1';"
  refused 'this upgrade is under way: wait for its end' "DELETE FROM task_device WHERE device_id = 'd2';"
  refused 'this device is waiting' "DELETE FROM task_device;"
  gives '1|1|0|0|0' "DELETE FROM task_device WHERE device_id IN ('d3', 'd4');" "$COUNTS"
}

@test "a task goes when all its rows have ended, and takes them along" {
  mixed_task
  refused 'this task has devices that are waiting or processing: stop it first' "DELETE FROM task;"
  sql "UPDATE task SET state = 'stopped';"
  refused 'this task has devices that are waiting or processing' "DELETE FROM task WHERE task_id = 't';"
  plugin_sql "UPDATE task_device SET state = 'failed', due_at = NULL, completed_at = 1 WHERE device_id = 'd2';"
  gives '0|0|0' "DELETE FROM task;" 'SELECT (SELECT count(*) FROM task), (SELECT count(*) FROM task_device), (SELECT count(*) FROM task_count);'
}

@test "the counts are nobody's to write" {
  mixed_task
  refused 'task_count is kept by triggers' 'UPDATE task_count SET waiting = 0;'
  refused 'task_count is kept by triggers' 'UPDATE task_count SET waiting = waiting + 1, processing = processing - 1;'
  refused 'task_count is kept by triggers' 'UPDATE task_count SET running = 0;'
  refused 'task_count is kept by triggers' 'DELETE FROM task_count;'
  refused 'task_count is kept by triggers' "INSERT OR REPLACE INTO task_count (task_id) VALUES ('t');"
  refused 'task_count is kept by triggers' "INSERT INTO task_count (task_id) VALUES ('u');"
}

@test "the plugin's changes are counted" {
  push_task
  local step
  for step in "processing~2|1|1|0|0" "waiting~3|0|1|0|0" "processing~2|1|1|0|0" "failed~2|0|1|1|0" "success~2|0|2|0|0"; do
    plugin_sql "UPDATE task_device SET state = '${step%%~*}', completed_at = iif('${step%%~*}' IN ('failed', 'success'), 1, NULL) WHERE device_id = 'd1';"
    rows "${step##*~}" "$COUNTS"
  done
  counts_exact
  rows '' "SELECT device_id FROM task_change WHERE device_id IS NOT NULL;"
}

# queue WANTED STATEMENTS: what the plugin finds to do, and to tell
queue() {
  gives "$1" "DELETE FROM task_change; $2" "SELECT told FROM (SELECT change_id, task_id || ':' || coalesce(device_id, '-') || coalesce(':' || state, '')
    || coalesce(':' || product_id || ':' || firmware_id, '') AS told FROM task_change) ORDER BY change_id;"
}

@test "the plugin is told what operators changed" {
  mixed_task
  queue 'u:-' "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('u', 'f1', 'n', 'push');"
  queue 't:d1:canceled' "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';"
  queue 't:d1:canceled t:d1:waiting' "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';"
  queue 't:d3:waiting' "UPDATE task_device SET state = 'waiting' WHERE state = 'failed';"
  queue 't:d3:success' "UPDATE device SET version = '2.0' WHERE device_id = 'd3'; UPDATE task_device SET state = 'waiting' WHERE state = 'failed';"
  queue 't:d1:canceled' "UPDATE task SET state = 'stopped';"
  queue 't:d1:canceled t:- t:d1:waiting' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';"
  queue 't:d1:canceled t:- t:d1:success' "UPDATE task SET state = 'stopped'; UPDATE device SET version = '2.0'; UPDATE task SET state = 'running';"
  queue 't:d5' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');"
  queue '' "UPDATE task_device SET state = state; UPDATE task SET name = 'm', state = state;
    INSERT INTO device (product_id, device_id, version) VALUES ('p', 'd5', '2.0'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');"
  queue 't:d5 t:d5:canceled' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd5');
    UPDATE task_device SET state = 'canceled' WHERE device_id = 'd5';"
  queue 'u:-' "INSERT INTO task (task_id, firmware_id, name, mode, state) VALUES ('u', 'f1', 'n', 'push', 'stopped'); DELETE FROM task WHERE task_id = 'u';"
  queue 'u:- u:d1:canceled u:d2:canceled u:d3:canceled u:d4:canceled u:-:deleted:p:f1 u:-' "
    UPDATE device SET version = NULL;
    INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('u', 'f1', 'n', 'push'); UPDATE task SET state = 'stopped' WHERE task_id = 'u';
    DELETE FROM task_device WHERE task_id = 'u' AND device_id = 'd1'; DELETE FROM task WHERE task_id = 'u';
    INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('u', 'f2', 'n', 'push', 'part');"
  queue 't:-' "UPDATE product SET firmware_enabled = 0; UPDATE product SET firmware_enabled = 1;"
  queue 't:-' "UPDATE product SET firmware_enabled = 0; INSERT INTO product (product_id) VALUES ('p') ON CONFLICT DO UPDATE SET firmware_enabled = 1;"
  queue 't:-' "UPDATE firmware SET state = 'rejected'; UPDATE firmware SET state = 'ready';"
  queue 't:-' "UPDATE firmware SET state = 'rejected'; UPDATE firmware SET state = 'pending';"
  queue '' "UPDATE firmware SET state = 'rejected'; UPDATE firmware SET state = 'ready' WHERE firmware_id <> 'f2'; UPDATE product SET name = 'x';"
  queue 't:d1:canceled' "UPDATE task SET state = 'stopped'; UPDATE product SET firmware_enabled = 0; UPDATE product SET firmware_enabled = 1;"
}

@test "the plugin is told when it made firmware ready itself" {
  mixed_task
  sql "DELETE FROM task_change;"
  plugin_sql "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f2'; UPDATE firmware SET state = 'ready' WHERE firmware_id = 'f2';"
  rows 't:-' "SELECT task_id || ':' || coalesce(device_id, '-') FROM task_change;"
}

@test "a refused statement over many rows changes none of them" {
  mixed_task
  local verb
  for verb in UPDATE 'UPDATE OR FAIL' 'UPDATE OR IGNORE' 'UPDATE OR ROLLBACK'; do
    refused 'cannot be stopped' "$verb task_device SET state = 'canceled' WHERE device_id IN ('d1', 'd2');"
  done
}

@test "with an index for each question" {
  local plan
  plan() {
    plan=$(sql "EXPLAIN QUERY PLAN $1" | grep -v 'QUERY PLAN')
    [[ "$plan" == *"$2"* ]] || fail "$1" "wanted: $2" "got: $plan"
  }
  plan "SELECT task_id FROM task_device WHERE device_id = ?1 AND state IN ('waiting', 'processing')" 'COVERING INDEX task_device_by_device (device_id=? AND state=?)'
  plan "SELECT state FROM task_change WHERE task_id = ?1 AND device_id = ?2 AND state IS NOT NULL ORDER BY change_id" 'task_change_of_row (task_id=? AND device_id=?)'
  [[ "$plan" != *'TEMP B-TREE'* ]]
  plan "SELECT task_id FROM task_device WHERE due_at <= ?1 ORDER BY due_at LIMIT 10" 'task_device_due (due_at<?)'
  plan "SELECT task_id FROM task_device WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1" 'task_device_due'
  plan "SELECT task_id, device_id, due_at, pushed_at, responded_at FROM task_device WHERE due_at IS NOT NULL" 'COVERING INDEX task_device_due'
  plan "SELECT product_id FROM device WHERE device_id = ?1" 'device_by_id (device_id=?)'
  plan "UPDATE device SET presence = NULL WHERE presence IS NOT NULL" 'device_by_presence'
  plan "SELECT 1 FROM task_count AS c WHERE c.product_id = ?1 AND c.running = 1 AND c.waiting + c.processing > 0" 'task_count_open (product_id=?)'
  plan "SELECT version FROM firmware WHERE product_id = ?1 AND state = 'ready' ORDER BY version_order DESC LIMIT 1" '(product_id=?)'
  plan "SELECT 1 FROM progress_log WHERE product_id = ?1 AND device_id = ?2 ORDER BY log_id DESC LIMIT 5" 'progress_log_by_device (product_id=? AND device_id=?)'
  plan "SELECT * FROM device_history WHERE product_id = 'p' AND device_id = 'd1' ORDER BY at" 'version_log_by_device (product_id=? AND device_id=?)'
  [[ "$plan" == *'SEARCH r USING INDEX task_device_by_device (device_id=?)'* ]]
}
