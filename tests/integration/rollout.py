"""A rollout over several hundred devices, for task_crash.bats.   rollout.py DATABASE DEVICES
Prints "under way" when a part of the devices has ended, and "done" with what went wrong once all rows have. Devices whose
connection breaks come back, as real ones do, and report their version first."""

import json
import random
import sqlite3
import sys
import time

from fleet import Fleet

database, count = sys.argv[1], int(sys.argv[2])
random.seed(1)
fleet, clients = Fleet(), {}
database = sqlite3.connect(database, timeout=10, isolation_level=None)


class Life:
    """What a device remembers, whatever becomes of its connection."""

    def __init__(self, name):
        self.name, self.version, self.told, self.answered = name, "1.0", 0, None
        self.fails = random.random() < 0.2
        self.unheard = []  # what the broker has not acknowledged
        self.wrong = None
        self.stamp = int(time.time() * 1000)


lives = {f"d{i}": Life(f"d{i}") for i in range(count)}


def send(life, tail, message):
    life.stamp += 1
    life.unheard.append((tail, json.dumps(message | {"timestamp": life.stamp})))
    deliver(life)


def deliver(life):
    """One message at a time, again after a broken connection."""
    client = clients.get(life.name)
    if client and client.alive and client.waiting == 0 and life.unheard:
        client.say(*life.unheard[0])
        client.sent = True


def upgraded(client, topic, payload, _qos, _retained):
    life = lives[client.name]
    if not topic.endswith("/upgrade"):
        return
    life.told += 1
    if life.answered:
        life.wrong = f"{life.name} was pushed again after {life.answered}"
        return
    send(life, "upgrade/reply", {"success": True})
    send(life, "upgrade/progress", {"progress": 50, "firmwareId": "lamp-2.0"})
    ending = {"success": False, "errorReason": "flash"} if life.fails else {"success": True}
    send(life, "upgrade/progress", {"progress": 50, "firmwareId": "lamp-2.0", "complete": True} | ending)


def connect(life):
    client = clients[life.name] = fleet.connect(life.name, on_message=upgraded)
    client.sent = False
    if not life.unheard:
        send(life, "report", {"version": life.version})


def turn():
    fleet.run(0.01)
    for life in lives.values():
        client = clients[life.name]
        if not client.alive:
            try:
                connect(life)
            except OSError:
                pass  # the broker is not there yet
        elif client.waiting == 0:
            if client.sent:
                tail, message = life.unheard.pop(0)
                client.sent = False
                if tail == "upgrade/reply":
                    life.answered = "its reply was acknowledged"
                if "complete" in message and not life.fails:
                    life.version = "2.0"
            deliver(life)


def ended():
    return database.execute("SELECT count(*) FROM task_device WHERE state NOT IN ('waiting', 'processing')").fetchone()[0]


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            print("gave up:", *database.execute("SELECT state, count(*) FROM task_device GROUP BY 1"), flush=True)
            sys.exit(1)
        turn()


for each in lives.values():
    connect(each)
until(lambda: not any(life.unheard for life in lives.values()), 20)
print("ready", flush=True)
until(lambda: sum(life.told > 0 for life in lives.values()) > count / 3, 20)
print("under way", flush=True)
until(lambda: ended() == count and not any(life.unheard for life in lives.values()), 40)
wrong = [life.wrong for life in lives.values() if life.wrong]
for name, state, reason in database.execute("SELECT device_id, state, error_reason FROM task_device"):
    expected = ("failed", "flash") if lives[name].fails else ("success", None)
    if (state, reason) != expected:
        wrong.append(f"{name} is {state} ({reason}) instead of {expected}, told {lives[name].told} times")
print(f"{len(wrong)} wrong", *wrong[:10], sep="\n")
print("done", flush=True)
