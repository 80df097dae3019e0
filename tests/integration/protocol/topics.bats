#!/usr/bin/env bats
# What the topic alone says: ours are never retained, and what only looks like ours is told.

load ../helper

@test "firmware topics are not retained, whoever publishes; the message goes on, and it is said once" {
	stop_broker
	start_broker 'plugin_opt_operators admin'
	listen live -q 1 -t '/lamp/#'
	for version in mqttv311 mqttv5; do
		for qos in $(rounds '0 2' '0 1 2'); do
			for tail in upgrade pull/reply task read chunk/reply/f/0 chunk/error report; do
				pub -V "$version" -r -q "$qos" -i console -u admin -t "/lamp/d1/firmware/$tail" -m "{\"version\":\"$version-$qos\"}"
			done
			pub -V "$version" -r -q "$qos" -i d1 -t /lamp/d1/firmware/report -m "{\"version\":\"$version-$qos\"}"
			pub -V "$version" -r -q "$qos" -i d1 -t /lamp/d1/firmware/upgrade/progress -m '{"progress":5}'
			pub -V "$version" -r -q "$qos" -i app -t /lamp/d2/firmware/read -m '{}'
		done
	done
	pub -r -q 1 -i other -t /lamp/d1/other -m kept
	settle
	assert_equal "$(heard live | grep -c '^[012] 0 /lamp/d1/firmware/upgrade ')" "$(rounds 4 6)"
	assert_equal "$(sub -W 2 --retained-only -v -t '/lamp/#' || true)" '/lamp/d1/other kept'
	assert_equal "$(grep -c 'client console publishes on /lamp/d1/firmware/upgrade with the retain flag, which is taken off: firmware topics are never retained' "$LOG")" 1
	assert_equal "$(grep -c 'with the retain flag' "$LOG")" 1
	rows "SELECT version FROM device WHERE device_id = 'd1'" mqttv5-2
}

@test "what was retained before is named at the start, and can be cleared" {
	stop_broker
	sed -i '/^plugin/d' "$BROKER_DIR/mosquitto.conf"
	printf 'persistence true\npersistence_location %s\n' "$BROKER_DIR" >>"$BROKER_DIR/mosquitto.conf"
	start_broker
	for topic in /lamp/d1/firmware/upgrade /lamp/d2/firmware/pull/reply /lamp/d1/other other; do pub -r -q 1 -i x -t "$topic" -m '{"version":"6.6.6"}'; done
	stop_broker
	printf 'plugin %s\nplugin_opt_db_file %s\nplugin_opt_operators admin\n' "$FW_PLUGIN" "$DB" >>"$BROKER_DIR/mosquitto.conf"
	start_broker
	grep -q '2 retained messages on firmware topics are older than the plugin' "$LOG"
	grep -q 'the topics are: .*/lamp/d1/firmware/upgrade' "$LOG"
	grep -q 'the topics are: .*/lamp/d2/firmware/pull/reply' "$LOG"
	refute grep -q 'the topics are: .*other' "$LOG"
	for topic in /lamp/d1/firmware/upgrade /lamp/d2/firmware/pull/reply; do pub -r -n -q 1 -i console -u admin -t "$topic"; done
	assert_equal "$(sub -W 2 --retained-only -v -t '/lamp/+/firmware/#' || true)" ''
	stop_broker
	start_broker
	refute grep -q 'from before' "$LOG"
	assert_equal "$(sub -W 2 --retained-only -t other || true)" '{"version":"6.6.6"}'
}

@test "topics that only look like ours are counted, and named once a minute" {
	stop_broker
	start_broker 'plugin_opt_operators admin'
	for topic in lamp/d1/firmware/report /lamp/d1/Firmware/report /lamp/d1/firmware/progres /x/lamp/d1/firmware/pull LAMP/D1/FIRMWARE/UPGRADE/PROGRESS \
		lamp/d1/firmware/pull; do
		pub -q 1 -i d1 -t "$topic" -m '{"version":"1.0"}'
	done
	pub -q 1 -i console -u admin -t lamp/d1/firmware/upgrade -m '{}'
	for topic in sensors/a/b/temperature home/firmware/version firmware/x "\$SYS/lamp/d1/firmware/report"; do pub -q 1 -i d1 -t "$topic" -m x || true; done
	settle
	grep -q 'client d1 publishes on lamp/d1/firmware/report, which is no firmware topic: firmware topics begin with a slash' "$LOG"
	grep -q 'client d1 publishes on /lamp/d1/firmware/progres, which is no firmware topic: there is no such kind' "$LOG"
	grep -q 'client d1 publishes on /lamp/d1/Firmware/report, which is no firmware topic: .*lower case' "$LOG"
	assert_equal "$(grep -c 'which is no firmware topic' "$LOG")" 3
	retry 25 counter_is messages/astray 6
	assert_equal "$(db "SELECT count(*) FROM device WHERE device_id <> 'marker'")" 0
}
