#!/usr/bin/env bats
# Two clients that use one client id throw each other out: the log says so, with the id, and only then.

load ../task_helper

told() { grep -c "mosquitto-firmware: client id $1: connections were taken over more than 3 times within a minute: two clients use it and throw each other out" "$LOG" || true; }
is_told() { [[ $(told "$1") == "${2:-1}" ]]; }

@test "two subscribers that connect anew whenever they are thrown out, by each protocol" {
	for version in mqttv311 mqttv5; do
		for _ in 1 2; do
			mosquitto_sub "${CONNECT[@]}" -V "$version" -i "twin-$version" -t "/lamp/twin/firmware/upgrade" >/dev/null 2>&1 3>&- &
			BACKGROUND+=($!)
		done
		retry 20 is_told "twin-$version"
	done
	sleep 3
	is_told twin-mqttv311
}

@test "devices that subscribe and report, in clean sessions and in ones that are kept" {
	for id in clean kept; do
		for _ in 1 2 3 4; do
			assert_equal "$(told $id)" 0
			fleet connect $id "$([[ $id == clean ]] || echo -c)"
			fleet say $id report '{"version":"1.0"}'
		done
		fleet connect $id
		retry 5 is_told $id
	done
}

@test "a device whose link breaks, or which ends its connections, is not taken for two" {
	for ((i = 0; i < 6; i++)); do
		fleet connect d1
		fleet say d1 report '{"version":"1.0"}'
		fleet drop d1
		fleet connect d2 -c
		fleet say d2 report '{"version":"1.0"}'
		fleet drop d2
		fleet connect d3 -c
		fleet leave d3
		say d4 report '{"version":"1.0"}'
		pub -i d5 -q 1 -c -t other -m x
		pub -i 'no/device' -q 1 -t other -m x
		timeout 0.2 mosquitto_sub "${CONNECT[@]}" -i d6 -t other || true
	done
	settle
	refute grep -q 'were taken over' "$LOG"
}

@test "sessions that were kept over a restart of the broker come back" {
	for i in 1 2 3 4 5; do
		fleet connect d1 -c
		fleet say d1 report '{"version":"1.0"}'
		fleet drop d1
	done
	stop_broker
	start_broker
	for i in 1 2 3 4 5; do
		fleet connect d1 -c
		fleet drop d1
	done
	settle
	refute grep -q 'were taken over' "$LOG"
}

@test "an id with what some take for the end of a line" {
	raw <<-'END'
		from raw import Client
		clients = []
		for turn in range(5):
		    client = Client("twin\u2028mosquitto-firmware: all is well")
		    client.subscribe("x")
		    clients.append(client)
	END
	retry 5 grep -qaF 'client id twin\xe2\x80\xa8mosquitto-firmware' "$LOG"
}
