#!/usr/bin/env bats
# plugin/run as a newcomer uses it.

load helper

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	export FW_PLUGIN TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$BATS_TEST_TMPDIR/../.." "$TMPDIR"
}

scratch_folders() { find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'mosquitto-firmware.*' | wc -l; }

@test "--once shows the exchange and leaves nothing behind" {
	run "$FW_SOURCE/plugin/run" --once
	assert_equal "$status" 0
	[[ $output == */logic-analyzer/analyzer-1/firmware/pull/reply* ]]
	[[ $output == *"\"sign\": \"$(sha256sum </usr/share/sigrok-firmware/fx2lafw-saleae-logic.fw | cut -d' ' -f1)\""* ]]
	[[ $output == *"First rollout"* ]]
	assert_equal "$(scratch_folders)" 0
}

@test "the commands it prints work as printed, and Ctrl-C ends it well" {
	# A background job of a script ignores SIGINT unless told otherwise.
	env --default-signal=INT "$FW_SOURCE/plugin/run" >"$BROKER_DIR/output" 2>&1 3>&- &
	run=$!
	BACKGROUND+=("$run")
	retry 60 grep -q 'Ctrl-C' "$BROKER_DIR/output"
	mapfile -t commands < <(grep -E '^  (mosquitto_|sqlite3 )' "$BROKER_DIR/output")
	assert_equal "${#commands[@]}" 3
	run timeout 20 bash -c "${commands[0]}"
	assert_equal "$status" 0
	assert_json "$output" '.url | startswith("http://")'
	run timeout 20 bash -c "${commands[1]}"
	assert_equal "$status" 0
	shown() { bash -c "${commands[2]}" | grep -q 'analyzer-2 *│ *[0-9]'; }
	retry 10 shown
	assert_equal "$(scratch_folders)" 1
	kill -INT "$run"
	wait "$run"
	assert_equal "$(scratch_folders)" 0
}

@test "a port that is taken is refused" {
	PORT=$(shuf -n 1 -i 20000-29999)
	MOSQUITTO_CONF=$BROKER_DIR/other.conf
	printf 'user %s\nlistener %s 127.0.0.1\nallow_anonymous true\n' "$(id -un)" "$PORT" >"$MOSQUITTO_CONF"
	"$MOSQUITTO" -c "$MOSQUITTO_CONF" >"$BROKER_DIR/other.log" 2>&1 3>&- &
	BACKGROUND+=($!)
	retry 10 grep -q running "$BROKER_DIR/other.log"
	run "$FW_SOURCE/plugin/run" --once --port "$PORT"
	assert_equal "$status" 1
	[[ $output == *"Port $PORT is taken"* ]]
}

@test "a broker that does not start shows its log" {
	cp "$FW_SOURCE/README.md" "$BROKER_DIR/mosquitto_firmware.so"
	FW_PLUGIN=$BROKER_DIR/mosquitto_firmware.so run "$FW_SOURCE/plugin/run" --once
	assert_equal "$status" 1
	[[ $output == *"The broker's log:"*mosquitto_firmware.so* ]]
	assert_equal "$(scratch_folders)" 0
}

@test "--help and unknown options" {
	run "$FW_SOURCE/plugin/run" --help
	assert_equal "$status" 0
	[[ $output == *--once* && $output == *--port* ]]
	run "$FW_SOURCE/plugin/run" --twice
	assert_equal "$status" 2
	run "$FW_SOURCE/plugin/run" --port 99999
	assert_equal "$status" 1
}
