#!/usr/bin/env bats
# Clients that mean harm: whoever they say they are, and wherever they put it, they get nothing, and the catalog and the others notice nothing.
# shellcheck disable=SC2016,SC1003 # dollars, backquotes and backslashes are what is tried

load ../helper

# LINE USER TAIL EXPECTED: what the broker says to an MQTT 5 publish of d1's topic by the client that the line begins with.
gets() {
	SAID=
	verdict "${1%% *}" "${2/#-/}" "/lamp/d1/firmware/$3" '{"version":"1.0","progress":1}' || true
	assert_equal "$1: $3 $SAID" "$1: $3 $4"
}

# LINE...: "ID USER UPLINKS DOWNLINKS", each the verdict expected.
who_may_what() {
	local line user up down tail
	for line in "$@"; do
		read -r _ user up down <<<"$line"
		for tail in report upgrade/progress upgrade/reply read/reply pull chunk; do
			gets "$line" "$user" "$tail" "$up"
		done
		for tail in upgrade pull/reply task chunk/reply/f/0 chunk/error; do
			gets "$line" "$user" "$tail" "$down"
		done
		gets "$line" "$user" read ok
	done
}

@test "who may send what, with each identity, for devices, operators, anonymous and named clients" {
	stop_broker
	start_broker 'plugin_opt_operators admin'
	who_may_what 'd1 - ok refused' 'd1 x ok refused' 'x d1 refused refused' 'x - refused refused' 'x admin ok ok' 'admin - refused refused' 'D1 d1 refused refused' \
		'd1 admin ok ok' 'd1d1 d1 refused refused' 'x Admin refused refused'
	stop_broker
	start_broker 'plugin_opt_operators admin' 'plugin_opt_identity username'
	who_may_what 'd1 - refused refused' 'd1 x refused refused' 'x d1 ok refused' 'x - refused refused' 'x admin ok ok' 'admin - refused refused' 'd1 D1 refused refused'
	stop_broker
	start_broker 'plugin_opt_operators admin' 'plugin_opt_identity none'
	who_may_what 'd1 - ok refused' 'x - ok refused' 'x d1 ok refused' 'x admin ok ok' 'admin - ok refused'
}

@test "wildcards and slashes in ids and names reach nobody's topics" {
	listen all -q 1 -V mqttv5 -t '#'
	raw <<-'END'
		from raw import Client
		for topic in "/lamp/#/firmware/report", "/+/d1/firmware/report", "/lamp/+/firmware/upgrade", "/lamp/d1/firmware/#":
		    try:
		        Client("d1").publish(topic, '{"version":"6.6.6"}')
		        raise SystemExit(f"the broker took {topic}")
		    except (EOFError, ConnectionError):
		        pass  # MQTT forbids it
		for name in "#", "+", "d1/../d2", "lamp/d1", "/lamp/d1":
		    client = Client(name)
		    for device in "d1", "d2":
		        client.publish(f"/lamp/{device}/firmware/report", '{"version":"6.6.6"}')
		        client.publish(f"/lamp/{device}/firmware/upgrade", '{"version":"6.6.6"}')
		    client.publish("/lamp/d1/../d2/firmware/report", '{"version":"6.6.6"}')
		    client.disconnect()
	END
	say d1 report '{"version":"1.0"}'
	for id in '#' '+' '/' 'd1/x'; do
		pub -q 1 -i "$id" -V mqttv5 -t /lamp/d1/firmware/read -m '{"messageId":"evil"}' -D publish response-topic "/lamp/$id/inbox" || true
	done
	settle
	assert_equal "$(db "SELECT group_concat(device_id) FROM device")" d1,marker
	assert_equal "$(db "SELECT version FROM device WHERE device_id = 'd1'")" 1.0
	refute heard_text all ' /lamp/d1/firmware/report {"version":"6.6.6"}'
	refute heard_text all firmware/upgrade
	refute heard_text all inbox
}

@test "identity username: wildcards in a user name stand for nobody" {
	stop_broker
	start_broker 'plugin_opt_identity username'
	for name in '#' '+' 'd+' 'lamp/d1' ''; do
		refused pub -q 1 -i d1 -u "$name" -t /lamp/d1/firmware/report -m '{"version":"6.6.6"}'
	done
	assert_equal "$(db "SELECT count(*) FROM device")" 0
}

