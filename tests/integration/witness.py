"""Devices that remember what the broker acknowledged, whatever becomes of it, and compare that with the catalog.

  witness.py DATABASE PROGRESS REPORTS REPLIES [PAD [RATE]]

So many devices send progress, reports, and replies to pushes, each up to INFLIGHT messages ahead, as fast as they are
acknowledged or RATE a second in all. PAD: bytes of text in each progress. Now and then a connection is lost with the
acknowledgements on their way. A device whose connection is broken connects again and sends what was not acknowledged once
more with the DUP flag, in the same order. Every message has a number of its own in its timestamp. Replies refuse the push,
and an operator retries what failed, so that there is always one.

Lines on standard input are obeyed, and each is answered with a line on standard output:
  count        how many messages have been acknowledged
  applied      are all that were acknowledged in the catalog, before anything is sent again? To be asked while the broker is down
  check        ends the sending, waits until all is acknowledged and applied, and compares: "ok ...", or what is wrong
  pause, go    stops sending, and goes on
"""

import collections
import json
import os
import random
import sqlite3
import sys
import time

from fleet import Device, Fleet
from raw import PUBACK

START = int(time.time() * 1000)  # of the timestamps: one counts that is within a day of the broker's clock
HELLO = 65000  # packet identifier of what a device says when it connects
INFLIGHT = 8  # below what the plugin recognises of a device's redelivered messages
database = sqlite3.connect(sys.argv[1], timeout=0.02, isolation_level=None)
counts = [int(number) for number in sys.argv[2:5]]
pad = "x" * int(sys.argv[5]) if len(sys.argv) > 5 else ""
rate = float(sys.argv[6]) if len(sys.argv) > 6 else 0


class Client(Device):
    """A connection that tells its owner which message was acknowledged."""

    connect_timeout = 0.2  # a broker without file descriptors accepts nobody: tries again later

    def __init__(self, owner):
        self.owner = owner
        super().__init__(owner.load.fleet, owner.name, [f"/lamp/{owner.name}/firmware/upgrade"], True, None, "lamp")
        self.on_message = owner.hear

    def handle(self, head, body):
        if head >> 4 == PUBACK:
            self.owner.acknowledge(int.from_bytes(body[:2], "big"))
        super().handle(head, body)


class Witness:
    def __init__(self, load, kind, number):
        self.load, self.kind, self.name = load, kind, f"{kind}{number}"
        self.number, self.mid, self.client = 0, 0, None
        self.unacknowledged = collections.OrderedDict()  # packet identifier: number of the message, its topic's tail, payload
        self.acknowledged = []
        self.pushed, self.next_connect, self.refused = 0, 0, False

    def connect(self):
        self.next_connect = time.monotonic() + (0.5 if self.refused else 0.02)
        self.refused = True  # until it is acknowledged something
        try:
            self.client = Client(self)
        except OSError:
            return  # the broker is not there yet
        if not self.client.alive:
            return
        self.load.fleet.selector.register(self.client.socket, 1, self.client)
        for mid, (_, tail, payload) in self.unacknowledged.items():
            if self.client.alive:
                self.client.say(tail, payload, mid=mid, dup=True)
        if self.kind == "reply" and self.client.alive:
            self.client.say("report", '{"version":"1.0"}', mid=HELLO)

    def send(self, tail, members):
        self.number += 1
        self.mid = self.mid % 60000 + 1
        payload = json.dumps({"timestamp": START + self.number} | members)
        self.unacknowledged[self.mid] = (self.number, tail, payload)
        self.client.say(tail, payload, mid=self.mid)

    def acknowledge(self, mid):
        self.refused = False
        if mid == HELLO:
            return
        number = self.unacknowledged.pop(mid)[0]
        self.acknowledged.append(number)
        self.load.acknowledged += 1

    def hear(self, _device, topic, _payload, _qos, _retained):
        if topic.endswith("/upgrade") and self.kind == "reply" and self.client.alive and not self.unacknowledged:
            self.pushed += 1
            self.send("upgrade/reply", {"success": False, "message": f"reply {self.number + 1}"})

    def may_send(self):
        return self.kind != "reply" and self.client.alive and len(self.unacknowledged) < INFLIGHT

    def next(self):
        if self.kind == "report":
            self.send("report", {"version": f"v{self.number + 1}"})
        else:
            self.send("upgrade/progress", {"progress": self.number % 101, "firmwareId": "lamp-1.1"} | ({"errorReason": pad} if pad else {}))


