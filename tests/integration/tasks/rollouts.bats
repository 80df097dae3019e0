#!/usr/bin/env bats
# Rollouts: stages, the stop, rates, windows, retries, deferrals and trials, with real clients.

load ../task_helper

# TASK COLUMNS VALUES "DEVICE...": a push task of lamp-2.0 with rules of its own.
rollout() {
	db "BEGIN;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds$2)
		VALUES ('$1', 'lamp-2.0', 'Rollout $1', '${MODE:-push}', 'part', 30$3);
		${STAGES:-}
		INSERT INTO task_device (task_id, device_id, turn) SELECT '$1', value, key FROM json_each('[$(quoted_json "$4")]');
		COMMIT;"
}
stages() { STAGES="INSERT INTO task_stage (task_id, stage, until_count, until_percent, success_percent, hold_seconds, on_success) VALUES $1;"; }

waits_for() { rows "SELECT waits_for FROM task_detail WHERE task_id = '$1' AND device_id = '$2'" "$3"; }
task_is() { rows "SELECT state, stage, coalesce(paused_reason, '') FROM task WHERE task_id = '$1'" "$2"; }
counts_are() { rows "SELECT started, proved, bad FROM task_summary WHERE task_id = '$1'" "$2"; }

done_with() {
	fleet say "$1" upgrade/progress '{"progress":100,"complete":true,"success":true,"firmwareId":"lamp-2.0"}'
	fleet say "$1" report '{"version":"2.0"}'
}
failed_at() { fleet say "$1" upgrade/progress '{"progress":10,"complete":true,"success":false,"errorReason":"flash","firmwareId":"lamp-2.0"}'; }

@test "a stage starts so many devices in their turn, and the next one begins when they are proved" {
	online d1 d2 d3 d4
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 75, 50, 0, 'next'), ('t', 3, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2 d3 d4'
	row t d1 processing
	row t d2 waiting
	waits_for t d2 stage
	counts_are t '1|0|0'
	done_with d1
	row t d2 processing
	row t d3 processing
	row t d4 waiting
	task_is t 'running|2|'
	done_with d2
	done_with d3
	row t d4 processing
	done_with d4
	rows "SELECT what FROM task_log WHERE task_id = 't' ORDER BY log_id" $'created\nstage\nstage\nended'
	retry 5 grep -q 'task t: ended' "$LOG"
}

@test "who is not known to be there takes no place in a stage before the last one" {
	online d9
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	db "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', 'd2')"
	rollout t '' '' 'd1 d2 d9'
	row t d9 processing
	waits_for t d1 'device offline'
	done_with d9
	task_is t 'running|2|'
}

@test "rows that are added one by one to a task that runs start in their turn, too" {
	local devices
	devices=$(printf 'd%03d ' {1..300})
	# shellcheck disable=SC2086 # many words
	online d007 d100 d222 d290
	stages "('t', 1, 2, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	db "BEGIN;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds)
		VALUES ('t', 'lamp-2.0', 't', 'push', 'part', 30);
		$STAGES
		INSERT OR IGNORE INTO device (product_id, device_id) SELECT 'lamp', value FROM json_each('[$(quoted_json "$devices")]');
		INSERT INTO task_device (task_id, device_id, turn) SELECT 't', value, 1000 - key FROM json_each('[$(quoted_json "$devices")]');
		COMMIT;"
	rows "SELECT device_id FROM task_device WHERE attempts > 0 ORDER BY 1" $'d222\nd290'
}

@test "a turn that is set while the task runs counts for the next place" {
	online d1 d2 d3 d4 d5
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, 3, NULL, 100, 0, 'next'), ('t', 3, NULL, 100, 90, 0, 'next')"
	rollout t ', state, max_in_flight' ", 'paused', 1" 'd1 d2 d3 d4 d5'
	db "UPDATE task_device SET turn = turn + 10; UPDATE task SET state = 'running' WHERE task_id = 't'"
	row t d1 processing
	waits_for t d2 stage
	db "UPDATE task_device SET turn = 0 WHERE task_id = 't' AND device_id = 'd5'"
	done_with d1
	row t d5 processing
	waits_for t d2 'in flight'
	# last of all, and last but one
	db "UPDATE task_device SET turn = turn + 100 WHERE task_id = 't' AND device_id IN ('d2', 'd3')"
	done_with d5
	row t d4 processing
	db "UPDATE task_device SET turn = 0 WHERE task_id = 't' AND device_id = 'd3'"
	done_with d4
	row t d3 processing
	done_with d3
	row t d2 processing
}

