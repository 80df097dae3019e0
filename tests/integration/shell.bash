# shellcheck shell=bash
# One sqlite3 shell for all statements of a test: a process for each costs more than what most of them do. It opens the
# file for each request and closes it behind, as a shell of its own does. A request ends at its first error, the shell goes
# on: that of a person at a terminal does so, hence -interactive.

# Starts it, once in a test. Who takes the character out of `free` may ask: it is the number of the file. There are two: the
# shell may still look for more in the last one.
start_shell() {
	[[ -z ${SHELL_DIR:-} ]] || return 0
	trace_tests_alone
	SHELL_DIR=$BATS_TEST_TMPDIR/.shell
	mkdir "$SHELL_DIR"
	mkfifo "$SHELL_DIR"/{in,out,free,pause} "$SHELL_DIR"/client.{in,out,turn} # those for client.bash
	: >"$SHELL_DIR/asked0"
	: >"$SHELL_DIR/asked1"
	exec {SHELL_IN}<>"$SHELL_DIR/in" {SHELL_OUT}<>"$SHELL_DIR/out" {SHELL_FREE}<>"$SHELL_DIR/free" {PAUSE}<>"$SHELL_DIR/pause"
	shell_serves <"$SHELL_DIR/in" 3>&- {SHELL_IN}>&- {SHELL_OUT}>&- {SHELL_FREE}>&- {PAUSE}>&- &
	printf 0 >&"$SHELL_FREE"
}

# bats notes the stack before each command, which takes longer than most of them: from now on it does so in the test
# itself, and no more in what that calls. What has failed is told with the test's line.
trace_tests_alone() {
	set +T
	declare -ft "$BATS_TEST_NAME" bats_error_trap bats_check_status_from_trap 2>/dev/null || true # as they are named in this version
}

# Until it is told to quit. What makes the broker's calls fail is not for it.
shell_serves() {
	until [[ -e $SHELL_DIR/quit ]]; do
		LD_PRELOAD='' SQLITE_HISTORY=/dev/null sqlite3 -interactive -bail >"$SHELL_DIR/out" 2>>"$SHELL_DIR/errors" \
			8<"$SHELL_DIR/asked0" 9<"$SHELL_DIR/asked1" || true
		[[ -e $SHELL_DIR/quit ]] || echo gone >"$SHELL_DIR/out"
	done
}

stop_shell() {
	[[ -n ${SHELL_DIR:-} ]] || return 0
	: >"$SHELL_DIR/quit"
	printf '.quit\n' >&"$SHELL_IN"
}

# ARGUMENT...: is it for the one shell, and is that free? Who is in a subshell may use it, too, but one at a time.
shell_takes() {
	[[ -n ${SHELL_DIR:-} && $# == 1 && $1 != [-.]* && "$PWD$DB" != *\'* && -f $DB ]] && read -r -t 1 -N 1 -u "$SHELL_FREE" SHELL_FILE
}

# SQL: runs it in $DB as $(db SQL) does, without a process. What the shell prints is in $ANSWER.
ask() {
	local failed=0
	if ! shell_takes "$@"; then
		ANSWER=$(sqlite3 -batch -cmd '.timeout 5000' "$DB" "$@")
		return
	fi
	shell_reads ".open '$DB'
.timeout 5000
$1" || failed=1
	((failed == 0)) || shell_failed
	return "$failed"
}

# INPUT: of the shell that was taken, which is free then. What it prints is in $ANSWER, what it says of errors in `errors`.
shell_reads() {
	local line='' part='' failed=1 end=$EPOCHREALTIME
	printf ".cd '%s'\n.output '%s'\n%s\n;\n.output stdout\n.print went\n" "$PWD" "$SHELL_DIR/said" "$1" >"$SHELL_DIR/asked$SHELL_FILE"
	: >"$SHELL_DIR/said"
	# it prints what it reads, too, a character at a time: little is said here. `asked0` is file 8
	printf '.read /dev/fd/%d\n.output\n.open\n.print %s\n' $((8 + SHELL_FILE)) "$end" >&"$SHELL_IN"
	until [[ $line == "$end" || $line == gone ]]; do
		read -r -t 100 -u "$SHELL_OUT" line || { echo 'the sqlite3 shell does not answer' >&2 && break; }
		[[ $line != went ]] || failed=0
	done
	ANSWER=
	while IFS= read -r -d '' part || [[ -n $part ]]; do ANSWER+=$part; done <"$SHELL_DIR/said"
	while [[ $ANSWER == *$'\n' ]]; do ANSWER=${ANSWER%$'\n'}; done
	printf %d $((1 - SHELL_FILE)) >&"$SHELL_FREE"
	return "$failed"
}

# Tells what it said of the error; it is in $ERRORS, too.
shell_failed() {
	ERRORS=$(<"$SHELL_DIR/errors")
	: >"$SHELL_DIR/errors"
	printf '%s\n' "$ERRORS" >&2
}

# SECONDS: a while, without a process.
pause() {
	if [[ -n ${PAUSE:-} ]]; then read -r -t "$1" -u "$PAUSE" _ || true; else sleep "$1"; fi
}
