"""The ground that simulated devices stand on: one loop with timers, a broker, and a connection
that tells its owner what became of each message."""

import heapq
import itertools
import os
import pwd
import signal
import subprocess
import time

from fleet import Device as Connection, Gone
from fleet import Fleet

DISCONNECTED_SECONDS = 0.3  # how long a connection attempt may take before it counts as failed


class Loop:
    """Everything runs in one thread: what arrives on connections, and what is due."""

    def __init__(self):
        self.fleet, self.due, self.count = Fleet(), [], itertools.count()

    def after(self, seconds, act):
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.count), act))

    def run(self, seconds):
        """Goes on for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(end)

    def turn(self, end):
        while self.due and self.due[0][0] <= time.monotonic():
            heapq.heappop(self.due)[2]()
        next_due = min(end, self.due[0][0] if self.due else end)
        self.fleet.run(max(0, min(0.05, next_due - time.monotonic())))


class Link(Connection):
    """A connection of an owner: a device, a gateway, an operator. The owner is told `up` when it
    is connected and subscribed, `down` when it is lost, `acknowledged` with the packet
    identifier and MQTT 5's reason, and `heard` with a message."""

    connect_timeout = DISCONNECTED_SECONDS

    def __init__(
        self, loop, owner, address, name, topics, clean=True, protocol=4, keep_alive=0, qos=1
    ):
        self.owner, self.is_up, self.abandoned = owner, False, False
        self.address, self.protocol, self.keep_alive, self.subscribe_qos = (
            address,
            protocol,
            keep_alive,
            qos,
        )
        super().__init__(loop.fleet, name, topics, clean, None, "")
        self.on_message = self.arrived
        self.fleet.selector.register(self.socket, 1, self)

    def handle(self, head, body):
        super().handle(head, body)
        if self.alive and not self.is_up and self.waiting == 0:
            self.is_up = True
            try:
                self.owner.up(self)
            except Gone:
                pass  # the next link says again what was not acknowledged

    def arrived(self, _link, topic, payload, _qos, _retained):
        self.owner.heard(self, topic, payload)

    def acknowledged(self, mid, reason):
        self.owner.acknowledged(self, mid, reason)

    def closed(self):
        if not self.abandoned:
            self.owner.down(self)

    def abandon(self):
        """The device is gone without a FIN: the socket stays open, and nobody reads it."""
        self.abandoned = True
        if self.alive:
            self.fleet.selector.unregister(self.socket)
            self.alive = False


def connect(*arguments, **options):
    """A new link, or None when there is no broker."""
    try:
        link = Link(*arguments, **options)
    except (OSError, ValueError, KeyError):
        return None
    return link if link.alive else None


class Broker:
    """A broker in a folder of its own. Its sessions persist a restart, as far as Mosquitto saved
    them."""

    def __init__(self, folder, plugin, program, options):
        self.folder, self.program, self.process, self.starts = folder, program, None, []
        self.address, self.database = f"{folder}/socket", f"{folder}/firmware.db"
        self.log, self.failures = f"{folder}/broker.log", []
        os.makedirs(folder)
        lines = [
            f"user {pwd.getpwuid(os.getuid()).pw_name}",
            f"listener 0 {self.address}",
            "allow_anonymous true",
            "log_dest stderr",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 3",
            f"plugin {plugin}",
            f"plugin_opt_db_file {self.database}",
        ]
        with open(f"{folder}/mosquitto.conf", "w", encoding="utf-8") as conf:
            conf.write("\n".join(lines + options) + "\n")

    def start(self):
        if os.path.exists(self.address):
            os.unlink(self.address)
        with open(self.log, "ab") as log:
            position = log.tell()
            command = [self.program, "-c", f"{self.folder}/mosquitto.conf"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while not self.runs_since(position):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the broker did not start:\n" + self.last_lines())
            time.sleep(0.01)
        self.starts.append(time.time())

    def runs_since(self, position):
        with open(self.log, "rb") as log:
            log.seek(position)
            return b" running\n" in log.read()

    def end(self, how):
        """By SIGTERM or SIGKILL; that it had ended before, or ends badly, is a failure of the
        run."""
        if not self.process:
            return
        if self.process.poll() is not None:
            self.failures.append(f"the broker ended by itself, status {self.process.returncode}")
        self.process.send_signal(how)
        status = self.process.wait(15)
        if how == signal.SIGTERM and status != 0 and not self.failures:
            self.failures.append(f"the broker's status after SIGTERM is {status}")
        self.process = None

    def last_lines(self, count=15):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "\n".join("  " + line.rstrip() for line in log.readlines()[-count:])
