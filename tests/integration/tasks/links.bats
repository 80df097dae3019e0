#!/usr/bin/env bats
# Links break: a reconnect is not the end of an upgrade. What an attempt was sent to, and what ends it.

load ../task_helper

# DEVICE [VERSION]: its connection breaks, it comes back and says what it runs.
comes_back() {
	fleet drop "$1"
	fleet connect "$1"
	fleet say "$1" report "{\"version\":\"${2:-1.0}\"}"
}

# DEVICE: its application dies at once, and begins anew.
dies() { comes_back "$1"; }

@test "a device that comes back without having answered is sent the upgrade again" {
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	comes_back d1
	upgrades d1 2
	columns t1 d1 'state, attempts, interruptions, error_reason' 'processing|2|1|'
	fleet say d1 upgrade/progress '{"progress":100,"complete":true,"success":true}'
	row t1 d1 success
}

@test "a device that comes back in the middle of an upgrade goes on, and the next task waits for it" {
	online d1
	task t1 1.1 push d1
	task t2 2.0 push d1
	upgrades d1 1
	progress d1 '{"firmwareId":"lamp-1.1","progress":40}'
	comes_back d1
	progress d1 '{"firmwareId":"lamp-1.1","progress":70}'
	columns t1 d1 'state, progress, attempts' 'processing|70|1'
	row t2 d1 waiting
	fleet say d1 report '{"version":"1.1"}'
	row t1 d1 success
	upgrades d1 2
	row t2 d1 processing
}

@test "a device that comes back in the middle of an upgrade and tells no more of it is sent it again" {
	online d1 d2
	task t1 2.0 push 'd1 d2' 2
	upgrades d1 1
	upgrades d2 1
	for device in d1 d2; do
		fleet say "$device" upgrade/reply '{"success":true}'
		comes_back "$device"
	done
	progress d2 '{"firmwareId":"lamp-2.0","progress":10}'
	upgrades d1 2
	columns t1 d1 'state, attempts, interruptions' 'processing|2|1'
	columns t1 d2 'state, attempts, interruptions' 'processing|1|0'
	upgrades d2 1
}

@test "a report by the connection that the upgrade was sent to says nothing of it" {
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	for _ in 1 2 3; do fleet say d1 report '{"version":"1.0"}'; done
	settle
	columns t1 d1 'state, attempts' 'processing|1'
	upgrades d1 1
}

@test "a pull task: a device that comes back without a word of it is handed it out again" {
	online d1 d2
	task t1 2.0 pull 'd1 d2' 1
	fleet say d1 pull '{"messageId":1}'
	fleet say d2 pull '{"messageId":1}'
	row t1 d1 processing
	row t1 d2 processing
	progress d2 '{"firmwareId":"lamp-2.0","progress":10}'
	comes_back d1
	comes_back d2
	row t1 d1 waiting
	row t1 d2 waiting # so long after its return it has told no more
	fleet say d1 pull '{"messageId":2}'
	columns t1 d1 'state, attempts, interruptions' 'processing|2|1'
	fleet say d2 report '{"version":"2.0"}'
	row t1 d2 success
}

@test "attempts in a row that were interrupted are counted, and the last one ends it" {
	online d1
	db "INSERT INTO task (task_id, firmware_id, name, mode, release_type, attempt_limit) VALUES ('t1', 'lamp-2.0', 'n', 'push', 'part', 3);
		INSERT INTO task_device (task_id, device_id) VALUES ('t1', 'd1')"
	for attempt in 1 2 3; do
		upgrades d1 $attempt
		dies d1
	done
	row t1 d1 failed 'gone after each of 3 attempts'
	columns t1 d1 'failure, failed_by, attempts, interruptions' 'interrupted|broker|3|3'
	settle
	upgrades d1 3
	# a retry begins anew
	db "UPDATE task_device SET state = 'waiting' WHERE state = 'failed'"
	upgrades d1 4
	columns t1 d1 'state, failure, interruptions' 'processing||0'
	dies d1
	upgrades d1 5
	# and what it says counts, however late
	fleet say d1 report '{"version":"2.0"}'
	row t1 d1 success
	summary_exact
}

