#!/usr/bin/env bats
# $CONTROL/firmware/v1 on a real broker, asked with mosquitto_rr as it is.

load ../control_helper

CONTROL=\$CONTROL/firmware/v1

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	cd "$BROKER_DIR" || return 1
	start_broker 'plugin_opt_admins ada, ops team' 'plugin_opt_admin_viewers eve'
	catalog
}

# USER JSON [OPTION of mosquitto_rr...]: one request as this user; prints the answer.
request() { rr -i "ctrl-$1" -u "$1" -q 1 -t "$CONTROL" -e "$CONTROL/response" -m "$2" "${@:3}"; }

# COMMAND [MEMBERS]: one command as ada; prints its response.
do_command() { request ada "{\"commands\":[{\"command\":\"$1\"${2:+,$2}}]}" | jq -c '.responses[0]'; }

@test "a task is made, stopped and continued, and the device is told of it" {
	do_command createDevice '"productId":"lamp","deviceId":"d1","version":"1.0"'
	listen d1 -i d1 -t '/lamp/d1/firmware/upgrade'
	answer=$(do_command createTask '"productId":"lamp","version":"2.0","name":"Spring","mode":"push"')
	assert_json "$answer" '.command == "createTask" and .data.total == 1 and .data.state == "running"'
	task=$(jq -r .data.taskId <<<"$answer")
	retry 10 heard_text d1 '"version":"2.0"'
	assert_json "$(do_command stopTask "\"taskId\":\"$task\"")" '.data.state == "stopped"'
	assert_json "$(do_command continueTask "\"taskId\":\"$task\"")" '.data.state == "running"'
	rows "SELECT DISTINCT subject FROM admin_log WHERE command LIKE '%Task'" "$task"
	rows "SELECT command || ' ' || outcome FROM admin_log ORDER BY log_id" \
		$'createDevice ok\ncreateTask ok\nstopTask ok\ncontinueTask ok'
	rows "SELECT DISTINCT who, from_ FROM admin_log" 'ada|control ctrl-ada'
	grep "createTask '$task' by 'ada' (control ctrl-ada): ok" "$LOG"
}

@test "the commands of a request are answered in their order, each by itself" {
	answer=$(request 'ops team' '{"commands":[{"command":"getProduct","productId":"lamp","correlationData":"one"},
		{"command":"deleteProduct","productId":"lamp"},{"command":"getProduct","productId":"none"},
		{"command":"modifyProduct","productId":"lamp","nmae":"x"},{"command":"modifyProduct","productId":"lamp","name":"Lampe"}]}')
	assert_json "$answer" '[.responses[] | .code // "ok"] == ["ok", "conflict", "not_found", "bad_request", "ok"]'
	assert_json "$answer" '.responses[0].correlationData == "one" and .responses[0].data.name == "Lamp"'
	assert_json "$answer" '.responses[1].error | test("this product has firmware")'
	assert_json "$answer" '.responses[3].error | test("nmae")'
	rows "SELECT name FROM product WHERE product_id = 'lamp'" Lampe
}

@test "who may only read reads, and nobody else is let in" {
	assert_json "$(request eve '{"commands":[{"command":"listProducts"}]}')" '.responses[0].data.items | length == 2'
	assert_json "$(request eve '{"commands":[{"command":"deleteProduct","productId":"lamp"}]}')" \
		'.responses[0].code == "not_allowed"'
	rows "SELECT who, command, subject, substr(outcome, 1, 11) FROM admin_log" \
		'eve|deleteProduct|lamp|not_allowed'
	assert_json "$(request mallory '{"commands":[{"command":"listProducts"}]}')" '.responses[0].code == "not_allowed"'
	assert_json "$(rr -i nobody -q 1 -t "$CONTROL" -e "$CONTROL/response" -m '{"commands":[]}')" \
		'.responses[0].code == "not_allowed"'
	grep -F "from client ctrl-mallory on \$CONTROL/firmware/v1: its user is named by neither admins nor admin_viewers" "$LOG"
}

