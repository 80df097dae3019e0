"""What must be true of the catalog after a run, told from what the simulated devices did.
Strict, and fair: a check stands for a promise of operate.md (what `task_device.state` means) or
of the rules of upgrades, and its comment says which."""

import collections
import re
import time

from devices import NEVER
from offers import MARGIN, Fault, Offers, order

ATTEMPT_LIMIT = 5
WAKE_SECONDS = 5  # how long a device is away between two signs of life, at most

ROWS = """
    SELECT r.task_id, r.device_id, f.version, t.mode, t.state AS task_state, r.state,
      r.error_reason, r.failed_by, r.attempts, r.created_at / 1000.0 AS created_at,
      r.completed_at / 1000.0 AS completed_at, {failure} AS failure
    FROM task_device AS r JOIN task AS t USING (task_id) JOIN firmware AS f USING (firmware_id)
    ORDER BY t.created_at, t.position, r.device_id"""
SUMMARY = """
    WITH
      told AS (
        SELECT task_id, total, waiting, processing, success, failed, canceled FROM task_summary),
      counted AS (
        SELECT t.task_id, count(r.state), sum(r.state = 'waiting'), sum(r.state = 'processing'),
          sum(r.state = 'success'), sum(r.state = 'failed'), sum(r.state = 'canceled')
        FROM task AS t LEFT JOIN task_device AS r USING (task_id) GROUP BY 1)
    SELECT * FROM (SELECT * FROM told EXCEPT SELECT * FROM counted)
    UNION ALL SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM told)"""


def telling(history):
    """Without what only repeats what was just there: who has nothing to do reports and polls all
    the same."""
    kept, recent = [], collections.deque(maxlen=6)
    for moment, text in history:
        shape = re.sub(r"[0-9-]{5,}[^ ,}]*|-[0-9]+", "#", text)
        if shape not in recent:
            kept.append((moment, text))
            recent.append(shape)
    return kept


