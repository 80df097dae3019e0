#!/usr/bin/env bats
# Rollouts from a bare shell: drafts, pause and resume, what takes the place of what, and exact counts after each.

load helper
load rollout_helper

@test "a task has its defaults, and each row a turn" {
  push_task
  rows 'version||5||1000||||0|||pause|||127|utc|0|600|transient||0||0|0|0|1||' "SELECT gate, stop_failed_percent, stop_failed_min, stop_failed_count, stop_window,
    rate_per_minute, rate_doubles_after, max_in_flight || min_online_seconds, min_online_seconds, start_at, end_at, end_action, window_start, window_minutes, window_days,
    window_clock, retry_limit, retry_seconds, retry_on, defer_seconds, trial_seconds, lost_seconds, allow_downgrade, supersede, continuous, stage, paused_reason, paused_at
    FROM task;"
  rows '4|1' "SELECT count(*), min(turn) >= 1 AND max(turn) <= 1000000 AND count(DISTINCT turn) > 1 FROM task_device;"
  counts_exact
}

@test "the columns of a rollout are checked, in words" {
  push_task
  local set words
  # the pragmas make no difference to these
  while IFS='~' read -r set words; do
    refused_once "$words" "UPDATE task SET $set;"
  done <<'END'
gate = 'both'~gate must be 'version' or 'complete'
stop_failed_percent = 0~stop_failed_percent must be 1 to 100 or NULL
stop_failed_percent = 101~stop_failed_percent must be 1 to 100 or NULL
stop_failed_min = 0~stop_failed_min must be 1 to 1000000
stop_failed_count = 0~stop_failed_count must be 1 to 1000000 or NULL
stop_window = 9~stop_window must be 10 to 1000000
rate_per_minute = 0~rate_per_minute must be 1 to 1000000 or NULL
rate_doubles_after = 0~rate_doubles_after must be 1 to 1000000 or NULL
max_in_flight = 0~max_in_flight must be 1 to 1000000 or NULL
min_online_seconds = 86401~min_online_seconds must be 0 to 86400
start_at = -1~start_at must be a time in Unix milliseconds or NULL
end_action = 'go on'~end_action must be 'pause' or 'stop'
window_start = 1440, window_minutes = 1~window_start must be a minute of the day, 0 to 1439, or NULL
window_start = 0, window_minutes = 1441~window_minutes must be 1 to 1440 or NULL
window_days = 0~window_days must be 1 to 127
window_days = 128~window_days must be 1 to 127
window_clock = 'moon'~window_clock must be 'utc', 'broker' or 'device'
retry_limit = 11~retry_limit must be 0 to 10
retry_seconds = 0~retry_seconds must be 1 to 604800
retry_on = 'never'~retry_on must be 'transient' or 'any'
defer_seconds = -1~defer_seconds must be 0 to 31536000 or NULL
trial_seconds = 604801~trial_seconds must be 0 to 604800
lost_seconds = 59~lost_seconds must be 60 to 604800 or NULL
supersede = 2~supersede must be 0 or 1
continuous = 2~continuous must be 0 or 1
window_start = 5~window_start and window_minutes belong together
window_minutes = 5~window_start and window_minutes belong together
end_at = 5~end_at is in the past
start_at = 5000000000001, end_at = 5000000000000~end_at is before start_at
stage = 0~stage of a task cannot be lowered
stage = 2~this task has no such stage
paused_reason = 'x'~paused_reason is given with the pause alone
paused_at = 5~paused_at of a task is set by the catalog
state = 'paused', paused_at = 5~paused_at of a task is set by the catalog
END
  gives '600|120' "UPDATE task SET window_start = 600, window_minutes = 120, start_at = 5, end_at = 5000000000000;" 'SELECT window_start, window_minutes FROM task;'
  local column
  while IFS='~' read -r set words; do
    column=${set%% = *}
    refused_once "$words" "INSERT INTO task (firmware_id, name, mode, $column) VALUES ('f2', 'n', 'push', ${set##* = });"
  done <<'END'
stage = 2~a task begins with stage 1
paused_reason = 'x'~paused_reason is for a paused task
window_start = 5~window_start and window_minutes belong together
end_at = 5~end_at is in the past
END
}

@test "a draft waits until it is resumed" {
  gives 'paused|1|snow|1' "INSERT INTO task (firmware_id, name, mode, state, paused_reason) VALUES ('f2', 'n', 'push', 'paused', 'snow');" "$TASK"
  draft
  rows 'd1:waiting d2:waiting d3:waiting d4:success' "$STATES"
  gives 'created:paused:operator resumed::operator' "UPDATE task SET state = 'running';" "$LOG"
  gives 'running|1||' "UPDATE task SET state = 'running';" "$TASK"
  queue 't:-' "UPDATE task SET state = 'running';"
}

