# shellcheck shell=bash
# A broker that serves firmware files.

load ../helper

free_port() {
	local port
	for _ in {1..50}; do
		port=$((10000 + SRANDOM % 22000)) # tests side by side seldom choose the same
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# LINE...: a broker with the HTTP server and these options, the usual catalog, and the folder
# $FILES.
# shellcheck disable=SC2034 # HTTP and FILES are for the tests
start_with_files() {
	PORT=$(free_port)
	HTTP=http://127.0.0.1:$PORT
	FILES=$BATS_TEST_TMPDIR/firmware
	start_with_catalog "plugin_opt_http_listen 127.0.0.1:$PORT" "$@"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# NAME [BYTES]: makes a file in the folder, as an operator should: whole under another name first.
drop() {
	head -c "${2:-100000}" /dev/urandom >"$FILES/.new"
	mv "$FILES/.new" "$FILES/$1"
}

# ID ORDER FILE [COLUMN=VALUE...]: a row of lamp with a file. Its version is the order and .0.
add_file() {
	local columns='' values='' pair
	for pair in "${@:4}"; do
		columns+=", ${pair%%=*}"
		values+=", ${pair#*=}"
	done
	db "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file$columns)
		VALUES ('$1', 'lamp', 'Firmware $1', '$2.0', $2, '$3'$values)"
}

becomes() { rows "SELECT state FROM firmware WHERE firmware_id = '$1'" "$2"; } # ID STATE

# ID WORDS: rejected, and the reason has these words.
rejected() {
	local reason
	becomes "$1" rejected
	reason=$(db "SELECT state_reason FROM firmware WHERE firmware_id = '$1'")
	[[ $reason == *"$2"* ]] && return
	printf 'wanted: %s\nin:     %s\n' "$2" "$reason"
	return 1
}

offered() { member "$(pull "$1" '{}')" firmwareId code; } # DEVICE: which firmware it is offered, or the code

status_of() { curl -s -o body -w '%{http_code}' "$@"; } # OPTION of curl...: the status; the body is in the file
