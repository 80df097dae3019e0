"""What a message routed notices of people who watch: ten open pages beside a dispatch, and strangers who hold connections of the admin server."""
import contextlib
import http.client
import json
import os
import selectors
import socket
import sqlite3
import subprocess
import threading
import time

from fleets import TASK, fleet_broker, state_counts
from harness import PRODUCT, bench, free_port, middle

PAGES = 10
SLOW, RETRY, SHARE = 8, 2, 9  # seconds, seconds, times what an answer took: plugin/web/api.js
# what a screen asks for, and each how many seconds: plugin/web/overview.js, plugin/web/task.js
OVERVIEW = {"/details": 5, "/tasks?state=running&count=50": 1, "/tasks?state=paused&count=50": 1, "/firmware?state=rejected&count=20": 5,
            "/stuck?count=100": 10, "/products?count=50": 5, f"/products/{PRODUCT}/versions": 5}
TASK_SCREEN = {"/tasks/t": 1, "/tasks/t/progress?points=120": 3, "/tasks/t/log?count=50": 3, "/tasks/t/devices?count=50": 1.5, "/tasks/t/failures": 3}
PASSWORD = "se:cret"


def step_aside():
    """People and their browsers are on other machines: here they take no processor from the broker."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


class Entry:
    def __init__(self, every):
        self.every = self.pause = every
        self.due, self.etag = 0.0, None


class Page(threading.Thread):
    """An open page: asks as plugin/web/api.js does, by one connection, from an address of its own."""

    def __init__(self, port, number, awake):
        super().__init__(daemon=True)
        self.entries = {where: Entry(every) for where, every in (OVERVIEW if number % 2 else TASK_SCREEN).items()}
        self.port, self.source = port, f"127.0.1.{number + 1}"
        self.awake, self.over = awake, threading.Event()
        self.asked = self.unchanged = self.refused = 0
        self.slowest = 0.0
        self.connection, self.cookie = None, None

    def request(self, method, where, body=None, headers=None):
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(self.source, 0))
        self.connection.request(method, "/api/v1" + where, body, headers or {})
        answer = self.connection.getresponse()
        answer.read()
        return answer

    def log_in(self):
        answer = self.request("POST", "/session", json.dumps({"username": "ann", "password": PASSWORD}), {"Content-Type": "application/json"})
        if answer.status >= 300:
            raise RuntimeError(f"the login is answered with {answer.status}")
        self.cookie = answer.getheader("Set-Cookie").split(";")[0]

    def ask(self, where, entry):
        headers = {"Cookie": self.cookie, **({"If-None-Match": entry.etag} if entry.etag else {})}
        begun = time.monotonic()
        try:
            answer = self.request("GET", where, headers=headers)
            self.take(where, entry, answer)
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection, entry.pause = None, RETRY
            self.refused += 1
        took = time.monotonic() - begun
        self.asked += 1
        self.slowest = max(self.slowest, took)
        entry.due = time.monotonic() + max(entry.pause, SHARE * took)

    def take(self, where, entry, answer):
        if answer.status == 304:
            self.unchanged += 1
            entry.pause = min(entry.pause * 1.25, max(SLOW, entry.every))
        elif answer.status == 200:
            entry.etag, entry.pause = answer.getheader("ETag"), entry.every
            for below, other in self.entries.items():
                if below.startswith(where.split("?")[0] + "/"):
                    other.pause, other.due = other.every, min(other.due, time.monotonic() + other.every)
        else:
            self.refused += 1
            entry.pause = max(RETRY, entry.every, int(answer.getheader("Retry-After") or 0))

    def run(self):
        step_aside()
        while not self.over.is_set():
            where, entry = min(self.entries.items(), key=lambda item: item[1].due)
            if not self.over.wait(max(0.0, entry.due - time.monotonic())) and self.awake.wait(0.1):
                self.ask(where, entry)


class Strangers(threading.Thread):
    """Connections that say nothing, or a byte a second, from many addresses: what the server ends is opened again a second later."""

    def __init__(self, port, count, awake):
        super().__init__(daemon=True)
        self.port, self.count = port, count
        self.awake, self.over = awake, threading.Event()
        self.sockets, self.opened = {}, 0
        self.selector = selectors.DefaultSelector()

    def open(self, number):
        stranger = socket.socket()
        stranger.setblocking(False)
        stranger.bind((f"127.0.{2 + number // 200}.{1 + number % 200}", 0))
        stranger.connect_ex(("127.0.0.1", self.port))
        self.selector.register(stranger, selectors.EVENT_READ, number)
        self.sockets[number] = stranger
        self.opened += 1

    def close(self, number):
        stranger = self.sockets.pop(number)
        self.selector.unregister(stranger)
        stranger.close()

    def run(self):
        step_aside()
        while not self.over.wait(0.5):
            if not self.awake.is_set():
                self.close_all()
                continue
            for number in range(self.count):
                if number not in self.sockets:
                    self.open(number)
                elif number % 2:
                    with contextlib.suppress(OSError):
                        self.sockets[number].send(b"G")
            for key, _ in self.selector.select(0):
                with contextlib.suppress(BlockingIOError):
                    try:
                        ended = not key.fileobj.recv(4096)
                    except ConnectionError:
                        ended = True
                    if ended:
                        self.close(key.data)
        self.close_all()

    def close_all(self):
        for number in list(self.sockets):
            self.close(number)


class Scraper(threading.Thread):
    """Prometheus, each second."""

    def __init__(self, port, awake):
        super().__init__(daemon=True)
        self.port, self.took = port, []
        self.awake, self.over = awake, threading.Event()

    def run(self):
        step_aside()
        while not self.over.wait(1):
            if not self.awake.is_set():
                continue
            begun = time.monotonic()
            scrape = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            scrape.request("GET", "/metrics")
            answer = scrape.getresponse()
            answer.read()
            scrape.close()
            if answer.status != 200:
                raise RuntimeError(f"a scrape is answered with {answer.status}")
            self.took.append(time.monotonic() - begun)


def admin_options(b, admin_port, metrics_port):
    passwords = os.path.join(b.scratch, "passwords")
    if not os.path.exists(passwords):
        with open(passwords, "w", encoding="ascii"):
            os.chmod(passwords, 0o600)
        subprocess.run(["mosquitto_passwd", "-b", passwords, "ann", PASSWORD], check=True)
    return (f"plugin_opt_admins ann\nplugin_opt_admin_password_file {passwords}\nplugin_opt_admin_listen 127.0.0.1:{admin_port}\n"
            f"plugin_opt_metrics_listen 127.0.0.1:{metrics_port}\n")


@contextlib.contextmanager
def running(threads):
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.over.set()
        for thread in threads:
            thread.join(60)


def watchers(b, kind, admin_port, metrics_port, awake):
    """The threads of a kind of load, which do something while `awake` is set; the pages are logged in."""
    pages = [Page(admin_port, number, awake) for number in range(PAGES)]
    for page in pages:
        page.log_in()
    return pages if kind == "pages" else [*pages, Strangers(admin_port, b.strangers, awake), Scraper(metrics_port, awake)]


def seconds_of(b):
    """Of a stretch of traffic, with the pages or without."""
    return 1 if b.quick else 4


def stretch(b, ours, awake, watched):
    """Some seconds of ordinary traffic, with those who watch awake or not. Its start, when they wake up all at once, is part of it."""
    (awake.set if watched else awake.clear)()
    time.sleep(0.5)
    cpu, (waited, times) = ours.cpu()[1], ours.waits()
    # a client on another machine waits for no processor of this one
    command = ["chrt", "--fifo", "10", *b.load_command(ours, "route", watch=None, clients=50, rate=500, seconds=seconds_of(b), warmup=0.3)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    waited_until, times_until = ours.waits()
    return {"p99": result["p99"], "max": result["max"], "cpu": ours.cpu()[1] - cpu, "wait": (waited_until - waited) / max(1, times_until - times)}


def watched_dispatch(b, name, count, kind, runs):
    """A task for all is dispatched while `kind` watches and does not, in turns, so that both are on the same machine in the same minute."""
    admin_port, metrics_port, awake = free_port(), free_port(), threading.Event()
    ours = fleet_broker(b, name, count, options=admin_options(b, admin_port, metrics_port))
    ours.sql(TASK.replace("mode,", "mode, state,").replace("'push',", "'push', 'paused',"))
    threads = watchers(b, kind, admin_port, metrics_port, awake)
    watched = False
    with running(threads), contextlib.closing(sqlite3.connect(ours.catalog, timeout=60)) as catalog:
        ours.sql("UPDATE task SET state = 'running';")
        while True:
            pair = {}
            for which in (watched, not watched):
                pair[which] = stretch(b, ours, awake, which)
            if not state_counts(catalog)["waiting"]:
                break
            runs["alone"].append(pair[False])
            runs["watched"].append(pair[True])
            watched = not watched
    pages = [thread for thread in threads if isinstance(thread, Page)]
    if any(page.refused for page in pages) and kind == "pages":
        raise RuntimeError(f"{sum(page.refused for page in pages)} questions of the pages were refused")
    ours.stop()
    runs["threads"].append({
        "asked": sum(page.asked for page in pages), "unchanged": sum(page.unchanged for page in pages), "refused": sum(page.refused for page in pages),
        "slowest": max((page.slowest for page in pages), default=0),
        "opened": sum(thread.opened for thread in threads if isinstance(thread, Strangers)),
        "scrape": max((max(thread.took, default=0) for thread in threads if isinstance(thread, Scraper)), default=0)})


@bench
def page(b):
    """Ordinary traffic (500 messages a second) beside the dispatch of a task for all, with ten pages open and without, in turns.

    As root, for the client's priority. With --strangers N also with N idle and slow connections of the admin server, and a scrape of the metrics each second."""
    count = 100000 if b.quick else 1000000
    for kind in ["pages"] + (["strangers"] if b.strangers else []):
        runs = {"alone": [], "watched": [], "threads": []}
        for round_number in range(1 if b.quick else b.rounds):
            watched_dispatch(b, f"page-{kind}-{round_number}", count, kind, runs)
        b.raw.append({"bench": "page", "kind": kind, "results": runs})
        alone, watched, threads = runs["alone"], runs["watched"], runs["threads"]
        what = f"{PAGES} pages" + (f", {b.strangers} held connections, a scrape a second" if kind == "strangers" else "")
        b.ratio(f"dispatch to {count} devices with {what} / without, {len(alone)} pairs of {seconds_of(b)} s: 99th percentile of a message routed, us",
                watched, alone, "p99", "1.2")
        b.ratio("the same: how long the broker's thread waits for a processor, us each time", watched, alone, "wait")
        b.ratio("the same: worst message, us", watched, alone, "max")
        b.ratio("the same: CPU of the process, us", watched, alone, "cpu")
        b.row(f"{what}: questions, unchanged, refused", f"{middle(threads, 'asked'):.0f}, {middle(threads, 'unchanged'):.0f}, {middle(threads, 'refused'):.0f}",
              f"slowest {1000 * max(r['slowest'] for r in threads):.0f} ms")
        if kind == "strangers":
            b.row("connections that strangers opened; slowest scrape", f"{middle(threads, 'opened'):.0f}", f"{1000 * max(r['scrape'] for r in threads):.0f} ms")