@test "pause writes one row of task, and nothing of its devices" {
  push_task
  local before
  before=$(sql 'SELECT * FROM task_device;')
  gives 'paused|1|snow|1' "UPDATE task SET state = 'paused', paused_reason = 'snow';" "$TASK"
  gives "${before//$'\n'/ }" "UPDATE task SET state = 'paused';" 'SELECT * FROM task_device;'
  gives '1' "UPDATE task SET state = 'paused'; CREATE TABLE n AS SELECT changes() AS n;" 'SELECT n FROM n;'
  gives 'created::operator paused:snow:operator resumed::operator paused::operator' "UPDATE task SET state = 'paused', paused_reason = 'snow';
    UPDATE task SET state = 'running'; UPDATE task SET state = 'paused';" "$LOG"
  queue 't:-' "UPDATE task SET state = 'paused';"
  moves_generation "UPDATE task SET state = 'paused';"
  refused 'paused_reason is given with the pause alone' "UPDATE task SET paused_reason = 'x';"
  refused 'paused_reason is given with the pause alone' "UPDATE task SET state = 'paused', paused_reason = 'x';"
  refused 'paused_at of a task is set by the catalog' "UPDATE task SET paused_at = NULL;"
  refused 'paused_reason is for a paused task' "UPDATE task SET state = 'running', paused_reason = 'x';"
  gives 'running|1||' "UPDATE task SET state = 'running', paused_reason = NULL, paused_at = NULL;" "$TASK"
}

@test "stop and continue, from running and from paused" {
  mixed_task
  gives '3|1|2|2|1|0|1|1|2' "UPDATE task SET state = 'stopped';" "$COUNTS"
  gives '|' "UPDATE task SET state = 'stopped';" "SELECT retry_at, wake_clock FROM task_device WHERE device_id = 'd2';"
  gives '50|50' "UPDATE task SET state = 'stopped';" "SELECT trial_clock, wake_clock FROM task_device WHERE device_id = 'd1';"
  gives '3|1|2|2|1|0|1|1|2' "UPDATE task SET state = 'paused', paused_reason = 'x'; UPDATE task SET state = 'stopped';" "$COUNTS"
  gives 'stopped|1||' "UPDATE task SET state = 'paused', paused_reason = 'x'; UPDATE task SET state = 'stopped';" "$TASK"
  gives 'running|1||' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';" "$TASK"
  gives '3|1|2|2|1|0|2|0|0' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';" "$COUNTS"
  gives 'paused|1|later|1' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'paused', paused_reason = 'later';" "$TASK"
  gives 'created::operator stopped::operator continued::operator paused:later:operator' "UPDATE task SET state = 'stopped';
    UPDATE task SET state = 'paused', paused_reason = 'later';" "$LOG"
}

@test "what continues begins anew: a deferral and its failures are forgotten" {
  push_task
  plugin_sql "UPDATE task_device SET attempts = 2, retries = 2, bad_epoch = 1, deferred_until = 9, wake_clock = 9, lost_clock = 8, interruptions = 1 WHERE device_id IN ('d1', 'd2');"
  gives '2|0|2|0|1|0|1|0|2' '' "$COUNTS"
  gives '|||2' "UPDATE task SET state = 'stopped';" "SELECT deferred_until, wake_clock, lost_clock, attempts FROM task_device WHERE device_id = 'd1';"
  gives '0|0|0|0|1|0|1|0|2' "UPDATE task SET state = 'stopped';" "$COUNTS"
  gives '0||waiting' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';" "SELECT retries, bad_epoch, state FROM task_device WHERE device_id = 'd1';"
  gives '2|0|0|0|1|0|2|0|0' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';" "$COUNTS"
  gives '2|1|0|0|1|0|2|0|0' "UPDATE task SET state = 'stopped'; UPDATE device SET version = '2.0' WHERE device_id = 'd1'; UPDATE task SET state = 'running';" "$COUNTS"
  # who is canceled is bad no more, for the stop either
  gives '1|0|1|0|1|0|1|0|1' "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';" "$COUNTS"
  gives '0|0|0|0|1|0|1|0|0' "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f1', 'n', 'push', 1);" "${COUNTS%;} WHERE task_id = 't';"
  gives '1|0|1|0|1|0|1|0|1' "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('u', 'f1', 'n', 'push', 'part', 1);
    INSERT INTO task_device (task_id, device_id) VALUES ('u', 'd1');" "${COUNTS%;} WHERE task_id = 't';"
  gives '2|0|1|0|1|0|1|0|1' "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';" "$COUNTS"
}