@test "that it is complete proves a device only where the gate says so" {
	local complete='{"progress":100,"complete":true,"success":true,"firmwareId":"lamp-2.0"}'
	online d1 d2 d3
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2'
	row t d1 processing
	fleet say d1 upgrade/progress "$complete"
	row t d1 success
	counts_are t '1|0|0'
	waits_for t d2 stage
	fleet say d1 report '{"version":"2.0"}'
	counts_are t '2|1|0'
	stages "('c', 1, 1, NULL, 100, 99, 'next'), ('c', 2, NULL, 100, 90, 0, 'next')"
	rollout c ', gate' ", 'complete'" d3
	row c d3 processing
	fleet say d3 upgrade/progress "$complete"
	counts_are c '1|1|0'
}

@test "the stop pauses the task in the transaction of the failure, and a resumed one goes on" {
	online d1 d2 d3 d4
	rollout t ', stop_failed_percent, stop_failed_min, max_in_flight' ', 50, 2, 2' 'd1 d2 d3 d4'
	row t d1 processing
	row t d2 processing
	waits_for t d3 'in flight'
	failed_at d1
	row t d3 processing
	failed_at d2
	rows "SELECT state, paused_reason GLOB '2 of 2 failed*' FROM task WHERE task_id = 't'" 'paused|1'
	row t d4 waiting
	waits_for t d4 'task paused'
	counts_are t '3|0|2'
	db "UPDATE task SET state = 'running' WHERE task_id = 't'"
	row t d4 processing
	task_is t 'running|1|'
}

@test "a draft starts nothing until it is resumed" {
	online d1
	rollout t ', state' ", 'paused'" d1
	waits_for t d1 'task paused'
	db "UPDATE task SET state = 'running' WHERE task_id = 't'"
	row t d1 processing
}

@test "a pull finds its place in a stage, and no policy goes around it" {
	unseen d1 d2
	MODE=pull
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2'
	[[ $(pull d1 '{"currentVersion":"1.0"}') == *'"version":"2.0"'* ]]
	row t d1 processing
	[[ $(pull d2 '{"currentVersion":"1.0"}') == *'"code":"no_update"'* ]]
	row t d2 waiting
	# a device without a row: what comes in stages is nobody's but the task's
	[[ $(pull d9 '{"currentVersion":"1.0"}') == *'"version":"1.1"'* ]]
	say d1 report '{"version":"2.0"}'
	retry 5 gets_2_0 d2
	row t d2 processing
}
gets_2_0() { [[ $(pull "$1" '{"currentVersion":"1.0"}') == *'"version":"2.0"'* ]]; }

@test "what failed is retried by itself" {
	online d1
	rollout t ', retry_limit, retry_seconds, retry_on' ", 1, 4, 'any'" d1
	row t d1 processing
	failed_at d1
	rows "SELECT state, retry_at > 0, waits_for FROM task_detail WHERE device_id = 'd1'" 'failed|1|retry'
	fleet say d1 report '{"version":"1.0"}'
	columns t d1 'state, attempts, retries' 'processing|2|1'
	failed_at d1
	rows "SELECT state, retry_at FROM task_device" 'failed|'
}

@test "who asks while its retry is waited for is told when to ask again, whatever the policy" {
	unseen d1
	MODE=pull
	rollout t ', retry_limit, retry_seconds' ', 1, 4' d1
	gets_2_0 d1
	row t d1 processing
	say d1 upgrade/progress '{"complete":true,"success":false,"retry":true,"firmwareId":"lamp-2.0"}'
	[[ $(pull d1 '{"currentVersion":"1.0"}') == *'"code":"no_update"'* ]]
	row t d1 failed 'the device gave no reason'
	[[ $(pull d1 '{"currentVersion":"1.0"}') == *'"code":"no_update"'*'"retryAfter":'[1-5]* ]]
	retry 8 gets_2_0 d1
	columns t d1 'state, attempts, retries' 'processing|2|1'
	# the last failure: it is the policy's again
	say d1 upgrade/progress '{"complete":true,"success":false,"retry":true,"firmwareId":"lamp-2.0"}'
	row t d1 failed 'the device gave no reason'
	gets_2_0 d1
}

