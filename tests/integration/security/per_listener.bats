#!/usr/bin/env bats
# `per_listener_settings true`: with it Mosquitto up to 2.0.14 gives plugins no clock. What is asked is answered all the same and
# what is told is kept; a push waits for the next firmware message, and the log says so. Later ones have a clock there too.

load ../task_helper

setup() {
	FW_PER_LISTENER=1 start_broker 'plugin_opt_operators admin'
	catalog
	start_fleet
}

has_clock() { ! grep -qE 'mosquitto version 2\.0\.([0-9]|1[0-4]) starting' "$LOG"; }

no_clock_told() { grep -q 'the broker sends no ticks' "$LOG"; }

# Firmware messages, one a second and more, until the log has the warning.
until_told() {
	for _ in {1..6}; do
		sleep 1.1 # the plugin must see a second without a tick
		say talker report '{"version":"1.0"}'
		! no_clock_told || return 0
	done
	return 1
}

@test "pull, read, report and progress work" {
	assert_json "$(pull d1 '{"messageId":"1","currentVersion":"1.0"}')" '.messageId == "1" and .version == "2.0"'
	say d1 report '{"version":"1.1"}'
	assert_json "$(read_version d1 '{}')" '.version == "1.1"'
	say d1 upgrade/progress '{"firmwareId":"lamp-2.0","progress":40}'
	rows "SELECT progress, firmware_id FROM progress_log WHERE device_id = 'd1'" '40|lamp-2.0'
	refused pub -q 1 -i d2 -t /lamp/d1/firmware/report -m '{"version":"9"}'
	stop_broker
	assert_equal "$(db "SELECT version FROM device WHERE device_id = 'd1'")" 1.1
}

@test "an operator's change is seen by the next pull" {
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
	db "UPDATE firmware SET parameters = '{\"a\":1}' WHERE firmware_id = 'lamp-2.0'"
	assert_json "$(pull d1 '{}')" '.parameters.a == 1'
}

@test "a push is sent, without a clock with one of the next firmware messages" {
	online d1
	task t1 2.0 push d1
	row t1 d1 processing
	for _ in {1..10}; do
		sleep 1.1 # as above
		! upgrades_are d1 1 || break
		say talker report '{"version":"1.0"}'
	done
	upgrades d1 1
	progress d1 '{"firmwareId":"lamp-2.0","progress":100,"complete":true,"success":true}'
	row t1 d1 success
}

@test "the log says that there is no clock, and what to change, once" {
	if has_clock; then
		refute until_told
		return
	fi
	until_told
	refute has_clock
	for _ in 1 2 3 4; do
		sleep 1.1 # as above
		say talker report '{"version":"1.0"}'
	done
	assert_equal "$(grep -c 'the broker sends no ticks' "$LOG")" 1
	grep "set 'per_listener_settings false'" "$LOG"
}

@test "the plugin a second time, for a second listener, is refused with what to change" {
	stop_broker
	printf 'listener 0 %s/second\nallow_anonymous true\nplugin %s\nplugin_opt_db_file %s\n' "$BROKER_DIR" "$FW_PLUGIN" "$DB" >>"$BROKER_DIR/mosquitto.conf"
	refuses_to_start
	[[ $output == *"in use by another broker, or by this plugin loaded a second time: load it once"* ]]
}

@test "the plugin a second time, with a catalog of its own" {
	local second=$BROKER_DIR/second.db
	stop_broker
	printf 'listener 0 %s/second\nallow_anonymous true\nplugin %s\nplugin_opt_db_file %s\n' "$BROKER_DIR" "$FW_PLUGIN" "$second" >>"$BROKER_DIR/mosquitto.conf"
	start_broker
	sqlite3 -cmd '.timeout 5000' "$second" "INSERT INTO product (product_id) VALUES ('lamp')"
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
	# shellcheck disable=SC2034 # the helpers connect by it
	CONNECT=(--unix "$BROKER_DIR/second")
	assert_json "$(pull d1 '{}')" '.code == "no_update"'
	say d1 report '{"version":"7"}'
	stop_broker
	assert_equal "$(sqlite3 "$second" "SELECT version FROM device WHERE device_id = 'd1'")" 7
	assert_equal "$(db "SELECT version IS NULL OR version <> '7' FROM device WHERE device_id = 'd1'")" 1
}

# LINES-OF-THE-FIRST-FILE LINES-OF-THE-SECOND: a broker as Debian lays it out, in a network of its own, for it listens on port 1883.
debian_layout() {
	stop_broker
	unshare -n true 2>/dev/null || skip 'a network of its own cannot be made here'
	mkdir -p "$BROKER_DIR/conf.d"
	printf 'per_listener_settings true\nuser %s\nlog_dest stderr\ninclude_dir %s/conf.d\n' "$(id -un)" "$BROKER_DIR" >"$BROKER_DIR/mosquitto.conf"
	printf '%s\n' "$1" >"$BROKER_DIR/conf.d/a.conf"
	printf '%s\n' "$2" >"$BROKER_DIR/conf.d/b.conf"
	printf '#!/bin/sh\nexec unshare -n %s "$@"\n' "$MOSQUITTO" >"$BROKER_DIR/mosquitto"
	chmod +x "$BROKER_DIR/mosquitto"
	MOSQUITTO=$BROKER_DIR/mosquitto start_broker
}

@test "Debian's conf.d: a plugin that serves none but the unused default listener says so, and where its lines must stand" {
	local listener plugin
	listener=$(printf 'listener 0 %s/socket\nallow_anonymous true' "$BROKER_DIR")
	plugin=$(printf 'plugin %s\nplugin_opt_db_file %s' "$FW_PLUGIN" "$DB")
	on_2_0 || skip 'Mosquitto 2.1 itself asks for a listener above the plugin'
	debian_layout "$listener" "$plugin"
	grep "Warning\|mosquitto-firmware" "$LOG" | grep -F "this plugin serves the default listener (port 1883) alone, for no 'listener' stands above its lines in $BROKER_DIR/conf.d/b.conf (line 1). Clients of 'listener 0 $BROKER_DIR/socket' are not served: move the plugin's lines below that line ($BROKER_DIR/conf.d/a.conf, line 1)"
	# it is so
	refute pull d1 '{}'
	# where the line says, all is well
	debian_layout "$listener"$'\n'"$plugin" ''
	refute grep -q 'this plugin serves' "$LOG"
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}

@test "of several listeners the one that is served is told" {
	debian_layout "$(printf 'listener 0 %s/socket\nallow_anonymous true\nplugin %s\nplugin_opt_db_file %s' "$BROKER_DIR" "$FW_PLUGIN" "$DB")" "listener 0 $BROKER_DIR/other"
	on_2_0 || skip 'Mosquitto 2.1'
	grep -F "this plugin serves listener 0 $BROKER_DIR/socket alone, and no client of another listener" "$LOG"
}