@test "resume counts anew" {
  mixed_task
  gives '3|1|2|1|1|1|1|1|2' '' "$COUNTS"
  gives '3|1|2|1|1|1|2|0|0' "UPDATE task SET state = 'paused'; UPDATE task SET state = 'running';" "$COUNTS"
  plugin_sql "UPDATE task_count SET hold_since = 77;"
  gives '77' "UPDATE task SET state = 'paused';" 'SELECT hold_since FROM task_count;'
  gives '' "UPDATE task SET state = 'paused'; UPDATE task SET state = 'running';" 'SELECT hold_since FROM task_count;'
}

@test "a retry by hand is at once, counts anew, and stays bad until it is proved" {
  mixed_task
  gives '3|1|2|0|1|0|1|1|2' "UPDATE task_device SET state = 'waiting' WHERE state = 'failed';" "$COUNTS"
  gives 'waiting|0|||||1|' "UPDATE task_device SET state = 'waiting' WHERE state = 'failed';" "SELECT state, retries, retry_at, wake_clock, lost_clock, trial_clock, bad_epoch,
    proved_epoch FROM task_device WHERE device_id = 'd2';"
  gives '3|2|1|1|1|0|1|2|1' "UPDATE device SET version = '2.0'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd2' AND state = 'failed';" "$COUNTS"
  gives '2|1|1|1|1|0|1|1|2' "INSERT INTO firmware (product_id, name, version, version_order, url, size, sign_method, sign) VALUES ('p', 'n', '9', 9, $HOSTED);
    UPDATE device SET version = '9'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd2' AND state = 'failed';" "$COUNTS"
  gives '1|1|0|0|1|0|1|1|0' "DELETE FROM task_device WHERE state = 'failed';" "$COUNTS"
}

# a row of t that has been tried and deferred, with something in all that a row's end or a new beginning clears
tried_row() {
  push_task
  plugin_sql "UPDATE task_device SET attempts = 2, retries = 1, interruptions = 1, connection = 5, pushed_at = 6, responded_at = 7, interrupted_at = 8,
      pushed_clock = 10, deferred_until = 11, wake_clock = 12, lost_clock = 13, trial_clock = 14, first_told_at = 15, verified_at = 16, proved_epoch = 1, bad_epoch = 1
    WHERE device_id = 'd1';"
}

# becomes WANTED STATEMENTS: what of the row of d1 is no NULL and not 0
becomes() {
  gives "$1" "$2" "SELECT group_concat(name, ' ') FROM (
    SELECT r.state || ' ' || coalesce(r.error_reason, '') AS name FROM task_device AS r WHERE task_id = 't' AND device_id = 'd1'
    UNION ALL SELECT key FROM task_device AS r, json_each(json_object('attempts', attempts, 'retries', retries, 'interruptions', interruptions, 'connection', connection,
      'pushed_at', pushed_at, 'responded_at', responded_at, 'completed_at', completed_at, 'interrupted_at', interrupted_at, 'due_at', due_at,
      'pushed_clock', pushed_clock, 'retry_at', retry_at, 'deferred_until', deferred_until, 'wake_clock', wake_clock, 'lost_clock', lost_clock,
      'trial_clock', trial_clock, 'first_told_at', first_told_at, 'verified_at', verified_at, 'proved_epoch', proved_epoch, 'bad_epoch', bad_epoch))
    WHERE task_id = 't' AND device_id = 'd1' AND coalesce(value, 0) <> 0);"
}

@test "a row is canceled alike, whoever cancels it" {
  local left='attempts retries interruptions connection pushed_at responded_at completed_at interrupted_at pushed_clock trial_clock first_told_at verified_at'
  tried_row
  # a continued task begins a new epoch
  becomes "canceled  $left proved_epoch bad_epoch" "UPDATE task SET state = 'stopped';"
  becomes "canceled  $left" "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';"
  becomes "canceled superseded by u $left" "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f2', 'n', 'push', 1);"
  becomes "canceled superseded by u $left" "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('u', 'f2', 'n', 'push', 'part', 1);
    INSERT INTO task_device (task_id, device_id) VALUES ('u', 'd1');"
}

