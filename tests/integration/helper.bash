# shellcheck shell=bash
# A real broker with the plugin for each test, in the test's own temporary folder, and the words the
# tests are written in. $FW_PLUGIN is the plugin, $MOSQUITTO the broker.

bats_require_minimum_version 1.5.0

export LC_ALL=C.UTF-8 # a test cuts and counts characters, wherever it is run

# shellcheck source=tests/integration/shell.bash
source "${BASH_SOURCE[0]%/*}/shell.bash"
# shellcheck source=tests/integration/client.bash
source "${BASH_SOURCE[0]%/*}/client.bash"

: "${FW_SOURCE:=$(cd "$BATS_TEST_DIRNAME/../../.." && pwd)}"
: "${FW_PLUGIN:=$FW_SOURCE/build/mosquitto_firmware.so}"
: "${MOSQUITTO:=/usr/sbin/mosquitto}"
: "${TEST_USER:=$(id -un)}"
export TEST_USER # bats reads a file again for each of its tests

FUNCNEST=300      # a function that calls itself for ever ends
PRODUCT=lamp      # the product that pull, say and others speak for
BACKGROUND=()     # processes to end with the test, with their process group if they lead one

# The processes that serve all tests of a file: shell.bash, client.bash.
setup_file() {
	open_shell
	open_client
}
teardown_file() {
	close_client
	close_shell
}

# shellcheck disable=SC2119
setup() { start_with_catalog; }
teardown() { clean_up; }

# --- the broker ---

