#!/usr/bin/env bats
# How much a device may say: the option `device_rate_per_minute`.

load ../helper

# COUNT TAIL PAYLOAD [ID]: publishes with MQTT 5 and QoS 1 on one connection as fast as it can; prints how often each reason code came back.
codes() {
	timeout 60 env SOCKET="$BROKER_DIR/socket" /usr/bin/python3 - "$@" <<-'END'
		import collections, os, socket, struct, sys

		def text(value):
		    return struct.pack("!H", len(value.encode())) + value.encode()

		def packet(head, body):
		    size, length = b"", len(body)
		    while True:
		        length, digit = divmod(length, 128)
		        size += bytes([digit | (128 if length else 0)])
		        if not length:
		            return bytes([head]) + size + body

		def received():
		    head = stream.read(2)
		    return head[0], stream.read(head[1])

		count, tail, payload = int(sys.argv[1]), sys.argv[2], sys.argv[3]
		name = sys.argv[4] if len(sys.argv) > 4 else "d1"
		connection = socket.socket(socket.AF_UNIX)
		connection.connect(os.environ["SOCKET"])
		stream = connection.makefile("rb")
		connection.sendall(packet(0x10, text("MQTT") + bytes([5, 2, 0, 60, 0]) + text(name)))
		assert received()[1][1] == 0
		seen = collections.Counter()
		for mid in range(1, count + 1):
		    # of which the numbers differ
		    said = payload.replace("%", str(mid)).encode()
		    connection.sendall(packet(0x32, text(f"/lamp/{name}/firmware/{tail}") + struct.pack("!HB", mid, 0) + said))
		    head, body = received()
		    assert head == 0x40, head
		    seen[body[2] if len(body) > 2 else 0] += 1
		# 0x10: nobody subscribes to it
		print(seen[0] + seen[0x10], *(f"{seen[code]}*{code:02x}" for code in sorted(seen) if code not in (0, 0x10)))
	END
}

# What the broker says to what is too much.
code() { if on_2_0; then echo 87; else echo 97; fi; }

limit() { # PER MINUTE
	start_broker "plugin_opt_device_rate_per_minute $1"
	catalog
}

setup() { :; }

@test "what a device says beyond its rate is refused, acknowledged, counted and logged; others notice nothing" {
	limit 6
	listen all -q 1 -t '/lamp/#'
	assert_equal "$(codes 20 report '{"version":"%","timestamp":%}')" "6 14*$(code)"
	for tail in upgrade/progress upgrade/reply read/reply pull; do
		assert_equal "$(codes 1 "$tail" '{"version":"x"}')" "0 1*$(code)"
	done
	pub -q 1 -i d1 -t /lamp/d1/firmware/report -m '{"version":"y"}' # MQTT 3.1.1: acknowledged
	assert_equal "$(codes 5 report '{"version":"%"}' d2)" 5
	rows "SELECT version FROM device WHERE device_id = 'd1'" 6
	assert_equal "$(heard all | grep -c ' /lamp/d1/')" 6
	assert_equal "$(grep -c 'refused report from client d1 on /lamp/d1/firmware/report: the device says more than plugin_opt_device_rate_per_minute (6) allows' "$LOG")" 1
	retry 15 counter_is messages/limited 19
	# it is by its rate, not for ever: one comes back in ten seconds
	gets_through() { [[ $(codes 1 report '{"version":"z"}') == 1 ]]; }
	retry 15 gets_through
	rows "SELECT version FROM device WHERE device_id = 'd1'" z
}

@test "neither another connection nor another client of the device gets it more, and who speaks for it in vain costs it nothing" {
	start_broker 'plugin_opt_device_rate_per_minute 30' 'plugin_opt_identity username'
	catalog
	for ((i = 0; i < 40; i++)); do pub -q 1 -i "evil $i" -u evil -t /lamp/d1/firmware/report -m '{"version":"6.6.6"}'; done
	for ((i = 0; i < 40; i++)); do pub -q 1 -i "c$i" -u d1 -t /lamp/d1/firmware/report -m "{\"version\":\"$i\"}"; done
	rows "SELECT count(*) BETWEEN 30 AND 33 FROM version_log WHERE device_id = 'd1'" 1
	pub -q 1 -i x -u d2 -t /lamp/d2/firmware/report -m '{"version":"1.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd2'" 1.0
}

@test "an operator who speaks for a device is not held to it, and neither are chunks" {
	start_broker 'plugin_opt_device_rate_per_minute 3' 'plugin_opt_operators admin'
	catalog
	assert_equal "$(codes 20 chunk '{"firmwareId":"lamp-2.0","offset":0,"length":%}')" 20
	for i in 1 2 3 4 5 6; do accepted pub -q 1 -i console -u admin -t /lamp/d1/firmware/report -m "{\"version\":\"$i\"}"; done
	rows "SELECT version FROM device WHERE device_id = 'd1'" 6
}

@test "no limit" {
	limit 0
	assert_equal "$(codes 3000 report '{"version":"%"}')" 3000
}

# PAYLOAD: sends as much as a device may say at once by default, a progress that completes; prints the bytes that the catalog grew by for each token.
bytes_a_token() {
	local before
	db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
	before=$(stat -c %s "$DB")
	codes 1500 upgrade/progress "$1" "$NAME" >/dev/null
	settle
	retry 10 db_is 'PRAGMA wal_checkpoint(TRUNCATE)' '0|0|0'
	echo $((($(stat -c %s "$DB") - before) / 1200))
}

# What costs most is a change of the version with a long name each time: it is written down three times.
@test "a hostile hour costs less than 100 MB, whatever a device says" {
	local version reason bytes size
	NAME=$(printf 'd%.0s' {1..64})
	local sizes=('1 1' '1 1000' '60 1' '60 1000')
	[[ -z ${FW_LONG:-} ]] || sizes+=('1 150' '20 1' '32 20' '60 500')
	for size in "${sizes[@]}"; do
		version=$(printf '\U1f4a1%.0s' $(seq "${size% *}"))
		reason=$(printf 'x%.0s' $(seq "${size#* }"))
		limit 1200
		bytes=$(bytes_a_token "{\"timestamp\":%,\"complete\":true,\"version\":\"%$version\",\"success\":true,\"errorReason\":\"$reason\"}")
		echo "version of $size characters: $bytes bytes a token, $((bytes * 60 * 1200 / 1000000)) MB an hour"
		((bytes > 200 && bytes * 60 * 1200 < 100000000))
		stop_broker
		rm -f "$DB"*
	done
}
