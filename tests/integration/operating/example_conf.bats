#!/usr/bin/env bats
# mosquitto.conf.example starts as it is, but for its paths, and keeps its promises.

load ../helper

EXAMPLE=$FW_SOURCE/mosquitto.conf.example

# The commented lines of the example that begin with one of these words.
quoted() { sed -nE "s/^#   (($1) .*)/\1/p" "$EXAMPLE"; }

# The example with all its paths moved into the test's folder.
adapt() {
	sed -E -e "s#/etc/mosquitto/#$BROKER_DIR/#" -e "s#/var/(lib|log)/mosquitto/#$BROKER_DIR/#" -e "s#/run/mosquitto/#$BROKER_DIR/#" \
		-e "s#/usr/lib/[^ ]*/mosquitto_firmware.so#$FW_PLUGIN#" "$@"
}

certificates() {
	local dir=$BROKER_DIR/certs
	mkdir "$dir"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=test CA' \
		-keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=localhost' \
		-keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
	openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
		-extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') -out "$dir/server.crt" 2>/dev/null
}

setup() {
	local user
	BROKER_DIR=$BATS_TEST_TMPDIR
	PORT=$(shuf -n 1 -i 20000-29999)
	certificates
	install -m 600 /dev/null "$BROKER_DIR/passwd"
	for user in admin dashboard device-1 device-2; do mosquitto_passwd -b "$BROKER_DIR/passwd" "$user" "secret of $user"; done
	quoted 'pattern|user|topic' >"$BROKER_DIR/firmware.acl"
	# Tests run as any user; the example's broker starts as root and becomes the user mosquitto.
	{ adapt "$EXAMPLE" | sed "s/^listener 8883$/listener $PORT/"; printf 'user %s\nlog_dest stderr\n' "$(id -un)"; } >"$BROKER_DIR/mosquitto.conf"
	start_broker
	CONNECT=(-h 127.0.0.1 -p "$PORT" --cafile "$BROKER_DIR/certs/ca.crt")
	catalog
}

as() { # USER COMMAND...
	"${@:2}" -u "$1" -P "secret of $1"
}

@test "nothing but paths had to be changed" {
	refute diff <(adapt "$EXAMPLE") "$EXAMPLE" >/dev/null
	assert_equal "$(grep -c '^listener 8883$' "$EXAMPLE")" 1
	refute grep -q '^allow_anonymous true' "$EXAMPLE"
}

@test "a device pulls and reports over TLS" {
	assert_json "$(as device-1 pull device-1 '{"currentVersion":"1.0"}')" '.version == "2.0"'
	as device-1 say device-1 report '{"version":"2.0"}'
	as device-1 say device-1 upgrade/progress '{"progress":100}'
	rows "SELECT version FROM device WHERE device_id = 'device-1'" 2.0
	rows "SELECT progress FROM progress_log" 100
	assert_json "$(as dashboard read_version device-1 '{}')" '.version == "2.0"'
}

@test "a device cannot read another's topics" {
	listen other -i device-2-listens -u device-2 -P 'secret of device-2' -q 1 -t '/lamp/device-1/#' -t '/lamp/+/firmware/pull/reply' -t '#'
	listen dashboard -u dashboard -P 'secret of dashboard' -q 1 -t '/+/+/firmware/#'
	as device-1 pull device-1 '{}'
	retry 5 heard_text dashboard /lamp/device-1/firmware/pull/reply
	as device-2 pull device-2 '{}'
	retry 5 heard_text other /lamp/device-2/firmware/pull/reply
	refute heard_text other device-1
}

@test "a device cannot speak for another, by message or by will" {
	listen dashboard -u dashboard -P 'secret of dashboard' -q 1 -t '/+/+/firmware/#'
	refused as device-2 pub -q 1 -i device-1 -t /lamp/device-1/firmware/report -m '{"version":"1.0"}'
	refused as device-2 pub -q 1 -t /lamp/device-1/firmware/upgrade -m '{}'
	stdbuf -oL mosquitto_sub "${CONNECT[@]}" -u device-2 -P 'secret of device-2' -d -t x --will-topic /lamp/device-1/firmware/upgrade \
		--will-payload '{"url":"http://evil/"}' --will-qos 1 >"$BROKER_DIR/will" 2>&1 3>&- &
	will=$!
	retry 10 grep -qE 'Subscribed|refused|not authori' "$BROKER_DIR/will"
	kill -9 "$will" || true
	as device-1 say device-1 report '{"version":"1.1"}'
	retry 5 heard_text dashboard '1.1'
	refute heard_text dashboard evil
	rows "SELECT device_id, version FROM device" 'device-1|1.1'
}

@test "a bad password, no password and no TLS are refused" {
	refute pub -i device-1 -u device-1 -P wrong -t /lamp/device-1/firmware/pull -m '{}'
	refute pub -i device-1 -t /lamp/device-1/firmware/pull -m '{}'
	refute timeout 5 mosquitto_pub -h 127.0.0.1 -p "$PORT" -i device-1 -u device-1 -P 'secret of device-1' -t /lamp/device-1/firmware/pull -m '{}'
}

CONTROL=\$CONTROL/firmware/v1

# USER COMMANDS: asks the control plane as this user; prints the answer.
command_as() { as "$1" rr -i "$1" -W 3 -q 1 -t "$CONTROL" -e "$CONTROL/response" -m "{\"commands\":[$2]}"; }

@test "the lines of the access list let admins and viewers use the control plane, and nobody else" {
	local answer connect=("${CONNECT[@]}")
	stop_broker
	sed -i -E 's/^#(plugin_opt_admin(s|_viewers) )/\1/' "$BROKER_DIR/mosquitto.conf"
	assert_equal "$(grep -cE '^plugin_opt_admin(s|_viewers) ' "$BROKER_DIR/mosquitto.conf")" 2
	start_broker
	CONNECT=("${connect[@]}")
	answer=$(command_as admin '{"command":"createProduct","productId":"fan"}')
	assert_json "$answer" '.responses[0].data.productId == "fan"'
	answer=$(command_as dashboard '{"command":"getProduct","productId":"fan"},{"command":"deleteProduct","productId":"fan"}')
	assert_json "$answer" '.responses[0].data.productId == "fan" and .responses[1].code == "not_allowed"'
	refute command_as device-1 '{"command":"getProduct","productId":"fan"}'
}

@test "every option of the plugin is there" {
	for option in db_file files_dir identity operators http_listen metrics_listen url_base url_ttl_seconds url_secret_file chunk_max_bytes read_source sync log_retention_days registration device_rate_per_minute; do
		grep -qE "^#?plugin_opt_$option " "$EXAMPLE"
	done
}

@test "the lines for a first try start a broker" {
	stop_broker
	rm -f "$DB"*
	{ quoted 'listener|allow_anonymous|plugin|plugin_opt_db_file' | adapt | sed "s/^listener 1883/listener $PORT/"; printf 'user %s\n' "$(id -un)"; } >"$BROKER_DIR/mosquitto.conf"
	start_broker
	CONNECT=(-h 127.0.0.1 -p "$PORT")
	catalog
	assert_json "$(pull d1 '{}')" '.version == "2.0"'
}
