#!/usr/bin/env bats
# For which products a device is served: the option `registration`.

load ../helper

UPLINKS=(pull report upgrade/progress upgrade/reply read/reply chunk)
MESSAGE='{"version":"1.0","currentVersion":"1.0","progress":5,"timestamp":1,"firmwareId":"tap-1.0","offset":0,"length":1}'
DEVICES="SELECT product_id || '/' || device_id FROM device WHERE device_id <> 'marker' ORDER BY 1"

# Another product, with firmware that is offered.
setup() { start_broker && two_products; }
two_products() {
	catalog
	db "INSERT INTO product (product_id, name) VALUES ('tap', 'Tap');
		INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES $(firmware 1.0 1 tap), $(firmware 2.0 2 tap)"
}

restart() { # LINE...: another configuration, the same catalog
	stop_broker
	start_broker "$@"
}

# OPTION of mosquitto_pub...: all that a device can say in the product `tap` is refused.
foreign() {
	local tail
	for tail in "${UPLINKS[@]}"; do
		refused pub -q 1 -t "/tap/d1/firmware/$tail" -m "$MESSAGE" "$@"
		refused pub -q 2 -t "/tap/d1/firmware/$tail" -m "$MESSAGE" "$@"
		pub -q 0 -t "/tap/d1/firmware/$tail" -m "$MESSAGE" "$@"
		pub -q 1 -t "/tap/d1/firmware/$tail" -m "$MESSAGE" "$@" # MQTT 3.1.1: acknowledged
	done
}

# The same is as if it was never said.
without_trace() {
	settle
	refute heard_text all /tap/
	assert_equal "$(db "$DEVICES")" "lamp/d1"
	assert_equal "$(db "SELECT count(*) FROM progress_log WHERE product_id = 'tap'")" 0
}

hold_catalog() { # an operator's transaction, until release_catalog
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo 'BEGIN IMMEDIATE; SELECT 1;' >&"${OPERATOR[1]}"
	read -r -t 10 _ <&"${OPERATOR[0]}"
}
release_catalog() {
	printf 'COMMIT;\n.quit\n' >&"${OPERATOR[1]}"
	wait "$OPERATOR_PID" || true
}

@test "once: a device of one product is none of another" {
	listen all -q 2 -t '/tap/#'
	say d1 report '{"version":"1.0"}'
	foreign -i d1
	without_trace
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
	grep -q 'refused pull from client d1 on /tap/d1/firmware/pull: the client is not that device: its id belongs to another product' "$LOG"
	retry 15 counter_is messages/refused 24
}

