#!/usr/bin/env bats
# "Nothing acknowledged is lost": rows over restarts and kill -9, exactly once.

load ../helper

SEQUENCE="SELECT group_concat(progress, ' ') FROM (SELECT progress FROM progress_log ORDER BY log_id)"

hold_catalog() {
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r -t 5 <&"${OPERATOR[0]}"
}

@test "a stop of the broker leaves all in the catalog" {
	for ((i = 0; i < 50; i++)); do echo "{\"progress\":$i,\"timestamp\":$i}"; done | pub -l -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress
	stop_broker
	assert_equal "$(db "$SEQUENCE")" "$(seq -s ' ' 0 49)"
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "after kill -9 every acknowledged uplink is there once" {
	local start
	start=$(($(date +%s%3N) / 1000 * 1000))
	for round in 1 2 3 4 5; do
		for ((i = 0; i < 40; i++)); do echo "{\"progress\":$i,\"timestamp\":$((start + round * 1000 + i))}"; done |
			pub -l -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress
		say d1 report "{\"version\":\"round $round\"}"
		kill_broker
		start_broker
		assert_json "$(read_version d1 '{}')" ".version == \"round $round\""
	done
	rows "SELECT count(*), count(DISTINCT reported_at), group_concat(DISTINCT (reported_at - $start) / 1000) FROM progress_log" '200|200|1,2,3,4,5'
	rows "SELECT version FROM version_log ORDER BY log_id" "$(printf 'round %d\n' 1 2 3 4 5)"
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "what was acknowledged while the catalog could not be written survives kill -9" {
	hold_catalog
	for ((i = 0; i < 50; i++)); do echo "{\"progress\":$i,\"timestamp\":$i}"; done | pub -l -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress
	say d1 report '{"version":"1.0"}'
	pull d2 '{"currentVersion":"1.1"}'
	kill_broker
	assert_equal "$(db 'SELECT count(*) FROM progress_log')" 0
	echo "COMMIT;" >&"${OPERATOR[1]}"
	start_broker
	rows "$SEQUENCE" "$(seq -s ' ' 0 49)"
	rows "SELECT device_id, version FROM device ORDER BY 1" $'d1|1.0\nd2|1.1'
	kill_broker
	start_broker
	settle
	assert_equal "$(db "$SEQUENCE")" "$(seq -s ' ' 0 49)"
}

@test "a stop while the catalog cannot be written ends, and loses nothing" {
	hold_catalog
	say d1 upgrade/progress '{"progress":1}'
	started=$SECONDS
	stop_broker
	((SECONDS - started < 30))
	echo "COMMIT;" >&"${OPERATOR[1]}"
	start_broker
	rows "$SEQUENCE" 1
}

@test "kill -9 under a stream of progress: nothing that was acknowledged is missing, nothing is twice" {
	start=$(date +%s%3N)
	raw "$start" <<-'END' >"$BROKER_DIR/acknowledged" 3>&- &
		import itertools, json, sys
		from raw import Client
		d1 = Client("d1")
		try:
		    for i in itertools.count():
		        d1.publish("/lamp/d1/firmware/upgrade/progress", json.dumps({"progress": i % 101, "timestamp": int(sys.argv[1]) + i}), mid=i % 60000 + 1)
		        acknowledged = i
		except (EOFError, OSError):
		    print(acknowledged)
	END
	publisher=$!
	rows_more_than() { (($(db 'SELECT count(*) FROM progress_log') > 300)); }
	retry 20 rows_more_than
	kill_broker
	wait "$publisher"
	acknowledged=$(<"$BROKER_DIR/acknowledged")
	start_broker
	settle
	missing="WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $acknowledged)
		SELECT count(*) FROM n WHERE i NOT IN (SELECT reported_at - $start FROM progress_log)"
	assert_equal "$(db "$missing")" 0
	assert_equal "$(db 'SELECT count(*) - count(DISTINCT reported_at) FROM progress_log')" 0
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "the spool is empty once all is applied" {
	for ((i = 0; i < 100; i++)); do echo "{\"progress\":$i,\"timestamp\":$i}"; done | pub -l -q 1 -i d1 -t /lamp/d1/firmware/upgrade/progress
	rows "SELECT count(*) FROM progress_log" 100
	retry 25 counter_is spool/bytes 0
}
