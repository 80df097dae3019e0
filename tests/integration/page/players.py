"""Devices for the page's tests: each reports its version, and plays an upgrade when it is told of one.

  players.py PRODUCT COUNT [--bad FILE] [--pace S] [--version V]

FILE, read at each upgrade, holds for how many of a hundred it does not go well; empty or 0: all is well. BROKER_SOCKET is
the broker's socket. Ends when its standard input does."""

import argparse
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from fleet import Fleet  # noqa: E402

REASONS = ["the image does not verify", "flash write error at 0x8000", "battery below 20 %", "<b>bold</b><script>alert(1)</script>"]


class Players:
    def __init__(self, options):
        self.options, self.fleet, self.due = options, Fleet(), []
        self.random = random.Random(7)
        for number in range(1, options.count + 1):
            device = self.fleet.connect(f"{options.product}-{number:03}", product=options.product, on_message=self.hear)
            device.say("report", json.dumps({"version": options.version}))
        self.fleet.settle(*[])

    def bad_share(self):
        try:
            return float(pathlib.Path(self.options.bad).read_text() or 0) if self.options.bad else 0
        except (OSError, ValueError):
            return 0

    def later(self, seconds, device, tail, message):
        self.due.append((time.monotonic() + seconds, device, tail, message))

    def hear(self, device, topic, payload, _qos, _retained):
        if not topic.endswith("/upgrade"):
            return
        told = json.loads(payload)
        pace = self.options.pace * (0.5 + self.random.random())
        named = {"firmwareId": told["firmwareId"], "version": told["version"]}
        self.later(0, device, "upgrade/reply", {"success": True})
        bad = self.random.random() * 100 < self.bad_share()
        for step, percent in enumerate([0, 25, 50, 75]):
            self.later(pace * (step + 1), device, "upgrade/progress", {"progress": percent, **named})
            if bad and percent == 50:
                why = REASONS[int(self.random.random() ** 2 * len(REASONS))]
                end = {"progress": 50, "complete": True, "success": False, "errorReason": why, **named}
                self.later(pace * (step + 1.5), device, "upgrade/progress", end)
                return
        done = {"progress": 100, "complete": True, "success": True, **named}
        self.later(pace * 5, device, "upgrade/progress", done)
        self.later(pace * 5.2, device, "report", {"version": told["version"]})

    def play(self):
        parent = os.getppid()
        while os.getppid() == parent:
            self.fleet.run(0.05)
            now = time.monotonic()
            ripe = sorted((d for d in self.due if d[0] <= now), key=lambda d: d[0])
            self.due = [d for d in self.due if d[0] > now]
            for _, device, tail, message in ripe:
                if device.alive:
                    device.say(tail, json.dumps(message))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("product")
    parser.add_argument("count", type=int)
    parser.add_argument("--bad")
    parser.add_argument("--pace", type=float, default=0.3)
    parser.add_argument("--version", default="1.0")
    Players(parser.parse_args()).play()


if __name__ == "__main__":
    main()
