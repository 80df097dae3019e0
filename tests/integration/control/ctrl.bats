#!/usr/bin/env bats
# `mosquitto_ctrl firmware`: Mosquitto's own tool with the module built here, and a real broker.

load ../task_helper
load ../files_helper
load ../control_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export XDG_CONFIG_HOME=$PWD # no file of options
	start_broker 'plugin_opt_admins ada' 'plugin_opt_admin_viewers eve' 'plugin_opt_operators admin'
}

# WORD...: a sub-command as ada. dlopen looks for the module where the loader looks for libraries.
ctrl() { ctrl_as ada "$@"; }
ctrl_as() { ctrl_with --unix "$BROKER_DIR/socket" -u "$1" -P x firmware "${@:2}"; }
ctrl_with() { LD_LIBRARY_PATH=${FW_CTRL:-$FW_SOURCE/build} TZ=UTC timeout --foreground 30 mosquitto_ctrl "$@"; }

# STATUS SENTENCE COMMAND...: ends with this status, and says this.
says() {
	local status=0
	output=$("${@:3}" 2>&1) || status=$?
	[[ $status == "$1" && $output == *"$2"* ]] && return
	printf 'expected %s and: %s\nis %s: %s\n' "$1" "$2" "$status" "$output"
	return 1
}

# The product, both versions, and a fleet of three devices: a, b and c.
add_fleet() {
	catalog
	start_fleet
	online a b c
}

@test "add a product, firmware and devices, look at them, and delete them" {
	ctrl createProduct fan Fan --no-firmware-enabled --pull-policy stepwise
	rows "SELECT * FROM (SELECT product_id, name, firmware_enabled, pull_policy FROM product)" 'fan|Fan|0|stepwise'
	ctrl modifyProduct fan --firmware-enabled
	says 0 'firmware enabled: yes' ctrl getProduct fan
	says 0 'state:         ready' ctrl createFirmware fan 1.0 1 --firmware-id f1 --url http://files.test/1 --size 1000 \
		--sign-method md5 --sign 0123456789abcdef0123456789abcdef --parameters '{"slot": "b"}'
	rows "SELECT firmware_id, name, version_order, parameters FROM firmware" 'f1|1.0|1|{"slot":"b"}'
	ctrl createDevice fan fan-1 'Der Fön' --tags hall,kitchen
	ctrl createDevice fan fan-2 --last-seen-at 2026-01-02T03:04:05Z --presence offline
	assert_equal "$(ctrl listDevices fan)" "$(
		cat <<-'END'
			PRODUCT  DEVICE  VERSION  PRESENCE  LAST SEEN            NAME     TAGS
			fan      fan-1   -        -         -                    Der Fön  hall,kitchen
			fan      fan-2   -        offline   2026-01-02 03:04:05           
		END
	)"
	assert_equal "$(ctrl listDevices --tag hall --json | jq -r '.items[].deviceId')" fan-1
	for device in fan-1 fan-2; do ctrl deleteDevice fan "$device"; done
	ctrl deleteFirmware f1
	says 13 "Error: no such firmware: 'f1' (not_found)" ctrl getFirmware f1
	ctrl deleteProduct fan
	assert_equal "$(ctrl listProducts)" none
	rows "SELECT DISTINCT who FROM admin_log" ada
}

@test "a staged task is made, and watched until it is over" {
	add_fleet
	says 0 'devices:         3' ctrl previewTask lamp 2.0
	ctrl createTask lamp 2.0 Spring --task-id spring --stages '1dev/100+0s,100' --response-timeout-seconds 5m
	rows "SELECT stage, until_count, until_percent, success_percent, hold_seconds FROM task_stage" $'1|1||100|0\n2||100.0|90|3600'
	rows "SELECT mode, response_timeout_seconds FROM task" 'push|300'
	says 0 'waits for:                stage' ctrl getTask spring
	ctrl watch spring --interval 1s >watched &
	WATCH=$!
	retry 10 grep -q '2 waiting, 0 canceled, stage 1 of 2, waits for: stage$' watched
	for _ in 1 2 3; do
		retry 10 finish_one
	done
	wait "$WATCH"
	tail -n 2 watched >end
	assert_equal "$(<end)" "[##############################] 100 %  3 success, 0 failed, 0 under way, 0 waiting, 0 canceled, stage 2 of 2
over: 3 of 3 devices run it"
	assert_equal "$(ctrl getTaskProgress spring --json | jq '.items | last.success')" 3
	says 0 'STAGE' ctrl getTask spring
}
# The device whose turn it is tells that it runs the new version.
finish_one() {
	local device
	device=$(db "SELECT device_id FROM task_device WHERE state = 'processing' LIMIT 1")
	[[ -n $device ]] && fleet say "$device" report '{"version":"2.0"}'
}

