#!/usr/bin/env bats
# "Answering a pull" of the contract, step by step, without tasks.

load ../helper

policy() { db "UPDATE product SET pull_policy = '$1' WHERE product_id = 'lamp'"; }
version_of() { member "$1" version; }
code_of() { member "$1" code; }

# JSON CODE: what every failed answer looks like.
assert_failure() {
	assert_json "$1" '.success == false and (.message | length > 10) and (has("url") | not) and (.timestamp | type == "number")'
	assert_equal "$(code_of "$1")" "$2"
}

@test "an offer has all that a device needs" {
	db "UPDATE firmware SET parameters = '{\"slot\": 2, \"note\": \"ä\"}' WHERE version = '2.0'"
	before=$(date +%s%3N)
	reply=$(pull d1 '{"messageId":"m1"}')
	after=$(date +%s%3N)
	assert_json "$reply" 'del(.timestamp) == {messageId: "m1", url: "http://files.test/2.0", version: "2.0",
		parameters: {slot: 2, note: "ä"}, sign: "0000000000000000000000000000000000000000000000000000000000000003",
		signMethod: "sha256", firmwareId: "lamp-2.0", size: 3000}'
	assert_json "$reply" ".timestamp >= $before and .timestamp <= $after"
}

@test "messageId is echoed as it came, and left out when absent" {
	assert_json "$(pull d1 '{"messageId":"a \"b\" \\ \u00e4"}')" '.messageId == "a \"b\" \\ ä"'
	assert_json "$(pull d1 '{"messageId":42}')" '.messageId == 42'
	[[ $(pull d1 '{"messageId":9007199254740993}') == *9007199254740993* ]]
	[[ $(pull d1 '{"messageId":18446744073709551615,"currentVersion":"1.0"}') == *'"messageId":18446744073709551615,"url":'* ]]
	[[ $(pull d1 '{"messageId":1.10,"serial":99999999999999999999}') == *'"messageId":1.10,"url":'* ]]
	assert_json "$(pull d1 '{"messageId":"42"}')" '.messageId == "42"'
	assert_json "$(pull d1 '{}')" 'has("messageId") | not'
	assert_json "$(pull d1 '{"messageId":""}')" 'has("messageId") | not'
	assert_json "$(pull d1 '{"messageId":null}')" 'has("messageId") | not'
	assert_json "$(pull d1 '{"messageId":7,"requestVersion":"none"}')" '.messageId == 7 and .code == "version_not_found"'
}

@test "step 1: what is no request is a bad request" {
	for request in '' 'x' '[]' '"pull"' '{"currentVersion":1}' '{"requestVersion":{}}' '{"messageId":[],"currentVersion":1}'; do
		assert_failure "$(pull d1 "$request")" bad_request
	done
	assert_json "$(pull d1 '{"messageId":"m","currentVersion":1}')" '.messageId == "m"'
}

@test "step 1: a product that is not in the catalog" {
	PRODUCT=toaster
	assert_failure "$(pull d1 '{"messageId":1}')" unknown_product
	assert_failure "$(pull d1 '{"requestVersion":"1.0"}')" unknown_product
	assert_failure "$(pull d1 'x')" bad_request
	settle
	rows "SELECT count(*) FROM device WHERE product_id = 'toaster'" 0
}

@test "step 1: a product whose firmware is disabled" {
	PRODUCT=oven
	assert_failure "$(pull d1 '{}')" firmware_disabled
	assert_failure "$(pull d1 '{"requestVersion":"9.0"}')" firmware_disabled
	assert_failure "$(pull d1 '{"requestVersion":"8.0"}')" firmware_disabled
	db "UPDATE product SET firmware_enabled = 1 WHERE product_id = 'oven'"
	assert_equal "$(version_of "$(pull d1 '{}')")" 9.0
}

@test "step 2: a requested version is given whatever its order" {
	assert_equal "$(version_of "$(pull d1 '{"requestVersion":"1.0","currentVersion":"2.0"}')")" 1.0
	assert_equal "$(version_of "$(pull d1 '{"requestVersion":"2.0","currentVersion":"2.0"}')")" 2.0
	policy task
	assert_equal "$(version_of "$(pull d1 '{"requestVersion":"1.1"}')")" 1.1
}

@test "step 2: a version that is not there, or not ready, is not found" {
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('p', 'lamp', 'Pending', '3.0', 4, 'lamp.bin')"
	# pending, or rejected by now: its file is not there
	assert_equal "$(db "SELECT state <> 'ready' FROM firmware WHERE firmware_id = 'p'")" 1
	assert_failure "$(pull d1 '{"requestVersion":"3.0"}')" version_not_found
	assert_failure "$(pull d1 '{"requestVersion":"7.7"}')" version_not_found
	assert_failure "$(pull d1 '{"requestVersion":"9.0"}')" version_not_found
	assert_equal "$(version_of "$(pull d1 '{"requestVersion":""}')")" 2.0
	assert_equal "$(version_of "$(pull d1 '{"requestVersion":null}')")" 2.0
}

