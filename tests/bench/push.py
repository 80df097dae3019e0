"""How long an idle broker takes to send an upgrade, and what it costs while there is nothing to send."""
import os
import random
import socket
import sqlite3
import statistics
import struct
import time

from harness import PRODUCT, bench, devices_sql, firmware_sql

CONNECT, PUBLISH, SUBSCRIBE, SUBACK = 0x10, 0x32, 0x82, 9
WAIT_S = 5  # an upgrade that takes longer is lost
IDLE_S = 0.4  # until the broker's loop and the store sleep again
TASK = ("INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES (?1, 'bench-2', 'push', 'push', 'part')")
ROW = "INSERT INTO task_device (task_id, device_id) VALUES (?1, ?1)"


def text(value):
    return struct.pack("!H", len(value)) + value.encode()


class Device:
    """One that listens to its upgrades, on MQTT 3.1.1."""

    def __init__(self, broker, number):
        self.name, self.buffer = f"d{number:07d}", b""
        self.socket = socket.create_connection(("127.0.0.1", broker.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(WAIT_S)
        self.send(CONNECT, text("MQTT") + b"\x04\x02\x00\x3c" + text(self.name))
        self.send(SUBSCRIBE, b"\x00\x01" + text(self.topic("upgrade")) + b"\x01")
        self.wait_for(SUBACK)

    def topic(self, tail):
        return f"/{PRODUCT}/{self.name}/firmware/{tail}"

    def send(self, head, body):
        assert len(body) < 128
        self.socket.sendall(bytes([head, len(body)]) + body)

    def report(self):
        self.send(PUBLISH, text(self.topic("report")) + b"\x00\x02" + b'{"version":"1.0.0"}')

    def wait_for(self, kind):
        """The first packet of that kind, whatever comes before it. Sizes of one or two bytes."""
        while True:
            while len(self.buffer) >= 3:
                size, start = self.buffer[1], 2
                if size & 128:
                    size, start = (size & 127) + (self.buffer[2] << 7), 3
                if len(self.buffer) < start + size:
                    break
                head, self.buffer = self.buffer[0], self.buffer[start + size:]
                if head >> 4 == kind:
                    return
            self.buffer += self.socket.recv(4096)

    def upgrade_ms(self, since):
        self.wait_for(PUBLISH >> 4)
        return (time.monotonic() - since) * 1000


def pause():
    """So long that the next event meets the loops at any point of their sleep."""
    time.sleep(IDLE_S + random.random() / 10)


def make_task(db, device):
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.execute(TASK, (device,))
        db.execute(ROW, (device,))


def after_commit(broker, db, number):
    device = Device(broker, number)
    device.report()
    pause()
    make_task(db, device.name)
    took = device.upgrade_ms(time.monotonic())
    device.socket.close()
    return took


def wait_offline(broker, db, number):
    """The device was there, is gone, and an upgrade waits for it."""
    device = Device(broker, number)
    device.report()
    pause()
    device.socket.close()
    pause()
    make_task(db, device.name)
    pause()


def after_report(broker, db, number):
    wait_offline(broker, db, number)
    device = Device(broker, number)
    pause()
    begun = time.monotonic()
    device.report()
    took = device.upgrade_ms(begun)
    device.socket.close()
    return took


def after_connect(broker, db, number):
    """A device that sleeps: it wakes up, connects, subscribes and reports in one go."""
    wait_offline(broker, db, number)
    begun = time.monotonic()
    device = Device(broker, number)
    device.report()
    took = device.upgrade_ms(begun)
    device.socket.close()
    return took


@bench
def push(b):
    """Milliseconds from an operator's commit, and from a device's report, to its upgrade, on an idle broker."""
    count = 10 if b.quick else 30
    after = {"a commit": after_commit, "a report": after_report, "a connect, with a report at once,": after_connect}
    # else the kernel holds back what follows a message until that is acknowledged, which a client puts off for 40 ms
    broker = b.broker("push", options="set_tcp_nodelay true\n")
    broker.sql(firmware_sql(PRODUCT, 10) + devices_sql(PRODUCT, 1, len(after) * count))
    db = sqlite3.connect(broker.catalog, isolation_level=None, timeout=5)
    for place, (name, how) in enumerate(after.items()):
        took = sorted(how(broker, db, place * count + number) for number in range(1, count + 1))
        b.raw.append({"bench": f"push after {name}", "results": took})
        b.row(f"from {name} to the upgrade, ms, {count} times", f"median {statistics.median(took):.1f}",
              f"{took[0]:.1f} to {took[-1]:.1f}, p90 {took[int(count * 0.9)]:.1f}", "10")
    db.close()


def switches(pid):
    """How often a thread of the process went to sleep, all in all."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("voluntary"))
    return total


@bench
def asleep(b):
    """An idle broker with the plugin, and one without: how often it wakes, and its CPU."""
    seconds = 3 if b.quick else 20
    brokers = {"with": b.broker("asleep-with"), "without": b.broker("asleep-without", plugin=False)}
    time.sleep(12)  # until the plugin takes it for quiet
    before = {name: (switches(broker.pid), *broker.cpu()) for name, broker in brokers.items()}
    time.sleep(seconds)
    for name, broker in brokers.items():
        after = switches(broker.pid), *broker.cpu()
        woken, own, process = ((now - then) / seconds for now, then in zip(after, before[name]))
        b.raw.append({"bench": f"asleep, {name} the plugin", "results": [woken, own, process]})
        b.row(f"idle, {name} the plugin: microseconds of CPU a second", f"{own:.0f} of the broker's thread",
              f"{process:.0f} of the process, which wakes {woken:.1f} times a second")
