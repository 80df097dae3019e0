"""What the benchmarks share: brokers with and without the plugin, catalogs, the load generator, and ratios of interleaved rounds."""
import contextlib
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARNINGS = ("-Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2").split()
BENCHES = {}
PRODUCT = "bench"


def bench(function):
    BENCHES[function.__name__] = function
    return function


# --- building


def build_c(build, name, libraries=()):
    target = os.path.join(build, name)
    flags = []
    if libraries:
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *libraries], check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", *WARNINGS, os.path.join(HERE, name + ".c"), "-o", target, *flags], check=True)
    return target


def build_plugin(build):
    plugin = os.environ.get("FW_PLUGIN")
    if plugin:
        return os.path.abspath(plugin)
    folder = os.path.join(build, "plugin")
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-DFW_TESTS=OFF"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", folder, "-j2", "--target", "mosquitto_firmware"], check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "mosquitto_firmware.so")


# --- brokers and catalogs


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.005)


class Broker:
    """A broker on a free port of 127.0.0.1, in a scratch folder of its own; with the plugin if one is given."""

    def __init__(self, scratch, name, plugin=None, catalog=None, options=""):
        self.folder = os.path.join(scratch, name)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()
        self.catalog = catalog or os.path.join(self.folder, "firmware.db")
        self.log = os.path.join(self.folder, "broker.log")
        conf = os.path.join(self.folder, "mosquitto.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(f"user {os.environ.get('USER') or 'root'}\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n"
                       "log_type error\nlog_type warning\nlog_type notice\n")
            if plugin:
                file.write(f"plugin {plugin}\nplugin_opt_db_file {self.catalog}\nplugin_opt_device_rate_per_minute 0\n{options}")
        begun = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as log:
            path = os.environ.get("PATH", "") + ":/usr/sbin"
            self.process = subprocess.Popen(["mosquitto", "-c", conf], stderr=log, stdout=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, "PATH": path})
        self.pid = self.process.pid
        wait_for(self.listening, 60, f"the broker: {self.log}")
        self.started_in = time.monotonic() - begun

    def listening(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8") as log:
                raise RuntimeError("the broker did not start: " + log.read())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def cpu(self):
        """Microseconds: of the broker's own thread, of all threads."""
        own = total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat", encoding="ascii") as file:
                ns = int(file.read().split()[0])
            total += ns
            if int(thread) == self.pid:
                own = ns
        return own / 1000, total / 1000

    def waits(self):
        """Of the broker's own thread: microseconds that it was ready and had no processor, and how often it got one."""
        with open(f"/proc/{self.pid}/task/{self.pid}/schedstat", encoding="ascii") as file:
            _, waited_ns, times = file.read().split()
        return int(waited_ns) / 1000, int(times)

    def memory(self):
        """Bytes that are this process's alone."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(n) * 1024 for n in re.findall(r"^Private_\w+:\s+(\d+) kB", file.read(), re.M))

    def sql(self, text):
        return sql(self.catalog, text)


def sql(catalog, text):
    done = subprocess.run(["sqlite3", "-batch", "-bail", catalog], input=".timeout 60000\n" + text, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{text[:200]}: {done.stderr}")
    return done.stdout.strip()


SIGN = "'sha256', printf('%064x', 1)"


def firmware_sql(product, count):
    """Versions 1.0.0 to 1.0.(count - 1), and 2.0.0 above them."""
    columns = "product_id, name, version, version_order, sign_method, sign, url, size"
    return (f"INSERT OR IGNORE INTO product (product_id) VALUES ('{product}');\n"
            f"WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})\n"
            f"INSERT INTO firmware ({columns}) SELECT '{product}', 'older', '1.0.' || i, i + 1, {SIGN},\n"
            f" 'https://firmware.example.com/{product}/1.0.' || i || '/image.bin', 1000000 + i FROM n;\n"
            f"INSERT INTO firmware (firmware_id, {columns}) VALUES ('{product}-2', '{product}', 'newest', '2.0.0', {count + 1}, {SIGN},\n"
            f" 'https://firmware.example.com/{product}/2.0.0/image.bin', 2000000);\n")


def devices_sql(product, first, count, version="1.0.0"):
    return (f"WITH RECURSIVE n(i) AS (VALUES ({first}) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first + count})\n"
            f"INSERT INTO device (product_id, device_id, version) SELECT '{product}', printf('d%07d', i), '{version}' FROM n;\n")


# --- measuring


class Bench:
    def __init__(self, arguments, scratch):
        self.quick = arguments.quick
        self.strangers = arguments.strangers
        self.rounds = arguments.rounds or (3 if arguments.quick else 7)
        self.seconds = 0.5 if arguments.quick else 1.5
        self.scratch = scratch
        os.makedirs(arguments.build, exist_ok=True)
        self.load_program = build_c(arguments.build, "load")
        self.build = arguments.build
        self.plugin = build_plugin(arguments.build)
        self.raw = []
        self.rows = []
        self.fleet_catalogs = {}  # by number of devices
        self.brokers = contextlib.ExitStack()

    def broker(self, name, plugin=True, **how):
        broker = Broker(self.scratch, name, self.plugin if plugin else None, **how)
        self.brokers.callback(broker.stop)
        return broker

    def load_command(self, broker, mode, watch=(), **options):
        options.setdefault("seconds", self.seconds)
        command = [self.load_program, "--mode", mode, "--port", str(broker.port)]
        for pid in () if watch is None else (broker.pid, *watch):
            command += ["--watch", str(pid)]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return command

    def load(self, broker, mode, watch=(), **options):
        done = subprocess.run(self.load_command(broker, mode, watch, **options), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"load {mode}: {done.stderr}")
        result = json.loads(done.stdout)
        result["thread_us"] = sum(cpu["thread"] for cpu in result["cpu"]) / max(1, result["count"])
        result["process_us"] = sum(cpu["process"] for cpu in result["cpu"]) / max(1, result["count"])
        result["rate"] = result["count"] / result["seconds"]
        return result

    def interleave(self, title, runs):
        """Every round runs each of {name: function} once, every other round backwards. {name: [result of each round]}."""
        results = {name: [] for name in runs}
        order = list(runs)
        for _ in range(self.rounds):
            for name in order:
                results[name].append(runs[name]())
            order.reverse()
        self.raw.append({"bench": title, "results": results})
        return results

    def ratio(self, what, ours, floor, field, target=""):
        ratios = [a[field] / b[field] for a, b in zip(ours, floor)]
        middle = statistics.median(ratios)
        self.row(what, f"{statistics.median(a[field] for a in ours):.1f} / {statistics.median(b[field] for b in floor):.1f}",
                 f"{middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f})", target)
        return middle

    def row(self, what, figures, result, target=""):
        self.rows.append((what, figures, result, target))
        print(f"| {what} | {figures} | {result} | {target} |", flush=True)


def middle(results, field):
    return statistics.median(result[field] for result in results)


def latencies(results):
    return f"p50 {middle(results, 'p50'):.0f}, p99 {middle(results, 'p99'):.0f}"


def versions_text():
    def first_line(*command):
        try:
            env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
            return (done.stdout or done.stderr).splitlines()[0].strip()
        except (OSError, IndexError):
            return "?"
    model = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    return (f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}, Linux {platform.release()}, "
            f"{first_line('mosquitto', '-h')}, SQLite {first_line('sqlite3', '--version').split()[0]}")
