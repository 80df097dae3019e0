#!/usr/bin/env bats
# Pull tasks, and pulls of devices that have tasks of any kind: step 3 of "Answering a pull".

load ../task_helper

policy() { db "UPDATE product SET pull_policy = '$1' WHERE product_id = 'lamp'"; }
version_of() { member "$1" version code; }
asks() { version_of "$(pull "$1" "${2:-{\}}")"; } # DEVICE [JSON]

@test "a pull of a device with a pull task gets its firmware, and its row is processing" {
	policy task
	unseen d1 other
	task t1 2.0 pull d1
	before=$(date +%s%3N)
	reply=$(pull d1 '{"messageId":"m1","currentVersion":"1.0"}')
	assert_json "$reply" '.messageId == "m1" and .version == "2.0" and .firmwareId == "lamp-2.0" and .size == 3000 and has("success") == false'
	columns t1 d1 "state, attempts, pushed_at BETWEEN $before AND $before + 10000, from_version" 'processing|1|1|1.0'
	assert_equal "$(asks other)" no_update
	fleet connect d1
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	row t1 d1 success
	assert_equal "$(asks d1)" no_update
}

@test "two open tasks: stepwise takes the lowest, latest and task the highest, whatever the tasks' age" {
	offline d1 d2 d3 d4
	task high 2.0 pull 'd1 d2 d3'
	task low 1.1 pull 'd1 d2 d3 d4'
	task below 1.0 pull 'd4'
	policy stepwise
	assert_equal "$(asks d1 '{"currentVersion":"0.9"}')" 1.1
	rows "SELECT task_id, state FROM task_device WHERE device_id = 'd1' ORDER BY 1" $'high|waiting\nlow|processing'
	policy latest
	assert_equal "$(asks d2)" 2.0
	rows "SELECT task_id, state FROM task_device WHERE device_id = 'd2' ORDER BY 1" $'high|processing\nlow|waiting'
	policy task
	assert_equal "$(asks d3)" 2.0
	# the other row is open as well, and next in its turn
	say d3 upgrade/progress '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":false,"errorReason":"flash"}'
	row high d3 failed flash
	assert_equal "$(asks d3)" 1.1
	# the task's firmware is older than the policy's, and is what the operator wants all the same
	policy latest
	assert_equal "$(asks d4)" 1.1
	# but never below what the device runs
	policy stepwise
	assert_equal "$(asks d4 '{"currentVersion":"1.1"}')" no_update
}

@test "stepwise goes from task to task" {
	policy stepwise
	offline d1
	task t2 2.0 pull d1
	task t1 1.1 pull d1
	assert_equal "$(asks d1)" 1.1
	say d1 upgrade/progress '{"timestamp":1,"firmwareId":"lamp-1.1","complete":true,"success":true}'
	assert_equal "$(asks d1)" 2.0
	say d1 report '{"timestamp":2,"version":"2.0"}'
	rows "SELECT task_id, state FROM task_device ORDER BY 1" $'t1|success\nt2|success'
	assert_equal "$(asks d1)" no_update
}

@test "a device that lost the answer is answered again: one attempt, one clock" {
	offline d1
	task t1 2.0 pull d1
	for _ in 1 2 3; do assert_equal "$(asks d1)" 2.0; done
	settle
	columns t1 d1 'state, attempts' 'processing|1'
	pushed=$(db "SELECT pushed_at, due_at FROM task_device")
	assert_equal "$(asks d1)" 2.0
	settle
	assert_equal "$(db "SELECT pushed_at, due_at FROM task_device")" "$pushed"
	# what is under way goes on
	db "UPDATE task SET state = 'paused'"
	assert_equal "$(asks d1)" 2.0
	offline d2
	db "INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd2')"
	assert_equal "$(asks d2)" no_update
}

@test "no row of a task that is stopped, ended, or without ready firmware is given" {
	policy task
	offline d1 d2 d3
	task stopped 2.0 pull d1
	task under_way 2.0 pull d2
	task withdrawn 1.1 pull d3
	assert_equal "$(asks d2)" 2.0
	row under_way d2 processing
	db "UPDATE task SET state = 'stopped' WHERE task_id IN ('stopped', 'under_way'); UPDATE firmware SET state = 'rejected' WHERE version = '1.1'"
	assert_equal "$(asks d1)" no_update
	assert_equal "$(asks d2)" no_update
	assert_equal "$(asks d3)" no_update
	db "UPDATE task SET state = 'running' WHERE task_id = 'stopped'; UPDATE firmware SET state = 'pending' WHERE version = '1.1'"
	assert_equal "$(asks d1)" 2.0
	assert_equal "$(asks d3)" 1.1
	row stopped d1 processing
	row withdrawn d3 processing
}