@test "topics that begin with a dollar are the broker's: neither counters nor what was answered can be had or forged" {
	say d1 report '{"version":"1.0"}'
	listen all -q 1 -t '#' -t '+/#' -t '$SYS/broker/firmware/#' -t '$SYS/lamp/#'
	for topic in '$SYS/broker/firmware/reads/answered' '$SYS/lamp/d1/firmware/report' '$share/g//lamp/d2/firmware/report' '$x/lamp/d2/firmware/upgrade'; do
		pub -q 1 -i evil -t "$topic" -m '{"version":"6.6.6"}' || true
		pub -q 1 -i evil -r -t "$topic" -m '{"version":"6.6.6"}' || true
	done
	assert_json "$(read_version d1 '{"messageId":"secret"}')" '.version == "1.0"'
	settle
	assert_equal "$(heard all | grep secret | sort -u | wc -l)" 1 # the answer (Mosquitto 2.1: for each filter); the question reached nobody
	refute heard_text all 6.6.6
	assert_equal "$(db "SELECT group_concat(device_id) FROM device")" d1,marker
}

# Publishes by topic alias: the topic is given once, then left out.
aliases() {
	timeout 60 env SOCKET="$BROKER_DIR/socket" /usr/bin/python3 - <<-'END'
		import os, socket, struct, sys

		def text(value):
		    return struct.pack("!H", len(value)) + value.encode()

		def publish(mid, topic, payload, alias, response=None):
		    properties = b"\x23" + struct.pack("!H", alias) + (b"\x08" + text(response) if response else b"")
		    body = text(topic) + struct.pack("!H", mid) + bytes([len(properties)]) + properties + payload.encode()
		    assert len(body) < 128 * 128
		    head = bytes([0x32, len(body)] if len(body) < 128 else [0x32, len(body) & 127 | 128, len(body) >> 7])
		    connection.sendall(head + body)
		    packet = b""
		    while len(packet) < 2 or len(packet) < 2 + packet[1]:
		        packet += connection.recv(1) or sys.exit("the broker closed the connection")
		    assert packet[0] == 0x40, packet
		    return packet[4] if len(packet) > 4 else 0

		connection = socket.socket(socket.AF_UNIX)
		connection.connect(os.environ["SOCKET"])
		body = text("MQTT") + bytes([5, 2, 0, 60, 0]) + text("d1")
		connection.sendall(bytes([0x10, len(body)]) + body)
		connection.recv(100)
		for turn in range(50):
		    base = turn * 10 + 1
		    assert publish(base, "/lamp/d1/firmware/report", '{"version":"1.1"}', 1) == 0
		    assert publish(base + 1, "", '{"version":"1.0"}', 1) == 0
		    assert publish(base + 2, "/lamp/d2/firmware/report", '{"version":"6.6.6"}', 2) == 0x87
		    assert publish(base + 3, "", '{"version":"6.6.6"}', 2) == 0x87
		    assert publish(base + 4, "/lamp/d1/firmware/read", '{}', 3) in (0, 0x10)
		    assert publish(base + 5, "", '{}', 3, "/lamp/d2/firmware/upgrade") in (0, 0x10)
		    assert publish(base + 6, "/lamp/d1/firmware/upgrade", '{}', 1) == 0x87
		    assert publish(base + 7, "", '{}', 1) == 0x87
	END
}

@test "a topic alias stands for its topic: what is refused by name is refused by alias, and an answered read may be asked again" {
	listen all -q 1 -t '/lamp/#'
	aliases
	settle
	assert_equal "$(db "SELECT group_concat(device_id || version) FROM device WHERE device_id <> 'marker'")" d11.0
	assert_equal "$(heard all | grep -c ' /lamp/d1/firmware/read/reply ')" 100
	refute heard_text all 6.6.6
	refute heard_text all firmware/upgrade
	broker_lives
}

# TOPIC [OPTION...]: evil dies and leaves a will there.
leave_will() {
	rm -f "$BROKER_DIR/will"
	stdbuf -oL mosquitto_sub "${CONNECT[@]}" -i evil -d -t x --will-topic "$1" --will-payload '{"version":"6.6.6","progress":9}' --will-qos 1 "${@:2}" \
		>"$BROKER_DIR/will" 2>&1 3>&- &
	retry 10 grep -qs Subscribed "$BROKER_DIR/will"
	kill -9 $!
	wait $! 2>/dev/null || true
}

@test "a will is no uplink of another device" {
	for tail in report upgrade/progress read/reply upgrade/reply pull; do leave_will "/lamp/d1/firmware/$tail"; done
	leave_will /lamp/d1/firmware/report --will-retain
	settle
	assert_equal "$(db "SELECT group_concat(device_id) FROM device")" marker
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
}

