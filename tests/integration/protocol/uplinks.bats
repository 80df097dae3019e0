#!/usr/bin/env bats
# Reports and progress: what is recorded, once, and what other subscribers still see.

load ../helper

START=$(date +%s%3N) # a timestamp counts that is within a day of the broker's clock

progress_rows() { rows "SELECT progress, coalesce(complete, 0), success, version, firmware_id, error_reason, reported_at - $START FROM progress_log WHERE device_id = 'd1' ORDER BY log_id" "$1"; }

@test "a report registers the device and records the version and its change" {
	before=$(date +%s%3N)
	say d1 report "{\"version\":\"1.0\",\"timestamp\":$((START + 123))}"
	rows "SELECT product_id, device_id, version FROM device" 'lamp|d1|1.0'
	rows "SELECT product_id, device_id, version, previous_version, reported_at - $START FROM version_log" 'lamp|d1|1.0||123'
	assert_equal "$(db "SELECT count(*) FROM device WHERE version_at BETWEEN $before AND $(date +%s%3N) AND last_seen_at >= $before")" 1
	assert_equal "$(db "SELECT count(*) FROM version_log WHERE received_at BETWEEN $before AND $(date +%s%3N)")" 1
}

@test "version_log has a row a change" {
	for version in 1.0 1.0 1.1 1.1 1.0; do say d1 report "{\"version\":\"$version\"}"; done
	settle
	rows "SELECT version, previous_version FROM version_log WHERE device_id = 'd1' ORDER BY log_id" $'1.0|\n1.1|1.0\n1.0|1.1'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
}

@test "an operator's device keeps its name" {
	db "INSERT INTO device (product_id, device_id, name) VALUES ('lamp', 'd1', 'Hall')"
	say d1 report '{"version":"1.0"}'
	rows "SELECT name, version FROM device" 'Hall|1.0'
}

@test "the same device id of two products is two devices" {
	say d1 report '{"version":"1.0"}'
	db "INSERT INTO device (product_id, device_id) VALUES ('oven', 'd1')" # as registration demands
	PRODUCT=oven say d1 report '{"version":"9.0"}'
	rows "SELECT product_id, version FROM device ORDER BY 1" $'lamp|1.0\noven|9.0'
}

@test "every progress report is a row of progress_log" {
	say d1 upgrade/progress "{\"progress\":0,\"version\":\"2.0\",\"timestamp\":$((START + 1))}"
	say d1 upgrade/progress "{\"progress\":50,\"firmwareId\":\"lamp-2.0\",\"timestamp\":$((START + 2))}"
	say d1 upgrade/progress "{\"progress\":100,\"complete\":true,\"success\":true,\"version\":\"2.0\",\"timestamp\":$((START + 3))}"
	say d1 upgrade/progress "{\"progress\":70,\"complete\":true,\"success\":false,\"errorReason\":\"flash: ü\",\"timestamp\":$((START + 4))}"
	rows "SELECT progress, coalesce(complete, 0), success, error_reason, reported_at - $START FROM progress_log ORDER BY log_id" \
		$'0|0|||1\n50|0|||2\n100|1|1||3\n70|1|0|flash: ü|4'
	rows "SELECT DISTINCT product_id, device_id, task_id FROM progress_log" 'lamp|d1|'
	rows "SELECT firmware_id FROM progress_log ORDER BY log_id LIMIT 3" $'lamp-2.0\nlamp-2.0\nlamp-2.0'
	rows "SELECT count(*) FROM device WHERE device_id = 'd1'" 1
}

@test "a batch of uplinks is applied in order" {
	for ((i = 0; i <= 100; i++)); do echo "{\"progress\":$i,\"timestamp\":$i}"; done | pub -l -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress
	rows "SELECT count(*) FROM progress_log" 101
	rows "SELECT group_concat(progress, ' ') FROM (SELECT progress FROM progress_log ORDER BY log_id)" "$(seq -s ' ' 0 100)"
}

@test "uplinks are taken at every QoS and by every protocol version" {
	i=0
	for version in mqttv31 mqttv311 mqttv5; do
		for qos in 0 1 2; do
			say d1 upgrade/progress "{\"progress\":$i,\"timestamp\":$i}" -V "$version" -q "$qos"
			say d1 report "{\"version\":\"v$i\"}" -V "$version" -q "$qos"
			rows "SELECT max(progress) FROM progress_log" "$i"
			rows "SELECT version FROM device" "v$i"
			i=$((i + 1))
		done
	done
	rows "SELECT count(*) FROM progress_log" 9
	rows "SELECT count(*) FROM version_log" 9
}

@test "uplinks still reach other subscribers, unchanged" {
	listen application -q 1 -t /lamp/d1/firmware/#
	for tail in report upgrade/progress upgrade/reply read/reply; do
		say d1 "$tail" '{"version": "1.0",  "progress":1, "x":"ü"}'
	done
	retry 5 heard_count application 4
	assert_equal "$(heard application | cut -d' ' -f4- | sort -u)" '{"version": "1.0",  "progress":1, "x":"ü"}'
	say d1 pull '{"a":1}'
	retry 5 heard_text application '/lamp/d1/firmware/pull {"a":1}'
}