@test "a row waits again alike, by its task or by itself" {
  tried_row
  becomes 'waiting  attempts first_told_at' "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';"
  becomes 'waiting  attempts first_told_at' "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';
    UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';"
}

@test "the new columns of a row are the plugin's" {
  push_task
  sql "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5');"
  local column
  for column in verified_at retry_at deferred_until first_told_at retries wake_clock trial_clock lost_clock proved_epoch bad_epoch; do
    refused 'only state of a row in task_device can be set by hand' "UPDATE task_device SET $column = 5 WHERE device_id = 'd1';"
    refused 'insert only task_id and device_id into task_device' "INSERT INTO task_device (task_id, device_id, $column) VALUES ('t', 'd5', 5);"
  done
  for column in online_clock away_clock absence_ms absence_at; do
    refused 'of a device only name, version, presence' "UPDATE device SET $column = 5 WHERE device_id = 'd1';"
  done
  refused 'utc_offset_minutes must be -840 to 840 or NULL' "UPDATE device SET utc_offset_minutes = 841;"
  gives '120' "UPDATE device SET utc_offset_minutes = 120 WHERE device_id = 'd1';" "SELECT utc_offset_minutes FROM device WHERE device_id = 'd1';"
  refused 'task_count is kept by triggers' 'UPDATE task_count SET started = 0;'
  refused 'task_count is kept by triggers' 'UPDATE task_count SET epoch = 5, hold_since = -1;'
}

@test "the plugin's changes are counted" {
  push_task
  local set wanted
  while IFS='~' read -r set wanted; do
    plugin_sql "UPDATE task_device SET $set WHERE device_id = 'd1';"
    rows "$wanted" "$COUNTS"
    counts_exact
  done <<'END'
state = 'processing', attempts = 1~1|0|0|0|1|0|1|0|0
state = 'failed', completed_at = 1, bad_epoch = 1, retry_at = 5~1|0|1|0|1|1|1|0|1
retry_at = NULL~1|0|1|1|1|0|1|0|1
retry_at = 6~1|0|1|0|1|1|1|0|1
state = 'processing', completed_at = NULL, attempts = 2, retry_at = NULL~1|0|1|0|1|0|1|0|1
proved_epoch = 1, bad_epoch = NULL~1|1|0|0|1|0|1|1|0
state = 'success', completed_at = 1~1|1|0|0|1|0|1|1|0
state = 'failed', bad_epoch = 1, proved_epoch = NULL~1|0|1|1|1|0|1|0|1
state = 'canceled'~0|0|0|0|1|0|1|0|1
END
  sql "DELETE FROM task_device WHERE device_id = 'd1';"
  rows '0|0|0|0|1|0|1|0|0' "$COUNTS"
}

@test "a task that supersedes takes the place of what waits in older ones" {
  push_task
  sql "UPDATE task SET state = 'paused'; INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('g', 'g1', 'n', 'push');"
  plugin_sql "UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd2'; UPDATE task_device SET attempts = 1, bad_epoch = 1, wake_clock = 7 WHERE device_id = 'd1';"
  gives 't:d1:canceled:superseded by u t:d2:processing: t:d3:canceled:superseded by u t:d4:success:' \
    "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f2', 'n', 'push', 1);" \
    "SELECT task_id || ':' || device_id || ':' || state || ':' || coalesce(error_reason, '') FROM task_device WHERE task_id = 't' ORDER BY device_id;"
  gives 't:d1:canceled' "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('u', 'f2', 'n', 'push', 'part', 1);
    DELETE FROM task_change; INSERT INTO task_device (task_id, device_id) VALUES ('u', 'd1'), ('u', 'd2');" \
    "SELECT task_id || ':' || device_id || ':' || state FROM task_change WHERE state IS NOT NULL;"
  queue 'u:- t:d1:canceled t:d3:canceled' "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f1', 'n', 'push', 1);"
  gives 'waiting' "INSERT INTO task (task_id, firmware_id, name, mode, created_at, supersede) VALUES ('u', 'f1', 'n', 'push', 5, 1);" \
    "SELECT state FROM task_device WHERE task_id = 't' AND device_id = 'd1';"
  gives 'waiting' "INSERT INTO task (task_id, firmware_id, name, mode, supersede, state) VALUES ('u', 'f1', 'n', 'push', 1, 'stopped');" \
    "SELECT state FROM task_device WHERE task_id = 't' AND device_id = 'd1';"
  gives 'waiting' "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f1', 'n', 'push', 0);" \
    "SELECT state FROM task_device WHERE task_id = 't' AND device_id = 'd1';"
  gives 'waiting' "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f1', 'n', 'push', 1);" "SELECT state FROM task_device WHERE task_id = 'g';"
}

