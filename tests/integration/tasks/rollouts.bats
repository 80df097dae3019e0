#!/usr/bin/env bats
# Rollouts: stages and the turns in them, gates, the stop, with real clients.

load ../task_helper
load rollout_helper

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
	stages "('t', 1, 1, NULL, 100, 0, 'next'), ('t', 2, NULL, 100, 90, 0, 'next')"
	MODE=pull rollout t '' '' 'd1 d2'
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
