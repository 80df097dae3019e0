#!/usr/bin/env bats
# Catalogs that this plugin has not made: refused with a sentence and left as they are, or migrated. And what becomes of one that is
# damaged while it is in use.
#
# tests/sql/released/ has a catalog of each schema, with rows in every table: a file for the schema of each migration, one with the triggers that
# schema 3 had before, and one for each released version: none so far. They are never changed; a release adds its own.

load ../witness_helper

setup() { :; }

RELEASED=$FW_SOURCE/tests/sql/released

# FILE NAME
old_catalog() {
	sqlite3 -bail "$1" <"$RELEASED/$2.sql"
	sqlite3 "$1" 'PRAGMA journal_mode = wal' >/dev/null
}

schema() { sqlite3 -batch "$1" "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"; }

# CATALOG COLUMNS-OF: all rows of the tables that the other catalog has, in the order of their keys. Leaves out what each start of the
# broker writes, the queues it empties, and recent_messages, which schema 5 forgets.
data() {
	local queries
	queries=$(sqlite3 -batch "$2" "SELECT 'SELECT ''' || name || '''; SELECT ' || columns || ' FROM ' || name || ' ORDER BY ' || columns || ';' FROM (
		SELECT name, (SELECT group_concat('quote(' || name || ')') FROM pragma_table_info(t.name) WHERE name NOT IN ('presence', 'recent_messages')) AS columns
		FROM sqlite_schema AS t WHERE type = 'table' AND name NOT IN ('catalog_state', 'device_change', 'task_change')) ORDER BY name")
	sqlite3 -batch "$1" "$queries SELECT generation, applied_sequence >= 77, plugin_writing FROM catalog_state"
}

fresh_schema() {
	BROKER_DIR=$BATS_TEST_TMPDIR/fresh
	mkdir "$BROKER_DIR"
	start_broker
	stop_broker
	schema "$DB" >"$BATS_TEST_TMPDIR/fresh.schema"
	BROKER_DIR=$BATS_TEST_TMPDIR
	rm -f "$BROKER_DIR/mosquitto.conf"
}

