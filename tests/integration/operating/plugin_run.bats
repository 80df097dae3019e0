#!/usr/bin/env bats
# plugin/run as a newcomer uses it.

load ../helper

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	export FW_PLUGIN TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$BATS_TEST_TMPDIR/../.." "$TMPDIR"
}

scratch_folders() { find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'mosquitto-firmware.*' | wc -l; }

# What it printed shows a pull, a file that is verified, pushed and downloaded, a task, and a rollout that stops.
shows_all() {
	local image=/usr/share/sigrok-firmware/fx2lafw-sigrok-fx2-8ch.fw
	[[ $output == */logic-analyzer/analyzer-1/firmware/pull/reply* ]]
	[[ $output == *"\"sign\": \"$(sha256sum </usr/share/sigrok-firmware/fx2lafw-saleae-logic.fw | cut -d' ' -f1)\""* ]]
	output=$(tr -s ' ' <<<"$output" | sed 's/ = /: /') # versions of sqlite3 differ in that
	[[ $output == *"│ pending │"*"state: ready"*"size: $(stat -c %s "$image")"*"sign: $(sha256sum <"$image" | cut -d' ' -f1)"*"url: http://127.0.0.1:"*"/${image##*/}"* ]]
	[[ $output == *"analyzer-2: is told: {"*"analyzer-2: has installed"*"│ 100 │ 1 │ 1 │"* ]]
	[[ $output == *"analyzer-4 │ failed "*"analyzer-4 │ success "*"First rollout │ 3 │ 0 │ 0 │ 3 "* ]]
	[[ $output == *"│ paused │ 1 │ 6 │ 3 │ 3 │ "*"failed"*"simulated: the image does not start │ 3 "*"18 were never sent it."* ]]
}

@test "--once ends well, and leaves nothing behind" {
	only_long # all of what the next but one does, again
	SECONDS=0
	run "$FW_SOURCE/plugin/run" --once
	assert_equal "$status" 0
	((SECONDS < 120))
	shows_all
	assert_equal "$(scratch_folders)" 0
}

# The script is run from a copy of the project.
copy_project() {
	cp -r "$FW_SOURCE"/{plugin,schema} "$BROKER_DIR/"
	mkdir "$BROKER_DIR/tests"
	cp "$FW_SOURCE/tests/device" "$BROKER_DIR/tests/"
}

# A device that says it has upgraded, and has not, must not pass.
@test "--once fails if a device did not get the image as it is" {
	only_long # it runs half of the demonstration
	copy_project
	# shellcheck disable=SC2016 # the device's own text
	sed -i 's/^\tmv "\$part".*/\techo rubbish >"$folder\/$(told version)"/' "$BROKER_DIR/tests/device"
	refute cmp -s "$FW_SOURCE/tests/device" "$BROKER_DIR/tests/device"
	run "$BROKER_DIR/plugin/run" --once
	assert_equal "$status" 1
	[[ $output == *"analyzer-2 has not got the image as it is."* ]]
	assert_equal "$(scratch_folders)" 0
}

@test "--once fails if a script is refused" {
	copy_project
	sed -i 's/INSERT INTO firmware/INSERT INTO nothing/' "$BROKER_DIR/schema/scripts/add_firmware_file.sql"
	run "$BROKER_DIR/plugin/run" --once
	assert_equal "$status" 1
	[[ $output == *"The firmware could not be added."* ]]
	assert_equal "$(scratch_folders)" 0
}

@test "it shows all, the commands it prints work as printed, and Ctrl-C ends it well" {
	# A background job of a script ignores SIGINT unless told otherwise.
	env --default-signal=INT "$FW_SOURCE/plugin/run" >"$BROKER_DIR/output" 2>&1 3>&- &
	run=$!
	BACKGROUND+=("$run")
	retry 60 grep -q 'Ctrl-C' "$BROKER_DIR/output"
	output=$(<"$BROKER_DIR/output")
	shows_all
	mapfile -t commands < <(grep -E '^  (mosquitto_|sqlite3 )' "$BROKER_DIR/output")
	assert_equal "${#commands[@]}" 3
	run timeout 20 bash -c "${commands[0]}"
	assert_equal "$status" 0
	assert_json "$output" '.url | startswith("http://127.0.0.1:")'
	curl -sf -o "$BROKER_DIR/got" "$(jq -r .url <<<"$output")"
	assert_equal "$(sha256sum <"$BROKER_DIR/got" | cut -d' ' -f1)" "$(jq -r .sign <<<"$output")"
	run timeout 20 bash -c "${commands[1]}"
	assert_equal "$status" 0
	shown() { bash -c "${commands[2]}" | grep -q 'analyzer-6 *│ *[0-9].*-8ch'; }
	retry 10 shown
	# the page, and its login
	read -r address password < <(sed -n 's|^The page is on \(http://[0-9.:]*\)/ (demo, \(.*\)): make.*|\1 \2|p' "$BROKER_DIR/output")
	assert_equal "$(curl -s -o /dev/null -w "%{http_code} %{content_type}" "$address/")" "200 text/html; charset=utf-8"
	assert_equal "$(curl -sf -u "demo:$password" "$address/api/v1/tasks" | jq '.items | length')" 3
	assert_equal "$(curl -s -o /dev/null -w '%{http_code}' -u "demo:x$password" "$address/api/v1/tasks")" 401
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
