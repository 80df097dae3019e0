#!/usr/bin/env bats
# A disk that is full, read-only or failing, and no file descriptors left: what cannot be kept is not acknowledged, and comes again when
# it can; the log says it once, and says when it is over.

load ../witness_helper

setup_file() {
	open_shell
	open_client
	gcc -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -shared -fPIC -o "$BATS_FILE_TMPDIR/faults.so" "$FW_SOURCE/tests/integration/faults.c" -ldl
}

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	LOG=$BROKER_DIR/broker.log
}

teardown() {
	clean_up
	! mountpoint -q "$BROKER_DIR/disk" || umount -l "$BROKER_DIR/disk"
}

# OPTION of mount: a small disk of its own, with the catalog on it.
start_on_small_disk() {
	((EUID == 0)) || skip 'mounting a small disk needs root'
	mkdir "$BROKER_DIR/disk"
	mount -t tmpfs -o "size=96m,mode=0777" tmpfs "$BROKER_DIR/disk" || skip 'a small disk cannot be mounted here'
	restart_on_small_disk "plugin_opt_db_file $BROKER_DIR/disk/firmware.db"
	catalog
}

restart_on_small_disk() {
	start_broker "$@"
	# shellcheck disable=SC2034 # helper.bash uses it
	DB=$BROKER_DIR/disk/firmware.db
}

# LINE...: with the library that makes calls fail when `faults` says so.
start_faulty() {
	FAULTS=$BROKER_DIR/faults
	export FAULTS
	printf '%-64s' - >"$FAULTS"
	LD_PRELOAD=$BATS_FILE_TMPDIR/faults.so start_broker "$@"
	catalog
}

# OPERATIONS ERRNO PERCENT NAME: see faults.c. Without: none.
faults() { printf '%-64s' "${*:--}" | dd of="$FAULTS" conv=notrunc status=none; }

# SECONDS: nothing was acknowledged for so long.
nothing_acknowledged() {
	local before
	before=$(witness count)
	sleep "$1"
	(($(witness count) == before))
}

# How many lines of the plugin with these words are in the log.
lines_with() { grep -c "mosquitto-firmware: .*$1" "$LOG" || true; }
one_line_with() { [[ $(lines_with "$1") == 1 ]]; }

# WORDS...: the log says each of these, once.
told() {
	local words
	for words; do
		retry 10 one_line_with "$words" && continue
		echo "$(lines_with "$words") lines with: $words"
		return 1
	done
}

# The log says that uplinks are saved again: it does not before there are some.
kept_again() {
	say after report '{"version":"1.0"}'
	one_line_with 'uplinks are saved again; [0-9]* could not be, and devices send those again'
}

CATALOG_TROUBLE='the catalog cannot be written: .*; uplinks are saved in the spool and applied later'
CATALOG_WELL='the catalog can be written again; what was saved is being applied'

# Other clients are served.
others_served() {
	listen "other$1" -t other
	pub -t other -m works
	retry 5 heard_count "other$1" 1
}

fill_disk_under_load() {
	acknowledges 300
	dd if=/dev/zero of="$BROKER_DIR/disk/ballast" bs=64k status=none 2>/dev/null || true
	retry 20 nothing_acknowledged 1
}

@test "a catalog on a file system of other machines or processes is warned of" {
	local type
	for type in 0x6969=NFS 0xfe534d42=SMB 0x01021997=9p 0x65735546=FUSE; do
		STATFS_TYPE=${type%=*} LD_PRELOAD=$BATS_FILE_TMPDIR/faults.so start_broker
		retry 5 grep -q "the catalog '.*' is on ${type#*=}: SQLite's log (WAL) needs memory that all who open it share" "$LOG"
		stop_broker
	done
	start_broker
	say d1 report '{"version":"1.0"}'
	refute grep -q 'Put the catalog on a local disk' "$LOG"
}

@test "a full disk: what is not kept is not acknowledged, and all is delivered when there is room" {
	start_on_small_disk
	start_witnesses 4 2 0 2000 800
	for ((round = 0; round < $(rounds 1 8); round++)); do
		fill_disk_under_load
		if ((round == 0)); then told "$CATALOG_TROUBLE" 'refused .*: the disk is full'; fi
		others_served "$round"
		rm "$BROKER_DIR/disk/ballast"
		acknowledges 300
	done
	witnesses_agree
	if ((round == 1)); then
		retry 10 kept_again
		told "$CATALOG_TROUBLE" "$CATALOG_WELL" 'refused .*: the disk is full'
	fi
}

@test "kill -9 on a full disk" {
	only_long
	start_on_small_disk
	start_witnesses 4 2 0 2000 800
	for ((round = 0; round < $(rounds 1 8); round++)); do
		fill_disk_under_load
		kill_broker
		# whether it starts without any room or not, it must say what is wrong, and must not harm what is there
		launch_broker
		retry 20 broker_decided
		if broker_lives; then kill_broker; else grep -q 'mosquitto-firmware: .*firmware.db.*full' "$LOG"; fi
		rm "$BROKER_DIR/disk/ballast"
		restart_on_small_disk
		acknowledges 300
	done
	witnesses_agree
}

