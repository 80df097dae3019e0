#!/usr/bin/env bats
# Loss of power: what is left is what was synced (power.c), which is all that was acknowledged, but for the last moment.

load ../witness_helper

SLACK_MS=500 # beside the interval: other processes hold up a busy machine's store, and its clock-watcher here

setup_file() {
	open_shell
	open_client
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

# PAD: a device begins to talk, see power.py.
talk() {
	/usr/bin/python3 "$FW_SOURCE/tests/integration/power.py" say "$BROKER_DIR/acknowledged" "$1" 3>&- 2>/dev/null &
	BACKGROUND+=($!)
	retry 20 test -s "$BROKER_DIR/acknowledged"
}

# The broker is gone. Sets CUT_AT.
end_talk() {
	CUT_AT=$(date +%s.%N)
	kill_broker
	wait "${BACKGROUND[-1]}" || true
}

# SEED: the power is gone.
cut_power() {
	/usr/bin/python3 "$FW_SOURCE/tests/integration/power.py" cut "$POWER_DISK" "$POWER_FOLDER" "$1"
}

talk_until_cut() { # SECONDS SEED
	talk 0
	sleep "$1"
	end_talk
	cut_power "$2"
}

# NUMBER: the disk has something of the spool file behind so many others.
spool_went_on() {
	local files=("$POWER_DISK"/content/firmware.db-spool-*)
	[[ -s ${files[$1]:-} ]]
}

# shellcheck disable=SC2034 # DB is read in helper.bash
# Starts the broker on what is left, and sets LOST to the acknowledged numbers that are not in the catalog, and LOST_MS to how
# long before the cut the first of them was acknowledged, 0: none.
count_losses() {
	start_broker
	DB=$POWER_FOLDER/firmware.db
	# it comes behind all that is in the spool: thousands, in transactions that each wait for the disk
	say last report '{"version":"last"}'
	retry 60 db_is "SELECT version FROM device WHERE device_id = 'last'" last
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
	only_long
	for ((round = 0; round < $(rounds 2 20); round++)); do
		start_on_forgetful_disk 'plugin_opt_sync full' 'plugin_opt_sync_interval_ms 50'
		hold_catalog
		talk_until_cut "1.$((RANDOM % 10))" "$((round % 2 ? RANDOM + 1 : 0))"
		count_losses
		((LOST_MS < 50 + SLACK_MS))
	done
}

@test "the same while the spool goes from one file to the next" {
	for ((round = 0; round < $(rounds 1 30); round++)); do
		start_on_forgetful_disk 'plugin_opt_sync full'
		hold_catalog
		talk 1000
		retry 60 spool_went_on $((round % 3 + 1))
		pause 2
		end_talk
		cut_power "$((round % 2 ? RANDOM + 1 : 0))"
		count_losses
		((LOST_MS < 1500)) # the flood, and the layer that compares whole files, hold up the store's thread
	done
}

# The catalog's log is in the page cache when the broker is killed. The next broker has no commit that would sync it.
@test "a start with sync full deletes nothing of the spool before the disk has the catalog's log" {
	start_on_forgetful_disk
	talk 0
	pause 1
	kill "${BACKGROUND[-1]}"
	settle # all is applied
	end_talk
	hold_catalog
	LD_PRELOAD=$BATS_FILE_TMPDIR/power.so start_broker "plugin_opt_db_file $POWER_FOLDER/firmware.db" 'plugin_opt_sync full'
	retry 10 spool_went_on 0
	pause 0.2
	kill_broker
	cut_power 0
	count_losses
	((LOST == 0))
}

@test "with sync normal it costs more: the disk here does forget" {
	start_on_forgetful_disk
	talk_until_cut 2 0
	count_losses
	((LOST > 0 && LOST_MS > 1000))
}
