#!/usr/bin/env bats
# A device and an application of another family: Debian's python3-paho-mqtt, end to end.

load ../helper

setup() {
	local port
	for port in $(shuf -n 20 -i 20000-29999); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	PORT=$port
	start_broker "listener $PORT 127.0.0.1"
	catalog
}

paho() { timeout 60 env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 - "$PORT" "$@"; }

PROGRAM='
import json, queue, sys, time
import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

port, qos, protocol = int(sys.argv[1]), int(sys.argv[2]), getattr(mqtt, sys.argv[3])

def connect(client_id, *topics):
    inbox, ready = queue.Queue(), queue.Queue()
    extra = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
    client = mqtt.Client(*extra, client_id=client_id, protocol=protocol)
    client.on_message = lambda c, u, message: inbox.put(message)
    client.on_subscribe = lambda *a: ready.put(True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic in topics:
        client.subscribe(topic, qos)
        ready.get(timeout=10)
    return client, inbox

def publish(client, topic, message, **extra):
    info = client.publish(topic, json.dumps(message), qos, **extra)
    info.wait_for_publish()

base = "/lamp/paho-1/firmware"
device, inbox = connect("paho-1", base + "/pull/reply", "/lamp/paho-1/inbox")
application, seen = connect("application", base + "/upgrade/progress", base + "/read/reply")

publish(device, base + "/pull", {"messageId": 1, "currentVersion": "1.0"})
message = inbox.get(timeout=10)
offer = json.loads(message.payload)
assert (message.topic, message.qos, message.retain) == (base + "/pull/reply", qos, False), (message.topic, message.qos)
assert offer["messageId"] == 1 and offer["version"] == "2.0" and offer["size"] == 3000, offer

for percent in (0, 50, 100):
    progress = {"timestamp": int(time.time() * 1000), "progress": percent, "complete": percent == 100, "success": True, "firmwareId": offer["firmwareId"]}
    publish(device, base + "/upgrade/progress", progress)
    assert json.loads(seen.get(timeout=10).payload) == progress
publish(device, base + "/report", {"version": offer["version"]})

publish(application, base + "/read", {"messageId": "r"})
answer = json.loads(seen.get(timeout=10).payload)
assert answer["version"] == "2.0" and answer["messageId"] == "r", answer

publish(device, base + "/pull", {"messageId": 2})
refusal = json.loads(inbox.get(timeout=10).payload)
assert refusal["success"] is False and refusal["code"] == "no_update" and refusal["messageId"] == 2, refusal

if protocol == mqtt.MQTTv5:
    wishes = Properties(PacketTypes.PUBLISH)
    wishes.ResponseTopic, wishes.CorrelationData = "/lamp/paho-1/inbox", b"\x00\x01binary"
    publish(device, base + "/pull", {"requestVersion": "1.1"}, properties=wishes)
    message = inbox.get(timeout=10)
    assert message.topic == "/lamp/paho-1/inbox" and message.properties.CorrelationData == b"\x00\x01binary"
    assert json.loads(message.payload)["version"] == "1.1"
device.disconnect()
application.disconnect()
'

assert_rows() {
	rows "SELECT version FROM device WHERE device_id = 'paho-1'" 2.0
	rows "SELECT version, previous_version FROM version_log ORDER BY log_id" $'1.0|\n2.0|1.0'
	rows "SELECT progress, complete, success, firmware_id, received_at - reported_at BETWEEN 0 AND 60000 FROM progress_log WHERE complete ORDER BY log_id" '100|1|1|lamp-2.0|1'
	rows "SELECT progress FROM progress_log ORDER BY log_id" $'0\n50\n100'
}

@test "paho, MQTT 3.1.1, QoS 1" {
	paho 1 MQTTv311 <<<"$PROGRAM"
	assert_rows
}

@test "paho, MQTT 3.1.1, QoS 2" {
	only_long
	paho 2 MQTTv311 <<<"$PROGRAM"
	assert_rows
}

@test "paho, MQTT 5, QoS 1" {
	only_long
	paho 1 MQTTv5 <<<"$PROGRAM"
	assert_rows
}

@test "paho, MQTT 5, QoS 2" {
	paho 2 MQTTv5 <<<"$PROGRAM"
	assert_rows
}