class Oracle:
    """Of one world, at one moment."""

    def __init__(self, world):
        self.world, self.rows, self.at = world, collections.defaultdict(list), time.time()
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
        """It said, and knows that the broker heard, that it runs the version or has completed
        it."""
        return any(
            word.known < NEVER
            and word.at >= since
            and (
                word.version == version
                or word.about == version
                and word.final == "success"
                and word.named
            )
            for word in device.words
        )

    def losses(self, device, since):
        """How often an attempt may have been cut off."""
        moments = [m for m in device.port.changes if m >= since - MARGIN]
        ends = [m for m in self.world.broker.starts if m >= since]
        return len(ends) + len(device.deaths) + len(moments) // 2

    # --- check 1: each row tells the truth ---

    def judge_row(self, device, row):
        judges = {
            "success": self.judge_success,
            "failed": self.judge_failed,
            "canceled": self.judge_canceled,
        }
        return judges.get(row.state, self.judge_open)(device, row)

    def judge_success(self, device, row):
        """operate.md: "the device completed, or reported the version; also who ran it already"."""
        moments = [moment for moment, version in device.ran if version == row.version]
        moments += [
            word.at
            for word in device.words
            if word.about == row.version and word.final == "success"
        ]
        if min(moments, default=NEVER) <= row.completed_at + 1.5:
            return None
        if self.is_late_word(device, row):
            return None
        if not moments:
            return Fault("success of what it never ran", "success, but it never ran it")
        early = min(moments) - row.completed_at
        return Fault("success before it was one", f"success {early:.1f} s before it ran it")

    @staticmethod
    def is_late_word(device, row):
        """Rule 9 lets a nameless completion count for the only row that was sent since the last
        report. Who reports first, and says complete after it, is beyond what can be known."""
        completed = [
            word.at
            for word in device.words
            if not word.named and word.final == "success" and word.at <= row.completed_at + 1.5
        ]
        reports = [
            word.at
            for word in device.words
            if word.version and completed and word.at < max(completed)
        ]
        sent = [o for o in device.offers if max(reports, default=0) - 1 < o.at <= row.completed_at]
        return bool(completed) and {offer.version for offer in sent} == {row.version}

    @staticmethod
    def kind(row):
        """The kind of a failure; older catalogs have the sentence alone."""
        starts = {
            "response timeout": "response",
            "upgrade timeout": "timeout",
            "still runs": "version",
            "gone after": "interrupted",
        }
        found = [kind for text, kind in starts.items() if (row.error_reason or "").startswith(text)]
        if row.failure:
            return row.failure
        return "device" if row.failed_by == "device" else (found or ["unknown"])[0]

    def judge_failed(self, device, row):
        """operate.md: "error_reason says why"; "a device that completes, or reports the version,
        after a timeout makes it a success"."""
        kind = self.kind(row)
        judges = {
            "device": self.judge_own_word,
            "refused": self.judge_own_word,
            "response": self.judge_no_response,
            "timeout": self.judge_timeout,
            "version": self.judge_version_failure,
            "interrupted": self.judge_interrupted,
        }
        if kind not in ("device", "refused") and self.said_version(
            device, row.version, row.created_at
        ):
            return Fault(
                f"failed ({kind}), though it runs it",
                f"failed ({row.error_reason}), though it ran it and said so",
            )
        if kind not in judges:
            return Fault("failed without a known reason", f"failed, kind {kind}")
        return judges[kind](device, row)

    def judge_own_word(self, device, row):
        """A failure or refusal that the device itself reported, since the row last began to
        wait, in its own words."""
        since = max(self.requeued(row)) - MARGIN
        own = [
            w
            for w in device.words
            if w.about == row.version
            and w.final in ("failure", "refusal")
            and self.heard_after(w, since)
        ]
        if row.failure:
            own = [w for w in own if (w.final == "refusal") == (row.failure == "refused")]
        said = {w.body.get("errorReason") or w.body.get("message") for w in own}
        if row.error_reason in said:
            return None
        return Fault(
            "a failure it did not report",
            f"failed by its own word ({row.error_reason}), but it said {sorted(said) or 'nothing'}",
        )

    @staticmethod
    def heard_after(word, since):
        """It was said since then, or came since then: late, or once more."""
        return max(word.at, word.repeated or 0, word.known if word.known < NEVER else 0) >= since

    @staticmethod
    def is_ambiguous(device, row):
        """Rule 9: what a nameless message says counts only if one row alone was sent since the
        device last reported."""
        if not device.has("nameless"):
            return False
        sent = [
            offer.at
            for offer in device.offers
            if offer.version == row.version and offer.at <= row.completed_at
        ]
        reports = [
            word.at for word in device.words if word.version and sent and word.at < max(sent)
        ]
        since = max(reports, default=0)
        return any(
            offer.version != row.version and since < offer.at < row.completed_at
            for offer in device.offers
        )

    def judge_no_response(self, device, row):
        """ "response timeout (it was online, and said nothing)". Rules 3 and 4: a push into a
        connection that was dead, or of another device than the one that is there, is no verdict:
        the row waits and is sent again. Who stalls in one upgrade says nothing to the next; a
        dead connection that nobody can find out about is there."""
        if device.has("silent", "stalls") or device.gone or self.is_ambiguous(device, row):
            return None
        offers = sum(offer.version == row.version for offer in device.offers)
        return Fault(
            "response timeout, though it answers",
            f"failed ({row.error_reason}), though it answers what reaches it ({offers} offers did)",
        )

    def judge_timeout(self, device, row):
        """ "within timeout_seconds without an end": it really had begun, and had no end by then.
        Who forgot it in a restart and said so is sent it again (rule 1) and does not run into
        it, but for the time that this takes."""
        slack = self.world.response_seconds + WAKE_SECONDS
        begun = [
            u
            for u in device.upgrades
            if u.version == row.version
            and u.since <= row.completed_at
            and row.completed_at <= u.until + slack
        ]
        if (
            device.has("stalls", "vanishes", "silent", "qos-0")
            or begun
            or self.is_ambiguous(device, row)
        ):
            return None
        if device.has("dies") and row.mode == "pull":
            return None  # the same attempt is handed out again: its time may be up first
        return Fault(
            "upgrade timeout of what was not under way",
            f"failed ({row.error_reason}), though it was not under way then",
        )

    @staticmethod
    def judge_version_failure(device, row):
        """Rule 1: "a report of the old version fails a row only after the device said complete"."""
        if any(word.about == row.version and word.final == "success" for word in device.words):
            return None
        return Fault(
            "failed by a report, though it never completed",
            f"failed ({row.error_reason}), though it never said complete",
        )

    def judge_interrupted(self, device, row):
        """Rule 5: as many attempts in a row as attempt_limit that were cut off."""
        offers = [
            offer for offer in device.offers if offer.version == row.version and not offer.again
        ]
        if (
            self.losses(device, row.created_at) >= ATTEMPT_LIMIT
            and row.attempts >= ATTEMPT_LIMIT
            and offers
        ):
            return None
        return Fault(
            "interrupted, though it was not",
            f"failed ({row.error_reason}), {row.attempts} attempts, {len(offers)} reached it",
        )

    def judge_canceled(self, device, row):
        """ "the task was stopped before its turn came"; rule 11: who got newer firmware meanwhile
        is left alone."""
        if row.task_state == "stopped" or (row.task_id, row.device_id) in self.world.stopped_rows:
            return None
        if any(
            (order(version) or 0) > order(row.version) and moment <= row.completed_at + MARGIN
            for moment, version in device.ran
        ) or device.has("mislabelled"):
            return None
        return Fault(
            "canceled by nobody",
            f"canceled ({row.error_reason}), though nobody stopped it and it runs nothing newer",
        )

    # --- check 4: nothing waits that could end ---

    def judge_open(self, device, row):
        """What operate.md says comes next: who is there, has reported and does nothing has no
        open row for long. Who is gone for ever may wait. Rule 14: a mislabelled image is not
        offered for ever."""
        if device.gone:
            return None
        if device.has("mislabelled"):
            return None
        return Fault(
            f"{row.state} for ever",
            f"{row.state} after {row.attempts} attempts, though it is there and idle",
        )

    def judge_version(self, device):
        """operate.md, table device: "its version" is what it reported last (and knows to be
        acknowledged)."""
        words = [word for word in device.words if word.version or word.final == "success"]
        last = max(
            (at for at, word in enumerate(words) if word.version and word.known < NEVER),
            default=None,
        )
        if last is None:
            return None
        accepted = {words[last].version} | {
            word.version or word.about for word in words[last + 1 :]
        }
        found = self.versions.get(device.name)
        if found in accepted:
            return None
        return Fault(
            "another version than it reported",
            f"device.version is {found}, it said {words[last].version} last",
        )

    def untruths(self, device):
        """Of the rows of a device, and of its version."""
        faults = [self.judge_row(device, row) for row in self.rows[device.name]] + [
            self.judge_version(device)
        ]
        return [fault for fault in faults if fault]

    def needless(self, device):
        """Checks 2 and 3: firmware that it was sent without need."""
        return Offers(self, device).faults()

    # --- check 5: the catalog itself ---

    def catalog_faults(self):
        """operate.md: the counts of task_summary are exact; the catalog is whole; the broker never
        ended by itself."""
        world = self.world
        faults = [f"task_summary: {row}" for row in world.database.execute(SUMMARY)]
        whole = world.database.execute("PRAGMA integrity_check").fetchone()[0]
        return (
            faults
            + ([f"integrity_check: {whole}"] if whole != "ok" else [])
            + world.broker.failures
        )

    # --- telling ---

    def waits_for(self):
        """Devices with rows that may still end by themselves."""
        return [
            d
            for d in self.world.devices
            for row in self.rows[d.name]
            if row.state in ("waiting", "processing") and self.judge_open(d, row)
        ]

    def line(self, device, faults, messages):
        rows = "; ".join(
            f"{row.version} {row.mode} {row.state}"
            + (f" '{row.error_reason}'" if row.error_reason else "")
            for row in self.rows[device.name]
        )
        ran = ", ".join(version for _, version in device.ran)
        last = "; ".join(
            f"{moment - self.at:+.1f} {text}"
            for moment, text in telling(device.history)[-messages:]
        )
        wrong = " AND ".join(fault.text for fault in faults)
        return f"{device.describe()}: {wrong} | rows: {rows} | ran: {ran} | {last}"
