"""A device that has nothing but MQTT: downloads firmware in chunks, several asked for at a time, over a link that loses some of them.

chunk_device.py PORT PRODUCT DEVICE FILE [--qos Q] [--loss PER CENT] [--window N] [--length BYTES] [--pause SECONDS]

It pulls, writes what it gets to FILE.part at its place, notes each piece in FILE.map, and goes on from there when it is started again.
In the end FILE is the whole image, its size and SHA-256 compared."""
import argparse, hashlib, json, os, queue, random, sys, time
import paho.mqtt.client as mqtt

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("product")
parser.add_argument("device")
parser.add_argument("file")
parser.add_argument("--qos", type=int, default=0)
parser.add_argument("--loss", type=int, default=0)
parser.add_argument("--window", type=int, default=4)
parser.add_argument("--length", type=int, default=16384)
parser.add_argument("--pause", type=float, default=0)
options = parser.parse_args()

base = "/%s/%s/firmware/" % (options.product, options.device)
inbox, subscribed = queue.Queue(), queue.Queue()
extra = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
client = mqtt.Client(*extra, client_id=options.device)
client.on_message = lambda c, u, message: inbox.put(message)
client.on_subscribe = lambda *a: subscribed.put(True)
client.connect("127.0.0.1", options.port)
client.loop_start()
for tail in ("pull/reply", "chunk/reply/#", "chunk/error"):
    client.subscribe(base + tail, 1)
    subscribed.get(timeout=10)

client.publish(base + "pull", json.dumps({"currentVersion": "0"}), 1)
offer = json.loads(inbox.get(timeout=10).payload)
firmware, size = offer["firmwareId"], offer["size"]

done = set()
if os.path.exists(options.file + ".map"):
    done = {int(line) for line in open(options.file + ".map").read().split()}
print("resumed" if done else "begun", len(done), os.getpid(), flush=True)
part = open(options.file + ".part", "r+b" if done else "w+b", buffering=0)
notes = open(options.file + ".map", "a")
missing = [offset for offset in range(0, size, options.length) if offset not in done]
asked, replies, lost = {}, 0, 0

def ask(offset):
    asked[offset] = time.monotonic()
    client.publish(base + "chunk", json.dumps({"messageId": offset, "firmwareId": firmware, "offset": offset, "length": options.length}), options.qos)

while missing or asked:
    while missing and len(asked) < options.window:
        ask(missing.pop(0))
    try:
        message = inbox.get(timeout=0.2)
    except queue.Empty:
        message = None
    if message is not None:
        replies += 1
        if random.randrange(100) < options.loss:
            lost += 1
            continue
        tail = message.topic[len(base):]
        assert tail != "chunk/error", message.payload
        assert tail.startswith("chunk/reply/" + firmware + "/"), message.topic
        offset = int(tail.rsplit("/", 1)[1])
        assert len(message.payload) == min(options.length, size - offset), (offset, len(message.payload))
        if offset in asked:
            part.seek(offset)
            part.write(message.payload)
            notes.write("%d\n" % offset)
            notes.flush()
            del asked[offset]
            if options.pause:
                time.sleep(options.pause)
    now = time.monotonic()
    for offset in [offset for offset, at in asked.items() if now - at > 1]:
        ask(offset)

part.seek(0)
image = part.read()
assert len(image) == size, (len(image), size)
assert offer["signMethod"] == "sha256" and hashlib.sha256(image).hexdigest() == offer["sign"]
os.rename(options.file + ".part", options.file)
os.unlink(options.file + ".map")
print("complete, %d replies, %d of them lost" % (replies, lost), flush=True)
client.disconnect()
