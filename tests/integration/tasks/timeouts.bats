#!/usr/bin/env bats
# What happens to a row when its device is silent: failed, or waiting again; over restarts, and whatever the wall clock does.

load ../task_helper

@test "no response: failed if the device was online, waiting if it went offline or was never seen, and then pushed again" {
	local unseen_attempts=1 device attempts
	# 2.1 tells of connections: who never came is not sent anything
	on_2_0 || unseen_attempts=0
	online on went
	unseen never
	task t1 2.0 push 'on went never' 1
	upgrades went 1
	fleet drop went
	row t1 on failed 'response timeout'
	row t1 went waiting
	row t1 never waiting
	rows "SELECT device_id, attempts, responded_at, completed_at IS NOT NULL FROM task_device ORDER BY 1" "never|$unseen_attempts"$'||0\non|1||1\nwent|1||0'
	upgrades went 1
	for device in went never; do
		fleet connect "$device"
		fleet say "$device" report '{"version":"1.0"}'
		upgrades "$device" "$([[ $device == never ]] && echo 1 || echo 2)"
		[[ $device == never ]] && attempts=$((unseen_attempts + 1)) || attempts=2
		columns t1 "$device" 'state, attempts' "processing|$attempts"
	done
	upgrades on 1
	summary_exact
}

@test "a device that was away in between, and is back, is pushed again when the time for its response is over" {
	online d1
	task t1 2.0 push d1 2
	upgrades d1 1
	fleet drop d1
	rows "SELECT presence FROM device WHERE device_id = 'd1'" offline
	fleet connect d1
	fleet send d1 telemetry 1
	row t1 d1 processing
	upgrades d1 2
	columns t1 d1 'state, attempts' 'processing|2'
	row t1 d1 failed 'response timeout'
}

@test "a push that was sent before the device was ever seen does not fail it: it was not there to hear it" {
	on_2_0 || skip 'this broker tells of connections: nothing is sent to who is not there'
	unseen d1
	task t1 2.0 push d1 2
	columns t1 d1 'state, attempts' 'processing|1'
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	upgrades d1 1
	columns t1 d1 'state, attempts' 'processing|2'
}

@test "an answer in time goes from the response timeout to the upgrade timeout" {
	online reply progress silent
	task t1 2.0 push 'reply progress silent' 1 3
	upgrades reply 1
	upgrades progress 1
	fleet say reply upgrade/reply '{"timestamp":1,"success":true}'
	progress progress '{"timestamp":1,"firmwareId":"lamp-2.0","progress":10}'
	row t1 silent failed 'response timeout'
	rows "SELECT device_id, state, progress, responded_at BETWEEN pushed_at AND pushed_at + 1000 FROM task_device WHERE device_id <> 'silent' ORDER BY 1" \
		$'progress|processing|10|1\nreply|processing|0|1'
	progress progress '{"timestamp":2,"firmwareId":"lamp-2.0","progress":20}'
	row t1 reply failed 'upgrade timeout'
	row t1 progress failed 'upgrade timeout'
	rows "SELECT device_id, completed_at - pushed_at BETWEEN 2990 AND 4000 FROM task_device WHERE device_id <> 'silent' ORDER BY 1" $'progress|1\nreply|1'
}

@test "what comes late for a timed-out row: more progress changes nothing, completion or the target version do" {
	online completed reported broke again
	task t1 2.0 push 'completed reported broke again' 1
	for device in completed reported broke again; do row t1 "$device" failed 'response timeout'; done
	for device in completed reported broke again; do
		fleet say "$device" upgrade/reply '{"timestamp":1}'
		progress "$device" '{"timestamp":2,"firmwareId":"lamp-2.0","progress":50}'
	done
	settle
	rows "SELECT DISTINCT state, error_reason, responded_at FROM task_device" 'failed|response timeout|'
	progress completed '{"timestamp":3,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	row t1 completed success
	fleet say reported report '{"timestamp":3,"version":"2.0"}'
	row t1 reported success
	progress broke '{"timestamp":3,"firmwareId":"lamp-2.0","complete":true,"success":false,"errorReason":"flash"}'
	row t1 broke failed flash
	progress broke '{"timestamp":4,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	settle
	row t1 broke failed flash
	fleet say again report '{"timestamp":3,"version":"1.0"}'
	settle
	row t1 again failed 'response timeout'
	rows "SELECT task_id, count(*) FROM progress_log GROUP BY 1" 't1|7'
	summary_exact
}

