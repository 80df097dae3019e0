#!/usr/bin/env bats
# What a device says of its upgrade: accepted, refused, under way, done, done wrong; twice, late, out of order, contradictory.

load ../task_helper

# DEVICE...: rows of task t1, pushed.
pushed() {
	online "$@"
	task t1 2.0 push "$*"
	for device; do upgrades "$device" 1; done
}

# NUMBER MEMBERS: JSON with a timestamp that a redelivery is known by: near the broker's clock, the same each time.
START=$(date +%s%3N)
stamped() { printf '{"timestamp":%d,%s}' $((START + $1)) "$2"; }

@test "upgrade/reply: accepted goes on, refused fails with the device's own words or a sentence" {
	pushed yes silent no mute
	fleet say yes upgrade/reply '{"timestamp":1,"success":true}'
	fleet say silent upgrade/reply '{"timestamp":1}'
	fleet say no upgrade/reply '{"timestamp":1,"success":false,"message":"battery low"}'
	fleet say mute upgrade/reply '{"timestamp":1,"success":false}'
	row t1 no failed 'battery low'
	row t1 mute failed 'the device gave no reason'
	rows "SELECT device_id, state, responded_at IS NOT NULL FROM task_device ORDER BY 1" $'mute|failed|1\nno|failed|1\nsilent|processing|1\nyes|processing|1'
	rows "SELECT count(*) FROM progress_log" 0
}

@test "progress moves the row and never goes back; completion ends it, with the version recorded" {
	pushed d1
	for percent in 0 40 20 70; do
		progress d1 "{\"timestamp\":$percent,\"firmwareId\":\"lamp-2.0\",\"progress\":$percent}"
	done
	columns t1 d1 'state, progress, responded_at IS NOT NULL, completed_at' 'processing|70|1|'
	progress d1 '{"timestamp":99,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	columns t1 d1 'state, progress, completed_at IS NOT NULL, error_reason, attempts' 'success|100|1||1'
	rows "SELECT progress, coalesce(complete, 0), success, task_id, version FROM progress_log ORDER BY log_id" \
		$'0|0||t1|2.0\n40|0||t1|2.0\n20|0||t1|2.0\n70|0||t1|2.0\n100|1|1|t1|2.0'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	rows "SELECT version, previous_version FROM version_log WHERE device_id = 'd1' ORDER BY log_id" $'1.0|\n2.0|1.0'
}

@test "progress finds its row by firmwareId, or else by version" {
	pushed id version neither wrong
	progress id '{"timestamp":1,"firmwareId":"lamp-2.0","progress":11}'
	progress version '{"timestamp":1,"version":"2.0","progress":12}'
	progress neither '{"timestamp":1,"progress":13}'
	progress wrong '{"timestamp":1,"firmwareId":"lamp-1.1","progress":14}'
	progress wrong '{"timestamp":2,"version":"9.9","progress":15}'
	settle
	rows "SELECT device_id, progress FROM task_device WHERE device_id <> 'neither' ORDER BY 1" $'id|11\nversion|12\nwrong|0'
	rows "SELECT task_id, firmware_id, version, progress FROM progress_log WHERE device_id = 'wrong' ORDER BY log_id" $'|lamp-1.1|1.1|14\n||9.9|15'
	rows "SELECT count(*) FROM progress_log" 5
}

