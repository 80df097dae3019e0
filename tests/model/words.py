"""What devices say: which row it is about, whether it was heard before, and what follows."""

from state import COMPLETED, REDELIVERY, RESPONSE, UPGRADE, WORD

STILL = "still runs {} after the upgrade"
NEWER = "runs {}, which is newer"


class Words:
    # --- what it is about ---

    def row_named(self, device, version):
        """The row under way, else the oldest that waits, else the latest that ended."""
        rows = [row for row in self.rows_of(device) if row.task.version == version]
        open_rows = [row for row in rows if row.open()]
        places = {"processing": 0, "waiting": 1}
        first = min(open_rows, key=lambda row: places[row.state], default=None)
        return first or next(reversed(rows), None)

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
        since = max(self.attempt_since(device, version), self.wall - REDELIVERY)
        told = [(what, link) for what, link, time in device.progress_said if time >= since]
        return any(what == (version, words) and link != device.link for what, link in told)

    def refusal_repeated(self, device, words):
        """Of a device without a clock: the connection before the last said it."""
        former = max((link for _, link in device.refusals if link != device.link), default=None)
        return (words, former) in device.refusals

    # --- versions ---

    def leaves(self, row):
        """Its device is under way to another version: a task that takes back waits for the end."""
        others = (other.task.version for other in self.under_way(row.device))
        return bool(row.task.plan.allow_downgrade) and any(v != row.task.version for v in others)

    def stays(self, device, version, reported=True):
        """It runs what it was to be taken back to, and nothing is under way any more."""
        for row in self.rows_of(device):
            if row.task.version == version and row.state == "waiting" and not self.leaves(row):
                self.end(row, "success")
                if reported:
                    self.verify(row)

    def knows(self, device, version):
        """It says that it runs this version: what was to get there has, or is passed."""
        if device.version != version:
            device.versions.append((version, device.version))
            device.version = version
        for row in self.rows_of(device):
            # a failure that was the broker's verdict is overturned by the facts
            overturned = row.state == "failed" and not row.final()
            if row.task.version == version and (row.open() or overturned):
                if row.state != "waiting" or not self.leaves(row):
                    self.end(row, "success")
            elif row.open() and self.is_newer(version, row):
                self.end(row, "canceled", NEWER.format(version))

    def tells(self, device, version):
        """In a report or a pull: nothing is waited for any more."""
        self.knows(device, version)
        for row in self.rows_of(device):
            if row.task.version == version:
                self.verify(row)
        self.review_trials(device, version)
        device.hold = device.settle = device.before = None

    def forget_sent(self, device):
        """What comes late without a name is about no row that ended before a report."""
        for row in self.rows_of(device):
            if row.state != "processing":
                row.link = None

    def report(self, device, version, offset, repeated):
        device.heard = self.clock
        if repeated:
            return
        self.judge_label(device, version, by_pull=False)
        if offset is not None:
            device.offset = offset
        arrives = any(row.task.version == version for row in self.under_way(device))
        self.tells(device, version)
        if arrives:  # it may still say that it completed it
            device.hold = self.clock + WORD
        for row in self.under_way(device):
            self.report_other(device, row, version)
        self.stays(device, version)
        self.forget_sent(device)
        self.settle()

    def report_other(self, device, row, version):
        if row.progress == 100:
            self.end(row, "failed", STILL.format(version), "version")
        elif row.link != device.link and not row.answered:
            self.interrupt(row)
        elif row.link != device.link:
            row.watched = row.watched or self.clock + RESPONSE

    # --- the upgrade ---

    def reply(self, device, version, success, reason, after, repeated):
        """`after`: so many milliseconds the device wants to put it off."""
        device.heard = self.clock
        row = self.row_meant(device, version)
        # what was sent to this very connection can only have been answered after that
        if not row or not row.open() or (repeated and row.link != device.link):
            return
        if success:
            self.answer(row, device.link)
        elif after and self.may_defer(row):
            self.defer(row, after)
        else:
            self.end(row, "failed", reason, "refused", put_off=bool(after))
        self.settle()

    def mandatory_at(self, row):
        """By the wall; None: never."""
        seconds = row.task.plan.defer_seconds
        return None if seconds is None else (row.told_first or self.wall) + seconds * 1000

    def may_defer(self, row):
        until = self.mandatory_at(row)
        return until is None or self.wall < until

    def defer(self, row, after):
        """No attempt, no failure; till it is mandatory at most."""
        self.tally["deferred"] += 1
        until = self.mandatory_at(row)
        after = after if until is None else min(after, until - self.wall)
        # who failed before stays started
        if row.link is not None and row.attempts > (row.bad is not None):
            row.attempts -= 1
        row.told_first = row.told_first or self.wall
        row.lost = None
        row.deferred, row.deferred_told = self.clock + after, self.wall + after
        # one that waits goes on waiting: an operator may have put it back behind a newer task
        if row.state == "processing":
            self.requeue(row)
        row.link = None

    def progress(self, device, version, percent, complete, success, reason, retry, repeated):
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
            self.fail(device, row, percent, reason, retry)
        self.settle()

    @staticmethod
    def log(device, row, version, percent, complete, success):
        task = row.task.name if row else None
        success = int(success) if complete else None
        device.logged.append((task, version, percent, int(complete), success))

    def progress_row(self, device, row, percent):
        if row and row.open():
            self.answer(row, device.link)
            row.progress = max(row.progress, percent)

    def fail(self, device, row, percent, reason, retry):
        if row.open():
            self.unsettle(device)
        elif row.state != "failed" or row.final():
            return
        row.progress = max(row.progress, percent)
        self.end(row, "failed", reason, "device", retry=retry)

    def complete(self, device, row, version):
        if row and (row.open() or (row.state == "failed" and not row.final())):
            self.end(row, "success")
        version = row.task.version if row else version
        if not version:
            return
        if device.offer and device.offer.version == version:
            device.offer = device.offer._replace(completed=True)
        device.before = device.version if version != device.version else device.before
        device.before_until = self.wall + (UPGRADE if row else COMPLETED)
        self.knows(device, version)
        self.stays(device, version, reported=False)
        self.unsettle(device)
