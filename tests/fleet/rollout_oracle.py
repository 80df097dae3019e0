"""What must be true after a rollout: of each row as in oracle.py, of the counts of the task, of the
stop, and of what becomes of a good image. Each check's comment says which sentence of rollouts.md
it stands for."""

from devices import NEVER
from oracle import MARGIN, Fault, Oracle
from rollout_world import TARGET, TASK

COUNTS = """
    SELECT c.started, c.proved, c.bad, r.started, r.proved, r.bad FROM task_count AS c JOIN (
      SELECT sum(attempts > 0 AND state <> 'canceled') AS started,
        sum(attempts > 0 AND proved_epoch IS NOT NULL AND state <> 'canceled') AS proved,
        sum(attempts > 0 AND bad_epoch IS NOT NULL AND state <> 'canceled') AS bad
      FROM task_device) AS r"""
# both are counted once a row; who was lost with many others, and what follows from it, is not bad
AGREE = """
    SELECT device_id, state, failure, verified_at, proved_epoch, bad_epoch FROM task_device
    WHERE (bad_epoch IS NOT NULL AND (attempts = 0 OR proved_epoch IS NOT NULL))
      OR (state = 'failed' AND attempts > 0 AND bad_epoch IS NULL
        AND failure NOT IN ('lost', 'refused', 'reverted'))"""


class RolloutOracle(Oracle):
    def judge_failed(self, device, row):
        judge = {"lost": self.judge_lost, "reverted": self.judge_reverted}.get(row.failure)
        return judge(device) if judge else super().judge_failed(device, row)

    @staticmethod
    def judge_lost(device):
        """Section 8: "goes offline and does not come back within lost_seconds"."""
        if device.gone or not device.is_on:
            return None
        return Fault("lost, though it is there", "failed (lost), though it is there")

    @staticmethod
    def judge_reverted(device):
        """Section 8: "a report of another version in that time"."""
        completed = [w.at for w in device.words if w.about == TARGET and w.final == "success"]
        moments = completed + [w.at for w in device.words if w.version == TARGET]
        if any(w.version not in (None, TARGET) and w.at >= min(moments, default=NEVER)
               for w in device.words):
            return None
        return Fault("reverted, though it did not go back", "failed (reverted), and did not go back")

    def judge_open(self, device, row):
        """A good image reaches all that are there; of a bad one the task holds the rest."""
        if self.world.plan.image != "good" or not device.is_there():
            return None
        return Fault(f"{row.state} for ever", f"{row.state}, though it is there")

    # --- the task ---

    def task_faults(self):
        found = self.world.look()
        faults = self.catalog_faults() + self.world.faults[:3] + self.pushes_after_stop(found)
        (counts,) = self.world.database.execute(COUNTS)
        if counts[:3] != counts[3:]:
            faults.append(f"started, proved, bad: counted {counts[:3]}, in the rows {counts[3:]}")
        faults += [f"counted wrongly: {row}" for row in self.world.database.execute(AGREE)][:3]
        image = self.good_faults if self.world.plan.image == "good" else self.bad_faults
        return faults + image(found)

    def pushes_after_stop(self, found):
        """Section 4: "the task pauses in the transaction that applies the failure, so that no push
        is recorded after it"."""
        if found.state != "paused":
            return []
        late = self.world.database.execute(
            "SELECT count(*) FROM task_device WHERE pushed_at > ?", (found.paused_at,)
        ).fetchone()[0]
        sent = [
            device.name
            for device in self.world.devices
            for offer in device.offers
            if offer.stamp * 1000 > found.paused_at and not offer.again
        ]
        return [
            f"{count} pushes {what} after the stop"
            for count, what in ((late, "recorded"), (len(sent), f"heard {sent[:3]}"))
            if count
        ]

    def good_faults(self, found):
        """It reaches everybody who is there, without a person, though a third is off."""
        left = [d.name for d in self.world.devices if d.is_there() and d.version != TARGET]
        faults = [f"left out: {len(left)} devices, such as {left[:3]}"] if left else []
        if found.state != "running":
            faults.append(f"a good image was stopped: {found.reason}")
        return faults

    def bad_faults(self, found):
        """A task with stages holds it in its first one; with a stop, or a gate that cannot be
        reached, it pauses. Without a stop who was lost is awaited, and tried again."""
        plan = self.world.plan
        faults = []
        if plan.stages and found.stage != 1:
            faults.append(f"a bad image came to stage {found.stage}")
        if (plan.stop or plan.stages and plan.image == "fails") and found.state != "paused":
            faults.append("a bad image did not pause the task")
        return faults

    def heard_after(self, word, since):
        return super().heard_after(word, since - MARGIN)


def waits(world):
    """Why rows wait, for a line of a report."""
    return dict(
        world.database.execute(
            "SELECT coalesce(waits_for, 'nothing'), count(*) FROM task_detail"
            " WHERE task_id = ? AND state = 'waiting' GROUP BY 1",
            (TASK,),
        )
    )