@test "success, canceled and what the device itself called failed stay as they are, whatever comes" {
	pushed won broke refused
	offline stopped
	db "INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'stopped'); UPDATE task_device SET state = 'canceled' WHERE device_id = 'stopped'"
	fleet connect stopped
	progress won '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	progress broke '{"timestamp":1,"firmwareId":"lamp-2.0","progress":80,"complete":true,"success":false,"errorReason":"flash"}'
	fleet say refused upgrade/reply '{"timestamp":1,"success":false,"message":"no"}'
	rows "SELECT device_id, progress, responded_at IS NOT NULL FROM task_device WHERE device_id IN ('won', 'broke') ORDER BY 1" $'broke|80|1\nwon|100|1'
	ends=$'broke|failed|flash\nrefused|failed|no\nstopped|canceled|\nwon|success|'
	rows "SELECT device_id, state, error_reason FROM task_device ORDER BY 1" "$ends"
	# the report proves what was said to be complete
	columns=$(db "SELECT group_concat(name) FROM pragma_table_info('task_device') WHERE name NOT IN ('verified_at', 'proved_epoch')")
	before=$(db "SELECT $columns FROM task_device ORDER BY device_id")
	for device in won broke refused stopped; do
		fleet say "$device" upgrade/reply '{"timestamp":2,"success":false,"message":"again"}'
		fleet say "$device" upgrade/reply '{"timestamp":3}'
		progress "$device" '{"timestamp":4,"firmwareId":"lamp-2.0","progress":99}'
		progress "$device" '{"timestamp":5,"firmwareId":"lamp-2.0","complete":true,"success":false,"errorReason":"other"}'
		progress "$device" '{"timestamp":6,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
		fleet say "$device" report '{"timestamp":7,"version":"1.0"}'
		fleet say "$device" report '{"timestamp":8,"version":"2.0"}'
		fleet say "$device" pull '{"messageId":1,"currentVersion":"1.0"}'
	done
	settle
	assert_equal "$(db "SELECT $columns FROM task_device ORDER BY device_id")" "$before"
	rows "SELECT device_id, count(*) FROM progress_log GROUP BY 1 ORDER BY 1" $'broke|4\nrefused|3\nstopped|3\nwon|4'
	upgrades won 1
	upgrades stopped 0
	summary_exact
}

@test "a report of the target version completes an open row, waiting or processing, push or pull" {
	pushed pushed
	offline waiting
	online pulling
	task t2 2.0 push waiting
	task t3 2.0 pull pulling
	say waiting report '{"timestamp":9,"version":"2.0"}'
	fleet say pushed report '{"timestamp":9,"version":"2.0"}'
	fleet say pulling report '{"timestamp":9,"version":"2.0"}'
	rows "SELECT task_id, device_id, state, progress FROM task_device ORDER BY 1" $'t1|pushed|success|100\nt2|waiting|success|100\nt3|pulling|success|100'
}

@test "completion in one task completes the device's other tasks to the same version" {
	pushed d1
	task t2 2.0 push d1
	task t3 2.0 pull d1
	task t4 1.1 pull d1
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	# and a task to a lower version has nothing to do any more
	rows "SELECT task_id, state, error_reason FROM task_device ORDER BY 1" \
		$'t1|success|\nt2|success|\nt3|success|\nt4|canceled|runs 2.0, which is newer'
	settle
	upgrades d1 1
}

@test "a device that reports the old version after progress 100 still runs it; one that was away may go on, and get there" {
	pushed hundred away early
	progress hundred '{"timestamp":1,"firmwareId":"lamp-2.0","progress":100}'
	fleet say hundred report '{"timestamp":2,"version":"1.0"}'
	row t1 hundred failed 'still runs 1.0 after the upgrade'
	fleet say away upgrade/reply '{"timestamp":1}'
	fleet drop away
	rows "SELECT presence FROM device WHERE device_id = 'away'" offline
	fleet connect away
	fleet say away report '{"timestamp":2,"version":"1.0"}'
	settle
	columns t1 away 'state, attempts' 'processing|1'
	# a version told before the upgrade can have ended is no sign
	fleet say early report '{"timestamp":2,"version":"1.0"}'
	progress early '{"timestamp":3,"firmwareId":"lamp-2.0","progress":50}'
	fleet say early report '{"timestamp":4,"version":"1.0"}'
	settle
	row t1 early processing
	# and it may get there after all
	fleet say away report '{"timestamp":5,"version":"2.0"}'
	row t1 away success
}

