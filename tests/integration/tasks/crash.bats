#!/usr/bin/env bats
# kill -9 in the middle of a rollout: no device is pushed again for what it has answered, none is forgotten, all rows end.

load ../task_helper

setup() {
	start_broker 'max_queued_messages 0'
	catalog
}

DEVICES=400

# END...: how the broker ends, each time the rollout is under way.
rollout() {
	timeout 90 env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" \
		/usr/bin/python3 "$FW_SOURCE/tests/integration/rollout.py" "$DB" "$DEVICES" >"$BROKER_DIR/rollout" 2>&1 3>&- &
	devices=$!
	BACKGROUND+=("$devices")
	retry 25 grep -q ready "$BROKER_DIR/rollout"
	# what is acknowledged is in the catalog a moment later, and a task has the devices that are there
	retry 5 db_is "SELECT count(*) FROM device" "$DEVICES"
	db "INSERT INTO task (task_id, firmware_id, name, mode, response_timeout_seconds, timeout_seconds) VALUES ('t1', 'lamp-2.0', 'n', 'push', 10, 60)"
	retry 25 grep -q 'under way' "$BROKER_DIR/rollout"
	for end; do
		"$end"
		start_broker
		sleep 0.3 # some way on
	done
	wait "$devices" || { cat "$BROKER_DIR/rollout"; return 1; }
	assert_equal "$(<"$BROKER_DIR/rollout")" $'ready\nunder way\n0 wrong\ndone'
	rows "SELECT sum(state = 'success'), sum(state = 'failed') FROM task_device" "$(db "SELECT success, failed FROM task_summary")"
	summary_exact
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "kill -9 in the middle of a rollout, twice" { rollout kill_broker kill_broker; }

@test "a restart in the middle of a rollout" {
	only_long
	rollout stop_broker
}

@test "a broker that is stopped and started does not make a device's old version a failure" {
	start_fleet
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	progress d1 '{"timestamp":1,"firmwareId":"lamp-2.0","progress":20}'
	stop_broker
	start_broker
	fleet connect d1
	fleet say d1 report '{"timestamp":2,"version":"1.0"}'
	settle
	columns t1 d1 'state, progress, error_reason' 'processing|20|'
	progress d1 '{"timestamp":3,"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	row t1 d1 success
}
