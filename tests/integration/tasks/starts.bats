#!/usr/bin/env bats
# Rollouts: when a row may start, and what takes its place: windows, rates, newer tasks, with real clients.

load ../task_helper
load rollout_helper

gone() { [[ -z $(timeout 3 mosquitto_sub "${CONNECT[@]}" -t "\$SYS/broker/firmware/tasks/t" -W 1 || true) ]]; }
hears() { retry 5 grep -qF -- "$2" "$BROKER_DIR/$1.heard" && return; heard "$1"; return 1; }

@test "applications see a task as a whole, and it is gone with the task" {
	online d1
	listen status -t "\$SYS/broker/firmware/tasks/#"
	rollout t ', max_in_flight' ', 1' d1
	hears status '"state":"running","stage":1,"stages":1,"waiting":0,"processing":1,'
	failed_at d1
	hears status '"processing":0,"success":0,"failed":1,"canceled":0,"started":1,"proved":0,"bad":1,'
	db "UPDATE task SET state = 'paused', paused_reason = 'lunch' WHERE task_id = 't'"
	hears status '"state":"paused","reason":"lunch"'
	retry 5 grep -q 'task t: paused, lunch' "$LOG"
	db "DELETE FROM task WHERE task_id = 't'"
	retry 5 gone
}

@test "a device that is heard of later gets its row in a continuous task" {
	db "INSERT INTO task (task_id, firmware_id, name, mode, continuous) VALUES ('t', 'lamp-2.0', 'n', 'push', 1)"
	online d1
	row t d1 processing
	done_with d1
	row t d1 success
	task_is t 'running|1|'
	online d2
	row t d2 processing
}

@test "who is first heard of by a pull finds its place in a continuous task, too" {
	db "INSERT INTO task (task_id, firmware_id, name, mode, continuous, max_in_flight)
		VALUES ('t', 'lamp-2.0', 'n', 'pull', 1, 1)"
	[[ $(pull d1 '{"currentVersion":"1.1"}') == *'"code":"no_update"'* ]]
	retry 5 db_is "SELECT count(*) FROM task_device WHERE device_id = 'd1'" 1
	[[ $(pull d1 '{"currentVersion":"1.1"}') == *'"version":"2.0"'* ]]
	[[ $(pull d2 '{"currentVersion":"1.1"}') == *'"code":"no_update"'* ]]
	retry 5 db_is "SELECT count(*) FROM task_device WHERE device_id = 'd2'" 1
	[[ $(pull d2 '{"currentVersion":"1.1"}') == *'"code":"no_update"'* ]]
	rows "SELECT device_id, state, waits_for FROM task_detail ORDER BY 1" $'d1|processing|\nd2|waiting|in flight'
	# without rules of its own nothing is to be waited for
	db "UPDATE task SET max_in_flight = NULL WHERE task_id = 't'"
	[[ $(pull d3 '{"currentVersion":"1.1"}') == *'"version":"2.0"'* ]]
	db "UPDATE task SET state = 'paused' WHERE task_id = 't'"
	[[ $(pull d4 '{"currentVersion":"1.1"}') == *'"code":"no_update"'* ]]
}

@test "devices that are under way when a task is rolled back are taken back behind that" {
	online d1 d2 d3
	rollout bad '' '' 'd1 d2 d3'
	row bad d1 processing
	row bad d2 processing
	row bad d3 processing
	sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'bad' AS task_id, '1.0' AS version, 'Back' AS name" \
		"$DB" <"$FW_SOURCE/schema/scripts/roll_back.sql"
	rows "SELECT DISTINCT r.state, waits_for FROM task_detail AS r WHERE task_name = 'Back'" 'waiting|other task'
	# in the middle it runs the old version, and says so
	fleet say d1 report '{"version":"1.0"}'
	done_with d1
	rows "SELECT r.state, attempts FROM task_detail AS r WHERE task_name = 'Back' AND device_id = 'd1'" 'processing|1'
	failed_at d2
	fleet say d2 report '{"version":"1.0"}'
	rows "SELECT r.state, attempts FROM task_detail AS r WHERE task_name = 'Back' AND device_id = 'd2'" 'success|0'
	rows "SELECT r.state, waits_for FROM task_detail AS r WHERE task_name = 'Back' AND device_id = 'd3'" 'waiting|other task'
}

