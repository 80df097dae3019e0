#!/usr/bin/env bats
# Nobody goes backwards by accident, nothing waits for ever: versions above the task's, labels that never match, pulls before a restart.

load ../task_helper

version_of() { member "$1" version code; }
asks() { version_of "$(pull "$1" "${2:-{\}}")"; } # DEVICE [JSON]
is_answered() { [[ $(asks "$1" "$2") == "$3" ]]; }  # DEVICE JSON VERSION

# TASK VERSION MODE DEVICE: as task, and allows downgrades.
downgrade() {
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, allow_downgrade) VALUES ('$1', 'lamp-$2', 'n', '$3', 'part', 1);
		INSERT INTO task_device (task_id, device_id) VALUES ('$1', '$4')"
}

@test "a row for a device that runs a newer version is canceled at once, with the reason" {
	online d1 d2
	fleet say d1 report '{"version":"2.0"}'
	fleet say d2 report '{"version":"home-made"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	task part 1.1 push d1
	row part d1 canceled 'runs 2.0, which is newer'
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('all', 'lamp-1.1', 'n', 'push')"
	row all d1 canceled 'runs 2.0, which is newer'
	# of an unknown version nobody can say
	row all d2 processing
	task pull 1.1 pull d1
	row pull d1 canceled 'runs 2.0, which is newer'
	settle
	upgrades d1 0
	summary_exact
}

@test "a device that got newer firmware meanwhile is not taken back by an old task, its retry or its continuation" {
	offline waiting stopped
	online failed
	task t1 1.1 push 'waiting failed stopped' 1
	row t1 failed failed 'response timeout'
	db "UPDATE task_device SET state = 'canceled' WHERE device_id = 'stopped'"
	for device in waiting failed stopped; do say "$device" report '{"version":"2.0"}'; done
	row t1 waiting canceled 'runs 2.0, which is newer'
	db "UPDATE task_device SET state = 'waiting' WHERE state = 'failed'"
	row t1 failed canceled 'runs 2.0, which is newer'
	db "UPDATE task SET state = 'stopped'; UPDATE task SET state = 'running'"
	row t1 stopped canceled 'runs 2.0, which is newer'
	db "UPDATE task_device SET state = 'waiting' WHERE device_id = 'stopped'"
	row t1 stopped canceled 'runs 2.0, which is newer'
	upgrades failed 1
	summary_exact
}

@test "an operator's own word on what a device runs counts when its push is due" {
	offline d1
	task t1 1.1 push d1
	db "UPDATE device SET version = '2.0' WHERE device_id = 'd1'"
	fleet connect d1
	fleet send d1 telemetry 1
	row t1 d1 canceled 'runs 2.0, which is newer'
	upgrades d1 0
}

@test "a task that allows it takes devices back, by push and by pull" {
	online d1 d2
	for device in d1 d2; do fleet say "$device" report '{"version":"2.0"}'; done
	rows "SELECT count(*) FROM device WHERE version = '2.0'" 2
	downgrade push 1.1 push d1
	upgrades d1 1
	assert_json "$(last_upgrade d1)" '.version == "1.1"'
	downgrade pull 1.0 pull d2
	fleet drop d2
	assert_equal "$(asks d2 '{"currentVersion":"2.0"}')" 1.0
	row pull d2 processing
	say d2 report '{"version":"1.0"}'
	row pull d2 success
	fleet say d1 report '{"version":"1.1"}'
	row push d1 success
}

@test "one upgrade at a time: who pulls is offered what is under way, whatever the policy" {
	online d1
	task t1 1.1 push d1
	upgrades d1 1
	task t2 2.0 pull d1
	for policy in latest stepwise task; do
		db "UPDATE product SET pull_policy = '$policy' WHERE product_id = 'lamp'"
		assert_equal "$(asks d1)" 1.1
	done
	# another one by name is the device's own wish, and no row of a task
	assert_equal "$(asks d1 '{"requestVersion":"2.0"}')" 2.0
	settle
	rows "SELECT task_id, state FROM task_device ORDER BY 1" $'t1|processing\nt2|waiting'
	db "UPDATE firmware SET state = 'rejected' WHERE version = '1.1'; UPDATE product SET pull_policy = 'latest'"
	assert_equal "$(asks d1)" no_update
}

@test "a pull between the completion and the restart is offered nothing, and does not turn the version back" {
	offline d1
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
	say d1 upgrade/progress '{"firmwareId":"lamp-2.0","complete":true,"success":true}'
	for _ in 1 2 3; do assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" no_update; done
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" no_update
	rows "SELECT version FROM version_log WHERE device_id = 'd1' ORDER BY log_id" $'1.0\n2.0'
	# after the restart it says what it runs
	say d1 report '{"version":"1.0"}'
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
	rows "SELECT version FROM version_log WHERE device_id = 'd1' ORDER BY log_id" $'1.0\n2.0\n1.0'
}

@test "the same with a task, over a restart of the broker, and no longer than the task's timeout" {
	offline d1
	task t1 2.0 pull d1 60 3
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
	say d1 upgrade/progress '{"firmwareId":"lamp-2.0","complete":true,"success":true}'
	row t1 d1 success
	stop_broker
	start_broker
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" no_update
	retry 5 is_answered d1 '{"currentVersion":"1.0"}' 2.0
}

