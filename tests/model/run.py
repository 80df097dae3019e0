"""Random operators and devices against the real broker and against model.py: the same rows,
messages and answers at every step.

  run.py [--seed N] [--seeds N-M] [--seconds N] [--rounds N] [--only 1,4-7] [--shorten N]

A walk that fails prints its seed and its last acts, and is made shorter: rounds are left out as
long as what is left fails, for N seconds (120). `--only` takes these rounds alone.
With FW_PLUGIN, FW_SOURCE and MOSQUITTO as for the other tests."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
os.environ["TZ"] = "MDL-3"  # starts.py, ZONE
time.tzset()

from broker import Broker  # noqa: E402
from walk import Walk  # noqa: E402

LAST_ACTS = 60


class Result:
    """Of a walk: `error` is None, or what went wrong; `next`: the round that it did not take."""

    def __init__(self, seed, rounds, seconds):
        self.error, self.history, self.log, self.next = None, [], [], 0
        self.steps, self.kills, self.tally = 0, 0, {}
        folder = tempfile.mkdtemp()
        broker, walk = Broker(folder), None
        try:
            walk = Walk(broker, seed)
            self.next = walk.walk(rounds, seconds)
        except Exception as error:  # whatever it is
            self.error = f"{type(error).__name__}: {error}"
            if not isinstance(error, (AssertionError, TimeoutError)):
                import traceback

                self.error = traceback.format_exc()
        finally:
            if walk:
                self.history, self.steps, self.kills = walk.history, walk.steps, walk.kills
                self.tally = walk.model.tally
            with open(broker.log, encoding="utf-8", errors="replace") as log:
                self.log = log.read().splitlines()
            broker.end(signal.SIGTERM)
            shutil.rmtree(folder)

    def rounds(self):
        return [int(act.split()[-1]) for act in self.history if act.startswith("--- round")]


def shorten(seed, failed, seconds):
    """Leaves out halves, quarters, ... of the rounds while what is left fails."""
    deadline = time.monotonic() + seconds
    size = len(failed.rounds()) // 2
    while size and time.monotonic() < deadline:
        rounds, at = failed.rounds(), 0
        while at < len(rounds) - 1 and time.monotonic() < deadline:
            # the last one shows it
            fewer = rounds[:at] + rounds[min(at + size, len(rounds) - 1) :]
            tried = Result(seed, fewer, 3600)
            if tried.error:
                failed, rounds = tried, tried.rounds()
            else:
                at += size
        size //= 2
    return failed


def ranges(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def report(seed, result):
    print(f"seed {seed}, after {result.steps} steps: {result.error}")
    print("the last acts:", *result.history[-LAST_ACTS:], sep="\n  ")
    print("the broker's log:", *result.log[-15:], sep="\n  ")
    print(f"again: run.py --seed {seed} --only {','.join(map(str, result.rounds()))}", flush=True)


def try_seed(seed, options):
    rounds = list(ranges(options.only)) if options.only else range(1, options.rounds + 1)
    result = Result(seed, rounds, options.seconds)
    if not result.error:
        kills = f"{result.kills} kills"
        print(f"seed {seed}: {result.steps} steps, {kills}: the same rows, messages and answers")
        if options.tally:
            print(*(f"  {n} {what}" for what, n in sorted(result.tally.items())), sep="\n")
        sys.stdout.flush()
        return True
    if options.shorten:
        print(f"seed {seed} fails in round {result.rounds()[-1:]}, to be made shorter", flush=True)
        result = shorten(seed, result, options.shorten)
    report(seed, result)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--only")
    parser.add_argument("--tally", action="store_true", help="says how often what happened")
    parser.add_argument("--shorten", type=float, default=120)
    options = parser.parse_args()
    seeds = ranges(options.seeds) if options.seeds else [options.seed]
    return 0 if all([try_seed(seed, options) for seed in seeds]) else 1


if __name__ == "__main__":
    sys.exit(main())
