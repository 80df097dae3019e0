#!/usr/bin/env bats
# Loss of power: what is left is what was synced (power.c), which is all that was acknowledged, but for the last moment.

load ../witness_helper

SLACK_MS=500 # beside the interval: other processes hold up a busy machine's store, and its clock-watcher here

setup_file() {
	gcc -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -shared -fPIC -o "$BATS_FILE_TMPDIR/power.so" "$FW_SOURCE/tests/integration/power.c" -ldl
}

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	mkdir "$BROKER_DIR/data"
	export BROKER_SOCKET=$BROKER_DIR/socket PYTHONPATH=$FW_SOURCE/tests/integration PYTHONDONTWRITEBYTECODE=1
	export POWER_FOLDER=$BROKER_DIR/data POWER_DISK=$BROKER_DIR/disk
}

# shellcheck disable=SC2034 # DB is read in helper.bash
# LINE...: a broker on a disk that forgets, and a catalog that is safe there.
start_on_forgetful_disk() {
	rm -rf "$POWER_DISK" "${POWER_FOLDER:?}"/* "$BROKER_DIR/acknowledged"
	mkdir -p "$POWER_DISK/names" "$POWER_DISK/content"
	LD_PRELOAD=$BATS_FILE_TMPDIR/power.so start_broker "plugin_opt_db_file $POWER_FOLDER/firmware.db" "$@"
	DB=$POWER_FOLDER/firmware.db
	# by a shell of its own, whose writes are remembered, too
	SHELL_DIR='' LD_PRELOAD=$BATS_FILE_TMPDIR/power.so catalog
}

# A device talks until the power is gone, $1 seconds later. Sets CUT_AT.
talk_until_cut() { # SECONDS SEED
	/usr/bin/python3 "$FW_SOURCE/tests/integration/power.py" say "$BROKER_DIR/acknowledged" 3>&- 2>/dev/null &
	BACKGROUND+=($!)
	retry 20 test -s "$BROKER_DIR/acknowledged"
	sleep "$1"
	CUT_AT=$(date +%s.%N)
	kill_broker
	wait "${BACKGROUND[-1]}" || true
	/usr/bin/python3 "$FW_SOURCE/tests/integration/power.py" cut "$POWER_DISK" "$POWER_FOLDER" "$2"
}

# shellcheck disable=SC2034 # DB is read in helper.bash
# Starts the broker on what is left, and sets LOST to the acknowledged numbers that are not in the catalog, and LOST_MS to how
# long before the cut the first of them was acknowledged, 0: none.
count_losses() {
	start_broker
	DB=$POWER_FOLDER/firmware.db
	settle
	[[ $(db 'PRAGMA integrity_check') == ok ]]
	db "SELECT version FROM progress_log WHERE device_id = 'd1' ORDER BY log_id" >"$BROKER_DIR/there"
	assert_equal "$(sort "$BROKER_DIR/there" | uniq -d)" ''
	assert_equal "$(sort -n "$BROKER_DIR/there")" "$(<"$BROKER_DIR/there")"
	read -r LOST LOST_MS < <(awk -v cut="$CUT_AT" 'FILENAME == ARGV[1] { there[$1] = 1; next }
		!($1 in there) { if (!lost++) age = (cut - $2) * 1000 }
		END { printf "%d %d\n", lost, (age > 0 ? age : 0) }' "$BROKER_DIR/there" "$BROKER_DIR/acknowledged")
	figure "$(wc -l <"$BROKER_DIR/acknowledged") acknowledged, $LOST lost, the oldest $LOST_MS ms before the cut"
	stop_broker
}

@test "with sync full a loss of power costs what was acknowledged in the last interval, no more" {
	for ((round = 0; round < $(rounds 2 40); round++)); do
		start_on_forgetful_disk 'plugin_opt_sync full'
		talk_until_cut "1.$((RANDOM % 10))" "$((round % 2 ? RANDOM + 1 : 0))"
		count_losses
		((LOST_MS < 100 + SLACK_MS))
	done
}

@test "the same while an operator's transaction holds the catalog, so that the spool alone has it" {
	for ((round = 0; round < $(rounds 2 20); round++)); do
		start_on_forgetful_disk 'plugin_opt_sync full' 'plugin_opt_sync_interval_ms 50'
		hold_catalog
		talk_until_cut "1.$((RANDOM % 10))" "$((round % 2 ? RANDOM + 1 : 0))"
		count_losses
		((LOST_MS < 50 + SLACK_MS))
	done
}

@test "with sync normal it costs more: the disk here does forget" {
	start_on_forgetful_disk
	talk_until_cut 2 0
	count_losses
	((LOST > 0 && LOST_MS > 1000))
}
