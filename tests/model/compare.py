"""Does the catalog say what the model says?"""

import time

from state import STATES

ROWS = (
    "SELECT task_id, device_id, state, progress, attempts, interruptions, failure, error_reason,"
    " retries, retry_at IS NOT NULL AND state = 'failed',"
    " iif(state = 'waiting', deferred_until, NULL), turn,"
    " iif(state = 'canceled' OR attempts = 0, 0, 2 * (proved_epoch IS NOT NULL)"
    " + (bad_epoch IS NOT NULL)) FROM task_device"
)
TASKS = (
    "SELECT t.task_id, state, stage, paused_reason, stages, t.started, t.proved, t.bad,"
    " t.waiting, t.processing, t.success, t.failed, t.canceled, hold_since IS NOT NULL"
    " FROM task_summary AS t JOIN task_count USING (task_id) ORDER BY 1"
)
# The counts of each task, from its rows.
RECOUNT = (
    "SELECT c.task_id FROM task_count AS c JOIN task_recount AS r USING (task_id)"
    " JOIN task AS t USING (task_id) WHERE"
    " (c.waiting, c.processing, c.success, c.failed, c.canceled, c.started, c.proved, c.bad,"
    " c.bad_final, c.spared, c.retrying, iif(t.state = 'stopped', 0, c.epoch_good),"
    " iif(t.state = 'stopped', 0, c.epoch_bad)) IS NOT"
    " (r.waiting, r.processing, r.success, r.failed, r.canceled, r.started, r.proved, r.bad,"
    " r.bad_final, r.spared, r.retrying,"
    " iif(t.state = 'stopped', 0, r.epoch_good), iif(t.state = 'stopped', 0, r.epoch_bad))"
    " OR c.settling <> 0"
    " OR c.offline <> (SELECT count(*) FROM waiting_offline AS w WHERE w.task_id = c.task_id)"
)
WAITS = "SELECT task_id, device_id, waits_for FROM task_device_waits"


