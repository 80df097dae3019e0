#!/usr/bin/env bats
# log_retention_days: what is old goes, but not on the word of a clock that jumped.

load ../helper

FAKETIME=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
[[ -e $FAKETIME ]] || FAKETIME=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)

# The broker's wall clock, and no other one, is what step says.
setup() {
	[[ -n $FAKETIME ]] || skip 'Debian package faketime is not installed'
	[[ -z ${FW_NO_FAKETIME:-} ]] || skip 'not under a sanitizer'
	BROKER_DIR=$BATS_TEST_TMPDIR
	step 0
	cat >"$BROKER_DIR/mosquitto" <<-END
		#!/bin/sh
		LD_PRELOAD=$FAKETIME FAKETIME_TIMESTAMP_FILE=$BROKER_DIR/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 exec $MOSQUITTO "\$@"
	END
	chmod +x "$BROKER_DIR/mosquitto"
	MOSQUITTO=$BROKER_DIR/mosquitto
	start_broker 'plugin_opt_log_retention_days 30'
	catalog
	fill_logs
}

step() { # DAYS from the true time
	printf '%+dd\n' "$1" >"$BROKER_DIR/clock.new"
	mv "$BROKER_DIR/clock.new" "$BROKER_DIR/clock"
}

# Rows of each log: 40 days old, and of now.
fill_logs() {
	db "BEGIN IMMEDIATE; UPDATE catalog_state SET plugin_writing = 1;
		INSERT INTO progress_log (received_at, product_id, device_id) SELECT unixepoch() * 1000 - column1 * 86400000, 'lamp', 'd1' FROM (VALUES (40), (0));
		INSERT INTO version_log (received_at, product_id, device_id, version) SELECT unixepoch() * 1000 - column1 * 86400000, 'lamp', 'd1', '1' FROM (VALUES (40), (0));
		INSERT INTO download SELECT 'lamp', 'd' || column1, 'lamp-2.0', 0, unixepoch() * 1000 - column1 * 86400000, 1, 1, 1, 1, NULL FROM (VALUES (40), (0));
		INSERT INTO admin_log (at, who, from_, command, subject, outcome) SELECT unixepoch() * 1000 - column1 * 86400000, 'ada', '', '', '', 'ok' FROM (VALUES (40), (0));
		UPDATE catalog_state SET plugin_writing = 0; COMMIT"
}

# With a clock that is wrong by so many DAYS. A restart prunes at once.
restart() {
	stop_broker
	step "$1"
	start_broker
	settle
}

logs_are() { rows "SELECT (SELECT count(*) FROM progress_log), (SELECT count(*) FROM version_log WHERE device_id = 'd1'), (SELECT count(*) FROM download), (SELECT count(*) FROM admin_log)" "$1"; }

@test "a clock that is ahead deletes nothing, the log says it once, and what is old goes all the same" {
	restart 400
	logs_are '1|1|1|1'
	retry 5 grep -q 'the clock went ahead by 9[56][0-9][0-9] hours, so log_retention_days is counted as if it had not' "$LOG"
	settle
	assert_equal "$(grep -c 'the clock went ahead' "$LOG")" 1
	# set right again: nothing has happened
	restart 0
	logs_are '1|1|1|1'
	refute grep -q 'the clock went ahead' "$LOG"
	restart 0
	logs_are '1|1|1|1'
}

@test "a clock that went ahead before the reference was kept is noticed by the last transaction" {
	stop_broker
	db 'BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE catalog_state SET trust_wall_ms = 0; UPDATE catalog_state SET plugin_writing = 0; COMMIT'
	step 400
	start_broker
	settle
	logs_are '1|1|1|1'
}

@test "a clock that has been ahead for log_retention_days is believed" {
	restart 400
	logs_are '1|1|1|1'
	stop_broker
	db "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE catalog_state SET trust_off_since = trust_off_since - 31 * 86400000,
		trust_steady_ms = trust_steady_ms - 31 * 86400000, trust_wall_ms = trust_wall_ms - 31 * 86400000; UPDATE catalog_state SET plugin_writing = 0; COMMIT"
	start_broker
	logs_are '0|0|0|0'
}

@test "a clock that was behind, as of a machine without one, is believed again at once when it is right" {
	restart -9000
	logs_are '2|2|2|2'
	restart 0
	logs_are '1|1|1|1'
	refute grep -q 'the clock went ahead' "$LOG"
}

# The steady clock goes on by the wall clock then.
@test "after a start of the machine nothing is deleted in the first hour" {
	stop_broker
	db "BEGIN; UPDATE catalog_state SET plugin_writing = 1; UPDATE catalog_state SET trust_boot_id = 'another', clock_boot_id = 'another';
		UPDATE catalog_state SET plugin_writing = 0; COMMIT"
	start_broker
	settle
	if (($(cut -d. -f1 /proc/uptime) < 3590)); then
		logs_are '2|2|2|2'
		grep -q 'the machine was started, and its clock may not be set yet: log_retention_days deletes nothing before' "$LOG"
	elif (($(cut -d. -f1 /proc/uptime) > 3610)); then
		logs_are '1|1|1|1'
	fi
}
