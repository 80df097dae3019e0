#!/usr/bin/env bats
# Download over MQTT.

load ../files_helper

setup() {
	FILES=$BATS_TEST_TMPDIR/firmware
	cd "$BATS_TEST_TMPDIR" || return 1
	PORT=$(free_port)
	start_broker "listener $PORT 127.0.0.1"
	catalog
	drop a.bin 300001
	add_file f 30 a.bin
	becomes f ready
}

device() { # DEVICE OPTION...: downloads into the file got-DEVICE
	timeout 120 env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$FW_SOURCE/tests/integration/chunk_device.py" "$PORT" lamp "$1" "got-$1" "${@:2}"
}

# OFFSET LENGTH [OPTION of mosquitto_rr...]: the bytes.
chunk() {
	rr -q 1 -N -i d1 -t /lamp/d1/firmware/chunk -e "/lamp/d1/firmware/chunk/reply/f/$1" -m "{\"firmwareId\":\"f\",\"offset\":$1,\"length\":$2}" "${@:3}"
}

# JSON [OPTION...]: the answer on chunk/error.
chunk_error() { rr -q 1 -i d1 -t /lamp/d1/firmware/chunk -e /lamp/d1/firmware/chunk/error -m "$1" "${@:2}"; }

@test "any offset and length, again and again, to the end" {
	local range
	for range in '0 1' '0 65536' '1 65535' '299999 65536' '300000 1' '100 10' '100 10'; do
		# shellcheck disable=SC2086 # two words
		chunk $range >part
		cmp part <(tail -c +$((${range% *} + 1)) "$FILES/a.bin" | head -c "${range#* }")
	done
	rr -q 1 -i d1 -t /lamp/d1/firmware/chunk -e /lamp/d1/firmware/chunk/reply/f/300001 -m '{"firmwareId":"f","offset":300001,"length":5}' -F '%l' >len
	assert_equal "$(<len)" 0
}

@test "without HTTP the offer says so" {
	assert_json "$(pull d1 '{}')" '.url == "chunk:f" and .size == 300001'
}

@test "mistakes are answered on chunk/error" {
	drop b.bin
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('other', 'oven', 'x', '30', 30, 'b.bin')"
	add_file bad 31 b.bin size=1
	becomes other ready
	becomes bad rejected
	assert_json "$(chunk_error '{"messageId":"m","firmwareId":"nope","offset":0,"length":1}')" '.code == "not_found" and .messageId == "m" and (.message | length > 0) and .timestamp > 0'
	assert_json "$(chunk_error '{"messageId":7,"firmwareId":"other","offset":0,"length":1}')" '.code == "not_found" and .messageId == 7'
	assert_json "$(chunk_error '{"firmwareId":"bad","offset":0,"length":1}')" '.code == "not_found" and (has("messageId") | not)'
	assert_json "$(chunk_error '{"firmwareId":"lamp-2.0","offset":0,"length":1}')" '.code == "not_found"'
	assert_json "$(chunk_error '{"firmwareId":"f","offset":0,"length":65537}')" '.code == "too_large" and (.message | contains("65536"))'
	assert_json "$(chunk_error '{"firmwareId":"f","offset":300002,"length":1}')" '.code == "bad_request"'
	assert_json "$(chunk_error '{"firmwareId":"f","offset":9223372036854775807,"length":65536}')" '.code == "bad_request"'
	# whichever is refused, by whichever thread: several may be under way
	assert_json "$(chunk_error '{"firmwareId":"f","offset":7,"length":65537}')" '.firmwareId == "f" and .offset == 7'
	assert_json "$(chunk_error '{"firmwareId":"nope","offset":8,"length":1}')" '.firmwareId == "nope" and .offset == 8'
	assert_json "$(chunk_error '{"firmwareId":"f","offset":9}')" '.firmwareId == "f" and .offset == 9'
	assert_json "$(chunk_error '{"firmwareId":"f","length":1}')" '.firmwareId == "f" and (has("offset") | not)'
	assert_json "$(chunk_error '{"firmwareId":"../f","offset":9,"length":1}')" 'has("firmwareId") | not'
	for json in '{"firmwareId":"f","offset":0}' '{"firmwareId":"f","length":1}' '{"offset":0,"length":1}' '{"firmwareId":"f","offset":-1,"length":1}' \
		'{"firmwareId":"f","offset":0,"length":0}' '{"firmwareId":"../f","offset":0,"length":1}' '{"firmwareId":"f","offset":"0","length":1}' 'rubbish' '[]'; do
		assert_json "$(chunk_error "$json")" '.code == "bad_request"'
	done
}

