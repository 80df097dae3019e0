#!/usr/bin/env bats
# schema/scripts/list_offered.sql tells how large the packet of an upgrade is: not less than it is, and not much more.

load ../files_helper

setup() { :; }

# DEVICE: the device is sent a task; $PUSHED are the bytes of its topic and payload.
push_bytes() {
	listen "$1" -q 1 -i witness -t "/lamp/$1/firmware/upgrade"
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type) SELECT 't-$1', firmware_id, 'n', 'push', 'part' FROM firmware WHERE version = '7.0';
		INSERT INTO task_device (task_id, device_id) VALUES ('t-$1', '$1')"
	say "$1" report '{"version":"1.0"}'
	retry 10 heard_count "$1" 1
	PUSHED=$(heard "$1" | sed -E 's/^[0-9] [0-9] ([^ ]+) /\1/' | tr -d '\n' | wc -c)
}

# VERSION: what the script says.
told_bytes() { db -cmd '.mode list' <"$FW_SOURCE/schema/scripts/list_offered.sql" | awk -F'│' -v version=" $1 " '$4 ~ version { print $9 + 0 }'; }

# DEVICE SLACK: what the script says holds the header (at least 2 bytes), the topic's length and the packet id, and is not much more.
told_well() {
	local told
	push_bytes "$1"
	told=$(told_bytes 7.0)
	echo "$PUSHED bytes and a header, told: $told"
	((told >= PUSHED + 6 && told <= PUSHED + $2))
}

@test "of firmware that is hosted elsewhere" {
	start_broker
	catalog
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, sign, url, size, parameters)
		VALUES ('seven', 'lamp', 'n', '7.0', 70, 'sha256', printf('%064d', 1), 'http://h/' || printf('%0500d', 1), 12345678, '{\"a\":\"ü\\\\n\"}')"
	say a-long-device-id report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	told_well a-long-device-id 24
}

@test "of a file, with URLs that expire" {
	start_with_files 'plugin_opt_url_ttl_seconds 600'
	drop f.bin
	add_file seven 7 f.bin
	becomes seven ready
	say d1-2 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	told_well d1-2 40
}
