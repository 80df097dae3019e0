#!/usr/bin/env bats
# The events for applications: /{productId}/{deviceId}/firmware/task, whoever changed the row.

load ../task_helper

# DEVICE [FILTER]: the events heard of the device, a line each.
events() { heard app | grep " /lamp/$1/firmware/task " | cut -d' ' -f4- | jq -r '[.taskId, .firmwareId, .state, .progress, .errorReason // ""] | join(" ")'; }
events_are() { [[ $(events "$1") == "$2" ]]; }
expect_events() { # DEVICE LINES
	retry 5 events_are "$@" && return
	printf 'events of %s:\n%s\nexpected:\n%s\n' "$1" "$(events "$1")" "$2"
	return 1
}

setup() {
	start_broker 'plugin_opt_operators admin'
	catalog
	start_fleet
	listen app -i app -q 2 -t /lamp/+/firmware/task
}

@test "a row's way through a push task, to success" {
	online d1
	before=$(date +%s%3N)
	task t1 2.0 push d1
	upgrades d1 1
	fleet say d1 upgrade/reply '{"timestamp":1}'
	progress d1 '{"timestamp":2,"firmwareId":"lamp-2.0","progress":50}'
	progress d1 '{"timestamp":3,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	retry 5 heard_text app '"success"'
	# that a new row waits is no change of state
	assert_equal "$(events d1)" $'t1 lamp-2.0 processing 0 \nt1 lamp-2.0 success 100 '
	assert_json "$(heard app | tail -n 1 | cut -d' ' -f4-)" "(.timestamp >= $before) and (keys == [\"firmwareId\",\"progress\",\"state\",\"taskId\",\"timestamp\"])"
	assert_equal "$(heard app | cut -d' ' -f1-3 | sort -u)" '1 0 /lamp/d1/firmware/task'
}

@test "failures with their reasons: the device's, the response's, the upgrade's" {
	online broke timed slow
	task t1 2.0 push 'broke timed' 1
	task t2 2.0 push slow 60 1
	upgrades broke 1
	progress broke '{"timestamp":2,"firmwareId":"lamp-2.0","progress":50,"complete":true,"success":false,"errorReason":"flash: \"ü\""}'
	row t1 timed failed 'response timeout'
	row t2 slow failed 'upgrade timeout'
	retry 5 heard_text app 'upgrade timeout'
	assert_equal "$(events broke | tail -n 1 | cut -d' ' -f1-3,5-)" 't1 lamp-2.0 failed flash: "ü"'
	assert_equal "$(events timed | tail -n 1)" 't1 lamp-2.0 failed 0 response timeout'
	assert_equal "$(events slow | tail -n 1)" 't2 lamp-2.0 failed 0 upgrade timeout'
	db "UPDATE task_device SET state = 'waiting' WHERE task_id = 't1' AND device_id = 'timed'"
	expect_events timed "$(events timed | sed '/failed/q')
t1 lamp-2.0 waiting 0 
t1 lamp-2.0 processing 0 "
}

@test "what operators change: stop, continue, a row stopped and continued, a retry of all" {
	offline d1 d2
	task t1 2.0 push 'd1 d2'
	db "UPDATE task SET state = 'stopped'"
	retry 5 heard_count app 2
	db "UPDATE task SET state = 'running'"
	retry 5 heard_count app 4
	db "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'"
	retry 5 heard_count app 5
	expect_events d1 $'t1 lamp-2.0 canceled 0 \nt1 lamp-2.0 waiting 0 \nt1 lamp-2.0 canceled 0 '
	expect_events d2 $'t1 lamp-2.0 canceled 0 \nt1 lamp-2.0 waiting 0 '
}

# TASK STATE...: the lines of such events
lines() {
	local state
	for state in "${@:2}"; do echo "$1 lamp-2.0 $state 0 "; done
}