@test "each released schema is migrated to a fresh one's, with its rows" {
	fresh_schema
	[[ $(find "$RELEASED" -name '*.sql' | wc -l) -ge 5 ]]
	for file in "$RELEASED"/*.sql; do
		name=$(basename "$file" .sql)
		echo "$name"
		mkdir "$BATS_TEST_TMPDIR/$name"
		BROKER_DIR=$BATS_TEST_TMPDIR/$name
		old_catalog "$BATS_TEST_TMPDIR/$name/old.db" "$name"
		cp "$BATS_TEST_TMPDIR/$name/old.db" "$BATS_TEST_TMPDIR/$name/firmware.db"
		start_broker
		stop_broker
		diff "$BATS_TEST_TMPDIR/fresh.schema" <(schema "$DB")
		data "$BROKER_DIR/old.db" "$BROKER_DIR/old.db" >"$BROKER_DIR/old.data"
		diff "$BROKER_DIR/old.data" <(data "$DB" "$BROKER_DIR/old.db")
		assert_equal "$(db 'PRAGMA integrity_check; PRAGMA user_version; PRAGMA journal_mode')" $'ok\n7\nwal'
		assert_equal "$(db "SELECT task_id FROM task_count AS c JOIN task AS t USING (task_id) JOIN firmware AS f USING (firmware_id)
			WHERE (c.product_id, c.running) IS NOT (f.product_id, t.state = 'running')")" ''
		start_broker
		assert_json "$(pull d1 '{}')" '.version == "2.0"'
		say d3 report '{"version":"1.0"}'
		rows "SELECT version FROM device WHERE device_id = 'd3'" 1.0
		stop_broker
	done
}

@test "what an older catalog has and would be refused now is named at the start, a line a kind, with what mends it" {
	local hex
	BROKER_DIR=$BATS_TEST_TMPDIR
	old_catalog "$BROKER_DIR/firmware.db" schema-1
	# as schema 1 took them
	sqlite3 "$BROKER_DIR/firmware.db" "DROP TRIGGER IF EXISTS firmware_update_version; DROP TRIGGER IF EXISTS firmware_update_parameters;
		INSERT INTO product (product_id) VALUES ('lamp ');
		INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd' || char(8203)), ('lamp', CAST(x'64ff' AS TEXT)), ('lamp', 'fine ü');
		UPDATE firmware SET version = '1.0' || char(160), url = 'http://h/' || char(65279) WHERE firmware_id = 'lamp-1.0';
		UPDATE firmware SET parameters = '{\"a\":1e999}' WHERE firmware_id = 'lamp-2.0';
		UPDATE firmware SET file = 'oven.bin ' WHERE firmware_id = 'oven-1'"
	start_broker
	for words in "1 product_id that would be refused now, such as 'lamp '" "2 device_id that would be refused now, such as" '1 version that would' '1 file that would' '1 url that would' \
		'1 parameters that would be refused now.*has a number that is too large'; do
		retry 5 grep -q "the catalog has $words.*To mend it: " "$LOG" || { echo "not said: $words"; return 1; }
	done
	assert_equal "$(grep -c 'To mend it' "$LOG")" 6
	# what it says mends them
	hex=$(sed -n "s/.*DELETE FROM device WHERE hex(device_id) = '\([0-9A-F]*\)'.*/\1/p" "$LOG")
	db "DELETE FROM device WHERE hex(device_id) IN ('$hex', '64FF');
		UPDATE firmware SET version = '1.0', url = 'http://h/x' WHERE firmware_id = 'lamp-1.0';
		UPDATE firmware SET parameters = '{}' WHERE firmware_id = 'lamp-2.0'; UPDATE firmware SET file = 'oven.bin' WHERE firmware_id = 'oven-1';
		DELETE FROM product WHERE product_id = 'lamp '"
	stop_broker
	start_broker
	settle
	assert_equal "$(grep -c 'To mend it' "$LOG" || true)" 0
}

# WORDS [LINE...]: the broker refuses to start, says so, and has changed nothing.
refused_untouched() {
	local before words=$1
	shift
	before=$(cd "$BROKER_DIR" && sha256sum firmware.db*)
	refuses_to_start "$@"
	[[ $output == *"$words"* ]] || { echo "it said: $output"; return 1; }
	rm -f "$DB-lock" "$DB-shm" # the log's index, which any reader makes, as it makes an empty log
	[[ -s $DB-wal ]] || rm -f "$DB-wal"
	diff <(echo "$before") <(cd "$BROKER_DIR" && sha256sum firmware.db*)
	rm -f "$BROKER_DIR"/firmware.db*
}

@test "what is no catalog is refused, and left as it is" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	echo 'This is no database, but a text of some length.' >"$DB"
	refused_untouched 'is not an SQLite database'
	printf 'x' >"$DB"
	refused_untouched 'is not an SQLite database'
	{ printf 'SQLite format 3\0'; head -c 8176 /dev/urandom; } >"$DB"
	refused_untouched 'cannot read the catalog'
	sqlite3 "$DB" 'CREATE TABLE other (a); INSERT INTO other VALUES (1)'
	refused_untouched 'is the database of another program'
	sqlite3 "$DB" 'PRAGMA journal_mode = wal; CREATE TABLE other (a)' >/dev/null
	refused_untouched 'is the database of another program'
	sqlite3 "$DB" 'PRAGMA application_id = 7'
	refused_untouched 'is the database of another program'
	sqlite3 "$DB" 'PRAGMA user_version = 3; CREATE TABLE other (a)'
	refused_untouched 'is the database of another program'
}

# SQL...: runs it, and leaves the catalog as the death of its last user does: with a log beside it.
left_with_log() {
	/usr/bin/python3 - "$DB" "PRAGMA journal_mode = wal" "$@" <<-'END'
		import os, sqlite3, sys
		database = sqlite3.connect(sys.argv[1], isolation_level=None)
		for sql in sys.argv[2:]:
		    database.execute(sql)
		os._exit(0)
	END
	rm "$DB-shm"
	[[ -s $DB-wal ]]
}

