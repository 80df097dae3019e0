"""What a task does by itself: stages and their gates, the stop, its end, retries, trials and lost
devices (plugin/doc/rollouts.md)."""

from fractions import Fraction
from math import ceil

from state import DAY, WEEK

NOT_SEEN = "not seen since the upgrade"
TRANSIENT = ("response", "timeout", "lost", "interrupted")


class Rollouts:
    # --- the numbers of a stage ---

    @staticmethod
    def budget(task, counts):
        stage = task.current()
        if not stage:
            return counts.n
        if stage.until_count:
            return max(1, min(stage.until_count, counts.n))
        return max(1, ceil(Fraction(str(stage.until_percent)) * counts.n / 100))

    @staticmethod
    def needed(stage, budget):
        return ceil(Fraction(stage.success_percent * budget, 100))

    def gate_holds(self, task, counts):
        """Are enough started, and enough of these proved?"""
        if not task.stages or task.is_last():
            return False
        budget = self.budget(task, counts)
        return counts.started >= budget and counts.proved >= self.needed(task.current(), budget)

    def missed(self, task, counts):
        """Why the gate cannot be reached any more, if it cannot."""
        if not task.stages or (task.is_last() and counts.started >= counts.n):
            return None
        budget, percent = self.budget(task, counts), task.current().success_percent
        rows = max(budget, counts.started)
        left = rows - counts.bad_final
        if counts.bad_final <= task.forgiven or left >= self.needed(task.current(), budget):
            return None
        failed = f"{counts.bad_final} of {rows} failed"
        return f"stage {task.stage}: {failed}, {percent} % cannot be reached"

    @staticmethod
    def stop_says(plan, counts):
        ended = counts.bad_now + counts.good_now
        percent = plan.stop_failed_percent
        if percent and ended >= plan.stop_failed_min and 100 * counts.bad_now >= percent * ended:
            return f"{counts.bad_now} of {ended} failed: the limit is {percent} %"
        if plan.stop_failed_count and counts.bad_now >= plan.stop_failed_count:
            return f"{counts.bad_now} failed: the limit is {plan.stop_failed_count}"
        return None

    # --- steps of a task ---

    def review(self, task):
        """Carries out what is due; True when something was."""
        moved = False
        while task.state != "stopped" and task.is_open() and self.review_once(task):
            moved = True
        return moved

    def review_once(self, task):
        plan, counts = task.plan, task.counts()
        if task.state == "running":
            why = self.stop_says(plan, counts) or self.missed(task, counts)
            if why:
                return self.pause(task, why)
        if self.is_over(task):
            return self.end_by_time(task)
        if task.state == "running" and self.window_is_full(plan, counts):
            task.epoch += 1
            return True
        return self.review_gate(task, counts)

    def is_over(self, task):
        if not task.plan.end_at or self.is_behind() or self.wall < task.plan.end_at:
            return False
        return task.state == "running" or task.plan.end_action == "stop"

    def end_by_time(self, task):
        if task.plan.end_action == "stop":
            self.tally["ended by end_at"] += 1
            self.stop_rows(task)
        else:
            self.pause(task, "end_at is reached")
        return True

    @staticmethod
    def window_is_full(plan, counts):
        ended = counts.bad_now + counts.good_now
        least = plan.stop_failed_min if plan.stop_failed_percent else plan.stop_failed_count or 0
        return ended >= max(plan.stop_window, least)

    def review_gate(self, task, counts):
        holds = self.gate_holds(task, counts)
        if task.done:
            return False
        if not holds:
            task.hold = None
            return False
        if task.hold is None:
            task.hold = self.clock
        ends = task.hold + task.current().hold_seconds * 1000
        if task.state != "running" or self.clock < ends:
            return False
        if task.current().on_success == "pause":
            task.done = True
            rows = max(self.budget(task, counts), counts.started)
            return self.pause(task, f"stage {task.stage} is done: {counts.proved} of {rows} proved")
        self.next_stage(task, 0)
        return True

    def pause(self, task, reason):
        task.state, task.reason = "paused", reason
        self.tally[self.kind_of(reason)] += 1
        task.said.append("paused")
        return True

    @staticmethod
    def kind_of(reason):
        kinds = ("reached", "the limit", "done", "holidays")
        return "paused: " + next((kind for kind in kinds if kind in (reason or "")), "by hand")

    def next_stage(self, task, forgiven):
        self.tally["next stage" if not forgiven else "next stage by hand"] += 1
        task.stage += 1
        task.said.append("stage")
        task.epoch, task.hold, task.done, task.forgiven = task.epoch + 1, None, False, forgiven

    @staticmethod
    def forgive(task):
        """What was forgiven and has been made good since is no excuse for another failure."""
        task.forgiven = min(task.forgiven, task.counts().bad_final)

    # --- steps of a row ---

    def succeed(self, row):
        """Proved: it reported the target since the attempt began, or that is not asked for. What
        failed before has been made good."""
        task = row.task
        row.bad = None
        if not row.attempts:
            return
        if row.proved is None and (row.verified or task.plan.gate == "complete"):
            row.proved = task.epoch
        watched = task.plan.trial_seconds or not row.verified and task.plan.lost_seconds
        row.trial = self.clock + watched * 1000 if watched else None

    def verify(self, row):
        """The device reported the target."""
        if not row.attempts or row.verified or row.state not in ("success",):
            return
        row.verified = True
        if not row.task.plan.trial_seconds:
            row.trial = row.lost = None
        if row.proved is None:
            row.proved, row.bad = row.task.epoch, None

    def note_failure(self, row, kind, retry=False, put_off=False):
        """A started row whose attempt failed is bad; refused in order to wait, it is not. What it
        may be retried for is."""
        task, plan = row.task, row.task.plan
        self.tally[f"failed: {kind}"] += 1
        row.trial = row.lost = row.retry_at = None
        if row.attempts and not put_off:
            row.verified, row.proved, row.bad = False, None, task.epoch
        kinds = TRANSIENT + (("device", "version") if plan.retry_on == "any" else ())
        covered = kind in kinds or (kind == "device" and retry)
        if task.state != "stopped" and row.attempts and covered and row.retries < plan.retry_limit:
            delay = min(DAY, plan.retry_seconds * 1000 * 2**row.retries)
            row.retry_at = self.clock + delay
            row.retry_latest = row.retry_at + delay // 4
        self.review(task)

    def await_return(self, row):
        """Its device is away: it is lost when it stays so for long."""
        plan, device = row.task.plan, row.device
        started = row.open() and row.attempts and row.deferred is None
        if not plan.lost_seconds or not (started or row.trial) or row.lost:
            return
        longest = max((ms for ms, until in device.absences if until >= self.wall - WEEK), default=0)
        row.lost = self.clock + max(plan.lost_seconds * 1000, 2 * longest)

    def wake(self, row):
        """Its own time has come."""
        now = self.clock
        if row.lost and row.lost <= now:
            row.lost = None
            if row.device.presence != "online":
                self.end(row, "failed", NOT_SEEN, "lost")
                return
        if row.trial and row.trial <= now and not row.lost:
            row.trial = None
        if row.deferred and row.deferred <= now:
            row.deferred = None
        if row.state == "failed" and row.retry_at and row.retry_at <= now:
            self.retry_by_itself(row)

    def retry_by_itself(self, row):
        task = row.task
        if task.state != "running":
            return
        if row.retries >= task.plan.retry_limit or self.superseding(row):
            row.retry_at = None
            return
        self.tally["retried"] += 1
        row.retries += 1
        self.requeue(row)

    @staticmethod
    def supersedes(task):
        """Do its rows take the place of what waits in older tasks?"""
        return task.plan.supersede and task.state != "stopped"

    def superseding(self, row):
        """The newest task whose row follows this one, which was under way. A canceled one does not."""
        device, task = row.device.name, row.task
        newer = [
            t for t in self.tasks.values()
            if t.age > task.age and self.supersedes(t) and device in t.rows
            and t.rows[device].state != "canceled"
        ]  # fmt: skip
        return max(newer, key=lambda t: t.age, default=None)

    def review_trials(self, device, version):
        """A report of another version. If a later attempt brought that, the trial is over."""
        rows = self.rows_of(device)
        brought = [r.begun for r in rows if r.task.version == version and r.attempts]
        for row in rows:
            lost = row.state == "failed" and row.kind == "lost"
            if row.task.version == version or not (row.trial or lost):
                continue
            on_trial = row.trial and row.task.plan.trial_seconds
            if max(brought, default=0) > row.begun:
                row.trial = row.lost = None
            elif lost or on_trial:
                self.end(row, "failed", f"went back to {version}", "reverted")
