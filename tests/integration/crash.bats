#!/usr/bin/env bats
# kill -9 at random moments: what was acknowledged is in the catalog, once and in order; the catalog is whole.

load witness_helper

setup() { :; }

spool_files() { find "$BROKER_DIR" -name 'firmware.db-spool-*' | sort; }

# ROUNDS: kills and starts the broker under the load that runs, at random moments.
crash_loop() {
	local round
	for ((round = 0; round < $1; round++)); do
		a_moment 400
		kill_broker
		start_broker
	done
	figure "$1 kills"
}

@test "kill -9 under load" {
	start_broker
	witness_catalog
	start_witnesses 4 3 3
	acknowledges 200
	crash_loop "$(rounds 8 300)"
	acknowledges 200
	witnesses_agree
}

@test "kill -9 while an operator's transaction holds the catalog" {
	start_broker
	witness_catalog
	start_witnesses 3 3 2
	for ((round = 0; round < $(rounds 2 30); round++)); do
		acknowledges 100
		hold_catalog
		acknowledges 300
		crash_loop 2
		acknowledges 100
		release_catalog
	done
	witnesses_agree
}

@test "kill -9 while the spool goes from one file to the next" {
	start_broker
	witness_catalog
	# 4 MiB are 70 messages
	start_witnesses 6 1 0 60000
	acknowledges 100
	hold_catalog
	for ((round = 0; round < $(rounds 4 60); round++)); do
		acknowledges 80
		a_moment 200
		kill_broker
		start_broker
		if ((round % 10 == 9)); then # the disk is not endless
			release_catalog
			acknowledges 100
			hold_catalog
		fi
	done
	(($(spool_files | wc -l) > 4))
	figure "$round kills, $(spool_files | wc -l) spool files at the end"
	release_catalog
	witnesses_agree
	assert_equal "$(spool_files | wc -l)" 1
}
