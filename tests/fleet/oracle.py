"""What must be true of the catalog after a run, told from what the simulated devices did. Strict, and fair: a check stands for
a promise of the README (what `task_device.state` means) or of the rules of upgrades, and its comment says which."""

import collections
import time

from devices import NEVER
from world import VERSIONS

MARGIN = 0.5  # seconds between a word's acknowledgement and its being in the catalog, and what was on its way then
ATTEMPT_LIMIT = 5
WAKE_SECONDS = 5  # how long a device is away between two signs of life, at most

Fault = collections.namedtuple("Fault", "kind text")

ROWS = """
    SELECT r.task_id, r.device_id, f.version, t.mode, t.state AS task_state, r.state, r.error_reason, r.failed_by, r.attempts,
      r.created_at / 1000.0 AS created_at, r.pushed_at / 1000.0 AS pushed_at, r.completed_at / 1000.0 AS completed_at, {failure} AS failure
    FROM task_device AS r JOIN task AS t USING (task_id) JOIN firmware AS f USING (firmware_id)
    ORDER BY t.created_at, t.position, r.device_id"""
SUMMARY = """
    WITH told AS (SELECT task_id, total, waiting, processing, success, failed, canceled FROM task_summary),
      counted AS (
        SELECT t.task_id, count(r.state), sum(r.state = 'waiting'), sum(r.state = 'processing'), sum(r.state = 'success'),
          sum(r.state = 'failed'), sum(r.state = 'canceled')
        FROM task AS t LEFT JOIN task_device AS r USING (task_id) GROUP BY 1)
    SELECT * FROM (SELECT * FROM told EXCEPT SELECT * FROM counted)
    UNION ALL SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM told)"""


def order(version):
    return VERSIONS.index(version) if version in VERSIONS else None


