#!/usr/bin/env bats
# The catalog's writer is kept waiting: other clients do not notice, devices are acknowledged, and all is applied afterwards, in order.

load witness_helper

RATE=1000 # messages a second of the devices: the broker and its neighbours shall not be short of CPU

setup() {
	start_broker
	witness_catalog
}

# SECONDS: prints the latencies of a bystander: median, 99th percentile, worst, in ms.
bystander() {
	timeout $(($1 + 30)) env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" \
		/usr/bin/python3 "$FW_SOURCE/tests/integration/bystander.py" "$1"
}

# "MEDIAN 99TH WORST" BEFORE: nobody waits 20 ms more, but for what a machine that does other things may add now and then.
no_one_waited() {
	awk -v now="$1" -v before="$2" 'BEGIN {
		split(now, n); split(before, b)
		exit !(n[1] < b[1] + 2 && n[2] < b[2] + 20 && n[3] < b[3] + 250) }' || {
		printf 'latency: %s ms, before: %s ms\n' "$1" "$2"
		return 1
	}
}

# SECONDS COMMAND...: bystanders are served as well after the command, for so long, as before it; devices are acknowledged all the time.
nobody_notices() {
	local before now start after seconds=$1
	shift
	acknowledges 500
	before=$(bystander "$seconds")
	"$@"
	start=$(witness count)
	now=$(bystander "$seconds")
	after=$(witness count)
	figure "$seconds s, $((after - start)) messages acknowledged; bystander's median, 99th percentile, worst: $now ms, before: $before ms"
	no_one_waited "$now" "$before"
	((after - start > seconds * RATE / 2))
}

applied() { db 'SELECT applied_sequence FROM catalog_state'; }

@test "an operator's open transaction, under load" {
	start_witnesses 8 4 3 10 "$RATE"
	nobody_notices "$(rounds 7 60)" hold_catalog
	grep -q 'the catalog cannot be written: another connection holds its lock .*; uplinks are kept in the spool and applied later' "$LOG"
	# what was pushed before has been replied to in time, though nobody could write that down
	release_catalog
	witnesses_agree
	assert_equal "$(db "SELECT count(*) FROM reply_audit WHERE reason NOT GLOB 'reply *'")" 0
	retry 5 grep -q 'the catalog can be written again' "$LOG"
	assert_equal "$(grep -c 'the catalog cannot be written' "$LOG")" 1
}

@test "what a device says in time counts, however long it cannot be written down" {
	raw "$DB" <<-'END_OF_PYTHON'
		import sqlite3, sys, time
		from raw import Client
		catalog = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
		d1, d2 = Client("d1"), Client("d2")
		d1.subscribe("/lamp/d1/firmware/upgrade")
		d1.publish("/lamp/d1/firmware/report", '{"version":"1.0"}')
		while not catalog.execute("SELECT 1 FROM device WHERE presence = 'online'").fetchone():
		    time.sleep(0.05)
		catalog.execute("INSERT INTO task (task_id, firmware_id, name, mode, response_timeout_seconds) VALUES ('t1', 'lamp-2.0', 'n', 'push', 4)")
		d1.message()
		pushed = time.monotonic()
		catalog.execute("BEGIN IMMEDIATE")
		# more than is applied at once goes before it
		for i in range(10000):
		    d2.publish("/lamp/d2/firmware/upgrade/progress", '{"progress":1,"timestamp":%d}' % i, mid=i + 1, wait=False)
		    if i % 200 == 199:
		        d2.ping()
		d1.publish("/lamp/d1/firmware/upgrade/reply", '{"timestamp":1}')
		assert time.monotonic() < pushed + 3.5
		time.sleep(pushed + 4.5 - time.monotonic())
		catalog.execute("COMMIT")
		while catalog.execute("SELECT count(*) FROM progress_log").fetchone() != (10000,):
		    time.sleep(0.05)
		d1.publish("/lamp/d1/firmware/report", '{"version":"marker"}')
		while not catalog.execute("SELECT 1 FROM device WHERE version = 'marker'").fetchone():
		    time.sleep(0.05)
		row = catalog.execute("SELECT state, error_reason, responded_at IS NULL FROM task_device").fetchone()
		assert row == ("processing", None, 0), row
	END_OF_PYTHON
}

@test "a transaction that is open over and over again" {
	start_witnesses 8 4 0 10 "$RATE"
	acknowledges 500
	for ((round = 0; round < $(rounds 10 200); round++)); do
		hold_catalog
		a_moment 300
		release_catalog
	done
	witnesses_agree
}

@test "a long reader, under load: nobody waits, the catalog is written, and its log is cut back afterwards" {
	start_witnesses 8 4 0 10 "$RATE"
	nobody_notices "$(rounds 6 60)" hold_catalog 'BEGIN; SELECT count(*) FROM device;'
	size=$(stat -c %s "$DB-wal")
	figure "the log is then $((size >> 20)) MiB"
	release_catalog
	witnesses_agree
}
