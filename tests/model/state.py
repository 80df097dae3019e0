"""What the model knows of devices, tasks and their rows. Times are milliseconds of the steady
clock, unless they say that they are the wall's."""

from collections import namedtuple
from types import SimpleNamespace

RESPONSE, UPGRADE = 750_000, 2_250_000  # timeouts of every task
WORD = 1_000  # how long a report that ends an upgrade waits for the word that it is complete
HOLD, SETTLE = 3_000, 30_000  # how long a return, or the end of an upgrade, waits for a report
REDELIVERY = 600_000  # what has no time of its own counts so long as a redelivery of its like
COMPLETED = 3_600_000  # how long an upgrade without a task may take until the restart
BLIND = 0  # the connection of a push while nobody knew whether the device is there
MINUTE, DAY, WEEK = 60_000, 86_400_000, 7 * 86_400_000
STATES = ("waiting", "processing", "success", "failed", "canceled")

# The columns of `task` that say how it goes, and their defaults.
PLAN = {
    "gate": "version", "attempt_limit": 5,
    "stop_failed_percent": None, "stop_failed_min": 5, "stop_failed_count": None,
    "stop_window": 1000, "rate_per_minute": None, "rate_doubles_after": None,
    "max_in_flight": None, "min_online_seconds": 0, "start_at": None, "end_at": None,
    "end_action": "pause", "window_start": None, "window_minutes": None, "window_days": 127,
    "window_clock": "utc", "retry_limit": 0, "retry_seconds": 600, "retry_on": "transient",
    "defer_seconds": None, "trial_seconds": 0, "lost_seconds": None, "allow_downgrade": 0,
    "supersede": 0, "continuous": 0,
}  # fmt: skip
# Those with which a task has rules of its own.
RULES = ("stop_failed_percent", "stop_failed_count", "rate_per_minute", "max_in_flight")
RULES += ("min_online_seconds", "start_at", "end_at", "window_start")

Stage = namedtuple("Stage", "until_percent until_count success_percent hold_seconds on_success")
Offer = namedtuple("Offer", "version runs completed")  # runs: when it was made
Counts = namedtuple("Counts", "n started proved bad bad_final in_flight good_now bad_now")


class Row:
    """`link` is the connection of the last attempt. It is None when nothing was sent since the
    device last reported a version: then no message without a name can be about this row.
    `proved` and `bad` are the epoch of the task in which it became so."""

    def __init__(self, task, device, turn):
        self.task, self.device, self.turn = task, device, turn
        self.state, self.progress, self.attempts, self.interruptions = "waiting", 0, 0, 0
        self.kind = self.reason = self.link = None
        self.answered = False  # this attempt
        self.pushed = self.told = None  # when its timers began; when it was sent, by the wall
        self.watched = None  # until when a word of the upgrade is due after a return
        self.run = 0  # of the broker that sent it
        self.begun = 0  # the last attempt, or went on by a late word
        self.told_first = None  # by the wall
        self.verified, self.proved, self.bad = False, None, None
        self.retries, self.retry_at, self.retry_latest = 0, None, None
        self.deferred = self.deferred_told = None  # until when, and by the wall as it was then
        self.trial = self.lost = None

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

    def key(self):
        return self.turn, self.device.name


class Task:
    """`hold`: since when the gate's conditions hold; `done`: the stage is, and the task paused for
    that; `forgiven`: so many failures an operator went on in spite of."""

    def __init__(self, name, version, mode, age, plan, stages):
        self.name, self.version, self.mode, self.age = name, version, mode, age
        self.plan, self.stages = SimpleNamespace(**(PLAN | plan)), stages
        self.state, self.rows, self.stage, self.reason = "running", {}, 1, None
        self.epoch, self.hold, self.done, self.forgiven = 1, None, False, 0
        self.taken_at, self.tokens = None, 0  # of the rate, since the last start
        self.said = []  # what task_log has of it

    def current(self):
        return self.stages[self.stage - 1] if self.stages else None

    def is_last(self):
        return self.stage >= len(self.stages)

    def has_rules(self):
        return bool(self.stages) or any(getattr(self.plan, rule) for rule in RULES)

    def counts(self):
        live = [row for row in self.rows.values() if row.state != "canceled"]
        spared = sum(row.attempts == 0 and row.state == "success" for row in live)
        started = [row for row in live if row.attempts]
        bad = [row for row in started if row.bad is not None]
        final = [row for row in bad if row.state == "failed" and row.retry_at is None]
        good = [row for row in started if row.proved is not None]
        return Counts(
            len(live) - spared, len(started), len(good), len(bad), len(final),
            sum(row.state == "processing" for row in live),
            sum(row.proved == self.epoch for row in good),
            sum(row.bad == self.epoch for row in bad),
        )  # fmt: skip

    def is_open(self):
        return self.plan.continuous or any(
            row.open() or (row.state == "failed" and row.retry_at is not None)
            for row in self.rows.values()
        )


class Device:
    """`hold`: until when a return waits for its report; `settle`: until when the end of an upgrade
    does; `before`: what it ran before the upgrade that it completed and has not reported since."""

    def __init__(self, name, known=True):
        self.name, self.version, self.presence, self.link = name, None, None, None
        self.known = known  # it is in the catalog
        self.heard = 0  # its last message
        self.hold = self.settle = self.before = None
        self.before_until = 0  # by the wall
        self.since = None  # since when it is there, or away
        self.absences = []  # how long, until when by the wall
        self.offset = None  # of its zone, in minutes
        self.upgrades = []  # what it was told
        self.logged, self.versions = [], []  # progress_log and version_log
        self.progress_said = []  # without a time: what, by which connection, when by the wall
        self.refusals = []  # the same of refusals
        self.offer = None  # that a pull was answered with
        self.mislabelled = {}  # by version: how often, what it ran, what it calls itself
