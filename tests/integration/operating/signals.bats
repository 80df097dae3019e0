#!/usr/bin/env bats
# What an administrator does with a broker that is at work: reload, rotate the log, stop, upgrade the plugin, back up and restore.

load ../witness_helper

setup() { :; }

@test "SIGHUP under load disturbs nothing" {
	start_broker
	witness_catalog
	start_witnesses 4 2 2 10 1000
	listen other -t other
	for ((round = 0; round < $(rounds 3 200); round++)); do
		kill -HUP "$BROKER"
		acknowledges 50
		pub -t other -m "$round"
	done
	retry 5 heard_count other "$round"
	retry 5 grep -q 'Reloading config' "$LOG"
	refute grep -q 'mosquitto-firmware: .*cannot' "$LOG"
	witnesses_agree
	figure "$round reloads"
}

@test "the log is rotated: moved, and SIGHUP" {
	start_broker "log_dest file $BATS_TEST_TMPDIR/rotated.log"
	catalog
	PRODUCT=none say d1 report '{"version":"1.0"}'
	retry 5 grep -q 'refused report from client d1' "$BROKER_DIR/rotated.log"
	mv "$BROKER_DIR/rotated.log" "$BROKER_DIR/rotated.log.1"
	kill -HUP "$BROKER"
	retry 5 test -e "$BROKER_DIR/rotated.log"
	PRODUCT=none say d1 upgrade/progress '{"progress":1}'
	retry 5 grep -q 'mosquitto-firmware: refused upgrade/progress from client d1' "$BROKER_DIR/rotated.log"
	refute grep -q 'refused upgrade/progress' "$BROKER_DIR/rotated.log.1"
}

@test "an orderly stop under load: what was acknowledged is in the catalog when it ends" {
	local began took worst=0
	start_broker
	witness_catalog
	start_witnesses 6 3 3
	for ((round = 0; round < $(rounds 2 60); round++)); do
		acknowledges 1000
		began=${EPOCHREALTIME/./}
		stop_broker
		took=$(((${EPOCHREALTIME/./} - began) / 1000))
		((took < worst)) || worst=$took
		[[ $(witness applied) == ok* ]]
		assert_equal "$(db 'PRAGMA integrity_check')" ok
		refute grep -q 'stopping with uplinks in the spool' "$LOG"
		start_broker
	done
	((worst < 8000))
	witnesses_agree
	figure "$round stops, the longest took $worst ms"
}

# What another build of the plugin is like: another version, and another text in one of its triggers.
other_build() {
	LC_ALL=C sed -e 's/version 0\.1\.0 on/version 0.0.9 on/' -e 's/this product has firmware/this product had firmware/' "$FW_PLUGIN" >"$BATS_TEST_TMPDIR/other.so"
	! cmp -s "$FW_PLUGIN" "$BATS_TEST_TMPDIR/other.so"
}

# VERSION WORD: the plugin of that version is at work, with its own triggers.
works_as() {
	grep -q "mosquitto-firmware: version $1 on" "$LOG"
	[[ $(db "DELETE FROM product WHERE product_id = 'lamp'" 2>&1 || true) == *"this product $2 firmware"* ]]
	assert_json "$(pull "of-$2" '{"currentVersion":"1.0"}')" '.version == "2.0"'
	rows "SELECT version FROM device WHERE device_id = 'of-$2'" 1.0
}

@test "another version of the plugin over the catalog of this one, and back, with uplinks in the spool" {
	local current=$FW_PLUGIN
	other_build
	FW_PLUGIN=$BATS_TEST_TMPDIR/other.so
	start_broker
	catalog
	works_as 0.0.9 had
	hold_catalog
	now=$(date +%s%3N)
	say d1 upgrade/progress "{\"timestamp\":$now,\"progress\":1}"
	kill_broker
	release_catalog
	FW_PLUGIN=$current
	write_conf
	start_broker
	works_as 0.1.0 has
	rows "SELECT reported_at FROM progress_log" "$now"
	stop_broker
	FW_PLUGIN=$BATS_TEST_TMPDIR/other.so
	write_conf
	start_broker
	works_as 0.0.9 had
	assert_equal "$(db 'SELECT count(*) FROM progress_log; PRAGMA integrity_check')" $'1\nok'
}

# COPY: a broker elsewhere starts with it, has what was in it, and goes on.
restored() {
	local copy=$1 messages
	messages=$(sqlite3 "$copy" 'SELECT count(*) FROM progress_log')
	((messages > 1000))
	assert_equal "$(sqlite3 "$copy" 'PRAGMA integrity_check')" ok
	BROKER_DIR=$BATS_TEST_TMPDIR/elsewhere
	rm -rf "$BROKER_DIR"
	mkdir "$BROKER_DIR"
	cp "$copy" "$BROKER_DIR/firmware.db"
	start_broker
	say restored upgrade/progress '{"timestamp":1,"progress":1}'
	rows "SELECT count(*) FROM progress_log" $((messages + 1))
	counts_agree
	stop_broker
}

# ROWS: 20000 are 1 MiB, more than a backup copies at once.
filled_catalog() {
	start_broker
	witness_catalog
	db "BEGIN IMMEDIATE;
		UPDATE catalog_state SET plugin_writing = 1;
		INSERT INTO progress_log (received_at, product_id, device_id, reported_at, progress)
		SELECT value, 'lamp', 'old' || value % 1000, value, 5 FROM generate_series(1, $1);
		UPDATE catalog_state SET plugin_writing = 0;
		COMMIT;"
	start_witnesses 6 3 2 10 1000
	acknowledges 500
}

# COMMAND of the sqlite3 shell, with COPY in the place of the file.
backed_up_under_load() {
	local began=${EPOCHREALTIME/./} copy=$BATS_TEST_TMPDIR/copy.db
	timeout 60 sqlite3 -batch -cmd '.timeout 5000' "$DB" "${1//COPY/$copy}"
	figure "took $(((${EPOCHREALTIME/./} - began) / 1000)) ms for $(($(stat -c %s "$copy") >> 20)) MiB"
	acknowledges 500
	witnesses_agree
	stop_broker
	restored "$copy"
}

# A small catalog: the copy of a large one, or on a slow disk, begins anew whenever somebody writes, and never ends.
@test ".backup under load, restored elsewhere" {
	only_long
	filled_catalog 20000
	backed_up_under_load ".backup 'COPY'"
}

@test "VACUUM INTO under load, restored elsewhere" {
	filled_catalog "$(rounds 60000 3000000)"
	backed_up_under_load "VACUUM INTO 'COPY'"
}
