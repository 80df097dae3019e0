#!/usr/bin/env bats
# "Reading a version" of the contract.

load ../helper

report() { say "$1" report "{\"version\":\"$2\"}"; }
version_of() { member "$1" version; }

@test "a known version is answered by the broker, and the request is not forwarded" {
	report d1 1.1
	listen others -q 1 -t /lamp/d1/firmware/read -t /lamp/d1/#
	before=$(date +%s%3N)
	reply=$(read_version d1 '{"messageId":"r1","timestamp":5}')
	assert_json "$reply" 'del(.timestamp) == {messageId: "r1", version: "1.1"}'
	assert_json "$reply" ".timestamp >= $before and .timestamp <= $(date +%s%3N)"
	PRODUCT=lamp say d1 report '{"version":"1.1"}' # behind the read: what else could come has come
	retry 5 heard_text others /report
	refute heard_text others '/lamp/d1/firmware/read '
	heard_text others '/lamp/d1/firmware/read/reply '
}

@test "the requester gets a normal acknowledgement, at every QoS" {
	report d1 1.1
	for qos in 0 1 2; do
		accepted pub -q "$qos" -i application -t /lamp/d1/firmware/read -m '{}'
		assert_equal "$(read_version d1 '{}' -q "$qos" -F '%q %r')" "$qos 0"
		assert_equal "$(read_version d1 '{}' -q "$qos" -V mqttv311 -F '%q %r')" "$qos 0"
	done
	refute sub -W 1 -t '/lamp/+/firmware/#'
}

@test "messageId is echoed as it came" {
	report d1 1.1
	assert_json "$(read_version d1 '{"messageId":17}')" '.messageId == 17'
	assert_json "$(read_version d1 '{"messageId":"17"}')" '.messageId == "17"'
	assert_json "$(read_version d1 '{}')" 'has("messageId") | not'
}

@test "an unknown version is asked from the device, whose answer is recorded" {
	listen device -q 1 -t /lamp/d1/firmware/read
	listen application -q 1 -t /lamp/d1/firmware/read/reply
	accepted pub -q 1 -i application -t /lamp/d1/firmware/read -m '{"messageId":1}'
	retry 5 heard_count device 1
	assert_equal "$(heard device)" '1 0 /lamp/d1/firmware/read {"messageId":1}'
	now=$(date +%s%3N)
	say d1 read/reply "{\"messageId\":1,\"version\":\"1.0\",\"timestamp\":$now}"
	retry 5 heard_count application 1
	assert_equal "$(heard application)" "1 0 /lamp/d1/firmware/read/reply {\"messageId\":1,\"version\":\"1.0\",\"timestamp\":$now}"
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	rows "SELECT version, previous_version, reported_at FROM version_log" "1.0||$now"
	assert_equal "$(version_of "$(read_version d1 '{}')")" 1.0
	settle
	heard_count device 1
}

@test "a device the catalog knows without a version is asked" {
	pull d1 '{}'
	rows "SELECT count(*) FROM device WHERE device_id = 'd1' AND version IS NULL" 1
	listen device -q 1 -t /lamp/d1/firmware/read
	pub -q 1 -i application -t /lamp/d1/firmware/read -m '{}'
	retry 5 heard_count device 1
}

@test "a product the catalog does not know is none of the plugin's business" {
	listen device -q 1 -t /toaster/d1/firmware/read
	accepted pub -q 1 -i application -t /toaster/d1/firmware/read -m '{"messageId":1}'
	retry 5 heard_count device 1
}

@test "read_source device: every read goes to the device, whose answer is recorded" {
	stop_broker
	start_broker 'plugin_opt_read_source device'
	report d1 1.0
	rows "SELECT version FROM device" 1.0
	listen device -q 1 -t /lamp/d1/firmware/read
	listen application -q 1 -t /lamp/d1/firmware/read/reply
	accepted pub -q 1 -i application -t /lamp/d1/firmware/read -m '{"messageId":1}'
	retry 5 heard_count device 1
	say d1 read/reply '{"messageId":1,"version":"1.1"}'
	retry 5 heard_count application 1
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.1
	settle
	assert_equal "$(heard application)" '1 0 /lamp/d1/firmware/read/reply {"messageId":1,"version":"1.1"}'
}

@test "a read that follows an acknowledged report sees it" {
	for ((i = 0; i < 20; i++)); do
		report d1 "v$i"
		assert_equal "$(version_of "$(read_version d1 '{}')")" "v$i"
	done
}

@test "a read that follows a pull with a version sees it" {
	pull d1 '{"currentVersion":"1.0"}'
	assert_equal "$(version_of "$(read_version d1 '{}')")" 1.0
}

@test "a read behind a report on the same connection sees it" {
	raw <<-'END'
		import json
		from raw import Client
		d1 = Client("d1")
		d1.subscribe("/lamp/d1/firmware/read/reply")
		for i in range(50):
		    d1.publish("/lamp/d1/firmware/report", json.dumps({"version": "v%d" % i}), mid=2 * i + 1)
		    d1.publish("/lamp/d1/firmware/read", json.dumps({"messageId": i}), mid=2 * i + 2, wait=False)
		    answer = json.loads(d1.message()[1])
		    assert answer["messageId"] == i and answer["version"] == "v%d" % i, answer
	END
	rows "SELECT version FROM device" v49
	rows "SELECT count(*) FROM version_log" 50
}

@test "a read sees an acknowledged report while the catalog cannot be written" {
	report d1 1.0
	rows "SELECT version FROM device" 1.0
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r -t 5 <&"${OPERATOR[0]}"
	for version in 1.1 2.0; do
		report d1 "$version"
		assert_equal "$(version_of "$(read_version d1 '{}')")" "$version"
	done
	assert_equal "$(db 'SELECT version FROM device')" 1.0
	echo "COMMIT;" >&"${OPERATOR[1]}"
	rows "SELECT version FROM device" 2.0
	rows "SELECT version FROM version_log ORDER BY log_id" $'1.0\n1.1\n2.0'
}

@test "an operator's correction of a version is seen by the next read" {
	report d1 1.0
	rows "SELECT version FROM device" 1.0
	db "UPDATE device SET version = '1.1' WHERE device_id = 'd1'"
	assert_equal "$(version_of "$(read_version d1 '{}')")" 1.1
}

@test "versions survive a restart of the broker" {
	report d1 1.0
	stop_broker
	start_broker
	assert_equal "$(version_of "$(read_version d1 '{}')")" 1.0
}
