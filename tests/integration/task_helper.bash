# shellcheck shell=bash
# What the tests of upgrade tasks share: devices that stay connected, and words for tasks and their
# rows.

load ../helper

# shellcheck disable=SC2034 # for the tests
OPERATOR=(-u admin)

setup() {
	start_with_catalog 'plugin_opt_operators admin'
	start_fleet
}

# The devices, as long as the test: see fleet.py.
start_fleet() {
	mkfifo "$BROKER_DIR/fleet.in" "$BROKER_DIR/fleet.out"
	: >"$BROKER_DIR/fleet.heard"
	env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" PRODUCT="$PRODUCT" \
		/usr/bin/python3 "$FW_SOURCE/tests/integration/fleet.py" "$BROKER_DIR/fleet.heard" \
		<"$BROKER_DIR/fleet.in" >"$BROKER_DIR/fleet.out" 2>"$BROKER_DIR/fleet.errors" 3>&- &
	BACKGROUND+=($!)
	exec {FLEET_IN}>"$BROKER_DIR/fleet.in" {FLEET_OUT}<"$BROKER_DIR/fleet.out"
}

# COMMAND...: tells the devices what to do, and waits until it is done.
fleet() {
	local answer=''
	printf '%s\n' "$*" >&"$FLEET_IN"
	read -r -t 20 answer <&"$FLEET_OUT" || answer="no answer, $(<"$BROKER_DIR/fleet.errors")"
	[[ $answer == ok ]] && return
	echo "fleet $*: $answer"
	return 1
}

# DEVICE...: devices that connect, report version 1.0, and stay.
online() {
	local device
	for device; do
		fleet connect "$device"
		fleet say "$device" report '{"version":"1.0"}'
	done
	rows "SELECT count(*) FROM device WHERE presence = 'online' AND device_id IN ($(quoted "$@"))" $#
}

# DEVICE...: devices that the catalog knows and the broker saw go.
offline() {
	online "$@"
	for device; do fleet leave "$device"; done
	rows "SELECT count(*) FROM device WHERE presence = 'offline' AND device_id IN ($(quoted "$@"))" $#
}

# DEVICE...: devices that the catalog knows and the broker has never seen.
unseen() {
	local device
	for device; do db "INSERT INTO device (product_id, device_id, version) VALUES ('lamp', '$device', '1.0')"; done
}

quoted() {
	local all
	printf -v all ",'%s'" "$@"
	echo "${all:1}"
}

# TASK VERSION MODE "DEVICE..." [RESPONSE_TIMEOUT [UPGRADE_TIMEOUT]]: a task and its rows, timeouts in
# seconds.
task() {
	db "BEGIN;
		INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds, timeout_seconds)
		VALUES ('$1', 'lamp-$2', 'Task $1', '$3', 'part', ${5:-60}, ${6:-3600});
		INSERT INTO task_device (task_id, device_id) SELECT '$1', value FROM json_each('[$(quoted_json "$4")]');
		COMMIT;"
}
quoted_json() {
	local words all=','
	read -ra words <<<"$1"
	((${#words[@]} == 0)) || printf -v all ',"%s"' "${words[@]}"
	echo "${all:1}"
}

# TASK DEVICE STATE [REASON]: the row becomes this.
row() { rows "SELECT state, error_reason FROM task_device WHERE task_id = '$1' AND device_id = '$2'" "$3|${4:-}"; }

# TASK DEVICE COLUMNS VALUES: the row's columns become these.
columns() { rows "SELECT $3 FROM task_device WHERE task_id = '$1' AND device_id = '$2'" "$4"; }

# DEVICE NUMBER: so many upgrades have reached the device.
upgrades_are() {
	content "$BROKER_DIR/fleet.heard"
	count_of " /$PRODUCT/$1/firmware/upgrade " "$CONTENT"
	[[ $COUNT == "$2" ]]
}
upgrades() {
	retry 5 upgrades_are "$@" && return
	echo "upgrades of $1:"
	heard fleet | grep " /$PRODUCT/$1/firmware/" || true
	return 1
}

# DEVICE: the last upgrade it got.
last_upgrade() { heard fleet | grep " /$PRODUCT/$1/firmware/upgrade " | tail -n 1 | cut -d' ' -f4-; }

# DEVICE JSON: progress, with its timestamp.
progress() { fleet say "$1" upgrade/progress "$2"; }

# The summary never drifts from the rows it counts. Both are read in one statement: timers go on
# meanwhile.
summary_exact() {
	assert_equal "$(db "WITH told AS (SELECT task_id, total, waiting, processing, success, failed, canceled FROM task_summary),
		counted AS (SELECT t.task_id, count(r.state), count(*) FILTER (WHERE r.state = 'waiting'), count(*) FILTER (WHERE r.state = 'processing'),
			count(*) FILTER (WHERE r.state = 'success'), count(*) FILTER (WHERE r.state = 'failed'), count(*) FILTER (WHERE r.state = 'canceled')
			FROM task t LEFT JOIN task_device r USING (task_id) GROUP BY 1)
		SELECT 'told', * FROM (SELECT * FROM told EXCEPT SELECT * FROM counted)
		UNION ALL SELECT 'counted', * FROM (SELECT * FROM counted EXCEPT SELECT * FROM told)")" ''
}