@test "a newer catalog, or another program's, is left as it is with the log that a crash left beside it" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	old_catalog "$DB" schema-3-earlier
	left_with_log 'PRAGMA user_version = 99' "UPDATE device SET name = 'in the log'"
	refused_untouched 'made by a newer plugin'
	sqlite3 "$DB" 'CREATE TABLE other (a)'
	left_with_log 'INSERT INTO other VALUES (1)'
	refused_untouched 'is the database of another program'
}

@test "a newer catalog is refused, and left as it is" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	old_catalog "$DB" schema-3-earlier
	sqlite3 "$DB" 'PRAGMA user_version = 8'
	refused_untouched 'has schema 8, made by a newer plugin; this one knows up to 7'
}

@test "a damaged catalog is refused, and left as it is" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	# the page of the schema itself
	old_catalog "$DB" schema-3-earlier
	head -c 3000 /dev/urandom | dd of="$DB" bs=1 seek=100 conv=notrunc status=none
	refused_untouched 'restore a backup'
	# its end is missing
	old_catalog "$DB" schema-3-earlier
	truncate -s 9000 "$DB"
	refused_untouched 'restore a backup'
	# the plugin's own row is gone, or its table
	old_catalog "$DB" schema-3-earlier
	sqlite3 "$DB" 'DROP TRIGGER catalog_state_delete; DELETE FROM catalog_state'
	refused_untouched 'is damaged'
	old_catalog "$DB" schema-3-earlier
	sqlite3 "$DB" 'DROP TABLE catalog_state'
	refused_untouched 'is damaged'
	# a table is gone
	for table in $(rounds 'device task_device' 'device progress_log task_device firmware_file download'); do
		old_catalog "$DB" schema-3-earlier
		sqlite3 "$DB" "DROP TABLE $table"
		refused_untouched "no such table: "
	done
}

@test "a folder, and a file that cannot be read, are refused" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	mkdir "$DB"
	refuses_to_start
	[[ $output == *"firmware.db' is a folder: name the file in it that is to be the catalog"* ]]
	rmdir "$DB"
	rm -f "$DB-lock"
	ln -s "$DB" "$DB"
	refuses_to_start
	[[ $output == *"firmware.db"* ]]
}

# One more than a spool file holds, so that what was applied would be deleted.
@test "a catalog replaced while it is in use: a restart takes the new one, whole, and what was acknowledged since" {
	start_broker
	catalog
	for device in d1 d2 d3 d4 d5 d6; do say "$device" report '{"version":"1.0"}'; done
	rows "SELECT count(*) FROM device" 6
	db "VACUUM INTO '$BROKER_DIR/copy.db'"
	for device in d7 d8 d9; do say "$device" report '{"version":"1.0"}'; done
	rows "SELECT count(*) FROM device" 9
	mv "$BROKER_DIR/copy.db" "$DB"
	# more than a file of the spool, before the plugin looks
	raw <<-'END'
		from raw import Client
		client = Client("d1")
		for i in range(18000):
		    client.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":1,"errorReason":"%s"}' % ("x" * 1000), mid=i + 1, wait=False)
		    if i % 100 == 99:
		        client.ping()
	END
	retry 12 grep -q 'was replaced while in use' "$LOG"
	stop_broker
	start_broker
	rows "SELECT count(*) FROM progress_log" 18000
	assert_equal "$(db "PRAGMA integrity_check")" ok
}

