#!/usr/bin/env bats
# A monitor: a user that may read the catalog, and nothing else, while the broker runs, after it was stopped, and after it died.

load ../helper

setup() {
	((EUID == 0)) || skip 'another user is needed'
	local dir
	BROKER_DIR=$BATS_TEST_TMPDIR/broker
	mkdir -m 750 "$BROKER_DIR"
	for dir in "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$BATS_TEST_TMPDIR/../.."; do chmod o+x "$dir"; done
	start_broker
	catalog
	# as the document says
	chgrp nogroup "$BROKER_DIR" "$DB" "$DB"-wal "$DB"-shm
	chmod 2750 "$BROKER_DIR"
	chmod 640 "$DB" "$DB"-wal "$DB"-shm
}

# URI [OPTION...]: what the monitor reads.
monitor() {
	setpriv --reuid nobody --regid nogroup --clear-groups sqlite3 -batch "${@:2}" "$1" \
		"SELECT group_concat(device_id) FROM device" 2>&1
}

devices_read() { [[ $(monitor "$1" "${@:3}") == "$2" ]]; }

@test "while the broker runs a read-only connection reads what is committed, and takes nothing from the broker" {
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	devices_read "$DB" d1 -readonly
	devices_read "file:$DB?mode=ro" d1
	say d2 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 2
	devices_read "$DB" d1,d2 -readonly
	[[ $(monitor "$DB" -readonly -cmd 'DELETE FROM device') == *'readonly database'* ]]
	rows "SELECT count(*) FROM device" 2
}

@test "after an orderly stop the catalog is one file, and is read as immutable" {
	say d1 report '{"version":"1.0"}'
	stop_broker
	[[ ! -e $DB-wal && ! -e $DB-shm ]]
	devices_read "file:$DB?immutable=1" d1
	# why that is needed
	[[ $(monitor "$DB" -readonly) == *'attempt to write a readonly database'* ]]
}

@test "after the broker died the log is beside the catalog, and a read-only connection reads both" {
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	kill_broker
	[[ -s $DB-wal ]]
	devices_read "$DB" d1 -readonly
	# the log is left out then
	[[ $(monitor "file:$DB?immutable=1") != d1 ]]
	start_broker
	devices_read "$DB" d1 -readonly
}

@test "the files that the broker makes anew keep the rights of the catalog and the group of the folder" {
	stop_broker
	start_broker
	say d1 report '{"version":"1.0"}'
	rows "SELECT count(*) FROM device" 1
	assert_equal "$(stat -c %a "$DB-wal" "$DB-shm" | sort -u)" 640
	devices_read "$DB" d1 -readonly
}