@test "a newer task takes the place of what waits in an older one" {
	offline d1
	task old 1.1 push d1
	rollout new ', supersede' ', 1' d1
	row old d1 canceled 'superseded by new'
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	row new d1 processing
}

@test "a window holds back what has not begun, and opens" {
	online d1
	rollout t ', window_start, window_minutes' ", (CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER) + 120) % 1440, 60" d1
	waits_for t d1 window
	db "UPDATE task SET window_start = (window_start + 1440 - 150) % 1440, window_minutes = 60 WHERE task_id = 't'"
	row t d1 processing
}

@test "start_at and end_at" {
	online d1 d2
	rollout t ', start_at, max_in_flight, end_at, end_action' ", (SELECT ms + 2000 FROM now), 1, (SELECT ms + 4000 FROM now), 'stop'" 'd1 d2'
	waits_for t d1 'start time'
	row t d1 processing
	row t d2 canceled
	task_is t 'stopped|1|'
	row t d1 processing
}

@test "a rate is kept, and its bucket is empty at the start" {
	online d1 d2 d3 d4
	rollout t ', rate_per_minute' ', 60' 'd1 d2 d3 d4'
	rows "SELECT count(*) FROM task_device WHERE state = 'processing'" 4
	rows "SELECT max(pushed_at) - min(pushed_at) BETWEEN 2000 AND 6000 FROM task_device" 1
}

@test "firmware that needs other firmware first waits for it" {
	online d1
	db "UPDATE firmware SET min_version_order = (SELECT version_order FROM firmware WHERE firmware_id = 'lamp-1.1') WHERE firmware_id = 'lamp-2.0'"
	rollout t '' '' d1
	waits_for t d1 'older firmware first'
	fleet say d1 report '{"version":"1.1"}'
	row t d1 processing
}

@test "min_online_seconds: a device is not pushed before it has been there for so long" {
	online d1
	rollout t ', min_online_seconds' ', 6' d1
	waits_for t d1 'device unsettled'
	retry 12 db_is "SELECT state FROM task_device" processing
}

@test "what a device waits for is over when the operator changes it" {
	online d1 d2
	fleet say d1 report '{"version":"1.0","utcOffset":60}'
	rollout t ', window_clock, window_start, window_minutes' ", 'device', (CAST(strftime('%H', 'now') AS INTEGER) * 60 + CAST(strftime('%M', 'now') AS INTEGER) + 180) % 1440, 60" d1
	rollout u ', min_online_seconds' ', 3600' d2
	waits_for t d1 window
	waits_for u d2 'device unsettled'
	rows "SELECT count(*) FROM task_device WHERE wake_clock IS NOT NULL" 2
	db "UPDATE task SET window_start = NULL, window_minutes = NULL WHERE task_id = 't'"
	db "UPDATE task SET min_online_seconds = 0 WHERE task_id = 'u'"
	row t d1 processing
	row u d2 processing
}

@test "a task that is paused, or pauses itself, holds up no newer one" {
	online d1 d2 d3
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, state) VALUES ('draft', 'lamp-1.1', 'n', 'push', 'part', 'paused');
		INSERT INTO task_device (task_id, device_id) VALUES ('draft', 'd1')"
	rollout t ', max_in_flight, stop_failed_count' ', 1, 1' 'd1 d2 d3'
	row t d1 processing
	task new 1.1 push d2
	rollout last ', max_in_flight' ', 9' d3
	waits_for new d2 'other task'
	waits_for last d3 'other task'
	failed_at d1
	row new d2 processing
	row last d3 processing
}

@test "firmware that is withdrawn holds up no newer task" {
	online d1
	rollout t ', min_online_seconds' ', 3600' d1
	task new 1.1 push d1
	waits_for new d1 'other task'
	db "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'lamp-2.0'"
	row new d1 processing
}
