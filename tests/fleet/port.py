"""An MQTT client as devices have them, with the habits of its connection (group `link` of
habits.py): of one device, or of a gateway for many. It keeps what was not acknowledged, and
sends it again with DUP when it is connected again."""

import json
import time

from link import connect

KEEP_ALIVE_SECONDS = 3  # the broker finds a dead connection after one and a half of it
ABANDONED_SECONDS = 20  # then the device's operating system gives a dead socket up


class Port:
    def __init__(self, world, name, habits, random):
        self.world, self.name, self.habits, self.random = world, name, habits, random
        self.devices, self.topics = {}, []  # by the first three levels of their topics
        self.link, self.powered, self.mid = None, False, 1000
        self.unacknowledged, self.last = {}, None
        self.clean, self.protocol = random.random() < 0.6, random.choice([4, 5])
        self.keep_alive = KEEP_ALIVE_SECONDS if "half-open-late" in habits else 0
        self.qos = 0 if "qos-0" in habits else 1
        self.changes = []  # when a connection came or went

    def describe(self):
        session = "clean" if self.clean else "persistent"
        return f"MQTT {'5' if self.protocol == 5 else '3.1.1'}, {session}"

    def add(self, device):
        self.devices[device.base] = device
        self.topics += [device.base + tail for tail in device.listens_to()]

    def later(self, low, high, act):
        self.world.loop.after(self.random.uniform(low, high), act)

    def note(self, text):
        self.changes.append(time.time())
        for device in self.devices.values():
            device.note(text)

    def is_up(self):
        return bool(self.link and self.link.is_up)

    # --- connecting ---

    def power_on(self):
        self.powered = True
        self.connect()

    def power_off(self, how):
        """What was in memory is lost; `how` the connection ends: as in go()."""
        self.powered = False
        self.unacknowledged, self.last = {}, None
        self.go(how)

    def connect(self):
        if self.powered and not self.link:
            self.link = self.new_link()
            if not self.link:
                self.later(0.2, 1.2, self.connect)

    def new_link(self):
        return connect(
            self.world.loop,
            self,
            self.world.broker.address,
            self.name,
            self.topics,
            clean=self.clean,
            protocol=self.protocol,
            keep_alive=self.keep_alive,
            qos=self.qos,
        )

    def go(self, how):
        """Ends the connection: `leave` with a word, `drop` by closing it, `half-open` without
        anybody noticing."""
        link, self.link = self.link, None
        if not link or not link.alive:
            return
        self.note(f"({how})")
        if how == "half-open":
            link.abandon()
            self.world.loop.after(ABANDONED_SECONDS, link.socket.close)
        else:
            getattr(link, how)()

    def some_end(self):
        if self.habits & {"half-open", "half-open-late"}:
            return "half-open"
        return self.random.choice(["leave", "drop", "drop"])

    def up(self, link):
        if link is not self.link:
            return
        self.note("(connected)")
        for mid, (topic, payload, _) in list(self.unacknowledged.items()):
            link.publish(topic, payload, mid=mid, dup=True)
        if link is not self.link:
            return  # the broker was gone again
        self.redeliver()
        for device in self.devices.values():
            device.link_up()
        self.begin_link_habit(link)
        if self.keep_alive:
            self.keep_alive_later(link)

    def down(self, link):
        """It was lost, and not by our own will: that goes through go()."""
        if link is self.link:
            self.link = None
            self.note("(connection lost)")
            self.later(0.05, 1.2, self.connect)

    def keep_alive_later(self, link):
        def ping():
            if link is self.link and link.alive:
                link.ping()
                self.keep_alive_later(link)

        self.world.loop.after(KEEP_ALIVE_SECONDS / 2, ping)

    # --- habits of connections ---

    def begin_link_habit(self, link):
        habits = {
            "flaps": (0.4, 5, self.flap),
            "half-open": (1.5, 7, self.die_and_return),
            "half-open-late": (3, 10, self.die_and_return_late),
            "take-over": (1, 5, self.take_over),
            "sleeps": (0.08, 0.3, self.sleep),
        }
        for name, (low, high, act) in habits.items():
            if name in self.habits and (name == "sleeps" or not self.world.calm):
                self.later(low, high, lambda act=act: link is self.link and act(link))

    def flap(self, _link):
        if not self.world.calm:
            self.go(self.random.choice(["drop", "drop", "leave"]))
            self.later(0.03, 2, self.connect)

    def die_and_return(self, _link):
        if not self.world.calm:
            self.go("half-open")
            self.later(0.05, 1, self.connect)

    def die_and_return_late(self, _link):
        if not self.world.calm:
            self.go("half-open")
            self.later(5, 9, self.connect)

    def take_over(self, _link):
        if not self.world.calm:
            self.note("(takes its own place)")
            self.link = None  # the old one lives on until the broker ends it
            self.connect()

    def sleep(self, link):
        if any(device.is_awake() for device in self.devices.values()):
            self.later(0.05, 0.15, lambda: link is self.link and self.sleep(link))
        else:
            self.go(self.random.choice(["leave", "drop"]))
            self.later(1, 3, self.connect)

    # --- messages ---

    def next_mid(self):
        self.mid = self.mid % 60000 + 1
        return self.mid

    def publish(self, topic, payload, word):
        """With QoS 1 it is kept until it is acknowledged; with QoS 0 it is known to have arrived
        when the connection lasts."""
        if self.qos == 0:
            if self.is_up():
                link = self.link
                link.publish(topic, payload, qos=0)
                self.world.loop.after(
                    1, lambda: link.alive and link is self.link and word.arrived()
                )
            return
        mid = self.next_mid()
        self.unacknowledged[mid] = (topic, payload, word)
        if self.is_up():
            self.link.publish(topic, payload, mid=mid)

    def acknowledged(self, _link, mid, reason):
        kept = self.unacknowledged.pop(mid, None)
        if kept:
            self.last = (time.time(), mid, *kept)
            kept[2].arrived(reason)

    def redeliver(self):
        """The acknowledgement came, but the device did not see it."""
        if "redelivers" in self.habits and self.last and time.time() - self.last[0] < 3:
            _, mid, topic, payload, word = self.last
            word.repeated = time.time()
            word.device.note(f"> {word.tail} again, DUP")
            self.link.publish(topic, payload, mid=mid, dup=True)

    def heard(self, _link, topic, payload):
        base, _, tail = topic.partition("/firmware/")
        device = self.devices.get(base + "/firmware/")
        if device:
            device.heard(tail, json.loads(payload))
