"""A fleet and its rollout: devices of habits.py, a third of which is off, and one task for all of
them. What the task's image does to them is drawn from the seed, and the plugin does not know it.

A device takes these steps beside those of devices.py: it is off, late or puts its upgrade off;
and at the end of its installation the image may break it."""

import collections
import random
import signal
import time

from devices import Device
from habits import draw_for_rollout
from port import Port
from world import World

TASK, TARGET = "rollout", "2.0"
# share of the devices that a bad image breaks
BROKEN_SHARE = 0.3
LOST_SECONDS = 60  # the least that a task may have
# failures come before proofs: with many at a time those of a good image would stop it
IN_FLIGHT = 60
IMAGES = {
    "good": [],
    # half of them say why, half say complete and boot into the old version
    "fails": ["fails with a reason", "boots into the old version"],
    "kills": ["never comes back"],
}

Plan = collections.namedtuple("Plan", "name image stages stop kills", defaults=[0])
Step = collections.namedtuple("Step", "stage until_count success_percent hold_seconds")


class RolloutPort(Port):
    """Its links come and go more slowly than in simulate.py: there they are the subject."""

    def later(self, low, high, act):
        super().later(low * self.world.slowness, high * self.world.slowness, act)


class RolloutDevice(Device):
    broken = None  # what the image does to it

    def boot(self):
        if self.has("offline") and self.boots:
            return
        first = not self.boots
        super().boot()
        if first and self.has("offline", "late"):
            self.after(0.3, 1, self.switch_off)

    def switch_off(self):
        self.note("(is switched off)")
        self.is_on = False
        self.port.power_off("leave")
        if self.has("late"):
            self.world.loop.after(self.random.uniform(*self.world.late_seconds), self.boot)

    def is_there(self):
        """It is on, and the upgrade does not fail for a reason of its own."""
        trouble = ("silent", "refuses", "fails", "dies", "goes-back", "stalls", "vanishes")
        return not self.has("offline", *trouble) and not self.gone and not self.broken

    def begin(self, offer):
        if self.has("defers") and not self.tries.get("deferred"):
            self.tries["deferred"] = 1
            self.say(
                "upgrade/reply",
                {"firmwareId": offer.firmware_id, "success": False}
                | {"retryAfter": self.random.randint(2, 4)},
                about=offer.version,
                final="deferral",
            )
        else:
            super().begin(offer)

    def install(self):
        if not self.broken:
            super().install()
        elif self.broken == "fails with a reason":
            self.tell(90, "failure", self.reason("the image does not start"))
            self.end_upgrade()
        elif self.broken == "boots into the old version":
            self.tell(100, "success")
            self.then(0.05, 1.0, self.restart)
        else:
            self.tell(100, "success")
            self.then(0.05, 1.0, self.die_for_good)

    def die_for_good(self):
        self.ran.append((time.time(), TARGET))
        self.note("(never comes back)")
        self.gone, self.is_on = True, False
        self.end_upgrade()
        self.port.power_off("half-open" if self.port.keep_alive else "drop")


