#!/usr/bin/env bats
# The commands of the documents work as they stand there, and what they quote is the source's.

load ../files_helper

OPERATE=plugin/doc/operate.md
PROTOCOL=plugin/doc/protocol.md
TROUBLESHOOTING=plugin/doc/troubleshooting.md

setup() {
	BROKER_DIR=$BATS_TEST_TMPDIR
	cd "$BROKER_DIR" || return 1
}

serve() {
	PORT=$(free_port)
	FILES=$BROKER_DIR/firmware
	HTTP=http://127.0.0.1:$PORT
	start_broker "plugin_opt_http_listen 127.0.0.1:$PORT"
}

teardown() {
	[[ -z ${NGINX:-} ]] || kill "$NGINX" 2>/dev/null || true
	clean_up
}

# Every document, one a line, below the folder of the source.
documents() { (cd "$FW_SOURCE" && find README.md .github plugin schema tests -name '*.md' | sort); }

# DOCUMENT WORD: its shell commands that begin with this word, one a line.
commands() {
	sed -n 's/^    //p' "$FW_SOURCE/$1" | sed -e ':a' -e '/\\$/{N;s/\\\n *//;ba' -e '}' | grep "^$2 " || true
}

# DOCUMENT KIND: how many fenced blocks of this kind it has.
block_count() { grep -c "^\`\`\`$2\$" "$FW_SOURCE/$1" || true; }

# DOCUMENT KIND NUMBER: one of these blocks, from 1.
# shellcheck disable=SC2016 # the documents' fences
block() {
	awk -v kind="$2" -v wanted="$3" '/^```/ { block += $0 == "```" kind; inside = $0 == "```" kind; next }
		inside && block == wanted' "$FW_SOURCE/$1"
}

sql_block() { block "$1" sql "$2"; } # DOCUMENT NUMBER

# Statements on its standard input, one a line, without their comments.
statements() { sed 's/ *--.*//' | tr '\n' ' ' | sed 's/; */;\n/g'; }

# LINE: runs it, with the real clients led to the test's broker.
type_in() {
	mosquitto_pub() { timeout 20 mosquitto_pub "${CONNECT[@]}" "$@"; }
	mosquitto_rr() { rr "$@"; }
	eval "$1"
}

# TAIL: the command of protocol.md that asks there.
request() { commands $PROTOCOL mosquitto_rr | grep -- "/firmware/$1 "; }

@test "the first rows, and then the device and the application of the protocol" {
	serve
	sql_block $OPERATE 1 >first.sql
	[[ -s first.sql ]]
	sqlite3 -bail "$DB" <first.sql

	mapfile -t tells < <(commands $PROTOCOL mosquitto_pub)
	assert_equal "$(commands $PROTOCOL mosquitto_rr | wc -l) ${#tells[@]}" '3 3'
	assert_json "$(type_in "$(request pull)")" '.version == "2.0" and .messageId == "1"'
	for line in "${tells[@]}"; do type_in "$line"; done
	rows "SELECT progress, coalesce(complete, 0), success FROM progress_log ORDER BY log_id" $'50|0|\n100|1|1'
	assert_json "$(type_in "$(request read)")" '.version == "2.0" and .messageId == "7"'
	assert_json "$(type_in "$(request pull)")" '.version == "2.0"' # it told its old version
	rows "SELECT version FROM device" 1.0
}

@test "the JSON of the protocol is what the broker says" {
	local answer n
	serve
	sql_block $OPERATE 1 | sqlite3 -bail "$DB"
	assert_equal "$(block_count $PROTOCOL json)" 2
	for n in 1 2; do
		answer=$(type_in "$(request pull)")
		assert_equal "$(jq -c 'keys' <<<"$answer")" "$(block $PROTOCOL json $n | jq -c 'keys')"
		db "UPDATE product SET pull_policy = 'task'"
	done
}

