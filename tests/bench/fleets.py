"""How the plugin's cost grows with the catalog, and what others notice of operations on a million devices."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time

from harness import PRODUCT, bench, devices_sql, firmware_sql, middle, sql

# a push to a device that is not there must neither time out nor pile up during the measurement
TASK = "INSERT INTO task (task_id, firmware_id, name, mode, response_timeout_seconds) VALUES ('t', 'bench-2', 'bench', 'push', 99999);"
FAILING_TASK = TASK.replace("response_timeout_seconds", "response_timeout_seconds, timeout_seconds").replace("99999", "99999, 1")
SILENT_TASK = TASK.replace("99999", "1")
PULL_TASK = TASK.replace("'t'", "'p'").replace("'push'", "'pull'")
# for so long after a start nobody is pushed who has not been seen; not a part of a dispatch
COME_BACK_SECONDS = 4
DAY_MS = 86400000


@bench
def growth(b):
    """A pull's cost with 10,000 firmware in the product, and with 10,000 products."""
    most = 1000 if b.quick else 10000
    clients = 200 if b.quick else 2000
    few, many, products = b.broker("growth-few"), b.broker("growth-firmware"), b.broker("growth-products")
    few.sql(firmware_sql(PRODUCT, 10))
    many.sql(firmware_sql(PRODUCT, most))
    products.sql("BEGIN;\n" + "".join(firmware_sql(f"{PRODUCT}{i}", 1) for i in range(most)) + "COMMIT;\n")
    floor = b.broker("growth-floor", plugin=False)
    runs = b.interleave("growth", {
        "route": lambda: b.load(floor, "route", clients=clients),
        "route products": lambda: b.load(floor, "route", clients=clients, products=most, stride=max(1, most // clients)),
        "few": lambda: b.load(few, "pull", clients=clients, versions=10),
        "firmware": lambda: b.load(many, "pull", clients=clients, versions=most, stride=max(1, most // clients)),
        "products": lambda: b.load(products, "pull", clients=clients, products=most, stride=max(1, most // clients))})
    for name, what in (("firmware", f"{most} firmware in a product"), ("products", f"{most} products")):
        if any(result["refused"] for result in runs[name]):
            raise RuntimeError("a pull was refused")
        b.ratio(f"pull with {what} / with 10 firmware, {clients} connections: CPU of the process, us", runs[name], runs["few"], "process_us", "1.05")
    b.ratio(f"for that: a message routed among {most} products / in one, no plugin, {clients} connections", runs["route products"], runs["route"], "process_us")

def fleet_catalog(b, count):
    """The path of a catalog with so many devices, made once for each number by a broker that has ended."""
    if count not in b.fleet_catalogs:
        maker = b.broker(f"maker-{count}")
        maker.sql(firmware_sql(PRODUCT, 10) + devices_sql(PRODUCT, 1, count))
        maker.stop()
        b.fleet_catalogs[count] = maker.catalog
    return b.fleet_catalogs[count]


def fleet_broker(b, name, count, **how):
    folder = os.path.join(b.scratch, name)
    os.makedirs(folder)
    catalog = os.path.join(folder, "firmware.db")
    shutil.copy(fleet_catalog(b, count), catalog)
    return b.broker(name, catalog=catalog, **how)


def timed(action):
    begun = time.monotonic()
    result = action()
    return time.monotonic() - begun, result


def state_counts(catalog):
    states = ("waiting", "processing", "success", "failed", "canceled")
    return dict(zip(states, catalog.execute(f"SELECT {', '.join(states)} FROM task_count WHERE task_id = 't'").fetchone()))


def wait_for_state(broker, state, count, seconds):
    """Seconds until `count` rows of the task are in `state`."""
    begun = time.monotonic()
    # one connection for all: starting a shell takes a processor for as long as ordinary traffic's 99th percentile is
    with contextlib.closing(sqlite3.connect(broker.catalog, timeout=60, isolation_level=None)) as catalog:
        while state_counts(catalog)[state] < count:
            if time.monotonic() - begun > seconds:
                raise RuntimeError(f"{state_counts(catalog)} after {seconds} s")
            time.sleep(0.1)
    return time.monotonic() - begun


def idle_share(b, broker):
    """The processor's share of the broker that has nothing to do."""
    time.sleep(2)
    before, begun = broker.cpu()[1], time.monotonic()
    time.sleep(2.5 if b.quick else 10)
    return (broker.cpu()[1] - before) / 1e6 / (time.monotonic() - begun)


@bench
def devices(b):
    """From 1,000 to a million devices: start-up, memory, a pull, a task for all, dispatch, the catalog's size, idling."""
    empty = b.broker("devices-empty", plugin=False)
    counts = (1000, 10000, 100000) if b.quick else (1000, 10000, 100000, 1000000)
    # its events are told at once, or they would go on for minutes while it idles
    brokers = {count: fleet_broker(b, f"devices-{count}", count, options="plugin_opt_connection_rate 0\n") for count in counts}
    for count, ours in brokers.items():
        b.row(f"start-up, {count} devices", f"{ours.started_in:.2f} s, empty broker {empty.started_in:.2f} s", f"{ours.started_in - empty.started_in:.2f} s", "1 s")
    time.sleep(COME_BACK_SECONDS)
    for count, ours in brokers.items():
        b.row(f"memory over an empty broker, {count} devices", f"{ours.memory() / 2**20:.1f} / {empty.memory() / 2**20:.1f} MiB", f"{(ours.memory() - empty.memory()) / 2**20:.1f} MiB", "64 MiB")
        seconds, _ = timed(lambda br=ours: br.sql(TASK))
        b.row(f"create a task for {count} devices", f"{1e6 * seconds / count:.1f} us a device", f"{seconds:.2f} s", "10 s")
        before = ours.cpu()[1]
        seconds = wait_for_state(ours, "processing", count, 300)
        b.row(f"dispatch to {count} devices that nobody has seen", f"{seconds:.1f} s, {(ours.cpu()[1] - before) / count:.1f} us CPU a push", f"{count / seconds:.0f}/s", "(at least) 20000/s")
        b.row("memory after that, over an empty broker", "", f"{(ours.memory() - empty.memory()) / 2**20:.1f} MiB", "64 MiB")
        summary = statistics.median(timed(lambda br=ours: br.sql("SELECT * FROM task_summary"))[0] for _ in range(5))
        b.row(f"task_summary, {count} rows, the shell's start included", f"{os.path.getsize(ours.catalog) / 2**20:.0f} MiB catalog", f"{summary * 1000:.0f} ms", "50 ms")
        share = idle_share(b, ours)
        b.row(f"idle after that, {count} devices", f"{100 * share:.2f} % CPU", f"{3600 * share:.0f} s CPU an hour")
    # last, since who has connected and gone is known to be offline, and not pushed
    pulls = b.interleave("devices, pull", {str(count): lambda br=ours: b.load(br, "pull", clients=1000) for count, ours in brokers.items()})
    for count in counts[1:]:
        b.ratio(f"a pull of a device with a row under way, among {count} devices / among 1000: CPU of the process, us", pulls[str(count)], pulls["1000"], "process_us")


@bench
def idle(b):
    """CPU of idling with a row waiting for every device, all but 1,000 of them not there: of a pull task, and of a push task."""
    count = 100000 if b.quick else 1000000
    pull, push = fleet_broker(b, "idle-pull", count), fleet_broker(b, "idle-push", count)
    pull.sql(PULL_TASK.replace("'p'", "'t'"))
    # each is pushed once, says nothing, and waits until it shows itself
    push.sql(SILENT_TASK)
    wait_for_state(push, "processing", 1, 60)
    time.sleep(2)
    wait_for_state(push, "waiting", count, 600)
    for name, ours in (("pull", pull), ("push", push)):
        with subprocess.Popen(b.load_command(ours, "fleet", first=count + 1, clients=1000, seconds=40), stdout=subprocess.PIPE) as connected:
            time.sleep(3)
            waiting = ours.sql("SELECT waiting FROM task_count WHERE task_id = 't'")
            b.row(f"idle with {waiting} rows of a {name} task waiting and 1000 devices connected", "", f"{100 * idle_share(b, ours):.2f} % CPU", "2 %")
            connected.kill()


STAGES = "INSERT INTO task_stage (task_id, stage, until_percent, hold_seconds) VALUES ('t', 1, 50, 0), ('t', 2, 100, 0);"


def dispatch(b, name, count, staged):
    """Seconds and CPU of the process for each push of a task for all, with its turns and without."""
    ours = fleet_broker(b, name, count)
    # a draft, so that the stage is there before the first start
    stages = "INSERT INTO task_stage (task_id, stage, until_percent) VALUES ('t', 1, 100);" if staged else ""
    ours.sql("BEGIN;" + TASK.replace("mode,", "mode, state,").replace("'push',", "'push', 'paused',") + stages + "COMMIT;")
    others, before = Others(b, ours), ours.cpu()[1]
    others.rest()
    others.during(name, lambda: (ours.sql("UPDATE task SET state = 'running';"), wait_for_state(ours, "processing", count, 900)))
    seconds = others.rows[0][1]["action_seconds"]
    result = {"us": (ours.cpu()[1] - before) / count, "seconds": seconds, "p99": others.rows[0][1]["p99"] / middle(others.calm, "p99")}
    ours.stop()
    return result


@bench
def rollout(b):
    """A staged task for all: its dispatch in turns beside that of one without stages, idling while it is held, a pull of a held device."""
    count = 100000 if b.quick else 1000000
    runs = {"staged": [], "plain": []}
    for round_number in range(1 if b.quick else min(b.rounds, 3)):
        for kind, results in runs.items():
            results.append(dispatch(b, f"rollout-{kind}-{round_number}", count, kind == "staged"))
    b.ratio(f"a start in its turn, of {count} / one without stages: CPU of the process, us", runs["staged"], runs["plain"], "us")
    b.ratio("the same: seconds until all are told", runs["staged"], runs["plain"], "seconds")
    b.ratio("the same: how much others' 99th percentile rises", runs["staged"], runs["plain"], "p99")
    held = fleet_broker(b, "rollout-held", count)
    held.sql("BEGIN;" + PULL_TASK.replace("'p'", "'t'").replace("mode,", "mode, state,").replace("'pull',", "'pull', 'paused',") + STAGES +
             "UPDATE task SET state = 'running', start_at = 4000000000000; COMMIT;")
    time.sleep(count / 50000)  # what the commit changed is looked at meanwhile
    b.row(f"idle with {count} rows held", "", f"{100 * idle_share(b, held):.2f} % CPU")
    free = fleet_broker(b, "rollout-free", count)
    pulls = b.interleave("rollout, pull", {"held": lambda: b.load(held, "pull", clients=1000), "free": lambda: b.load(free, "pull", clients=1000)})
    b.ratio("a pull of a device that is held / of one without a row: CPU of the process, us", pulls["held"], pulls["free"], "process_us")
    b.ratio("the same: 99th percentile, us", pulls["held"], pulls["free"], "p99")


class Others:
    """Ordinary traffic, 500 messages a second, while something is done."""

    def __init__(self, b, broker):
        self.b, self.broker, self.calm, self.rows = b, broker, [], []

    @contextlib.contextmanager
    def traffic(self):
        """Yields a dictionary that has the result when the block has ended."""
        result = {}
        command = self.b.load_command(self.broker, "route", watch=None, clients=50, rate=500, seconds=600, warmup=0.3)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(1)
            begun = time.monotonic()
            yield result
            # a percentile wants some messages
            time.sleep(max(0.0, 2 - (time.monotonic() - begun)))
            process.send_signal(signal.SIGINT)
            result.update(json.loads(process.communicate(timeout=60)[0]))

    def rest(self):
        with self.traffic() as result:
            time.sleep(3)
        self.calm.append(result)

    def during(self, name, action, control=None):
        """`control` is the same work in a catalog that no broker has: what the machine's other processor takes from everybody."""
        controlled = {}
        if control:
            self.rest()
            with self.traffic() as controlled:
                control()
        self.rest()
        with self.traffic() as result:
            result["action_seconds"], _ = timed(action)
        self.rows.append((name, result, controlled))

    def tell(self, count):
        p99 = middle(self.calm, "p99")
        self.b.raw.append({"bench": "during", "calm": self.calm, "busy": self.rows})
        self.b.row("ordinary traffic in between", f"worst {max(c['max'] for c in self.calm) / 1000:.1f} ms", f"p99 {p99:.0f} us")
        for name, result, controlled in self.rows:
            beside = f"; beside a catalog without a broker {controlled['p99'] / p99:.2f}, {controlled['max'] / 1000:.1f} ms" if controlled else ""
            self.b.row(f"ordinary traffic during: {name} ({count} devices)", f"took {result['action_seconds']:.1f} s, p99 {result['p99']:.0f} us{beside}",
                       f"{result['p99'] / p99:.2f}, worst {result['max'] / 1000:.1f} ms", "1.2, 20 ms")


COUNT_EVERYTHING = "SELECT count(*), sum(length(device_id)) FROM device; SELECT count(state) FROM task_device; SELECT count(*) FROM progress_log;"


@bench
def during(b):
    """Ordinary traffic (500 messages a second) while a task for all is made, dispatched, stopped, continued, retried, counted."""
    count = 100000 if b.quick else 1000000
    ours = fleet_broker(b, "during", count)
    others, alone = Others(b, ours), os.path.join(b.scratch, "alone.db")
    shutil.copy(fleet_catalog(b, count), alone)
    for name, text in (("create a pull task", PULL_TASK), ("stop it", "UPDATE task SET state = 'stopped' WHERE task_id = 'p';"),
                       ("continue it", "UPDATE task SET state = 'running' WHERE task_id = 'p';")):
        others.during(name, lambda t=text: ours.sql(t), lambda t=text: sql(alone, t))
    others.during("create a push task", lambda: ours.sql(FAILING_TASK), lambda: sql(alone, TASK))
    others.during("dispatch it", lambda: time.sleep(5))
    others.during("its timeouts", lambda: wait_for_state(ours, "failed", count, 600))
    others.during("retry the failed rows", lambda: ours.sql("UPDATE task_device SET state = 'waiting' WHERE task_id = 't' AND state = 'failed';"))
    others.during("count everything", lambda: ours.sql(COUNT_EVERYTHING), lambda: sql(alone, COUNT_EVERYTHING))
    others.tell(count)


@bench
def prune(b):
    """Ordinary traffic while old rows of the log are deleted."""
    count = 100000 if b.quick else 1000000
    catalog = os.path.join(b.scratch, "prune.db")
    shutil.copy(fleet_catalog(b, count), catalog)
    # as the plugin would have written them, long ago
    sql(catalog, "DROP TRIGGER progress_log_insert_guard;\n"
        f"INSERT INTO progress_log (received_at, product_id, device_id, version, progress, complete) SELECT {int(time.time() * 1000) - 9 * DAY_MS}, product_id, device_id, '2.0.0', 50, 0 FROM device;")
    ours = b.broker("prune", catalog=catalog, options="plugin_opt_log_retention_days 1\n")
    others = Others(b, ours)

    def until_pruned():
        while int(ours.sql("SELECT count(*) FROM (SELECT 1 FROM progress_log LIMIT 1)")):
            time.sleep(0.2)

    others.during(f"{count} rows of the log pruned", until_pruned)
    others.rest()
    others.tell(count)
