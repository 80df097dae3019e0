#!/usr/bin/env bats
# MQTT 5: correlation data, and response topics inside and outside the requester's own.

load ../helper

@test "correlation data comes back, on success and on failure" {
	assert_equal "$(pull d1 '{}' -D publish correlation-data 'no 17' -F '%D')" 'no 17'
	assert_equal "$(pull d1 'x' -D publish correlation-data 'no 18' -F '%D')" 'no 18'
	assert_equal "$(pull d1 '{"requestVersion":"none"}' -D publish correlation-data 'no 19' -F '%D')" 'no 19'
	assert_equal "$(pull d1 '{}' -F '[%D]')" '[]'
	say d1 report '{"version":"1.0"}'
	assert_equal "$(read_version d1 '{}' -D publish correlation-data 'no 20' -F '%D')" 'no 20'
}

@test "a response topic under the device's own is honoured" {
	listen standard -q 1 -t /lamp/d1/firmware/pull/reply
	assert_json "$(pull d1 '{}' -e /lamp/d1/inbox)" '.version == "2.0"'
	assert_json "$(pull d1 'x' -e /lamp/d1/in/box)" '.code == "bad_request"'
	assert_json "$(pull d1 '{}' -e /lamp/d1/firmware/mine)" '.version == "2.0"'
	settle
	heard_count standard 0
	say d1 report '{"version":"1.0"}'
	# the last -i counts: the device itself, and an application under its own id
	assert_json "$(read_version d1 '{}' -i d1 -e /lamp/d1/application/7)" '.version == "1.0"'
	assert_json "$(read_version d1 '{}' -i console -e /lamp/console/7)" '.version == "1.0"'
}

@test "who reads a device's version cannot make the broker publish into that device's topics" {
	say d1 report '{"version":"1.0"}'
	listen all -q 1 -V mqttv5 -t '/lamp/d1/#'
	pub -q 1 -i application -V mqttv5 -t /lamp/d1/firmware/read -m '{"messageId":"evil"}' -D publish response-topic /lamp/d1/property/set
	retry 5 heard_count all 1
	heard_text all '/lamp/d1/firmware/read/reply '
	refute heard_text all property
}

@test "any other response topic gives the standard reply topic" {
	listen all -q 1 -V mqttv5 -t '#'
	# shellcheck disable=SC2016 # $SYS is a topic
	topics=(/lamp/d2/firmware/upgrade /lamp/d2/inbox inbox /lamp/d11/inbox /lamp/d1 lamp/d1/inbox /oven/d1/inbox
		/lamp/d1/firmware/upgrade /lamp/d1/firmware/task /lamp/d1/firmware/chunk/error '$SYS/d1')
	for topic in "${topics[@]}"; do
		say d1 pull '{"messageId":"p"}' -V mqttv5 -D publish response-topic "$topic"
	done
	settle
	assert_equal "$(heard all | grep -c '/lamp/d1/firmware/pull/reply ')" "${#topics[@]}"
	refute heard_text all ' /lamp/d2'
	refute heard_text all inbox
	refute heard_text all ' /lamp/d1/firmware/upgrade '
	refute heard_text all ' /lamp/d1/firmware/task '
	refute heard_text all ' /lamp/d1/firmware/chunk/error '
}

@test "a response topic that makes the broker's answer an uplink changes nothing" {
	listen all -q 1 -V mqttv5 -t '#'
	for tail in report upgrade/progress pull read read/reply upgrade/reply; do
		say d1 pull '{"currentVersion":"1.0"}' -V mqttv5 -D publish response-topic "/lamp/d1/firmware/$tail"
	done
	settle
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	rows "SELECT count(*) FROM progress_log" 0
	[[ $(heard all | wc -l) -lt 30 ]]
}

@test "a read's response topic outside the device's own gives the standard one" {
	say d1 report '{"version":"1.0"}'
	listen all -q 1 -V mqttv5 -t '/lamp/+/firmware/+/reply' -t 'app/#'
	pub -q 1 -i application -V mqttv5 -t /lamp/d1/firmware/read -m '{}' -D publish response-topic app/inbox
	retry 5 heard_count all 1
	heard_text all '/lamp/d1/firmware/read/reply '
}

@test "clients of MQTT 3.1, 3.1.1 and 5 are answered alike" {
	for version in mqttv31 mqttv311 mqttv5; do
		listen "$version" -q 1 -V "$version" -t /lamp/d1/firmware/pull/reply
	done
	for version in mqttv31 mqttv311 mqttv5; do
		say d1 pull '{}' -V "$version"
	done
	for version in mqttv31 mqttv311 mqttv5; do
		retry 5 heard_count "$version" 3
	done
	assert_equal "$(heard mqttv31 | cut -d' ' -f4- | jq -c 'del(.timestamp)')" "$(heard mqttv5 | cut -d' ' -f4- | jq -c 'del(.timestamp)')"
}

# The broker's own count of its memory, in bytes: what memory_limit is about.
# shellcheck disable=SC2016 # $SYS is a topic
heap() { sub -C 2 -W 15 -t '$SYS/broker/heap/current' | tail -n 1; }

@test "requests that say where and how to answer cost the broker no memory once they are answered" {
	only_long
	stop_broker
	start_broker 'sys_interval 1'
	cat >"$BROKER_DIR/ask.py" <<-'END'
		import os, socket, struct

		def text(value):
		    return struct.pack("!H", len(value)) + value

		connection = socket.socket(socket.AF_UNIX)
		connection.connect(os.environ["BROKER_SOCKET"])
		body = text(b"MQTT") + bytes([5, 2, 0, 60, 0]) + text(b"d1")
		connection.sendall(bytes([0x10, len(body)]) + body)
		connection.recv(100)
		properties = b"\x08" + text(b"/lamp/d1/inbox") + b"\x09" + text(b"c" * 1000)
		size = struct.pack("BB", len(properties) & 127 | 128, len(properties) >> 7)
		for mid in range(1, 3001):
		    body = text(b"/lamp/d1/firmware/pull") + struct.pack("!H", mid) + size + properties + b"{}"
		    connection.sendall(bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body)
		    while connection.recv(100)[0] != 0x40:
		        pass
	END
	raw <"$BROKER_DIR/ask.py"
	before=$(heap)
	raw <"$BROKER_DIR/ask.py"
	after=$(heap)
	echo "before $before, after $after"
	((after - before < 1000000))
}

@test "answers expire after a minute, for sessions that are away too" {
	assert_equal "$(pull d1 '{}' -F '%E')" 60
	assert_equal "$(pull d1 'x' -F '%E')" 60
	say d1 report '{"version":"1.0"}'
	assert_equal "$(read_version d1 '{}' -F '%E')" 60
}
