#!/usr/bin/env bats
# Who may publish what: the contract's section 5 (identity, operators) and the last promise of section 6.

load ../helper

UPLINKS=(pull report upgrade/progress upgrade/reply read/reply chunk)
DOWNLINKS=(upgrade pull/reply task chunk/reply/lamp-1.0/0 chunk/error)
MESSAGE='{"version":"1.0","currentVersion":"1.0","progress":5,"timestamp":1,"firmwareId":"lamp-1.0","offset":0,"length":1}'

@test "clientid: no client speaks for another device" {
	listen all -q 2 -t /lamp/#
	for tail in "${UPLINKS[@]}"; do
		refused pub -q 1 -i evil -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
		refused pub -q 2 -i evil -u d1 -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
		pub -q 0 -i D1 -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
	done
	settle
	heard_text all marker
	refute heard_text all /lamp/d1
	assert_equal "$(db "SELECT count(*) FROM device WHERE device_id = 'd1'")" 0
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
	assert_equal "$(db "SELECT count(*) FROM version_log WHERE device_id = 'd1'")" 0
}

@test "clientid: a device speaks for itself" {
	for tail in report upgrade/progress upgrade/reply read/reply pull; do
		accepted say d1 "$tail" "$MESSAGE"
		accepted say d1 "$tail" "$MESSAGE" -q 2
	done
	rows "SELECT version FROM device" 1.0
}

@test "a refused message is acknowledged, and the connection goes on" {
	raw <<-'END'
		from raw import Client
		evil = Client("evil")
		evil.publish("/lamp/d1/firmware/report", '{"version":"6.6.6"}', qos=0)
		evil.publish("/lamp/d1/firmware/report", '{"version":"6.6.6"}', qos=1, mid=1)
		evil.publish("/lamp/d1/firmware/report", '{"version":"6.6.6"}', qos=2, mid=2)
		evil.publish("/lamp/d1/firmware/upgrade", '{"url":"http://evil/"}', qos=1, mid=3)
		evil.publish("/lamp/evil/firmware/report", '{"version":"1.0"}', qos=1, mid=4)
	END
	rows "SELECT device_id, version FROM device" 'evil|1.0'
}

@test "nobody but the broker sends what devices obey" {
	listen all -q 2 -t /lamp/#
	for tail in "${DOWNLINKS[@]}"; do
		refused say d1 "$tail" "$MESSAGE"
		refused say d1 "$tail" "$MESSAGE" -q 2
		refused say d1 "$tail" "$MESSAGE" -r
		refused pub -q 1 -i application -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
		refused pub -q 1 -i application -u admin -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
		refused pub -q 1 -i application -t "/no such product/d1/firmware/$tail" -m "$MESSAGE"
	done
	settle
	refute heard_text all /lamp/d1
	refute sub -W 1 -t '/lamp/d1/#'
}

@test "clientid: an application may read, and other topics are nobody's business" {
	listen all -q 1 -t '#'
	accepted pub -q 1 -i application -t /lamp/d1/firmware/read -m '{}'
	accepted pub -q 1 -i application -t /lamp/d1/firmware -m '1'
	accepted pub -q 1 -i application -t /lamp/d1/firmware/upgrades -m '2'
	accepted pub -q 1 -i application -t lamp/d1/firmware/upgrade -m '3'
	accepted pub -q 1 -i application -t /lamp/d1/state -m '4'
	accepted pub -q 1 -i application -t /site/lamp/d1/firmware/upgrade -m '5'
	retry 5 heard_count all 6
}

@test "operators may publish every firmware topic of every device" {
	stop_broker
	start_broker 'plugin_opt_operators root , admin,ops'
	listen all -q 1 -t /lamp/d1/#
	for user in root admin ops; do
		for tail in upgrade upgrade/reply task chunk/error pull/reply; do
			accepted pub -q 1 -i "console of $user" -u "$user" -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
		done
		accepted pub -q 1 -i console -u "$user" -t /lamp/d1/firmware/report -m "{\"version\":\"$user\"}"
		rows "SELECT version FROM device WHERE device_id = 'd1'" "$user"
	done
	retry 5 heard_count all 18
	for user in Admin adm admins 'root ' d1; do
		refused pub -q 1 -i console -u "$user" -t /lamp/d1/firmware/upgrade -m '{}'
	done
	refused pub -q 1 -i admin -t /lamp/d1/firmware/upgrade -m '{}'
}

@test "username: the user name is the device, whatever the client's id" {
	stop_broker
	start_broker 'plugin_opt_identity username'
	accepted pub -q 1 -i x -u d1 -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	accepted pub -q 1 -i y -u d1 -t /lamp/d1/firmware/upgrade/progress -m '{"progress":5}'
	refused pub -q 1 -i d1 -u d2 -t /lamp/d1/firmware/report -m '{"version":"2.0"}'
	refused pub -q 1 -i d1 -t /lamp/d1/firmware/report -m '{"version":"2.0"}'
	assert_json "$(pull d1 '{}' -i z -u d1)" '.version == "2.0"'
	PRODUCT=lamp pub -q 1 -u marker -t /lamp/marker/firmware/report -m '{"version":"x"}'
	rows "SELECT device_id, version FROM device ORDER BY 1" $'d1|1.0\nmarker|x'
	rows "SELECT count(*) FROM progress_log WHERE device_id = 'd1'" 1
}

@test "none: everybody speaks for every device, but downlinks stay the broker's" {
	stop_broker
	start_broker 'plugin_opt_identity none'
	accepted pub -q 1 -i gateway -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	accepted pub -q 1 -i gateway -t /lamp/d2/firmware/report -m '{"version":"1.1"}'
	assert_json "$(pull d1 '{}' -i gateway)" '.version == "2.0"'
	rows "SELECT device_id, version FROM device ORDER BY 1" $'d1|1.0\nd2|1.1'
	for tail in "${DOWNLINKS[@]}"; do
		refused pub -q 1 -i gateway -t "/lamp/d1/firmware/$tail" -m "$MESSAGE"
	done
}

@test "every refused message is counted" {
	for ((i = 0; i < 7; i++)); do
		pub -q 1 -i evil -t /lamp/d1/firmware/report -m '{"version":"1"}'
	done
	pub -q 0 -i d1 -t /lamp/d1/firmware/upgrade -m '{}'
	retry 25 counter_is messages/refused 8
}