@test "a row that waits again takes up what the device says late" {
	on_2_0 || skip 'this broker tells of connections: nothing is sent to who is not there'
	unseen accepts completes refuses
	task t1 2.0 push 'accepts completes refuses' 1
	for device in accepts completes refuses; do columns t1 "$device" 'state, attempts' 'waiting|1'; done
	# what operators publish for a device does not show it
	pub -q 1 -u admin -t /lamp/accepts/firmware/upgrade/reply -m '{"timestamp":1}'
	pub -q 1 -u admin -t /lamp/completes/firmware/upgrade/progress -m '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	pub -q 1 -u admin -t /lamp/refuses/firmware/upgrade/reply -m '{"timestamp":1,"success":false,"message":"no"}'
	columns t1 accepts 'state, attempts, responded_at IS NOT NULL' 'processing|1|1'
	row t1 completes success
	row t1 refuses failed no
}

@test "a pulled row has no response timeout, only the upgrade timeout, and so has one that outlives its task's stop" {
	online d1 d2
	task t1 2.0 pull d1 1 2
	task t2 2.0 push d2 60 2
	upgrades d2 1
	fleet say d1 pull '{"messageId":1}'
	row t1 d1 processing
	row t2 d2 processing
	db "UPDATE task SET state = 'stopped'"
	row t1 d1 failed 'upgrade timeout'
	row t2 d2 failed 'upgrade timeout'
	rows "SELECT device_id FROM task_device WHERE completed_at - pushed_at NOT BETWEEN 1990 AND 3000" ''
}

@test "a timeout ends one task, and the next one gets its turn" {
	online d1
	task t1 1.1 push d1 1
	task t2 2.0 push d1 60
	row t1 d1 failed 'response timeout'
	upgrades d1 2
	row t2 d1 processing
}

# END: the broker ends so, in the middle of both timeouts.
timers_go_on() {
	local silent='processing|1'
	on_2_0 || silent='waiting|0' # nobody is connected
	online answered
	task response 2.0 push answered 60 8
	upgrades answered 1
	fleet say answered upgrade/reply '{"timestamp":1}'
	columns response answered 'responded_at IS NOT NULL' 1
	unseen silent
	task upgrade 1.1 push silent 2
	columns upgrade silent 'state, attempts' "$silent"
	retry 5 older_than 2000
	"$1"
	start_broker
	row response answered processing
	row response answered failed 'upgrade timeout'
	rows "SELECT completed_at - pushed_at BETWEEN 7990 AND 9900 FROM task_device WHERE task_id = 'response'" 1
	# never seen: it was sent once, and is sent again when the device shows itself
	columns upgrade silent 'state, attempts' "waiting|${silent#*|}"
}
older_than() { db_is "SELECT max(pushed_at) < strftime('%s', 'now') * 1000 - $1 FROM task_device" 1; }

@test "timers survive a restart of the broker" {
	only_long
	timers_go_on stop_broker
}

@test "timers survive kill -9" { timers_go_on kill_broker; }

@test "a timeout that passed while the broker was down is found at its start" {
	online d1
	task t1 2.0 push d1 60 1
	upgrades d1 1
	stop_broker
	retry 5 older_than 1500
	start_broker
	row t1 d1 failed 'upgrade timeout'
}

# --- the wall clock ---

FAKETIME=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
[[ -e $FAKETIME ]] || FAKETIME=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)