@test "no will gets where its sender may not publish; where he may, it does (Mosquitto 2.1)" {
	! on_2_0 || skip 'there acl_file alone sees to it'
	stop_broker
	start_broker 'plugin_opt_operators admin'
	listen all -q 1 -t '#'
	for tail in report upgrade/progress upgrade/reply read/reply pull chunk upgrade pull/reply task chunk/reply/f/0 chunk/error; do
		leave_will "/lamp/d1/firmware/$tail"
	done
	leave_will /lamp/evil/firmware/upgrade
	leave_will //d1/firmware/read
	leave_will /lamp/d1/firmware/upgrade --will-retain
	refused pub -q 1 -i evil -t /lamp/d1/firmware/upgrade -m '{}'
	settle
	refute heard_text all 6.6.6
	retry 15 counter_is messages/refused 15
	assert_equal "$(grep -c 'refused upgrade from client evil on /lamp/d1/firmware/upgrade: only the broker and operators may send it' "$LOG")" 1
	leave_will /lamp/d1/firmware/upgrade -u admin
	for topic in /lamp/evil/firmware/report /lamp/d1/firmware/read other /other; do leave_will "$topic"; done
	settle
	for topic in /lamp/d1/firmware/upgrade /lamp/evil/firmware/report /lamp/d1/firmware/read other /other; do retry 5 heard_text all " $topic {\"version\":\"6.6.6\""; done
	assert_equal "$(db "SELECT group_concat(device_id) FROM device")" marker
	assert_equal "$(sub -W 1 --retained-only -t /lamp/d1/firmware/upgrade || true)" ''
}

# What a broker denies that lets nobody publish by default, with Mosquitto's own plugin for that.
denies() {
	refused pub -q 1 -i d1 -t other -m x
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/report -m '{"version":"6.6.6"}'
	refused pub -q 1 -i d1 -t /lamp/d2/firmware/report -m '{"version":"6.6.6"}'
	accepted pub -q 1 -i d1 -u admin -P secret -t other -m x
}

@test "what another plugin denies stays denied, wherever it stands in the configuration" {
	local dynsec
	dynsec=$(find /usr/lib -name mosquitto_dynamic_security.so | head -n 1)
	[[ -n $dynsec ]] || skip 'this broker comes without its plugin'
	stop_broker
	mosquitto_ctrl dynsec init "$BROKER_DIR/dynsec.json" admin secret >/dev/null
	jq '.roles[].acls += [{"acltype":"publishClientSend","topic":"other","allow":true}]' "$BROKER_DIR/dynsec.json" >"$BROKER_DIR/rights.json"
	start_broker "plugin $dynsec" "plugin_opt_config_file $BROKER_DIR/rights.json"
	denies
	refute grep -q 'another plugin is loaded before' "$LOG"
	stop_broker
	write_conf
	sed -i "s|^plugin |plugin $dynsec\nplugin_opt_config_file $BROKER_DIR/rights.json\n&|" "$BROKER_DIR/mosquitto.conf"
	start_broker
	denies
	on_2_0 || grep -q 'another plugin is loaded before this one, so the wills of clients are not checked' "$LOG"
}

@test "with the example's acl_file no will gets to another device" {
	stop_broker
	sed -n '/^# *pattern readwrite/s/^# *//p; /^pattern/p' "$FW_SOURCE/mosquitto.conf.example" >"$BROKER_DIR/acl"
	printf 'pattern readwrite /+/%%c/firmware/#\ntopic read #\n' >>"$BROKER_DIR/acl"
	start_broker "acl_file $BROKER_DIR/acl"
	listen d1 -q 1 -i d1 -t '/lamp/d1/#'
	for tail in upgrade pull/reply chunk/error; do leave_will "/lamp/d1/firmware/$tail"; done
	leave_will /lamp/evil/firmware/report
	settle
	refute heard_text d1 6.6.6
}

# Text that would end a string of SQL, of JSON or of a shell, or be taken for another line or column.
EVIL=("x' OR '1'='1" "'; DROP TABLE device; --" '\"},\"url\":\"http://evil\"}' '%s%n%d' '\\' '\u0022,\u0022complete\u0022:true' '\u000afirmware: ready' '$(reboot)`' '|,;' 'ü\u2028€' '<script>')