@test "whatever a new row begins as, it supersedes what waits, unless its task is stopped" {
  sql "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, url, size, sign_method, sign)
    VALUES ('f3', 'p', 'three', '3.0', 3, $HOSTED);
    INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f3', 'n', 'push');"
  # d4 runs 2.0 and is canceled in u; d1 runs 1.0, and is success there
  local ended="SELECT group_concat(task_id || device_id || ':' || state, ' ') FROM (SELECT * FROM task_device WHERE device_id IN ('d1', 'd4') ORDER BY task_id, device_id);"
  gives 'td1:canceled td4:canceled ud1:success ud4:canceled' \
    "INSERT INTO task (task_id, firmware_id, name, mode, supersede) VALUES ('u', 'f1', 'n', 'push', 1);" "$ended"
  gives 'td1:canceled td4:canceled ud1:success ud4:canceled' \
    "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('u', 'f1', 'n', 'push', 'part', 1);
    INSERT INTO task_device (task_id, device_id) VALUES ('u', 'd4'), ('u', 'd1');" "$ended"
  gives 'td1:waiting td4:waiting ud1:success ud4:canceled' \
    "INSERT INTO task (task_id, firmware_id, name, mode, supersede, state) VALUES ('u', 'f1', 'n', 'push', 1, 'stopped');" "$ended"
}

@test "a continuous task has the devices that are heard of later" {
  sql "INSERT INTO task (task_id, firmware_id, name, mode, continuous) VALUES ('t', 'f2', 'n', 'push', 1);"
  refused 'the product has a continuous task already' "INSERT INTO task (firmware_id, name, mode, continuous) VALUES ('f1', 'n', 'push', 1);"
  refused 'the product has a continuous task already' "INSERT INTO task (firmware_id, name, mode, continuous, state) VALUES ('f1', 'n', 'push', 1, 'paused');"
  refused "a continuous task is for all devices" "INSERT INTO task (firmware_id, name, mode, continuous, release_type) VALUES ('g1', 'n', 'push', 1, 'part');"
  refused 'the product has a continuous task already' "BEGIN; INSERT INTO task (task_id, firmware_id, name, mode, continuous, state)
    VALUES ('u', 'f1', 'n', 'push', 1, 'stopped'); UPDATE task SET state = 'running' WHERE task_id = 'u';"
  refused 'the product has a continuous task already' "BEGIN; INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('u', 'f1', 'n', 'push');
    UPDATE task SET continuous = 1 WHERE task_id = 'u';"
  gives '2' "INSERT INTO task (firmware_id, name, mode, continuous) VALUES ('g1', 'n', 'push', 1);" 'SELECT count(*) FROM task WHERE continuous = 1;'
  gives 'waiting' "INSERT INTO device (product_id, device_id) VALUES ('p', 'd5');" "SELECT state FROM task_device WHERE device_id = 'd5';"
  gives 'success' "INSERT INTO device (product_id, device_id, version) VALUES ('p', 'd5', '2.0');" "SELECT state FROM task_device WHERE device_id = 'd5';"
  gives '4' "INSERT OR REPLACE INTO device (product_id, device_id) VALUES ('p', 'd1') ON CONFLICT DO NOTHING;" "SELECT count(*) FROM task_device;"
  gives '0' "INSERT INTO device (product_id, device_id) VALUES ('q', 'd5');" "SELECT count(*) FROM task_device WHERE device_id = 'd5';"
  gives '1' "UPDATE task SET state = 'paused'; INSERT INTO device (product_id, device_id) VALUES ('p', 'd5');" "SELECT count(*) FROM task_device WHERE device_id = 'd5';"
  gives 'canceled' "UPDATE task SET state = 'stopped'; INSERT INTO device (product_id, device_id) VALUES ('p', 'd5');" "SELECT state FROM task_device WHERE device_id = 'd5';"
  gives 'waiting' "UPDATE task SET state = 'stopped'; INSERT INTO device (product_id, device_id) VALUES ('p', 'd5'); UPDATE task SET state = 'running';" \
    "SELECT state FROM task_device WHERE device_id = 'd5';"
  plugin_sql "DELETE FROM task_change; INSERT INTO device (product_id, device_id) VALUES ('p', 'd6');"
  rows 't:d6' "SELECT task_id || ':' || device_id FROM task_change;"
  plugin_sql "UPDATE task_device SET state = 'success', completed_at = 1 WHERE state = 'waiting';"
  rows '0' "SELECT count(*) FROM task_log WHERE what = 'ended';"
  counts_exact
}

