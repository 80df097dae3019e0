#!/usr/bin/env bats
# Bad input: a clear answer or a counted refusal; the broker goes on, and nothing recorded is harmed.

load ../helper

# One file a payload that is no message of any kind.
bad_payloads() {
	local dir=$BROKER_DIR/bad
	mkdir -p "$dir"
	: >"$dir/empty"
	printf '{' >"$dir/cut"
	printf '{"version":"1.0"' >"$dir/cut-late"
	printf '{"version":"1.0"} x' >"$dir/trailing"
	printf '["1.0"]' >"$dir/array"
	printf '"1.0"' >"$dir/string"
	printf 'null' >"$dir/null"
	printf '1' >"$dir/number"
	printf "{'version':'1.0'}" >"$dir/quotes"
	printf '{"version":"1.0","version":"2.0"}' >"$dir/duplicate"
	printf '{"version":"1.0\0"}' >"$dir/nul"
	printf '\0' >"$dir/nul-alone"
	printf '{"version":"\377\376"}' >"$dir/not-utf8"
	printf '{"version":"\355\240\200"}' >"$dir/surrogate"
	printf '{"version":"\300\200"}' >"$dir/overlong"
	printf '{"version":"1.0","timestamp":NaN}' >"$dir/nan"
	{ printf '{"a":'; head -c 30000 /dev/zero | tr '\0' '['; } >"$dir/deep-open"
	{ printf '{"version":"1.0","a":'; head -c 16 /dev/zero | tr '\0' '['; head -c 16 /dev/zero | tr '\0' ']'; printf '}'; } >"$dir/one-level-too-deep"
	{ printf '{"version":"1.0","a":'; head -c 30000 /dev/zero | tr '\0' '['; head -c 30000 /dev/zero | tr '\0' ']'; printf '}'; } >"$dir/deep"
	{ printf '{"version":"1.0","a":"'; head -c 8169 /dev/zero | tr '\0' a; printf '"}'; } >"$dir/one-byte-too-large"
	{ printf '{"version":"1.0","a":"'; head -c 1000000 /dev/zero | tr '\0' a; printf '"}'; } >"$dir/large"
	head -c 4000 /dev/urandom >"$dir/random"
}

# CLIENT TAIL QOS...: publishes every bad payload, with each QoS.
publish_bad() {
	raw "$BROKER_DIR/bad" "$@" <<-'END'
		import pathlib, sys
		from raw import Client
		folder, client, tail, *levels = sys.argv[1:]
		device = Client(client)
		for qos in levels:
		    for file in sorted(pathlib.Path(folder).iterdir()):
		        device.publish("/lamp/d1/firmware/" + tail, file.read_bytes(), qos=int(qos))
		device.ping()
	END
}

all_rows() { db "SELECT * FROM product; SELECT * FROM firmware; SELECT * FROM device WHERE device_id <> 'marker'; SELECT * FROM progress_log; SELECT * FROM version_log WHERE device_id <> 'marker'"; }

@test "every bad pull is answered bad_request, at every QoS" {
	bad_payloads
	count=$(find "$BROKER_DIR/bad" -type f | wc -l)
	rows_before=$(all_rows)
	listen device -q 2 -t /lamp/d1/firmware/pull/reply
	publish_bad d1 pull 0 1 2
	retry 10 heard_count device $((3 * count))
	assert_equal "$(heard device | cut -d' ' -f4- | jq -r .code | sort | uniq -c | sed 's/^ *//')" "$((3 * count)) bad_request"
	settle
	assert_equal "$(all_rows)" "$rows_before"
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}

@test "bad uplinks are counted, passed on to other subscribers, and recorded nowhere" {
	bad_payloads
	count=$(find "$BROKER_DIR/bad" -type f | wc -l)
	rows_before=$(all_rows)
	listen others -q 1 -t /lamp/d1/firmware/# -F '= %q %r %t %l'
	for tail in report upgrade/progress upgrade/reply read/reply; do publish_bad d1 "$tail" 1; done
	retry 10 heard_count others $((4 * count))
	settle
	assert_equal "$(all_rows)" "$rows_before"
	retry 25 counter_is messages/refused $((4 * count))
}

@test "bad reads do not stop the broker" {
	bad_payloads
	say d1 report '{"version":"1.0"}'
	publish_bad application read 0 1 2
	assert_json "$(read_version d1 '{}')" '.version == "1.0"'
}

@test "a bad read is an empty one, or is refused" {
	say d1 report '{"version":"1.0"}'
	listen app -q 1 -t /lamp/d1/firmware/read/reply
	printf '\0' >"$BROKER_DIR/nul"
	pub -q 1 -i application -t /lamp/d1/firmware/read -f "$BROKER_DIR/nul"
	retry 5 heard_text app '"version":"1.0"'
	pub -q 1 -i application -t /lamp/d1/firmware/read -m '{"messageId"'
	retry 5 grep -q 'refused read from client application on /lamp/d1/firmware/read: the payload ends before its JSON object does' "$LOG"
}

