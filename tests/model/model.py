"""Upgrade tasks as the contract has them, in plain Python: no timers but a clock that the test
moves, no catalog but dictionaries. It is told what operators and devices do, and says which rows,
messages and answers follow. Times are milliseconds of the broker's clock."""

RESPONSE, UPGRADE = 750_000, 2_250_000  # timeouts of every task
WORD = 1_000  # how long a report that ends an upgrade waits for the word that it is complete
HOLD, SETTLE = 3_000, 30_000  # how long a return, or the end of an upgrade, waits for a report
REDELIVERY = 600_000  # what has no time of its own counts so long as a redelivery of its like
COMPLETED = 3_600_000  # how long an upgrade without a task may take until the restart
BLIND = 0  # the connection of a push while nobody knew whether the device is there
STILL = "still runs {} after the upgrade"
GONE = "gone after each of {} attempts"
NEWER = "runs {}, which is newer"


class Row:
    """`link` is the connection of the last attempt. It is None when nothing was sent since the
    device last reported a version: then no message without a name can be about this row."""

    def __init__(self, task, device):
        self.task, self.device = task, device
        self.state, self.progress, self.attempts, self.interruptions = "waiting", 0, 0, 0
        self.kind = self.reason = self.link = None
        self.answered = False  # this attempt
        self.pushed = self.told = None  # when its timers began, and when it was sent
        self.watched = None  # until when a word of the upgrade is due after a return
        self.run = 0  # of the broker that sent it

    def open(self):
        return self.state in ("waiting", "processing")

    def waits(self):
        """May it be pushed?"""
        task = self.task
        return self.state == "waiting" and task.mode == "push" and task.state == "running"

    def final(self):
        """It failed by the device's own word."""
        return self.state == "failed" and self.kind in ("device", "refused")

    def unanswered(self):
        return self.state == "processing" and not self.answered


class Task:
    def __init__(self, name, version, mode, age, limit, downgrade):
        self.name, self.version, self.mode, self.age = name, version, mode, age
        self.limit, self.downgrade = limit, downgrade
        self.state, self.rows = "running", {}


class Device:
    """`hold`: until when a return waits for its report; `settle`: until when the end of an upgrade
    does; `before`: what it ran before the upgrade that it completed and has not reported since."""

    def __init__(self, name):
        self.name, self.version, self.presence, self.link = name, None, None, None
        self.heard = 0  # its last message
        self.hold = self.settle = self.before = None
        self.before_until = 0
        self.upgrades = []  # versions it was told
        self.logged, self.versions = [], []  # progress_log and version_log
        self.progress_said = []  # without a time: what, by which connection, when
        self.refusals = []  # the same of refusals


