"""Upgrade tasks as section 4 of the contract has them, in plain Python: no timers but a clock that the test moves, no
catalog but dictionaries. It is told what operators and devices do, and says which rows, messages and answers follow."""

RESPONSE, UPGRADE = 750, 2250  # seconds: timeouts of every task; the clock moves by TICK
TICK = 500


class Row:
    def __init__(self, task, device, state):
        self.task, self.device, self.state = task, device, state
        self.progress = 100 if state == "success" else 0
        self.attempts = 0
        self.reason = None
        self.final = False  # failed by the device's own word
        self.responded = self.interrupted = False
        self.there = False  # the device was online when it was pushed, and the broker has run ever since
        self.pushed = None
        self.run = 0  # of the broker, that pushed it

    def open(self):
        return self.state in ("waiting", "processing")


class Task:
    def __init__(self, name, version, mode, age):
        self.name, self.version, self.mode, self.age = name, version, mode, age
        self.state, self.rows = "running", {}


class Device:
    def __init__(self, name):
        self.name, self.version, self.presence, self.connected = name, None, None, False
        self.upgrades = []  # versions it was told
        self.logged, self.versions = [], []  # progress_log and version_log
        self.said = []  # messages it may say again


class Model:
    def __init__(self, versions, devices):
        self.orders = {version: order + 1 for order, version in enumerate(versions)}
        self.devices = {name: Device(name) for name in devices}
        self.tasks, self.age, self.clock, self.run = {}, 0, 0, 0
        self.policy, self.enabled = "latest", True

    # --- looking ---

    def rows_of(self, device):
        found = [task.rows[device.name] for task in self.tasks.values() if device.name in task.rows]
        return sorted(found, key=lambda row: row.task.age)

    def table(self):
        return sorted(
            (t.name, r.device.name, r.state, r.progress, r.attempts, r.reason) for t in self.tasks.values() for r in t.rows.values()
        )

    # --- the broker ---

    def dispatch(self, device):
        """One task at a time, the oldest first, and not to who is known to be offline."""
        rows = self.rows_of(device)
        if not self.enabled or device.presence == "offline" or any(row.state == "processing" for row in rows):
            return
        for row in rows:
            if row.state == "waiting" and row.task.mode == "push" and row.task.state == "running":
                self.begin(row)
                row.there, row.run = device.presence == "online", self.run
                device.upgrades.append(row.task.version)
                return

    def begin(self, row):
        row.state, row.progress, row.pushed = "processing", 0, self.clock
        row.attempts += 1
        row.responded = row.interrupted = False

    def end(self, row, state, reason=None, final=False):
        row.state, row.reason, row.final = state, reason, final
        if state == "success":
            row.progress = 100

    def wait_again(self, row):
        # a stopped task has no waiting rows
        row.state = "waiting" if row.task.state == "running" else "canceled"
        row.progress, row.responded, row.interrupted = 0, False, False

    def advance(self):
        self.clock += TICK
        for device in self.devices.values():
            for row in self.rows_of(device):
                if row.state == "processing":
                    self.time_out(device, row)

    def time_out(self, device, row):
        age = self.clock - row.pushed
        if row.task.mode == "push" and not row.responded and age > RESPONSE:
            if device.presence == "online" and row.there and not row.interrupted:
                self.end(row, "failed", "response timeout")
                self.dispatch(device)
            else:
                self.wait_again(row)
                # who is there is pushed again at once, who is not when it shows itself; what an earlier run
                # of the broker recorded may never have been sent, and is sent once more
                if device.presence == "online" or row.run != self.run:
                    self.dispatch(device)
        elif age > UPGRADE:
            self.end(row, "failed", "upgrade timeout")
            self.dispatch(device)

    def restart(self):
        self.run += 1
        for device in self.devices.values():
            device.presence, device.connected = None, False
            for row in self.rows_of(device):
                row.there = False
            self.dispatch(device)

    # --- operators ---

    def new_task(self, name, version, mode, names):
        self.age += 1
        task = self.tasks[name] = Task(name, version, mode, self.age)
        self.add_rows(task, names)

    def add_rows(self, task, names):
        for name in names:
            device = self.devices[name]
            state = "success" if device.version == task.version else "waiting" if task.state == "running" else "canceled"
            task.rows[name] = Row(task, device, state)
        for name in names:
            self.dispatch(self.devices[name])

    def stop(self, task):
        if task.state == "stopped":
            return
        task.state = "stopped"
        stopped = [row for row in task.rows.values() if row.state == "waiting"]
        for row in stopped:
            row.state = "canceled"
        for row in stopped:
            self.dispatch(row.device)

    def resume(self, task):
        if task.state == "running":
            return
        task.state = "running"
        continued = [row for row in task.rows.values() if row.state == "canceled"]
        for row in continued:
            self.renew(row)
        for row in continued:
            self.dispatch(row.device)

    def renew(self, row):
        self.wait_again(row)
        row.reason, row.final = None, False
        if row.device.version == row.task.version:
            self.end(row, "success")

    def set_row(self, row, state):
        """True when the contract allows it."""
        if row.state == state:
            return True
        if state == "canceled":
            allowed = row.state == "waiting"
        else:
            allowed = row.task.state == "running" and (row.state == "canceled" or (row.state == "failed" and row.task.mode == "push"))
        if allowed and state == "canceled":
            row.state = "canceled"
        elif allowed:
            self.renew(row)
        if allowed:
            self.dispatch(row.device)
        return allowed

    def retry_all(self, task):
        failed = [row for row in task.rows.values() if row.state == "failed"]
        if failed and (task.mode != "push" or task.state != "running"):
            return False
        for row in failed:
            self.renew(row)
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

    # --- devices ---

    def seen(self, device):
        """It publishes: whatever it says follows."""
        if device.presence != "online":
            device.presence = "online"
            self.dispatch(device)

    def gone(self, device):
        device.presence, device.connected = "offline", False
        for row in self.rows_of(device):
            if row.state == "processing":
                row.interrupted = True

    def knows(self, device, version):
        """It says that it runs this version."""
        if device.version != version:
            device.versions.append((version, device.version))
            device.version = version
        for row in self.rows_of(device):
            # a failure that was the broker's verdict is overturned by the facts
            if row.task.version == version and (row.open() or (row.state == "failed" and not row.final)):
                self.end(row, "success")

    def report(self, device, version):
        self.knows(device, version)
        for row in self.rows_of(device):
            if row.state == "processing" and row.task.version != version and (row.progress == 100 or row.interrupted):
                self.end(row, "failed", f"still runs {version} after the upgrade")
        self.dispatch(device)

    def current_row(self, device):
        """Which row a message without a firmware is about."""
        rows = [row for row in self.rows_of(device) if row.open()]
        # the one under way that was pushed or answered, one under way, the oldest that waits after an attempt
        rows.sort(key=lambda row: (row.state != "processing", not row.attempts))
        return next((row for row in rows if row.attempts or row.state == "processing"), None)

    def respond(self, row):
        if row.state == "waiting":  # a late sign of life: its attempt goes on
            row.pushed, row.state = self.clock, "processing"
        row.responded = True

    def reply(self, device, success, reason):
        row = self.current_row(device)
        if not row:
            return
        if success:
            self.respond(row)
        else:
            self.end(row, "failed", reason, final=True)
            self.dispatch(device)

    def progress(self, device, version, percent, complete, success, reason):
        rows = [row for row in self.rows_of(device) if row.task.version == version]
        # the row under way, else the oldest that waits, else the latest that ended
        rows.sort(key=lambda row: ({"processing": 0, "waiting": 1}.get(row.state, 2), row.task.age if row.state == "waiting" else -row.task.age))
        row = rows[0] if rows else None
        device.logged.append((row.task.name if row else None, version, percent, int(complete), int(success) if complete else None, reason))
        overturned = row and row.state == "failed" and not row.final
        if row and not complete and row.open():
            self.respond(row)
            row.progress = max(row.progress, percent)
        elif row and complete and not success and (row.open() or overturned):
            row.progress = max(row.progress, percent)
            self.end(row, "failed", reason, final=True)
        if complete and success:
            self.knows(device, version)
        self.dispatch(device)

    def candidate(self, device, current):
        rows = [row for row in self.rows_of(device) if row.open() and row.task.state == "running"]
        below = self.orders.get(current, 0)
        if rows:
            pick = min if self.policy == "stepwise" else max
            version = pick((row.task.version for row in rows), key=self.orders.get)
        elif self.policy == "task":
            return None
        elif self.policy == "latest":
            version = max(self.orders, key=self.orders.get)
        else:
            version = next((v for v, order in sorted(self.orders.items(), key=lambda item: item[1]) if order > below), None)
        return version if version and self.orders[version] > below else None

    def pull(self, device, current, requested):
        """Returns the version of the answer, or its code."""
        if not self.enabled:
            answer = "firmware_disabled"
        elif requested:
            answer = requested if requested in self.orders else "version_not_found"
        else:
            answer = self.candidate(device, current or device.version) or "no_update"
        if current and current != device.version:
            self.knows(device, current)
        given = [row for row in self.rows_of(device) if row.task.version == answer and row.open() and row.task.state == "running"]
        under_way = [row for row in given if row.state == "processing"]
        if given and not under_way:
            row = min(given, key=lambda row: row.task.age)
            self.begin(row)
            row.responded = True
        elif under_way and under_way[-1].task.mode == "push":
            under_way[-1].responded = True
        self.dispatch(device)
        return answer
