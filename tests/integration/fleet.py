"""Many simulated devices in one thread, over the test broker's socket. As a program: obeys lines on standard input
(see fleet in task_helper.bash), answers each with "ok" or with what went wrong, and writes what devices hear
to the file named on the command line, as `listen` of helper.bash does.

  connect ID [-c] [-u USER]   connects and subscribes to what the broker sends this device; -c: the session persists
  say ID TAIL JSON            publishes to /$PRODUCT/ID/firmware/TAIL, QoS 1, and waits for the acknowledgement
  repeat ID                   publishes the last message of the device again, with the DUP flag
  send ID TOPIC PAYLOAD       the same as say, to any topic
  leave ID, drop ID           ends the connection, with or without a word
"""

import os
import selectors
import socket
import struct
import sys
import time

from raw import CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK, text


class Gone(Exception):
    """The broker closed a connection."""


def without_properties(rest):
    """What follows the properties of an MQTT 5 packet."""
    length = shift = at = 0
    while True:
        length |= (rest[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if rest[at - 1] < 128:
            return rest[at + length :]


class Device:
    connect_timeout = None  # waits until the broker accepts
    protocol = 4  # MQTT 3.1.1; 5: MQTT 5
    address = None  # the broker's socket, if not $BROKER_SOCKET
    keep_alive = 0  # none: tests move the broker's clock
    session_seconds = 3600  # MQTT 5: how long a session persists that is not clean
    subscribe_qos = 1

    def __init__(self, fleet, name, topics, clean, username, product):
        self.fleet, self.name, self.product = fleet, name, product
        self.base = f"/{product}/{name}/firmware/"
        self.buffer = self.outgoing = b""
        self.alive, self.waiting, self.mid, self.last = True, 1, 0, None
        self.on_message = None
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(self.connect_timeout)
        self.socket.connect(self.address or os.environ["BROKER_SOCKET"])
        self.socket.setblocking(False)
        flags = (2 if clean else 0) | (128 if username else 0)
        properties = b"" if clean else b"\x11" + struct.pack("!I", self.session_seconds)
        properties = bytes([len(properties)]) + properties if self.protocol == 5 else b""
        hello = text("MQTT") + bytes([self.protocol, flags]) + struct.pack("!H", self.keep_alive)
        self.packet(0x10, hello + properties + text(name) + (text(username) if username else b""))
        if topics is None:
            topics = [self.base + "upgrade", self.base + "pull/reply"]
        for topic in topics:
            self.waiting += 1
            self.packet(0x82, struct.pack("!H", self.next_mid()) + self.none() + text(topic) + bytes([self.subscribe_qos]))

    def none(self):
        """No properties, where the protocol has a place for them."""
        return b"\0" if self.protocol == 5 else b""

    def acknowledged(self, mid, reason):
        """A message was: for those who want to know which, and what MQTT 5 says of it."""

    def closed(self):
        """The connection is: for those who want to know when."""

    def next_mid(self):
        self.mid = self.mid % 60000 + 1
        return self.mid

    def packet(self, head, body):
        length, size = len(body), b""
        while True:
            length, digit = divmod(length, 128)
            size += bytes([digit | (128 if length else 0)])
            if not length:
                break
        self.outgoing += bytes([head]) + size + body
        self.flush()

    def flush(self):
        try:
            while self.outgoing:
                self.outgoing = self.outgoing[self.socket.send(self.outgoing) :]
        except BlockingIOError:
            pass
        except OSError:
            self.lost()

    def lost(self):
        if self.alive:
            self.alive = False
            if self.socket in self.fleet.selector.get_map():  # not yet when the broker goes while we connect
                self.fleet.selector.unregister(self.socket)
            self.socket.close()
            self.closed()

    def publish(self, topic, payload, qos=1, mid=None, dup=False):
        """Sends a message; it has been acknowledged when `waiting` is 0 again."""
        if not self.alive:
            raise Gone(self.name)
        if qos:
            mid = mid or self.next_mid()
            self.waiting += 1
            self.last = (topic, payload, mid)
        head = text(topic) + (struct.pack("!H", mid) if qos else b"") + self.none()
        self.packet(0x30 | (8 if dup else 0) | qos << 1, head + payload.encode())

    def say(self, tail, payload, **options):
        self.publish(self.base + tail, payload, **options)

    def repeat(self):
        topic, payload, mid = self.last
        self.publish(topic, payload, mid=mid, dup=True)

    def ping(self):
        self.waiting += 1
        self.packet(0xC0, b"")

    def leave(self):
        self.packet(0xE0, b"")
        self.lost()

    def drop(self):
        self.lost()

    def readable(self):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lost()
        self.buffer += data
        while self.alive and self.take_packet():
            pass

    def take_packet(self):
        length = shift = 0
        for at in range(1, 5):
            if at >= len(self.buffer):
                return False
            length |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                break
        end = at + 1 + length
        if len(self.buffer) < end:
            return False
        head, body, self.buffer = self.buffer[0], self.buffer[at + 1 : end], self.buffer[end:]
        self.handle(head, body)
        return True

    def handle(self, head, body):
        kind = head >> 4
        if kind in (CONNACK, SUBACK, PUBACK, PINGRESP):
            self.waiting -= 1
        if kind == PUBACK:
            self.acknowledged(struct.unpack("!H", body[:2])[0], body[2] if len(body) > 2 else 0)
        if kind != PUBLISH:
            return
        (size,) = struct.unpack("!H", body[:2])
        topic, rest, qos = body[2 : 2 + size].decode(), body[2 + size :], head >> 1 & 3
        if qos:
            self.packet(0x40, rest[:2])
            rest = rest[2:]
        if self.protocol == 5:
            rest = without_properties(rest)
        if self.on_message:
            self.on_message(self, topic, rest.decode(), qos, head & 1)


class Fleet:
    def __init__(self):
        self.selector = selectors.DefaultSelector()

    def connect(self, name, topics=None, clean=True, username=None, product="lamp", on_message=None):
        """A new device; it is connected and subscribed when its `waiting` is 0."""
        device = Device(self, name, topics, clean, username, product)
        device.on_message = on_message
        if device.alive:
            self.selector.register(device.socket, selectors.EVENT_READ, device)
        return device

    def run(self, seconds):
        """Handles what arrives within that time, or what is there already."""
        for key, _ in self.selector.select(seconds):
            key.data.readable()
            if key.data.alive and getattr(key.data, "outgoing", b""):
                key.data.flush()

    def until(self, condition, seconds=15, what="a condition"):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("gave up on " + what)
            self.run(0.02)

    def settle(self, *devices):
        """All that these devices sent has been acknowledged."""
        self.until(lambda: all(d.waiting == 0 or not d.alive for d in devices), what="an acknowledgement")
        for device in devices:
            if not device.alive:
                raise Gone(device.name)


class Commands:
    """Standard input, one line a command."""

    alive, outgoing = True, b""

    def __init__(self, fleet, heard):
        self.fleet, self.heard, self.devices, self.text = fleet, heard, {}, b""
        fleet.selector.register(0, selectors.EVENT_READ, self)

    def readable(self):
        data = os.read(0, 65536)
        self.alive = bool(data)
        self.text += data

    def serve(self):
        while self.alive:
            self.fleet.run(1)
            while b"\n" in self.text:
                line, self.text = self.text.split(b"\n", 1)
                try:
                    self.obey(*line.decode().split(" ", 3))
                    answer = "ok"
                except Exception as trouble:  # whatever it is, the test is told
                    answer = f"{type(trouble).__name__}: {trouble}"
                print(answer, flush=True)

    def hear(self, _device, topic, payload, qos, retained):
        self.heard.write(f"= {qos} {retained} {topic} {payload}\n")
        self.heard.flush()

    def obey(self, verb, name, first="", second=""):
        options = f"{first} {second}".split()
        if verb == "connect":
            username = options[options.index("-u") + 1] if "-u" in options else None
            self.devices[name] = self.fleet.connect(
                name, clean="-c" not in options, username=username, product=os.environ.get("PRODUCT", "lamp"), on_message=self.hear
            )
        device = self.devices[name]
        if verb == "say":
            device.say(first, second)
        elif verb == "send":
            device.publish(first, second)
        elif verb == "repeat":
            device.repeat()
        elif verb in ("leave", "drop"):
            getattr(device, verb)()
            return
        self.fleet.settle(device)


if __name__ == "__main__":
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        Commands(Fleet(), file).serve()