# Typed as it stands there, all at once: it waits by itself for what it needs.
@test "the README's first upgrade" {
	serve
	head -c 100000 /dev/urandom >lamp-2.1.bin
	mkdir got
	block README.md sh 1 >block.sh
	assert_equal "$(head -n 1 block.sh)" 'SOURCE=/path/to/this/source'
	{
		printf 'SOURCE=%q\n' "$FW_SOURCE"
		tail -n +2 block.sh | sed "s# /tmp lamp lamp-1 &# got lamp lamp-1 -- ${CONNECT[*]} >device.log 2>\&1 \&#"
		echo wait
	} >typed.sh
	timeout 60 bash -e typed.sh 3>&-
	rows "SELECT state, progress FROM task_detail" 'success|100'
	cmp got/2.1 lamp-2.1.bin
	rows "SELECT version FROM device" 2.1
	[[ $(eval "$(commands README.md 'sqlite3 -box')") == *lamp-1*success*100* ]]
}

@test "the README names what the build needs, and its translation has the same commands" {
	local document
	# shellcheck source=plugin/packages.sh
	source "$FW_SOURCE/plugin/packages.sh"
	commands README.md 'sudo apt-get install cmake' | cut -d' ' -f4- | tr ' ' '\n' >named
	assert_equal "$(sort named)" "$(printf '%s\n' "${PACKAGES_BUILD[@]}" dpkg-dev file | sort)"
	for document in README.md plugin/doc/README.zh.md; do
		{
			commands $document .*
			block $document sh 1
		} >"commands.${document##*/}"
	done
	[[ -s commands.README.md ]]
	diff commands.README.md commands.README.zh.md
}

@test "the example of a script" {
	serve
	line=$(commands $OPERATE 'sqlite3 -cmd' | head -n 1)
	ln -s "$FW_SOURCE/schema" .
	eval "$line"
	rows "SELECT name FROM product" Lamp
}

# The product of operate.md, and its firmware 2.1, with a file of so many bytes, as the document adds them.
add_documents_file() {
	local install
	serve
	sql_block $OPERATE 1 | sqlite3 -bail "$DB"
	head -c "$1" /dev/urandom >lamp-2.1.bin
	install=$(commands $OPERATE 'sudo install')
	install=${install/sudo install -o mosquitto/install}
	eval "${install/\/var\/lib\/mosquitto\/firmware/$FILES}"
	assert_equal "$(sql_block $OPERATE 2 | sqlite3 -bail "$DB")" "pending|"
	rows "SELECT state, state_reason, size, sign_method, sign FROM firmware WHERE version = '2.1'" \
		"ready||$1|sha256|$(sha256sum <lamp-2.1.bin | cut -d' ' -f1)"
	ID=$(db "SELECT firmware_id FROM firmware WHERE version = '2.1'")
}

@test "the firmware file: installed, inserted, ready, had by HTTP and by chunks" {
	local ask
	add_documents_file 100000
	assert_equal "$(pull lamp-1 '{}' | jq -r .url)" "$HTTP/firmware/$ID/lamp-2.1.bin"
	assert_equal "$(status_of "$HTTP/firmware/$ID/lamp-2.1.bin")" 200
	cmp body lamp-2.1.bin
	ask=$(request chunk)
	type_in "${ask//5f1c9a2e7b3d4680/$ID}"
	cmp piece <(head -c 65536 lamp-2.1.bin)
	mv "$FILES/lamp-2.1.bin" .
	retry 10 db_is "SELECT state FROM firmware WHERE version = '2.1'" rejected
	mv lamp-2.1.bin "$FILES/"
	rows "SELECT state FROM firmware WHERE version = '2.1'" ready
	grep -q "firmware '$ID' is rejected: " "$LOG"
}