class Model:
    """`sees`: the broker tells of connections, so that who is not known to be there is not."""

    def __init__(self, versions, devices, clock, sees=False):
        self.orders = {version: order + 1 for order, version in enumerate(versions)}
        self.devices = {name: Device(name) for name in devices}
        self.tasks, self.age, self.run, self.links = {}, 0, 0, 0
        self.clock, self.sees = clock, sees
        self.policy, self.enabled = "latest", True

    # --- looking ---

    def rows_of(self, device):
        rows = [task.rows[device.name] for task in self.tasks.values() if device.name in task.rows]
        return sorted(rows, key=lambda row: row.task.age)

    def under_way(self, device):
        return [row for row in self.rows_of(device) if row.state == "processing"]

    def table(self):
        rows = [row for task in self.tasks.values() for row in task.rows.values()]
        return sorted((r.task.name, r.device.name, *self.columns(r)) for r in rows)

    @staticmethod
    def columns(row):
        kind = row.kind if row.state == "failed" else None
        return row.state, row.progress, row.attempts, row.interruptions, kind, row.reason

    def is_newer(self, version, row):
        """Does who runs this version have nothing to win by the row?"""
        orders, task = self.orders, row.task
        return not task.downgrade and orders.get(version, 0) > orders[task.version]

    def deadlines(self):
        """All times at which something may happen by itself."""
        for device in self.devices.values():
            yield from (time for time in (device.hold, device.settle) if time)
            for row in self.under_way(device):
                yield from (time for time in self.limits(row) if time)

    # --- steps of a row ---

    def begin(self, row, link):
        row.state, row.progress, row.attempts = "processing", 0, row.attempts + 1
        row.pushed = row.told = self.clock
        row.answered, row.watched, row.link, row.run = False, None, link, self.run

    def answer(self, row, link):
        """A word of the upgrade: the attempt is this connection's from now on."""
        if row.state == "waiting":  # late: the attempt goes on
            row.state, row.pushed, row.run = "processing", self.clock, self.run
            row.told = row.told or self.clock
        row.answered, row.watched, row.link = True, None, link

    def end(self, row, state, reason=None, kind=None):
        row.state, row.reason, row.kind, row.watched = state, reason, kind, None
        if state == "success":
            row.progress = 100
        if state == "success" or row.final():
            row.link = None

    def requeue(self, row):
        # a stopped task has no waiting rows
        row.state = "waiting" if row.task.state == "running" else "canceled"
        row.progress, row.answered, row.watched = 0, False, None
        row.reason = row.kind = None

    def interrupt(self, row):
        """Neither the device's word nor a timeout while it was there ended the attempt. What was
        sent into the blind, or by an earlier run of the broker, may never have reached it."""
        counts = row.link != BLIND and row.run == self.run
        row.interruptions += counts
        if counts and row.interruptions >= row.task.limit:
            self.end(row, "failed", GONE.format(row.interruptions), "interrupted")
        else:
            self.requeue(row)

    # --- the broker ---

    def is_held(self, device):
        return any(time and time > self.clock for time in (device.hold, device.settle))

    def dispatch(self, device):
        """One task at a time, the oldest first, and not to who is known to be offline."""
        row = next((row for row in self.rows_of(device) if row.waits()), None)
        if not self.enabled or not row or self.under_way(device) or self.is_held(device):
            return
        if device.presence == "offline":
            return
        # nobody knows whether it is there: once, until it shows itself
        if device.presence is None and (self.sees or device.settle or row.link == BLIND):
            return
        self.begin(row, device.link or BLIND)
        device.upgrades.append(row.task.version)

    def unsettle(self, device):
        """It may be about to restart."""
        device.settle = self.clock + SETTLE

    @staticmethod
    def limits(row):
        """When the attempt is over: for want of a word, and for want of an end."""
        if not row.answered:
            return row.pushed + RESPONSE, row.pushed + UPGRADE
        return row.watched, row.pushed + UPGRADE

    def advance(self, milliseconds):
        self.clock += milliseconds
        for device in self.devices.values():
            for row in self.under_way(device):
                self.time_out(device, row)
            self.look(device)

    def time_out(self, device, row):
        word, end = self.limits(row)
        if word and word < end and word <= self.clock:
            self.miss_word(device, row)
        elif end <= self.clock:
            self.end(row, "failed", "upgrade timeout", "timeout")
            self.unsettle(device)
        else:
            return
        self.dispatch(device)

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
        self.dispatch(device)

    def send_again(self, device):
        """What went to another connection, and was not answered."""
        first = next(iter(self.under_way(device)), None)
        if first and device.link and first.unanswered() and first.link != device.link:
            self.interrupt(first)

    def restart(self, milliseconds):
        self.run += 1
        for device in self.devices.values():
            device.presence = device.link = None
        self.advance(milliseconds)

    # --- connections ---

    def arrive(self, device):
        """By a new connection."""
        self.links += 1
        device.presence, device.link, device.heard = "online", self.links, self.clock
        self.doubt_verdicts(device, lambda row: False)
        wanted = any(row.waits() or row.unanswered() for row in self.rows_of(device))
        if device.settle:
            device.settle, device.hold = self.clock + SETTLE, None
        else:
            # who went before the time was over is not held a second time
            device.hold = (device.hold or self.clock + HOLD) if wanted else None
        self.look(device)

    def gone(self, device):
        link, device.presence, device.link = device.link, "offline", None
        if device.settle:
            device.hold = None
        dead = lambda row: row.link == link and device.heard <= row.pushed
        self.doubt_verdicts(device, dead)

    def doubt_verdicts(self, device, dead):
        """The response timeout of a link that was dead is none. Of an earlier run nobody knows."""
        for row in self.rows_of(device):
            doubtful = row.state == "failed" and row.kind == "response" and row.link
            if doubtful and (row.run != self.run or dead(row)):
                self.interrupt(row)

    # --- operators ---

    def new_task(self, name, version, mode, names, limit, downgrade):
        self.age += 1
        task = self.tasks[name] = Task(name, version, mode, self.age, limit, downgrade)
        self.add_rows(task, names)

    def add_rows(self, task, names):
        for name in names:
            task.rows[name] = row = Row(task, self.devices[name])
            self.renew(row)
        for name in names:
            self.dispatch(self.devices[name])

    def stop(self, task):
        task.state = "stopped"
        stopped = [row for row in task.rows.values() if row.state == "waiting"]
        for row in stopped:
            row.state = "canceled"
        for row in stopped:
            self.dispatch(row.device)

    def resume(self, task):
        task.state = "running"
        continued = [row for row in task.rows.values() if row.state == "canceled"]
        for row in continued:
            self.renew(row)
        for row in continued:
            self.dispatch(row.device)

    def renew(self, row):
        """How a row begins."""
        self.requeue(row)
        row.link = row.told = row.pushed = None
        row.interruptions = 0
        version = row.device.version
        if version == row.task.version:
            self.end(row, "success")
        elif self.is_newer(version, row):
            self.end(row, "canceled", NEWER.format(version))

    def retry(self, row):
        """By hand: who wants it now does not wait for a report."""
        self.renew(row)
        if row.device.settle:
            row.device.settle = row.device.hold = None

    def set_row(self, row, state):
        """True when the contract allows it."""
        if row.state == state:
            return True
        if state == "canceled":
            allowed = row.state == "waiting"
        else:
            retried = row.state == "failed"
            allowed = row.task.state == "running" and (row.state == "canceled" or retried)
        if allowed and state == "canceled":
            row.state = "canceled"
        elif allowed:
            self.retry(row)
        if allowed:
            self.dispatch(row.device)
        return allowed

    def retry_all(self, task):
        failed = [row for row in task.rows.values() if row.state == "failed"]
        if failed and task.state != "running":
            return False
        for row in failed:
            self.retry(row)
        for row in failed:
            self.dispatch(row.device)
        return True

    def delete_task(self, task):
        if any(row.open() for row in task.rows.values()):
            return False
        del self.tasks[task.name]
        return True

    def delete_row(self, row):
        if row.open():
            return False
        del row.task.rows[row.device.name]
        return True

    def enable(self, enabled):
        self.enabled = enabled
        for device in self.devices.values():
            self.dispatch(device)

    # --- what devices say: which row it is about, and whether it was heard before ---

    def row_named(self, device, version):
        """The row under way, else the oldest that waits, else the latest that ended."""
        rows = [row for row in self.rows_of(device) if row.task.version == version]
        places = {"processing": 0, "waiting": 1}

        def place(row):
            age = row.task.age
            return places.get(row.state, 2), age if row.state == "waiting" else -age

        return min(rows, key=place, default=None)

    def row_meant(self, device, version):
        """Without a name it is the only one that was sent since the device last reported."""
        if version:
            return self.row_named(device, version)
        sent = [row for row in self.rows_of(device) if row.link is not None]
        return sent[0] if len(sent) == 1 else None

    def attempt_since(self, device, version):
        """What came before a later attempt began is no redelivery of a word in it."""
        row = self.row_meant(device, version)
        return row.told or 0 if row and row.state != "waiting" else 0

    def in_attempt(self, device, version, moment):
        return moment >= self.attempt_since(device, version)

    def progress_repeated(self, device, version, words):
        """Of a device without a clock: an earlier connection said it, within this attempt."""
        since = max(self.attempt_since(device, version), self.clock - REDELIVERY)
        told = [(what, link) for what, link, time in device.progress_said if time >= since]
        return any(what == (version, words) and link != device.link for what, link in told)

    def refusal_repeated(self, device, words):
        """Of a device without a clock: the connection before the last said it."""
        former = max((link for _, link in device.refusals if link != device.link), default=None)
        return (words, former) in device.refusals

    # --- what devices say ---

    def knows(self, device, version):
        """It says that it runs this version: what was to get there has, or is passed."""
        if device.version != version:
            device.versions.append((version, device.version))
            device.version = version
        for row in self.rows_of(device):
            # a failure that was the broker's verdict is overturned by the facts
            overturned = row.state == "failed" and not row.final()
            if row.task.version == version and (row.open() or overturned):
                self.end(row, "success")
            elif row.open() and self.is_newer(version, row):
                self.end(row, "canceled", NEWER.format(version))

    def tells(self, device, version):
        """In a report or a pull: nothing is waited for any more."""
        self.knows(device, version)
        device.hold = device.settle = device.before = None

    def forget_sent(self, device):
        """What comes late without a name is about no row that ended before a report."""
        for row in self.rows_of(device):
            if row.state != "processing":
                row.link = None

    def report(self, device, version, repeated):
        device.heard = self.clock
        if repeated:
            return
        arrives = any(row.task.version == version for row in self.under_way(device))
        self.tells(device, version)
        if arrives:  # it may still say that it completed it
            device.hold = self.clock + WORD
        for row in self.under_way(device):
            self.report_other(device, row, version)
        self.forget_sent(device)
        self.dispatch(device)

    def report_other(self, device, row, version):
        if row.progress == 100:
            self.end(row, "failed", STILL.format(version), "version")
        elif row.link != device.link and not row.answered:
            self.interrupt(row)
        elif row.link != device.link:
            row.watched = row.watched or self.clock + RESPONSE

    def reply(self, device, version, success, reason, repeated):
        device.heard = self.clock
        row = self.row_meant(device, version)
        # what was sent to this very connection can only have been answered after that
        if not row or not row.open() or (repeated and row.link != device.link):
            return
        if success:
            self.answer(row, device.link)
        else:
            self.end(row, "failed", reason, "refused")
            self.dispatch(device)

    def progress(self, device, version, percent, complete, success, reason, repeated):
        device.heard = self.clock
        if repeated:
            return
        row = self.row_meant(device, version)
        self.log(device, row, version, percent, complete, success)
        if not complete:
            self.progress_row(device, row, percent)
        elif success:
            self.complete(device, row, version)
        elif row:
            self.fail(device, row, percent, reason)
        self.dispatch(device)

    @staticmethod
    def log(device, row, version, percent, complete, success):
        task = row.task.name if row else None
        success = int(success) if complete else None
        device.logged.append((task, version, percent, int(complete), success))

    def progress_row(self, device, row, percent):
        if row and row.open():
            self.answer(row, device.link)
            row.progress = max(row.progress, percent)

    def fail(self, device, row, percent, reason):
        if row.open():
            self.unsettle(device)
        elif row.state != "failed" or row.final():
            return
        row.progress = max(row.progress, percent)
        self.end(row, "failed", reason, "device")

    def complete(self, device, row, version):
        if row and (row.open() or (row.state == "failed" and not row.final())):
            self.end(row, "success")
        version = row.task.version if row else version
        if not version:
            return
        device.before = device.version if version != device.version else device.before
        device.before_until = self.clock + (UPGRADE if row else COMPLETED)
        self.knows(device, version)
        self.unsettle(device)

    # --- pulls ---

    def may_have(self, row, current):
        above = self.orders[row.task.version] > self.orders.get(current, 0)
        return row.task.version != current and (above or row.task.downgrade)

    def row_offered(self, device, current):
        """The row whose firmware a pull gets, and whether it can be handed out; None: no row. One
        that is not for the device holds up no other."""
        running = [row for row in self.rows_of(device) if row.task.state == "running"]
        waiting = [row for row in running if row.state == "waiting"]
        wanted = [row for row in waiting if self.may_have(row, current)]
        rows = self.under_way(device) or wanted or waiting
        pick = min if self.policy == "stepwise" else max
        order = pick((self.orders[row.task.version] for row in rows), default=None)
        rows = [row for row in rows if self.orders[row.task.version] == order]
        most = lambda row: (row.task.state == "running", row.task.downgrade)
        return max(rows, key=most, default=None)

    def policy_version(self, below):
        above = sorted((order, v) for v, order in self.orders.items() if order > below)
        if self.policy == "task" or not above:
            return None
        return above[-1 if self.policy == "latest" else 0][1]

    def candidate(self, device, current):
        row = self.row_offered(device, current)
        if not row:
            return self.policy_version(self.orders.get(current, 0))
        # one upgrade at a time: that of a stopped task is not handed out, and nothing else is
        if row.task.state != "running" or not self.may_have(row, current):
            return None
        return row.task.version

    def pull(self, device, current, requested):
        """Returns the version of the answer, or its code."""
        device.heard = self.clock
        before_restart = current and current == device.before and self.clock < device.before_until
        if not self.enabled:
            answer = "firmware_disabled"
        elif requested:
            answer = requested if requested in self.orders else "version_not_found"
        # what is under way is told again, whatever it said before
        elif before_restart and not self.under_way(device):
            answer = "no_update"
        else:
            answer = self.candidate(device, current or device.version) or "no_update"
        self.pull_tells(device, None if before_restart else current)
        self.hand_out(device, answer)
        self.dispatch(device)
        return answer

    def pull_tells(self, device, current):
        if current:
            self.tells(device, current)
            self.forget_sent(device)
        elif not device.settle:
            device.hold = None

    def hand_out(self, device, version):
        row = self.row_named(device, version)
        if not row or not row.open():
            return
        if row.state == "waiting":
            waiting = [r for r in self.rows_of(device) if r.state == "waiting"]
            if row.task.state != "running" or self.under_way(device):
                return
            row = next(r for r in waiting if r.task.version == version)
            self.begin(row, device.link)
        self.answer(row, device.link)
