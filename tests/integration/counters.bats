#!/usr/bin/env bats
# The counters under $SYS/broker/firmware: retained, every ten seconds.

load helper

# NAME VALUE...: all must have these values within two publications.
all_counted() {
	while (($#)); do
		retry 25 counter_is "$1" "$2" || { echo "counter $1 is $(counter "$1"), not $2"; return 1; }
		shift 2
	done
}

@test "every answer and every kind of refusal is counted" {
	pull d1 '{}'
	pull d1 '{"requestVersion":"1.0"}'
	pull d1 'x'
	for i in 1 2; do pull d1 '{"requestVersion":"none"}'; done
	for i in 1 2 3; do pull d1 '{"currentVersion":"2.0"}'; done
	for i in 1 2 3 4; do PRODUCT=toaster pull d1 '{}'; done
	for i in 1 2 3 4 5; do PRODUCT=oven pull d1 '{}'; done
	for i in 1 2 3; do say d1 report "{\"version\":\"$i\"}"; done
	for i in 1 2; do say d1 upgrade/progress "{\"progress\":$i}"; done
	for i in 1 2 3 4; do read_version d1 '{}'; done
	pub -q 1 -i evil -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	all_counted pulls/answered 2 pulls/refused/bad_request 1 pulls/refused/version_not_found 2 pulls/refused/no_update 3 \
		pulls/refused/unknown_product 4 pulls/refused/firmware_disabled 5 reports 3 progress 2 reads 4 messages/refused 1 spool/bytes 0
}

@test "counters are there from the start, retained" {
	for name in pulls/answered pulls/refused/bad_request pulls/refused/unknown_product pulls/refused/firmware_disabled \
		pulls/refused/version_not_found pulls/refused/no_update reads reports progress messages/refused spool/bytes; do
		retry 15 counter_is "$name" 0
	done
	assert_equal "$(counter reads -F '%r %p')" '1 0'
}
