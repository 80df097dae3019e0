"""Upgrade tasks as the contract has them, in plain Python: no timers but a clock that the test
moves, no catalog but dictionaries. It is told what operators and devices do, and says which rows,
messages and answers follow. Here: attempts, timeouts and connections."""

from collections import Counter

from operators import Operators
from pulls import Pulls
from rollout import Rollouts
from starts import Starts
from state import (
    BLIND, HOLD, RESPONSE, SETTLE, UPGRADE, Device, Row,
)  # fmt: skip
from words import Words

GONE = "gone after each of {} attempts"
NEWER = "runs {}, which is newer"


class Model(Rollouts, Starts, Operators, Words, Pulls):
    """`sees`: the broker tells of connections, so that who is not known to be there is not.
    `choose`: which of these rows a task began, where the contract leaves that open."""

    def __init__(self, versions, devices, broker, choose):
        self.orders = {version: order + 1 for order, version in enumerate(versions)}
        self.devices = {device.name: device for device in devices}
        self.tasks, self.age, self.run, self.links = {}, 0, 0, 0
        self.clock, self.wall, self.seen = broker.boot, broker.wall, broker.wall
        self.started_at = self.clock  # of the broker
        self.sees, self.choose = broker.sees_connections(), choose
        self.policy, self.enabled = "latest", True
        self.needs = {}  # firmware.min_version_order
        self.tally = Counter()  # of what happened

    # --- looking ---

    def rows_of(self, device):
        rows = [task.rows[device.name] for task in self.tasks.values() if device.name in task.rows]
        return sorted(rows, key=lambda row: row.task.age)

    def under_way(self, device):
        return [row for row in self.rows_of(device) if row.state == "processing"]

    def all_rows(self):
        return [row for task in self.tasks.values() for row in task.rows.values()]

    def is_newer(self, version, row):
        """Does who runs this version have nothing to win by the row?"""
        orders, plan = self.orders, row.task.plan
        return not plan.allow_downgrade and orders.get(version, 0) > orders[row.task.version]

    def deadlines(self):
        """All times at which something may happen by itself."""
        yield self.started_at + HOLD
        for device in self.devices.values():
            yield from (time for time in (device.hold, device.settle) if time)
        for row in self.all_rows():
            if row.state == "processing":
                yield from (time for time in self.limits(row) if time)
            own = (row.retry_at, row.deferred, row.trial, row.lost)
            yield from (time for time in own if time)
        for task in self.tasks.values():
            yield from self.deadlines_of(task)

    # --- steps of a row ---

    def begin(self, row, link):
        plan = row.task.plan
        self.tally["started blindly" if link == BLIND else "started"] += 1
        row.state, row.progress, row.attempts = "processing", 0, row.attempts + 1
        row.pushed = row.begun = self.clock
        row.told = self.wall
        row.told_first = row.told_first or self.wall
        row.answered, row.watched, row.link, row.run = False, None, link, self.run
        row.retry_at = row.deferred = row.trial = row.lost = None
        row.verified = False
        self.take_token(row.task)
        until = None if plan.defer_seconds is None else plan.defer_seconds * 1000
        if until is None:
            return None, None
        until += row.told_first
        return until <= self.wall, until if until > self.wall else None

    def answer(self, row, link):
        """A word of the upgrade: the attempt is this connection's from now on."""
        if row.state == "waiting":  # late: the attempt goes on
            row.state, row.pushed, row.run = "processing", self.clock, self.run
            row.begun = self.clock
            row.told = row.told or self.wall
            row.deferred = None  # it goes on after all
        row.answered, row.watched, row.link = True, None, link

    def end(self, row, state, reason=None, kind=None, **how):
        """`how`: what fail() wants to know."""
        failed_anew = state == "failed" and (row.state != "failed" or row.kind != kind)
        row.state, row.reason, row.kind, row.watched = state, reason, kind, None
        if state == "success" or row.final():
            row.link = None
        if state == "success":
            row.progress, row.retry_at, row.lost, row.deferred = 100, None, None, None
            self.succeed(row)
        elif state == "canceled":
            row.proved = row.bad = row.lost = row.deferred = None
        elif failed_anew:
            self.note_failure(row, kind, **how)
        self.forgive(row.task)

    def requeue(self, row):
        row.progress, row.answered, row.watched, row.retry_at = 0, False, None, None
        row.reason = row.kind = None
        row.state = "waiting"
        self.forgive(row.task)
        # a stopped task has no waiting rows, nor has one whose rows another took the place of
        newer = self.superseding(row)
        if row.task.state == "stopped":
            self.end(row, "canceled")
        elif newer:
            self.tally["superseded under way"] += 1
            self.end(row, "canceled", f"superseded by {newer.name}")
        elif self.is_newer(row.device.version, row):
            self.end(row, "canceled", NEWER.format(row.device.version))

    def interrupt(self, row):
        """Neither the device's word nor a timeout while it was there ended the attempt. What was
        sent into the blind, or by an earlier run of the broker, may never have reached it."""
        counts = row.link != BLIND and row.run == self.run
        row.interruptions += counts
        if counts and row.interruptions >= row.task.plan.attempt_limit:
            self.end(row, "failed", GONE.format(row.interruptions), "interrupted")
        else:
            self.requeue(row)

    # --- the broker ---

    def is_held(self, device):
        return any(time and time > self.clock for time in (device.hold, device.settle))

    def unsettle(self, device):
        """It may be about to restart."""
        device.settle = self.clock + SETTLE

    @staticmethod
    def limits(row):
        """When the attempt is over: for want of a word, and for want of an end."""
        if not row.answered:
            # a pull task's attempt is answered by asking
            return row.pushed + RESPONSE, row.pushed + UPGRADE
        return row.watched, row.pushed + UPGRADE

    def advance(self, milliseconds, wall_step=0):
        """`wall_step`: by so much more the wall clock moves."""
        self.clock += milliseconds
        self.wall += milliseconds + wall_step
        for device in self.devices.values():
            for row in self.under_way(device):
                self.time_out(device, row)
        for device in self.devices.values():
            self.look(device)
        for row in self.all_rows():
            self.wake(row)
        self.settle()

    def time_out(self, device, row):
        word, end = self.limits(row)
        if word and word < end and word <= self.clock:
            self.miss_word(device, row)
        elif end <= self.clock:
            answered = row.answered
            self.end(row, "failed", "upgrade timeout", "timeout")
            if answered:
                self.unsettle(device)

    def miss_word(self, device, row):
        there = device.presence == "online" and row.link == device.link
        if there and not row.answered:
            self.end(row, "failed", "response timeout", "response")
        else:
            self.interrupt(row)

    def look(self, device):
        """Has it been waited for long enough? Who is not there does not settle."""
        waited = device.hold or device.settle
        if device.presence == "offline" or self.is_held(device):
            return
        device.hold = None
        if waited and not (device.settle and device.presence is None):
            device.settle = None
            self.send_again(device)

    def send_again(self, device):
        """What went to another connection, and was not answered."""
        first = next(iter(self.under_way(device)), None)
        if first and device.link and first.unanswered() and first.link != device.link:
            self.interrupt(first)

    def restart(self, milliseconds):
        self.run += 1
        for device in self.devices.values():
            device.presence = device.link = device.since = None
        self.clock += milliseconds
        self.started_at = self.clock
        for row in self.all_rows():
            # who was there, and says nothing, may be there where no connections are seen
            away, row.lost = row.lost, None
            if self.sees or away:
                self.await_return(row)
        for task in self.tasks.values():
            task.taken_at, task.tokens = None, 0
        self.clock -= milliseconds
        self.advance(milliseconds)

    # --- connections ---

    def arrive(self, device):
        """By a new connection."""
        self.links += 1
        if device.presence == "offline":
            device.absences.append((self.clock - device.since, self.wall))
        if device.presence != "online":
            device.since = self.clock
        device.presence, device.link, device.heard = "online", self.links, self.clock
        if not device.known:
            return
        self.revoke_verdicts(device, lambda row: False)
        for row in self.rows_of(device):
            if row.lost and row.trial:
                row.trial = max(row.trial, self.clock + SETTLE)
            row.lost = None
        wanted = any(row.waits() or row.unanswered() for row in self.rows_of(device))
        if device.settle:
            device.settle, device.hold = self.clock + SETTLE, None
        else:
            # who went before the time was over is not held a second time
            device.hold = (device.hold or self.clock + HOLD) if wanted else None
        self.look(device)
        self.settle()

    def gone(self, device):
        link, device.presence, device.link = device.link, "offline", None
        device.since = self.clock
        if device.settle:
            device.hold = None
        dead = lambda row: row.link == link and device.heard <= row.pushed
        self.revoke_verdicts(device, dead)
        for row in self.rows_of(device):
            self.await_return(row)
        self.settle()

    def revoke_verdicts(self, device, dead):
        """The response timeout of a link that was dead is none. Of an earlier run nobody knows."""
        for row in self.rows_of(device):
            doubtful = row.state == "failed" and row.kind == "response" and row.link
            if doubtful and (row.run != self.run or dead(row)):
                self.interrupt(row)

    def know(self, name):
        """It is heard of for the first time."""
        device = self.devices[name] = Device(name)
        return device

    def new_row(self, task, device, turn):
        row = task.rows[device.name] = Row(task, device, turn)
        return row
