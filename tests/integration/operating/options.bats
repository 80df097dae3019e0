#!/usr/bin/env bats
# The plugin's options: what is wrong keeps the broker from starting, and one line says what to change.

load ../helper

setup() { BROKER_DIR=$BATS_TEST_TMPDIR; }

# The log must have exactly one line by the plugin, and it must have each text.
one_line_says() {
	local line text
	line=$(grep -a 'mosquitto-firmware' <<<"$output") || true
	assert_equal "$(wc -l <<<"$line")" 1
	for text; do
		[[ $line == *"$text"* ]] && continue
		printf 'not in the line: %s\nthe line: %s\n' "$text" "$line"
		return 1
	done
}

@test "an unknown option" {
	refuses_to_start 'plugin_opt_db_fille /x'
	one_line_says db_fille db_file
}

@test "a bad value of each option" {
	# what has a kind of its own; in the long form the others of its kind, too
	local options=('identity nobody' identity 'sync off' 'log_retention_days -1' 'chunk_max_bytes 64k' 'chunk_rate_total 99999999999999' 'http_listen 8080' 'url_base cdn.test'
		'operators a,,b' 'registration maybe')
	[[ -z ${FW_LONG:-} ]] || options+=('read_source broker' 'log_retention_days soon' 'log_retention_days 7d' 'chunk_max_bytes 0' 'chunk_rate_total 0' 'chunk_rate_total 32M'
		'connection_rate -1' 'connection_rate 5k' 'url_ttl_seconds -5' 'url_ttl_seconds 1h' 'http_listen host:http' 'metrics_listen 9091' 'device_rate_per_minute many')
	for option in "${options[@]}"; do
		rm -f "$BROKER_DIR/mosquitto.conf"
		refuses_to_start "plugin_opt_$option"
		[[ $option == identity ]] || one_line_says "plugin_opt_${option%% *}"
	done
}

@test "a blank, a tab or a carriage return behind a value is none of it; blanks inside are" {
	mkdir "$BROKER_DIR/my files"
	# as an editor on Windows leaves it, but for the lines that are Mosquitto's own
	start_broker "plugin_opt_db_file $BROKER_DIR/firmware.db"$' \t\r' "plugin_opt_files_dir $BROKER_DIR/my files"$'\r' $'plugin_opt_log_retention_days 3 \r' \
		$'plugin_opt_operators admin, the boss\t' $'plugin_opt_identity clientid\r'
	catalog
	accepted pub -q 1 -i any -u 'the boss' -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	assert_equal "$(cd "$BROKER_DIR" && find . -name '*.db*' -not -name '*-*')" ./firmware.db
	[[ ! -e $BROKER_DIR/firmware ]]
}

@test "a catalog that an earlier version made under a name with a blank at its end is not left behind" {
	touch "$BROKER_DIR/firmware.db "
	refuses_to_start "plugin_opt_db_file $BROKER_DIR/firmware.db "
	one_line_says plugin_opt_db_file 'with a blank at its end' 'rename it'
	mv "$BROKER_DIR/firmware.db " "$BROKER_DIR/firmware.db"
	start_broker
}

@test "no db_file" {
	printf 'user %s\nlistener 0 %s/socket\nlog_dest stderr\nplugin %s\n' "$(id -un)" "$BROKER_DIR" "$FW_PLUGIN" >"$BROKER_DIR/mosquitto.conf"
	refuses_to_start
	one_line_says plugin_opt_db_file missing
}

@test "a folder that is not there" {
	refuses_to_start "plugin_opt_db_file $BROKER_DIR/no/such/folder/firmware.db"
	one_line_says plugin_opt_db_file "$BROKER_DIR/no/such/folder"
}

@test "a folder that cannot be written: the usual trap of a broker that drops root" {
	mkdir "$BROKER_DIR/folder"
	if ((EUID == 0)); then
		user=mosquitto
		chmod 755 "$BROKER_DIR" "$BROKER_DIR/folder"
		cp "$FW_PLUGIN" "$BROKER_DIR/"
		for dir in "$BROKER_DIR"/../../ "$BROKER_DIR"/../; do chmod o+x "$dir"; done
		FW_PLUGIN=$BROKER_DIR/${FW_PLUGIN##*/}
	else
		user=$(id -un)
		chmod 555 "$BROKER_DIR/folder"
	fi
	printf 'user %s\nlistener 0 %s/socket\nlog_dest stderr\nplugin %s\nplugin_opt_db_file %s/folder/firmware.db\n' "$user" "$BROKER_DIR" \
		"$FW_PLUGIN" "$BROKER_DIR" >"$BROKER_DIR/mosquitto.conf"
	chmod 755 "$BROKER_DIR"
	[[ $user != mosquitto ]] || chown mosquitto "$BROKER_DIR"
	refuses_to_start
	one_line_says plugin_opt_db_file "$BROKER_DIR/folder"
}

@test "a catalog made by a newer plugin is refused and left alone" {
	sqlite3 "$BROKER_DIR/firmware.db" "CREATE TABLE t (x)"
	start_catalog=$BROKER_DIR/firmware.db
	rm "$start_catalog"
	start_broker
	stop_broker
	application=$(db 'PRAGMA application_id')
	db 'PRAGMA user_version = 9999; CREATE TABLE of_the_future (x)'
	before=$(sha256sum <"$DB")
	refuses_to_start
	one_line_says newer "$DB"
	assert_equal "$(sha256sum <"$DB")" "$before"
	[[ $application != 0 ]]
}

@test "another program's database is refused and left alone" {
	sqlite3 "$BROKER_DIR/firmware.db" 'CREATE TABLE recipes (name TEXT)'
	before=$(sha256sum <"$BROKER_DIR/firmware.db")
	refuses_to_start 'plugin_opt_sync full'
	one_line_says "$BROKER_DIR/firmware.db"
	assert_equal "$(sha256sum <"$BROKER_DIR/firmware.db")" "$before"
}

@test "a file that is no database is refused and left alone" {
	printf 'Dear diary, %s\n' {1..200} >"$BROKER_DIR/firmware.db"
	before=$(sha256sum <"$BROKER_DIR/firmware.db")
	refuses_to_start 'plugin_opt_sync full'
	one_line_says "$BROKER_DIR/firmware.db"
	assert_equal "$(sha256sum <"$BROKER_DIR/firmware.db")" "$before"
}

@test "every option with a good value" {
	mkdir "$BROKER_DIR/files"
	start_broker "plugin_opt_files_dir $BROKER_DIR/files" 'plugin_opt_identity username' 'plugin_opt_operators admin' \
		'plugin_opt_chunk_max_bytes 4096' 'plugin_opt_read_source device' 'plugin_opt_sync full' 'plugin_opt_log_retention_days 365'
	catalog
	assert_json "$(pull d1 '{}' -u d1)" '.version == "2.0"'
}

@test "the catalog is created on the first start, and found on the next" {
	start_broker
	catalog
	stop_broker
	start_broker
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
	assert_equal "$(db 'SELECT count(*) FROM firmware')" 4
}

@test "a reload (SIGHUP) leaves the plugin as it is" {
	start_broker
	catalog
	kill -HUP "$BROKER"
	retry 5 grep -q 'Reloading config' "$LOG"
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}