@test "a folder that became read-only while the broker was down: it does not start, and says why" {
	start_on_small_disk
	say d1 report '{"version":"1.0"}'
	stop_broker
	mount -o remount,ro "$BROKER_DIR/disk"
	refuses_to_start
	[[ $output == *"plugin_opt_db_file: cannot write to the folder '$BROKER_DIR/disk/.': Read-only file system"* ]]
	mount -o remount,rw "$BROKER_DIR/disk"
	restart_on_small_disk
	rows "SELECT version FROM device" 1.0
}

@test "no file descriptors left: nobody loses anything" {
	start_broker
	catalog
	start_witnesses 5 1 0 1000
	acknowledges 50
	listen other -t other
	prlimit --pid "$BROKER" --nofile=3:1024
	retry 20 nothing_acknowledged 1
	told 'refused .*: the disk refuses reading or writing'
	prlimit --pid "$BROKER" --nofile=1024:1024
	acknowledges 300
	witnesses_agree
	retry 10 kept_again
	pub -t other -m works
	retry 5 heard_count other 1
}

@test "the spool cannot be written: nothing is acknowledged until it can" {
	start_faulty
	start_witnesses 4 2 0 10 800
	for code in $(rounds 5 '5 28 30'); do # EIO, ENOSPC, EROFS
		acknowledges 300
		faults wo "$code" 100 -spool-
		retry 20 nothing_acknowledged 1
		faults
		acknowledges 300
	done
	witnesses_agree
	retry 10 kept_again
	told 'refused .*: the disk'
}

@test "the catalog cannot be written: all is acknowledged, and applied when it can" {
	start_faulty
	start_witnesses 4 2 0 10 800
	for code in $(rounds 30 '5 28 30'); do
		acknowledges 300
		faults wo "$code" 100 firmware.db-wal
		acknowledges 1000
		retry 10 grep -q "$CATALOG_TROUBLE" "$LOG"
		faults
		acknowledges 1000
		retry 10 grep -q "$CATALOG_WELL" "$LOG"
		assert_equal "$(lines_with "$CATALOG_TROUBLE") $(lines_with "$CATALOG_WELL")" '1 1'
		stop_broker
		LD_PRELOAD=$BATS_FILE_TMPDIR/faults.so start_broker
	done
	witnesses_agree
}

@test "the catalog cannot be synced: all is acknowledged, and applied when it can" {
	only_long
	start_faulty 'plugin_opt_sync full'
	start_witnesses 4 2 0 10 800
	acknowledges 300
	faults s 5 100 firmware.db
	acknowledges 1000
	told "$CATALOG_TROUBLE"
	faults
	acknowledges 1000
	told "$CATALOG_WELL"
	witnesses_agree
}

@test "the catalog's log cannot be brought into it: that is told, and all is acknowledged" {
	start_faulty
	start_witnesses 4 2 0 1000
	acknowledges 100
	faults ws 5 100 'firmware.db$'
	retry 60 one_line_with 'the catalog cannot be written: its log cannot be brought into it: disk I/O error'
	faults
	acknowledges 300
	told "$CATALOG_WELL"
	witnesses_agree
}

@test "the catalog cannot be read: nobody is told wrong things" {
	start_faulty
	start_witnesses 4 2 0 10 800
	acknowledges 300
	faults r 5 100 firmware.db
	acknowledges 500
	timeout 5 mosquitto_pub "${CONNECT[@]}" -q 1 -i d1 -t /lamp/d1/firmware/pull -m '{}'
	faults
	acknowledges 500
	witnesses_agree
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}

@test "a firmware file that cannot be read for a while is verified when it can" {
	start_faulty
	faults r 5 100 image.bin
	head -c 100000 /dev/urandom >"$BROKER_DIR/firmware/image.bin"
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES ('f', 'lamp', 'n', '30', 30, 'image.bin')"
	rows "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f'" 'pending|the file cannot be read now: Input/output error'
	faults
	rows "SELECT state, state_reason FROM firmware WHERE firmware_id = 'f'" 'ready|'
}

@test "any call fails now and then, with kill -9 in between" {
	start_faulty
	start_witnesses 4 2 0 3000 800
	for ((round = 0; round < $(rounds 3 100); round++)); do
		acknowledges 200
		faults wsro $((round % 2 ? 28 : 5)) $((RANDOM % 30 + 1)) firmware.db
		a_moment 900
		if ((round % 3 == 1)); then
			kill_broker
			faults
			LD_PRELOAD=$BATS_FILE_TMPDIR/faults.so start_broker
		fi
		faults
	done
	acknowledges 200 60
	witnesses_agree
	figure "$round rounds"
}