@test "the task, why its device waits, and what an operator does with it" {
	local verbs why
	add_documents_file 1000
	say lamp-1 report '{"version":"1.0"}'
	rows "SELECT presence FROM device" offline
	assert_equal "$(sql_block $OPERATE 3 | sqlite3 -bail "$DB")" $'1|1|0|0|0|0|0\nlamp-1|waiting|0|'
	why=$(sql_block plugin/README.md 1)
	assert_equal "$(db "$why")" 'spring|Spring rollout|waiting|0|device offline'
	mapfile -t verbs < <(sql_block $OPERATE 5 | statements)
	assert_equal "${#verbs[@]}" 5
	db "${verbs[0]}"
	rows "SELECT state FROM task_device" canceled
	db "${verbs[1]}"
	rows "SELECT state FROM task_device" waiting
	say lamp-1 upgrade/progress '{"version":"2.1","complete":true,"success":false,"errorReason":"flash"}'
	rows "SELECT state, error_reason FROM task_device" 'failed|flash'
	assert_equal "$(db "$why")" 'spring|Spring rollout|failed|0|flash'
	rows "SELECT presence FROM device" offline
	db "${verbs[2]}"
	rows "SELECT state FROM task_device" waiting
	db "${verbs[3]}"
	rows "SELECT state FROM task_device" canceled
	db "${verbs[4]}"
	rows "SELECT state FROM task_device" waiting
	db "UPDATE product SET firmware_enabled = 0"
	assert_equal "$(db "$why")" 'spring|Spring rollout|waiting|0|firmware'
	db "UPDATE product SET firmware_enabled = 1; UPDATE task SET state = 'stopped'"
	assert_equal "$(db "$why")" 'spring|Spring rollout|canceled|0|'
}

@test "the keys and signatures" {
	local line make sign method
	add_documents_file 1000
	ln -s "$FW_SOURCE/schema" .
	mapfile -t sign < <(commands $OPERATE openssl | grep -- -sign)
	mapfile -t make < <(commands $OPERATE openssl | grep -v -- -sign)
	assert_equal "${#make[@]} ${#sign[@]}" '2 2'
	for method in ecdsa-sha256 rsa-sha256 ed25519; do
		line=${make[0]}
		case $method in
		rsa-*) line='openssl genpkey -algorithm RSA -out private.pem' ;;
		ed25519) line='openssl genpkey -algorithm ed25519 -out private.pem' ;;
		esac
		eval "$line" 2>/dev/null
		eval "${make[1]}"
		eval "$(commands $OPERATE 'sqlite3 -cmd' | tail -n 1)"
		line=${sign[0]}
		[[ $method != ed25519 ]] || line=${sign[1]}
		sqlite3 -cmd "CREATE TEMP TABLE arg AS SELECT 'lamp' AS product_id, '2.1' AS version, '$method' AS sign_method,
			'$(eval "$line")' AS sign" firmware.db <schema/scripts/sign_firmware.sql
		rows "SELECT state, sign_method FROM firmware WHERE version = '2.1'" "ready|$method"
	done
}