@test "task_log says when a task has ended, each time, and is append-only" {
  push_task
  gives 'created::operator ended::operator' "UPDATE task_device SET state = 'canceled' WHERE state = 'waiting';" "$LOG"
  gives 'created::operator stopped::operator' "UPDATE task SET state = 'stopped';" "$LOG"
  gives 'created::operator paused:holidays:operator ended::operator' "UPDATE task SET state = 'paused', paused_reason = 'holidays';
    UPDATE task_device SET state = 'canceled' WHERE state = 'waiting';" "$LOG"
  gives 'created::operator paused:holidays:operator stopped::operator' "UPDATE task SET state = 'paused', paused_reason = 'holidays';
    UPDATE task SET state = 'stopped';" "$LOG"
  plugin_sql "UPDATE task_device SET state = 'failed', attempts = 1, retry_at = 9, bad_epoch = 1, completed_at = 1 WHERE state = 'waiting';"
  rows 'created::operator' "$LOG"
  plugin_sql "UPDATE task_device SET state = 'failed', retry_at = NULL WHERE state = 'failed';"
  rows 'created::operator ended::plugin' "$LOG"
  gives 'created::operator ended::plugin ended::operator' "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1' AND state = 'failed';
    UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1';" "$LOG"
  refused 'task_log is append-only' "INSERT INTO task_log (at, task_id, what, who) VALUES (1, 't', 'ended', 'operator');"
  refused 'task_log is append-only' "UPDATE task_log SET detail = 'x';"
  refused 'task_log is append-only' "DELETE FROM task_log;"
  gives '2' "UPDATE task SET state = 'stopped'; DELETE FROM task;" "SELECT count(*) FROM task_log WHERE what IN ('created', 'ended');"
}

@test "a tag is of a device, and goes with it" {
  refused 'no such device of this product' "INSERT INTO device_tag VALUES ('p', 'nope', 'x');"
  refused 'no such device of this product' "INSERT INTO device_tag VALUES ('q', 'd1', 'x');"
  refused 'tag must be 1 to 64 characters' "INSERT INTO device_tag VALUES ('p', 'd1', '');"
  refused 'tag must be 1 to 64 characters' "INSERT INTO device_tag VALUES ('p', 'd1', printf('%065d', 1));"
  sql "INSERT INTO device_tag VALUES ('p', 'd1', 'roof'), ('p', 'd1', 'pilot'), ('p', 'd2', 'roof');"
  refused 'no such device of this product' "UPDATE device_tag SET device_id = 'nope';"
  gives 'd2' "DELETE FROM device WHERE device_id = 'd1';" 'SELECT device_id FROM device_tag;'
  queue '' "INSERT INTO device_tag VALUES ('p', 'd3', 'roof');"
}

@test "the plugin is told of what decides about a start" {
  push_task
  local set
  for set in "gate = 'complete'" 'stop_failed_percent = 1' 'stop_failed_min = 1' 'stop_failed_count = 1' 'stop_window = 10' 'rate_per_minute = 1' 'rate_doubles_after = 1' \
    'max_in_flight = 1' 'min_online_seconds = 1' 'start_at = 1' 'end_at = 5000000000000' "end_action = 'stop'" 'window_start = 1, window_minutes = 1' 'window_days = 1' \
    "window_clock = 'broker'" 'retry_limit = 1' 'retry_seconds = 1' "retry_on = 'any'" 'defer_seconds = 1' 'trial_seconds = 1' 'lost_seconds = 60' 'allow_downgrade = 1' \
    'supersede = 1' 'continuous = 1'; do
    queue_once 't:-' "UPDATE task SET $set;"
    moves_generation "UPDATE task SET $set;"
  done
  queue '' "UPDATE task SET gate = gate, stage = stage, description = 'x', attempt_limit = 7;"
  for set in 'by_task_only = 1' 'min_version_order = 1'; do
    moves_generation "UPDATE firmware SET $set WHERE firmware_id = 'f2';"
  done
  queue 't:-' "UPDATE firmware SET min_version_order = 2 WHERE firmware_id = 'f2';"
  refused 'by_task_only must be 0 or 1' "UPDATE firmware SET by_task_only = 2;"
  refused 'min_version_order must be 1 or more, or NULL' "UPDATE firmware SET min_version_order = 0;"
}