@test "an uplink of a product the catalog does not know is passed on, counted, and recorded nowhere" {
	listen application -q 1 -t /toaster/#
	export PRODUCT=toaster
	say d1 report '{"version":"1.0"}'
	say d1 upgrade/progress '{"progress":1}'
	retry 5 heard_count application 2
	settle
	assert_equal "$(db "SELECT count(*) FROM device WHERE device_id <> 'marker'")" 0
	assert_equal "$(db "SELECT count(*) FROM progress_log")" 0
	retry 25 counter_is messages/refused 2
}

@test "an uplink of a product whose firmware is disabled is recorded" {
	PRODUCT=oven say d1 report '{"version":"9.0"}'
	rows "SELECT product_id, version FROM device" 'oven|9.0'
}

@test "a redelivered report with the same timestamp and content counts once" {
	raw "$START" <<-'END'
		import sys
		from raw import Client
		start = int(sys.argv[1])
		d1 = Client("d1", clean=False)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10,"timestamp":%d}' % (start + 7), mid=1)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10,"timestamp":%d}' % (start + 7), mid=1, dup=True)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10,"timestamp":%d}' % (start + 7), mid=2)
		d1.drop()
		d1 = Client("d1", clean=False)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10,"timestamp":%d}' % (start + 7), mid=1, dup=True)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":20,"timestamp":%d}' % (start + 7), mid=3)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10,"timestamp":%d}' % (start + 8), mid=4)
	END
	settle
	progress_rows $'10|0|||||7\n20|0|||||7\n10|0|||||8'
}

@test "a redelivered report without a timestamp counts once over connections, and each time within one" {
	raw <<-'END'
		from raw import Client
		d1 = Client("d1", clean=False)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10}', mid=1)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10}', mid=2)
		d1.drop()
		d1 = Client("d1", clean=False)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":10}', mid=2, dup=True)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":11}', mid=3)
	END
	settle
	progress_rows $'10|0|||||\n10|0|||||\n11|0|||||'
}

@test "the same report of two devices is two reports" {
	say d1 upgrade/progress '{"progress":10,"timestamp":7}'
	say d2 upgrade/progress '{"progress":10,"timestamp":7}'
	rows "SELECT count(*) FROM progress_log" 2
}

@test "while the catalog cannot be written uplinks are acknowledged, other clients served, and rows follow in order" {
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r -t 5 <&"${OPERATOR[0]}"
	for ((i = 0; i < 20; i++)); do
		started=$(date +%s%3N)
		say d1 upgrade/progress "{\"progress\":$i,\"timestamp\":$i}"
		say new report '{"version":"1.0"}'
		assert_json "$(pull d2 '{}')" '.version == "2.0"'
		(($(date +%s%3N) - started < 2000))
	done
	assert_equal "$(db 'SELECT count(*) FROM progress_log')" 0
	echo "COMMIT;" >&"${OPERATOR[1]}"
	rows "SELECT group_concat(progress, ' ') FROM (SELECT progress FROM progress_log ORDER BY log_id)" "$(seq -s ' ' 0 19)"
	rows "SELECT device_id, version FROM device ORDER BY 1" $'d1|\nd2|\nnew|1.0'
}

@test "an operator's trigger that refuses an uplink, or rolls its whole transaction back, holds up no other" {
	db "CREATE TRIGGER no_13 BEFORE INSERT ON progress_log WHEN NEW.progress = 13 BEGIN SELECT RAISE(ABORT, 'no 13, please'); END;
		CREATE TRIGGER no_14 BEFORE INSERT ON progress_log WHEN NEW.progress = 14 BEGIN SELECT RAISE(ROLLBACK, 'no 14, please'); END"
	for progress in 12 13 14 15 14 16; do
		say d1 upgrade/progress "{\"timestamp\":$((++number)),\"progress\":$progress}"
	done
	rows "SELECT group_concat(progress) FROM progress_log" 12,15,16
	grep -q 'an uplink cannot be recorded and is left out: no 13, please' "$LOG"
	refute grep -q 'the catalog cannot be written: no 13' "$LOG"
	grep -qF 'the catalog cannot be written: no 14, please (job: uplinks and presence); uplinks are saved' "$LOG"
	retry 5 grep -q 'the catalog can be written again' "$LOG"
}

