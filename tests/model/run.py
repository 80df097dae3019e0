"""Random operators and devices against the real broker and against model.py: the same rows, messages and answers at every
step.   run.py [--seed N] [--seconds N] [--steps N]   with FW_PLUGIN, FW_SOURCE and MOSQUITTO as for the other tests."""

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

SOURCE = os.environ.get("FW_SOURCE") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "tests/integration"))

from fleet import Fleet, Gone  # noqa: E402
from model import RESPONSE, TICK, UPGRADE, Model  # noqa: E402

VERSIONS = ["1.0", "1.1", "2.0", "3.0"]
DEVICES = [f"d{i}" for i in range(1, 13)]
REASON = "the device gave no reason"


class Broker:
    """A broker in a folder of its own, whose clocks all follow `clock`, where libfaketime is installed."""

    def __init__(self, folder):
        self.folder, self.process, self.offset = folder, None, 0
        self.database = os.path.join(folder, "firmware.db")
        self.log = os.path.join(folder, "broker.log")
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.faketime = found[0] if found and "FW_NO_FAKETIME" not in os.environ else None
        os.environ["BROKER_SOCKET"] = os.path.join(folder, "socket")
        plugin = os.environ.get("FW_PLUGIN") or os.path.join(SOURCE, "build/mosquitto_firmware.so")
        with open(os.path.join(folder, "mosquitto.conf"), "w", encoding="utf-8") as conf:
            conf.write(f"user root\nlistener 0 {folder}/socket\nallow_anonymous true\nlog_dest stderr\nmax_queued_messages 0\n")
            conf.write(f"plugin {plugin}\nplugin_opt_db_file {self.database}\nplugin_opt_device_rate_per_minute 0\n")
        self.set_clock()

    def set_clock(self):
        with open(os.path.join(self.folder, "clock.new"), "w", encoding="utf-8") as clock:
            clock.write(f"+{self.offset}\n")
        os.replace(os.path.join(self.folder, "clock.new"), os.path.join(self.folder, "clock"))

    def start(self):
        environment = dict(os.environ)
        if self.faketime:
            environment |= {"LD_PRELOAD": self.faketime, "FAKETIME_TIMESTAMP_FILE": f"{self.folder}/clock", "FAKETIME_NO_CACHE": "1"}
        if os.path.exists(f"{self.folder}/socket"):
            os.unlink(f"{self.folder}/socket")
        with open(self.log, "ab") as log:
            position = log.tell()
            self.process = subprocess.Popen(
                [os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto"), "-c", f"{self.folder}/mosquitto.conf"], stderr=log, stdout=log, env=environment
            )
        deadline = time.monotonic() + 15
        while True:
            with open(self.log, "rb") as log:
                log.seek(position)
                if b" running\n" in log.read(): # not the line that says as which user
                    return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the broker did not start")
            time.sleep(0.01)

    def end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(15)


class Walk:
    def __init__(self, broker, seed):
        self.random, self.broker = random.Random(seed), broker
        self.model = Model(VERSIONS, DEVICES)
        self.fleet, self.clients, self.answers = Fleet(), {}, {}
        self.heard = {name: [] for name in DEVICES}
        self.events = {}
        self.now, self.task_number, self.history = int(time.time() * 1000), 0, []
        self.start()
        self.db = sqlite3.connect(broker.database, timeout=10, isolation_level=None)
        self.prepare()

    def start(self):
        self.broker.start()
        self.clients = {}
        self.ear = self.fleet.connect("ear", topics=["/lamp/+/firmware/upgrade", "/lamp/+/firmware/task"], on_message=self.hear)
        self.marker = self.fleet.connect("marker", topics=[], product="probe")
        self.fleet.settle(self.ear, self.marker)

    def prepare(self):
        self.db.execute("INSERT INTO product (product_id, name) VALUES ('lamp', 'Lamp'), ('probe', '')")
        for order, version in enumerate(VERSIONS):
            self.db.execute(
                "INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, sign, url, size)"
                " VALUES (?, 'lamp', 'n', ?, ?, 'md5', ?, 'http://x/', 1)",
                (f"f{version}", version, order + 1, "0" * 32),
            )
        for name in DEVICES:
            self.db.execute("INSERT INTO device (product_id, device_id) VALUES ('lamp', ?)", (name,))

    def hear(self, _device, topic, payload, _qos, _retained):
        _, _, name, _, kind = topic.split("/")
        message = json.loads(payload)
        if kind == "upgrade":
            self.heard[name].append(message["version"])
        else:
            self.events[message["taskId"], name] = message["state"]

    def note(self, *what):
        self.history.append(" ".join(str(word) for word in what))

    # --- devices ---

    def say(self, device, tail, message, stamp=True):
        if stamp:
            self.now += 1
            message["timestamp"] = self.now
            device.said.append((tail, dict(message)))
        self.note(device.name, tail, json.dumps(message))
        self.clients[device.name].say(tail, json.dumps(message))

    def show(self, device):
        client = self.clients[device.name] = self.fleet.connect(device.name, on_message=self.hear_answer)
        self.note(device.name, "shows itself")
        client.publish("telemetry", "x")
        device.connected = True
        self.model.seen(device)

    def hear_answer(self, client, topic, payload, _qos, _retained):
        if topic.endswith("pull/reply"):
            message = json.loads(payload)
            self.answers[client.name] = message.get("code") or message["version"]

    def leave(self, device):
        self.note(device.name, "goes")
        client = self.clients[device.name]
        self.fleet.settle(client)
        getattr(client, self.random.choice(["drop", "leave"]))()
        self.model.gone(device)

    def likely_version(self, device):
        """Mostly one that some row of it is about."""
        rows = [row.task.version for row in self.model.rows_of(device) if row.open()]
        return self.random.choice(rows * 4 + VERSIONS)

    def report(self, device):
        version = self.random.choice([device.version or "1.0", self.likely_version(device)])
        self.say(device, "report", {"version": version})
        self.model.report(device, version)

    def reply(self, device):
        success = self.random.random() < 0.7
        self.say(device, "upgrade/reply", {"success": success} | ({} if success else {"message": "not now"}))
        self.model.reply(device, success, "not now")

    def progress(self, device):
        version, percent = self.likely_version(device), self.random.choice([0, 10, 50, 90, 100])
        complete = self.random.random() < 0.4
        success = complete and self.random.random() < 0.6
        message = {"progress": percent} | self.random.choice([{"version": version}, {"firmwareId": f"f{version}"}])
        reason = None
        if complete:
            message |= {"complete": True, "success": success}
        if complete and not success and self.random.random() < 0.7:
            reason = message["errorReason"] = "flash"
        self.say(device, "upgrade/progress", message)
        self.model.progress(device, version, percent, complete, success, reason or REASON)

    def again(self, device):
        """The acknowledgement was lost, so it says again what it said: nothing changes twice."""
        if device.said:
            tail, message = self.random.choice(device.said[-3:])
            self.say(device, tail, message, stamp=False)

    def pull(self, device):
        current = self.random.choice([None, None, device.version, self.random.choice(VERSIONS)])
        requested = self.random.choice([None] * 8 + ["9.9", self.random.choice(VERSIONS)])
        message = {key: value for key, value in (("currentVersion", current), ("requestVersion", requested)) if value}
        self.note(device.name, "pull", json.dumps(message))
        self.answers.pop(device.name, None)
        self.clients[device.name].say("pull", json.dumps(message))
        expected = self.model.pull(device, current, requested)
        self.fleet.until(lambda: device.name in self.answers, what="a pull's answer")
        assert self.answers[device.name] == expected, f"{device.name} pulled: answer {self.answers[device.name]}, expected {expected}"

    def devices_act(self):
        acting = self.random.sample(list(self.model.devices.values()), self.random.randint(1, len(DEVICES)))
        acts = [self.report, self.reply, self.reply, self.progress, self.progress, self.progress, self.pull, self.again, self.leave]
        for device in acting:
            if not device.connected:
                if self.random.random() < 0.6:
                    self.show(device)
            else:
                self.random.choice(acts)(device)
        self.fleet.settle(*(self.clients[d.name] for d in acting if d.connected))
        self.pass_marker()
        return len(acting)

    def pass_marker(self):
        """All that was said is in the catalog: what the marker says goes the same way, behind it."""
        self.now += 1
        self.marker.say("report", json.dumps({"version": str(self.now)}))
        sql = "SELECT version FROM device WHERE device_id = 'marker'"
        self.fleet.until(lambda: self.db.execute(sql).fetchone() == (str(self.now),), what="the marker's report")

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
        assert allowed == taken, f"{what}: the catalog {'takes' if taken else 'refuses'} it, the contract does not"

    def new_task(self):
        self.task_number += 1
        # names that do not sort as the tasks' age
        name = f"{self.random.choice('abcxyz')}{self.task_number}"
        version, mode = self.random.choice(VERSIONS), self.random.choice(["push", "push", "pull"])
        names = self.random.choice([DEVICES, sorted(self.random.sample(DEVICES, 4))])
        taken = self.execute("BEGIN IMMEDIATE") and self.execute(
            "INSERT INTO task (task_id, firmware_id, name, mode, release_type, response_timeout_seconds, timeout_seconds)"
            " VALUES (?, ?, 'n', ?, ?, ?, ?)",
            name, f"f{version}", mode, "all" if names is DEVICES else "part", RESPONSE, UPGRADE,
        )
        if taken and names is not DEVICES:
            for device in names:
                self.execute("INSERT INTO task_device (task_id, device_id) VALUES (?, ?)", name, device)
        self.execute("COMMIT")
        self.agree(self.model.enabled, taken, f"new {mode} task {name} to {version} for {' '.join(names)}")
        if taken:
            self.model.new_task(name, version, mode, names)

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
            taken = self.execute("UPDATE task_device SET state = 'waiting' WHERE task_id = ? AND state = 'failed'", task.name)
            self.agree(self.model.retry_all(task), taken, f"retry all of {task.name}")

    def set_row(self):
        row = self.some_row()
        if row:
            state = self.random.choice(["waiting", "canceled"])
            taken = self.execute("UPDATE task_device SET state = ? WHERE task_id = ? AND device_id = ?", state, row.task.name, row.device.name)
            self.agree(self.model.set_row(row, state), taken, f"{row.task.name} {row.device.name} to {state}")

    def add_row(self):
        task = self.some_task()
        missing = [name for name in DEVICES if name not in task.rows] if task else []
        if missing:
            name = self.random.choice(missing)
            self.note("add", name, "to", task.name)
            self.execute("INSERT INTO task_device (task_id, device_id) VALUES (?, ?)", task.name, name)
            self.model.add_rows(task, [name])

    def delete_task(self):
        task = self.some_task()
        if task:
            taken = self.execute("DELETE FROM task WHERE task_id = ?", task.name)
            self.agree(self.model.delete_task(task), taken, f"delete {task.name}")

    def delete_row(self):
        row = self.some_row()
        if row:
            taken = self.execute("DELETE FROM task_device WHERE task_id = ? AND device_id = ?", row.task.name, row.device.name)
            self.agree(self.model.delete_row(row), taken, f"delete {row.task.name} {row.device.name}")
            if taken:
                self.events.pop((row.task.name, row.device.name), None)

    def set_policy(self):
        self.model.policy = self.random.choice(["latest", "stepwise", "task"])
        self.note("policy", self.model.policy)
        self.execute("UPDATE product SET pull_policy = ?", self.model.policy)

    def set_enabled(self):
        enabled = not self.model.enabled or self.random.random() < 0.5
        self.note("enabled", enabled)
        self.execute("UPDATE product SET firmware_enabled = ?", int(enabled))
        self.model.enable(enabled)

    def advance(self):
        if self.broker.faketime:
            self.note("time goes on")
            self.broker.offset += TICK
            self.broker.set_clock()
            self.model.advance()

    def restart(self):
        how = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self.note("the broker is ended by", how.name)
        # first the broker: a device that went before it would have gone offline
        self.broker.end(how)
        self.events.clear()  # what was on its way to the ear is lost
        for client in [*self.clients.values(), self.ear, self.marker]:
            client.lost()
        self.start_again()

    def start_again(self):
        # the ear is there before the first push only by luck: what the start sends is counted from the rows
        self.start()
        self.model.restart()
        self.agree_rows()
        # three rounds of the broker's loop: what it sends at its start is on the way no more
        quiet = time.monotonic() + 0.3
        while time.monotonic() < quiet:
            self.fleet.run(0.02)
        for name, device in self.model.devices.items():
            self.heard[name] = list(device.upgrades)

    def operator_acts(self):
        acts = [self.switch_task, self.retry_all, self.retry_all, self.set_row, self.set_row, self.add_row, self.delete_task, self.delete_row]
        acts += [self.advance] * 3 + ([self.new_task] * 4 if len(self.model.tasks) < 8 else [])
        if self.random.random() < 0.1:
            acts = [self.set_policy, self.set_enabled, self.restart]
        self.random.choice(acts)()
        return 1

    # --- comparing ---

    def table(self):
        rows = self.db.execute("SELECT task_id, device_id, state, progress, attempts, error_reason FROM task_device")
        return sorted(rows.fetchall(), key=lambda row: row[:2])

    def differences(self):
        model, found = self.model, []

        def same(what, actual, expected):
            if actual != expected:
                found.extend(f"{what}: {a} instead of {e}" for a, e in zip(actual, expected) if a != e)
                found.append(f"{what}: {len(actual)} instead of {len(expected)}") if len(actual) != len(expected) else None

        same("row", self.table(), model.table())
        devices = self.db.execute("SELECT device_id, version, presence FROM device WHERE product_id = 'lamp' ORDER BY 1").fetchall()
        same("device", devices, sorted((d.name, d.version, d.presence) for d in model.devices.values()))
        same("upgrades", sorted(self.heard.items()), sorted((d.name, d.upgrades) for d in model.devices.values()))
        if self.db.execute("SELECT EXISTS (SELECT 1 FROM task_change)").fetchone()[0]:
            found.append("operators' changes are not taken up")
        return found

    def differences_at_end(self):
        """What is too dear to compare each time."""
        found = []
        log = "SELECT task_id, version, progress, coalesce(complete, 0), success, error_reason FROM progress_log WHERE device_id = ? ORDER BY log_id"
        versions = "SELECT version, previous_version FROM version_log WHERE device_id = ? ORDER BY log_id"
        for device in self.model.devices.values():
            logged = [row[:5] for row in self.db.execute(log, (device.name,))]
            if logged != [row[:5] for row in device.logged]:
                found.append(f"progress_log of {device.name}: {logged} instead of {device.logged}")
            if self.db.execute(versions, (device.name,)).fetchall() != device.versions:
                found.append(f"version_log of {device.name} instead of {device.versions}")
        counts = self.db.execute("SELECT task_id, waiting, processing, success, failed, canceled FROM task_summary ORDER BY 1").fetchall()
        states = ("waiting", "processing", "success", "failed", "canceled")
        expected = [(t.name, *(sum(r.state == s for r in t.rows.values()) for s in states)) for t in self.model.tasks.values()]
        if counts != sorted(expected):
            found.append(f"task_summary: {counts} instead of {sorted(expected)}")
        for task in self.model.tasks.values():
            for name, row in task.rows.items():
                told = self.events.get((task.name, name))
                if told not in (None, row.state):
                    found.append(f"the last event of {task.name} {name} says {told}, it is {row.state}")
        if self.db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            found.append("the catalog is damaged")
        return found

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

    def walk(self, seconds, steps):
        deadline, done = time.monotonic() + seconds, 0
        while done < steps and time.monotonic() < deadline:
            done += self.devices_act()
            self.agree_all()
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
        print(f"seed {options.seed}, after {len(walk.history) if walk else 0} acts: {type(trouble).__name__}\n{trouble}")
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