# What a faulty part costs is that part, and a line that names it.
@test "a message is taken without what is faulty and not needed, which is counted and named" {
	printf '\357\273\277{"version":"1.1"}' >"$BROKER_DIR/mark"
	printf '{"version":"1.2"}\0\0}old' >"$BROKER_DIR/nul"
	pub -q 1 -i d1 -t /lamp/d1/firmware/report -f "$BROKER_DIR/mark"
	pub -q 1 -i d1 -t /lamp/d1/firmware/report -f "$BROKER_DIR/nul"
	say d1 report '{"version":"1.3","timestamp":"2024-01-01T00:00:00Z"}'
	say d1 report '{"version":"1.4","timestamp":99999999999999999999999}'
	say d1 upgrade/reply '{"messageId":true,"success":true}'
	rows "SELECT group_concat(version, ' ') FROM (SELECT version FROM version_log WHERE device_id = 'd1' ORDER BY log_id)" '1.1 1.2 1.3 1.4'
	assert_json "$(pull d1 '{"messageId":true,"timestamp":"now","currentVersion":"1.0"}')" '.version == "2.0" and (has("messageId") | not)'
	printf '\357\273\277{"messageId":"m","requestVersion":"1.1"}\0x' >"$BROKER_DIR/pull"
	listen device -q 1 -t /lamp/d1/firmware/pull/reply
	pub -q 1 -i d1 -t /lamp/d1/firmware/pull -f "$BROKER_DIR/pull"
	retry 5 heard_count device 1
	assert_json "$(heard device | cut -d' ' -f4-)" '.version == "1.1" and .messageId == "m"'
	grep -q 'mended report from client d1 on /lamp/d1/firmware/report: a byte-order mark, or what follows a NUL, is not part of the JSON' "$LOG"
	grep -q 'mended report from client d1 on /lamp/d1/firmware/report: timestamp must be an integer' "$LOG"
	grep -q 'mended upgrade/reply from client d1 on /lamp/d1/firmware/upgrade/reply: messageId must be' "$LOG"
	retry 25 counter_is messages/mended 7
	assert_equal "$(counter messages/refused)" 0
}

@test "each fault has its own line a minute" {
	for message in '{"version":7}' '{}' '[]' '{"version":' '{"version":8}' '{"version":"1","version":"2"}'; do say d1 report "$message"; done
	settle
	for fault in 'version must be a string' 'version is missing' 'the payload is not a JSON object' 'the payload ends before' 'a member is given twice'; do
		assert_equal "$(grep -c "refused report from client d1 on /lamp/d1/firmware/report: $fault" "$LOG")" 1
	done
}

@test "a payload over 8 KiB, or more than 16 levels deep, is refused with a sentence that names the limit" {
	large="{\"messageId\":\"m\",\"firmwareId\":\"f\",\"offset\":0,\"length\":1,\"a\":\"$(head -c 8192 /dev/zero | tr '\0' a)\"}"
	assert_json "$(pull d1 "$large")" '.code == "bad_request" and (.message | contains("8192 bytes"))'
	assert_json "$(rr -q 1 -i d1 -t /lamp/d1/firmware/chunk -e /lamp/d1/firmware/chunk/error -m "$large")" '.code == "bad_request" and (.message | contains("8192 bytes"))'
	deep=$(printf '[%.0s' {1..15})$(printf ']%.0s' {1..15})
	assert_json "$(pull d1 "{\"a\":$deep}")" '.version == "2.0"'
	assert_json "$(pull d1 "{\"messageId\":1,\"a\":[$deep]}")" '.code == "bad_request" and (.message | contains("16 levels"))'
}

@test "the largest message is understood" {
	printf '{"version":"1.0","a":"%s"}' "$(head -c 8168 /dev/zero | tr '\0' a)" >"$BROKER_DIR/largest"
	assert_equal "$(stat -c %s "$BROKER_DIR/largest")" 8192
	pub -q 1 -i d1 -t /lamp/d1/firmware/report -f "$BROKER_DIR/largest"
	rows "SELECT version FROM device" 1.0
}

@test "members of a wrong type or out of range are refused" {
	for message in '{"version":1}' '{"version":{}}' '{}' '{"version":""}' '{"version":null}' '{"timestamp":"x","version":1}' \
		"{\"version\":\"$(printf '%065d' 1)\"}"; do
		say d1 report "$message"
	done
	for message in '{"progress":"5"}' '{"progress":101}' '{"progress":-1}' '{"progress":-0.5}' '{"progress":5,"complete":"yes"}' \
		'{"progress":5,"complete":true,"success":1}' '{"progress":5,"errorReason":[]}' '{"progress":5,"firmwareId":7}' \
		'{"progress":5,"version":false}' '{"progress":99999999999999}'; do
		say d1 upgrade/progress "$message"
	done
	settle
	assert_equal "$(db "SELECT count(*) FROM device WHERE device_id = 'd1'")" 0
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
}

@test "a fraction of a per cent is rounded down" {
	say d1 upgrade/progress '{"progress":99.9}'
	rows "SELECT progress FROM progress_log" 99
}

