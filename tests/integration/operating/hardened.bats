#!/usr/bin/env bats
# A broker that may do less than Debian's: a filter of system calls (filter.c), a umask of 077, no folder that it can
# write but its own.

load ../files_helper

setup_file() {
	open_shell
	open_client
	gcc -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/filter" "$FW_SOURCE/tests/integration/filter.c"
}

setup() { MOSQUITTO_UNFILTERED=$MOSQUITTO; }

# kill | EPERM: the broker is started behind the filter.
filtered() {
	MOSQUITTO=$BATS_TEST_TMPDIR/filtered
	printf '#!/bin/sh\nexec "%s" %s "%s" "$@"\n' "$BATS_FILE_TMPDIR/filter" "$1" "$MOSQUITTO_UNFILTERED" >"$MOSQUITTO"
	chmod 755 "$MOSQUITTO"
}

# The broker is started where nothing can be written but its folder, as in a container with a read-only root.
boxed() {
	MOSQUITTO=$BATS_TEST_TMPDIR/boxed
	cat >"$MOSQUITTO" <<-END
		#!/bin/sh
		mount --bind "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" && cd / || exit
		for place in /tmp /var/tmp /; do mount -o remount,bind,ro "\$(stat -c %m "\$place")" || exit; done
		! touch /tmp/this /var/tmp/this /this 2>/dev/null || exit
		exec "$MOSQUITTO_UNFILTERED" "\$@"
	END
	printf '#!/bin/sh\nexec unshare --mount sh %s "$@"\n' "$MOSQUITTO" >"$MOSQUITTO.mounts"
	chmod 755 "$MOSQUITTO.mounts"
	MOSQUITTO=$MOSQUITTO.mounts
}

serves() {
	drop a.bin
	add_file f 30 a.bin
	becomes f ready
	assert_equal "$(offered d1)" f
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	cmp got "$FILES/a.bin"
	broker_lives
}

# How the broker's threads are scheduled: 0 as usual, 3 behind (SCHED_BATCH).
policies() { cut -d' ' -f41 /proc/"$BROKER"/task/*/stat | sort -nu | paste -sd' '; }

@test "without a filter, threads step behind the broker's" {
	start_with_files
	serves
	assert_equal "$(policies)" '0 3'
}

@test "SystemCallFilter=~@resources: the broker lives, and its threads stay where they are" {
	run "$BATS_FILE_TMPDIR/filter" kill nice -n 5 true
	assert_equal "$status" $((128 + 31)) # the filter does end who asks
	filtered kill
	start_with_files
	serves
	assert_equal "$(policies)" 0
	assert_equal "$(pgrep -P "$BROKER")" '' # the child that tried is gone
	stop_broker
}

@test "the same with SystemCallErrorNumber=EPERM" {
	filtered EPERM
	start_with_files
	serves
	assert_equal "$(policies)" 0
	stop_broker
}

@test "UMask=0077: the broker reads what it makes, and what it makes is its own" {
	umask 077
	start_with_files
	serves
	assert_equal "$(find "$BROKER_DIR" -path "$BROKER_DIR/.shell" -prune -o -name 'firmware*' -perm /077 -print)" ''
	stop_broker
	start_broker
	assert_equal "$(offered d1)" f
}

@test "nowhere to write but in its folder: a task for many devices goes on" {
	unshare --mount true 2>/dev/null || skip 'mounts of its own cannot be made here'
	boxed
	start_broker 'plugin_opt_connection_rate 0'
	catalog
	db "INSERT INTO device (product_id, device_id, version)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'lamp', 'd' || i, '1.0' FROM n;
		INSERT INTO task (task_id, name, firmware_id, mode)
		SELECT 't', 't', firmware_id, 'push' FROM firmware WHERE (product_id, version) = ('lamp', '2.0')"
	retry 20 db_is "SELECT processing FROM task_count WHERE task_id = 't'" 20000
	refute grep -q 'the catalog cannot be written' "$LOG"
	stop_broker
}