@test "a request by version gives that version, and moves the row of its task if there is one" {
	offline d1 d2
	task t1 1.1 pull d1
	assert_equal "$(asks d2 '{"requestVersion":"1.1"}')" 1.1
	assert_equal "$(asks d1 '{"requestVersion":"2.0"}')" 2.0
	settle
	row t1 d1 waiting
	assert_equal "$(asks d1 '{"requestVersion":"1.1"}')" 1.1
	row t1 d1 processing
}

@test "a device that pulls what it was pushed, or what waits to be pushed, is upgraded once" {
	offline waiting
	online pushed
	task t1 2.0 push 'waiting pushed'
	upgrades pushed 1
	assert_equal "$(asks waiting)" 2.0
	fleet say pushed pull '{"messageId":1}'
	settle
	upgrades pushed 1
	rows "SELECT device_id, state, attempts FROM task_device ORDER BY 1" $'pushed|processing|1\nwaiting|processing|1'
}

@test "a device that shows itself by a pull is not pushed another task's firmware beside the answer" {
	# where a device shows itself by connecting and subscribing, it is pushed before it can pull
	on_2_0 || skip "this broker tells the plugin of connections"
	offline d1
	task push 1.1 push d1
	task pull 2.0 pull d1
	listen ear -i ear -q 1 -t /lamp/d1/firmware/upgrade
	assert_equal "$(asks d1)" 2.0
	row pull d1 processing
	settle
	assert_equal "$(heard ear)" ''
	row push d1 waiting
}

@test "a device that pulls with the target version as its own has reached it" {
	offline d1
	task t1 2.0 pull d1
	assert_equal "$(asks d1 '{"currentVersion":"2.0"}')" no_update
	row t1 d1 success
}

@test "a device that pulls stays one task's at a time: nothing is pushed beside it" {
	online d1
	task t1 1.1 pull d1
	fleet say d1 pull '{"messageId":1}'
	row t1 d1 processing
	task t2 2.0 push d1
	settle
	row t2 d1 waiting
	upgrades d1 0
	progress d1 '{"timestamp":1,"firmwareId":"lamp-1.1","complete":true,"success":true}'
	fleet say d1 report '{"version":"1.1"}'
	upgrades d1 1
	row t2 d1 processing
}

@test "a device that pulled, and comes back by another connection, may go on: nothing is pushed into its download" {
	online d1
	task t1 1.1 pull d1
	fleet say d1 pull '{"messageId":1}'
	row t1 d1 processing
	task t2 2.0 push d1
	fleet drop d1
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	settle
	columns t1 d1 'state, attempts, interruptions' 'processing|1|0'
	row t2 d1 waiting
	upgrades d1 0
}

@test "of two tasks to the same version the one that allows a downgrade decides" {
	policy task
	unseen d1
	db "UPDATE device SET version = NULL WHERE device_id = 'd1'"
	task t1 1.1 pull d1
	task t2 1.1 pull d1
	db "UPDATE task SET allow_downgrade = 1 WHERE task_id = 't2'"
	assert_equal "$(asks d1 '{"currentVersion":"2.0"}')" 1.1
	row t1 d1 canceled 'runs 2.0, which is newer'
	row t2 d1 processing
}

@test "an acknowledged completion is seen by the next pull while the catalog is locked" {
	offline d1
	task t1 1.1 pull d1
	policy task
	assert_equal "$(asks d1)" 1.1
	row t1 d1 processing
	mkfifo "$BROKER_DIR/sql"
	sqlite3 -batch "$DB" <"$BROKER_DIR/sql" >"$BROKER_DIR/sql.out" 3>&- &
	BACKGROUND+=($!)
	exec {sql}>"$BROKER_DIR/sql"
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"$sql"
	retry 5 grep -q open "$BROKER_DIR/sql.out"
	say d1 upgrade/progress '{"timestamp":1,"firmwareId":"lamp-1.1","complete":true,"success":true}'
	assert_equal "$(asks d1)" no_update
	row t1 d1 processing
	echo 'COMMIT;' >&"$sql"
	row t1 d1 success
}
