"""What operators do, by SQL, and what the catalog refuses."""

from state import Task

NEWER = "runs {}, which is newer"


class Operators:
    def new_task(self, name, version, mode, turns, plan, stages, state):
        """`turns`: of its devices."""
        self.age += 1
        age = self.wall, self.age
        task = self.tasks[name] = Task(name, version, mode, age, plan, stages)
        task.state = state
        task.said.append("created")
        for device, turn in turns.items():
            self.renew(self.new_row(task, self.devices[device], turn))
        for device in turns:
            self.supersede(task.rows[device])
        self.settle()

    def add_row(self, task, name, turn):
        row = self.new_row(task, self.devices[name], turn)
        self.renew(row)
        self.supersede(row)
        self.settle()

    def supersede(self, row):
        """Rows that wait in older tasks."""
        if not self.supersedes(row.task):
            return
        for old in self.rows_of(row.device):
            if old.state == "waiting" and old.task.age < row.task.age:
                self.tally["superseded"] += 1
                self.end(old, "canceled", f"superseded by {row.task.name}")

    def hear_first(self, device):
        """Of a device: the continuous task has it, too."""
        device.known = True
        for task in list(self.tasks.values()):
            if task.plan.continuous:
                self.renew(self.new_row(task, device, None))
                self.supersede(task.rows[device.name])

    def renew(self, row):
        """How a row begins."""
        row.progress, row.answered, row.watched, row.reason, row.kind = 0, False, None, None, None
        row.state = "canceled" if row.task.state == "stopped" else "waiting"
        row.link = row.told = row.pushed = row.deferred = row.retry_at = None
        row.trial = row.lost = row.proved = None
        row.interruptions = row.retries = 0
        row.verified = False
        version = row.device.version
        if version == row.task.version and not self.leaves(row):
            row.verified = bool(row.attempts)
            self.end(row, "success")
            # it was proved before it was on trial
            row.trial = None
        elif self.is_newer(version, row):
            self.end(row, "canceled", NEWER.format(version))

    # --- the whole task ---

    def stop_rows(self, task):
        task.state, task.reason = "stopped", None
        task.said.append("stopped")
        for row in task.rows.values():
            if row.state == "waiting":
                self.end(row, "canceled", row.reason)
            row.retry_at = None

    def continue_rows(self, task):
        """A stop is over: the counts begin anew."""
        forgiven = task.counts().bad_final
        task.epoch, task.hold, task.done, task.forgiven = task.epoch + 1, None, False, forgiven
        task.said.append("continued")
        for row in task.rows.values():
            if row.state == "canceled":
                self.renew(row)
                if row.state == "success" and row.proved:
                    row.proved = -1  # in an epoch that is over

    def set_state(self, task, state, reason=None):
        before, task.state = task.state, state
        if state == before:
            return
        if state == "stopped":
            self.stop_rows(task)
        elif before == "stopped":
            self.continue_rows(task)
            if state == "paused":
                self.pause(task, reason)
        elif state == "paused":
            self.pause(task, reason)
        else:
            self.resume(task)
        self.settle()

    def resume(self, task):
        task.said.append("resumed")
        done, task.reason = task.done and not task.is_last(), None
        forgiven = task.counts().bad_final
        task.epoch, task.hold, task.done, task.forgiven = task.epoch + 1, None, False, forgiven
        if done:
            task.stage += 1
            task.said.append("stage")
        for row in task.rows.values():  # retries that came due meanwhile
            self.wake(row)

    def raise_stage(self, task):
        if task.stage >= max(1, len(task.stages)):
            return False
        self.next_stage(task, task.counts().bad_final)
        self.settle()
        return True

    def change(self, task, column, value):
        setattr(task.plan, column, value)
        self.settle()

    # --- rows ---

    def retry(self, row):
        """By hand: who wants it now does not wait for a report. It was bad until then."""
        bad = row.bad if row.state == "failed" else None
        self.renew(row)
        if row.state == "waiting":
            row.bad = bad
        self.forgive(row.task)
        if row.device.settle:
            row.device.settle = row.device.hold = None

    def set_row(self, row, state):
        """True when the contract allows it."""
        if row.state == state:
            return True
        if state == "canceled":
            allowed = row.state == "waiting"
        else:
            allowed = row.task.state != "stopped" and row.state in ("canceled", "failed")
        if allowed and state == "canceled":
            self.end(row, "canceled", row.reason)
        elif allowed:
            self.retry(row)
        if allowed:
            self.settle()
        return allowed

    def retry_all(self, task):
        failed = [row for row in task.rows.values() if row.state == "failed"]
        if failed and task.state == "stopped":
            return False
        for row in failed:
            self.retry(row)
        self.settle()
        return True

    def set_turn(self, row, turn):
        if row.attempts and turn != row.turn:
            return False
        row.turn = turn
        return True

    def delete_task(self, task):
        if any(row.open() for row in task.rows.values()):
            return False
        del self.tasks[task.name]
        self.settle()
        return True

    def delete_row(self, row):
        if row.open():
            return False
        del row.task.rows[row.device.name]
        self.forgive(row.task)
        self.settle()
        return True

    def enable(self, enabled):
        self.enabled = enabled
        self.settle()

    def set_needs(self, version, order):
        if order:
            self.needs[version] = order
        else:
            self.needs.pop(version, None)
        self.settle()
