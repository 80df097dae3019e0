"""A broker in a folder of its own, whose clocks stand still but for what the test moves them."""

import mmap
import os
import struct
import subprocess
import time

HERE = os.path.dirname(__file__)
SOURCE = os.environ.get("FW_SOURCE") or os.path.abspath(os.path.join(HERE, "../.."))
BEGIN = 1_700_000_000_000  # a Tuesday in November 2023, 22:13:20 UTC


class Broker:
    """`wall` and `boot` are its two clocks, in milliseconds: clock.c tells them to it."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.database = os.path.join(folder, "firmware.db")
        self.log = os.path.join(folder, "broker.log")
        self.program = os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto")
        os.environ["BROKER_SOCKET"] = os.path.join(folder, "socket")
        self.wall, self.boot = BEGIN, 1_000_000
        self.hands = self.map_clock(os.path.join(folder, "clock"))
        self.configure(os.environ.get("FW_PLUGIN") or f"{SOURCE}/build/mosquitto_firmware.so")
        self.set_clock()

    @staticmethod
    def map_clock(path):
        with open(path, "w+b") as clock:
            clock.write(bytes(16))
            clock.flush()
            return mmap.mmap(clock.fileno(), 16)

    def configure(self, plugin):
        with open(os.path.join(self.folder, "mosquitto.conf"), "w", encoding="utf-8") as conf:
            conf.write(f"user root\nlistener 0 {self.folder}/socket\nallow_anonymous true\n")
            conf.write("log_dest stderr\nmax_queued_messages 0\n")
            conf.write(f"plugin {plugin}\nplugin_opt_db_file {self.database}\n")
            conf.write("plugin_opt_device_rate_per_minute 0\nplugin_opt_connection_rate 0\n")

    def sees_connections(self):
        told = subprocess.run([self.program, "-h"], capture_output=True, text=True, check=False)
        return not told.stdout.startswith("mosquitto version 2.0.")

    def set_clock(self):
        self.hands[:] = struct.pack("=qq", self.wall, self.boot)

    def environment(self):
        built = f"{SOURCE}/build/tests/model_clock.so"
        shim = os.environ.get("FW_MODEL_CLOCK_LIBRARY") or built
        preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), shim]))
        # the zone is the test's own
        clock = {"FW_MODEL_CLOCK": f"{self.folder}/clock", "LD_PRELOAD": preload}
        return dict(os.environ) | clock

    def start(self):
        if os.path.exists(f"{self.folder}/socket"):
            os.unlink(f"{self.folder}/socket")
        command = [self.program, "-c", f"{self.folder}/mosquitto.conf"]
        with open(self.log, "ab") as log:
            position = log.tell()
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, env=self.environment()
            )
        deadline = time.monotonic() + 30
        while not self.is_running(position):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("the broker did not start")
            time.sleep(0.01)

    def is_running(self, position):
        with open(self.log, "rb") as log:
            log.seek(position)
            return b" running\n" in log.read()  # not the line that says as which user

    def end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(15)