@test "nginx, in front of the plugin and instead of it" {
	local front location url
	add_documents_file 100000
	for location in proxy_pass alias; do
		front=$(free_port)
		mkdir -p nginx
		{
			printf 'daemon off; master_process off; pid nginx/pid; error_log nginx/error.log;\nevents {}\nhttp {\n'
			printf 'access_log off; client_body_temp_path nginx/b; fastcgi_temp_path nginx/f; uwsgi_temp_path nginx/u; scgi_temp_path nginx/s; proxy_temp_path nginx/p;\n'
			printf 'server { listen 127.0.0.1:%s;\n' "$front"
			commands $OPERATE location | grep "{ $location " | sed -e "s#http://127.0.0.1:8080#$HTTP#" -e "s#/var/lib/mosquitto/firmware#$FILES#"
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

@test "a backup, and what a dump leaves out" {
	local line
	serve
	sql_block $OPERATE 1 | sqlite3 -bail "$DB"
	eval "$(commands $OPERATE 'sqlite3 firmware.db')"
	assert_equal "$(sqlite3 copy.db 'SELECT name FROM product')" Lamp
	eval "$(commands $TROUBLESHOOTING 'sqlite3 firmware.db')"
	line=$(commands $TROUBLESHOOTING 'sqlite3 rescued.db')
	eval "${line/= N/= $(db 'PRAGMA user_version')}"
	assert_equal "$(sqlite3 rescued.db 'SELECT name FROM product; PRAGMA application_id')" \
		"$(db 'SELECT name FROM product; PRAGMA application_id')"
	stop_broker
	rm -f firmware.db*
	mv rescued.db firmware.db
	start_broker
	assert_json "$(pull lamp-1 '{}')" '.version == "2.0"'
}

@test "the spool, read by hand" {
	local ready
	serve
	sql_block $OPERATE 1 | sqlite3 -bail "$DB"
	coproc OPERATOR { sqlite3 -batch "$DB" 3>&-; }
	BACKGROUND+=("$OPERATOR_PID")
	echo "BEGIN IMMEDIATE; SELECT 'open';" >&"${OPERATOR[1]}"
	read -r ready <&"${OPERATOR[0]}"
	assert_equal "$ready" open
	say lamp-1 report '{"version":"1.0"}'
	say lamp-1 upgrade/progress '{"progress":50,"firmwareId":"f1"}'
	grep -qx '    tests/spool_dump firmware.db-spool' "$FW_SOURCE/plugin/README.md"
	"$FW_SOURCE/tests/spool_dump" firmware.db-spool 2>counted | sed 's/^[0-9]* //' | jq -r '"\(.kind) \(.device) \(.version) \(.firmwareId)"' >dumped
	assert_equal "$(<dumped)" $'report lamp-1 1.0 null\nprogress lamp-1 null f1'
	echo 'ROLLBACK;' >&"${OPERATOR[1]}"
	rows "$(sql_block plugin/README.md 2)" 2
}

@test "all SQL is what the catalog takes" {
	local document n blocks count=0
	add_documents_file 1000
	db "INSERT INTO product (product_id) VALUES ('tap'); INSERT INTO device (product_id, device_id) VALUES ('lamp', 'lamp-1')"
	while read -r document; do
		blocks=$(block_count "$document" sql)
		for ((n = 1; n <= blocks; n++)); do
			count=$((count + 1))
			[[ $document != plugin/doc/operate*.md || $n -gt 2 ]] || continue # add_documents_file
			sql_block "$document" "$n" >block.sql
			[[ -s block.sql ]]
			# a translation makes the same task
			[[ $document != *.zh.md ]] || sed -i 's/spring/spring-zh/' block.sql
			sqlite3 -batch -bail -cmd '.timeout 5000' "$DB" <block.sql >/dev/null || {
				echo "$document, block $n of SQL"
				return 1
			}
		done
	done < <(documents)
	((count >= 9))
}

# Rows of a table whose first two columns are the same are one: a long one is split.
joined_rows() {
	awk -F ' [|] ' '{ sub(/ [|]$/, "", $3); key = $1 " | " $2; row[key] = row[key] (row[key] ? ", " : "") $3 }
		END { for (key in row) print key " | " row[key] " |" }'
}

@test "the life of an upgrade is that of the view task_transition" {
	serve
	# shellcheck disable=SC2016 # the document's backquotes
	sed -n '/^## The life of an upgrade/,$p' "$FW_SOURCE/$PROTOCOL" | grep '^| `' | joined_rows | sort >told
	db "SELECT '| \`' || from_state || '\` | \`' || to_state || '\` | ' || group_concat(event, ', ') || ' |' FROM (
		SELECT from_state, to_state, event, min(line) AS line FROM task_transition GROUP BY 1, 2, 3 ORDER BY line)
		GROUP BY from_state, to_state" | sort >true
	diff told true
}

@test "every script is named, and none that is not there" {
	local name
	# shellcheck disable=SC2016 # the documents' backquotes
	sed -n '/^## Scripts/,/^## /p; /^## Firmware files/,/^## /p' "$FW_SOURCE/$OPERATE" | grep -o '`[a-z_]*`' | tr -d '`' | sort -u >named
	content named
	for name in "$FW_SOURCE"/schema/scripts/*.sql; do
		name=${name##*/}
		# new_push_task_part is told with new_push_task
		name=${name%_part.sql}
		[[ $'\n'$CONTENT == *$'\n'"${name%.sql}"$'\n'* ]]
	done
	# shellcheck disable=SC2016 # the document's backquotes
	sed -n '/^## Scripts/,/^## /p' "$FW_SOURCE/$OPERATE" | sed -n 's/^| .* | \(.*\) |$/\1/p' | grep -o '`[a-z_]*`' | tr -d '`' | grep -v '^_' >listed
	(($(wc -l <listed) > 20))
	while read -r name; do [[ -e $FW_SOURCE/schema/scripts/$name.sql ]]; done <listed
}