@test "metacharacters of SQL and JSON in every member come back as they were, and mean nothing" {
	declare -i n
	n=$(date +%s%3N)
	for evil in "${EVIL[@]}"; do
		n+=1
		text=$(jq -r . <<<"\"$evil\"" && printf .) # as it is once read; the dot keeps a line end
		text=${text%$'\n'.}
		say d1 upgrade/progress "{\"timestamp\":$n,\"progress\":5,\"version\":\"$evil\",\"errorReason\":\"$evil\"}"
		if [[ $evil != *u000a* ]]; then # a version has no control characters
			rows "SELECT version, error_reason FROM progress_log WHERE reported_at = $n" "$text|$text"
			say d1 report "{\"timestamp\":$n,\"version\":\"$evil\"}"
			assert_json "$(read_version d1 "{\"messageId\":\"$evil\"}")" ".version == \"$evil\" and .messageId == \"$evil\""
		fi
		say d1 upgrade/reply "{\"timestamp\":$n,\"message\":\"$evil\",\"messageId\":\"$evil\"}"
		assert_json "$(pull d1 "{\"messageId\":\"$evil\",\"requestVersion\":\"$evil\"}")" '.code == "version_not_found" or .code == "bad_request"'
		assert_json "$(pull d1 "{\"messageId\":\"$evil\",\"currentVersion\":\"x$n\"}")" ".version == \"2.0\" and .messageId == \"$evil\" and .url == \"http://files.test/2.0\""
	done
	assert_equal "$(db 'SELECT count(*) FROM firmware')" 4
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "metacharacters of SQL and JSON in ids and names mean nothing" {
	for evil in "d' OR '1'='1" "'; DROP TABLE device; --" 'd","url":"evil' '%s%n' '\' '$(reboot)`' '|;' 'üd€' '*' '%' '_'; do
		accepted say "$evil" report '{"version":"1.0"}'
		echo "as $evil"
		assert_json "$(read_version "$evil" '{}')" '.version == "1.0"'
		assert_json "$(pull "$evil" '{}')" '.version == "2.0"'
		refused pub -q 1 -i "$evil" -u "$evil" -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
		rows "SELECT count(*) FROM device WHERE device_id = '${evil//\'/\'\'}'" 1
		PRODUCT=$evil pub -q 1 -i d1 -t "/$evil/d1/firmware/pull" -m '{}'
	done
	assert_equal "$(db 'SELECT count(*) FROM device')" 11
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "firmware whose parameters only SQLite takes for JSON is not offered, and its product's pulls are answered" {
	# of a catalog that was made before they were refused
	db 'DROP TRIGGER firmware_update_parameters'
	for parameters in '{"a":"\ud800"}' '{"a":1e999}' "{\"a\":\"$(printf '\xff')\"}"; do
		db "UPDATE firmware SET parameters = '$parameters' WHERE version = '2.0'"
		assert_json "$(pull d1 '{}')" '.version == "2.0" or .code == "no_update"'
		assert_json "$(pull d1 '{"requestVersion":"2.0"}')" '.version == "2.0" or .code == "version_not_found"'
		assert_json "$(pull d1 '{"requestVersion":"1.1"}')" '.version == "1.1"'
	done
}

@test "a client id that is taken over gives its new owner nothing of the old one's request" {
	say d1 report '{"version":"1.0"}'
	listen d1 -q 1 -i d1 -t /lamp/d1/firmware/pull/reply -t /lamp/d1/firmware/upgrade
	listen thief -q 1 -i d1 -t /lamp/d2/firmware/upgrade
	refused pub -q 1 -i d1 -t /lamp/d2/firmware/report -m '{"version":"6.6.6"}'
	db "INSERT INTO task (firmware_id, name, mode) VALUES ('lamp-2.0', 'n', 'push')"
	settle
	broker_lives
	assert_equal "$(db "SELECT version FROM device WHERE device_id = 'd1'")" 1.0
	assert_equal "$(db "SELECT count(*) FROM task_device WHERE device_id = 'd1'")" 1
}

@test "log lines are one line each, whatever is in names and topics" {
	raw <<-'END'
		from raw import Client
		evil = "evil\r\n1234567890: mosquitto-firmware: all is well\x1b[2J\u2028\x7f\x85"
		for name in evil, "d1":
		    try:
		        client = Client(name)
		        for topic in f"/lamp/{evil}/firmware/report", f"/{evil}/d1/firmware/pull", "/lamp/d2/firmware/upgrade", f"/lamp/d1/firmware/chunk/reply/{evil}/0":
		            client.publish(topic, '{"version":"\\n"}')
		    except (EOFError, ConnectionError):
		        pass  # the broker may refuse such a client
	END
	say d1 report '{"version":"a\nb"}'
	say d1 report "{\"version\":\"$(printf 'x%.0s' {1..70})\"}"
	settle
	refute grep -qaP '^\d+: mosquitto-firmware: all is well' "$LOG"
	refute grep -qa 'mosquitto-firmware:.*[[:cntrl:]]' "$LOG"
}
