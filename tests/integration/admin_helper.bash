# shellcheck shell=bash
# A broker with the admin server, and people who log in: ann may change things, old too (with an older
# kind of password hash), vic may look, and dev is a device.

load ../files_helper

JSON='Content-Type: application/json'
BYTES='Content-Type: application/octet-stream'
# shellcheck disable=SC2034 # for the tests
ETAG_OF_NOTHING='"0123456789abcdef0123456789abcdef"'

# FILE: the first test of a file of tests makes it, the others take a copy: a password takes long to
# digest.
make_passwords() {
	local ready=$BATS_FILE_TMPDIR/passwords
	if [[ ! -e $ready ]]; then
		(umask 077 && : >"$ready.new")
		mosquitto_passwd -b "$ready.new" ann 'se:cret'
		mosquitto_passwd -H sha512 -b "$ready.new" old sechs
		mosquitto_passwd -b "$ready.new" vic look
		mosquitto_passwd -b "$ready.new" dev ice
		mv "$ready.new" "$ready"
	fi
	cp -p "$ready" "$1"
}

# LINE...: a broker with the admin server and these options, and the usual catalog; $API is its
# address.
start_admin() {
	PORT=$(free_port)
	ADMIN=http://127.0.0.1:$PORT
	API=$ADMIN/api/v1
	# shellcheck disable=SC2034 # for the tests
	FILES=$BATS_TEST_TMPDIR/firmware
	PASSWORDS=$BATS_TEST_TMPDIR/passwords
	make_passwords "$PASSWORDS"
	start_with_catalog 'plugin_opt_admins ann,old' 'plugin_opt_admin_viewers vic' "plugin_opt_admin_password_file $PASSWORDS" \
		"plugin_opt_admin_listen 127.0.0.1:$PORT" "$@"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# PATH [OPTION of curl...]: as ann; prints the status, the body is in the file body, and the head in
# the file head.
as_ann() { status_of -m 20 -D head -u 'ann:se:cret' "${@:2}" "$API$1"; }

# METHOD PATH [JSON]: as ann, a write with this body. Prints the status.
send() { as_ann "$2" -X "$1" -H "$JSON" -d "${3:-}"; }

# PATH FILTER: the answer to a GET as ann must fulfil the jq filter.
shows() {
	assert_equal "$(as_ann "$1")" 200
	assert_json "$(<body)" "$2"
}

header() { sed -n "s/^$1: \(.*\)\r$/\1/Ip" head; } # NAME: of the last answer

# CODE: the last answer was this error, with a sentence.
is_error() { assert_json "$(<body)" ".code == \"$1\" and (.message | length > 5)"; }

upload() { as_ann "/files/$2" -H "$BYTES" -T "$1" "${@:3}"; } # FILE NAME [OPTION of curl...]
