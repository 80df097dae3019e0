#!/usr/bin/env bats
# The examples in README.md work as they stand there.

load ../files_helper

setup() {
	PORT=$(free_port)
	FILES=$BATS_TEST_TMPDIR/firmware
	HTTP=http://127.0.0.1:$PORT
	start_broker "plugin_opt_http_listen 127.0.0.1:$PORT"
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[[ -z ${NGINX:-} ]] || kill "$NGINX" 2>/dev/null || true
	clean_up
}

# The shell commands of the README that begin with this word, one a line.
commands() { sed -n 's/^    //p' "$FW_SOURCE/README.md" | sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' | grep "^$1 " || true; }

# NUMBER: a block of SQL of the README, from 1.
# shellcheck disable=SC2016 # the README's fences
sql_block() { awk -v wanted="$1" '/^```/ { block += /sql$/; inside = /sql$/; next } inside && block == wanted' "$FW_SOURCE/README.md"; }

# LINE: runs it, with the clients led to the test's broker.
type_in() {
	mosquitto_pub() { pub "$@"; }
	mosquitto_rr() { rr "$@"; }
	eval "$1"
}

@test "the README's SQL, and then its device and application" {
	sql_block 1 >readme.sql
	[[ -s readme.sql ]]
	sqlite3 -bail "$DB" <readme.sql

	mapfile -t asks < <(commands mosquitto_rr)
	mapfile -t tells < <(commands mosquitto_pub)
	assert_equal "${#asks[@]} ${#tells[@]}" '3 3'
	assert_json "$(type_in "${asks[1]}")" '.version == "2.0" and .messageId == "1"'
	for line in "${tells[@]}"; do type_in "$line"; done
	rows "SELECT progress, coalesce(complete, 0), success FROM progress_log ORDER BY log_id" $'50|0|\n100|1|1'
	assert_json "$(type_in "${asks[2]}")" '.version == "2.0" and .messageId == "7"'
	assert_json "$(type_in "${asks[1]}")" '.version == "2.0"' # it told its old version
	rows "SELECT version FROM device" 1.0
}

@test "the README's example of a script" {
	line=$(commands 'sqlite3 -cmd' | head -n 1)
	ln -s "$FW_SOURCE/schema" .
	eval "$line"
	rows "SELECT name FROM product" Lamp
}

# The product of the README, and its firmware 2.1, with a file of so many bytes, as the README adds them.
add_readme_file() {
	local install
	sql_block 1 | sqlite3 -bail "$DB"
	head -c "$1" /dev/urandom >lamp-2.1.bin
	install=$(commands 'sudo install')
	install=${install/sudo install -o mosquitto/install}
	eval "${install/\/var\/lib\/mosquitto\/firmware/$FILES}"
	assert_equal "$(sql_block 2 | sqlite3 -bail "$DB")" "pending|"
	rows "SELECT state, state_reason, size, sign_method, sign FROM firmware WHERE version = '2.1'" \
		"ready||$1|sha256|$(sha256sum <lamp-2.1.bin | cut -d' ' -f1)"
	ID=$(db "SELECT firmware_id FROM firmware WHERE version = '2.1'")
}

@test "the README's file: installed, inserted, ready, had by HTTP and by chunks" {
	local asks
	add_readme_file 100000
	assert_equal "$(pull lamp-1 '{}' | jq -r .url)" "$HTTP/firmware/$ID/lamp-2.1.bin"
	assert_equal "$(status_of "$HTTP/firmware/$ID/lamp-2.1.bin")" 200
	cmp body lamp-2.1.bin
	mapfile -t asks < <(commands mosquitto_rr)
	type_in "${asks[0]//5f1c9a2e7b3d4680/$ID}"
	cmp piece <(head -c 65536 lamp-2.1.bin)
	mv "$FILES/lamp-2.1.bin" .
	retry 10 db_is "SELECT state FROM firmware WHERE version = '2.1'" rejected
	mv lamp-2.1.bin "$FILES/"
	rows "SELECT state FROM firmware WHERE version = '2.1'" ready
	grep -q "firmware '$ID' is rejected: " "$LOG"
}

@test "the README's task, and what an operator does with it" {
	local verbs
	add_readme_file 1000
	say lamp-1 report '{"version":"1.0"}'
	rows "SELECT presence FROM device" offline
	assert_equal "$(sql_block 3 | sqlite3 -bail "$DB")" $'1|1|0|0|0|0|0\nlamp-1|waiting|0|'
	mapfile -t verbs < <(sql_block 4)
	assert_equal "${#verbs[@]}" 5
	db "${verbs[0]}"
	rows "SELECT state FROM task_device" canceled
	db "${verbs[1]}"
	rows "SELECT state FROM task_device" waiting
	say lamp-1 upgrade/progress '{"version":"2.1","complete":true,"success":false,"errorReason":"flash"}'
	rows "SELECT state, error_reason FROM task_device" 'failed|flash'
	rows "SELECT presence FROM device" offline
	db "${verbs[2]}"
	rows "SELECT state FROM task_device" waiting
	db "${verbs[3]}"
	rows "SELECT state FROM task_device" canceled
	db "${verbs[4]}"
	rows "SELECT state FROM task_device" waiting
}

@test "the README's keys and signatures" {
	local line make sign method
	add_readme_file 1000
	ln -s "$FW_SOURCE/schema" .
	mapfile -t sign < <(commands openssl | grep -- -sign)
	mapfile -t make < <(commands openssl | grep -v -- -sign)
	assert_equal "${#make[@]} ${#sign[@]}" '2 2'
	for method in ecdsa-sha256 rsa-sha256 ed25519; do
		line=${make[0]}
		case $method in
		rsa-*) line='openssl genpkey -algorithm RSA -out private.pem' ;;
		ed25519) line='openssl genpkey -algorithm ed25519 -out private.pem' ;;
		esac
		eval "$line" 2>/dev/null
		eval "${make[1]}"
		eval "$(commands 'sqlite3 -cmd' | tail -n 1)"
		line=${sign[0]}
		[[ $method != ed25519 ]] || line=${sign[1]}
		sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'lamp' AS product_id, '2.1' AS version, '$method' AS sign_method,
			'$(eval "$line")' AS sign" firmware.db <schema/scripts/sign_firmware.sql
		rows "SELECT state, sign_method FROM firmware WHERE version = '2.1'" "ready|$method"
	done
}

