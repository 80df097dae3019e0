"""A simulated device: what it does with an upgrade (habits.py), what it says, and what it really
runs. Its flash changes only when it installs an image that it was offered; the rest of the
simulation never touches it."""

import json
import time

PROGRESS_STEPS = (10, 35, 60, 85)
CLOCK_STARTS = {
    "clock-1970": 0,
    "clock-2000": 946684800,
    "clock-build": 1718000000,
    "clock-stands": 1700000000,
}
NEVER = 1e18


class Word:
    """A message of a device. `known`: when the device knew that the broker has it, NEVER before
    that."""

    def __init__(self, device, tail, body, version=None, about=None, final=None, named=True):
        self.device, self.tail, self.body, self.at = device, tail, body, time.time()
        self.version = version  # that it says it runs
        self.about, self.final, self.named = (
            about,
            final,
            named,
        )  # the upgrade it is about: success, failure, refusal
        self.known, self.refused, self.repeated = NEVER, False, None

    def arrived(self, reason=0):
        self.refused = reason >= 0x80
        if self.refused:
            self.device.note(f"refused: {self.tail}, reason {reason:#x}")
        elif self.known == NEVER:
            self.known = time.time()


class Offer:
    """Firmware that was sent to a device (`push`), or handed to it (`pull`)."""

    def __init__(self, device, how, message):
        self.at, self.how, self.version = time.time(), how, message["version"]
        self.stamp = message["timestamp"] / 1000
        self.firmware_id = message["firmwareId"]
        self.boots, self.busy = device.boots, device.busy
        self.again = any(
            o.stamp == self.stamp and o.version == self.version and o.how == how
            for o in device.offers
        )


class Upgrade:
    """What a device is doing with an offer."""

    def __init__(self, offer):
        self.version, self.firmware_id, self.since, self.until = (
            offer.version,
            offer.firmware_id,
            time.time(),
            NEVER,
        )
        self.stage, self.how = "begins", offer.how


