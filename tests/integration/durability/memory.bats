#!/usr/bin/env bats
# The broker's own memory stays what it is once it is warm, whatever number of messages, devices and products comes.
# FW_LONG=1: over a million messages. In the short form, too, the smallest block (32 bytes) lost at each message shows.

load ../helper

if [[ -n ${FW_LONG:-} ]]; then MANY=1200000 FEW=60000 LIMIT=2048; else MANY=36000 FEW=6000 LIMIT=704; fi # KiB

# Anonymous memory, in KiB: what is mapped from files, such as SQLite's shared index, is the kernel's to take back.
memory() { awk '/^RssAnon:/ { print $2 }' "/proc/$BROKER/status"; }

flood() {
	timeout 900 env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" \
		/usr/bin/python3 "$FW_SOURCE/tests/integration/flood.py" "$@"
}

# NAME: all that came before is in the catalog.
applied() {
	say marker report "{\"version\":\"$1\"}"
	retry 600 db_is "SELECT version FROM device WHERE device_id = 'marker'" "$1"
}

# KIND COUNT KIB [WARM-UP]: after a warm-up so many messages cost at most that memory.
flat() {
	local before after
	flood "$1" "${4:-$(($2 / 3))}" warm
	applied warm
	before=$(memory)
	flood "$1" "$2" hot
	applied hot
	after=$(memory)
	echo "# $1: $2 messages, $before KiB before, $after KiB after" >&3
	((after - before <= $3)) && return
	echo "$1: memory grew from $before to $after KiB over $2 messages"
	return 1
}

@test "memory is flat over many messages of every kind" {
	flat steady "$MANY" "$LIMIT"
}

@test "refused floods of a client's made-up devices and products take no memory" {
	flat devices "$((MANY / 3))" "$((LIMIT / 2))"
	flat products "$((MANY / 3))" "$((LIMIT / 2))"
	[[ -n ${FW_LONG:-} ]] || return 0
	flat reads "$((MANY / 3))" "$((LIMIT / 2))"
	flat others "$((MANY / 3))" "$((LIMIT / 2))"
}

@test "client ids never seen before take no memory once they are gone" {
	flat clients "$FEW" 1024
}

@test "identity none: made-up devices and products take no memory" {
	only_long
	stop_broker
	start_broker 'plugin_opt_identity none'
	# more than the catalog's cache holds
	flat products "$MANY" "$LIMIT" 140000
	# each registers a device: SQLite's caches fill up
	flat devices "$((MANY / 6))" "$((12 * LIMIT))"
	flat reads "$((MANY / 3))" "$((LIMIT / 2))"
}