@test "five attempts are the default; what is allowed is said" {
	online d1
	task t1 2.0 push d1
	db_is "SELECT attempt_limit FROM task" 5
	for limit in 0 101; do
		run db "UPDATE task SET attempt_limit = $limit"
		[[ $status -ne 0 && $output == *'attempt_limit must be 1 to 100'* ]]
	done
}

@test "a push into a connection that another one took over is sent to the new one" {
	online d1
	task t1 2.0 push d1
	upgrades d1 1
	# the first connection is still open, and silent
	fleet connect d1
	fleet send d1 telemetry 1
	upgrades d1 2
	columns t1 d1 'state, attempts, interruptions' 'processing|2|1'
	fleet say d1 upgrade/reply '{}'
	columns t1 d1 'state, responded_at IS NOT NULL' 'processing|1'
}

@test "identity username: a new connection of the device under another client id is sent it, too" {
	stop_broker
	start_broker 'plugin_opt_operators admin' 'plugin_opt_identity username'
	fleet connect d1 -u d1
	fleet say d1 report '{"version":"1.0"}'
	task t1 2.0 push d1
	upgrades d1 1
	pub -q 1 -i other -u d1 -t /lamp/d1/firmware/report -m '{"version":"1.0"}'
	upgrades d1 2
	columns t1 d1 'attempts, interruptions' '2|1'
}

@test "identity none: a device that restarts behind its gateway is sent the upgrade again" {
	stop_broker
	start_broker 'plugin_opt_identity none'
	listen upgrades -t '/lamp/+/firmware/upgrade'
	fleet connect gateway
	says() { fleet send gateway "/lamp/$1/firmware/$2" "$3"; } # DEVICE TAIL JSON
	for device in d1 d2 d3; do says $device report '{"version":"1.0"}'; done
	task t1 2.0 push 'd1 d2 d3' 4
	retry 5 heard_count upgrades 3
	says d2 upgrade/reply '{"success":true}'
	for device in d1 d2 d3; do says $device report '{"version":"1.0"}'; done
	says d3 upgrade/reply '{"success":true}' # it had not restarted
	settle
	retry 5 heard_count upgrades 4
	columns t1 d1 'state, attempts, interruptions' 'processing|2|1'
	says d1 upgrade/reply '{"success":true}'
	for _ in 1 2 3; do
		says d3 upgrade/progress '{"progress":1}'
		sleep 1
	done
	# who had answered was given the time of an answer, and says no more
	columns t1 d2 'state, attempts, interruptions' 'processing|2|1'
	columns t1 d3 'state, attempts, interruptions' 'processing|1|0'
	says d3 upgrade/progress '{"progress":100,"complete":true,"success":true}'
	row t1 d3 success
}

@test "a response timeout of a link that was dead is no verdict" {
	raw >"$BROKER_DIR/dead" 3>&- <<-'END' &
		import time
		from raw import Client
		# a keep-alive of one second, and no word behind the first
		import struct
		from raw import text
		Client.send_connect = Client.send
		def send(self, head, body):
		    if head == 0x10:
		        body = text("MQTT") + bytes([4, 2]) + struct.pack("!H", 2) + text("d1")
		    Client.send_connect(self, head, body)
		Client.send = send
		d1 = Client("d1")
		d1.subscribe("/lamp/d1/firmware/upgrade")
		d1.publish("/lamp/d1/firmware/report", '{"version":"1.0"}')
		print("there", flush=True)
		time.sleep(60)
	END
	BACKGROUND+=($!)
	retry 5 grep -q there "$BROKER_DIR/dead"
	task t1 2.0 push d1 1
	row t1 d1 failed 'response timeout'
	columns t1 d1 failure response
	# the broker finds the link dead
	row t1 d1 waiting
	columns t1 d1 'attempts, interruptions, failure, completed_at' '1|1||'
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	upgrades d1 1
	columns t1 d1 'state, attempts' 'processing|2'
}

@test "a device that was there, spoke and did not answer has failed, whatever becomes of its connection" {
	online d1
	task t1 2.0 push d1 1
	upgrades d1 1
	for _ in 1 2 3; do
		sleep 0.3
		fleet send d1 telemetry 1
	done
	row t1 d1 failed 'response timeout'
	fleet send d1 telemetry 1
	fleet drop d1
	rows "SELECT presence FROM device WHERE device_id = 'd1'" offline
	settle
	row t1 d1 failed 'response timeout'
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	settle
	row t1 d1 failed 'response timeout'
}