class Load:
    def __init__(self):
        self.fleet, self.acknowledged, self.sending = Fleet(), 0, True
        self.witnesses = [Witness(self, kind, i) for kind, count in zip(("progress", "report", "reply"), counts) for i in range(count)]
        self.next_retry = self.next_message = self.next_loss = 0
        self.alive, self.outgoing, self.text = True, b"", b""

    def readable(self):
        data = os.read(0, 65536)
        self.alive = bool(data)
        self.text += data

    def retry_replies(self):
        """The operator: so that replies go on."""
        self.next_retry = time.monotonic() + 0.2
        try:
            database.execute("UPDATE task_device SET state = 'waiting' WHERE task_id = 'replies' AND state = 'failed'")
        except sqlite3.OperationalError:
            pass  # locked, or the folder is full

    def turn(self):
        self.fleet.run(0.002 if rate else 0.01)
        now = time.monotonic()
        for witness in self.witnesses:
            if (not witness.client or not witness.client.alive) and now > witness.next_connect:
                witness.connect()
        if self.sending and counts[2] and now > self.next_retry:
            self.retry_replies()
        if self.sending and now > self.next_loss:
            self.lose_a_connection(now)
        if self.sending and rate:
            self.next_message = max(self.next_message, now - 0.1)
            while self.next_message <= now:
                self.next_message += 1 / rate
                able = [each for each in self.witnesses if each.client and each.may_send()]
                if able:
                    random.choice(able).next()
        elif self.sending:
            for witness in self.witnesses:
                while witness.client and witness.may_send():
                    witness.next()

    def lose_a_connection(self, now):
        """A device's connection breaks before it has read the acknowledgements that are on their way."""
        self.next_loss = now + 0.1
        under_way = [each for each in self.witnesses if each.unacknowledged and each.client and each.client.alive]
        if under_way:
            random.choice(under_way).client.drop()

    def drain(self, seconds=60):
        """All is acknowledged, and all that was is in the catalog."""
        deadline = time.monotonic() + seconds
        while any(each.unacknowledged for each in self.witnesses) or self.missing():
            if time.monotonic() > deadline:
                break
            self.turn()

    def found(self, witness):
        """The numbers of the device's messages in the catalog, in their order there."""
        sql = {
            "progress": f"SELECT reported_at - {START} FROM progress_log WHERE device_id = ? ORDER BY log_id",
            "report": f"SELECT reported_at - {START} AS number FROM version_log WHERE device_id = ? AND CAST(substr(version, 2) AS INTEGER) = number ORDER BY log_id",
            "reply": "SELECT CAST(substr(reason, 7) AS INTEGER) FROM reply_audit WHERE device_id = ? AND reason LIKE 'reply %' ORDER BY rowid",
        }[witness.kind]
        while True:
            try:
                return [row[0] for row in database.execute(sql, (witness.name,))]
            except sqlite3.OperationalError:
                time.sleep(0.01)

    def missing(self):
        last = {each: each.acknowledged[-1] for each in self.witnesses if each.acknowledged}
        return any(number not in self.found(each) for each, number in last.items())

    def mistakes(self, complete):
        for each in self.witnesses:
            found = self.found(each)
            lost = set(each.acknowledged) - set(found)
            if lost:
                yield f"{each.name}: {len(lost)} acknowledged are missing, the first is {min(lost)} of {each.number}"
            if len(found) != len(set(found)):
                yield f"{each.name}: {len(found) - len(set(found))} are there twice"
            if found != sorted(found):
                yield f"{each.name}: not in order"
            if complete and set(found) - set(each.acknowledged):
                yield f"{each.name}: {len(set(found) - set(each.acknowledged))} were never sent or acknowledged"
            if len(each.acknowledged) != len(set(each.acknowledged)):
                yield f"{each.name}: acknowledged twice"

    def totals(self):
        return {kind: sum(len(each.acknowledged) for each in self.witnesses if each.kind == kind) for kind in ("progress", "report", "reply")}

    def obey(self, verb):
        if verb == "count":
            return str(self.acknowledged)
        if verb in ("pause", "go"):
            self.sending = verb == "go"
            return "ok"
        if verb == "check":
            self.sending = False
            self.drain()
        wrong = list(self.mistakes(verb == "check"))
        return "; ".join(wrong[:10]) or "ok " + " ".join(f"{count} {kind}" for kind, count in self.totals().items())

    def serve(self):
        self.fleet.selector.register(0, 1, self)
        while self.alive:
            self.turn()
            while b"\n" in self.text:
                line, self.text = self.text.split(b"\n", 1)
                print(self.obey(line.decode()), flush=True)


Load().serve()
