"""Checks 2 and 3 of the oracle: nobody is sent, or handed, firmware without need. Each check's
comment says which promise of operate.md, or which rule of upgrades, it stands for."""

import collections

from world import VERSIONS

# between a word's acknowledgement and its being in the catalog, and what was on its way then
MARGIN = 1.0

Fault = collections.namedtuple("Fault", "kind text")


def order(version):
    return VERSIONS.index(version) if version in VERSIONS else None


class Offers:
    """All that one device was offered."""

    def __init__(self, oracle, device):
        self.oracle, self.world, self.device = oracle, oracle.world, device
        self.rows = oracle.rows[device.name]

    def known_version(self, moment, spoken=False):
        """What the broker knew it to run then; `spoken`: by a report, a pull or a read/reply
        alone."""
        version = None
        for word in self.device.words:
            if word.known <= moment - MARGIN and not word.refused:
                if word.version:
                    version = word.version
                elif word.final == "success" and word.named and not spoken:
                    version = word.about
        return version

    def faults(self):
        faults, last = [], {}
        for offer in self.device.offers:
            if not offer.again:
                before = last.get(offer.version)
                faults += [self.judge_known(offer), self.judge_two_at_once(offer)]
                faults += [self.judge_again(offer, before), self.judge_void(offer)]
                last[offer.version] = offer
        return [fault for fault in (*faults, self.judge_mislabelled()) if fault]

    def judge_mislabelled(self):
        """Rule 14: not more than three times in a row while nothing changes, and one under way."""
        times = self.device.installed("2.0", self.world.calm_since)
        if not self.device.has("mislabelled") or times <= 4:
            return None
        return Fault("a mislabelled image for ever", f"installed 2.0 {times} times in the quiet")

    def judge_known(self, offer):
        """Nobody is sent what it runs and has said so; rule 11: nobody is sent something older
        (no task here allows it)."""
        known = self.known_version(offer.stamp, spoken=True)
        if known == offer.version:
            return Fault(
                "sent what it runs",
                f"was sent {offer.version} ({offer.how}) though it had said that it runs it",
            )
        if known and order(known) is not None and order(offer.version) < order(known):
            return Fault(
                "sent back to an older version",
                f"was sent {offer.version} ({offer.how}) though it had said that it runs {known}",
            )
        return None

    def judge_two_at_once(self, offer):
        """operate.md: "A device is upgraded by one task at a time"; rules 2 and 10: not before it
        reported or timed out."""
        busy = offer.busy
        if not busy or busy.version == offer.version or self.device.has("nameless"):
            return None
        has_row = any(
            row.version == busy.version and row.created_at <= busy.since for row in self.rows
        )
        if (
            not has_row
            or not busy.since + MARGIN < offer.stamp < busy.since + self.world.upgrade_seconds - 1
        ):
            return None
        since = [
            word
            for word in self.device.words
            if busy.since <= word.at and word.known <= offer.stamp - MARGIN
        ]
        answered = any(word.about == busy.version for word in since)
        if answered and not any(word.version for word in since):
            return Fault(
                "two upgrades at once",
                f"was sent {offer.version} ({offer.how}) in the middle of {busy.version}",
            )
        return None

    def task_requeues(self, version):
        return [
            moment
            for row in self.rows
            if row.version == version
            for moment in self.oracle.requeued(row)
        ]

    def judge_again(self, offer, before):
        """A version is sent again only after a lost link, an unanswered push, an operator's
        retry or a broker's restart; never by a push after the device's own end of it, and not to
        who pulls before it restarts (rule 15)."""

        def between(moment):
            return before and before.stamp - MARGIN <= moment <= offer.at + MARGIN

        if not before or any(between(moment) for moment in self.task_requeues(offer.version)):
            return None
        ended = [
            w
            for w in self.device.words
            if w.about == offer.version
            and w.final
            and w.named
            and not w.refused
            and before.at <= w.at
            and w.known <= offer.stamp - MARGIN
        ]
        if offer.how == "pull":
            return self.judge_handed_again(offer, ended)
        if ended:
            return Fault(
                "sent again after its end",
                f"was sent {offer.version} again after it had said {ended[-1].final}",
            )
        if any(
            between(moment) for moment in (*self.device.port.changes, *self.world.broker.starts)
        ):
            return None
        if any(
            word.version and word.tail != "pull" and between(word.at) for word in self.device.words
        ):
            return None  # rule 1: it said that it runs the old version, and then nothing
        answers = [
            w
            for w in self.device.words
            if w.at >= before.at
            and w.at <= offer.stamp
            and (w.about == offer.version or w.tail == "pull")
        ]
        if not answers or offer.boots != before.boots:
            return None
        return Fault(
            "sent again without need",
            f"was sent {offer.version} again, which it had answered",
        )

    def judge_handed_again(self, offer, ended):
        completed = [word for word in ended if word.final == "success"]
        if not completed or self.device.has("mislabelled"):
            return None
        since = completed[-1].known
        reported = any(
            word.version and word.tail != "pull" and since - MARGIN < word.at
            for word in self.device.words
            if word.at < offer.stamp
        )
        restarted = any(
            moment > since - 2 and text.startswith("(boots")
            for moment, text in self.device.history
            if moment <= offer.stamp
        )
        if reported or restarted or offer.stamp > since + self.world.upgrade_seconds:
            return None
        return Fault(
            "handed again after it completed",
            f"was handed {offer.version} again {offer.stamp - since:.1f} s after it completed it",
        )

    def judge_void(self, offer):
        """Rule 7: an upgrade that is void by then is never the newest word a device gets."""
        age = offer.at - offer.stamp
        if offer.how == "push" and age > self.world.response_seconds + 2:
            return Fault(
                "got a void upgrade", f"got an upgrade to {offer.version} that was {age:.1f} s old"
            )
        return None
