# shellcheck shell=bash
# One sqlite3 shell for all statements of a test: a process for each costs more than what most of
# them do. It opens the file for each request and closes it afterwards, as a shell for one request
# does. A request ends at its first error, and the shell goes on: hence -interactive.

# Starts it, once in a file of tests (setup_file): its pipes are open in all of them. It ends with
# the file, or when nobody holds its pipe any more.
open_shell() {
	export SHELL_HOME=$BATS_FILE_TMPDIR/.shell SHELL_IN SHELL_OUT SHELL_FREE PAUSE
	mkdir "$SHELL_HOME"
	mkfifo "$SHELL_HOME"/{in,out,free,pause} "$SHELL_HOME"/client.{in,out,turn} # those for client.bash
	: >"$SHELL_HOME/asked0"
	: >"$SHELL_HOME/asked1"
	exec {SHELL_IN}<>"$SHELL_HOME/in" {SHELL_OUT}<>"$SHELL_HOME/out" {SHELL_FREE}<>"$SHELL_HOME/free" {PAUSE}<>"$SHELL_HOME/pause"
	shell_serves &
}

close_shell() {
	: >"$SHELL_HOME/quit"
	printf '.quit\n' >&"$SHELL_IN"
}

# Once in a test: it may ask from now on. Who takes the character out of `free` may ask: it is the
# number of the file. There are two: the shell may still look for more in the last one. What a test
# that failed has left in the pipes is taken out.
start_shell() {
	[[ -z ${SHELL_DIR:-} ]] || return 0
	trace_tests_alone
	SHELL_DIR=${SHELL_HOME:?no shell was opened in setup_file}
	SHELL_FILE=0
	drain "$SHELL_FREE" SHELL_FILE
	drain "$SHELL_OUT"
	: >"$SHELL_DIR/errors"
	printf %d "$SHELL_FILE" >&"$SHELL_FREE"
}

# NUMBER [VARIABLE]: takes out what waits in that pipe; the last character is in the variable.
drain() {
	local _last
	while read -r -t 0 -u "$1"; do read -r -N 1 -u "$1" "${2:-_last}"; done
}

# bats asks for the time in three processes, once in a test.
get_mills_since_epoch() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# bats notes the stack before each command, which takes longer than most of them: from now on it
# does so in the test itself, and no more in what that calls. What has failed is told with the
# test's line.
trace_tests_alone() {
	set +T
	declare -ft "$BATS_TEST_NAME" bats_error_trap bats_check_status_from_trap 2>/dev/null || true # as they are named in this version
}

# Until it is told to quit, or can be told no more. What makes the broker's calls fail is not for
# it.
shell_serves() {
	exec <"$SHELL_HOME/in" >"$SHELL_HOME/out" 2>>"$SHELL_HOME/errors" 3>&- 4>&- {SHELL_IN}>&- {SHELL_OUT}>&- {SHELL_FREE}>&- {PAUSE}>&-
	until [[ -e $SHELL_HOME/quit ]]; do
		if SQLITE_HISTORY=/dev/null sqlite3 -interactive -bail 8<"$SHELL_HOME/asked0" 9<"$SHELL_HOME/asked1"; then return; fi
		echo gone
	done
}

# ARGUMENT...: is it for the one shell, and is that free? Who is in a subshell may use it, too, but
# one at a time.
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

# INPUT: of the shell that was taken, which is free then. What it prints is in $ANSWER, what it says
# of errors in `errors`.
shell_reads() {
	local line='' part='' failed=1 end=$EPOCHREALTIME
	printf ".cd '%s'\n.output '%s'\n%s\n;\n.output stdout\n.print went %s\n" "$PWD" "$SHELL_DIR/said" "$1" "$end" >"$SHELL_DIR/asked$SHELL_FILE"
	: >"$SHELL_DIR/said"
	# it prints what it reads, too, a character at a time: little is said here. `asked0` is file 8
	printf '.read /dev/fd/%d\n.output\n.open\n.print %s\n' $((8 + SHELL_FILE)) "$end" >&"$SHELL_IN"
	until [[ $line == "$end" || $line == gone ]]; do
		read -r -t 100 -u "$SHELL_OUT" line || { echo 'the sqlite3 shell does not answer' >&2 && break; }
		[[ $line != "went $end" ]] || failed=0
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