@test "step 4, latest: the highest order that is ready" {
	assert_equal "$(version_of "$(pull d1 '{}')")" 2.0
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.0"}')")" 2.0
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"unheard of"}')")" 2.0
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('p', 'lamp', 'Pending', '3.0', 4, 'lamp.bin')"
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.0"}')")" 2.0
}

@test "step 4, latest: the order decides, not the version's text" {
	db "INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES $(firmware 0.5-hotfix 1000000)"
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"2.0"}')")" 0.5-hotfix
}

@test "step 4, stepwise: the lowest order above the current one" {
	policy stepwise
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.0"}')")" 1.1
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.1"}')")" 2.0
	assert_failure "$(pull d1 '{"currentVersion":"2.0"}')" no_update
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"unheard of"}')")" 1.0
	assert_equal "$(version_of "$(pull d2 '{}')")" 1.0
}

@test "step 4, stepwise: what is not ready is stepped over" {
	policy stepwise
	db "DELETE FROM firmware WHERE version = '1.1';
		INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('p', 'lamp', 'Pending', '1.1', 2, 'lamp.bin')"
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.0"}')")" 2.0
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.1"}')")" 2.0
}

@test "step 4, task: nothing without a task" {
	policy task
	assert_failure "$(pull d1 '{}')" no_update
	assert_failure "$(pull d1 '{"currentVersion":"1.0"}')" no_update
}

@test "step 5: no update for a device that is not below the candidate" {
	assert_failure "$(pull d1 '{"currentVersion":"2.0","messageId":"m"}')" no_update
	db "DELETE FROM firmware WHERE version = '1.1'; UPDATE firmware SET version_order = 10 WHERE version = '1.0'"
	assert_failure "$(pull d1 '{"currentVersion":"1.0"}')" no_update
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"2.0"}')")" 1.0
}

@test "the current version is the one in the pull, or else the one recorded" {
	say d1 report '{"version":"2.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 2.0
	assert_failure "$(pull d1 '{}')" no_update
	assert_failure "$(pull d1 '{"currentVersion":""}')" no_update
	assert_equal "$(version_of "$(pull d1 '{"currentVersion":"1.0"}')")" 2.0
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	assert_equal "$(version_of "$(pull d1 '{}')")" 2.0
}

@test "a report counts for the pull that follows its acknowledgement" {
	for version in 2.0 1.0 2.0 1.1 2.0; do
		say d1 report "{\"version\":\"$version\"}"
		reply=$(pull d1 '{}')
		if [[ $version == 2.0 ]]; then
			assert_failure "$reply" no_update
		else
			assert_equal "$(version_of "$reply")" 2.0
		fi
	done
}

@test "a pull registers the device and records its version" {
	now=$(date +%s%3N)
	pull d1 "{\"timestamp\":$now,\"currentVersion\":\"1.0\"}"
	pull d2 '{}'
	rows "SELECT product_id, device_id, version FROM device ORDER BY device_id" $'lamp|d1|1.0\nlamp|d2|'
	rows "SELECT device_id, version, previous_version, reported_at FROM version_log" "d1|1.0||$now"
	assert_equal "$(db "SELECT count(*) FROM device WHERE last_seen_at BETWEEN strftime('%s') * 1000 - 60000 AND strftime('%s') * 1000 + 60000")" 2
	pull d1 '{"currentVersion":"1.1"}'
	rows "SELECT version, previous_version FROM version_log ORDER BY log_id" $'1.0|\n1.1|1.0'
	pull d1 '{"currentVersion":"1.1"}'
	settle
	rows "SELECT count(*) FROM version_log WHERE device_id = 'd1'" 2
	# what an operator does to the device meanwhile is heard of
	pull d2 '{"currentVersion":"1.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd2'" 1.0
	db "DELETE FROM device WHERE device_id = 'd1'; UPDATE device SET version = '0.9' WHERE device_id = 'd2'"
	pull d1 '{"currentVersion":"1.1"}'
	pull d2 '{"currentVersion":"1.0"}'
	rows "SELECT device_id, version FROM device WHERE device_id LIKE 'd_' ORDER BY device_id" $'d1|1.1\nd2|1.0'
}

