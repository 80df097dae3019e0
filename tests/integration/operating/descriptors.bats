#!/usr/bin/env bats
# The store and the downloads open their files in a table apart from the broker's.

load ../files_helper

setup() {
	[[ -z ${FW_ONE_TABLE:-} ]] || skip 'not under the thread sanitizer'
	start_with_files
}

open_files() { # THREAD: the files that it has open
	ls -l "/proc/$BROKER/task/$1/fd"
}

@test "the broker's thread does not share its table with the plugin's threads" {
	local thread
	assert_equal "$(offered d1)" lamp-2.0
	[[ $(open_files "$BROKER") != *firmware.db-lock* ]]
	[[ $(open_files "$BROKER") == *"$BROKER_DIR/socket"* || $(open_files "$BROKER") == *socket:* ]]
	for thread in /proc/"$BROKER"/task/*; do
		[[ ${thread##*/} == "$BROKER" ]] || [[ $(open_files "${thread##*/}") == *firmware.db-lock* ]]
	done
}

@test "downloads do not use up the broker's descriptors" {
	local held=()
	prlimit --nofile=60:60 --pid "$BROKER"
	for _ in {1..80}; do
		{ exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null && held+=("$fd")
	done
	((${#held[@]} > 40))
	assert_equal "$(offered d1)" lamp-2.0
	for fd in "${held[@]}"; do exec {fd}>&-; done
}