@test "a device of which nothing is known is sent an upgrade once, however often the broker starts anew" {
	on_2_0 || skip 'this broker tells the plugin of connections'
	fleet connect d1 -c
	fleet leave d1
	unseen d1
	for _ in 1 2 3; do
		stop_broker
		start_broker
	done
	task t1 2.0 push d1 1
	columns t1 d1 'state, attempts' 'waiting|1'
	stop_broker
	start_broker
	settle
	columns t1 d1 'state, attempts' 'waiting|1'
	# it shows itself, so that the next start of the broker may try again
	fleet connect d1
	fleet say d1 report '{"version":"1.0"}'
	upgrades d1 1
	columns t1 d1 'state, attempts, interruptions' 'processing|2|0'
}

@test "where the broker tells of connections, a device of which nothing is known is not there" {
	! on_2_0 || skip 'this broker does not tell'
	unseen d1
	task t1 2.0 push d1
	settle
	columns t1 d1 'state, attempts' 'waiting|0'
}

@test "an upgrade that is void by then does not come out of a session that persists" {
	fleet connect d1 -c
	fleet say d1 report '{"version":"1.0"}'
	task t1 2.0 push d1 2
	upgrades d1 1
	fleet drop d1
	rows "SELECT presence FROM device WHERE device_id = 'd1'" offline
	db "INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd2', '1.0')"
	sleep 2.5
	fleet connect d1 -c
	fleet send d1 telemetry 1
	settle
	upgrades d1 1 # the first one, which it had before
}

@test "a device that comes back with a message of another kind is waited for, and sent nothing that it runs already" {
	offline d1
	task t1 2.0 push d1
	fleet connect d1
	fleet send d1 birth 1
	settle
	row t1 d1 waiting
	fleet say d1 report '{"version":"2.0"}'
	row t1 d1 success
	sleep 3.5
	upgrades d1 0
}

@test "a device that is there and was never sent an upgrade gets it at once" {
	online d1
	task t1 2.0 push d1
	retry 1 upgrades_are d1 1
}

@test "a device that is awake for a moment only is not waited for each time" {
	offline d1
	task t1 2.0 push d1
	fleet connect d1
	fleet send d1 birth 1
	settle
	row t1 d1 waiting
	fleet drop d1
	sleep 3
	fleet connect d1
	fleet send d1 birth 1
	upgrades d1 1
}

@test "devices that are awake for 80, 150 and 300 ms and say their version first get their upgrade" {
	offline d80 d150 d300
	task t1 2.0 push 'd80 d150 d300'
	settle
	got=$(
		raw <<-'END'
			import socket, time
			from raw import Client
			for awake in (80, 150, 300):
			    got = 0
			    for _ in range(10):
			        device = Client(f"d{awake}")
			        device.subscribe(f"/lamp/d{awake}/firmware/upgrade")
			        device.publish(f"/lamp/d{awake}/firmware/report", '{"version":"1.0"}', wait=False)
			        deadline = time.monotonic() + awake / 1000
			        try:
			            while not device.messages and time.monotonic() < deadline:
			                device.socket.settimeout(max(0.001, deadline - time.monotonic()))
			                head, body = device.packet()
			                if head >> 4 == 3:
			                    device.keep(head, body)
			        except (TimeoutError, socket.timeout):
			            pass
			        got += bool(device.messages)
			        device.drop()
			        if device.messages:
			            break
			        time.sleep(0.2)
			    print(f"{awake} ms: {got}")
		END
	)
	echo "# ${got//$'\n'/, }" >&3
	[[ $got == *'300 ms: 1'* ]]
}

@test "after an upgrade has ended, the next one waits until the device has been there for a while" {
	[[ -n ${FW_LONG:-} ]] || skip 'takes half a minute: --long'
	online d1
	task t1 1.1 push d1
	task t2 2.0 push d1
	upgrades d1 1
	progress d1 '{"firmwareId":"lamp-1.1","complete":true,"success":true}'
	row t1 d1 success
	sleep 25
	upgrades d1 1
	retry 10 upgrades_are d1 2
}

