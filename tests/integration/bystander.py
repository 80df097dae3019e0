"""A client that has nothing to do with firmware: publishes to itself 250 times a second for so many seconds, and prints how long
the broker took in milliseconds: median, 99th percentile, worst.   bystander.py SECONDS
A message that was to be sent while the broker kept another one waiting counts from when it was to be sent."""

import gc
import sys
import time

from raw import Client

PERIOD = 1 / 250

gc.disable()
client = Client("bystander")
client.subscribe("bystander/news", qos=0)
took, start = [], time.monotonic() + 0.05
for i in range(int(float(sys.argv[1]) / PERIOD)):
    due = start + i * PERIOD
    time.sleep(max(0, due - time.monotonic()))
    client.publish("bystander/news", "x", qos=0)
    client.message()
    took.append((time.monotonic() - due) * 1000)
took.sort()
print(" ".join(f"{took[int(len(took) * part)]:.2f}" for part in (0.5, 0.99)), f"{took[-1]:.2f}")