@test "a gate that is changed under way judges what has succeeded anew" {
	online d1 d2
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2'
	row t d1 processing
	fleet say d1 upgrade/progress '{"progress":100,"complete":true,"success":true,"firmwareId":"lamp-2.0"}'
	row t d1 success
	counts_are t '1|0|0'
	db "UPDATE task SET gate = 'complete' WHERE task_id = 't'"
	task_is t 'running|2|'
	row t d2 processing
	counts_are t '2|1|0'
	db "UPDATE task SET gate = 'version' WHERE task_id = 't'"
	counts_are t '2|0|0'
	fleet say d1 report '{"version":"2.0"}'
	counts_are t '2|1|0'
}

@test "a device puts it off, and its place is another's" {
	online d1 d2
	rollout t ', max_in_flight, defer_seconds' ', 1, 3600' 'd1 d2'
	row t d1 processing
	retry 5 heard_text fleet '"mandatory":false,"deferUntil":'
	fleet say d1 upgrade/reply '{"success":false,"retryAfter":2,"firmwareId":"lamp-2.0"}'
	columns t d1 "state, attempts, deferred_until > 0" 'waiting|0|1'
	row t d2 processing
	done_with d2
	row t d1 processing
}

@test "a device that goes back on trial has failed" {
	online d1
	rollout t ', trial_seconds' ', 600' d1
	row t d1 processing
	done_with d1
	columns t d1 'state, verified_at > 0' 'success|1'
	fleet say d1 report '{"version":"1.0"}'
	columns t d1 'state, failure, error_reason' 'failed|reverted|went back to 1.0'
	counts_are t '1|0|1'
	fleet say d1 report '{"version":"2.0"}'
	row t d1 success
	counts_are t '1|1|0'
}

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
gone() { [[ -z $(timeout 3 mosquitto_sub "${CONNECT[@]}" -t "\$SYS/broker/firmware/tasks/t" -W 1 || true) ]]; }
hears() { retry 5 grep -qF -- "$2" "$BROKER_DIR/$1.heard" && return; heard "$1"; return 1; }

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

@test "who goes away after its upgrade, and does not come back, is lost; and found" {
	online d1
	rollout t ', lost_seconds' ', 60' d1
	row t d1 processing
	fleet drop d1
	rows "SELECT presence, wake_clock > 0 FROM device CROSS JOIN task_device USING (device_id)" 'offline|1'
}

@test "min_online_seconds: a device is not pushed before it has been there for so long" {
	online d1
	rollout t ', min_online_seconds' ', 6' d1
	waits_for t d1 'device unsettled'
	retry 12 db_is "SELECT state FROM task_device" processing
}

@test "a device puts it off in a task without other rules, too" {
	online d1
	rollout t '' '' d1
	row t d1 processing
	fleet say d1 upgrade/reply '{"success":false,"retryAfter":3000,"firmwareId":"lamp-2.0"}'
	columns t d1 "state, attempts, deferred_until > 0" 'waiting|0|1'
	waits_for t d1 deferred
	fleet say d1 report '{"version":"1.0"}'
	columns t d1 "state, attempts, deferred_until > 0" 'waiting|0|1'
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('new', 'lamp-1.1', 'n', 'push', 'part', 1);
		INSERT INTO task_device (task_id, device_id) VALUES ('new', 'd1')"
	row t d1 canceled 'superseded by new'
	row new d1 processing
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

@test "the next upgrade of a device on trial is no way back" {
	online d1
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, trial_seconds) VALUES ('a', 'lamp-1.1', 'n', 'push', 'part', 600);
		INSERT INTO task_device (task_id, device_id) VALUES ('a', 'd1')"
	row a d1 processing
	fleet say d1 report '{"version":"1.1"}'
	columns a d1 'state, trial_clock > 0' 'success|1'
	rollout t ', trial_seconds' ', 600' d1
	row t d1 processing
	done_with d1
	columns t d1 'state, trial_clock > 0' 'success|1'
	columns a d1 'state, trial_clock' 'success|'
	# that one is: its attempt was before
	fleet say d1 report '{"version":"1.1"}'
	columns t d1 'state, failure' 'failed|reverted'
}