@test "every option is listed, with its default, and none that is not there" {
	sed -n '/^## Options/,/^## /p' "$FW_SOURCE/$OPERATE" >options.md
	sed -nE 's/^\t\{"([a-z_]+)", parse_.*/\1/p' "$FW_SOURCE/plugin/base/options.c" | sort >parsed
	# shellcheck disable=SC2016 # the document's backquotes
	grep '^| ' options.md | grep -o '`[a-z_]*`' | tr -d '`' | sort -u >named
	sed -nE 's/^#?plugin_opt_([a-z_]+) .*/\1/p' "$FW_SOURCE/mosquitto.conf.example" | sort -u >examples
	assert_equal "$(comm -23 parsed named)" ''
	assert_equal "$(comm -23 parsed examples)" ''
	# shellcheck disable=SC2016 # the document's backquotes
	assert_equal "$(sed -n 's/^| `\([a-z_]*\)` | .*/\1/p' options.md | sort -u | comm -23 - parsed)" ''
	(($(grep -c '^| `' options.md) == $(grep -c '^	{".*", parse_' "$FW_SOURCE/plugin/base/options.c")))
	content "$FW_SOURCE/mosquitto.conf.example"
	# shellcheck disable=SC2016 # the document's backquotes
	while read -r option value; do
		[[ $CONTENT == *$'\n'"#plugin_opt_$option $value"$'\n'* ]]
	done < <(sed -n 's/^| `\([a-z_]*\)` | `\([a-z0-9]*\)` | .*/\1 \2/p' options.md)
}

# The headings of troubleshooting.md, cut at what stands for names and numbers.
# shellcheck disable=SC2016 # the document's backquotes
quoted_fragments() {
	sed -n 's/^### `\(.*\)`$/\1/p' "$FW_SOURCE/$TROUBLESHOOTING" |
		sed 's/\.\.\./\n/g' | sed -e "s/^[ :;,'()]*//" -e "s/[ :;,'()]*$//" | awk 'length > 3'
}

@test "every log line that is quoted is one of the plugin's" {
	quoted_fragments >"$BROKER_DIR/fragments"
	(($(wc -l <"$BROKER_DIR/fragments") > 80))
	# C text: adjoining literals are one
	cat "$FW_SOURCE"/plugin/*/*.c | tr '\n\t' '  ' | sed -E 's/" +"//g' >"$BROKER_DIR/source"
	content "$BROKER_DIR/source"
	while read -r fragment; do
		[[ $CONTENT != *"$fragment"* ]] || continue
		# "plugin_opt_x: %s" and what stands there
		[[ $CONTENT != *"${fragment%%: *}: %s"* || $CONTENT != *"\"${fragment#*: }"* ]] || continue
		echo "not in plugin/*/*.c: $fragment"
		return 1
	done <"$BROKER_DIR/fragments"
}