# waits WANTED STATEMENTS: what d1 waits for after these
waits() {
  rm -f "$BATS_TEST_TMPDIR/waits.db"
  cp "$DB" "$BATS_TEST_TMPDIR/waits.db"
  local kept=$DB
  DB=$BATS_TEST_TMPDIR/waits.db
  plugin_sql "${3-}"
  sql "$2"
  rows "$1" "SELECT waits_for FROM task_detail WHERE task_id = 't' AND device_id = 'd1';"
  DB=$kept
}

@test "task_detail says what a row waits for, the first of all" {
  local open closed
  sql "INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('old', 'f1', 'n', 'push', 'part');"
  push_task
  plugin_sql "UPDATE device SET presence = 'online', online_clock = 0; UPDATE catalog_state SET clock_ms = 100000, clock_wall_ms = (SELECT ms FROM now);"
  open="window_start = CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER), window_minutes = 9"
  closed="window_start = (CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER) + 700) % 1440, window_minutes = 9"
  waits '' ''
  waits 'task paused' "UPDATE task SET state = 'paused', start_at = 4999999999999;"
  waits 'start time' "UPDATE task SET start_at = 4999999999999, $closed;"
  waits 'window' "UPDATE task SET $closed; UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f2';"
  waits '' "UPDATE task SET $open;"
  waits 'window' "UPDATE task SET window_start = 0, window_minutes = 1440, window_days = 127 - (1 << ((CAST(strftime('%w', 'now') AS INTEGER) + 6) % 7));"
  waits '' "UPDATE task SET window_start = 0, window_minutes = 1440, window_days = 1 << ((CAST(strftime('%w', 'now') AS INTEGER) + 6) % 7);"
  waits 'window' "UPDATE task SET $open, window_clock = 'device'; UPDATE device SET utc_offset_minutes = 700 WHERE device_id = 'd1';"
  waits '' "UPDATE task SET $closed, window_clock = 'device'; UPDATE device SET utc_offset_minutes = 700 WHERE device_id = 'd1';"
  waits 'firmware' "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f2'; UPDATE device SET presence = 'offline';"
  waits 'firmware' "UPDATE product SET firmware_enabled = 0;"
  waits 'device offline' "UPDATE device SET presence = 'offline'; UPDATE task SET min_online_seconds = 3600;"
  waits 'device unsettled' "UPDATE task SET min_online_seconds = 3600; UPDATE firmware SET min_version_order = 7 WHERE firmware_id = 'f2';"
  waits '' "UPDATE task SET min_online_seconds = 50;"
  waits 'other task' "UPDATE task SET allow_downgrade = 1; UPDATE device SET version = '0' WHERE device_id = 'd1'; INSERT INTO task_device (task_id, device_id) VALUES ('old', 'd1');
    UPDATE firmware SET min_version_order = 7 WHERE firmware_id = 'f2';"
  waits 'older firmware first' "UPDATE firmware SET min_version_order = 2 WHERE firmware_id = 'f2';" "UPDATE task_device SET deferred_until = 4999999999999;"
  waits '' "UPDATE firmware SET min_version_order = 1 WHERE firmware_id = 'f2';"
  waits 'deferred' "INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 1, 30);" "UPDATE task_device SET deferred_until = 4999999999999;"
  waits 'deferred' "UPDATE task SET rate_per_minute = 1;" "UPDATE task_device SET deferred_until = 1, wake_clock = 4999999999999;"
  waits 'stage' "UPDATE task SET max_in_flight = 1; " "INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 1, 30);
    UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd2';"
  waits 'in flight' "UPDATE task SET max_in_flight = 1, rate_per_minute = 1;" "UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd2';"
  waits 'rate' "UPDATE task SET rate_per_minute = 1;"
  gives 'rate' "INSERT INTO task (task_id, firmware_id, name, mode, rate_per_minute) VALUES ('u', 'f2', 'n', 'pull', 1);" \
    "SELECT waits_for FROM task_detail WHERE task_id = 'u' AND device_id = 'd1';"
  waits 'retry' '' "UPDATE task_device SET state = 'failed', attempts = 1, completed_at = 1, retry_at = 4999999999999 WHERE device_id = 'd1';"
  waits 'window' "UPDATE task SET $closed;" "UPDATE task_device SET state = 'failed', attempts = 1, completed_at = 1, retry_at = 4999999999999 WHERE device_id = 'd1';"
  waits '' '' "UPDATE task_device SET state = 'failed', attempts = 1, completed_at = 1 WHERE device_id = 'd1';"
  waits '' '' "UPDATE task_device SET state = 'processing', attempts = 1 WHERE device_id = 'd1';"
}