@test "changes that follow at once are told one by one: stop and continue, insert and stop, a single row" {
	offline d1 d2
	task t1 2.0 push 'd1 d2'
	db "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running';"
	expect_events d1 "$(lines t1 canceled waiting)"
	expect_events d2 "$(lines t1 canceled waiting)"
	db "BEGIN; UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'; UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1';
		UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'; COMMIT;"
	expect_events d1 "$(lines t1 canceled waiting canceled waiting canceled)"
	unseen d3
	# in one transaction: the row would be pushed between two
	db "BEGIN; INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd3'); UPDATE task SET state = 'stopped'; COMMIT;"
	expect_events d3 "$(lines t1 canceled)"
	expect_events d2 "$(lines t1 canceled waiting canceled)"
	settle
	assert_equal "$(heard app | wc -l)" 9
}

@test "what is deleted at once is told: a row, a task, and one that takes its name" {
	offline d1 d2
	task t1 2.0 push 'd1 d2'
	db "UPDATE task_device SET state = 'canceled' WHERE device_id = 'd1'; DELETE FROM task_device WHERE device_id = 'd1';"
	expect_events d1 "$(lines t1 canceled)"
	db "UPDATE task SET state = 'stopped'; DELETE FROM task;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t1', 'lamp-1.1', 'n', 'push', 'part');
		INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd2'); UPDATE task SET state = 'stopped'; DELETE FROM task;
		DELETE FROM firmware;"
	expect_events d2 $'t1 lamp-2.0 canceled 0 \nt1 lamp-1.1 canceled 0 '
	rows "SELECT count(*) FROM task_change" 0
	settle
	assert_equal "$(heard app | wc -l)" 3
}

@test "what an operator made of a row is told before what follows from it, and a new row is pushed at once" {
	online d1 d2
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, state) VALUES ('t1', 'lamp-2.0', 'n', 'push', 'part', 'stopped');
		INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd1');
		BEGIN; UPDATE task SET state = 'running'; UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running'; COMMIT;"
	expect_events d1 "$(lines t1 waiting canceled waiting processing)"
	upgrades d1 1
	db "INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd2')"
	expect_events d2 "$(lines t1 processing)"
	upgrades d2 1
	progress d2 '{"timestamp":2,"firmwareId":"lamp-2.0","progress":0,"complete":true,"success":false,"errorReason":"flash"}'
	row t1 d2 failed flash
	db "UPDATE task_device SET state = 'waiting' WHERE device_id = 'd2'"
	upgrades d2 2
	expect_events d2 $'t1 lamp-2.0 processing 0 \nt1 lamp-2.0 failed 0 flash\nt1 lamp-2.0 waiting 0 \nt1 lamp-2.0 processing 0 '
}

@test "a pull task: processing when the pull is answered, once" {
	offline d1
	task t1 2.0 pull d1
	pull d1 '{}'
	retry 5 heard_count app 1
	pull d1 '{}'
	settle
	assert_equal "$(events d1)" 't1 lamp-2.0 processing 0 '
}

@test "no event for what changed nothing" {
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	settle
	count=$(heard app | wc -l)
	fleet say d1 upgrade/reply '{"timestamp":1}'
	fleet repeat d1
	progress d1 '{"timestamp":2,"firmwareId":"lamp-2.0","progress":50}'
	settle
	assert_equal "$(heard app | wc -l)" "$count"
}

@test "clients other than operators may not publish there" {
	online d1
	for client in d1 application app; do
		refused pub -q 1 -i "$client-x" -t /lamp/d1/firmware/task -m '{"state":"success"}'
	done
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/task -m '{}'
	refused pub -q 1 -i d1 -u someone -t /lamp/d1/firmware/task -m '{}'
	assert_equal "$(heard app)" ''
	accepted pub -q 1 -u admin -t /lamp/d1/firmware/task -m '{"by":"admin"}'
	retry 5 heard_text app '{"by":"admin"}'
}
