#!/usr/bin/env bats
# kill -9 at random moments: what was acknowledged is in the catalog, once and in order; the catalog is whole.

load ../witness_helper

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
}

spool_files() { find "$BROKER_DIR" -maxdepth 1 -name 'firmware.db-spool-*' | sort; }

# ROUNDS: kills and starts the broker under the load that runs, at random moments.
crash_loop() {
	local round
	for ((round = 0; round < $1; round++)); do
		a_moment 400
		kill_broker
		start_broker
	done
}

@test "kill -9 under load" {
	start_broker
	witness_catalog
	start_witnesses 4 3 3
	acknowledges 200
	crash_loop "$(rounds 3 300)"
	acknowledges 200
	figure "$(rounds 3 300) kills"
	witnesses_agree
}

@test "kill -9 while an operator's transaction holds the catalog" {
	only_long
	start_broker
	witness_catalog
	start_witnesses 3 3 2
	for ((round = 0; round < $(rounds 2 30); round++)); do
		acknowledges 100
		hold_catalog
		acknowledges 300
		crash_loop 2
		acknowledges 100
		release_catalog
	done
	figure "$((2 * round)) kills"
	witnesses_agree
}

@test "kill -9 while the spool goes from one file to the next" {
	start_broker
	witness_catalog
	# 4 MiB are 4,000 messages
	start_witnesses 6 1 0 1000
	acknowledges 100
	hold_catalog
	for ((round = 0; round < $(rounds 4 60); round++)); do
		acknowledges 4500 60
		a_moment 200
		kill_broker
		start_broker
		if ((round % 10 == 9)); then # the disk is not endless
			release_catalog
			acknowledges 100
			hold_catalog
		fi
	done
	(($(spool_files | wc -l) > 4))
	figure "$round kills, $(spool_files | wc -l) spool files at the end"
	release_catalog
	witnesses_agree
	assert_equal "$(spool_files | wc -l)" 1
}

