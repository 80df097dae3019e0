# shellcheck shell=bash
# One process that is every client with the usual options, one after the other (client.py): to start mosquitto_pub for each
# message costs more than what the broker does with it. It starts with the first request. What it does not know, the real
# mosquitto_pub and mosquitto_rr do.

US=$'\x1f' RS=$'\x1e'

# Once in a test, behind start_shell, which makes the pipes. Who takes the character out of `turn` may ask.
open_clients() {
	[[ -z ${CLIENT_DIR:-} ]] || return 0
	CLIENT_DIR=$SHELL_DIR
	exec {CLIENT_IN}<>"$CLIENT_DIR/client.in" {CLIENT_OUT}<>"$CLIENT_DIR/client.out" {CLIENT_TURN}<>"$CLIENT_DIR/client.turn"
	printf . >&"$CLIENT_TURN"
}

# It is told, since what the test left running may hold `in` open.
close_clients() {
	[[ ! -e ${CLIENT_DIR:-}/client.errors ]] || printf 'quit\n' >&"$CLIENT_IN"
}

start_client() {
	[[ ! -e $CLIENT_DIR/client.errors ]] || return 0
	LD_PRELOAD='' /usr/bin/python3 -I -S "$FW_SOURCE/tests/integration/client.py" <"$CLIENT_DIR/client.in" >"$CLIENT_DIR/client.out" \
		2>"$CLIENT_DIR/client.errors" 3>&- {CLIENT_IN}>&- {CLIENT_OUT}>&- {CLIENT_TURN}>&- {SHELL_IN}>&- {SHELL_OUT}>&- {SHELL_FREE}>&- {PAUSE}>&- &
}

# FIELD...: can the one process do it, and is it free?
client_takes() {
	[[ -n ${CLIENT_DIR:-} && "${CONNECT[*]}" == "--unix $BROKER_DIR/socket" && -n $3 && "$*" != *[$'\n'"$US$RS"]* ]] &&
		read -r -t 1 -N 1 -u "$CLIENT_TURN" _
}

# FIELD...: the request of client.py; the answer is $SAID. It has been taken.
client() {
	local IFS=$US status=1 answer=''
	start_client
	printf '%s\n' "$*" >&"$CLIENT_IN"
	IFS= read -r -t 30 -d "$RS" -u "$CLIENT_OUT" answer || answer="1${US}no answer: $(<"$CLIENT_DIR/client.errors")"
	printf . >&"$CLIENT_TURN"
	status=${answer%%"$US"*} SAID=${answer#*"$US"}
	((status == 0)) || printf 'Error: %s\n' "$SAID" >&2
	return "$status"
}
