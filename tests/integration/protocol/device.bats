#!/usr/bin/env bats
# The simulated device, tests/device, goes through an upgrade that an operator sends by hand.

load ../helper

setup() {
	start_broker 'plugin_opt_operators admin'
	catalog
}

# OPTION...: starts the device d1 and waits until it listens.
start_device() {
	setsid "$FW_SOURCE/tests/device" --pace 0 --version 1.0 "$@" lamp d1 -- "${CONNECT[@]}" >"$BROKER_DIR/device" 2>&1 3>&- &
	DEVICE=$!
	BACKGROUND+=("$DEVICE")
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
}

send_upgrade() { pub -q 1 -u admin -t /lamp/d1/firmware/upgrade -m '{"url":"http://files.test/2.0","version":"2.0","firmwareId":"lamp-2.0"}'; }

@test "it installs and reports the new version" {
	start_device --once
	send_upgrade
	wait "$DEVICE"
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	rows "SELECT progress, coalesce(complete, 0), success, firmware_id FROM progress_log ORDER BY log_id" \
		$'0|0||lamp-2.0\n25|0||lamp-2.0\n50|0||lamp-2.0\n75|0||lamp-2.0\n100|1|1|lamp-2.0'
}

@test "--fail says why, and stays what it was" {
	start_device --once --fail
	send_upgrade
	wait "$DEVICE"
	rows "SELECT complete, success, error_reason FROM progress_log WHERE complete" '1|0|simulated: the image does not verify'
	settle
	assert_equal "$(db "SELECT version FROM device WHERE device_id = 'd1'")" 1.0
}

@test "--fail-once fails, and then does not" {
	start_device --once --fail-once
	send_upgrade
	rows "SELECT count(*) FROM progress_log WHERE complete AND NOT success" 1
	listening() { send_upgrade && ! kill -0 "$DEVICE" 2>/dev/null; } # it takes a moment until it listens again
	retry 10 listening
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
}

@test "--refuse answers no" {
	listen replies -q 1 -t /lamp/d1/firmware/upgrade/reply
	start_device --once --refuse
	send_upgrade
	wait "$DEVICE"
	heard_text replies '"success":false'
	settle
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
}

@test "--silent does not react" {
	start_device --silent
	send_upgrade
	settle
	kill -0 "$DEVICE"
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
}

@test "--pull asks, installs, and is then up to date" {
	"$FW_SOURCE/tests/device" --pace 0 --version 1.0 --pull --once lamp d1 -- "${CONNECT[@]}"
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	run "$FW_SOURCE/tests/device" --version 2.0 --pull --once lamp d1 -- "${CONNECT[@]}"
	assert_equal "$status" 0
	[[ $output == *"gets none"* ]]
}
