#!/usr/bin/env bats
# Presence, as the broker sees it: online, offline, or unknown since it started.

load ../task_helper

presence() { rows "SELECT coalesce(presence, 'unknown') FROM device WHERE device_id = '$1' AND product_id = '${3:-lamp}'" "$2"; }

@test "published: online; gone, with a word or without: offline; and when it was last seen" {
	unseen d1 d2
	presence d1 unknown
	before=$(date +%s%3N)
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	presence d1 online
	fleet leave d1
	presence d1 offline
	fleet connect d1
	fleet send d1 some/other/topic x
	presence d1 online
	fleet drop d1
	presence d1 offline
	rows "SELECT last_seen_at >= $before FROM device WHERE device_id = 'd1'" 1
	presence d2 unknown
}

@test "any publish shows a device, also one that asks for a version, or is refused" {
	unseen d1 d2
	fleet connect d1
	fleet send d1 /lamp/other/firmware/read '{}'
	presence d1 online
	fleet connect d2
	fleet send d2 /lamp/other/firmware/report '{"version":"1.0"}'
	presence d2 online
}

@test "a device that only connects is known on a broker that tells the plugin" {
	unseen d1
	fleet connect d1
	if on_2_0; then presence d1 unknown; else presence d1 online; fi
	fleet leave d1
	presence d1 offline
}

@test "a push waits for a device that takes its time between connecting, one subscription and the other (Mosquitto 2.1)" {
	! on_2_0 || skip 'nothing is told of a device before it publishes'
	offline d1 d2
	task t1 2.0 push d1
	settle
	raw >"$BROKER_DIR/slow.heard" 3>&- <<-'END' &
		import sys, time
		from raw import Client
		devices = [Client("d1"), Client("d2")]
		for device in devices:
		    device.subscribe("some/cmd")
		print("connected", flush=True)
		time.sleep(1.5)
		for device, name in zip(devices, ("d1", "d2")):
		    device.subscribe(f"/lamp/{name}/firmware/upgrade")
		for device in devices:
		    print(device.message()[0], flush=True)
		time.sleep(60)
	END
	BACKGROUND+=($!)
	retry 5 grep -q connected "$BROKER_DIR/slow.heard"
	# a sweep finds it there
	task t2 1.1 push d2
	settle
	row t1 d1 waiting
	row t2 d2 waiting
	retry 5 grep -q /lamp/d2/firmware/upgrade "$BROKER_DIR/slow.heard"
	grep -q /lamp/d1/firmware/upgrade "$BROKER_DIR/slow.heard"
	presence d1 online
}

@test "a device that only connects and says nothing is online after a while (Mosquitto 2.1)" {
	! on_2_0 || skip 'nothing is told of a device before it publishes'
	unseen d1
	listen d1 -i d1 -t d1/cmd
	settle
	presence d1 unknown
	retry 20 db_is "SELECT presence FROM device WHERE device_id = 'd1'" online
}

@test "a session that persists is not presence" {
	unseen d1
	fleet connect d1 -c
	fleet send d1 telemetry 1
	presence d1 online
	fleet drop d1
	presence d1 offline
	task t1 2.0 push d1
	settle
	row t1 d1 waiting
	fleet connect d1 -c
	fleet send d1 telemetry 1
	presence d1 online
	upgrades d1 1
	row t1 d1 processing
	fleet leave d1
	presence d1 offline
}

@test "who takes over a client id is the device, and its old connection's end is not the device's" {
	unseen d1
	fleet connect d1
	fleet send d1 telemetry 1
	presence d1 online
	for persistent in '' -c; do
		fleet connect d1 $persistent
		fleet send d1 telemetry 2
		presence d1 online
		settle
		presence d1 online
	done
	fleet drop d1
	presence d1 offline
}

@test "after a restart of the broker, or kill -9, nothing is known of anyone" {
	for end in stop_broker kill_broker; do
		online d1
		offline d2
		"$end"
		start_broker
		rows "SELECT count(*) FROM device WHERE presence IS NOT NULL" 0
		fleet connect d1
		fleet send d1 telemetry 1
		presence d1 online
		presence d2 unknown
		fleet drop d1
	done
}

@test "a device that the catalog learns of while it is connected is known as it is" {
	fleet connect d1
	fleet send d1 telemetry 1
	settle
	unseen d1
	fleet send d1 telemetry 2
	presence d1 online
	task t1 2.0 push d1 1
	upgrades d1 1
	row t1 d1 failed 'response timeout'
}

@test "an operator that speaks for a device does not make it online" {
	unseen d1
	pub -q 1 -u admin -i admin1 -t /lamp/d1/firmware/report -m '{"version":"1.1"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.1
	presence d1 unknown
}

@test "identity username: the device is there as long as one of its clients is" {
	stop_broker
	start_broker 'plugin_opt_operators admin' 'plugin_opt_identity username'
	unseen d1
	fleet connect one -u d1
	fleet send one telemetry 1
	presence d1 online
	fleet connect two -u d1
	fleet send two telemetry 1
	fleet leave one
	# behind that event
	fleet send two /lamp/d1/firmware/report '{"version":"1.1"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.1
	presence d1 online
	fleet leave two
	presence d1 offline
}

@test "identity none: the device is there that the message names" {
	stop_broker
	start_broker 'plugin_opt_identity none'
	unseen d1 d2 gateway
	fleet connect gateway
	fleet send gateway telemetry 1
	fleet send gateway /lamp/d1/firmware/report '{"version":"1.0"}'
	presence d1 online
	presence gateway unknown
	presence d2 unknown
	fleet send gateway /lamp/d2/firmware/report '{"version":"1.0"}'
	presence d2 online
	fleet drop gateway
	presence d1 offline
	presence d2 offline
}

@test "one client is the device of that id in every product" {
	db "INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('oven', 'd1')"
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	presence d1 online lamp
	presence d1 online oven
	fleet drop d1
	presence d1 offline lamp
	presence d1 offline oven
}
