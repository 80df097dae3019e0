"""Random operators and devices against the real broker and against model.py: the same rows,
messages and answers at every step.

  run.py [--seed N] [--seconds N] [--steps N]

with FW_PLUGIN, FW_SOURCE and MOSQUITTO as for the other tests."""

import argparse
import glob
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(__file__)
SOURCE = os.environ.get("FW_SOURCE") or os.path.abspath(os.path.join(HERE, "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))

from fleet import Fleet, Gone  # noqa: E402
from model import HOLD, RESPONSE, SETTLE, UPGRADE, Model  # noqa: E402

VERSIONS = ["1.0", "1.1", "2.0", "3.0"]
DEVICES = [f"d{i}" for i in range(1, 13)]
REASON = "the device gave no reason"
# The clock's long steps end at multiples of PERIOD, short ones in the first part of it: so no
# timeout of an attempt ends within a short one.
PERIOD, SHORT = 500_000, 200_000
INSERT_ROW = "INSERT INTO task_device (task_id, device_id) VALUES (?, ?)"
OF_ROW = "WHERE task_id = ? AND device_id = ?"
MARGIN = 800  # where time goes on by itself: nothing is compared so near to a deadline


class Broker:
    """A broker in a folder of its own. Where libfaketime is installed its clocks stand still but
    for what the test moves them; else they go on, and the test waits where that matters."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.database = os.path.join(folder, "firmware.db")
        self.log = os.path.join(folder, "broker.log")
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.faketime = found[0] if found and "FW_NO_FAKETIME" not in os.environ else None
        self.program = os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto")
        os.environ["BROKER_SOCKET"] = os.path.join(folder, "socket")
        self.now = int(time.time() * 1000) // PERIOD * PERIOD
        self.configure(os.environ.get("FW_PLUGIN") or f"{SOURCE}/build/mosquitto_firmware.so")
        self.set_clock()

    def configure(self, plugin):
        with open(os.path.join(self.folder, "mosquitto.conf"), "w", encoding="utf-8") as conf:
            conf.write(f"user root\nlistener 0 {self.folder}/socket\nallow_anonymous true\n")
            conf.write("log_dest stderr\nmax_queued_messages 0\n")
            conf.write(f"plugin {plugin}\nplugin_opt_db_file {self.database}\n")
            conf.write("plugin_opt_device_rate_per_minute 0\nplugin_opt_connection_rate 0\n")

    def sees_connections(self):
        told = subprocess.run([self.program, "-h"], capture_output=True, text=True, check=False)
        return not told.stdout.startswith("mosquitto version 2.0.")

    def set_clock(self):
        seconds, milliseconds = divmod(self.now, 1000)
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
        with open(os.path.join(self.folder, "clock.new"), "w", encoding="utf-8") as clock:
            clock.write(f"{moment}.{milliseconds:03}\n")
        os.replace(os.path.join(self.folder, "clock.new"), os.path.join(self.folder, "clock"))

    def wall_ms(self):
        return self.now if self.faketime else int(time.time() * 1000)

    def boot_ms(self):
        return self.now if self.faketime else int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)

    def environment(self):
        if not self.faketime:
            return dict(os.environ)
        clock = {"FAKETIME_TIMESTAMP_FILE": f"{self.folder}/clock", "FAKETIME_NO_CACHE": "1"}
        return dict(os.environ) | clock | {"LD_PRELOAD": self.faketime, "TZ": "UTC"}

    def start(self):
        if os.path.exists(f"{self.folder}/socket"):
            os.unlink(f"{self.folder}/socket")
        command = [self.program, "-c", f"{self.folder}/mosquitto.conf"]
        with open(self.log, "ab") as log:
            position = log.tell()
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, env=self.environment()
            )
        deadline = time.monotonic() + 15
        while not self.is_running(position):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the broker did not start")
            time.sleep(0.01)

    def is_running(self, position):
        with open(self.log, "rb") as log:
            log.seek(position)
            return b" running\n" in log.read()  # not the line that says as which user

    def end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(15)


class Walk:
    def __init__(self, broker, seed):
        self.random, self.broker = random.Random(seed), broker
        self.model = Model(VERSIONS, DEVICES, broker.wall_ms(), broker.sees_connections())
        self.fleet, self.clients, self.answers = Fleet(), {}, {}
        self.dead_links = {}  # clients that will not say or hear anything any more: no FIN was sent
        self.links = {name: [] for name in DEVICES}  # numbers of a device's connections
        self.said = {name: [] for name in DEVICES}  # what it may say again
        self.heard = {name: [] for name in DEVICES}
        self.events = {}
        self.count, self.stamp, self.task_number, self.history = 1000, 0, 0, []
        self.start()
        self.db = sqlite3.connect(broker.database, timeout=10, isolation_level=None)
        self.prepare()

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
            self.heard[name].append(message["version"])
        else:
            self.events[message["taskId"], name] = message["state"]

    def note(self, *what):
        self.history.append(" ".join(str(word) for word in what))

    # --- time ---

    def set_time(self, milliseconds):
        self.broker.now += milliseconds
        self.broker.set_clock()
        self.model.advance(milliseconds)

    def await_quiet(self):
        """Where time goes on by itself: not while something may happen any moment."""
        while True:
            now = self.broker.wall_ms()
            near = [t for t in self.model.deadlines() if self.model.clock < t and t < now + MARGIN]
            if not any(t > now - MARGIN for t in near):
                return self.model.advance(now - self.model.clock)
            self.fleet.run(0.02)

    def tick(self):
        """A moment later, which the broker has noticed."""
        if self.broker.faketime:
            self.set_time(10)
        else:
            self.await_quiet()
        self.marker.ping()
        self.fleet.settle(self.marker)

    def pass_time(self, milliseconds):
        """Or more, so that the timeouts of attempts end within the long steps."""
        if not self.broker.faketime:
            time.sleep(milliseconds / 1000 if milliseconds <= HOLD + 100 else 0)
            return self.tick()
        phase = self.broker.now % PERIOD
        if phase + milliseconds > SHORT:
            milliseconds = PERIOD - phase
        self.note(milliseconds / 1000, "seconds go by")
        self.set_time(milliseconds)

    # --- devices ---

    def habit(self, device):
        """What its timestamps are worth."""
        return ("right", "right", "none", "1970")[DEVICES.index(device.name) % 4]

    def stamp_message(self, device, message):
        habit = self.habit(device)
        if habit == "right":
            self.stamp = max(self.stamp + 1, self.broker.wall_ms())
            message["timestamp"] = self.stamp
        elif habit == "1970":
            self.count += 1
            message["timestamp"] = self.count

    def send(self, device, tail, message, qos=1):
        self.note(device.name, tail, json.dumps(message), "" if qos else "QoS 0")
        client = self.clients[device.name]
        client.say(tail, json.dumps(message), qos=qos)
        if not qos:
            client.ping()

    def say(self, device, tail, message, act):
        """`act` tells the model, and takes whether the message is known to be a redelivery."""
        self.stamp_message(device, message)
        qos = 0 if self.habit(device) == "right" and self.random.random() < 0.1 else 1
        self.send(device, tail, message, qos)
        if qos:
            self.said[device.name].append((tail, message, act, device.link))
        act(False)

    def show(self, device):
        """By a new connection, also while the broker holds the one before it."""
        self.note(device.name, "shows itself")
        if device.link:
            self.model.gone(device)
        clean = self.random.random() < 0.7
        client = self.fleet.connect(device.name, clean=clean, on_message=self.hear_answer)
        self.clients[device.name] = client
        client.publish("telemetry", "x")
        self.model.arrive(device)
        self.links[device.name].append(device.link)
        if device.name in self.dead_links:
            self.dead_links.pop(device.name).lost()

    def hear_answer(self, client, topic, payload, _qos, _retained):
        if topic.endswith("pull/reply"):
            message = json.loads(payload)
            self.answers[client.name] = message.get("code") or message["version"]

    def leave(self, device):
        how = self.random.choice(["drop", "leave", "die"])
        self.note(device.name, {"die": "is dead, but not its link"}.get(how, "goes"))
        client = self.clients.pop(device.name)
        self.fleet.settle(client)
        if how == "die":
            self.fleet.selector.unregister(client.socket)
            self.dead_links[device.name] = client
            return
        getattr(client, how)()
        self.model.gone(device)

    def cut(self, device):
        """The broker finds the link dead."""
        self.note(device.name, "was dead")
        self.dead_links.pop(device.name).lost()
        self.model.gone(device)

    def likely_version(self, device):
        """Mostly one that some row of it is about."""
        rows = [row.task.version for row in self.model.rows_of(device) if row.open()]
        return self.random.choice(rows * 4 + VERSIONS)

    def report(self, device):
        known = device.version or "1.0"
        version = self.random.choice([known] * 8 + [self.likely_version(device)] * 3 + ["0.9"])
        link = device.link  # by which it does not deliver again
        act = lambda repeated: self.model.report(device, version, repeated and link != device.link)
        self.say(device, "report", {"version": version}, act)

    def reply(self, device):
        success = self.random.random() < 0.7
        version = self.random.choice([None, None, self.likely_version(device)])
        words = (version, success, None if success else "not now")
        if self.habit(device) == "1970" and self.is_refused_again(device, words):
            return
        message = {"success": success} | ({} if success else {"message": "not now"})
        message |= {"firmwareId": f"f{version}"} if version else {}
        act = lambda repeated: self.replied(device, words, repeated)
        self.say(device, "upgrade/reply", message, act)

    def is_refused_again(self, device, words):
        return not words[1] and self.model.refusal_repeated(device, words)

    def replied(self, device, words, repeated):
        version, success, reason = words
        if self.habit(device) != "right":
            repeated = self.is_refused_again(device, words)
            device.refusals += [] if success else [(words, device.link)]
        self.model.reply(device, version, success, reason, repeated)

    def name(self, version):
        named = [{"version": version}, {"firmwareId": f"f{version}"}]
        return self.random.choice(named) if version else {}

    def progress(self, device):
        version = self.random.choice([None] + [self.likely_version(device)] * 4)
        percent = self.random.choice([0, 10, 50, 90, 100])
        complete = self.random.random() < 0.25
        success = complete and self.random.random() < 0.6
        reason = "flash" if complete and not success and self.random.random() < 0.7 else None
        words = (percent, complete, success, reason)
        habit = self.habit(device)
        if habit == "1970" and self.model.progress_repeated(device, version, words):
            return
        message = {"progress": percent} | self.name(version)
        message |= {"complete": True, "success": success} if complete else {}
        message |= {"errorReason": reason} if reason else {}
        first = self.model.clock
        act = lambda repeated: self.progressed(
            device, version, words, repeated and self.model.in_attempt(device, version, first)
        )
        self.say(device, "upgrade/progress", message, act)

    def progressed(self, device, version, words, repeated):
        percent, complete, success, reason = words
        if self.habit(device) != "right":
            repeated = self.model.progress_repeated(device, version, words)
            said = ((version, words), device.link, self.model.clock)
            device.progress_said += [] if repeated else [said]
        reason = reason or REASON
        self.model.progress(device, version, percent, complete, success, reason, repeated)

    def again(self, device):
        """The acknowledgement was lost, so it says again what it said: nothing changes twice."""
        links = self.links[device.name][-2:]

        def may(tail, link):
            # MQTT delivers again after a reconnect; an answer said twice may be two answers
            return link in links[:-1] if tail == "upgrade/reply" else link in links

        said = [(t, m, act) for t, m, act, link in self.said[device.name] if may(t, link)]
        if said and self.habit(device) != "1970":
            tail, message, act = self.random.choice(said[-3:])
            self.send(device, tail, message)
            act(self.habit(device) == "right")

    def pull(self, device):
        versions = [None, None, device.version, device.before, self.random.choice(VERSIONS)]
        current = self.random.choice(versions)
        requested = self.random.choice([None] * 8 + ["9.9", self.random.choice(VERSIONS)])
        members = (("currentVersion", current), ("requestVersion", requested))
        self.answers.pop(device.name, None)
        # these report what they like: images that call themselves otherwise are not modelled
        self.execute("DELETE FROM label_mismatch")
        self.send(device, "pull", {key: value for key, value in members if value})
        expected = self.model.pull(device, current, requested)
        self.fleet.until(lambda: device.name in self.answers, what="a pull's answer")
        answer = self.answers[device.name]
        assert answer == expected, f"{device.name} pulled: {answer}, expected {expected}"

    def device_acts(self, device):
        shy = DEVICES.index(device.name) % 3 == 0  # hardly ever a word of its upgrade
        there = [self.report, self.leave, self.again]
        there += [self.reply, self.progress, self.progress, self.pull] * (1 if shy else 3)
        there += [self.show] * (2 if shy else 1) + [lambda device: None] * (4 if shy else 0)
        if device.name in self.clients:
            self.random.choice(there)(device)
        elif self.random.random() < 0.6:
            self.show(device)
        elif device.name in self.dead_links:
            self.cut(device)

    def devices_act(self):
        count = self.random.randint(1, len(DEVICES))
        acting = self.random.sample(list(self.model.devices.values()), count)
        self.tick()
        for device in acting:
            self.device_acts(device)
        self.fleet.settle(*(self.clients[d.name] for d in acting if d.name in self.clients))
        self.pass_marker()
        return len(acting)

    def pass_marker(self):
        """All that was said is in the catalog: the marker's word went the same way, behind it."""
        self.count += 1
        self.marker.say("report", json.dumps({"version": str(self.count)}))
        sql = "SELECT version FROM device WHERE device_id = 'marker'"
        told = (str(self.count),)
        self.fleet.until(lambda: self.db.execute(sql).fetchone() == told, what="the marker")

    # --- operators ---

    def execute(self, sql, *values):
        """True when the catalog takes it."""
        try:
            self.db.execute(sql, values)
            return True
        except sqlite3.IntegrityError:
            return False

    def agree(self, allowed, taken, what):
        self.note(what, "taken" if taken else "refused")
        verb = "takes" if taken else "refuses"
        assert allowed == taken, f"{what}: the catalog {verb} it, the contract does not"

    def new_task(self):
        self.task_number += 1
        # names that do not sort as the tasks' age
        name = f"{self.random.choice('abcxyz')}{self.task_number}"
        version, mode = self.random.choice(VERSIONS), self.random.choice(["push", "push", "pull"])
        names = self.random.choice([DEVICES, sorted(self.random.sample(DEVICES, 4))])
        limit, downgrade = self.random.randint(1, 3), self.random.choice([0, 0, 1])
        taken = self.execute("BEGIN IMMEDIATE") and self.execute(
            "INSERT INTO task (task_id, firmware_id, name, mode, release_type, attempt_limit,"
            " allow_downgrade, response_timeout_seconds, timeout_seconds)"
            " VALUES (?, ?, 'n', ?, ?, ?, ?, ?, ?)",
            name, f"f{version}", mode, "all" if names is DEVICES else "part", limit, downgrade,
            RESPONSE // 1000, UPGRADE // 1000,
        )  # fmt: skip
        if taken and names is not DEVICES:
            for device in names:
                self.execute(INSERT_ROW, name, device)
        self.execute("COMMIT")
        what = f"new {mode} task {name} to {version}, {limit} attempts, downgrade {downgrade}"
        self.agree(self.model.enabled, taken, f"{what}, for {' '.join(names)}")
        if taken:
            self.model.new_task(name, version, mode, names, limit, downgrade)

    def some_task(self):
        return self.random.choice(list(self.model.tasks.values())) if self.model.tasks else None

    def some_row(self):
        rows = [row for task in self.model.tasks.values() for row in task.rows.values()]
        return self.random.choice(rows) if rows else None

    def switch_task(self):
        task = self.some_task()
        if not task:
            return
        state = "stopped" if task.state == "running" else "running"
        self.note("task", task.name, state)
        self.execute("UPDATE task SET state = ? WHERE task_id = ?", state, task.name)
        (self.model.stop if state == "stopped" else self.model.resume)(task)

    def retry_all(self):
        task = self.some_task()
        if task:
            failed = "WHERE task_id = ? AND state = 'failed'"
            taken = self.execute(f"UPDATE task_device SET state = 'waiting' {failed}", task.name)
            self.agree(self.model.retry_all(task), taken, f"retry all of {task.name}")

    def set_row(self):
        row = self.some_row()
        if row:
            state = self.random.choice(["waiting", "canceled"])
            task, device = row.task.name, row.device.name
            taken = self.execute(f"UPDATE task_device SET state = ? {OF_ROW}", state, task, device)
            self.agree(self.model.set_row(row, state), taken, f"{task} {device} to {state}")

    def add_row(self):
        task = self.some_task()
        missing = [name for name in DEVICES if name not in task.rows] if task else []
        if missing:
            name = self.random.choice(missing)
            self.note("add", name, "to", task.name)
            self.execute(INSERT_ROW, task.name, name)
            self.model.add_rows(task, [name])

    def delete_task(self):
        task = self.some_task()
        if task:
            taken = self.execute("DELETE FROM task WHERE task_id = ?", task.name)
            self.agree(self.model.delete_task(task), taken, f"delete {task.name}")

    def delete_row(self):
        row = self.some_row()
        if row:
            task, device = row.task.name, row.device.name
            taken = self.execute(f"DELETE FROM task_device {OF_ROW}", task, device)
            self.agree(self.model.delete_row(row), taken, f"delete {task} {device}")
            if taken:
                self.events.pop((task, device), None)

    def set_policy(self):
        self.model.policy = self.random.choice(["latest", "stepwise", "task"])
        self.note("policy", self.model.policy)
        self.execute("UPDATE product SET pull_policy = ?", self.model.policy)

    def set_enabled(self):
        enabled = not self.model.enabled or self.random.random() < 0.8
        self.note("enabled", enabled)
        self.execute("UPDATE product SET firmware_enabled = ?", int(enabled))
        self.model.enable(enabled)

    def advance(self):
        for _ in range(self.random.choice([1, 1, 2])):
            self.pass_time(self.random.choice([HOLD + 100, SETTLE + 1000, PERIOD, PERIOD]))
            self.agree_all()

    def restart(self):
        how = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self.note("the broker is ended by", how.name)
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
        before = self.broker.wall_ms()
        self.broker.now += 1000
        self.broker.set_clock()
        self.start()
        self.model.restart(self.broker.wall_ms() - before)
        self.agree_rows()
        # three rounds of the broker's loop: what it sends at its start is on the way no more
        quiet = time.monotonic() + 0.3
        while time.monotonic() < quiet:
            self.fleet.run(0.02)
        for name, device in self.model.devices.items():
            self.heard[name] = list(device.upgrades)

    def operator_acts(self):
        acts = [self.switch_task, self.add_row, self.delete_task, self.delete_row]
        acts += [self.retry_all, self.set_row] * 2 + [self.advance] * 3
        acts += ([self.new_task] * 4 if len(self.model.tasks) < 8 else [])
        if self.random.random() < 0.1:
            acts = [self.set_policy, self.set_enabled, self.restart]
        self.random.choice(acts)()
        return 1

    # --- comparing ---

    def table(self):
        rows = self.db.execute(
            "SELECT task_id, device_id, state, progress, attempts, interruptions, failure,"
            " error_reason FROM task_device"
        )
        return sorted(rows.fetchall(), key=lambda row: row[:2])

    def is_late(self):
        """Is something left to do whose time has come?"""
        (offset,) = self.db.execute("SELECT clock_ms - clock_boot_ms FROM catalog_state").fetchone()
        due = self.db.execute(
            "SELECT EXISTS (SELECT 1 FROM task_device WHERE due_at <= ?1) OR EXISTS"
            " (SELECT 1 FROM device WHERE due_at <= ?1 AND presence IS NOT 'offline')",
            (self.broker.boot_ms() + offset,),
        )
        return due.fetchone()[0]

    def differences(self):
        model, found = self.model, []

        def same(what, actual, expected):
            pairs = zip(actual, expected)
            found.extend(f"{what}: {a} instead of {e}" for a, e in pairs if a != e)
            if len(actual) != len(expected):
                found.append(f"{what}: {len(actual)} instead of {len(expected)}")

        same("row", self.table(), model.table())
        sql = "SELECT device_id, version, presence FROM device WHERE product_id = 'lamp' ORDER BY 1"
        expected = sorted((d.name, d.version, d.presence) for d in model.devices.values())
        same("device", self.db.execute(sql).fetchall(), expected)
        expected = sorted((d.name, d.upgrades) for d in model.devices.values())
        same("upgrades", sorted(self.heard.items()), expected)
        if self.db.execute("SELECT EXISTS (SELECT 1 FROM task_change)").fetchone()[0]:
            found.append("operators' changes are not taken up")
        if self.is_late():
            found.append("what is due is not done")
        return found

    def differences_at_end(self):
        """What is too dear to compare each time."""
        found = []
        of_device = "WHERE device_id = ? ORDER BY log_id"
        columns = "task_id, version, progress, coalesce(complete, 0), success"
        log = f"SELECT {columns} FROM progress_log {of_device}"
        versions = f"SELECT version, previous_version FROM version_log {of_device}"
        for device in self.model.devices.values():
            logged = self.db.execute(log, (device.name,)).fetchall()
            if logged != device.logged:
                found.append(f"progress_log of {device.name}: {logged} instead of {device.logged}")
            if self.db.execute(versions, (device.name,)).fetchall() != device.versions:
                found.append(f"version_log of {device.name} instead of {device.versions}")
        found += self.differences_of_counts()
        for task in self.model.tasks.values():
            for name, row in task.rows.items():
                told = self.events.get((task.name, name))
                if told not in (None, row.state):
                    found.append(f"the last event of {task.name} {name}: {told}, not {row.state}")
        if self.db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            found.append("the catalog is damaged")
        return found

    def differences_of_counts(self):
        states = ("waiting", "processing", "success", "failed", "canceled")
        sql = f"SELECT task_id, {', '.join(states)} FROM task_summary ORDER BY 1"
        counts, expected = self.db.execute(sql).fetchall(), []
        for task in self.model.tasks.values():
            found = [row.state for row in task.rows.values()]
            expected.append((task.name, *(found.count(state) for state in states)))
        expected.sort()
        return [f"task_summary: {counts} instead of {expected}"] if counts != expected else []

    def agree_rows(self, seconds=4):
        deadline = time.monotonic() + seconds
        while [text for text in self.differences() if not text.startswith("upgrades")]:
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(self.differences()))
            self.fleet.run(0.002)

    def agree_all(self):
        self.agree_rows()
        try:
            self.fleet.until(lambda: not self.differences(), 4)
        except TimeoutError:
            raise AssertionError("\n".join(self.differences())) from None

    def end_holds(self):
        """Mostly: now and then an operator acts while devices are waited for."""
        wait = self.random.choices([0, HOLD + 100, SETTLE + 1000], [4, 5, 1])[0]
        if wait and self.broker.faketime:
            self.pass_time(wait)
            self.agree_all()

    def walk(self, seconds, steps):
        deadline, done = time.monotonic() + seconds, 0
        while done < steps and time.monotonic() < deadline:
            done += self.devices_act()
            self.agree_all()
            self.end_holds()
            done += self.operator_acts()
            self.agree_all()
        deadline = time.monotonic() + 4
        while self.differences_at_end() and time.monotonic() < deadline:
            self.fleet.run(0.02)
        trouble = self.differences_at_end()
        assert not trouble, "\n".join(trouble)
        return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    broker, walk = Broker(folder), None
    try:
        walk = Walk(broker, options.seed)
        steps = walk.walk(options.seconds, options.steps)
        print(f"seed {options.seed}: {steps} steps, the same rows, messages and answers")
        print("(no libfaketime: the clock was not moved)" if not broker.faketime else "", end="")
    except (AssertionError, Gone, TimeoutError, RuntimeError) as trouble:
        acts = len(walk.history) if walk else 0
        print(f"seed {options.seed}, after {acts} acts: {type(trouble).__name__}\n{trouble}")
        print("the last acts:", *(walk.history[-40:] if walk else []), sep="\n  ")
        with open(broker.log, encoding="utf-8", errors="replace") as log:
            print("the broker's log:", *log.read().splitlines()[-15:], sep="\n  ")
        return 1
    finally:
        broker.end(signal.SIGTERM)
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
