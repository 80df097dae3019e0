"""Single MQTT 3.1.1 packets over the test broker's socket, for what mosquitto_pub and mosquitto_sub cannot do:
two topics on one connection, the DUP flag, a connection that drops without a word. See raw in helper.bash."""

import os
import socket
import struct

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, PINGRESP = 2, 3, 4, 5, 6, 7, 9, 13


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(value)) + value


class Client:
    def __init__(self, client_id, clean=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(os.environ["BROKER_SOCKET"])
        self.messages = []
        self.send(0x10, text("MQTT") + bytes([4, 2 if clean else 0]) + struct.pack("!H", 60) + text(client_id))
        assert self.wait_for(CONNACK)[1] == 0, "the broker refused the connection"

    def send(self, head, body):
        length, size = len(body), b""
        while True:
            length, digit = divmod(length, 128)
            size += bytes([digit | (128 if length else 0)])
            if not length:
                break
        self.socket.sendall(bytes([head]) + size + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError("the broker closed the connection")
            data += more
        return data

    def packet(self):
        head, length, shift = self.exactly(1)[0], 0, 0
        while True:
            digit = self.exactly(1)[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                return head, self.exactly(length)

    def wait_for(self, kind):
        """The body of the next packet of this kind; messages that come before it are kept for message()."""
        while True:
            head, body = self.packet()
            if head >> 4 == kind:
                return body
            if head >> 4 == PUBLISH:
                self.keep(head, body)

    def keep(self, head, body):
        (size,) = struct.unpack("!H", body[:2])
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if head & 6:
            mid, rest = rest[:2], rest[2:]
            self.send(0x40 if head & 2 else 0x50, mid)
        self.messages.append((topic, rest.decode()))

    def message(self):
        """The next message: (topic, payload)."""
        while not self.messages:
            head, body = self.packet()
            if head >> 4 == PUBLISH:
                self.keep(head, body)
        return self.messages.pop(0)

    def subscribe(self, topic, qos=1):
        self.send(0x82, struct.pack("!H", 1) + text(topic) + bytes([qos]))
        self.wait_for(SUBACK)

    def publish(self, topic, payload, qos=1, mid=10, dup=False, wait=True):
        payload = payload.encode() if isinstance(payload, str) else payload
        self.send(0x30 | (8 if dup else 0) | qos << 1, text(topic) + (struct.pack("!H", mid) if qos else b"") + payload)
        if not wait:
            return
        if qos == 1:
            self.wait_for(PUBACK)
        if qos == 2:
            self.wait_for(PUBREC)
            self.send(0x62, struct.pack("!H", mid))
            self.wait_for(PUBCOMP)

    def ping(self):
        """All packets sent before have been handled once this returns."""
        self.send(0xC0, b"")
        self.wait_for(PINGRESP)

    def disconnect(self):
        self.send(0xE0, b"")
        self.socket.close()

    def drop(self):
        """The connection is gone without a word."""
        self.socket.close()