# From now on the broker's wall clock, and no other one but with `all`, is what step says.
broker_with_clock() {
	local others=1
	[[ ${1:-} != all ]] || others=0
	[[ -n $FAKETIME ]] || skip 'Debian package faketime is not installed'
	[[ -z ${FW_NO_FAKETIME:-} ]] || skip 'not under a sanitizer'
	stop_broker
	step 0
	cat >"$BROKER_DIR/mosquitto" <<-END
		#!/bin/sh
		LD_PRELOAD=$FAKETIME FAKETIME_TIMESTAMP_FILE=$BROKER_DIR/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=$others exec $MOSQUITTO "\$@"
	END
	chmod +x "$BROKER_DIR/mosquitto"
	MOSQUITTO=$BROKER_DIR/mosquitto
	start_broker
}

step() { # SECONDS from the true time
	printf '%+d\n' "$1" >"$BROKER_DIR/clock.new"
	mv "$BROKER_DIR/clock.new" "$BROKER_DIR/clock"
}

# SECONDS: the plugin has seen the stepped clock, and has worked under it.
clock_seen() {
	settle
	rows "SELECT abs(last_seen_at / 1000 - strftime('%s', 'now') - ($1)) < 60 FROM device WHERE device_id = 'probe$1'" 1
}

@test "a step of the wall clock, forward or back, fails no row and stops no timer" {
	broker_with_clock
	online d1 d2 d3
	task long 2.0 push d1 60 3600
	task pulled 2.0 pull d2 60 3600
	upgrades d1 1
	fleet say d2 pull '{"messageId":1}'
	row pulled d2 processing
	for seconds in 90000 -90000; do
		step "$seconds"
		say "probe$seconds" report '{"version":"1.0"}'
		clock_seen "$seconds"
		sleep 0.3 # three rounds of the scheduler
		row long d1 processing
		row pulled d2 processing
	done
	task short 2.0 push d3 1
	upgrades d3 1
	step 90000
	row short d3 failed 'response timeout'
	row long d1 processing
	row pulled d2 processing
	upgrades d1 1
	progress d1 '{"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	row long d1 success
}

@test "a step of the wall clock while the broker is down fails no row" {
	broker_with_clock
	online d1
	task t1 2.0 push d1 60 3600
	upgrades d1 1
	fleet say d1 upgrade/reply '{"timestamp":1}'
	columns t1 d1 'responded_at IS NOT NULL' 1
	for seconds in 90000 -90000; do
		if ((seconds > 0)); then stop_broker; else kill_broker; fi
		step "$seconds"
		start_broker
		say "probe$seconds" report '{"version":"1.0"}'
		clock_seen "$seconds"
		sleep 0.3
		row t1 d1 processing
	done
	upgrades d1 1
}

@test "start_at goes by the wall clock, also when that is set while it is waited for" {
	broker_with_clock
	online d1
	db "INSERT INTO task (task_id, firmware_id, name, mode, start_at)
		VALUES ('t1', 'lamp-2.0', 'n', 'push', (SELECT ms + 3600000 FROM now))"
	rows "SELECT waits_for FROM task_detail WHERE task_id = 't1' AND device_id = 'd1'" 'start time'
	sleep 0.3
	row t1 d1 waiting
	step 3700
	row t1 d1 processing
}

# ID WINDOW_START WINDOW_MINUTES WINDOW_CLOCK
windowed() {
	db "INSERT INTO task (task_id, firmware_id, name, mode, window_start, window_minutes, window_clock)
		VALUES ('$1', 'lamp-2.0', 'n', 'push', $2, $3, '$4')"
}

@test "windows hold still while the wall clock is behind, and go on when it is set" {
	broker_with_clock
	online d1
	step -3600
	windowed t1 0 1440 utc
	retry 5 grep -q 'the clock is behind what the catalog last saw' "$LOG"
	sleep 0.3
	row t1 d1 waiting
	step 0
	row t1 d1 processing
}

