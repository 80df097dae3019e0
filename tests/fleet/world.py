"""A broker, its fleet, and the operators and applications beside it."""

import json
import random
import signal
import sqlite3
import time

from devices import Device
from habits import draw
from link import Broker, connect
from port import Port

VERSIONS = ["1.0", "1.1", "2.0"]
# what a pull gets that no task decides
PRODUCTS = {"lamp": "task", "pump": "latest", "valve": "stepwise"}
DEVICES_PER_GATEWAY = 12
READ_SECONDS = 0.15


class Application:
    """Reads the versions of devices, which are forwarded to them (read_source device)."""

    def __init__(self, world):
        self.world, self.link, self.random = world, None, random.Random(world.seed)
        self.connect()

    def connect(self):
        self.link = connect(self.world.loop, self, self.world.broker.address, "application", [])
        if not self.link:
            self.world.loop.after(0.3, self.connect)

    def up(self, link):
        if link is self.link and not self.world.calm:
            device = self.random.choice(self.world.devices)
            link.publish(device.base + "read", json.dumps({"messageId": "application"}))
            self.world.loop.after(READ_SECONDS, lambda: link.alive and self.up(link))

    def down(self, link):
        if link is self.link:
            self.world.loop.after(0.3, self.connect)

    def acknowledged(self, *_):
        pass

    heard = acknowledged