@test "the second of two tasks survives the restart after the first" {
	online d1
	task t1 1.1 push d1
	task t2 2.0 push d1
	upgrades d1 1
	progress d1 '{"firmwareId":"lamp-1.1","complete":true,"success":true}'
	row t1 d1 success
	comes_back d1 1.1
	upgrades d1 2
	row t2 d1 processing
	# it may be sent before the restart, all the same
	comes_back d1 1.1
	upgrades d1 3
	columns t2 d1 'state, attempts' 'processing|2'
	fleet say d1 report '{"version":"2.0"}'
	rows "SELECT task_id, state FROM task_device ORDER BY 1" $'t1|success\nt2|success'
}

@test "a message without a name counts only when it can be about one upgrade" {
	online d1
	task t1 1.1 push d1 1
	task t2 2.0 push d1
	row t1 d1 failed 'response timeout'
	upgrades d1 2
	# late, of the first one: it is no word on the second
	fleet say d1 upgrade/progress '{"progress":100,"complete":true,"success":true}'
	settle
	row t2 d1 processing
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.0
	rows "SELECT task_id, progress FROM progress_log" '|100'
	# a reply may name what it is about
	fleet say d1 upgrade/reply '{"firmwareId":"lamp-2.0","success":false,"message":"no"}'
	row t2 d1 failed no
	columns t2 d1 'failure, failed_by' 'refused|device'
}

@test "identity username: who answered goes on, whatever the device's other connection reports" {
	stop_broker
	start_broker 'plugin_opt_operators admin' 'plugin_opt_identity username'
	raw "$DB" <<-'END'
		import struct, subprocess, sys, time
		from raw import Client, text
		class User(Client):
		    def send(self, head, body):
		        if head == 0x10:
		            body = text("MQTT") + bytes([4, 2 | 128]) + struct.pack("!H", 60) + text(self.name) + text("d1")
		        Client.send(self, head, body)
		def user(name):
		    User.name = name
		    return User(name)
		updater, application = user("d1-updater"), user("d1-application")
		updater.subscribe("/lamp/d1/firmware/upgrade")
		for client in (updater, application):
		    client.publish("/lamp/d1/firmware/report", '{"version":"1.0"}')
		task = "INSERT INTO task (task_id, firmware_id, name, mode, response_timeout_seconds) VALUES ('t1', 'lamp-2.0', 'n', 'push', 1)"
		subprocess.run(["sqlite3", "-cmd", ".timeout 5000", sys.argv[1], task], check=True)
		updater.message()
		updater.publish("/lamp/d1/firmware/upgrade/reply", "{}")
		for _ in range(6):
		    time.sleep(0.5)
		    application.publish("/lamp/d1/firmware/report", '{"version":"1.0"}')
	END
	rows "SELECT attempts, interruptions FROM task_device" '1|0'
}

@test "what a device said before the push is not about it, however late the store comes to it" {
	online d1
	task t1 1.1 push d1
	task t2 2.0 push d1
	upgrades d1 1
	fleet drop d1
	raw <<-'END'
		from raw import Client
		d1 = Client("d1")
		d1.subscribe("/lamp/d1/firmware/upgrade")
		d1.publish("/lamp/d1/firmware/report", '{"version":"1.1"}', mid=1, wait=False)
		d1.publish("/lamp/d1/firmware/upgrade/progress", '{"progress":100,"complete":true,"success":true}', mid=2, wait=False)
		d1.ping()
		d1.message()
	END
	row t1 d1 success
	rows "SELECT version FROM device WHERE device_id = 'd1'" 1.1
	columns t2 d1 'state <> '"'success'" 1
}

@test "a device whose row an operator's trigger freezes holds up no other" {
	offline d1 d2
	task t1 2.0 push 'd1 d2' 1
	db "CREATE TRIGGER mine BEFORE UPDATE OF due_at ON device WHEN OLD.device_id = 'd1' AND OLD.presence = 'online' BEGIN SELECT RAISE(ABORT, 'frozen'); END"
	for device in d1 d2; do
		fleet connect $device
		fleet send $device telemetry 1
	done
	upgrades d2 1
	row t1 d2 failed 'response timeout'
	refute grep -q 'the catalog cannot be written' "$LOG"
}