@test "a bad request records nothing" {
	pull d1 '{"currentVersion":["1.0"]}'
	settle
	rows "SELECT count(*) FROM device WHERE device_id = 'd1'" 0
}

@test "the reply has the request's QoS and is never retained" {
	for version in mqttv5 mqttv311; do
		for qos in 0 1 2; do
			assert_equal "$(pull d1 '{}' -V "$version" -q "$qos" -F '%q %r %t')" "$qos 0 /lamp/d1/firmware/pull/reply"
		done
	done
	refute sub -W 1 -t '/lamp/+/firmware/#'
}

@test "a reply's QoS is the request's, not the subscription's" {
	listen device -q 2 -t /lamp/d1/firmware/pull/reply
	say d1 pull '{"messageId":0}' -q 0
	retry 5 heard_count device 1
	say d1 pull '{"messageId":1}' -q 1
	retry 5 heard_count device 2
	say d1 pull '{"messageId":2}' -q 2
	retry 5 heard_count device 3
	assert_equal "$(heard device | cut -d' ' -f1,2)" $'0 0\n1 0\n2 0'
}

@test "only the device that asked is answered, and the pull reaches other subscribers" {
	listen other -q 1 -t /lamp/d2/firmware/# -t /lamp/+/firmware/pull
	pull d1 '{"messageId":5}'
	retry 5 heard_count other 1
	settle
	assert_equal "$(heard other)" '1 0 /lamp/d1/firmware/pull {"messageId":5}'
}

@test "an operator's committed change is seen by the next pull" {
	for order in 10 11 12 13 14 15 16 17 18 19; do
		db "INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES $(firmware "v$order" "$order")"
		assert_equal "$(version_of "$(pull d1 '{}')")" "v$order"
	done
	db "UPDATE firmware SET url = 'http://cdn.test/new' WHERE version = 'v19'"
	assert_json "$(pull d1 '{}')" '.url == "http://cdn.test/new"'
	db "UPDATE firmware SET parameters = '{\"a\":1}' WHERE version = 'v19'"
	assert_json "$(pull d1 '{}')" '.parameters == {a: 1}'
	db "DELETE FROM firmware WHERE version = 'v19'"
	assert_equal "$(version_of "$(pull d1 '{}')")" v18
	policy task
	assert_failure "$(pull d1 '{}')" no_update
	db "UPDATE product SET firmware_enabled = 0"
	assert_failure "$(pull d1 '{}')" firmware_disabled
	db "INSERT INTO product (product_id, name) VALUES ('toaster', 'Toaster');
		INSERT INTO device (product_id, device_id) VALUES ('toaster', 'd1')"
	PRODUCT=toaster
	assert_failure "$(pull d1 '{}')" no_update
	db "INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES $(firmware 1 1 toaster)"
	assert_equal "$(version_of "$(pull d1 '{}')")" 1
}

@test "an open transaction of an operator is not seen, and holds nothing up" {
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; UPDATE firmware SET url = 'http://not.yet/' WHERE version = '2.0'; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r -t 5 answer <&"${OPERATOR[0]}"
	assert_equal "$answer" open
	assert_json "$(pull d1 '{"currentVersion":"1.0"}')" '.url == "http://files.test/2.0"'
	assert_json "$(pull new '{}')" '.url == "http://files.test/2.0"'
	echo "COMMIT; SELECT 'done';" >&"${OPERATOR[1]}"
	read -r -t 5 answer <&"${OPERATOR[0]}"
	assert_json "$(pull d1 '{"currentVersion":"1.0"}')" '.url == "http://not.yet/"'
	rows "SELECT device_id, version FROM device ORDER BY 1" $'d1|1.0\nnew|'
}

@test "many pulls on one connection are all answered, in order" {
	listen device -q 1 -t /lamp/d1/firmware/pull/reply
	for ((i = 0; i < 500; i++)); do echo "{\"messageId\":$i}"; done |
		pub -q 1 -i d1 -l -t /lamp/d1/firmware/pull
	retry 10 heard_count device 500
	assert_equal "$(heard device | cut -d' ' -f4- | jq .messageId)" "$(seq 0 499)"
}

@test "ids may be any UTF-8 text" {
	db "INSERT INTO product (product_id, name) VALUES ('lámpara %s', 'Lámpara');
		INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES ('u', 'lámpara %s', 'n', 'версия 1', 1, 'md5', '$(printf %032d 0)', 'http://x/', 1)"
	export PRODUCT='lámpara %s'
	assert_json "$(pull 'кухня "1" $' '{}')" '.version == "версия 1" and .firmwareId == "u"'
	rows "SELECT product_id, device_id FROM device" 'lámpara %s|кухня "1" $'
}