@test "once: whatever a device says first registers it" {
	local tail id
	for tail in "${UPLINKS[@]}"; do
		id=by-${tail//\//-}
		accepted pub -q 1 -i "$id" -t "/lamp/$id/firmware/$tail" -m "${MESSAGE//tap/lamp}"
		refused pub -q 1 -i "$id" -t "/tap/$id/firmware/pull" -m '{}'
		rows "SELECT group_concat(product_id) FROM device WHERE device_id = '$id'" lamp
		refused pub -q 1 -i "$id" -t "/tap/$id/firmware/pull" -m '{}'
	done
}

@test "once: what was refused, or makes no sense, registers nobody" {
	refused pub -q 1 -i evil -t /tap/d1/firmware/report -m '{"version":"1.0"}'
	pub -q 1 -i d1 -t /tap/d1/firmware/report -m 'no JSON'
	pub -q 1 -i d1 -t /tap/d1/firmware/pull -m 'no JSON'
	pub -q 1 -i d1 -t /toaster/d1/firmware/pull -m '{}'
	accepted say d1 report '{"version":"1.0"}'
	rows "$DEVICES" lamp/d1
}

@test "once: the first two messages of an id, one behind the other" {
	raw <<-'END'
		from raw import Client
		for name in (f"d{i}" for i in range(20)):
		    device = Client(name)
		    for mid, product in enumerate(("lamp", "tap"), 1):
		        device.publish(f"/{product}/{name}/firmware/report", '{"version":"1.0"}', mid=mid, wait=False)
		    device.ping()
		    device.drop()
	END
	settle
	assert_equal "$(db "SELECT count(*), count(*) FILTER (WHERE product_id = 'lamp') FROM device WHERE device_id <> 'marker'")" '20|20'
}

@test "once: an operator's row counts from the next message on, and so does its deletion" {
	say d1 report '{"version":"1.0"}'
	for _ in 1 2 3; do
		refused pub -q 1 -i d1 -t /tap/d1/firmware/pull -m '{}'
		db "INSERT INTO device (product_id, device_id) VALUES ('tap', 'd1')"
		assert_json "$(PRODUCT=tap pull d1 '{}')" '.version == "2.0"'
		assert_json "$(pull d1 '{}')" '.version == "2.0"'
		settle # what these told is applied
		db "DELETE FROM device WHERE product_id = 'tap'"
		refused pub -q 1 -i d1 -t /tap/d1/firmware/pull -m '{}'
	done
	db "DELETE FROM device WHERE device_id = 'd1'"
	accepted pub -q 1 -i d1 -t /tap/d1/firmware/report -m '{"version":"1.0"}'
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
}

@test "once: what is acknowledged and not applied yet counts, also after a restart" {
	listen all -q 2 -t '/tap/#'
	hold_catalog
	say d1 upgrade/progress '{"progress":5}'
	refused pub -q 1 -i d1 -t /tap/d1/firmware/pull -m '{}'
	accepted say d1 report '{"version":"1.0"}'
	kill_broker
	start_broker
	listen all -q 2 -t '/tap/#'
	refused pub -q 1 -i d1 -t /tap/d1/firmware/pull -m '{}'
	refused pub -q 1 -i d1 -t /tap/d1/firmware/chunk -m "$MESSAGE"
	accepted say d1 report '{"version":"1.1"}'
	release_catalog
	without_trace
}

@test "once: an operator who speaks for a device adds it, as by an INSERT" {
	restart 'plugin_opt_operators admin'
	say d1 report '{"version":"1.0"}'
	accepted pub -q 1 -i console -u admin -t /tap/d1/firmware/report -m '{"version":"1.0"}'
	rows "$DEVICES" $'lamp/d1\ntap/d1'
	assert_json "$(PRODUCT=tap pull d1 '{}')" '.version == "2.0"'
}

@test "once, with each identity" {
	restart 'plugin_opt_identity username'
	listen all -q 2 -t '/tap/#'
	PRODUCT=lamp pub -q 1 -i a -u d1 -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	foreign -i b -u d1
	pub -q 1 -i a -u marker -t /lamp/marker/firmware/report -m '{"version":"x"}'
	rows "SELECT count(*) FROM device WHERE device_id = 'marker'" 1
	refute heard_text all /tap/
	assert_equal "$(db "$DEVICES")" lamp/d1
	restart 'plugin_opt_identity none'
	listen all -q 2 -t '/tap/#'
	foreign -i gateway
	without_trace
	accepted pub -q 1 -i gateway -t /tap/d2/firmware/report -m '{"version":"1.0"}'
}

@test "once: no will for another product (Mosquitto 2.1)" {
	! on_2_0 || skip 'there acl_file alone sees to it'
	listen all -q 1 -t '/#'
	say d1 report '{"version":"1.0"}'
	for product in tap lamp; do
		rm -f "$BROKER_DIR/will"
		stdbuf -oL mosquitto_sub "${CONNECT[@]}" -i d1 -d -t x --will-topic "/$product/d1/firmware/report" --will-payload '{"version":"6.6.6"}' --will-qos 1 \
			>"$BROKER_DIR/will" 2>&1 3>&- &
		retry 10 grep -qs Subscribed "$BROKER_DIR/will"
		kill -9 $!
		wait $! 2>/dev/null || true
	done
	retry 5 heard_text all '/lamp/d1/firmware/report {"version":"6.6.6"}'
	refute heard_text all /tap/
}

@test "once: what is said while the catalog cannot be read is checked before it counts" {
	say d1 report '{"version":"1.0"}'
	settle
	db "ALTER TABLE device RENAME TO away"
	accepted pub -q 1 -i d1 -t /tap/d1/firmware/report -m '{"version":"6.6.6"}'
	accepted say d1 report '{"version":"1.1"}'
	accepted pub -q 1 -i d9 -t /tap/d9/firmware/report -m '{"version":"1.0"}'
	accepted say d9 report '{"version":"6.6.6"}'
	retry 10 grep -q 'the catalog cannot be written' "$LOG"
	db "ALTER TABLE away RENAME TO device"
	rows "SELECT product_id, device_id, version FROM device WHERE device_id <> 'marker' ORDER BY 2" $'lamp|d1|1.1\ntap|d9|1.0'
	settle
	assert_equal "$(db "$DEVICES")" $'lamp/d1\ntap/d9'
	grep -q "refuse an uplink, which is passed over: the id of its device belongs to another product" "$LOG"
	refused pub -q 1 -i d1 -t /tap/d1/firmware/report -m '{"version":"6.6.6"}'
}

@test "closed: only whom operators added" {
	restart 'plugin_opt_registration closed' 'plugin_opt_operators admin'
	listen all -q 2 -t '/tap/#'
	foreign -i d1
	refused pub -q 1 -i console -u admin -t /tap/d1/firmware/report -m '{"version":"1.0"}'
	grep -q 'the client is not that device: nobody added it to the product, and registration is closed' "$LOG"
	db "INSERT INTO device (product_id, device_id) VALUES ('tap', 'd1'), ('lamp', 'marker')"
	assert_json "$(PRODUCT=tap pull d1 '{}')" '.version == "2.0"'
	accepted pub -q 1 -i console -u admin -t /tap/d1/firmware/report -m '{"version":"1.0"}'
	refused say d1 report '{"version":"1.0"}'
	assert_json "$(PRODUCT=toaster pull d1 '{}')" '.code == "unknown_product"'
	settle
	db "DELETE FROM device WHERE device_id = 'd1'"
	refused pub -q 1 -i d1 -t /tap/d1/firmware/report -m '{"version":"1.0"}'
}

@test "closed: who is removed while what it said waits stays removed" {
	restart 'plugin_opt_registration closed'
	db "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', 'marker')"
	hold_catalog
	accepted say d1 report '{"version":"1.0"}'
	accepted say d1 upgrade/progress '{"progress":5}'
	echo "DELETE FROM device WHERE device_id = 'd1';" >&"${OPERATOR[1]}"
	release_catalog
	refused say d1 report '{"version":"1.0"}'
	settle
	assert_equal "$(db "$DEVICES")" ''
}

@test "open: one id may be a device of every product" {
	restart 'plugin_opt_registration open'
	for product in lamp tap; do
		assert_json "$(PRODUCT=$product pull d1 '{}')" '.version == "2.0"'
		accepted pub -q 1 -i d1 -t "/$product/d1/firmware/report" -m '{"version":"1.0"}'
	done
	rows "$DEVICES" $'lamp/d1\ntap/d1'
}
