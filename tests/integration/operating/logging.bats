#!/usr/bin/env bats
# What the plugin writes to the broker's log.

load ../helper

# The plugin's lines of the log, without what comes before its name.
lines() { sed -n 's/^.*mosquitto-firmware: //p' "$LOG"; }
lines_with() { [[ $(lines | grep -caF -- "$1") == "$2" ]]; }

@test "the start line says version, broker, catalog and what is in it" {
	[[ $(lines) =~ ^version\ 0\.1\.0\ on\ Mosquitto\ 2\.[01],\ catalog\ $DB:\ 0\ products,\ 0\ firmware$ ]]
	stop_broker
	start_broker
	[[ $(lines) =~ ^version\ 0\.1\.0\ on\ Mosquitto\ 2\.[01],\ catalog\ $DB:\ 2\ products,\ 4\ firmware$ ]]
}

@test "nothing is logged for messages that are as they should be" {
	before=$(lines)
	for ((i = 0; i < 20; i++)); do
		pull d1 '{"currentVersion":"1.0"}'
		say d1 report "{\"version\":\"v$i\"}"
		say d1 upgrade/progress "{\"progress\":$i}"
		read_version d1 '{}'
	done
	pull d1 '{"requestVersion":"none"}'
	settle
	assert_equal "$(lines)" "$before"
}

@test "a refusal is logged with client and topic, once a minute and kind, never with the payload" {
	for ((i = 0; i < 30; i++)); do
		pub -q 1 -i evil -t /lamp/d1/firmware/report -m '{"version":"s3cret"}'
		say d1 report '{"version": s3cret'
		PRODUCT=toaster say d1 report '{"version":"s3cret"}'
		say d1 upgrade/progress '{"progress":"s3cret"}'
		say d1 upgrade '{"version":"s3cret"}'
	done
	settle
	grep -qaE 'mosquitto-firmware: refused report from client evil on /lamp/d1/firmware/report: .{10,}' "$LOG"
	grep -qaE 'mosquitto-firmware: refused upgrade/progress from client d1 on /lamp/d1/firmware/upgrade/progress: .{10,}' "$LOG"
	grep -qaE 'mosquitto-firmware: refused upgrade from client d1 on /lamp/d1/firmware/upgrade: .{10,}' "$LOG"
	[[ $(lines | grep -c '^refused') -le 6 ]]
	refute grep -qa s3cret "$LOG"
}

@test "a payload is not logged by refused pulls and reads either" {
	pull d1 '{"messageId":"s3cret'
	pull d1 '{"messageId":"s3cret","currentVersion":5}'
	pub -q 1 -i application -t /lamp/d1/firmware/read -m '["s3cret"]'
	settle
	refute grep -qa s3cret "$LOG"
}

@test "a log line cannot be forged by a client's id or topic" {
	forged=$'evil\nmosquitto-firmware: all is well'
	raw "$forged" <<-'END'
		import sys
		from raw import Client
		try:
		    evil = Client(sys.argv[1])
		    evil.publish("/lamp/d1/firmware/report", '{"version":"1"}')
		except EOFError:
		    pass  # the broker may refuse such a client
		for topic in "/lamp/d1\x1b[2J/firmware/report", "/lamp/d1\n/firmware/report", "/lamp/d1\x9b2J/firmware/report":
		    try:
		        Client("evil").publish(topic, '{"version":"1"}')
		    except EOFError:
		        pass
	END
	settle
	refute grep -qa '^mosquitto-firmware: all is well' "$LOG"
	refute grep -qa $'\e' "$LOG"
}