class Oracle:
    """Of one world, at one moment."""

    def __init__(self, world):
        self.world, self.rows = world, collections.defaultdict(list)
        failure = "r.failure" if "failure" in world.columns else "NULL"
        cursor = world.database.execute(ROWS.format(failure=failure))
        make = collections.namedtuple("Row", [column[0] for column in cursor.description])
        for values in cursor:
            row = make(*values)
            self.rows[row.device_id].append(row)
        self.versions = dict(world.database.execute("SELECT device_id, version FROM device"))

    # --- what the device did ---

    def requeued(self, row):
        """When an operator last made it wait: the task's start, a retry, a continue."""
        return self.world.requeued.get((row.task_id, row.device_id), [row.created_at])

    @staticmethod
    def said_version(device, version, since):
        """It said, and knows that the broker heard, that it runs the version or has completed it."""
        return any(
            word.known < NEVER and word.at >= since and (word.version == version or word.about == version and word.final == "success" and word.named)
            for word in device.words
        )

    @staticmethod
    def known_version(device, moment, spoken=False):
        """What the broker knew it to run then; `spoken`: by a report, a pull or a read/reply alone."""
        version = None
        for word in device.words:
            if word.known <= moment - MARGIN:
                if word.version:
                    version = word.version
                elif word.final == "success" and word.named and not spoken:
                    version = word.about
        return version

    def losses(self, device, since):
        """How often an attempt may have been cut off."""
        moments = [m for m in device.port.changes if m >= since - MARGIN]
        ends = [m for m in self.world.broker.starts if m >= since]
        return len(ends) + len(device.deaths) + len(moments) // 2

    # --- check 1: each row tells the truth ---

    def judge_row(self, device, row):
        judges = {"success": self.judge_success, "failed": self.judge_failed, "canceled": self.judge_canceled}
        return judges.get(row.state, self.judge_open)(device, row)

    @staticmethod
    def judge_success(device, row):
        """README: "the device completed, or reported the version; also who ran it already"."""
        moments = [moment for moment, version in device.ran if version == row.version]
        moments += [word.at for word in device.words if word.about == row.version and word.final == "success"]
        if not moments:
            return Fault("success of what it never ran", "success, but it never ran it and never said so")
        if min(moments) > row.completed_at + 1.5:
            return Fault("success before it was one", f"success {min(moments) - row.completed_at:.1f} s before it ran it")
        return None

    @staticmethod
    def kind(row):
        """The kind of a failure; older catalogs have the sentence alone."""
        starts = {"response timeout": "response", "upgrade timeout": "timeout", "still runs": "version", "gone after": "interrupted"}
        found = [kind for text, kind in starts.items() if (row.error_reason or "").startswith(text)]
        if row.failure:
            return row.failure
        return "device" if row.failed_by == "device" else (found or ["unknown"])[0]

    def judge_failed(self, device, row):
        """README: "error_reason says why"; "a device that completes, or reports the version, after a timeout makes it a success"."""
        kind = self.kind(row)
        judges = {
            "device": self.judge_own_word, "refused": self.judge_own_word, "response": self.judge_no_response,
            "timeout": self.judge_timeout, "version": self.judge_version_failure, "interrupted": self.judge_interrupted,
        }
        if kind not in ("device", "refused") and self.said_version(device, row.version, row.created_at):
            return Fault(f"failed ({kind}), though it runs it", f"failed ({row.error_reason}), though it ran it and said so")
        if kind not in judges:
            return Fault("failed without a known reason", f"failed, kind {kind}")
        return judges[kind](device, row)

    def judge_own_word(self, device, row):
        """A failure or refusal that the device itself reported, since the row last began to wait, in its own words."""
        since = max(self.requeued(row)) - MARGIN
        own = [w for w in device.words if w.about == row.version and w.final in ("failure", "refusal") and max(w.at, w.repeated or 0) >= since]
        if row.failure:
            own = [w for w in own if (w.final == "refusal") == (row.failure == "refused")]
        said = {w.body.get("errorReason") or w.body.get("message") for w in own}
        if row.error_reason in said:
            return None
        return Fault("a failure it did not report", f"failed by its own word ({row.error_reason}), but since then it said {sorted(said) or 'nothing'}")

    @staticmethod
    def judge_no_response(device, row):
        """"response timeout (it was online, and said nothing)". Rules 3 and 4: a push into a connection that was dead, or of
        another device than the one that is there, is no verdict: the row waits and is sent again."""
        if device.has("silent"):
            return None
        offers = sum(offer.version == row.version for offer in device.offers)
        return Fault("response timeout, though it answers", f"failed ({row.error_reason}), though it answers what reaches it ({offers} offers did)")

    def judge_timeout(self, device, row):
        """"within timeout_seconds without an end": it really had begun, and had no end by then. Who forgot it in a restart
        and said so is sent it again (rule 1) and does not run into it, but for the time that this takes."""
        slack = self.world.response_seconds + WAKE_SECONDS
        begun = [u for u in device.upgrades if u.version == row.version and u.since <= row.completed_at and row.completed_at <= u.until + slack]
        if device.has("stalls", "vanishes", "silent", "qos-0") or begun:
            return None
        if device.has("dies") and row.mode == "pull":
            return None  # who pulls is handed the same attempt again: its time may be up before its attempts are
        return Fault("upgrade timeout of what was not under way", f"failed ({row.error_reason}), though it was not under way then")

    @staticmethod
    def judge_version_failure(device, row):
        """Rule 1: "a report of the old version fails a row only after the device said complete"."""
        if any(word.about == row.version and word.final == "success" for word in device.words):
            return None
        return Fault("failed by a report, though it never completed", f"failed ({row.error_reason}), though it never said complete")

    def judge_interrupted(self, device, row):
        """Rule 5: as many attempts in a row as attempt_limit that were cut off."""
        offers = [offer for offer in device.offers if offer.version == row.version and not offer.again]
        if self.losses(device, row.created_at) >= ATTEMPT_LIMIT and row.attempts >= ATTEMPT_LIMIT and offers:
            return None
        return Fault("interrupted, though it was not", f"failed ({row.error_reason}), {row.attempts} attempts, {len(offers)} offers reached it")

    def judge_canceled(self, device, row):
        """"the task was stopped before its turn came"; rule 11: who got newer firmware meanwhile is left alone."""
        if row.task_state == "stopped" or (row.task_id, row.device_id) in self.world.stopped_rows:
            return None
        if any((order(version) or 0) > order(row.version) and moment <= row.completed_at + MARGIN for moment, version in device.ran):
            return None
        return Fault("canceled by nobody", f"canceled ({row.error_reason}), though nobody stopped it and it runs nothing newer")

    # --- check 4: nothing waits that could end ---

    def judge_open(self, device, row):
        """The README's "what comes next": who is there, has reported and does nothing has no open row for long. Who is gone
        for ever may wait. Rule 14: a mislabelled image is not offered for ever."""
        if device.gone:
            return None
        if device.has("mislabelled") and self.installed(device, row.version, 0) >= 3:
            return None
        return Fault(f"{row.state} for ever", f"{row.state} after {row.attempts} attempts, though it is there and idle")

    @staticmethod
    def installed(device, version, since):
        return sum(upgrade.version == version and upgrade.since >= since for upgrade in device.upgrades)

    def judge_version(self, device):
        """README, table device: "its version" is what it reported last (and knows to be acknowledged)."""
        words = [word for word in device.words if word.version or word.final == "success"]
        last = max((at for at, word in enumerate(words) if word.version and word.known < NEVER), default=None)
        if last is None:
            return None
        accepted = {words[last].version} | {word.version or word.about for word in words[last + 1 :]}
        found = self.versions.get(device.name)
        if found in accepted:
            return None
        return Fault("another version than it reported", f"device.version is {found}, it said {words[last].version} last")

    def untruths(self, device):
        """Of the rows of a device, and of its version."""
        faults = [self.judge_row(device, row) for row in self.rows[device.name]] + [self.judge_version(device)]
        return [fault for fault in faults if fault]

    # --- checks 2 and 3: nobody is offered what it does not need ---

    def needless(self, device):
        faults, last = [], {}
        for offer in device.offers:
            if not offer.again:
                judges = (self.judge_known, self.judge_two_at_once, self.judge_again, self.judge_void)
                faults += [fault for judge in judges if (fault := judge(device, offer, last.get(offer.version)))]
                last[offer.version] = offer
        if device.has("mislabelled") and self.installed(device, "2.0", self.world.calm_since) > 4:
            # rule 14: not more than three times in a row while nothing changes
            faults.append(Fault("a mislabelled image for ever", f"installed 2.0 {self.installed(device, '2.0', 0)} times"))
        return faults

    def judge_known(self, device, offer, _before):
        """Nobody is sent what it runs and has said so; rule 11: nobody is sent something older (no task here allows it)."""
        known = self.known_version(device, offer.stamp, spoken=True)
        if known == offer.version:
            return Fault("sent what it runs", f"was sent {offer.version} ({offer.how}) though it had said that it runs it")
        if known and order(known) is not None and order(offer.version) < order(known):
            return Fault("sent back to an older version", f"was sent {offer.version} ({offer.how}) though it had said that it runs {known}")
        return None

    def judge_two_at_once(self, device, offer, _before):
        """README: "A device is upgraded by one task at a time"; rules 2 and 10: not before it reported or timed out."""
        busy = offer.busy
        if not busy or busy.version == offer.version or device.has("nameless"):
            return None
        has_row = any(row.version == busy.version and row.created_at <= busy.since for row in self.rows[device.name])
        if not has_row or not busy.since + MARGIN < offer.stamp < busy.since + self.world.upgrade_seconds - 1:
            return None
        since = [word for word in device.words if busy.since <= word.at and word.known <= offer.stamp - MARGIN]
        answered = any(word.about == busy.version for word in since)
        if answered and not any(word.version for word in since):
            return Fault("two upgrades at once", f"was sent {offer.version} ({offer.how}) in the middle of {busy.version}")
        return None

    def task_requeues(self, device, version):
        return [moment for row in self.rows[device.name] if row.version == version for moment in self.requeued(row)]

    def judge_again(self, device, offer, before):
        """A version is sent again only after a lost link, an unanswered push, an operator's retry or a broker's restart;
        never by a push after the device's own end of it, and not to who pulls before it restarts (rule 15)."""
        between = lambda moment: before and before.stamp - MARGIN <= moment <= offer.at + MARGIN  # noqa: E731
        if not before or any(between(moment) for moment in self.task_requeues(device, offer.version)):
            return None
        ended = [w for w in device.words if w.about == offer.version and w.final and w.named and before.at <= w.at and w.known <= offer.stamp - MARGIN]
        if offer.how == "pull":
            return self.judge_handed_again(device, offer, ended)
        if ended:
            return Fault("sent again after its end", f"was sent {offer.version} again after it had said {ended[-1].final}")
        if any(between(moment) for moment in (*device.port.changes, *self.world.broker.starts)):
            return None
        answers = [w for w in device.words if w.at >= before.at and w.at <= offer.stamp and (w.about == offer.version or w.tail == "pull")]
        if not answers or offer.boots != before.boots:
            return None
        return Fault("sent again without need", f"was sent {offer.version} again after {offer.stamp - before.stamp:.1f} s, which it had answered")

    def judge_handed_again(self, device, offer, ended):
        completed = [word for word in ended if word.final == "success"]
        if not completed or device.has("mislabelled"):
            return None
        since = completed[-1].known
        restarted = any(moment > since - 2 and text.startswith("(boots") for moment, text in device.history if moment <= offer.stamp)
        if restarted or offer.stamp > since + self.world.upgrade_seconds:
            return None
        return Fault("handed again after it completed", f"was handed {offer.version} again {offer.stamp - since:.1f} s after it completed it")

    def judge_void(self, device, offer, _before):
        """Rule 7: an upgrade that is void by then is never the newest word a device gets."""
        age = offer.at - offer.stamp
        if offer.how == "push" and age > self.world.response_seconds + 2:
            return Fault("got a void upgrade", f"got an upgrade to {offer.version} that was {age:.1f} s old")
        return None

    # --- check 5: the catalog itself ---

    def catalog_faults(self):
        """README: the counts of task_summary are exact; the catalog is whole; the broker never ended by itself."""
        world = self.world
        faults = [f"task_summary: {row}" for row in world.database.execute(SUMMARY)]
        whole = world.database.execute("PRAGMA integrity_check").fetchone()[0]
        return faults + ([f"integrity_check: {whole}"] if whole != "ok" else []) + world.broker.failures

    # --- telling ---

    def waits_for(self):
        """Devices with rows that may still end by themselves."""
        return [d for d in self.world.devices for row in self.rows[d.name] if row.state in ("waiting", "processing") and self.judge_open(d, row)]

    def line(self, device, faults, messages):
        rows = "; ".join(f"{row.version} {row.mode} {row.state}" + (f" '{row.error_reason}'" if row.error_reason else "") for row in self.rows[device.name])
        ran = ", ".join(version for _, version in device.ran)
        last = "; ".join(f"{moment - time.time():+.1f} {text}" for moment, text in device.history[-messages:])
        return f"{device.describe()}: {' AND '.join(fault.text for fault in faults)} | rows: {rows} | ran: {ran} | {last}"