@test "MQTT 5: bytes go to the response topic, with the correlation data; errors go to chunk/error" {
	rr -q 1 -N -i d1 -V mqttv5 -t /lamp/d1/firmware/chunk -e /lamp/d1/in -m '{"firmwareId":"f","offset":3,"length":9}' -D publish correlation-data c-1 >part
	cmp part <(tail -c +4 "$FILES/a.bin" | head -c 9)
	listen seen -i ear -V mqttv5 -q 1 -t /lamp/+/firmware/chunk/error -t /lamp/+/firmware/chunk/reply/# -t /lamp/d2/#
	pub -q 1 -i d1 -V mqttv5 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":3,"length":9}' -D publish response-topic /lamp/d2/firmware/upgrade
	retry 5 heard_text seen '/lamp/d1/firmware/chunk/reply/f/3 '
	pub -q 1 -i d1 -V mqttv5 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":3,"length":99999}' -D publish response-topic /lamp/d1/in
	retry 5 heard_text seen '/lamp/d1/firmware/chunk/error '
	refute heard_text seen /lamp/d2/
}

@test "MQTT 5: an operator who asks for a device has the bytes below its own name, not the device's" {
	stop_broker
	start_broker "listener $PORT 127.0.0.1" 'plugin_opt_operators admin'
	rr -q 1 -N -i console -u admin -V mqttv5 -t /lamp/d1/firmware/chunk -e /lamp/console/in -m '{"firmwareId":"f","offset":3,"length":9}' >part
	cmp part <(tail -c +4 "$FILES/a.bin" | head -c 9)
	listen seen -i ear -V mqttv5 -q 1 -t /lamp/d1/#
	pub -q 1 -i console -u admin -V mqttv5 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":3,"length":9}' -D publish response-topic /lamp/d1/in
	retry 5 heard_text seen '/lamp/d1/firmware/chunk/reply/f/3 '
	refute heard_text seen /lamp/d1/in
}

@test "only the device asks for itself, and nobody else publishes chunks" {
	refused pub -q 1 -i d2 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":0,"length":1}'
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/chunk/reply/f/0 -m x
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/chunk/error -m '{}'
}

@test "a device downloads all of it, at QoS 0 and 1" {
	device d1
	cmp got-d1 "$FILES/a.bin"
	device d2 --qos 1 --window 16 --length 65536
	cmp got-d2 "$FILES/a.bin"
	rows "SELECT device_id, reached, total, completed_at IS NOT NULL, bytes >= total, requests >= 5 FROM download ORDER BY 1" $'d1|300001|300001|1|1|1\nd2|300001|300001|1|1|1'
}

@test "complete is what was sent whole, in whatever order" {
	say d1 report '{"version":"1.0"}'
	settle
	chunk 250000 65536 >part
	rows "SELECT covered, ranges, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '50001|250000-300000|1'
	chunk 300001 10 -F %l >part
	chunk 0 65536 >part
	chunk 60000 65536 >part
	rows "SELECT covered, ranges, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '175537|0-125535,250000-300000|1'
	chunk 190000 65536 >part
	chunk 125536 65000 >part
	rows "SELECT covered, completed_at IS NULL FROM download JOIN download_range USING (product_id, device_id, firmware_id)" '300001|0'
}

@test "a device that asks faster than its share a second waits, and is not refused" {
	drop large.bin 9000000
	add_file large 31 large.bin
	becomes large ready
	device d1 --window 8 --length 65536
	cmp got-d1 "$FILES/large.bin"
}