class Device:
    def __init__(self, world, name, product, habits, random, port):
        self.world, self.name, self.product, self.habits, self.random = (
            world,
            name,
            product,
            habits,
            random,
        )
        self.base = f"/{product}/{name}/firmware/"
        self.port, self.history = port, []
        # flash
        self.version, self.previous, self.job, self.owed = "1.0", None, None, None
        self.tries, self.interrupted, self.went_back = {}, set(), set()
        # memory
        self.boots, self.is_on, self.busy, self.reported, self.asked = 0, False, None, False, 0
        # the truth, for the oracle
        self.ran, self.words, self.offers, self.upgrades, self.deaths = [(0, "1.0")], [], [], [], []
        self.gone = False
        self.draw_traits()
        port.add(self)

    def has(self, *names):
        return bool(self.habits.intersection(names))

    def draw_traits(self):
        """What differs between devices with the same habits."""
        pick = self.random.choice
        self.names = pick([("firmwareId",), ("version",), ("firmwareId", "version")])
        self.replies = self.random.random() < 0.7
        self.resumes, self.complete_first = pick([True, False]), pick([True, False])
        self.asks_with_version, self.asks_while_busy = self.random.random() < 0.8, pick(
            [True, False]
        )
        self.poll_seconds = self.random.uniform(1.5, 4)
        self.dies_after = pick(["nothing", "reply", "progress"])

    def installed(self, version, since=0):
        """How often it began to."""
        return sum(u.version == version and u.since >= since for u in self.upgrades)

    def describe(self):
        habits = [
            name
            for name in sorted(self.habits)
            if name not in ("true-clock", "ordinary", "waits", "steady")
        ]
        return f"{self.name} ({self.product}; {', '.join(habits)}; {self.port.describe()})"

    def listens_to(self):
        tails = [] if self.has("polls") else ["upgrade"]
        return tails + ["read"] + (["pull/reply"] if self.has("polls", "push-then-pull") else [])

    def note(self, text):
        self.history.append((time.time(), text))

    def after(self, low, high, act):
        """Unless it restarts before."""
        boots = self.boots
        self.world.loop.after(
            self.random.uniform(low, high), lambda: boots == self.boots and self.is_on and act()
        )

    def then(self, low, high, act):
        """The same, if the upgrade under way still is."""
        upgrade = self.busy
        self.after(low, high, lambda: self.busy is upgrade and act())

    # --- power ---

    def boot(self):
        if self.gone:
            return
        self.boots, self.is_on, self.reported = self.boots + 1, True, False
        self.started = time.monotonic()
        self.note(f"(boots, runs {self.version})")
        if self.has("polls"):
            self.poll_later()
        if self.job:
            self.busy, self.job = self.job, None
            self.busy.until = NEVER
            self.then(0.3, 0.8, lambda: self.download(2))
        if not self.has("gateway"):
            self.port.power_on()
        elif self.port.is_up():
            self.link_up()

    def restart(self, version=None, seconds=(0.2, 1.2)):
        """Into the version, or the one it runs."""
        self.end_upgrade()
        self.is_on, self.asked = False, 0
        if version and version != self.version:
            self.previous, self.version = self.version, version
            self.ran.append((time.time(), version))
        self.note("(restarts)")
        if not self.has("gateway"):
            self.port.power_off(self.port.some_end())
        self.world.loop.after(self.random.uniform(*seconds), self.boot)

    def end_upgrade(self):
        if self.busy:
            self.busy.until = time.time()
            self.busy = None

    def is_awake(self):
        """Something keeps it from sleeping."""
        return bool(self.busy) or not self.is_on or time.monotonic() - self.asked < 0.3

    # --- saying ---

    def timestamp(self):
        clock = next(
            name for name in self.habits if name.endswith("-clock") or name.startswith("clock-")
        )
        if clock == "true-clock":
            return int(time.time() * 1000)
        if clock == "text-clock":
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if clock == "no-clock":
            return None
        uptime = 0 if clock == "clock-stands" else int(time.monotonic() - self.started)
        return (CLOCK_STARTS[clock] + uptime) * 1000

    def say(self, tail, body, **about):
        stamp = self.timestamp()
        body = dict(body) if stamp is None else {"timestamp": stamp, **body}
        word = Word(self, tail, body, **about)
        self.words.append(word)
        self.note(f"> {tail} {json.dumps(body)}")
        if self.has("bulky"):
            body = self.bulky(body)
        for _ in range(2 if self.has("duplicates") and self.random.random() < 0.5 else 1):
            self.port.publish(self.base + tail, json.dumps(body), word)

    def bulky(self, body):
        nested = "leaf"
        for depth in range(8):
            nested = {"depth": depth, "more": [nested]} if depth % 2 else {"inner": nested}
        extra = {
            "nested": nested,
            "log": "x\u00e9" * self.random.randint(10, 600),
            "state": None,
            "ratio": 0.25,
            "ok": True,
        }
        return {"vendor": extra, **body, "uptime": 12345678901234}

    def label(self):
        """What its image says it is."""
        return "v2.0" if self.has("mislabelled") and self.version == "2.0" else self.version

    def report(self):
        self.reported = True
        self.say("report", {"version": self.label()}, version=self.label())

    def tell(self, percent, final=None, reason=None):
        """Progress of the upgrade under way, and its end."""
        body = {"progress": percent}
        if not self.has("nameless"):
            body |= {"firmwareId": self.busy.firmware_id, "version": self.busy.version}
            body = {
                key: value for key, value in body.items() if key == "progress" or key in self.names
            }
        if final:
            body |= {"complete": True, "success": final == "success"}
        if reason:
            body |= {"errorReason": reason} | ({"retry": True} if self.has("fails-once") else {})
        self.say(
            "upgrade/progress",
            body,
            about=self.busy.version,
            final=final,
            named=not self.has("nameless"),
        )

    def reply(self, success=True, message=None):
        body = {"success": success} | ({"message": message} if message else {})
        if not self.has("nameless"):
            body["firmwareId"] = self.busy.firmware_id
        final = None if success else "refusal"
        self.say(
            "upgrade/reply",
            body,
            about=self.busy.version,
            final=final,
            named=not self.has("nameless"),
        )

    def telemetry(self):
        self.port.publish(
            f"/{self.product}/{self.name}/telemetry", '{"t":21}', Word(self, "telemetry", {})
        )

    def link_up(self):
        if not self.is_on:
            return
        if self.owed and self.complete_first:
            self.tell_owed()
        if self.has("birth-first", "report-on-boot"):
            self.telemetry()
        if self.has("birth-first"):
            self.after(0.01, 0.05 if self.has("sleeps") else 1.2, self.report)
        elif not self.has("report-on-boot"):
            self.report()
        elif not self.reported:
            self.after(0, 0.4, lambda: self.reported or self.report())
        if self.owed:
            self.after(0.02, 0.2, self.tell_owed)
        if self.has("polls") and self.has("sleeps"):
            self.pull()

    def tell_owed(self):
        """That it completed, said after the restart."""
        if self.owed:
            under_way, self.busy, self.owed = self.busy, self.owed, None
            self.tell(100, "success")
            self.end_upgrade()
            self.busy = under_way

    def roll_call(self):
        """In the quiet time: as devices report now and then without a reason."""
        if self.is_on and self.port.is_up() and not self.busy:
            self.report()

    # --- asking ---

    def poll_later(self):
        self.after(self.poll_seconds * 0.8, self.poll_seconds * 1.2, self.poll)

    def poll(self):
        if self.port.is_up() and not self.has("sleeps") and (not self.busy or self.asks_while_busy):
            self.pull()
        self.poll_later()

    def pull(self):
        self.asked = time.monotonic()
        body = {"messageId": f"{self.name}-{len(self.words)}"}
        if self.asks_with_version:
            body["currentVersion"] = self.label()
        self.say("pull", body, version=body.get("currentVersion"))

    # --- hearing ---

    def heard(self, tail, message):
        self.note(
            f"< {tail} "
            + " ".join(
                f"{k}={message[k]}" for k in ("version", "code", "messageId") if k in message
            )
        )
        if not self.is_on or self.gone:
            return
        if tail == "read":
            answer = {"messageId": message.get("messageId"), "version": self.label()}
            self.say("read/reply", answer, version=self.label())
        elif tail == "upgrade":
            self.offered(Offer(self, "push", message))
        elif tail == "pull/reply":
            self.asked = 0
            if "url" in message:
                self.offered(Offer(self, "pull", message))

    def offered(self, offer):
        self.offers.append(offer)
        if self.has("silent"):
            return
        if self.busy:
            if (
                self.busy.version == offer.version
                and offer.how == "push"
                and self.busy.stage == "downloads"
            ):
                self.acknowledge()
        elif offer.version == self.label():
            self.report()  # it has this already
        elif offer.how == "push" and self.has("push-then-pull"):
            self.pull()
        else:
            self.begin(offer)

    def begin(self, offer):
        self.busy = Upgrade(offer)
        self.upgrades.append(self.busy)
        self.tries[offer.version] = self.tries.get(offer.version, 0) + 1
        plans = {
            "refuses": self.refuse,
            "fails": self.fail,
            "dies": self.die,
            "stalls": self.stall,
            "vanishes": self.vanish,
        }
        plan = next((act for name, act in plans.items() if self.has(name)), None)
        if self.has("fails-once") and self.tries[offer.version] == 1:
            plan = self.fail
        self.then(0.01, 0.3, plan or self.start_download)

    def acknowledge(self):
        if self.replies and self.busy.how == "push":
            self.reply()
        else:
            self.tell(5)

    def reason(self, what):
        return f"{what} of {self.busy.version}, try {self.tries[self.busy.version]}"

    def refuse(self):
        self.reply(False, self.reason("no upgrade"))
        self.end_upgrade()

    def fail(self):
        self.acknowledge()
        self.then(0.1, 0.5, self.fail_now)

    def fail_now(self):
        self.tell(self.random.choice([0, 40, 99]), "failure", self.reason("bad flash"))
        self.end_upgrade()

    def die(self):
        if self.dies_after == "reply":
            self.acknowledge()
        elif self.dies_after == "progress":
            self.tell(20)
            self.tell(40)
        self.then(0.05, 0.3, self.die_now)

    def die_now(self):
        self.deaths.append((time.time(), self.busy.version))
        self.restart()

    def stall(self):
        self.acknowledge()
        self.busy.stage = "stalls"
        self.tell(30)

    def vanish(self):
        self.acknowledge()
        self.tell(30)
        self.note("(is never seen again)")
        self.gone, self.is_on = True, False
        self.end_upgrade()
        if not self.has("gateway"):
            self.world.loop.after(0.1, lambda: self.port.power_off(self.port.some_end()))

    # --- installing ---

    def start_download(self):
        self.acknowledge()
        self.download(0)

    def download(self, step):
        """One piece, and so on until all of it is there."""
        self.busy.stage = "downloads"
        if step and self.random.random() < 0.9:
            self.tell(PROGRESS_STEPS[step - 1])
        version = self.busy.version
        if self.has("restarts-midway") and step == 2 and version not in self.interrupted:
            self.interrupted.add(version)
            self.job = self.busy if self.resumes else None
            self.then(0.05, 0.4, self.restart_midway)
        elif step < len(PROGRESS_STEPS):
            self.then(
                *((0.8, 1.7) if self.has("slow") else (0.05, 0.4)), lambda: self.download(step + 1)
            )
        else:
            self.busy.stage = "installs"
            self.then(0.02, 0.3, self.install)

    def restart_midway(self):
        job = self.job
        self.restart()
        self.job = job

    def install(self):
        version, busy = self.busy.version, self.busy
        if self.has("completes-without-restart"):
            self.previous, self.version = self.version, version
            self.ran.append((time.time(), version))
            self.tell(100, "success")
            self.end_upgrade()
            self.after(0, 1.5, self.report)
            return
        if self.has("complete-after-restart"):
            self.owed = busy
        elif not self.has("never-completes"):
            self.tell(100, "success")
        self.then(0.05, 1.0, lambda: self.restart(version))
        if self.has("goes-back") and version not in self.went_back:
            self.went_back.add(version)
            old = self.version
            self.world.loop.after(self.random.uniform(4, 7), lambda: self.go_back(version, old))

    def go_back(self, version, old):
        if self.is_on and self.version == version and not self.busy:
            self.note(f"(goes back to {old})")
            self.restart(old)