@test "unknown members are ignored" {
	say d1 report '{"version":"1.0","Version":7,"x":{"version":[]}}'
	rows "SELECT version FROM device" 1.0
	say d1 report '{"version":"1.1","serial":18446744073709551615,"note":"\\u0000"}'
	rows "SELECT version FROM device" 1.1
	say d1 report '{"version":"1.2","timestamp":1e400,"x":-1e400}'
	rows "SELECT version FROM device" 1.2
}

@test "text of 64 characters that are not ASCII is recorded as it came" {
	version=$(printf 'ü%.0s' {1..64})
	say d1 report "{\"version\":\"$version\"}"
	rows "SELECT version FROM device" "$version"
}

@test "SQL in a message is text" {
	reason="'); DROP TABLE device; --"
	say d1 upgrade/progress "{\"progress\":5,\"complete\":true,\"success\":false,\"errorReason\":\"$reason\",\"version\":\"' OR 1=1\"}"
	rows "SELECT error_reason, version FROM progress_log" "$reason|' OR 1=1"
	db "SELECT count(*) FROM device"
}

@test "ids that are empty, too long or hold control characters record nothing and get no answer" {
	long=$(printf 'x%.0s' {1..65})
	listen all -q 1 -t '#'
	db "INSERT INTO product (product_id, name) VALUES ('$(printf 'p%.0s' {1..64})', 'Longest')"
	for topic in "/lamp//firmware" "//d1/firmware" "///firmware" "/lamp/$long/firmware" "/$long/d1/firmware" "/lamp/$(printf 'ü%.0s' {1..33})/firmware"; do
		id=${topic%/firmware}
		id=${id##*/}
		for tail in pull report upgrade/progress read; do
			pub -q 1 -i "${id:-d1}" -t "$topic/$tail" -m '{"version":"1.0","progress":1}' || true
		done
	done
	settle
	refute heard_text all pull/reply
	assert_equal "$(db "SELECT count(*) FROM device WHERE device_id <> 'marker'")" 0
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
}

@test "the longest ids are served" {
	device=$(printf 'd%.0s' {1..64})
	export PRODUCT
	PRODUCT=$(printf 'p%.0s' {1..64})
	db "INSERT INTO product (product_id, name) VALUES ('$PRODUCT', 'Longest');
		INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES ('x', '$PRODUCT', 'n', '1', 1, 'md5', '$(printf %032d 0)', 'http://x/', 1)"
	assert_json "$(pull "$device" '{}')" '.version == "1"'
	rows "SELECT device_id FROM device" "$device"
}

@test "topics of any depth and length do not disturb" {
	slashes=$(printf '/%.0s' {1..199})
	for topic in "$slashes" /a/b/firmware/ /a/b/firmware//pull /a/b/firmware/pull/ /lamp/d1/firmware/pull/x /firmware/pull "/lamp/d1/firmware/$(printf 'x%.0s' {1..60000})"; do
		pub -q 1 -i d1 -t "$topic" -m '{}' || true
	done
	broker_lives
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}

@test "retained uplinks are taken once; what is answered is not retained" {
	pub -r -q 1 -i d1 -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	pub -r -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress -m '{"progress":5}'
	listen device -q 1 -t /lamp/d1/firmware/pull/reply
	pub -r -q 1 -i d1 -t /lamp/d1/firmware/pull -m '{}'
	retry 5 heard_count device 1
	rows "SELECT version FROM device" 1.0
	rows "SELECT progress FROM progress_log" 5
	refute sub -W 1 -t /lamp/d1/firmware/pull/reply
	settle
	heard_count device 1
}

@test "a will on a firmware topic does not disturb" {
	stdbuf -oL mosquitto_sub "${CONNECT[@]}" -i d1 -d -t x --will-topic /lamp/d1/firmware/report --will-payload '{"version":"1.0"}' \
		--will-qos 1 >"$BROKER_DIR/will" 2>&1 3>&- &
	will=$!
	retry 10 grep -q Subscribed "$BROKER_DIR/will"
	kill -9 "$will"
	broker_lives
	settle
}

@test "the catalog's loss does not stop the broker" {
	say d1 report '{"version":"1.0"}'
	rm -f "$DB" "$DB-wal" "$DB-shm"
	say d1 report '{"version":"1.1"}'
	pub -q 1 -i d1 -t /lamp/d1/firmware/pull -m '{}'
	pub -q 1 -i d2 -t /lamp/d2/firmware/upgrade/progress -m '{"progress":1}'
	listen other -t other
	pub -q 1 -t other -m works
	retry 5 heard_count other 1
	broker_lives
}

@test "a damaged catalog does not stop the broker" {
	say d1 report '{"version":"1.0"}'
	head -c 40000 /dev/urandom | dd of="$DB" bs=1 seek=4096 conv=notrunc status=none
	for ((i = 0; i < 20; i++)); do
		say "d$i" report '{"version":"1.1"}'
		pub -q 1 -i "d$i" -t "/lamp/d$i/firmware/pull" -m '{}'
	done
	listen other -t other
	pub -q 1 -t other -m works
	retry 5 heard_count other 1
	broker_lives
}
