# shellcheck shell=bash
# What the tests of crashes, locks and full disks share: a load that remembers what was acknowledged
# (witness.py).

load ../helper

# A figure for the documents, and for whoever reads the output: it is printed by a passing test too.
figure() { echo "# $BATS_TEST_DESCRIPTION: $*" >&3; }

# The catalog of helper.bash, and a task for the devices that reply: a failed row is what each
# refusing reply leaves.
witness_catalog() {
	catalog
	db "CREATE TABLE reply_audit (device_id TEXT, reason TEXT);
		CREATE TRIGGER audit_replies AFTER UPDATE OF state ON task_device WHEN NEW.state = 'failed'
		BEGIN INSERT INTO reply_audit VALUES (NEW.device_id, NEW.error_reason); END;"
	# the plugin takes note of a trigger of others at its next start, for which the catalog must
	# be free
	stop_broker
	start_broker
}

# PROGRESS REPORTS REPLIES [PAD [RATE]]: starts so many devices of each kind, see witness.py.
start_witnesses() {
	mkfifo "$BROKER_DIR/witness.in" "$BROKER_DIR/witness.out"
	env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" \
		/usr/bin/python3 "$FW_SOURCE/tests/integration/witness.py" "$DB" "$@" \
		<"$BROKER_DIR/witness.in" >"$BROKER_DIR/witness.out" 2>"$BROKER_DIR/witness.errors" 3>&- &
	WITNESS=$!
	BACKGROUND+=("$WITNESS")
	exec {WITNESS_IN}>"$BROKER_DIR/witness.in" {WITNESS_OUT}<"$BROKER_DIR/witness.out"
	acknowledges 50
	rows "SELECT count(*) FROM device WHERE device_id GLOB 'reply*'" "$3"
	(($3 == 0)) || db "BEGIN;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds) VALUES ('replies', 'lamp-2.0', 'n', 'push', 'part', 8);
		INSERT INTO task_device (task_id, device_id) SELECT 'replies', device_id FROM device WHERE device_id GLOB 'reply*';
		COMMIT;"
}

# VERB: what the witnesses say to it.
witness() {
	local answer=''
	kill -0 "$WITNESS" || { cat "$BROKER_DIR/witness.errors" >&2; return 1; }
	echo "$1" >&"$WITNESS_IN"
	read -r -t 100 answer <&"$WITNESS_OUT" || answer="no answer: $(<"$BROKER_DIR/witness.errors")"
	printf '%s\n' "$answer"
}

acknowledged_more_than() { (($(witness count) > $1)); }

# NUMBER: waits until so many more messages have been acknowledged.
acknowledges() {
	local before
	before=$(witness count)
	retry "${2:-20}" acknowledged_more_than $((before + $1))
}

# All that was acknowledged is in the catalog, once and in order, and the catalog is whole.
witnesses_agree() {
	local said
	said=$(witness check)
	[[ $said == ok* ]] || { echo "the witnesses: $said"; return 1; }
	figure "acknowledged: ${said#ok }"
	catalog_sound
}

catalog_sound() {
	assert_equal "$(db 'PRAGMA integrity_check')" ok
	counts_agree
}

# The counts of the tasks are those of a full count, and no row is left without its task or device.
counts_agree() {
	assert_equal "$(db "SELECT c.task_id FROM task_count AS c WHERE (waiting, processing, success, failed, canceled) IS NOT (
			SELECT total(state = 'waiting'), total(state = 'processing'), total(state = 'success'), total(state = 'failed'), total(state = 'canceled')
			FROM task_device AS r WHERE r.task_id = c.task_id)
		UNION ALL SELECT s.task_id FROM task_summary AS s WHERE total <> (SELECT count(*) FROM task_device AS r WHERE r.task_id = s.task_id)
		UNION ALL SELECT 'a row without device: ' || device_id FROM task_device WHERE device_id NOT IN (SELECT device_id FROM device)
		UNION ALL SELECT 'the mark stands' FROM catalog_state WHERE plugin_writing <> 0")" ''
}

# An operator's transaction that stays open until release_catalog.
hold_catalog() {
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	printf '.timeout 5000\n%s SELECT 1;\n' "${1:-BEGIN IMMEDIATE;}" >&"${OPERATOR[1]}"
	read -r -t 10 <&"${OPERATOR[0]}"
}
release_catalog() {
	printf 'COMMIT;\n.quit\n' >&"${OPERATOR[1]}"
	wait "$OPERATOR_PID" || true
}

# MILLISECONDS: a random moment within them.
a_moment() { sleep "$(printf '0.%03d' $((RANDOM % $1)))"; }