@test "task_summary says what is awaited, and how fast it goes" {
  draft
  rows '1|3|0|0|0|||0.0' 'SELECT stage, stages, started, proved, bad, paused_reason, next_at, per_minute FROM task_summary;'
  sql "UPDATE task SET state = 'running';"
  gives '4999999999999' "UPDATE task SET start_at = 4999999999999;" 'SELECT next_at FROM task_summary;'
  plugin_sql "UPDATE catalog_state SET clock_ms = 100000, clock_wall_ms = 1700000000000; UPDATE task_count SET hold_since = 40000;"
  rows '1700003540000' 'SELECT next_at FROM task_summary;'
  plugin_sql "UPDATE task_count SET hold_since = NULL;"
  gives '1|1' "UPDATE task SET window_start = (CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER) + 700) % 1440, window_minutes = 5;" \
    "SELECT next_at - ms BETWEEN 699 * 60000 AND 700 * 60000, next_at % 60000 = 0 FROM task_summary CROSS JOIN now;"
  gives '1' "UPDATE task SET window_start = (CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER) + 1) % 1440, window_minutes = 5,
    window_days = 1 << ((CAST(strftime('%w', 'now', '+1 minute') AS INTEGER) + 6) % 7);" "SELECT next_at - ms BETWEEN 0 AND 60000 FROM task_summary CROSS JOIN now;"
  plugin_sql "UPDATE task_device SET created_at = 1 WHERE state = 'waiting';
    UPDATE task_device SET state = 'success', attempts = 1, completed_at = (SELECT ms FROM now) WHERE device_id = 'd1';
    UPDATE task_device SET state = 'failed', attempts = 1, completed_at = (SELECT ms FROM now) - 599000 WHERE device_id = 'd2';
    UPDATE task_device SET state = 'failed', attempts = 1, completed_at = (SELECT ms FROM now) - 601000 WHERE device_id = 'd3';"
  rows '0.2' 'SELECT per_minute FROM task_summary;'
}

@test "failure_reasons has each reason once" {
  push_task
  plugin_sql "UPDATE task_device SET state = 'failed', failure = 'device', error_reason = 'flash', completed_at = 1 WHERE device_id IN ('d1', 'd2');
    UPDATE task_device SET state = 'failed', failure = 'timeout', error_reason = 'upgrade timeout', completed_at = 1 WHERE device_id = 'd3';"
  rows 't|device|flash|2 t|timeout|upgrade timeout|1' 'SELECT task_id, failure, error_reason, count FROM failure_reasons ORDER BY failure;'
}

@test "with an index for each question" {
  local plan
  plan() {
    plan=$(sql "EXPLAIN QUERY PLAN $1" | grep -v 'QUERY PLAN')
    [[ "$plan" == *"$2"* ]] || fail "$1" "wanted: $2" "got: $plan"
  }
  plan "SELECT device_id FROM task_device WHERE task_id = ?1 AND state = 'waiting' AND lined = 1 ORDER BY turn, device_id" 'task_device_turn (task_id=?)'
  [[ "$plan" != *'TEMP B-TREE'* ]]
  plan "SELECT device_id FROM task_device WHERE task_id = ?1 AND device_id > ?3 AND state = 'waiting' AND attempts > 0 ORDER BY device_id LIMIT ?4" 'task_device_again (task_id=? AND device_id>?)'
  plan "SELECT device_id FROM task_device WHERE wake_clock <= ?1 ORDER BY wake_clock" 'task_device_wake (wake_clock<?)'
  plan "SELECT task_id FROM task_device WHERE device_id = ?1 AND trial_clock IS NOT NULL" 'task_device_trial (device_id=?)'
  plan "SELECT per_minute FROM task_summary WHERE task_id = ?1" 'COVERING INDEX task_device_ended (task_id=? AND completed_at>?)'
  plan "SELECT failure, error_reason, count FROM failure_reasons WHERE task_id = ?1" 'task_device_failure (task_id=?)'
  [[ "$plan" != *'TEMP B-TREE'* ]]
  plan "SELECT 1 FROM task WHERE continuous = 1" 'task_continuous'
  plan "SELECT 1 FROM task_count AS c WHERE c.product_id = ?1 AND c.retrying > 0" 'task_count_retrying (product_id=?)'
  plan "SELECT device_id FROM device_tag WHERE product_id = ?1 AND tag = ?2" 'device_tag_by_tag (product_id=? AND tag=?)'
}
