#!/usr/bin/env bats
# What operators do with a task, as plain SQL, while the broker runs: and what devices and the wire see of it.

load ../task_helper

@test "a task for all takes the devices known at that moment; one that runs the version already is done" {
	online d1 d2
	fleet say d2 report '{"timestamp":1,"version":"2.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd2'" 2.0
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'push')"
	online late
	rows "SELECT device_id, state, progress, attempts FROM task_device ORDER BY 1" $'d1|processing|0|1\nd2|success|100|0'
	upgrades d1 1
	settle
	upgrades d2 0
	upgrades late 0
	db "INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'late')"
	upgrades late 1
	rows "SELECT total, waiting, processing, success, failed, canceled, percent FROM task_summary" '3|0|2|1|0|0|33'
}

@test "stop: waiting rows become canceled and are not pushed, those under way go on; continue: they wait again" {
	online on on2
	offline off
	task t1 2.0 push 'on on2 off'
	upgrades on 1
	db "UPDATE task SET state = 'stopped' WHERE task_id = 't1'"
	rows "SELECT device_id, state FROM task_device ORDER BY 1" $'off|canceled\non|processing\non2|processing'
	online off
	settle
	upgrades off 0
	progress on '{"timestamp":1,"firmwareId":"lamp-2.0","progress":70}'
	progress on2 '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	rows "SELECT device_id, state, progress FROM task_device ORDER BY 1" $'off|canceled|0\non|processing|70\non2|success|100'
	db "UPDATE task SET state = 'running' WHERE task_id = 't1'"
	upgrades off 1
	columns t1 off 'state, attempts' 'processing|1'
	upgrades on 1
	upgrades on2 1
	summary_exact
}

@test "continue: a device that got there meanwhile is done" {
	offline d1
	task t1 2.0 push d1
	db "UPDATE task SET state = 'stopped'"
	say d1 report '{"version":"2.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	row t1 d1 canceled
	db "UPDATE task SET state = 'running'"
	row t1 d1 success
}

@test "batch retry: what failed is pushed again, with a clean slate, and nothing else" {
	online broke timed won
	task t1 2.0 push 'broke timed won' 1
	upgrades broke 1
	upgrades won 1
	progress broke '{"timestamp":1,"firmwareId":"lamp-2.0","progress":40}'
	progress broke '{"timestamp":2,"firmwareId":"lamp-2.0","progress":50,"complete":true,"success":false,"errorReason":"flash"}'
	progress won '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	row t1 timed failed 'response timeout'
	row t1 broke failed flash
	db "UPDATE task_device SET state = 'waiting' WHERE task_id = 't1' AND state = 'failed'"
	upgrades broke 2
	upgrades timed 2
	rows "SELECT device_id, state, progress, error_reason, attempts, responded_at, completed_at FROM task_device WHERE device_id <> 'won' ORDER BY 1" \
		$'broke|processing|0||2||\ntimed|processing|0||2||'
	progress broke '{"timestamp":3,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	row t1 broke success
	upgrades won 1
	summary_exact
}

@test "one row is stopped, continued and retried alone" {
	offline d1 d2
	task t1 2.0 push 'd1 d2'
	db "UPDATE task_device SET state = 'canceled' WHERE task_id = 't1' AND device_id = 'd1' AND state = 'waiting'"
	fleet connect d1
	fleet send d1 telemetry 1
	fleet connect d2
	fleet send d2 telemetry 1
	upgrades d2 1
	upgrades d1 0
	row t1 d1 canceled
	db "UPDATE task_device SET state = 'waiting' WHERE task_id = 't1' AND device_id = 'd1' AND state = 'canceled'"
	upgrades d1 1
	fleet say d1 upgrade/reply '{"timestamp":1,"success":false}'
	row t1 d1 failed 'the device gave no reason'
	db "UPDATE task_device SET state = 'waiting' WHERE task_id = 't1' AND device_id = 'd1' AND state = 'failed'"
	upgrades d1 2
	upgrades d2 1
}

# SQL WORDS: must be refused, with these words.
denied() {
	local said
	said=$(sqlite3 -batch -cmd '.timeout 5000' "$DB" "$1" 2>&1) && echo "was not refused: $1" && return 1
	[[ $said == *"$2"* ]] && return
	printf 'refused: %s\nwith: %s\nnot: %s\n' "$1" "$said" "$2"
	return 1
}

@test "refusals under a running broker say what to do, and change nothing" {
	online d1
	offline d2
	task t1 2.0 push 'd1 d2'
	task p1 1.1 pull d2 60 1
	upgrades d1 1
	denied "DELETE FROM task WHERE task_id = 't1'" 'stop it first'
	denied "DELETE FROM task_device WHERE device_id = 'd1'" 'wait for its end'
	denied "DELETE FROM task_device WHERE device_id = 'd2' AND task_id = 't1'" 'stop its row first'
	denied "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'" 'under way'
	denied "UPDATE task_device SET state = 'success' WHERE device_id = 'd2'" 'for the devices to say'
	denied "UPDATE firmware SET url = 'http://other/' WHERE version = '2.0'" 'open rows'
	db "UPDATE firmware SET name = 'Name', description = 'd', parameters = '{\"a\":1}' WHERE version = '2.0'"
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	row t1 d1 success
	denied "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1'" 'succeeded'
	say d2 pull '{"requestVersion":"1.1"}'
	row p1 d2 failed 'upgrade timeout'
	denied "DELETE FROM firmware WHERE version = '2.0'" 'delete the task first'
	summary_exact
}

@test "deleting: a task that ended and its rows go, what devices reported stays, and late progress harms nothing" {
	online d1 d2
	task t1 2.0 push 'd1 d2'
	upgrades d2 1
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	fleet say d2 upgrade/reply '{"timestamp":1,"success":false}'
	row t1 d2 failed 'the device gave no reason'
	db "DELETE FROM task_device WHERE device_id = 'd2'"
	rows "SELECT total, failed FROM task_summary" '1|0'
	db "DELETE FROM task WHERE task_id = 't1'"
	progress d2 '{"timestamp":2,"firmwareId":"lamp-2.0","progress":90}'
	settle
	rows "SELECT count(*) FROM task_device" 0
	rows "SELECT device_id, task_id FROM progress_log ORDER BY log_id" $'d1|t1\nd2|'
	db "DELETE FROM firmware WHERE version = '2.0'"
}

@test "what is done while the broker is down is carried out at its start" {
	offline d1 d2 d3
	task t1 2.0 push d1
	task t2 2.0 push d2
	stop_broker
	db "UPDATE task SET state = 'stopped' WHERE task_id = 't1'"
	task t3 1.1 push d3
	start_broker
	# 2.1 tells of connections: who has not come back is not sent anything
	on_2_0 || online d2 d3
	rows "SELECT task_id, state, attempts FROM task_device ORDER BY 1" $'t1|canceled|0\nt2|processing|1\nt3|processing|1'
}