@test "a redelivered message changes nothing twice" {
	pushed d1
	progress d1 "$(stamped 1 '"firmwareId":"lamp-2.0","progress":30')"
	fleet repeat d1
	progress d1 "$(stamped 2 '"firmwareId":"lamp-2.0","progress":60,"complete":true,"success":false,"errorReason":"flash"')"
	fleet repeat d1
	row t1 d1 failed flash
	fleet drop d1
	db "UPDATE task_device SET state = 'waiting' WHERE state = 'failed'"
	upgrades d1 1
	fleet connect d1
	# its acknowledgements were lost: it says all of it again, and so has shown itself
	progress d1 "$(stamped 1 '"firmwareId":"lamp-2.0","progress":30')"
	progress d1 "$(stamped 2 '"firmwareId":"lamp-2.0","progress":60,"complete":true,"success":false,"errorReason":"flash"')"
	upgrades d1 2
	settle
	columns t1 d1 'state, progress, attempts, error_reason' 'processing|0|2|'
	rows "SELECT progress FROM progress_log ORDER BY log_id" $'30\n60'
}

@test "a redelivered refusal does not end the next attempt" {
	pushed d1
	fleet say d1 upgrade/reply "$(stamped 1 '"messageId":"r","success":false,"message":"not now"')"
	row t1 d1 failed 'not now'
	fleet drop d1
	rows "SELECT presence FROM device WHERE device_id = 'd1'" offline
	db "UPDATE task_device SET state = 'waiting' WHERE state = 'failed'"
	fleet connect d1
	fleet say d1 upgrade/reply "$(stamped 1 '"messageId":"r","success":false,"message":"not now"')"
	upgrades d1 2
	settle
	columns t1 d1 'state, attempts, error_reason' 'processing|2|'
}

@test "a redelivered refusal without a timestamp does not end what was pushed behind it; the same words may refuse another attempt" {
	online d1
	task t1 2.0 push d1
	task t2 1.1 push d1
	upgrades d1 1
	fleet say d1 upgrade/reply '{"success":false,"message":"not now"}'
	row t1 d1 failed 'not now'
	upgrades d1 2
	fleet drop d1
	rows "SELECT presence FROM device WHERE device_id = 'd1'" offline
	fleet connect d1
	fleet say d1 upgrade/reply '{"success":false,"message":"not now"}'
	settle
	row t2 d1 processing
	fleet say d1 upgrade/reply '{"success":false,"message":"no room"}'
	row t2 d1 failed 'no room'
	db "UPDATE task_device SET state = 'waiting' WHERE task_id = 't1'"
	upgrades d1 3
	fleet say d1 upgrade/reply '{"success":false,"message":"not now"}'
	row t1 d1 failed 'not now'
}

@test "redelivered reports do not turn the version back" {
	online d1
	fleet say d1 report "$(stamped 1 '"version":"1.1"')"
	# the last three are on their way when the connection breaks, and all of them come again, in their order
	for _ in 1 2; do
		fleet say d1 report "$(stamped 2 '"version":"1.1"')"
		fleet say d1 report "$(stamped 3 '"version":"1.1"')"
		fleet say d1 report "$(stamped 4 '"version":"2.0"')"
		fleet drop d1
		fleet connect d1
	done
	settle
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	rows "SELECT version FROM version_log WHERE device_id = 'd1' ORDER BY log_id" $'1.0\n1.1\n2.0'
}

@test "progress before the reply, and completion before all of it, come to the same end" {
	pushed d1 d2
	progress d1 '{"timestamp":5,"firmwareId":"lamp-2.0","progress":50}'
	fleet say d1 upgrade/reply '{"timestamp":1}'
	columns t1 d1 'state, progress' 'processing|50'
	progress d2 '{"timestamp":9,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	progress d2 '{"timestamp":5,"firmwareId":"lamp-2.0","progress":50}'
	fleet say d2 upgrade/reply '{"timestamp":1}'
	settle
	columns t1 d2 'state, progress' 'success|100'
}
