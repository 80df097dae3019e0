"""A walk: rounds of random acts of operators and devices, told to the broker and to the model.

Each round draws from a generator of its own, so that a round can be left out and the others stay
what they are: that is how a failing walk is made shorter (run.py)."""

import json
import os
import random
import signal
import sqlite3
import sys
import time

from broker import SOURCE
from compare import Compare
from devices_act import DevicesAct
from model import Model
from operators_act import OperatorsAct
from state import HOLD, SETTLE, Device

sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))
from fleet import Fleet  # noqa: E402

VERSIONS = ["1.0", "1.1", "2.0", "3.0"]
DEVICES = [f"d{i}" for i in range(1, 13)]
STEPS = (HOLD + 100, SETTLE + 1000, 70_000, 500_000, 500_000, 1_500_000)


class Walk(Compare, DevicesAct, OperatorsAct):
    versions = VERSIONS

    def __init__(self, broker, seed):
        self.seed, self.broker = seed, broker
        self.random = random.Random(f"{seed}")
        devices = [Device(name) for name in DEVICES]
        self.model = Model(VERSIONS, devices, broker, self.choose)
        self.fleet, self.clients, self.answers = Fleet(), {}, {}
        self.dead_links = {}  # clients that will not say or hear anything any more: no FIN was sent
        self.links, self.said, self.heard = {}, {}, {}
        for name in DEVICES:
            self.meet(name)
        self.events, self.kills, self.steps = {}, 0, 0
        self.count, self.stamp, self.task_number, self.history = 1000, 0, 0, []
        self.start()
        self.db = sqlite3.connect(broker.database, timeout=10, isolation_level=None)
        # triggers and views tell the broker's time
        days = lambda _: self.broker.wall / 86_400_000 + 2440587.5
        self.db.create_function("julianday", 1, days)
        self.prepare()

    def meet(self, name):
        self.links[name] = []  # numbers of its connections
        self.said[name] = []  # what it may say again
        self.heard[name] = []  # what it was told

    def start(self):
        self.broker.start()
        self.clients, self.dead_links = {}, {}
        topics = ["/lamp/+/firmware/upgrade", "/lamp/+/firmware/task"]
        self.ear = self.fleet.connect("ear", topics=topics, on_message=self.hear)
        self.marker = self.fleet.connect("marker", topics=[], product="probe")
        self.fleet.settle(self.ear, self.marker)

    def prepare(self):
        products = "INSERT INTO product (product_id, name) VALUES ('lamp', 'Lamp'), ('probe', '')"
        firmware = (
            "INSERT INTO firmware (firmware_id, product_id, name, version, version_order,"
            " sign_method, sign, url, size) VALUES (?, 'lamp', 'n', ?, ?, 'md5', ?, 'http://x/', 1)"
        )
        self.db.execute(products)
        for order, version in enumerate(VERSIONS):
            self.db.execute(firmware, (f"f{version}", version, order + 1, "0" * 32))
        for name in DEVICES:
            device = "INSERT INTO device (product_id, device_id) VALUES ('lamp', ?)"
            self.db.execute(device, (name,))

    def hear(self, _device, topic, payload, _qos, _retained):
        _, _, name, _, kind = topic.split("/")
        message = json.loads(payload)
        if kind == "upgrade":
            told = (message["version"], message.get("mandatory"), message.get("deferUntil"))
            self.heard[name].append(told)
        else:
            self.events[message["taskId"], name] = message["state"]

    def note(self, *what):
        self.history.append(" ".join(str(word) for word in what))

    # --- time ---

    def set_time(self, milliseconds, wall_step=0):
        self.broker.boot += milliseconds
        self.broker.wall += milliseconds + wall_step
        self.broker.set_clock()
        # the store looks at its clock when a word comes
        self.fleet.run(0)
        self.model.advance(milliseconds, wall_step)

    def tick(self):
        """A moment later, which the broker has noticed."""
        self.set_time(10)
        self.pass_marker()

    def pass_time(self, milliseconds):
        """From one moment at which something is due to the next, so that nothing depends on the
        order in which the broker finds what has become due at once."""
        self.note(milliseconds / 1000, "seconds go by")
        end = self.broker.boot + milliseconds
        while self.broker.boot < end:
            now = self.broker.boot
            due = [time for time in self.model.deadlines() if now < time < end]
            self.set_time(min(due, default=end) - now)
            self.pass_marker()
            self.agree_rows()

    def pass_marker(self):
        """All that was said is in the catalog: the marker's word went the same way, behind it."""
        self.count += 1
        self.marker.say("report", json.dumps({"version": str(self.count)}))
        sql = "SELECT version FROM device WHERE device_id = 'marker'"
        told = (str(self.count),)
        self.fleet.until(lambda: self.db.execute(sql).fetchone() == told, what="the marker")

    def advance(self):
        self.pass_time(self.random.choice(STEPS) + self.random.randint(0, 3000))
        self.agree_all()

    # --- the broker ends ---

    def restart(self):
        how = self.random.choice([signal.SIGTERM, signal.SIGKILL, signal.SIGKILL])
        self.note("the broker is ended by", how.name)
        self.kills += how == signal.SIGKILL
        if self.model.is_behind():
            self.step_wall(self.model.seen - self.model.wall)
        # first the broker: a device that went before it would have gone offline
        self.broker.end(how)
        self.events.clear()  # what was on its way to the ear is lost
        clients = [*self.clients.values(), *self.dead_links.values(), self.ear, self.marker]
        for client in clients:
            client.lost()
        self.start_again()

    def start_again(self):
        # the ear is there before the first push only by luck: what the start sends is counted from
        # the rows
        self.broker.boot += 1000
        self.broker.wall += 1000
        self.broker.set_clock()
        self.start()
        self.model.restart(1000)
        self.pass_marker()
        self.agree_rows()
        # three rounds of the broker's loop: what it sends at its start is on the way no more
        quiet = time.monotonic() + 0.3
        while time.monotonic() < quiet:
            self.fleet.run(0.02)
        for name, device in self.model.devices.items():
            self.heard[name] = list(device.upgrades)

    # --- rounds ---

    def end_holds(self):
        """Mostly: now and then an operator acts while devices are waited for."""
        wait = self.random.choices([0, HOLD + 100, SETTLE + 1000], [4, 5, 1])[0]
        if wait:
            self.pass_time(wait)
            self.agree_all()

    def round(self, number):
        self.random = random.Random(f"{self.seed}/{number}")
        self.note(f"--- round {number}")
        self.devices_act()
        self.end_holds()
        self.operator_acts()
        self.agree_all()

    def walk(self, rounds, seconds):
        """Returns the number of the first round that it did not take."""
        deadline, number = time.monotonic() + seconds, 0
        for number in rounds:
            if time.monotonic() > deadline:
                break
            self.round(number)
        deadline = time.monotonic() + 4
        while self.differences_at_end() and time.monotonic() < deadline:
            self.fleet.run(0.02)
        differences = self.differences_at_end()
        assert not differences, "\n".join(differences)
        return number