@test "an uplink that the catalog's rules refuse half-way is left out whole" {
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t1', 'lamp-2.0', 'n', 'pull');
		CREATE TRIGGER no_success BEFORE UPDATE ON task_device WHEN NEW.state = 'success' BEGIN SELECT RAISE(ABORT, 'no success, please'); END"
	say d1 report '{"version":"1.0"}'
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	db "INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t2', 'lamp-2.0', 'n', 'pull')"
	for round in 1 2; do
		say d1 upgrade/progress "{\"timestamp\":$round,\"firmwareId\":\"lamp-2.0\",\"complete\":true,\"success\":true}"
		say d1 upgrade/progress "{\"timestamp\":1$round,\"firmwareId\":\"lamp-2.0\",\"progress\":$round}"
	done
	rows "SELECT group_concat(progress) FROM progress_log" 1,2
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	db "DROP TRIGGER no_success"
	# not taken for one that was applied already
	say d1 upgrade/progress '{"timestamp":1,"firmwareId":"lamp-2.0","complete":true,"success":true}'
	rows "SELECT state FROM task_device" success
}

@test "old log rows go with log_retention_days, also behind those of a time when the clock was ahead" {
	stop_broker
	db "CREATE TEMP TABLE n AS WITH RECURSIVE n(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM n WHERE n < 2199) SELECT n,
			strftime('%s') * 1000 + CASE WHEN n < 700 THEN 366 WHEN n < 2000 THEN -2 ELSE 0 END * 86400000 AS at FROM n;
		BEGIN; UPDATE catalog_state SET plugin_writing = 1;
		INSERT INTO progress_log (received_at, product_id, device_id, progress, complete) SELECT at, 'lamp', 'd1', n % 100, 0 FROM n;
		INSERT INTO version_log (received_at, product_id, device_id, version) SELECT at, 'lamp', 'd1', n FROM n;
		UPDATE catalog_state SET plugin_writing = 0; COMMIT"
	start_broker 'plugin_opt_log_retention_days 1'
	rows "SELECT (SELECT count(*) FROM progress_log), (SELECT count(*) FROM version_log)" '900|900'
}

@test "a timestamp more than a day from the broker's clock is none, of every kind" {
	day=86400000
	for offset in -$((3 * day)) -$((day + 5000)) $((day + 60000)) $((400 * day)); do
		say d1 upgrade/progress "{\"progress\":1,\"timestamp\":$(($(date +%s%3N) + offset))}"
	done
	for at in 0 1 -5 315532800000 9223372036854775807; do say d1 upgrade/progress "{\"progress\":2,\"timestamp\":$at}"; done
	for offset in -$((day - 60000)) $((day - 60000)); do
		say d1 upgrade/progress "{\"progress\":3,\"timestamp\":$(($(date +%s%3N) + offset))}"
	done
	say d2 report '{"version":"1.0","timestamp":1000}'
	PRODUCT=lamp say d3 read/reply '{"version":"1.0","timestamp":1000}'
	say d4 pull '{"currentVersion":"1.0","timestamp":1000}'
	settle
	rows "SELECT DISTINCT progress, reported_at IS NOT NULL FROM progress_log ORDER BY 1" $'1|0\n2|0\n3|1'
	rows "SELECT count(*), count(reported_at) FROM version_log WHERE device_id IN ('d2', 'd3', 'd4')" '3|0'
}

@test "what a device says of an error is kept to 1,024 bytes, and shown harmlessly" {
	raw <<-'END'
		import json
		from raw import Client
		d1 = Client("d1")
		for number, reason in enumerate(("x" * 8000, "ü" * 3000, "a\x1b[2Jb\x00c\u202ed\ue000", "two\nlines\r\n\tmore", "fine ü€")):
		    d1.publish("/lamp/d1/firmware/upgrade/progress", json.dumps({"progress": number, "errorReason": reason}, ensure_ascii=False), mid=number + 1)
	END
	rows "SELECT count(*) FROM progress_log" 5
	assert_equal "$(db "SELECT length(CAST(error_reason AS BLOB)), substr(error_reason, -4) FROM progress_log WHERE progress = 0")" '1024|x...'
	assert_equal "$(db "SELECT length(CAST(error_reason AS BLOB)), substr(error_reason, -4) FROM progress_log WHERE progress = 1")" '1023|ü...'
	assert_equal "$(db "SELECT error_reason FROM progress_log WHERE progress > 1")" $'a\ufffd[2Jb\ufffdc\ufffdd\ue000\ntwo lines   more\nfine ü€'
}

@test "a version is trimmed of what nobody sees at its ends" {
	for version in '2.0 ' ' \t2.0' '2.0\r\n' '2.0\u0000\u0000' '\ufeff2.0' '2.0\u00a0' '2.0\u200b'; do
		say d1 report "{\"version\":\"$version\"}"
		assert_json "$(pull d1 "{\"currentVersion\":\"$version\"}")" '.code == "no_update"'
		assert_json "$(pull d2 "{\"requestVersion\":\"$version\"}")" '.version == "2.0"'
	done
	settle
	rows "SELECT version, count(*) FROM version_log WHERE device_id = 'd1' GROUP BY 1" '2.0|1'
	say d3 report '{"version":" \u0000"}'
	settle
	grep -q 'refused report from client d3 on /lamp/d3/firmware/report: version is missing' "$LOG"
}
