"""When a row may start, and which rows do (plugin/doc/rollouts.md)."""

from math import inf

from state import BLIND, DAY, HOLD, MINUTE

BEHIND = 10 * MINUTE  # so far the wall clock may go back
ZONE = 180  # minutes: of the broker's machine
MONDAY = 4 * DAY  # the first one of the wall clock


class Starts:
    # --- times ---

    def is_behind(self):
        return self.wall < self.seen - BEHIND

    def offset(self, task, device):
        if task.plan.window_clock == "utc":
            return 0
        own = device.offset if device and task.plan.window_clock == "device" else None
        return ZONE if own is None else own

    @staticmethod
    def windows(plan, local):
        """Those that begin about that day, as their beginnings and ends of local time."""
        for day in range(local // DAY - 1, local // DAY + 9):
            if plan.window_days >> ((day * DAY - MONDAY) // DAY % 7) & 1:
                begin = day * DAY + plan.window_start * MINUTE
                yield begin, begin + plan.window_minutes * MINUTE

    def in_window(self, task, device):
        if task.plan.window_start is None:
            return True
        local = self.wall + self.offset(task, device) * MINUTE
        return any(begin <= local < end for begin, end in self.windows(task.plan, local))

    def edges(self, task, device):
        """When its window opens and closes, by the wall."""
        offset = self.offset(task, device) * MINUTE
        for begin, end in self.windows(task.plan, self.wall + offset):
            yield from (begin - offset, end - offset)

    # --- the rate ---

    @staticmethod
    def rate(task, proved):
        plan = task.plan
        doublings = proved // plan.rate_doubles_after if plan.rate_doubles_after else 0
        return plan.rate_per_minute * 2 ** min(10, doublings)

    def parts(self, task, rate):
        """Of tokens, in 60,000ths: what is saved is at most a second's."""
        since = self.started_at if task.taken_at is None else task.taken_at
        return min(-(-rate // 60) * MINUTE, task.tokens + (self.clock - since) * rate)

    def tokens(self, task, proved):
        if not task.plan.rate_per_minute:
            return inf
        return self.parts(task, self.rate(task, proved)) // MINUTE

    def take_token(self, task):
        if task.plan.rate_per_minute:
            task.tokens = self.parts(task, self.rate(task, task.counts().proved)) - MINUTE
            task.taken_at = self.clock

    # --- what a row waits for ---

    def needs_older(self, row, version):
        return self.needs.get(row.task.version, 0) > self.orders.get(version, 0)

    def has_other(self, row, asking):
        """An upgrade of its device is under way, or an older push comes first."""
        rows = [r for r in self.rows_of(row.device) if r is not row]
        if any(r.state == "processing" for r in rows):
            return True
        push = row.task.mode == "push" and not asking
        return push and any(r.waits() and r.task.age < row.task.age for r in rows)

    def waits_of_task(self, task):
        plan = task.plan
        if task.state != "running":
            yield f"task {task.state}"
        if plan.start_at:
            # while the clock is behind, it is as it was
            began = task.counts().started if self.is_behind() else self.wall >= plan.start_at
            yield None if began else "start time"
        if plan.end_at and self.wall >= plan.end_at:
            yield "end time"

    def waits_of_device(self, row, asking):
        device, plan = row.device, row.task.plan
        push = row.task.mode == "push" and not asking
        if plan.window_start is not None:
            closed = self.is_behind() or not self.in_window(row.task, device)
            yield "window" if closed else None
        yield None if self.enabled else "firmware"
        if push and device.presence != "online":
            yield "device offline"
        if push and not self.is_steady(row):
            yield "device unsettled"
        yield "other task" if self.has_other(row, asking) else None

    def is_steady(self, row):
        least = row.task.plan.min_online_seconds * 1000
        since = row.device.since
        return not least or (
            row.device.presence == "online" and self.clock - since >= least
        )

    def waits_of_places(self, row):
        task = row.task
        counts = task.counts()
        if task.stages and not row.attempts and counts.started >= self.budget(task, counts):
            yield "stage"
        if task.plan.max_in_flight and counts.in_flight >= task.plan.max_in_flight:
            yield "in flight"
        if self.tokens(task, counts.proved) < 1:
            yield "rate"

    def first_wait(self, row, version, asking=False):
        """In the order of "What a device waits for" (rollouts.md); None: it may start."""
        for wait in (*self.waits_of_task(row.task), *self.waits_of_device(row, asking)):
            if wait:
                return wait
        if self.needs_older(row, version):
            return "older firmware first"
        if row.deferred:
            return "deferred"
        if row.state == "failed":
            return "retry"
        push = row.task.mode == "push" and not asking
        if push and (row.device.settle or 0) > self.clock:
            return "device unsettled"
        return next(self.waits_of_places(row), None)

    # --- starting ---

    def may_be_told(self, row):
        """Is it there to hear it? Nobody knows: once, until it shows itself."""
        device = row.device
        if device.presence == "offline" or self.is_held(device):
            return False
        blind = not (self.sees or device.settle or row.link == BLIND)
        return device.presence or (blind and self.clock >= self.started_at + HOLD)

    def is_candidate(self, row):
        if not row.waits() or not self.may_be_told(row):
            return False
        wait = self.first_wait(row, row.device.version)
        if wait == "device offline":  # unknown: it is tried when no stage is to come
            last = row.attempts or not row.task.stages or row.task.is_last()
            return last and self.is_steady(row) and self.rest_is_fine(row)
        return wait in (None, "stage", "in flight", "rate")

    def rest_is_fine(self, row):
        device = row.device
        device.presence, device.since = "online", -inf
        wait = self.first_wait(row, device.version)
        device.presence, device.since = None, None
        return wait in (None, "stage", "in flight", "rate")

    def places(self, task):
        """How many may start: for the first time, and at all."""
        counts, plan = task.counts(), task.plan
        fresh = self.budget(task, counts) - counts.started if task.stages else inf
        cap = plan.max_in_flight - counts.in_flight if plan.max_in_flight else inf
        return max(0, fresh), max(0, min(cap, self.tokens(task, counts.proved)))

    def pick(self, task, rows):
        fresh, places = self.places(task)
        first = sum(not row.attempts for row in rows)
        most = min(places, len(rows) - first + min(first, fresh))
        if most <= 0 or most == len(rows):
            return rows if most > 0 else []
        picked = self.choose(task, rows, most)
        if task.stages and not task.is_last():
            self.check_turns(task, rows, picked)
        return picked

    @staticmethod
    def check_turns(task, rows, picked):
        """Of those that start for the first time, lower turns come first."""
        fresh = sorted((row for row in rows if not row.attempts), key=lambda row: row.key())
        taken = [row for row in picked if not row.attempts]
        for row in fresh[: len(taken)]:
            assert row in taken, f"{task.name} passes over {row.device.name}, turn {row.turn}"

    def start_some(self, task):
        rows = [row for row in task.rows.values() if self.is_candidate(row)]
        picked = self.pick(task, rows) if rows else []
        for row in picked:
            device = row.device
            told = self.begin(row, device.link or BLIND)
            device.upgrades.append((task.version, *told))
        return bool(picked)

    def settle(self):
        """All that is due happens."""
        if not self.is_behind():
            self.seen = max(self.seen, self.wall)
        moved = True
        while moved:
            moved = False
            for task in self.tasks.values():
                moved |= self.review(task)
            for task in sorted(self.tasks.values(), key=lambda task: task.age):
                moved |= self.start_some(task)

    def deadlines_of(self, task):
        plan = task.plan
        if task.state == "stopped" or not task.is_open():
            return
        if task.hold is not None and task.stages:
            yield task.hold + task.current().hold_seconds * 1000
        ends = [time for time in (plan.start_at, plan.end_at) if time]
        for device in {row.device for row in task.rows.values() if row.state == "waiting"}:
            if plan.window_start is not None:
                ends += self.edges(task, device)
            if plan.min_online_seconds and device.presence == "online":
                yield device.since + plan.min_online_seconds * 1000
        yield from (self.clock + time - self.wall for time in ends)
        proved = task.counts().proved
        if plan.rate_per_minute and self.tokens(task, proved) < 1:
            rate = self.rate(task, proved)
            yield self.clock + -(-(MINUTE - self.parts(task, rate)) // rate)