@test "a pull that the catalog refuses gives its place back" {
	unseen d1 d2
	MODE=pull rollout t ', max_in_flight' ', 1' 'd1 d2'
	db "CREATE TRIGGER veto BEFORE UPDATE OF state ON task_device WHEN NEW.device_id = 'd1' BEGIN SELECT RAISE(ABORT, 'no'); END"
	gets_2_0 d1
	retry 5 grep -q 'an uplink cannot be recorded and is left out: no' "$LOG"
	row t d1 waiting
	retry 5 gets_2_0 d2
	row t d2 processing
}

@test "a task that goes on retries, unless its limit is lower by then" {
	online d1 d2
	rollout t ', retry_limit, retry_seconds, retry_on' ", 1, 4, 'any'" d1
	rollout u ', retry_limit, retry_seconds, retry_on' ", 1, 1, 'any'" d2
	row t d1 processing
	row u d2 processing
	db "UPDATE task SET state = 'paused'"
	failed_at d1
	failed_at d2
	fleet say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM task_device WHERE retry_at IS NOT NULL AND wake_clock IS NULL" 2
	db "UPDATE task SET retry_limit = 0 WHERE task_id = 'u'"
	db "UPDATE task SET state = 'running'"
	columns u d2 'state, retry_at' 'failed|'
	row t d1 processing
}

@test "failures that are forgiven, and tried again by hand, pause the task again" {
	online d1 d2 d3
	stages "('t', 1, 2, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2 d3'
	row t d1 processing
	failed_at d1
	rows "SELECT state FROM task" paused
	db "UPDATE task SET state = 'running'"
	db "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1'"
	row t d1 processing
	failed_at d1
	rows "SELECT state FROM task" paused
}

@test "a deferral that is said twice takes back one attempt, and outlasts an absence" {
	online d1
	rollout t ', defer_seconds, retry_limit, retry_seconds, retry_on, stop_failed_count, lost_seconds' ", 3600, 3, 1, 'any', 9, 600" d1
	row t d1 processing
	failed_at d1
	rows "SELECT state FROM task_device" failed
	fleet say d1 report '{"version":"1.0"}'
	columns t d1 'state, attempts' 'processing|2'
	fleet say d1 upgrade/reply '{"success":false,"retryAfter":3000,"firmwareId":"lamp-2.0"}'
	columns t d1 'state, attempts' 'waiting|1'
	fleet say d1 upgrade/reply '{"success":false,"retryAfter":2000,"firmwareId":"lamp-2.0"}'
	columns t d1 'state, attempts, wake_clock - (SELECT clock_ms FROM catalog_state) < 2100000' 'waiting|1|1'
	counts_are t '1|0|1'
	fleet drop d1
	rows "SELECT presence FROM device" offline
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	rows "SELECT presence, due_at FROM device" 'online|'
	columns t d1 'state, attempts, deferred_until > 0' 'waiting|1|1'
}

@test "a row whose place a newer task has taken is not retried" {
	online d1
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, retry_limit, retry_seconds, retry_on)
		VALUES ('old', 'lamp-2.0', 'n', 'push', 'part', 3, 3, 'any');
		INSERT INTO task_device (task_id, device_id) VALUES ('old', 'd1')"
	row old d1 processing
	failed_at d1
	rows "SELECT state FROM task_device" failed
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, supersede) VALUES ('new', 'lamp-1.1', 'n', 'push', 'part', 1);
		INSERT INTO task_device (task_id, device_id) VALUES ('new', 'd1')"
	fleet say d1 report '{"version":"1.0"}'
	row new d1 processing
	fleet say d1 report '{"version":"1.1"}'
	row new d1 success
	columns old d1 'state, retry_at' 'failed|'
}

@test "rows that are added or deleted leave room in the stage" {
	online d1 d2 d3
	offline e1 e2
	stages "('t', 1, NULL, 34, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	rollout t '' '' 'd1 d2 d3'
	row t d1 processing
	row t d2 processing
	waits_for t d3 stage
	failed_at d1
	rows "SELECT state FROM task" paused
	db "UPDATE task SET state = 'running'"
	db "DELETE FROM task_device WHERE device_id = 'd1'"
	waits_for t d3 stage
	db "INSERT INTO task_device (task_id, device_id) VALUES ('t', 'e1'), ('t', 'e2')"
	row t d3 processing
}

@test "firmware that is withdrawn holds up no newer task" {
	online d1
	rollout t ', min_online_seconds' ', 3600' d1
	task new 1.1 push d1
	waits_for new d1 'other task'
	db "UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'lamp-2.0'"
	row new d1 processing
}