@test "the README's nginx, in front of the plugin and instead of it" {
	local front location url
	add_readme_file 100000
	for location in proxy_pass alias; do
		front=$(free_port)
		mkdir -p nginx
		{
			printf 'daemon off; master_process off; pid nginx/pid; error_log nginx/error.log;\nevents {}\nhttp {\n'
			printf 'access_log off; client_body_temp_path nginx/b; fastcgi_temp_path nginx/f; uwsgi_temp_path nginx/u; scgi_temp_path nginx/s; proxy_temp_path nginx/p;\n'
			printf 'server { listen 127.0.0.1:%s;\n' "$front"
			commands location | grep "{ $location " | sed -e "s#http://127.0.0.1:8080#$HTTP#" -e "s#/var/lib/mosquitto/firmware#$FILES#"
			printf '}\n}\n'
		} >nginx/conf
		[[ $(id -u) != 0 ]] || sed -i '1s/^/user root; /' nginx/conf
		/usr/sbin/nginx -p "$PWD" -c "$PWD/nginx/conf" >nginx/out 2>&1 3>&- &
		NGINX=$!
		url=http://127.0.0.1:$front/firmware/$ID/lamp-2.1.bin
		retry 10 curl -sf -o got "$url"
		cmp got lamp-2.1.bin
		kill "$NGINX"
		wait "$NGINX" || true
	done
}

@test "the README names every script for files, and none that is not there" {
	local name
	# shellcheck disable=SC2016 # the README's backquotes
	sed -n '/^## Firmware files/,/^## /p' "$FW_SOURCE/README.md" | grep -o '`[a-z_]*`' | tr -d '`' | sort -u >named
	for name in add_firmware_file replace_firmware_file retire_firmware unused_files set_public_key sign_firmware downloads; do
		grep -qx "$name" named
		[[ -e $FW_SOURCE/schema/scripts/$name.sql ]]
	done
}

@test "the README lists every option" {
	while read -r option; do
		grep -q "^| .*\`$option\`" "$FW_SOURCE/README.md"
	done < <(sed -nE 's/^#?plugin_opt_([a-z_]+) .*/\1/p' "$FW_SOURCE/mosquitto.conf.example")
}

# The first column of the README's tables of log lines, cut at what stands for names and numbers.
# shellcheck disable=SC2016 # the README's backquotes
quoted_fragments() {
	sed -n '/^## When something is wrong/,/^## /p' "$FW_SOURCE/README.md" | sed -n 's/^| `\(.*\)` | .*/\1/p' |
		sed 's/\.\.\./\n/g' | sed -e "s/^[ :;,'()]*//" -e "s/[ :;,'()]*$//" | awk 'length > 3'
}

@test "every log line that the README quotes is one of the plugin's" {
	quoted_fragments >"$BROKER_DIR/fragments"
	(($(wc -l <"$BROKER_DIR/fragments") > 20))
	# C text: adjoining literals are one
	cat "$FW_SOURCE"/plugin/*/*.c | tr '\n\t' '  ' | sed -E 's/" +"//g' >"$BROKER_DIR/source"
	while read -r fragment; do
		grep -qF -- "$fragment" "$BROKER_DIR/source" && continue
		# "plugin_opt_x: %s" and what stands there
		grep -qF -- "${fragment%%: *}: %s" "$BROKER_DIR/source" && grep -qF -- "\"${fragment#*: }" "$BROKER_DIR/source" && continue
		echo "not in plugin/*/*.c: $fragment"
		return 1
	done <"$BROKER_DIR/fragments"
}