class World:
    def __init__(self, loop, name, folder, seed, count, only, plugin, program):
        self.loop, self.name, self.seed, self.only = loop, name, f"{seed} {name}", only
        self.random, self.calm = random.Random(self.seed), False
        identity = "none" if name == "gateways" else "clientid"
        options = [f"plugin_opt_identity {identity}", "plugin_opt_read_source device"]
        self.broker = Broker(f"{folder}/{name}", plugin, program, options)
        self.response_seconds, self.upgrade_seconds = self.random.choice(
            [2, 3, 4]
        ), self.random.choice([15, 20])
        self.devices, self.ports = [], []
        self.requeued, self.stopped_rows, self.acts = {}, set(), []
        self.make_devices(count)

    # --- the fleet ---

    def make_devices(self, count):
        gateway = None
        for number in range(count):
            name = f"{self.name[0]}{number:03}"
            chance = random.Random(f"{self.seed} {name}")
            in_gateway = self.name == "gateways"
            habits = draw(chance, self.only, in_gateway)
            product = chance.choices(list(PRODUCTS), [50, 30, 20])[0]
            if "mislabelled" in habits:
                product = "pump"
            if not in_gateway or number % DEVICES_PER_GATEWAY == 0:
                gateway = Port(
                    self,
                    f"gateway-{name}" if in_gateway else name,
                    frozenset() if in_gateway else habits,
                    chance,
                )
                self.ports.append(gateway)
            self.devices.append(Device(self, name, product, habits, chance, gateway))

    def start(self):
        self.broker.start()
        self.database = sqlite3.connect(self.broker.database, timeout=20, isolation_level=None)
        self.columns = {
            name
            for table in ("task", "task_device")
            for _, name, *_ in self.database.execute(f"PRAGMA table_info({table})")
        }
        self.prepare()
        if self.name == "gateways":
            for port in self.ports:
                port.power_on()
        for device in self.devices:
            self.loop.after(device.random.uniform(0, 1.5), device.boot)
        self.application = Application(self)

    def prepare(self):
        for product, policy in PRODUCTS.items():
            self.database.execute(
                "INSERT INTO product (product_id, name, pull_policy) VALUES (?, '', ?)",
                (product, policy),
            )
            for order, version in enumerate(VERSIONS, 1):
                self.database.execute(
                    "INSERT INTO firmware (firmware_id, product_id, name, version, version_order,"
                    " sign_method, sign, url, size)"
                    " VALUES (?, ?, 'n', ?, ?, 'md5', ?, 'http://files.test/image', 1000)",
                    (f"{product}-{version}", product, version, order, "0" * 32),
                )

    # --- operators ---

    def transaction(self, *statements):
        """Statements with their values, at once; returns the rows of each."""
        self.database.execute("BEGIN IMMEDIATE")
        found = [self.database.execute(sql, values).fetchall() for sql, *values in statements]
        self.database.execute("COMMIT")
        return found

    def note_requeued(self, task, devices):
        for name in devices:
            self.requeued.setdefault((task, name), []).append(time.time())

    def act(self, text):
        self.acts.append(f"{time.strftime('%H:%M:%S')} {text}")

    def new_tasks(self, product, version):
        """One for the devices that wait, one for those that ask."""
        for mode in ("push", "pull"):
            names = [
                d.name
                for d in self.devices
                if d.product == product and d.has("polls") == (mode == "pull")
            ]
            task = f"{product}-{mode}-{version}"
            if not names:
                continue
            self.act(f"new task {task}, {len(names)} devices")
            self.note_requeued(task, names)
            self.transaction(
                *(
                    (
                        "INSERT OR IGNORE INTO device (product_id, device_id) VALUES (?, ?)",
                        product,
                        name,
                    )
                    for name in names
                ),
                (
                    "INSERT INTO task (task_id, firmware_id, name, mode, release_type,"
                    " response_timeout_seconds, timeout_seconds)"
                    " VALUES (?, ?, 'n', ?, 'part', ?, ?)",
                    task,
                    f"{product}-{version}",
                    mode,
                    self.response_seconds,
                    self.upgrade_seconds,
                ),
                *(
                    ("INSERT INTO task_device (task_id, device_id) VALUES (?, ?)", task, name)
                    for name in names
                ),
            )

    def rows_in(self, task, state):
        sql = "SELECT device_id FROM task_device WHERE task_id = ? AND state = ? ORDER BY 1"
        return [name for (name,) in self.database.execute(sql, (task, state))]

    def set_rows(self, task, old, new):
        """All rows of a task in a state. Returns whose."""
        (found, _) = self.transaction(
            ("SELECT device_id FROM task_device WHERE task_id = ? AND state = ?", task, old),
            ("UPDATE task_device SET state = ? WHERE task_id = ? AND state = ?", new, task, old),
        )
        return [name for (name,) in found]

    def retry(self, product, version):
        names = self.set_rows(f"{product}-push-{version}", "failed", "waiting")
        self.act(f"retry of {product}-push-{version}, {len(names)} devices")
        self.note_requeued(f"{product}-push-{version}", names)

    def switch(self, task, state):
        names = self.rows_in(task, "canceled") if state == "running" else []
        self.transaction(("UPDATE task SET state = ? WHERE task_id = ?", state, task))
        self.act(f"{task} is {state}")
        self.note_requeued(task, names)

    def stop_rows(self, product, version):
        """Some waiting rows of a push task are stopped by hand, for good."""
        task = f"{product}-push-{version}"
        for name in self.rows_in(task, "waiting")[:2]:
            self.transaction(
                (
                    "UPDATE task_device SET state = 'canceled'"
                    " WHERE task_id = ? AND device_id = ? AND state = 'waiting'",
                    task,
                    name,
                )
            )
            if name in self.rows_in(task, "canceled"):
                self.act(f"the row of {name} in {task} is stopped")
                self.stopped_rows.add((task, name))

    def restart(self, how):
        self.act(f"the broker is ended by {how.name}")
        self.broker.end(how)
        self.loop.after(self.random.uniform(0.05, 0.6), self.broker.start)

    def plan(self, seconds):
        """What operators do, and what becomes of the broker: at which part of the time."""
        first = {"lamp": 0.08, "pump": 0.12, "valve": 0.08}
        # lamp: two in a row; valve: the second while the first is under way; pump: later
        second = {"lamp": 0.1, "pump": 0.5, "valve": 0.2}
        steps = []
        for product in PRODUCTS:
            steps += [
                (first[product], lambda p=product: self.new_tasks(p, "1.1")),
                (second[product], lambda p=product: self.new_tasks(p, "2.0")),
            ]
            steps += [
                (0.55, lambda p=product: self.retry(p, "1.1")),
                (0.9, lambda p=product: self.retry(p, "1.1")),
            ]
            steps += [(0.8, lambda p=product: self.retry(p, "2.0"))]
        steps += [
            (0.3, lambda: self.switch("lamp-push-2.0", "stopped")),
            (0.45, lambda: self.switch("lamp-push-2.0", "running")),
            (0.4, lambda: self.stop_rows("valve", "2.0")),
            (0.6, lambda: self.stop_rows("pump", "2.0")),
            (0.65, lambda: self.switch("pump-pull-2.0", "stopped")),
            (0.75, lambda: self.switch("pump-pull-2.0", "running")),
        ]
        ends = [signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]
        self.random.shuffle(ends)
        for part, how in zip((0.18, 0.38, 0.62, 0.85), ends):
            steps.append(
                (part + self.random.uniform(-0.04, 0.04), lambda how=how: self.restart(how))
            )
        for part, act in steps:
            self.loop.after(part * seconds, act)

    def quieten(self):
        """Nothing bad happens any more; every device that lives comes back and says what it
        runs."""
        self.calm, self.calm_since = True, time.time()
        self.roll_call(2)

    def roll_call(self, seconds):
        for device in self.devices:
            self.loop.after(device.random.uniform(0, seconds), device.roll_call)

    def stop(self):
        self.broker.end(signal.SIGTERM)
