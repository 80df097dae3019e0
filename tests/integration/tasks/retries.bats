#!/usr/bin/env bats
# Rollouts: what failed, was put off, or went away, and is tried again or not, with real clients.

load ../task_helper
load rollout_helper

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
	MODE=pull rollout t ', retry_limit, retry_seconds' ', 1, 4' d1
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

@test "who goes away after its upgrade, and does not come back, is lost; and found" {
	online d1
	rollout t ', lost_seconds' ', 60' d1
	row t d1 processing
	fleet drop d1
	rows "SELECT presence, wake_clock > 0 FROM device CROSS JOIN task_device USING (device_id)" 'offline|1'
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