@test "an answer goes to the asker alone, by its topic, quality and correlation data" {
	listen spy -i spy -t '#' -t "\$CONTROL/#" -t "$CONTROL/response" -t there
	answer=$(rr -i ctrl -u ada -q 2 -t "$CONTROL" -e there -m '{"commands":[{"command":"getDetails"}]}' \
		-D publish correlation-data 4711 -F '%q %t %D %p')
	[[ $answer == '2 there 4711 {"responses":[{"command":"getDetails"'* ]]
	assert_json "$(rr -V mqttv311 -i old -u ada -t "$CONTROL" -e "$CONTROL/response" -m '{"commands":[]}')" '.responses == []'
	pub -i bell -t there -m last
	retry 10 heard_text spy last
	# 2.1 sends it once for each filter that fits
	assert_equal "$(heard spy | sort -u)" '0 0 there last'
}

@test "what is no request is told so, and the client stays connected" {
	for body in '' '{' '[]' '{"commands":{}}' '{"commands":[],"x":1}' '{"commands":[],"commands":[]}'; do
		assert_json "$(request ada "$body")" '.responses[0].code == "bad_request"'
	done
	assert_json "$(request ada '{"commands":[1,{},{"command":1},{"command":"x"}]}')" \
		'[.responses[].code] == ["bad_request", "bad_request", "bad_request", "bad_request"]'
	assert_json "$(request ada "$(jq -nc '{commands: [range(101) | {command: "getDetails"}]}')")" \
		'.responses[0].code == "too_large"'
	head -c 1048577 /dev/zero | tr '\0' ' ' >"$BROKER_DIR/long"
	# mosquitto_rr takes no such long message
	pub -i long -u ada -q 1 -t "$CONTROL" -f "$BROKER_DIR/long"
	assert_json "$(request ada '{"commands":[]}')" '.responses == []'
}

@test "a locked catalog is busy, nothing is half done, and other clients do not wait" {
	mkfifo "$BROKER_DIR/shell"
	sqlite3 -batch "$DB" <"$BROKER_DIR/shell" >/dev/null 2>&1 &
	BACKGROUND+=($!)
	exec 5>"$BROKER_DIR/shell"
	echo "BEGIN IMMEDIATE; UPDATE product SET name = 'held' WHERE product_id = 'oven';" >&5
	retry 10 locked
	assert_json "$(do_command modifyProduct '"productId":"lamp","name":"x"')" '.code == "busy"'
	assert_json "$(do_command getProduct '"productId":"lamp"')" '.data.name == "Lamp"'
	assert_json "$(pull d1 '{"messageId":"1"}')" '.version == "2.0"'
	echo 'ROLLBACK;' >&5
	exec 5>&-
	retry 10 unlocked
	assert_json "$(do_command modifyProduct '"productId":"lamp","name":"x"')" '.data.name == "x"'
}
locked() { ! sqlite3 -batch "$DB" 'BEGIN IMMEDIATE; ROLLBACK' 2>/dev/null; }
unlocked() { ! locked; }

@test "ten things, as SQL and as commands, leave the same rows" {
	do_as_sql
	while read -r command; do
		assert_json "$(request ada "{\"commands\":[$command]}")" '.responses[0].data | type == "object"'
	done < <(ten_things json | jq -c .)
	left_rows >by.commands
	diff by.sql by.commands
	assert_equal "$(ten_things json | jq -r .command | sort -u | wc -l)" 13
}

@test "without admins nobody is answered, and the plugin knows no commands" {
	stop_broker
	start_broker 'plugin_opt_operators ada'
	run rr -i ctrl -u ada -W 1 -t "$CONTROL" -e "$CONTROL/response" -m '{"commands":[]}'
	[[ $output != *responses* ]]
	refuses_option 'plugin_opt_admins a,,b' 'user names, separated by commas'
}
refuses_option() { # LINE SENTENCE
	stop_broker
	write_conf "$1"
	refuses_to_start
	[[ $output == *"$2"* ]]
}

@test "the broker ends in the middle of a long command" {
	# quick, for the triggers take it for the plugin's
	db "BEGIN; UPDATE catalog_state SET plugin_writing = 1;
		INSERT INTO device (product_id, device_id, version) SELECT 'lamp', 'd' || value, '1.0' FROM generate_series(1, 200000);
		UPDATE catalog_state SET plugin_writing = 0; COMMIT;"
	pub -i ctrl -u ada -q 1 -t "$CONTROL" -m '{"commands":[{"command":"createTask","productId":"lamp","version":"2.0","name":"All","mode":"push"}]}'
	started=$SECONDS
	stop_broker
	((SECONDS - started < 5))
	assert_equal "$(db 'PRAGMA integrity_check')" ok
	rows 'SELECT count(*) FROM task_device' 0
}