@test "a catalog removed while it is in use, and a restart without it: what was acknowledged is kept, and applied to it when it is back" {
	start_broker
	catalog
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	db "VACUUM INTO '$BROKER_DIR/copy.db'"
	rm "$DB"
	retry 12 grep -q 'was removed while in use: put it back' "$LOG"
	say d1 upgrade/progress '{"timestamp":1,"progress":1}'
	stop_broker
	start_broker
	retry 5 grep -q "firmware.db' is missing and made anew; what waited for it is kept in" "$LOG"
	rows "SELECT count(*) FROM product" 0
	# what is said to the new one takes no number of theirs
	catalog
	say d1 upgrade/progress '{"timestamp":2,"progress":2}'
	rows "SELECT device_id, progress FROM progress_log" 'd1|2'
	kill_broker
	rm "$DB"*-wal "$DB"*-shm
	mv "$BROKER_DIR/copy.db" "$DB"
	for kept in "$DB"-spool-*.kept; do mv "$kept" "${kept%.kept}"; done
	start_broker
	rows "SELECT group_concat(progress) FROM progress_log" 1,2
}

@test "a catalog that was moved away after a crash comes back with its log" {
	start_broker
	catalog
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	kill_broker
	[[ -s $DB-wal ]]
	rm "$DB"-spool-*
	mv "$DB" "$BROKER_DIR/away.db"
	start_broker
	retry 5 grep -q "firmware.db' is missing and made anew; what waited for it is kept in" "$LOG"
	stop_broker
	mv "$BROKER_DIR/away.db" "$DB"
	mv "$DB-wal.kept" "$DB-wal"
	start_broker
	rows "SELECT device_id, version FROM device" 'd1|1.0'
}

@test "a backup put in place of a catalog whose log a crash left is refused until that log is gone" {
	start_broker
	catalog
	db "VACUUM INTO '$BROKER_DIR/copy.db'"
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	kill_broker
	[[ -s $DB-wal ]]
	cp "$BROKER_DIR/copy.db" "$DB"
	refuses_to_start
	[[ $output == *"firmware.db-wal' is the log of another file"*"remove '"* ]]
	cmp "$BROKER_DIR/copy.db" "$DB"
	rm "$DB-wal" "$DB-shm"
	start_broker
	# it is in the spool still
	rows "SELECT count(*) FROM device" 1
	assert_equal "$(db 'PRAGMA integrity_check')" ok
}

@test "an empty file, and a log without its catalog, are no catalog yet" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	: >"$DB"
	start_broker
	stop_broker
	rm -f "$DB"
	head -c 5000 /dev/urandom >"$DB-wal"
	cp "$DB-wal" "$BROKER_DIR/log"
	echo earlier >"$DB-wal.kept"
	start_broker
	catalog
	say d1 report '{"version":"1.0"}'
	rows "SELECT version FROM device" 1.0
	# nor does one that was kept take the place of one that was kept before
	assert_equal "$(<"$DB-wal.kept")" earlier
	cmp "$BROKER_DIR/log" "$DB-wal.2.kept"
}

@test "any page of a catalog damaged while the broker is down: it refuses to start, or serves and lives" {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
	old_catalog "$BROKER_DIR/good.db" schema-3-earlier
	pages=$(sqlite3 "$BROKER_DIR/good.db" 'PRAGMA page_count')
	LOG=$BROKER_DIR/broker.log
	CONNECT=(--unix "$BROKER_DIR/socket")
	write_conf
	started=0
	for ((page = 0; page < pages; page += $(rounds 24 1))); do
		rm -f "$BROKER_DIR"/firmware.db*
		cp "$BROKER_DIR/good.db" "$DB"
		head -c 4096 /dev/urandom | dd of="$DB" bs=4096 seek="$page" conv=notrunc status=none
		launch_broker
		retry 10 broker_decided
		if broker_listens; then
			started=$((started + 1))
			for tail in pull report upgrade/progress upgrade/reply; do
				timeout 5 mosquitto_pub "${CONNECT[@]}" -i d1 -q 1 -t "/lamp/d1/firmware/$tail" -m '{"version":"1.0","progress":1}' || true
			done
			listen "other$page" -t other
			pub -q 1 -t other -m works
			retry 5 heard_count "other$page" 1
			broker_lives
			kill "$BROKER"
		else
			grep -q 'mosquitto-firmware: .*firmware.db' "$LOG"
		fi
		wait "$BROKER" || [[ $? != 139 ]]
		BROKER=
	done
	figure "$page pages, started with $started"
}
