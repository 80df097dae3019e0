#!/usr/bin/env bats
# One connection takes so much: a gateway with thousands of devices, a dashboard that hears of all of them.

load ../task_helper

DEVICES=2500 # more than Mosquitto queues for a client: max_queued_messages is 1000

setup() {
	start_broker 'plugin_opt_identity none'
	catalog
}

# One client for all devices: says what each runs, and prints how many of them got an upgrade, each once.
gateway() {
	raw "$DEVICES" >"$BROKER_DIR/gateway" 3>&- <<-'END' &
		import socket, sys, time
		from raw import Client
		count = int(sys.argv[1])
		client = Client("gateway")
		client.subscribe("/lamp/+/firmware/upgrade")
		for i in range(count):
		    client.publish(f"/lamp/d{i}/firmware/report", '{"version":"1.0"}', qos=0)
		client.ping()
		print("there", flush=True)
		got = set()
		client.socket.settimeout(30)
		while len(got) < count:
		    got.add(client.message()[0])
		print("upgrades:", len(got), flush=True)
		time.sleep(60)
	END
	BACKGROUND+=($!)
	retry 20 grep -q there "$BROKER_DIR/gateway"
	rows "SELECT count(*) FROM device WHERE presence = 'online'" "$DEVICES"
}

@test "a gateway gets the upgrades of all its devices, and a dashboard hears of each" {
	gateway
	listen dashboard -i dashboard -q 1 -t '/+/+/firmware/task'
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'push')"
	retry 25 grep -q "upgrades: $DEVICES" "$BROKER_DIR/gateway"
	rows "SELECT state, count(*), max(attempts) FROM task_device GROUP BY 1" "processing|$DEVICES|1"
	retry 15 db_is 'SELECT count(*) FROM task_device WHERE untold = 1' 0
	retry 5 heard_count dashboard "$DEVICES"
	assert_equal "$(heard dashboard | jq -R -r 'split(" ")[3] | fromjson | .state' 2>/dev/null | sort | uniq -c | tr -s ' ')" " $DEVICES processing"
	assert_equal "$(heard dashboard | cut -d' ' -f3 | sort -u | wc -l)" "$DEVICES"
}

@test "a row that changed more than once before it was told of is told of once, as it is; what an operator does is told of as well" {
	stop_broker
	start_broker 'plugin_opt_identity none' 'plugin_opt_connection_rate 20'
	listen dashboard -i dashboard -q 1 -t '/+/+/firmware/task'
	db "INSERT INTO device (product_id, device_id) SELECT 'lamp', 'd' || value FROM generate_series(1, 200);
		INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'pull')"
	db "UPDATE task SET state = 'stopped'"
	rows 'SELECT count(*) FROM task_change' 0
	db "UPDATE task SET state = 'running'"
	rows 'SELECT count(*) FROM task_change' 0
	retry 20 db_is 'SELECT count(*) FROM task_device WHERE untold = 1' 0
	settle
	# of each the last word is true
	assert_equal "$(heard dashboard | sort -s -k3,3 | awk '{last[$3] = $0} END {for (d in last) print last[d]}' | grep -c '"state":"waiting"')" 200
}

@test "a row that an operator's trigger freezes is told of now and then, and the others all the same" {
	on_2_0 || skip 'this broker tells of connections: nothing is sent to who is not there'
	for how in ABORT IGNORE; do
		stop_broker
		rm -f "$DB"*
		start_broker 'plugin_opt_identity none' 'plugin_opt_connection_rate 5'
		catalog
		listen "dashboard$how" -i dashboard -q 1 -t '/+/+/firmware/task'
		db "INSERT INTO device (product_id, device_id) SELECT 'lamp', 'd' || value FROM generate_series(1, 20);
			INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'push')"
		rows "SELECT count(*) FROM task_device WHERE state = 'processing'" 20
		db "CREATE TRIGGER audit BEFORE UPDATE ON task_device WHEN OLD.device_id = 'd9' BEGIN SELECT RAISE($how$([[ $how == IGNORE ]] || echo ", 'audited'")); END"
		retry 20 db_is "SELECT count(*) FROM task_device WHERE untold = 1 AND device_id <> 'd9'" 0
		(($(heard "dashboard$how" | wc -l) <= 26))
		refute grep -q 'the catalog cannot be written' "$LOG"
	done
}
