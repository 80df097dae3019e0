#!/usr/bin/env bats
# A task over 20,000 devices (FW_LONG=1: 100,000), made while other clients talk: all of it comes to its end, and nobody is answered late or wrongly.

load ../task_helper

setup() {
	start_broker 'plugin_opt_operators admin' 'max_queued_messages 0'
	catalog
}

DEVICES=$(rounds 20000 100000)

@test "a task over very many devices, while pulls and reports go on" {
	on_2_0 || skip 'who never came is not sent anything'
	db "INSERT INTO device (product_id, device_id, version)
		SELECT 'lamp', 'd' || value, CASE WHEN value % 10 THEN '1.0' ELSE '2.0' END FROM generate_series(1, $DEVICES)"
	raw >"$BROKER_DIR/traffic" 3>&- <<-'END' &
		import json, os, time
		from raw import Client
		device = Client("traffic")
		device.subscribe("/lamp/traffic/firmware/pull/reply")
		worst, asked = 0, 0
		while not os.path.exists(os.environ["BROKER_SOCKET"] + ".end"):
		    started = time.monotonic()
		    device.publish("/lamp/traffic/firmware/pull", json.dumps({"messageId": asked, "requestVersion": "1.1"}))
		    reply = json.loads(device.message()[1])
		    assert reply["messageId"] == asked and reply["version"] == "1.1", reply
		    device.publish("/lamp/traffic/firmware/report", json.dumps({"timestamp": asked, "version": f"v{asked % 2}"}))
		    worst, asked = max(worst, time.monotonic() - started), asked + 1
		    time.sleep(0.002)
		print(f"{asked} rounds, the slowest {worst * 1000:.0f} ms")
	END
	traffic=$!
	started=${EPOCHREALTIME/[.,]/}
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'push')"
	rows "SELECT total - success - (SELECT count(*) FROM device WHERE device_id IN ('traffic', 'marker')) > $((DEVICES * 8 / 10)) FROM task_summary" 1
	retry 40 db_is "SELECT waiting FROM task_summary" 0
	took=$(((${EPOCHREALTIME/[.,]/} - started) / 1000))
	: >"$BROKER_DIR/socket.end"
	wait "$traffic"
	echo "# $DEVICES rows sent in $took ms; other traffic meanwhile: $(<"$BROKER_DIR/traffic")" >&3
	rows "SELECT count(*), sum(attempts) FROM task_device WHERE state = 'processing' AND device_id LIKE 'd%'" "$((DEVICES * 9 / 10))|$((DEVICES * 9 / 10))"
	rows "SELECT count(*), sum(attempts) FROM task_device WHERE state = 'success'" "$((DEVICES / 10))|0"
	summary_exact
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}
