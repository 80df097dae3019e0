# shellcheck shell=bash
# One process that is every client with the usual options, one after the other (client.py): to start
# mosquitto_pub for each message costs more than what the broker does with it. It starts with the
# first request of a file of tests, and ends with the file. What it does not know, the real
# mosquitto_pub and mosquitto_rr do.

US=$'\x1f' RS=$'\x1e'

# Once in a file of tests, behind open_shell, which makes the pipes.
open_client() {
	export CLIENT_IN CLIENT_OUT CLIENT_TURN
	exec {CLIENT_IN}<>"$SHELL_HOME/client.in" {CLIENT_OUT}<>"$SHELL_HOME/client.out" {CLIENT_TURN}<>"$SHELL_HOME/client.turn"
}

# Ends it by a message: a process that a test left running may still hold `in` open.
close_client() {
	[[ ! -e $SHELL_HOME/client.errors ]] || printf 'quit\n' >&"$CLIENT_IN"
}

# Once in a test, behind start_shell. Who takes the character out of `turn` may ask.
take_client() {
	[[ -z ${CLIENT_DIR:-} ]] || return 0
	CLIENT_DIR=$SHELL_HOME
	drain "$CLIENT_TURN"
	drain "$CLIENT_OUT"
	printf . >&"$CLIENT_TURN"
}

# Starts it, as no child of this test: it serves the next tests too.
start_client() {
	[[ ! -e $CLIENT_DIR/client.errors ]] || return 0
	(LD_PRELOAD='' /usr/bin/python3 -I -S "$FW_SOURCE/tests/integration/client.py" <"$CLIENT_DIR/client.in" >"$CLIENT_DIR/client.out" \
		2>"$CLIENT_DIR/client.errors" 3>&- 4>&- {CLIENT_IN}>&- {CLIENT_OUT}>&- {CLIENT_TURN}>&- {SHELL_IN}>&- {SHELL_OUT}>&- {SHELL_FREE}>&- {PAUSE}>&- &)
}

# FIELD...: can the one process do it, and is it free?
client_takes() {
	[[ -n ${CLIENT_DIR:-} && "${CONNECT[*]}" == "--unix $BROKER_DIR/socket" && -n $3 && "$*" != *[$'\n'"$US$RS"]* ]] &&
		read -r -t 1 -N 1 -u "$CLIENT_TURN" _
}

# The next request starts another one.
client_lost() {
	answer="$number${US}1${US}no answer: $(<"$CLIENT_DIR/client.errors")"
	mv "$CLIENT_DIR/client.errors" "$CLIENT_DIR/client.lost"
}

# FIELD...: the request of client.py; the answer is $SAID. It has been taken.
client() {
	local IFS=$US status=1 answer='' number=$EPOCHREALTIME
	start_client
	printf '%s\n' "$number$US$*" >&"$CLIENT_IN"
	until [[ $answer == "$number$US"* ]]; do # not what was asked by a test that failed
		IFS= read -r -t 30 -d "$RS" -u "$CLIENT_OUT" answer || client_lost
	done
	printf . >&"$CLIENT_TURN"
	answer=${answer#*"$US"}
	status=${answer%%"$US"*} SAID=${answer#*"$US"}
	((status == 0)) || printf 'Error: %s\n' "$SAID" >&2
	return "$status"
}