@test "stop, continue, pause, resume, retry what failed, and delete" {
	add_fleet
	ctrl createTask lamp 2.0 Spring --task-id t --devices a,b
	rows "SELECT count(*) FROM task_device WHERE state = 'processing'" 2
	ctrl stopTask t
	says 13 "no such task that is running: nothing paused" ctrl pauseTask t
	ctrl continueTask t
	says 0 'paused reason: lunch' ctrl pauseTask t lunch
	ctrl resumeTask t
	for device in a b; do
		fleet say "$device" upgrade/progress '{"firmwareId":"lamp-2.0","progress":7,"complete":true,"success":false,"errorReason":"flash \u001b[2J worn"}'
	done
	rows "SELECT count(*) FROM task_device WHERE state = 'failed'" 2
	says 0 'COUNT' ctrl getTaskFailures t
	[[ $output == *2*'[2J worn'* && $output != *$'\e'* ]]
	says 13 'Error: 2 devices failed, 0 were canceled' ctrl watch t --exit-status
	says 0 'changed:    2' ctrl retryTask t
	ctrl listTaskDevices t
	says 13 '1 devices are refused, 0 are not' ctrl stopTaskDevices t nobody
	[[ $output == *nobody* ]]
	ctrl addTaskDevices t c
	rows "SELECT count(*) FROM task_device" 3
	ctrl stopTask t
	says 13 'conflict' ctrl deleteTask t
	for device in a b c; do fleet say "$device" report '{"version":"2.0"}'; done
	rows "SELECT count(*) FROM task_device WHERE state IN ('waiting', 'processing')" 0
	ctrl deleteTask t
	assert_equal "$(ctrl listTasks)" none
}

@test "why a device waits, and which are stuck" {
	add_fleet
	fleet leave c
	rows "SELECT presence FROM device WHERE device_id = 'c'" offline
	says 0 'This product has no task' ctrl why lamp c
	ctrl createTask lamp 2.0 Spring --task-id one --devices a,b,c --max-in-flight 1
	ctrl createTask lamp 1.1 Old --task-id two --devices a
	rows "SELECT count(*) FROM task_device WHERE state = 'processing'" 1
	says 0 'the device is offline, or not seen since the broker started: it is told when it comes' ctrl why lamp c
	[[ $output == *one*Spring*2.0*waiting* && $output != *two* ]]
	assert_json "$(ctrl why lamp b --json)" '.device.deviceId == "b" and (.rows | length) == 1'
	assert_json "$(ctrl why lamp a --json)" '[.rows[].taskId] == ["two", "one"]'
	ctrl createTask lamp 1.1 Next --task-id three --devices b --supersede
	says 0 'the task leaves it out' ctrl why lamp b
	[[ $output == *'superseded by three'* ]]
	says 13 "no such device: 'lamp/nobody'" ctrl why lamp nobody
	ctrl createDevice lamp unseen
	says 0 'presence: unknown: not seen since the broker started' ctrl why lamp unseen
	says 0 none ctrl listStuckDevices
	says 0 'Spring' ctrl listStuckDevices --minutes 0 --task-id one
	says 0 'first report' ctrl getDeviceHistory lamp a
}