class RolloutWorld(World):
    """One broker, and the rollout of `plan` in it."""

    def __init__(self, loop, plan, folder, seed, count, long, *paths):
        self.plan, self.long, self.faults, self.ended_at = plan, long, [], None
        self.summary, self.changed_at, self.began_at = None, 0, None
        super().__init__(loop, plan.name, folder, seed, count, None, *paths)
        # this program plays all devices, and answers late when thousands of them are busy
        self.response_seconds = 15 if long else 5
        # with kills nobody can end an upgrade for some time
        self.upgrade_seconds = 200 if plan.kills else 80 if long else 40
        self.slowness = 1 if plan.kills else 2
        self.late_seconds = (6, 15) if long else (4, 8)

    def make_devices(self, count):
        # the same fleet in each world
        for number in range(count):
            chance = random.Random(f"{self.seed.split()[0]} device {number}")
            name, habits = f"d{number:04}", draw_for_rollout(chance)
            port = RolloutPort(self, name, habits, chance)
            device = RolloutDevice(self, name, "lamp", habits, chance, port)
            if IMAGES[self.plan.image] and chance.random() < BROKEN_SHARE:
                device.broken = chance.choice(IMAGES[self.plan.image])
            device.turn = chance.randint(1, 1000000)
            self.ports.append(port)
            self.devices.append(device)

    # --- the operator ---

    def stages(self):
        hold = 2 if self.long else 1
        return [
            Step(1, 40, 85, hold),
            Step(2, len(self.devices) * 2 // 5, 85, hold),
            Step(3, len(self.devices), 0, 0),
        ]

    def make_task(self):
        """As a draft, so that no start precedes its stages."""
        names = [device.name for device in self.devices]
        # some 4 % of them fail for reasons of their own, at once
        stop = (25, 30) if self.plan.stop else (None, 5)
        retries = 2 if self.long else 1
        attempts = 100 if self.plan.kills else 5
        self.act("makes the task")
        self.transaction(
            *(
                ("INSERT OR IGNORE INTO device (product_id, device_id) VALUES ('lamp', ?)", name)
                for name in names
            ),
            (
                "INSERT INTO task (task_id, firmware_id, name, mode, release_type, state,"
                " response_timeout_seconds, timeout_seconds, stop_failed_percent, stop_failed_min,"
                " retry_limit, retry_seconds, attempt_limit, trial_seconds, lost_seconds,"
                " max_in_flight)"
                " VALUES (?, ?, 'n', 'push', 'part', 'paused', ?, ?, ?, ?, ?, 1, ?, 10, ?, ?)",
                *(TASK, f"lamp-{TARGET}", self.response_seconds, self.upgrade_seconds),
                *(*stop, retries, attempts, LOST_SECONDS, IN_FLIGHT),
            ),
            *(
                (
                    "INSERT INTO task_device (task_id, device_id, turn) VALUES (?, ?, ?)",
                    *(TASK, device.name, device.turn),
                )
                for device in self.devices
            ),
            *(
                (
                    "INSERT INTO task_stage (task_id, stage, until_count, success_percent,"
                    " hold_seconds) VALUES (?, ?, ?, ?, ?)",
                    TASK,
                    *step,
                )
                for step in (self.stages() if self.plan.stages else [])
            ),
        )
        self.transaction(("UPDATE task SET state = 'running' WHERE task_id = ?", TASK))
        self.began_at = self.changed_at = time.monotonic()

    def kill(self):
        if self.broker.process:
            self.restart(signal.SIGKILL)

    # --- what an observer sees ---

    def look(self):
        """How the task is now; also notes what must never be seen."""
        row = self.database.execute(
            "SELECT s.state, s.stage, s.waiting, s.processing, s.started, s.proved, s.bad,"
            " s.paused_reason, p.budget, t.paused_at, s.success, s.failed"
            " FROM task_summary AS s JOIN task_plan AS p USING (task_id) JOIN task AS t"
            " USING (task_id) WHERE s.task_id = ?",
            (TASK,),
        ).fetchone()
        names = "state stage waiting processing started proved bad reason budget paused_at"
        found = collections.namedtuple("Summary", names + " success failed")(*row)
        if found.budget is not None and found.started > found.budget:
            self.faults.append(f"{found.started} started in a stage of {found.budget}")
        if found != self.summary:
            self.summary, self.changed_at = found, time.monotonic()
        return found

    def is_over(self):
        """It is paused and nothing is under way, or nobody is left who could get the image."""
        found = self.look()
        if found.state == "paused":
            return found.processing == 0 or self.is_still(3)
        if self.plan.image == "good":
            return all(d.version == TARGET for d in self.devices if d.is_there())
        # who is killed is found out after lost_seconds
        return self.is_still(75 if self.plan.image == "kills" else 6)

    def is_still(self, seconds):
        return time.monotonic() - self.changed_at > seconds

    def reached(self):
        """Devices that began, or never said so; those that the image broke."""
        began = [d for d in self.devices if d.upgrades or d.offers and d.has("silent")]
        return len(began), sum(bool(d.broken and not d.is_there()) for d in began)
