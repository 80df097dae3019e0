"""Many messages as fast as one connection takes them, or one from each of many connections: flood.py KIND COUNT SEED.

  steady      one device that says and asks everything a device does, in turn; most of what it says it said before, so that the
              catalog does not grow, and SQLite's cache of it neither
  devices     a device never heard of before in each message, of a known product
  products    a product and a device never heard of before in each message
  reads       versions of devices that nobody knows are asked for
  others      topics that are none of the plugin's business, each another one
  clients     a connection with a client id never heard of before for each message

Ends when every message is acknowledged."""

import json
import os
import random
import socket
import struct
import sys
import time

from raw import CONNACK, PUBACK, Client, text

START = int(time.time() * 1000)
WINDOW = 400  # messages under way


def member(**members):
    return json.dumps(members).encode()


def steady(number, rng):
    base = "/lamp/flood/firmware/"
    turn, when = number % 8, START + number // 800
    if turn == 0:
        return base + "report", member(version="1.0", timestamp=when)
    if turn == 1:
        return base + "pull", member(messageId=str(number), currentVersion="1.0")
    if turn == 2:
        return base + "pull", member(messageId=number, extra={"not": ["plain", number]})
    if turn == 3:
        return base + "read", member(messageId=str(number))
    if turn == 4:
        return base + "upgrade/reply", member(success=True, timestamp=when)
    if turn == 5:
        return base + "pull", b"{broken" + str(number).encode()
    if turn == 6:
        return "/lamp/other/firmware/report", member(version="1.0")
    return base + "upgrade/progress", member(progress=7, version="2.0", timestamp=when)


def devices(number, rng):
    tail = ("report", "pull", "upgrade/progress")[number % 3]
    return f"/lamp/{rng.getrandbits(64):x}/firmware/{tail}", member(version="1.0", currentVersion="1.0", progress=5)


def products(number, rng):
    tail = ("report", "pull", "upgrade/progress", "read", "chunk")[number % 5]
    return f"/{rng.getrandbits(64):x}/{rng.getrandbits(64):x}/firmware/{tail}", member(version="1.0", progress=5)


def reads(number, rng):
    return f"/lamp/{rng.getrandbits(64):x}/firmware/read", member(messageId=number)


def others(number, rng):
    return f"/{rng.getrandbits(64):x}/{rng.getrandbits(64):x}/state", b"{}"


KINDS = {"steady": steady, "devices": devices, "products": products, "reads": reads, "others": others}


class Flood(Client):
    """Does not wait for each acknowledgement, but for one of long ago."""

    def run(self, count, make, rng):
        self.waiting, out = 0, bytearray()
        for number in range(count):
            topic, payload = make(number, rng)
            body = text(topic) + struct.pack("!H", number % 60000 + 1) + payload
            length = len(body)
            out += bytes([0x32]) + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])) + body
            self.waiting += 1
            if self.waiting % 100 == 0:
                self.socket.sendall(out)
                out.clear()
                self.acknowledged(WINDOW)
        self.socket.sendall(out)
        self.acknowledged(0)

    def acknowledged(self, left):
        """PUBACKs are all that comes: four bytes each."""
        while self.waiting > left:
            self.rest = getattr(self, "rest", b"") + (self.socket.recv(65536) or exit("the broker closed the connection"))
            whole = len(self.rest) // 4
            assert all(self.rest[i * 4] == PUBACK << 4 for i in range(whole))
            self.waiting -= whole
            self.rest = self.rest[whole * 4 :]


def clients(count, rng):
    """Each asks for a version, its own or another's; some leave without a word."""
    for number in range(count):
        name = f"{rng.getrandbits(64):x}"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.environ["BROKER_SOCKET"])
        connect = text("MQTT") + bytes([4, 2, 0, 60]) + text(name)
        topic = f"/{'lamp' if number % 2 else name}/{name if number % 3 else 'flood'}/firmware/read"
        body = text(topic) + b"\x00\x01{}"
        connection.sendall(bytes([0x10, len(connect)]) + connect + bytes([0x32, len(body)]) + body)
        answer = b""
        while len(answer) < 8:
            answer += connection.recv(64) or exit("the broker closed the connection")
        assert answer[0] >> 4 == CONNACK and answer[4] >> 4 == PUBACK
        if number % 5:
            connection.sendall(b"\xe0\x00")
        connection.close()


def main():
    kind, count, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    rng = random.Random(seed)
    if kind == "clients":
        clients(count, rng)
    else:
        Flood("flood").run(count, KINDS[kind], rng)


main()
