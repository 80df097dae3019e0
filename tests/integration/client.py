"""Short-lived MQTT clients, one after the other in one process: what mosquitto_pub and mosquitto_rr do with the options that
most tests give them. See client.bash. A request is a line, its fields separated by \\x1f, the first one a number:

  say SOCKET ID USER TOPIC PAYLOAD      publishes with QoS 1 (MQTT 3.1.1), with that user name if any, and waits for the acknowledgement
  ask SOCKET ID TOPIC PAYLOAD ANSWER    subscribes to ANSWER, publishes with it as response topic (MQTT 5), and waits for one message
  verdict SOCKET ID USER TOPIC PAYLOAD  the same with MQTT 5, and tells the verdict: ok, refused (not authorized), or a reason's number

The answer is the number, the status (0, or that of mosquitto_pub), \\x1f, and the message or what went wrong, with \\x1e as its end."""

import os
import sys
from _socket import AF_UNIX, socket  # the module socket takes as long to load as all of the rest
from _struct import pack, unpack

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
LOST, TIMED_OUT = 7, 27
NOT_AUTHORIZED = 0x87


def text(value):
    return pack("!H", len(value)) + value


def counted(data):
    """Behind its length, as MQTT writes that of a packet and of properties."""
    length, size = len(data), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (128 if length else 0)])
        if not length:
            return size + data


class Connection:
    def __init__(self, path, name, seconds, protocol, user=b""):
        self.protocol = protocol
        self.socket = socket(AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.send(0x10, text(b"MQTT") + bytes([protocol, 0x82 if user else 2, 0, 60]) + self.none() + text(name) + (text(user) if user else b""))
        reason = self.wait_for(CONNACK)[1]
        if reason:
            raise ConnectionError(f"the broker refused the connection: {reason}")

    def none(self):
        return b"\0" if self.protocol == 5 else b""

    def send(self, head, body):
        self.socket.sendall(bytes([head]) + counted(body))

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the connection was lost")
            data += more
        return data

    def number(self):
        value = shift = 0
        while True:
            digit = self.exactly(1)[0]
            value |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                return value

    def packet(self):
        head = self.exactly(1)[0]
        return head, self.exactly(self.number())

    def wait_for(self, kind):
        while True:
            head, body = self.packet()
            if head >> 4 == kind:
                return body

    def message(self):
        """The payload of the next message (MQTT 5), which is acknowledged."""
        while True:
            head, body = self.packet()
            if head >> 4 != PUBLISH:
                continue
            (size,) = unpack("!H", body[:2])
            rest = body[2 + size :]
            if head & 6:
                self.send(0x40, rest[:2])
                rest = rest[2:]
            assert rest[0] < 128, "longer properties than are read here"
            return rest[1 + rest[0] :]

    def publish(self, topic, payload, properties=b""):
        self.send(0x32, text(topic) + b"\0\2" + properties + payload)

    def leave(self):
        self.send(0xE0, b"")
        self.socket.close()


def say(path, name, user, topic, payload):
    client = Connection(path, name, 20, 4, user)
    client.publish(topic, payload)
    client.wait_for(PUBACK)
    client.leave()
    return b""


def ask(path, name, topic, payload, answer):
    client = Connection(path, name, 5, 5)
    client.send(0x82, b"\0\1\0" + text(answer) + b"\1")
    if client.wait_for(SUBACK)[-1] >= 128:
        raise ConnectionError("the subscription was refused")
    client.publish(topic, payload, counted(b"\x08" + text(answer)))
    message = client.message()
    client.leave()
    return message


def verdict(path, name, user, topic, payload):
    client = Connection(path, name, 20, 5, user)
    client.publish(topic, payload, client.none())
    answer = client.wait_for(PUBACK)
    client.leave()
    reason = answer[2] if len(answer) > 2 else 0
    return b"refused" if reason == NOT_AUTHORIZED else b"ok" if reason < 128 else str(reason).encode()


def handle(verb, *fields):
    try:
        return 0, {b"say": say, b"ask": ask, b"verdict": verdict}[verb](*fields)
    except TimeoutError:
        return TIMED_OUT, b"timed out"
    except OSError as error:
        return LOST, str(error).encode()


for line in sys.stdin.buffer:
    if line == b"quit\n":
        break
    number, *request = line[:-1].split(b"\x1f")
    status, said = handle(*request)
    answer = number + b"\x1f" + str(status).encode() + b"\x1f" + said + b"\x1e"
    while answer:
        answer = answer[os.write(1, answer) :]