@test "pages, all of them, and JSON of each" {
	catalog
	db "INSERT INTO device (product_id, device_id) SELECT 'lamp', printf('d%04d', value) FROM generate_series(1, 1201)"
	says 0 '(the first 50; --all shows all)' ctrl listDevices lamp
	assert_equal "$(ctrl listDevices lamp --all | grep -c 'd[0-9]')" 1201
	ctrl listDevices lamp --all --json 2>errors | head -n 1 >/dev/null
	assert_equal "$(<errors)" ''
	assert_equal "$(ctrl listDevices lamp --all --json | jq '.items | length' | paste -sd' ')" '500 500 201'
	next=$(ctrl listDevices lamp --count 3 --json | jq -r .next)
	assert_equal "$(ctrl listDevices lamp --count 1 --after "$next" --json | jq -r '.items[].deviceId')" d0004
	ctrl createTask lamp 2.0 Many --task-id many --devices-file <(printf 'd%04d\n' {1..1000}) >/dev/null
	rows "SELECT count(*) FROM task_device" 1000
}

# The manual has each of these sub-commands.
in_manual() {
	local name
	for name; do
		grep -qE "^\\.BI? (.* )?\"?$name\b|^\\.BR $name " "$FW_SOURCE/plugin/doc/mosquitto_ctrl_firmware.1" && continue
		echo "the manual has no $name"
		return 1
	done
}