# SCHEMA: what the killed starts have made of it, if anything, becomes this after an undisturbed one.
fresh_after_kills() {
	start_broker
	assert_equal "$(db 'PRAGMA integrity_check; PRAGMA user_version; PRAGMA journal_mode')" $'ok\n7\nwal'
	diff "$1" <(db "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
}

# Starts the broker, and kills it after at most so many milliseconds.
killed_start() {
	launch_broker
	a_moment "$1"
	kill_broker
}

# How long a start takes, in milliseconds; its catalog's schema is then in $BROKER_DIR/schema.
measure_start() {
	local began=${EPOCHREALTIME/./}
	start_broker
	START_MS=$(((${EPOCHREALTIME/./} - began) / 1000 + 10))
	db "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name" >"$BROKER_DIR/schema"
	stop_broker
	rm -f "$BROKER_DIR"/firmware.db*
}

@test "kill -9 during the first start" {
	measure_start
	half=0
	for ((round = 0; round < $(rounds 3 400); round++)); do
		killed_start "$START_MS"
		if [[ -s $DB && $(sqlite3 "$DB" 'PRAGMA user_version') == 0 ]] || [[ -e $DB && ! -s $DB ]]; then half=$((half + 1)); fi
		if ((round % 5 == 0)); then killed_start "$START_MS"; fi
		fresh_after_kills "$BROKER_DIR/schema"
		stop_broker
		rm -f "$BROKER_DIR"/firmware.db*
	done
	figure "$round first starts killed within $START_MS ms, $half of them with the catalog half made"
}

@test "kill -9 during a migration" {
	measure_start
	half=0
	sqlite3 "$BROKER_DIR/old.db" <"$FW_SOURCE/tests/sql/released/schema-1.sql"
	sqlite3 "$BROKER_DIR/old.db" "PRAGMA journal_mode = wal; INSERT INTO progress_log (received_at, product_id, device_id) SELECT value, 'lamp', 'd1' FROM generate_series(1, 1000)" >/dev/null
	logged=$(sqlite3 "$BROKER_DIR/old.db" 'SELECT count(*) FROM progress_log')
	for ((round = 0; round < $(rounds 3 400); round++)); do
		cp "$BROKER_DIR/old.db" "$DB"
		killed_start "$START_MS"
		version=$(sqlite3 "$DB" 'PRAGMA user_version')
		[[ $version == [17] ]]
		if [[ $version == 1 ]]; then half=$((half + 1)); fi
		fresh_after_kills "$BROKER_DIR/schema"
		assert_equal "$(db 'SELECT count(*) FROM progress_log')" "$logged"
		stop_broker
		rm -f "$BROKER_DIR"/firmware.db*
	done
	figure "$round migrations killed within $START_MS ms, $half of them before their end"
}

# Three reports of d1 that are in the spool and not in the catalog, in $BROKER_DIR/kept, where the broker was killed. $SPOOL is the file's
# name, $LAST the offset of its last record, $SIZE where that ends: zeros may follow.
leave_records() {
	local i end=0
	start_broker
	catalog
	hold_catalog
	for i in 1 2 3; do say d1 upgrade/progress "{\"timestamp\":$i,\"progress\":$i,\"errorReason\":\"reason $i\"}"; done
	kill_broker
	release_catalog
	mkdir "$BROKER_DIR/kept"
	mv "$BROKER_DIR"/firmware.db* "$BROKER_DIR/kept/"
	SPOOL=$(cd "$BROKER_DIR/kept" && echo firmware.db-spool-*)
	for i in 1 2 3; do # a record has 20 bytes of its own; its payload's length is at the fifth
		LAST=$end
		end=$((end + 20 + $(od -An -tu4 -j $((end + 4)) -N 4 "$BROKER_DIR/kept/$SPOOL")))
	done
	SIZE=$end
	((LAST > 100 && SIZE > LAST + 50 && SIZE < 500))
}

LOGGED="SELECT group_concat(progress || ' ' || error_reason) FROM (SELECT * FROM progress_log WHERE device_id = 'd1' ORDER BY log_id)"

# The broker starts with what is left of the spool, goes on, and has these reports then.
starts_with() {
	start_broker
	say d1 upgrade/progress '{"timestamp":4,"progress":4,"errorReason":"reason 4"}'
	rows "$LOGGED" "$1"
	stop_broker
}

restore_records() {
	rm -f "$BROKER_DIR"/firmware.db*
	cp "$BROKER_DIR/kept"/* "$BROKER_DIR/"
}

@test "a spool cut at every byte of its last record: the broker starts, says so, and has all before it" {
	leave_records
	for ((cut = LAST, count = 0; cut < SIZE; cut += $(rounds 37 1), count++)); do
		restore_records
		truncate -s "$cut" "$BROKER_DIR/$SPOOL"
		starts_with '1 reason 1,2 reason 2,4 reason 4'
		((cut == LAST)) || grep -q "the spool beside .* was damaged: [0-9]* bytes skipped, 1 torn ends (uplinks that were not acknowledged), 0 gaps" "$LOG"
	done
	figure "cut at $count places"
}

@test "a spool with a byte changed: the broker starts, says so, and misses no more than the record that was hit" {
	leave_records
	for ((at = 0, count = 0; at < SIZE; at += $(rounds 89 1), count++)); do
		restore_records
		value=$(od -An -tu1 -j "$at" -N 1 "$BROKER_DIR/$SPOOL")
		printf '%b' "\\x$(printf '%02x' $((value ^ (1 << RANDOM % 8))))" | dd of="$BROKER_DIR/$SPOOL" bs=1 seek="$at" conv=notrunc status=none
		all='1 reason 1,2 reason 2,3 reason 3,4 reason 4'
		hit=$((at >= LAST ? 3 : 1 + at * 2 / LAST))
		starts_with "${all/"$hit reason $hit,"/}"
		grep -q 'the spool beside .* was damaged: .* bytes skipped' "$LOG"
	done
	figure "changed at $count places"
}
