#!/usr/bin/env bats
# The counters under $SYS/broker/firmware: retained, every ten seconds.

load ../files_helper

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
	for i in 1 2 3 4 5; do PRODUCT=oven pull d2 '{}'; done
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

@test "downloads are counted: begun, finished, refused, bytes; chunks likewise" {
	stop_broker
	rm "$DB"* "$BROKER_DIR/mosquitto.conf"
	start_with_files
	drop a.bin 100000
	add_file f 30 a.bin
	becomes f ready
	for name in downloads/begun downloads/finished downloads/bytes downloads/refused chunks/sent chunks/bytes chunks/refused; do
		retry 15 counter_is "$name" 0
	done
	curl -sf -o got "$HTTP/firmware/f/a.bin"
	curl -sf -o got -r 0-999 "$HTTP/firmware/f/a.bin"
	curl -sfI -o got "$HTTP/firmware/f/a.bin"
	for path in x/a.bin f/b.bin; do assert_equal "$(status_of "$HTTP/firmware/$path")" 404; done
	assert_equal "$(status_of -X POST -d x "$HTTP/firmware/f/a.bin")" 405
	for at in 0 99990; do rr -q 1 -N -i d1 -t /lamp/d1/firmware/chunk -e "/lamp/d1/firmware/chunk/reply/f/$at" -m "{\"firmwareId\":\"f\",\"offset\":$at,\"length\":60}" >got; done
	for json in '{"firmwareId":"g","offset":0,"length":1}' 'rubbish' '{"firmwareId":"f","offset":0,"length":99999999}'; do
		rr -q 1 -i d1 -t /lamp/d1/firmware/chunk -e /lamp/d1/firmware/chunk/error -m "$json" >got
	done
	all_counted downloads/begun 2 downloads/finished 2 downloads/bytes 101000 downloads/refused 3 chunks/sent 2 chunks/bytes 70 chunks/refused 3
}
