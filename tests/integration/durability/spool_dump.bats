#!/usr/bin/env bats
# tests/spool_dump reads what the broker wrote, while it runs and after its end.

load ../witness_helper

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	DB=$BROKER_DIR/firmware.db
}

dump() { "$FW_SOURCE/tests/spool_dump" "$@" 2>"$BROKER_DIR/counted"; }

@test "spool_dump prints a line for each record, and tells of damage" {
	start_broker
	catalog
	hold_catalog
	now=$(date +%s)000
	say d1 report "{\"timestamp\":$now,\"version\":\"1.0\"}"
	say d1 upgrade/progress '{"progress":40,"errorReason":"reason ä"}'
	say d1 upgrade/reply '{"success":false,"retryAfter":60}'
	dump "$DB-spool" >"$BROKER_DIR/dumped"
	release_catalog
	assert_equal "$(cat "$BROKER_DIR/counted")" '3 records'
	assert_equal "$(sed 's/^[0-9]* //' "$BROKER_DIR/dumped" | jq -r '[.kind, .device, .version, .reportedAt, .progress, .reason, .retryAfter] | map(tostring) | join(" ")')" \
		"report d1 1.0 $now null null null
progress d1 null null 40 reason ä null
reply d1 null null null null 60"
	assert_equal "$(cut -d ' ' -f 1 "$BROKER_DIR/dumped" | paste -sd ' ')" '1 2 3'
	kill_broker
	# a byte of the second record
	SPOOL=$(echo "$DB"-spool-*)
	first=$((20 + $(od -An -tu4 -j 4 -N 4 "$SPOOL")))
	printf '\xff' | dd of="$SPOOL" bs=1 seek=$((first + 25)) conv=notrunc status=none
	dump "$SPOOL" >"$BROKER_DIR/dumped"
	assert_equal "$(cat "$BROKER_DIR/counted")" '2 records'
	assert_equal "$(cut -d ' ' -f 1 "$BROKER_DIR/dumped" | paste -sd ' ')" '1 # 3'
	grep -q "^# ${SPOOL##*/}: [0-9]* bytes at $first are no record" "$BROKER_DIR/dumped"
	run -1 dump "$BROKER_DIR/none"
}
