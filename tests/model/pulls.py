"""What a pull is answered (plugin/doc/protocol.md, "Ask for firmware"; plugin/doc/rollouts.md), and
images that call themselves otherwise."""

from state import Offer

TIMES = 3  # that firmware is installed and reported otherwise, until it is not offered again
KNOWN = ("start time", "deferred", "retry", "rate")  # waits of which the end is known


class Pulls:
    def may_have(self, row, current):
        above = self.orders[row.task.version] > self.orders.get(current, 0)
        return row.task.version != current and (above or row.task.plan.allow_downgrade)

    def retried(self, row, current):
        """It failed, is started again later, and keeps the device from the policy until then."""
        return row.state == "failed" and row.retry_at is not None and self.may_have(row, current)

    def rows_offered(self, device, current):
        """Open rows, in the order in which they are tried. One upgrade at a time."""
        rows = self.rows_of(device)
        rows = [row for row in rows if row.state == "waiting" or self.retried(row, current)]
        rows = self.under_way(device) or rows
        up = 1 if self.policy == "stepwise" else -1

        def place(row):
            task = row.task
            running, downgrade = task.state == "running", task.plan.allow_downgrade
            return up * self.orders[task.version], not running, not downgrade, task.age

        return sorted(rows, key=place)

    @staticmethod
    def keeps_firmware(task):
        """Who is first heard of by a pull has no row yet in a continuous task."""
        ruled = task.plan.continuous and (task.state == "paused" or task.has_rules())
        return task.state != "stopped" and bool(task.stages or ruled)

    def policy_version(self, current):
        """Without a task, and without what a task brings in stages."""
        below = self.orders.get(current, 0)
        staged = {t.version for t in self.tasks.values() if self.keeps_firmware(t)}
        free = [
            (order, v) for v, order in self.orders.items()
            if order > below and v not in staged and self.needs.get(v, 0) <= below
        ]  # fmt: skip
        if self.policy == "task" or not free:
            return None
        return (max if self.policy == "latest" else min)(free)[1]

    def candidate(self, device, current, before_restart):
        """The row or the version that the pull is answered with, and for how long it is not:
        None, or whether that is known."""
        rows, waits = self.rows_offered(device, current), set()
        for row in rows:
            wanted = self.may_have(row, current)
            if row.state == "processing":
                # what is under way is told again; not that of a task that is stopped
                told = wanted and row.task.state != "stopped"
                told = told and not self.is_mislabelled(device, row.task.version, current)
                return (row if told else None), row.task.version, False
            if not wanted or row.task.state != "running":
                continue
            if before_restart:
                return None, None, False
            if self.is_mislabelled(device, row.task.version, current):
                continue
            wait = self.first_wait(row, current, asking=True)
            if not wait:
                return row, row.task.version, False
            waits.add(wait)
        if rows:
            return None, None, bool(waits & set(KNOWN)) and not self.is_behind()
        version = self.policy_version(current)
        if before_restart or self.is_mislabelled(device, version, current):
            version = None
        return None, version, False

    def pull(self, device, current, requested):
        """Returns the version of the answer, or its code, and whether it says when to ask again."""
        device.heard = self.clock
        before_restart = current and current == device.before and self.wall < device.before_until
        row, again = None, False
        if not self.enabled:
            answer = "firmware_disabled"
        elif requested:
            answer = requested if requested in self.orders else "version_not_found"
            row = self.row_requested(device, answer)
        else:
            row, version, again = self.candidate(
                device, current or device.version, before_restart
            )
            under_way = self.under_way(device)
            version = version if row or not under_way else None
            answer = version or "no_update"
        self.pull_tells(device, None if before_restart else current)
        if answer in self.orders:
            self.note_offer(device, answer, current)
        if row and row.open():
            self.hand_out(device, row)
        self.settle()
        return answer, again

    def pull_tells(self, device, current):
        if current:
            self.judge_label(device, current, by_pull=True)
            self.tells(device, current)
            self.stays(device, current)
            self.forget_sent(device)
        elif not device.settle:
            device.hold = None
        if not current and not device.before:
            self.judge_label(device, device.version, by_pull=True)

    def row_requested(self, device, version):
        """It passes by all rules; so it begins no row of a task that has rules of its own."""
        row = self.row_named(device, version)
        if not row or row.state != "waiting":
            return row
        rows = [r for r in self.rows_of(device) if r.state == "waiting"]
        free = [
            r for r in rows if r.task.version == version and r.task.state == "running"
            and not (r.task.has_rules() or r.deferred or version in self.needs)
        ]  # fmt: skip
        return free[0] if free and not self.under_way(device) else None

    def hand_out(self, device, row):
        if row.state == "waiting":
            self.begin(row, device.link)
        self.answer(row, device.link)

    # --- rule 14 ---

    def is_mislabelled(self, device, version, current):
        times, runs, label = device.mislabelled.get(version, (0, None, None))
        # this pull may be what shows it for the last time
        offered = device.offer and device.offer.version == version
        last = times == TIMES - 1 and current == label and bool(offered)
        found = (times >= TIMES and current in (runs, label)) or last
        self.tally["mislabelled"] += found
        return found

    @staticmethod
    def note_offer(device, version, current):
        if not device.offer or device.offer.version != version:
            device.offer = Offer(version, current or device.version, False)
        elif device.offer.runs is None:  # nobody knew what it ran
            device.offer = device.offer._replace(runs=current or device.version)

    def judge_label(self, device, version, by_pull):
        """What it calls itself, after it was offered something. Who only polls says what it said
        before."""
        offer = device.offer
        if not offer or not version:
            return
        times, _, label = device.mislabelled.get(offer.version, (0, None, None))
        if version == offer.version:
            device.mislabelled.pop(offer.version, None)
            device.offer = None
            return
        otherwise = offer.completed or version == label or (offer.runs and version != offer.runs)
        if by_pull and otherwise:
            device.mislabelled[offer.version] = (times + 1, offer.runs, version)
            device.offer = None