@test "devices that ask for more than all may have together wait, and are not refused" {
	local device
	stop_broker
	sed -i '$a plugin_opt_chunk_rate_total 300000' "$BROKER_DIR/mosquitto.conf"
	start_broker
	listen errors -i ear -q 1 -t /lamp/+/firmware/chunk/error
	SECONDS=0
	for device in d1 d2 d3 d4; do
		device $device --qos 1 >"out-$device" 3>&- &
		BACKGROUND+=($!)
	done
	wait "${BACKGROUND[@]: -4}"
	# 1,200,004 bytes at 300,000 a second
	((SECONDS >= 3))
	for device in d1 d2 d3 d4; do cmp got-$device "$FILES/a.bin"; done
	heard_count errors 0
}

@test "what is published expires: chunks after 30 seconds, their errors after 60" {
	listen seen -i ear -V mqttv5 -q 1 -t '/lamp/d1/firmware/chunk/#' -F '= %E %r %t %l'
	pub -q 1 -i d1 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":3,"length":9}'
	pub -q 1 -i d1 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"nope","offset":3,"length":9}'
	pub -q 1 -i d1 -t /lamp/d1/firmware/chunk -m '{"firmwareId":"f","offset":3,"length":99999}'
	retry 5 heard_count seen 6
	assert_equal "$(heard seen | grep -c '^\(30\|29\) 0 /lamp/d1/firmware/chunk/reply/f/3 9$')" 1
	assert_equal "$(heard seen | grep -c '^\(60\|59\) .*/chunk/error ')" 2
}

@test "over a link that loses one in five, killed twice, resumed, and bit by bit the same" {
	local try
	for try in 1 2; do
		rm -f out
		device d1 --loss 20 --length 2000 --pause 0.01 >out 3>&- &
		BACKGROUND+=($!)
		retry 10 enough $((try * 20))
		kill -9 "$(awk '{ print $3 }' out)"
		wait "${BACKGROUND[-1]}" || true
	done
	kill_broker
	start_broker
	device d1 --loss 20 --length 2000 --window 8 >out
	cmp got-d1 "$FILES/a.bin"
	grep -q '^resumed' out
	grep -Eq ', [1-9][0-9]* of them lost' out
}
# The device has told its process, and has that many chunks.
enough() { [[ -s out && -e got-d1.map && $(wc -l <got-d1.map) -ge $1 ]]; }

@test "the file is changed under way: no byte of the new one" {
	chunk 0 10 >part
	printf "other bytes here" | dd of="$FILES/a.bin" conv=notrunc status=none
	assert_json "$(chunk_error '{"firmwareId":"f","offset":0,"length":10}')" '.code == "not_found"'
}

@test "withdrawn or deleted firmware is not sent any further" {
	local verb
	for verb in "UPDATE firmware SET state = 'rejected'" 'DELETE FROM firmware'; do
		chunk 0 10 | cmp - <(head -c 10 "$FILES/a.bin")
		db "$verb WHERE firmware_id = 'f'"
		assert_json "$(chunk_error '{"firmwareId":"f","offset":0,"length":10}')" '.code == "not_found"'
		db "DELETE FROM firmware WHERE firmware_id = 'f'"
		add_file f 30 a.bin
		becomes f ready
	done
}

@test "a device that asks for everything at once is told to wait, and others are served" {
	stop_broker
	sed -i '$a plugin_opt_chunk_max_bytes 1048576' "$BROKER_DIR/mosquitto.conf"
	start_broker
	truncate -s 40M "$FILES/big.bin"
	add_file big 31 big.bin
	becomes big ready
	listen errors -i ear -q 1 -t /lamp/greedy/firmware/chunk/error
	for i in $(seq 0 199); do echo "{\"firmwareId\":\"big\",\"offset\":$((i * 1000)),\"length\":1048576}"; done |
		pub -q 0 -i greedy -t /lamp/greedy/firmware/chunk -l
	retry 10 heard_text errors '"code":"busy"'
	chunk 0 10 | cmp - <(head -c 10 "$FILES/a.bin")
	(($(awk '/VmHWM/ {print $2}' "/proc/$BROKER/status") < 120000))
}