@test "a device's own window opens also when the wall clock is set" {
	broker_with_clock
	online d1
	windowed t1 "(SELECT (ms / 60000 + 120) % 1440 FROM now)" 60 device
	rows "SELECT waits_for FROM task_detail WHERE task_id = 't1' AND device_id = 'd1'" 'window'
	sleep 0.3
	row t1 d1 waiting
	step 8000
	row t1 d1 processing
}

# DEVICE: upgraded to 1.1, and not heard since it said so.
completed() {
	online "$1"
	task t1 1.1 push "$1"
	upgrades "$1" 1
	progress "$1" '{"timestamp":1,"firmwareId":"lamp-1.1","complete":true,"success":true}'
	row t1 "$1" success
	rows "SELECT settles_at IS NOT NULL FROM device WHERE device_id = '$1'" 1
}

@test "a device that stayed for 30 seconds after an upgrade has settled, also when nothing waits for it" {
	broker_with_clock all
	completed d1
	step 31
	rows "SELECT settles_at, due_at FROM device WHERE device_id = 'd1'" '|'
}

@test "an upgrade's end is not over because time goes by while nobody knows whether the device is there" {
	broker_with_clock all
	completed d1
	task t2 2.0 push d1
	rows "SELECT due_at = settles_at FROM device WHERE device_id = 'd1'" 1
	kill_broker
	step 31
	start_broker
	rows "SELECT due_at, settles_at IS NOT NULL FROM device WHERE device_id = 'd1'" '|1'
	columns t2 d1 'state, attempts' 'waiting|0'
}

@test "an operator's trigger that refuses a row's push, its timeout or a device's presence holds up no other" {
	online d1 d2 d3
	db "CREATE TRIGGER no_push BEFORE UPDATE ON task_device WHEN NEW.state = 'processing' AND OLD.task_id = 't2'
			BEGIN SELECT RAISE(ABORT, 'not yet, please'); END;
		CREATE TRIGGER no_end BEFORE UPDATE ON task_device WHEN NEW.state = 'failed' AND OLD.device_id = 'd2'
			BEGIN SELECT RAISE(ABORT, 'd2 may not fail'); END;
		CREATE TRIGGER no_going BEFORE UPDATE ON device WHEN NEW.presence = 'offline' AND OLD.device_id = 'd3'
			BEGIN SELECT RAISE(ABORT, 'd3 may not go'); END"
	task t1 2.0 push 'd1 d2 d3' 1
	task t2 1.1 push 'd1 d2 d3'
	upgrades d1 1
	# what d1 said stays, though what is to follow from it may not be
	db "UPDATE task SET allow_downgrade = 1 WHERE task_id = 't2'"
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	fleet say d1 report '{"version":"2.0"}'
	row t1 d1 success
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	row t1 d3 failed 'response timeout'
	row t1 d2 processing
	fleet drop d3
	fleet drop d2
	rows "SELECT presence FROM device WHERE device_id = 'd2'" offline
	online d4
	task t3 2.0 push d4 1
	row t3 d4 failed 'response timeout'
	grep -q "the catalog's rules refuse a push, which is passed over: not yet, please" "$LOG"
	refute grep -q 'the catalog cannot be written' "$LOG"
}

@test "a row that an operator's trigger keeps as it is, is not pushed, and nothing is told of it" {
	online d1 d2
	db "CREATE TRIGGER frozen BEFORE UPDATE ON task_device WHEN OLD.device_id = 'd1' BEGIN SELECT RAISE(IGNORE); END;
		CREATE TRIGGER lasting BEFORE UPDATE ON task_device WHEN OLD.device_id = 'd2' AND NEW.state = 'failed' BEGIN SELECT RAISE(IGNORE); END"
	listen told -q 1 -t /lamp/+/firmware/task
	task t1 2.0 push 'd1 d2' 1
	upgrades d2 1
	sleep 1.5 # d2's timeout comes, and comes to nothing
	settle
	upgrades d1 0
	columns t1 d1 'state, attempts' 'waiting|0'
	row t1 d2 processing
	heard_count told 1
}