@test "an image whose label never matches is not offered for ever" {
	offline d1 other
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
	for _ in 2 3; do
		assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" 2.0
		settle
	done
	assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" no_update
	rows "SELECT device_id, firmware_id, version, reported, times FROM mislabelled" 'd1|lamp-2.0|2.0|v2.0|3'
	retry 5 grep -q "device d1 of lamp installed lamp-2.0 three times and reports 'v2.0' instead of '2.0'" "$LOG"
	assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" no_update
	assert_equal "$(asks other '{"currentVersion":"1.0"}')" 2.0
	assert_equal "$(asks d1 '{"requestVersion":"2.0"}')" 2.0
	# another version of the device
	assert_equal "$(asks d1 '{"currentVersion":"1.1"}')" 2.0
	# or another catalog
	settle
	assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" no_update
	db "UPDATE firmware SET version = 'v2.0' WHERE version = '2.0'"
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" v2.0
	rows 'SELECT count(*) FROM mislabelled' 0
}

@test "an image whose label never matches, and that the device completes each time" {
	offline d1
	for _ in 1 2 3; do
		assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" 2.0
		say d1 upgrade/progress '{"firmwareId":"lamp-2.0","complete":true,"success":true}'
		say d1 report '{"version":"v2.0"}'
		settle
	done
	assert_equal "$(asks d1 '{"currentVersion":"v2.0"}')" no_update
}

@test "the same for devices of two products at once" {
	db "UPDATE product SET firmware_enabled = 1 WHERE product_id = 'oven'"
	for PRODUCT in lamp oven; do
		for runs in 1.0 v v; do
			refute is_answered "$PRODUCT-1" "{\"currentVersion\":\"$runs\"}" no_update
			settle
		done
		assert_equal "$(asks "$PRODUCT-1" '{"currentVersion":"v"}')" no_update
	done
}

@test "the same, with pulls that name no version" {
	offline d1
	say d1 report '{"version":"1.0"}'
	for _ in 1 2 3; do
		assert_equal "$(asks d1 '{}')" 2.0
		say d1 upgrade/progress '{"firmwareId":"lamp-2.0","complete":true,"success":true}'
		say d1 report '{"version":"v2.0"}'
		settle
	done
	retry 5 is_answered d1 '{}' no_update
}

@test "two images that call themselves by the other's place do not make a circle" {
	db "UPDATE product SET pull_policy = 'stepwise' WHERE product_id = 'lamp'"
	offline d1
	# 1.1 says that it is 2.0's next, and 2.0 that it is 1.0
	runs=1.0 turns=0
	while offered=$(asks d1 "{\"currentVersion\":\"$runs\"}") && [[ $offered != no_update ]]; do
		[[ $runs == 1.0 ]] && runs=1.1-b || runs=1.0
		settle
		((++turns < 20))
	done
	((turns <= 8))
}

@test "who only polls, and installs later, is offered it each time" {
	offline d1
	for _ in 1 2 3 4 5 6; do
		assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
		settle
	done
	rows 'SELECT count(*) FROM label_mismatch' 0
}

@test "a row that is overtaken by an operator's change ends, too, and starves no other" {
	online d1
	fleet say d1 report '{"version":"2.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	downgrade t1 1.1 pull d1
	row t1 d1 waiting
	db "UPDATE task SET allow_downgrade = 0"
	row t1 d1 canceled 'runs 2.0, which is newer'
}

@test "what is under way is told to who pulls before its restart" {
	online d1
	fleet say d1 upgrade/progress '{"firmwareId":"lamp-1.1","complete":true,"success":true}'
	rows "SELECT version, completed_from FROM device WHERE device_id = 'd1'" '1.1|1.0'
	fleet say d1 report '{"version":"1.1"}'
	task t2 2.0 push d1
	upgrades d1 1
	db "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE device SET completed_from = '1.0', completed_until = 9999999999999;
		UPDATE catalog_state SET plugin_writing = 0; COMMIT"
	assert_equal "$(asks d1 '{"currentVersion":"1.0"}')" 2.0
	row t2 d1 processing
}

@test "no device makes the broker look at all devices of a product" {
	plan=$(db "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM device d INDEXED BY device_completed WHERE d.product_id = 'lamp' AND d.completed_from IS NOT NULL)")
	[[ $plan == *'USING COVERING INDEX device_completed'* || $plan == *'USING INDEX device_completed'* ]]
	online d1
	generation() { db 'SELECT generation FROM catalog_state'; }
	before=$(generation)
	for _ in 1 2 3; do
		fleet say d1 upgrade/progress '{"firmwareId":"lamp-2.0","complete":true,"success":true}'
		fleet say d1 report '{"version":"1.0"}'
	done
	settle
	assert_equal "$(generation)" "$before"
}

@test "the same words in a second attempt count, also with the same timestamp" {
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	stamp=$(($(date +%s%3N) - 3600000))
	for attempt in 1 2; do
		progress d1 "{\"timestamp\":$stamp,\"firmwareId\":\"lamp-2.0\",\"complete\":true,\"success\":false,\"errorReason\":\"flash\"}"
		row t1 d1 failed flash
		db "UPDATE task_device SET state = 'waiting' WHERE state = 'failed'"
		upgrades d1 $((attempt + 1))
	done
}

@test "what the plugin knows of a device is not for hands" {
	online d1
	for column in due_at settles_at connection completed_until; do
		run db "UPDATE device SET $column = 1"
		[[ $status -ne 0 && $output == *'of a device only name, version, presence, last_seen_at and utc_offset_minutes can be set by hand'* ]]
	done
}