class Compare:
    def choose(self, task, rows, count):
        """Which of these rows the broker began."""
        names = [row.device.name for row in rows]
        marks = ", ".join("?" * len(names))
        sql = "SELECT device_id, attempts FROM task_device WHERE task_id = ? AND device_id IN"
        deadline = time.monotonic() + 4
        while True:
            begun = dict(self.db.execute(f"{sql} ({marks})", (task.name, *names)).fetchall())
            chosen = [row for row in rows if begun[row.device.name] > row.attempts]
            if len(chosen) >= count or time.monotonic() > deadline:
                break
            self.wake_store()
        assert len(chosen) <= count, f"{task.name} began {len(chosen)} rows, {count} may start"
        return chosen

    def wake_store(self):
        """The store is told to look."""
        self.fleet.run(0.005)

    def adopt(self):
        """What the contract leaves open: when within a quarter a retry is, and drawn turns."""
        for task in self.model.tasks.values():
            for row in task.rows.values():
                if row.turn is None:
                    row.turn = self.value("turn", row)
                if row.retry_latest is not None:
                    self.adopt_retry(row)

    def adopt_retry(self, row):
        told = self.value("retry_at", row)
        if told is None or row.state != "failed" or row.retry_at is None:
            return
        model = self.model
        at = told - model.wall + model.clock
        if row.retry_at <= at <= row.retry_latest:
            row.retry_at, row.retry_latest = at, None

    def value(self, column, row):
        sql = f"SELECT {column} FROM task_device WHERE task_id = ? AND device_id = ?"
        found = self.db.execute(sql, (row.task.name, row.device.name)).fetchone()
        return found and found[0]

    def row_of_model(self, row):
        kind = row.kind if row.state == "failed" else None
        deferred = row.deferred_told if row.state == "waiting" and row.deferred else None
        counts = row.attempts and row.state != "canceled"
        outcome = 2 * (row.proved is not None) + (row.bad is not None) if counts else 0
        return (
            row.task.name, row.device.name, row.state, row.progress, row.attempts,
            row.interruptions, kind, row.reason, row.retries,
            int(row.state == "failed" and row.retry_at is not None), deferred, row.turn, outcome,
        )  # fmt: skip

    @staticmethod
    def task_of_model(task):
        counts, rows = task.counts(), [row.state for row in task.rows.values()]
        holds = int(task.hold is not None or task.done)
        return (
            task.name, task.state, task.stage, task.reason, max(1, len(task.stages)),
            counts.started, counts.proved, counts.bad, *(rows.count(state) for state in STATES),
            holds,
        )  # fmt: skip

    def is_late(self):
        """Is something left to do whose time has come?"""
        (offset,) = self.db.execute("SELECT clock_ms - clock_boot_ms FROM catalog_state").fetchone()
        due = self.db.execute(
            "SELECT EXISTS (SELECT 1 FROM task_device WHERE due_at <= ?1) OR EXISTS"
            " (SELECT 1 FROM device WHERE due_at <= ?1 AND presence IS NOT 'offline')",
            (self.broker.boot + offset,),
        )
        return due.fetchone()[0]

    def differences(self):
        model, found = self.model, []

        def same(what, actual, expected):
            pairs = zip(actual, expected)
            found.extend(f"{what}: {a} instead of {e}" for a, e in pairs if a != e)
            if len(actual) != len(expected):
                found.append(f"{what}: {len(actual)} instead of {len(expected)}")

        self.adopt()
        rows = sorted(self.db.execute(ROWS).fetchall(), key=lambda row: row[:2])
        expected = sorted((self.row_of_model(r) for r in model.all_rows()), key=lambda r: r[:2])
        same("row", rows, expected)
        tasks = sorted((self.task_of_model(t) for t in model.tasks.values()), key=lambda t: t[0])
        same("task", self.db.execute(TASKS).fetchall(), tasks)
        sql = "SELECT device_id, version, presence FROM device WHERE product_id = 'lamp' ORDER BY 1"
        known = [d for d in model.devices.values() if d.known]
        expected = sorted((d.name, d.version, d.presence) for d in known)
        same("device", self.db.execute(sql).fetchall(), expected)
        expected = sorted((d.name, d.upgrades) for d in known)
        same("upgrades", sorted((name, self.heard[name]) for name, _ in expected), expected)
        if self.db.execute("SELECT EXISTS (SELECT 1 FROM task_change)").fetchone()[0]:
            found.append("operators' changes are not taken up")
        if self.is_late():
            found.append("what is due is not done")
        return found

    def wrong_waits(self):
        """waits_for names the first thing. What lasts for seconds is about to start; tokens are not
        in the catalog. While the clock is behind, the catalog's view does not know."""
        model, found = self.model, []
        if model.is_behind():
            return found
        for task_id, device, told in self.db.execute(WAITS).fetchall():
            row = model.tasks[task_id].rows[device]
            wait = model.first_wait(row, row.device.version)
            if told != wait and not (wait in (None, "rate") and told in (None, "rate")):
                found.append(f"{task_id} {device} waits for {told} instead of {wait}")
        return found

    def differences_at_end(self):
        """What is too dear to compare each time."""
        found = [f"counts of {task}" for (task,) in self.db.execute(RECOUNT).fetchall()]
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
        for task in self.model.tasks.values():
            found += self.differences_of_task(task)
        if self.db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            found.append("the catalog is damaged")
        return found

    def differences_of_task(self, task):
        found = []
        sql = "SELECT what FROM task_log WHERE task_id = ? AND what <> 'ended' ORDER BY log_id"
        said = [what for (what,) in self.db.execute(sql, (task.name,))]
        if said != task.said:
            found.append(f"task_log of {task.name}: {said} instead of {task.said}")
        for name, row in task.rows.items():
            told = self.events.get((task.name, name))
            if told not in (None, row.state):
                found.append(f"the last event of {task.name} {name}: {told}, not {row.state}")
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
        wrong = self.wrong_waits() + [f"counts of {t}" for (t,) in self.db.execute(RECOUNT)]
        assert not wrong, "\n".join(wrong)