@test "help has all, and wrong use says what to do" {
	catalog
	mapfile -t names < <(ctrl help | sed -nE 's/^  ([a-z][A-Za-z]+).*/\1/p')
	((${#names[@]} > 40))
	in_manual "${names[@]}"
	says 0 'createTask PRODUCT VERSION NAME' ctrl help
	says 0 '--max-in-flight NUMBER' ctrl help createtask
	says 0 '--max-in-flight NUMBER' ctrl createTask --help
	says 13 "no such sub-command: 'listTask'; see mosquitto_ctrl firmware help" ctrl listTask
	says 13 'no such sub-command' ctrl help nothing
	says 13 'createTask has no option --max-in-fligt' ctrl createTask lamp 2.0 X --max-in-fligt 1
	says 13 'createTask: NAME is missing' ctrl createTask lamp 2.0
	[[ $output == *'Usage: mosquitto_ctrl firmware createTask PRODUCT VERSION NAME'* ]]
	says 13 "product 'lamp' has no firmware of version '3'" ctrl createTask lamp 3 X
	says 13 'a stage is UNTIL' ctrl createTask lamp 2.0 X --stages '1;10'
	says 13 'a JSON object' ctrl modifyFirmware lamp-2.0 --parameters '{'
	rows "SELECT count(*) FROM task" 0
	# a terminal would obey it
	says 13 "no such device: 'lamp/?[2J'" ctrl getDevice lamp $'\e[2J'
	ctrl_as eve listTasks
	says 13 '(not_allowed)' ctrl_as eve deleteProduct lamp
	says 13 'add the name to plugin_opt_admins or plugin_opt_admin_viewers (not_allowed)' ctrl_as mallory listTasks
	says 13 '(not_allowed: give a user name with -u)' ctrl_with --unix "$BROKER_DIR/socket" firmware listTasks
	says 13 "cannot connect to $PWD/none: " ctrl_with --unix "$PWD/none" firmware listTasks
	says 13 ': does the broker run there?' ctrl_with -p 1 firmware listTasks
	says 13 '' ctrl_with --quiet -p 1 firmware listTasks
	assert_equal "$output" ''
}

@test "without the plugin's commands there is no answer, and it says so" {
	stop_broker
	write_conf
	start_broker
	SECONDS=0
	says 13 'plugin_opt_admins' ctrl listTasks
	[[ $output == *'no answer within 5 s: is the plugin mosquitto_firmware loaded'* || $output == *'no plugin of the broker answers'* ]]
	((SECONDS < 10))
}

@test "a locked catalog is told, and watch goes on" {
	add_fleet
	ctrl createTask lamp 2.0 Spring --task-id t --devices a >/dev/null
	mkfifo shell
	sqlite3 -batch "$DB" <shell >/dev/null 2>&1 3>&- &
	BACKGROUND+=($!)
	exec 5>shell
	echo "BEGIN IMMEDIATE; UPDATE product SET name = 'held' WHERE product_id = 'oven';" >&5
	retry 10 locked
	says 13 'try again in a moment (busy)' ctrl modifyProduct lamp --name x
	says 0 'Lamp' ctrl getProduct lamp
	echo 'ROLLBACK;' >&5
	exec 5>&-
	# the broker's end is the end of the watch
	ctrl watch t >watched 2>&1 &
	WATCH=$!
	retry 10 grep -q '1 under way' watched
	stop_broker
	refute wait "$WATCH"
	grep -q 'the connection broke' watched
}
locked() { ! sqlite3 -batch "$DB" 'BEGIN IMMEDIATE; ROLLBACK' 2>/dev/null; }

@test "ten things, as SQL and with mosquitto_ctrl, leave the same rows" {
	catalog
	do_as_sql
	mosquitto_ctrl() { ctrl "${@:2}"; }
	ten_things sh | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' | grep '^mosquitto_ctrl' >commands
	assert_equal "$(wc -l <commands)" 13
	while read -r command; do eval "$command" </dev/null; done <commands
	left_rows >by.ctrl
	diff by.sql by.ctrl
}

# A broker with a password for ada, and a listener with TLS by a certificate or a pre-shared key.
start_tls() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.pem -days 2 \
		-subj /CN=127.0.0.1 -addext 'subjectAltName = IP:127.0.0.1' 2>/dev/null
	mosquitto_passwd -b -c passwords ada 'a secret' 2>/dev/null
	echo 'dev:c0ffee' >keys
	stop_broker
	start_broker 'plugin_opt_admins ada' "password_file $PWD/passwords" 'allow_anonymous false' "$@"
}

@test "TLS, and a password that is asked for and never shown" {
	command -v script >/dev/null || skip 'script is missing'
	PORT=$(free_port)
	start_tls "listener $PORT 127.0.0.1" "certfile $PWD/ca.pem" "keyfile $PWD/key.pem"
	says 0 none ctrl_with -h 127.0.0.1 -p "$PORT" --cafile ca.pem -u ada -P 'a secret' firmware listProducts
	says 13 'the broker refuses the connection: Not authorized' \
		ctrl_with -h 127.0.0.1 -p "$PORT" --cafile ca.pem -u ada -P wrong firmware listProducts
	says 13 'Error: ' ctrl_with -h localhost -p "$PORT" --cafile ca.pem -u ada -P 'a secret' firmware listProducts
	says 0 none ctrl_with -h localhost --insecure -p "$PORT" --cafile ca.pem -u ada -P 'a secret' firmware listProducts
	says 13 '--cert and --key are for TLS' ctrl_with -p "$PORT" --cert ca.pem --key key.pem -u ada -P x firmware listProducts
	# from the input, and from a terminal
	says 0 none ctrl_with --unix "$BROKER_DIR/socket" -u ada firmware listProducts <<<'a secret'
	says 13 'no password' ctrl_with --unix "$BROKER_DIR/socket" -u ada firmware listProducts </dev/null
	# typed only when it is asked for, or the terminal would echo it; `script` asks $SHELL, and dash passes no function on
	export LD_LIBRARY_PATH=${FW_CTRL:-$FW_SOURCE/build}
	mkfifo keyboard
	timeout 30 script -qec "mosquitto_ctrl --unix '$BROKER_DIR/socket' -u ada firmware listProducts" /dev/null <keyboard >typed &
	exec {KEYS}>keyboard
	retry 20 grep -q 'Password for ada: ' typed
	echo 'a secret' >&"$KEYS"
	wait $!
	exec {KEYS}>&-
	[[ $(<typed) == *'Password for ada: '*none* && $(<typed) != *secret* ]]
}

@test "a pre-shared key is not left out" {
	PORT=$(free_port)
	start_tls "listener $PORT 127.0.0.1" 'psk_hint here' "psk_file $PWD/keys"
	says 0 none ctrl_with -h 127.0.0.1 -p "$PORT" --psk-identity dev --psk c0ffee -u ada -P 'a secret' firmware listProducts
	printf '%s\n' '--psk-identity dev' '--psk c0ffee' "-p $PORT" '-h 127.0.0.1' >mosquitto_ctrl
	says 0 none ctrl_with -u ada -P 'a secret' firmware listProducts
	says 13 'Error: ' ctrl_with -u ada -P 'a secret' --psk beef firmware listProducts
	says 13 '--proxy is not for this module' ctrl_with --proxy socks5h://127.0.0.1 -u ada -P 'a secret' firmware listProducts
}