# The lines that the store writes into the log: the beginning of each, up to what stands for a name or a number.
log_lines() {
	cat "$FW_SOURCE"/plugin/*/*.c | tr '\n\t' '  ' | sed -E 's/" +"//g' |
		grep -oE '(fw_transaction_log|broker\.log)\([^;"]*"[^"]*"' | sed -E 's/^[^"]*"//; s/"$//'
}

@test "every line that the running plugin writes into the log has a heading" {
	local line longest
	log_lines >lines
	(($(wc -l <lines) > 15))
	quoted_fragments >fragments
	# and the longest piece of each between two values
	sed -E 's/%[-.*0-9l]*[a-z]/\n/g; s/$/\n/' lines | awk 'BEGIN { RS = "" } { most = ""; n = split($0, piece, "\n"); for (i = 1; i <= n; i++) {
		gsub(/^[ :;,()\x27]+|[ :;,()\x27]+$/, "", piece[i]); if (length(piece[i]) > length(most)) most = piece[i] } print most }' >pieces
	assert_equal "$(wc -l <pieces)" "$(wc -l <lines)"
	while read -r line && read -r -u 7 longest; do
		while read -r fragment; do
			[[ $longest != *"$fragment"* && $line != *"$fragment"* ]] || continue 2
		done <fragments
		echo "has no heading in $TROUBLESHOOTING: $line"
		return 1
	done <lines 7<pieces
}

# Do the headings of troubleshooting.md have each of these formats of printf? What stands for names and numbers is
# "..." there and %... here, and either may be given in full by the other.
# shellcheck disable=SC2016 # the document's backquotes
open_headings() {
	mapfile -t headings < <(sed -n 's/^### `\(.*\)`$/\1/p' "$FW_SOURCE/$TROUBLESHOOTING")
	mapfile -t patterns < <(printf '%s\n' "${headings[@]}" | sed -E 's/[][*?\\]/\\&/g; s/\.\.\./*/g')
	((${#headings[@]} > 100))
}
# FILE: a sentence a line.
have_headings() {
	local lines formats line i
	mapfile -t lines <"$1"
	mapfile -t formats < <(sed -E 's/[][*?\\]/\\&/g; s/%[-.*0-9l]*[a-z]/*/g' "$1")
	for line in "${!lines[@]}"; do
		for ((i = 0; i < ${#headings[@]}; i++)); do
			# shellcheck disable=SC2053 # both are patterns
			[[ ${lines[line]} != ${patterns[i]} && ${headings[i]} != ${formats[line]} ]] || continue 2
		done
		echo "has no heading in $TROUBLESHOOTING: ${lines[line]}"
		return 1
	done
}

# The sentences that end the start of the broker, each up to its first full stop. Not those that are a part of another
# line (why firmware is rejected, what SQLite says) or of an answer to a command.
start_errors() {
	local file files=()
	for file in "$FW_SOURCE"/plugin/{base,broker,catalog,files,http,service,spool,store}/*.c "$FW_SOURCE/plugin/control/web.c"; do
		case ${file#"$FW_SOURCE/plugin/"} in
		catalog/admin.c | files/digest.c | files/folder.c | store/firmware_verdict.c | store/scheduler.c | store/transaction.c) continue ;;
		esac
		files+=("$file")
	done
	cat "${files[@]}" | tr '\n\t' '  ' | sed -E 's/" +"//g' | grep -oE 'fw_error_set\([^;"]*"[^"]*"' |
		grep -v -- '->reason' | sed -E 's/^[^"]*"//; s/"$//; s/\. .*//' | grep -vE '^%s(: %s)?$'
}

@test "every sentence that ends the start of the broker has a heading" {
	start_errors >errors
	(($(wc -l <errors) > 40))
	open_headings
	have_headings errors
}

# The faults of messages: those of their JSON, of their members, and those that their handlers find.
message_faults() {
	local handlers=("$FW_SOURCE"/plugin/service/{handlers,pull_handler,admission}.c)
	grep -ohE 'fail\(scan, "[^"]*"' "$FW_SOURCE/plugin/protocol/json_object.c"
	grep -ohE '"[^"]* must be [^"]*"|why = "[^"]*"' "$FW_SOURCE/plugin/protocol/message.c"
	cat "${handlers[@]}" | tr '\n\t' '  ' | sed -E 's/" +"//g' |
		grep -oE '(FW_REFUSED_[A-Z]+, +|FW_REGISTRATION_[A-Z]+\] = |return )"[^"]*"|"the device says [^"]*"'
}

@test "every fault of a message has a heading" {
	message_faults | sed -E 's/^[^"]*"//; s/"$//; s/^/refused ...: /' >faults
	(($(wc -l <faults) > 35))
	open_headings
	have_headings faults
}

@test "what the documents name is there" {
	local document documents name defined
	defined=$'\n'$(cat "$FW_SOURCE"/plugin/*/*.c | sed -nE 's/^([a-z].*[ *])?([a-z_0-9]+)\(.*/\2/p' | sort -u)$'\n'
	cd "$FW_SOURCE"
	mapfile -t documents < <(documents)
	# shellcheck disable=SC2016 # the documents' backquotes
	grep -oE '`(plugin|include|schema|tests)/[A-Za-z0-9_./-]+`' "${documents[@]}" | tr -d '`' | sort -u >"$BROKER_DIR/paths"
	while IFS=: read -r document name; do
		[[ -e $name || $name == *NNNN* || $name == */LAYER/* || $name == */TOPIC/* ]] && continue
		echo "$document names $name, which is not there"
		return 1
	done <"$BROKER_DIR/paths"
	# shellcheck disable=SC2016 # the documents' backquotes
	grep -oE '`[a-z_0-9]+\(\)`' "${documents[@]}" | tr -d '`()' | sort -u >"$BROKER_DIR/functions"
	while IFS=: read -r document name; do
		[[ $defined != *$'\n'"$name"$'\n'* ]] || continue
		echo "$document names $name(), which is not there"
		return 1
	done <"$BROKER_DIR/functions"
}

@test "the commands of the source are there, and know their options" {
	local documents line program option count=0
	mapfile -t documents < <(documents)
	while read -r line; do
		program=${line%% *}
		[[ -x $FW_SOURCE/$program ]]
		[[ $line == *--* ]] || continue
		[[ -e help.${program//\//.} ]] || timeout 20 "$FW_SOURCE/$program" --help >"help.${program//\//.}" 2>&1
		content "help.${program//\//.}"
		while [[ $line =~ (--[a-z]+)(.*) ]]; do
			option=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
			[[ $CONTENT == *"$option"* ]]
			count=$((count + 1))
		done
	done < <(cd "$FW_SOURCE" && {
		sed -n 's/^    //p' "${documents[@]}"
		# shellcheck disable=SC2016 # the documents' backquotes
		grep -ohE '`(tests|plugin)/[a-z/.]+( [^`]*)?`' "${documents[@]}" | tr -d '`'
	} | grep -E '^(tests/(run|sanitize|analyze|compat|device|bench/run|bench/downloads)|plugin/run)( |$)' | sort -u)
	((count > 5))
}

# Where a link may lead: "DOCUMENT#NAME" for each heading of the documents given.
targets() {
	awk 'FNR == 1 { inside = 0 } /^```/ { inside = !inside } !inside && /^#+ / { print FILENAME "\t" $0 }' "$@" |
		LC_ALL=C.UTF-8 sed -E 'h; s/\t.*/#/; x; s/^[^\t]*\t#+ //; s/[^[:alnum:] _-]//g; s/ /-/g; s/[A-Z]/\L&/g; H; x; s/\n//'
}

# The links in the documents given that lead into the source, as "DOCUMENT PATH#NAME" or "DOCUMENT PATH#".
links() {
	# a link may go over the end of a line
	awk '{ text[FILENAME] = text[FILENAME] $0 " " } END { for (name in text) print name "\t" text[name] }' "$@" |
		awk -F '\t' '{ folder = $1; if (!sub("/[^/]*$", "", folder)) folder = "."; rest = substr($0, length($1) + 2)
			while (match(rest, /\]\([^)]*\)/)) {
				link = substr(rest, RSTART + 2, RLENGTH - 3); rest = substr(rest, RSTART + RLENGTH)
				if (link ~ /^https?:\/\//) continue
				hash = index(link, "#"); path = hash ? substr(link, 1, hash - 1) : link
				print $1 "\t" (path == "" ? $1 : folder "/" path) "\t" (hash ? substr(link, hash + 1) : "") } }' >"$BROKER_DIR/links"
	paste -d'#' <(paste -d' ' <(cut -f1 "$BROKER_DIR/links") <(cut -f2 "$BROKER_DIR/links" | xargs realpath -m --relative-to=.)) <(cut -f3 "$BROKER_DIR/links")
}

@test "every link leads somewhere" {
	local document documents link count=0
	cd "$FW_SOURCE"
	mapfile -t documents < <(documents)
	targets "${documents[@]}" >"$BROKER_DIR/known"
	content "$BROKER_DIR/known"
	while read -r document link; do
		count=$((count + 1))
		if [[ $link == *'#' ]]; then [[ -e ${link%#} ]] && continue; fi
		[[ $'\n'$CONTENT != *$'\n'"$link"$'\n'* ]] || continue
		echo "$document: $link leads nowhere"
		return 1
	done < <(links "${documents[@]}")
	((count > 50))
}

# Their width is held by tests/analyze.
@test "the README is short" {
	(($(wc -l <"$FW_SOURCE/README.md") <= 150))
}