# LINE...: starts a broker with these extra lines of configuration, and waits until it listens.
# Again after stop_broker or kill_broker: the same folder, and the same configuration when no lines
# are given.
# shellcheck disable=SC2120 # the tests pass lines
start_broker() {
	local try
	BROKER_DIR=${BROKER_DIR:-$BATS_TEST_TMPDIR}
	DB=$BROKER_DIR/firmware.db
	LOG=$BROKER_DIR/broker.log
	CONNECT=(--unix "$BROKER_DIR/socket")
	if (($#)) || [[ ! -e $BROKER_DIR/mosquitto.conf ]]; then
		write_conf "$@"
	fi
	for try in 1 2 3; do
		launch_broker
		start_shell
		take_client
		if retry 10 broker_decided && broker_listens; then return 0; fi
		grep -q 'Address already in use' "$LOG" || break
	done
	echo "the broker did not start (try $try)"
	return 1
}

# LINE...: the same, with the rows of `catalog`. The first one of a file makes the catalog, the
# others take a copy of it: that a new broker makes one is for the tests that say so.
# shellcheck disable=SC2120 # the tests pass lines
start_with_catalog() {
	local ready=$BATS_FILE_TMPDIR/catalog.db
	[[ ! -e $ready ]] || cp "$ready" "${BROKER_DIR:-$BATS_TEST_TMPDIR}/firmware.db"
	start_broker "$@"
	[[ ! -e $ready ]] || return 0
	catalog
	ask "VACUUM INTO '$ready'"
}

# $FW_PER_LISTENER: what follows a listener is that listener's alone.
write_conf() {
	[[ -z ${FW_PER_LISTENER:-} || " $*" != *[[:space:]]listener\ * ]] || skip 'the plugin and the rights are on the first listener alone'
	{
		[[ -z ${FW_PER_LISTENER:-} ]] || echo 'per_listener_settings true'
		printf 'user %s\nlistener 0 %s/socket\nallow_anonymous true\n' "$TEST_USER" "$BROKER_DIR"
		printf 'log_dest stderr\nplugin %s\n' "$FW_PLUGIN"
		# a few devices stand for a fleet; rate.bats tries the limit
		[[ " $*" == *device_rate_per_minute* ]] || echo 'plugin_opt_device_rate_per_minute 0'
		[[ " $*" == *plugin_opt_db_file* ]] || printf 'plugin_opt_db_file %s\n' "$DB"
		(($# == 0)) || printf '%s\n' "$@"
	} >"$BROKER_DIR/mosquitto.conf"
}

launch_broker() {
	[[ ! -e $BROKER_DIR/socket ]] || rm "$BROKER_DIR/socket"
	[[ ! -e $LOG ]] || mv "$LOG" "$LOG.before"
	"$MOSQUITTO" -c "$BROKER_DIR/mosquitto.conf" >"$LOG" 2>&1 3>&- {SHELL_IN}>&- {SHELL_OUT}>&- {SHELL_FREE}>&- {PAUSE}>&- \
		{CLIENT_IN}>&- {CLIENT_OUT}>&- {CLIENT_TURN}>&- &
	BROKER=$!
}

broker_listens() {
	content "$LOG"
	[[ $CONTENT =~ mosquitto\ version\ [^$'\n']*\ running$'\n' ]]
}
# One that has ended, and of which bash has not taken note, takes signals, too.
broker_lives() {
	kill -0 "$BROKER" 2>/dev/null || return 1
	content "/proc/$BROKER/stat"
	[[ $CONTENT != *') Z '* ]]
}
broker_gone() { ! broker_lives; }
broker_decided() { broker_listens || ! broker_lives; }

# Tells the broker to end, and waits until it has. Mosquitto 2.0 loses a signal that comes between
# its line "running" and its main loop, hence the second one.
end_broker() {
	kill "$BROKER" || return 1
	retry 5 broker_gone >/dev/null || kill "$BROKER" || true
	retry 20 broker_gone || kill -9 "$BROKER"
}

# Ends the broker as an administrator does. Fails unless it ends well.
stop_broker() {
	local status=0
	end_broker
	wait "$BROKER" || status=$?
	BROKER=
	return "$status"
}

# Ends the broker as a power cut or the kernel does.
kill_broker() {
	kill -9 "$BROKER"
	wait "$BROKER" 2>/dev/null || true
	BROKER=
}

# LINE...: the broker must refuse to start with this configuration, and leave its log in $output.
refuses_to_start() {
	BROKER_DIR=${BROKER_DIR:-$BATS_TEST_TMPDIR}
	DB=$BROKER_DIR/firmware.db
	LOG=$BROKER_DIR/broker.log
	[[ -e $BROKER_DIR/mosquitto.conf ]] || write_conf "$@"
	launch_broker
	if ! retry 10 broker_decided; then
		echo "the broker neither started nor stopped: $(grep -s State: "/proc/$BROKER/status" || echo gone)"
		return 1
	fi
	if broker_lives; then
		echo "the broker started:"
		cat "$LOG"
		return 1
	fi
	BROKER=
	output=$(<"$LOG")
}

clean_up() {
	if [[ -z ${BATS_TEST_COMPLETED:-} && -z ${BATS_TEST_SKIPPED:-} ]]; then on_failure; fi
	end_background TERM
	[[ -z ${BROKER:-} ]] || end_broker 2>/dev/null || true
	# mosquitto_sub's handler of a signal takes locks: one that comes while a message does may
	# stop it for ever
	retry 5 background_gone >/dev/null || end_background KILL
	wait 2>/dev/null || true
}

end_background() { # SIGNAL
	local pid
	for pid in "${BACKGROUND[@]}"; do kill -"$1" -- "-$pid" 2>/dev/null || kill -"$1" "$pid" 2>/dev/null || true; done
}
background_gone() {
	local pid
	for pid in "${BACKGROUND[@]}"; do ! kill -0 "$pid" 2>/dev/null || return 1; done
}

on_failure() {
	local file
	echo "--- command: ${BATS_RUN_COMMAND:-(none run)}"
	echo "--- status: ${status:-}"
	echo "--- output: ${output:-}"
	for file in "$BROKER_DIR"/*.heard; do
		[[ -e $file ]] && echo "--- subscriber ${file##*/}:" && cat -v "$file"
	done
	[[ -e ${LOG:-} ]] && echo "--- broker's log:" && cat -v "$LOG"
	return 0
}

# The rest of the test is for the long form: another form of what a sibling tries in the short one.
only_long() { [[ -n ${FW_LONG:-} ]] || skip 'only in the long form'; }

# SHORT LONG: how many rounds, seconds or bytes; the long form is for `tests/run --long`.
rounds() { if [[ -n ${FW_LONG:-} ]]; then echo "$2"; else echo "$1"; fi; }

# --- waiting ---

# SECONDS COMMAND...: repeats the command until it succeeds, at most that long.
retry() {
	local deadline=$((SECONDS + $1)) pauses=(0.03 0.1 0.1 0.2 0.3)
	shift
	until "$@"; do
		if ((SECONDS >= deadline)); then
			echo "gave up on: $*"
			return 1
		fi
		pause "${pauses[0]}"
		# each try costs the processor some of its time
		((${#pauses[@]} == 1)) || pauses=("${pauses[@]:1}")
	done
}

# FILE: what is in it is $CONTENT, as $(<FILE), without a process. Nothing if there is no file.
content() {
	CONTENT=
	[[ ! -e $1 ]] || IFS= read -r -d '' CONTENT <"$1" || true
}

# --- the catalog ---

# SQL: runs it in a bare sqlite3 shell, as an operator does.
db() {
	local status=0
	ask "$@" || status=$?
	[[ -z $ANSWER ]] || printf '%s\n' "$ANSWER"
	return "$status"
}

# Is the broker Mosquitto 2.0? It tells a plugin of no client before the client publishes.
on_2_0() {
	content "$LOG"
	[[ $CONTENT == *'mosquitto version 2.0'* ]]
}

db_is() {
	ask "$1" || true
	[[ $ANSWER == "$2" ]]
}

# SQL EXPECTED: the rows must become these; uplinks are applied shortly after they were
# acknowledged.
rows() {
	retry 10 db_is "$1" "$2" && return
	printf 'rows of: %s\nexpected: %s\nare:      %s\n' "$1" "$2" "$(db "$1")"
	return 1
}

# VERSION ORDER [PRODUCT]: one line of VALUES for table firmware.
FIRMWARE_COLUMNS='firmware_id, product_id, name, version, version_order, sign_method, sign, url, size'
firmware() {
	printf "('%s-%s', '%s', 'Firmware %s', '%s', %d, 'sha256', '%064d', 'http://files.test/%s', %d)" \
		"${3:-lamp}" "$1" "${3:-lamp}" "$1" "$1" "$2" "$2" "$1" "$(($2 * 1000))"
}

# Three versions of lamp, and an oven whose firmware is disabled.
catalog() {
	db "INSERT INTO product (product_id, name) VALUES ('lamp', 'Lamp'), ('oven', 'Oven');
		INSERT INTO firmware ($FIRMWARE_COLUMNS) VALUES $(firmware 1.0 1), $(firmware 1.1 2), $(firmware 2.0 3), $(firmware 9.0 1 oven);
		UPDATE product SET firmware_enabled = 0 WHERE product_id = 'oven';"
}

# --- clients ---

# OPTION of mosquitto_pub...: the one client does it if it can.
pub() {
	if plain_publish "$@" && client_takes say '' "${PUBLISH[@]}"; then
		client say "$BROKER_DIR/socket" "${PUBLISH[@]}"
	else
		timeout -k 1 20 mosquitto_pub "${CONNECT[@]}" "$@"
	fi
}
sub() { timeout -k 1 20 mosquitto_sub "${CONNECT[@]}" "$@"; }
rr() { command mosquitto_rr "${CONNECT[@]}" -W 5 "$@"; } # which ends by itself then

# DEVICE JSON [OPTION of mosquitto_rr...]: asks as the device; prints the reply.
pull() {
	exchange "$1" "/$PRODUCT/$1/firmware/pull" "${@:2}"
}

# DEVICE JSON [OPTION...]: asks for a device's version as an application.
read_version() {
	exchange application "/$PRODUCT/$1/firmware/read" "${@:2}"
}

# ID TOPIC JSON [OPTION of mosquitto_rr...]: asks there, and prints the answer.
exchange() {
	if (($# > 3)) || ! client_takes ask '' "$@"; then
		rr -q 1 -i "$1" -t "$2" -e "$2/reply" -m "$3" "${@:4}"
		return
	fi
	client ask "$BROKER_DIR/socket" "$1" "$2" "$3" "$2/reply" && printf '%s\n' "$SAID"
}

# DEVICE TAIL JSON [OPTION of mosquitto_pub...]: publishes as the device, and waits for the
# acknowledgement.
say() { pub -q 1 -i "$1" -t "/$PRODUCT/$1/firmware/$2" -m "$3" "${@:4}"; }

# Runs the Python program on its standard input: single MQTT packets, see raw.py.
raw() {
	timeout 60 env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$FW_SOURCE/tests/integration" BROKER_SOCKET="$BROKER_DIR/socket" \
		/usr/bin/python3 - "$@"
}

# COMMAND...: an MQTT 5 publish that must be answered "not authorized".
refused() {
	local said
	if judged "$@"; then
		[[ $SAID != refused ]] || return 0
		said=$SAID
	else
		said=$("$@" -V mqttv5 2>&1) || true
		[[ $said != *'Not authorized'* ]] || return 0
	fi
	printf 'not refused: %s\nit said: %s\n' "$*" "$said"
	return 1
}

# COMMAND...: an MQTT 5 publish that must be acknowledged as usual.
accepted() {
	local said
	if judged "$@"; then
		[[ $SAID != ok ]] || return 0
		said=$SAID
	else
		said=$("$@" -V mqttv5 2>&1) && [[ -z $said ]] && return
	fi
	printf 'not accepted: %s\nit said: %s\n' "$*" "$said"
	return 1
}

# OPTION...: is it a publish with QoS 1, and no more than that? Its ID USER TOPIC PAYLOAD are
# $PUBLISH then.
plain_publish() {
	local quality=''
	PUBLISH=('' '' '' '')
	while (($# > 1)); do
		case $1=$2 in
		-q=1) quality=1 ;;
		-i=*) PUBLISH[0]=$2 ;;
		-u=?*) PUBLISH[1]=$2 ;;
		-t=*) PUBLISH[2]=$2 ;;
		-m=*) PUBLISH[3]=$2 ;;
		*) return 1 ;;
		esac
		shift 2
	done
	(($# == 0)) && [[ -n $quality ]]
}

# COMMAND...: can the one client do this `pub` or `say`? What the broker said to it is $SAID then,
# see client.py.
judged() {
	case $1 in
	say) plain_publish -q 1 -i "$2" -t "/$PRODUCT/$2/firmware/$3" -m "$4" "${@:5}" ;;
	pub) plain_publish "${@:2}" ;;
	*) return 1 ;;
	esac && verdict "${PUBLISH[@]}"
}

# ID USER TOPIC PAYLOAD
verdict() { client_takes verdict '' "$@" && client verdict "$BROKER_DIR/socket" "$@" 2>/dev/null; }

# NAME OPTION of mosquitto_sub...: subscribes in the background. A message is a line
# "QOS RETAINED TOPIC PAYLOAD" of `heard NAME`.
listen() {
	local file=$BROKER_DIR/$1.heard
	((BASH_SUBSHELL == 0)) || { echo 'listen: in a subshell, the subscriber would outlive the test' && return 1; }
	stdbuf -oL mosquitto_sub "${CONNECT[@]}" -d -F '= %q %r %t %p' "${@:2}" >"$file" 2>&1 3>&- &
	BACKGROUND+=($!)
	retry 10 subscribed "$file"
}
subscribed() {
	content "$1"
	[[ $'\n'$CONTENT == *$'\nSubscribed'* ]]
}
heard() { sed -n 's/^= //p' "$BROKER_DIR/$1.heard"; }
heard_text() {
	local line LC_ALL=C # bytes, without the zeros: in UTF-8 half a character would take the end of the line with it
	while IFS= read -r line; do [[ $line != '= '*"$2"* ]] || return 0; done <"$BROKER_DIR/$1.heard"
	return 1
}
heard_count() {
	content "$BROKER_DIR/$1.heard"
	count_of $'\n= ' $'\n'"$CONTENT"
	[[ $COUNT == "$2" ]]
}

# WORDS TEXT: how often they are in it is $COUNT.
count_of() {
	local without=${2//"$1"/}
	COUNT=$(((${#2} - ${#without}) / ${#1}))
}

# All that was published before has reached the subscribers and the catalog once this returns: a
# report by a device of its own goes the same way, behind it.
settle() {
	MARKERS=$((${MARKERS:-0} + 1))
	PRODUCT=lamp say marker report "{\"version\":\"marker $MARKERS\"}"
	rows "SELECT version FROM device WHERE device_id = 'marker'" "marker $MARKERS"
}

# NAME [OPTION of mosquitto_sub...]: the value of a counter under $SYS/broker/firmware, published
# every ten seconds.
counter() { sub -C 1 -W 15 -t "\$SYS/broker/firmware/$1" "${@:2}"; }
# NAME VALUE: the last one that was published. Listens from the first question on.
counter_is() {
	local line last=
	[[ -e $BROKER_DIR/counters.heard ]] || listen counters -t "\$SYS/broker/firmware/#" || return 1
	content "$BROKER_DIR/counters.heard"
	while IFS= read -r line; do
		[[ $line != "= "?" "?" \$SYS/broker/firmware/$1 "* ]] || last=${line##* }
	done <<<"$CONTENT"
	[[ $last == "$2" ]]
}

# --- assertions ---

# JSON FILTER: the jq filter must be true.
assert_json() {
	! plainly_true "$@" || return 0
	[[ -n $1 ]] && jq -e "$2" >/dev/null <<<"$1" && return # jq 1.6 is content with no input at all
	printf 'not true: %s\nof: %s\n' "$2" "$1"
	return 1
}

# JSON FILTER: is it a flat object without escapes, and the filter a plain comparison of members,
# that holds? Otherwise ask jq.
FLAT_VALUE='("[^"\\]*"|[-0-9.]+|true|false|null|\{\}|\[\])'
FLAT_OBJECT="^\\{\"[^\"\\\\]*\":$FLAT_VALUE(,\"[^\"\\\\]*\":$FLAT_VALUE)*\\}\$"
PLAIN_TERM='^\.([A-Za-z]+) == ("[^"\\]*"|[0-9]+|true|false)$'
plainly_true() {
	local term member rest=$2
	[[ $1 =~ $FLAT_OBJECT ]] || return 1
	while [[ -n $rest ]]; do
		term=${rest%%' and '*}
		rest=${rest#"$term"}
		rest=${rest#' and '}
		[[ $term =~ $PLAIN_TERM ]] || return 1
		member="\"${BASH_REMATCH[1]}\":${BASH_REMATCH[2]}"
		[[ $1 == "{$member"[,\}]* || $1 == *",$member"[,\}]* ]] || return 1
	done
}

# JSON MEMBER [OTHER]: what it is, or else what the other one is, as jq -r prints it.
member() {
	local name
	if [[ $1 =~ $FLAT_OBJECT ]]; then
		for name in "${@:2}"; do
			[[ $1 =~ [{,]\"$name\":$FLAT_VALUE && ${BASH_REMATCH[1]} != null ]] || continue
			name=${BASH_REMATCH[1]#\"}
			echo "${name%\"}"
			return
		done
		echo null
	else
		jq -r ".$2${3:+ // .$3}" <<<"$1"
	fi
}

assert_equal() { # ACTUAL EXPECTED
	[[ $1 == "$2" ]] && return
	printf 'expected: %s\nactual:   %s\n' "$2" "$1"
	return 1
}

# COMMAND...: must fail.
refute() {
	if "$@"; then
		echo "did not fail: $*"
		return 1
	fi
}
