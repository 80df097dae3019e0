"""For power.bats: a device that says what was acknowledged when, and the disk after a loss of power (power.c).

  say FILE PAD   progress after progress, a line "NUMBER TIME" of FILE for each that was acknowledged. PAD: bytes of text in
                each, which then follow each other as fast as they are acknowledged
  cut DISK FOLDER SEED  FOLDER becomes what power.c kept in DISK. SEED 0: nothing else. Else single pages of what was
                        never synced are there too, as a disk may have written them
"""

import itertools
import os
import random
import sys
import time

from raw import PUBACK, Client

PAGE = 4096
AHEAD = 20  # messages that are not acknowledged yet


def say(path, pad):
    device, sent = Client("d1"), 0
    reason = f',"errorReason":"{"x" * pad}"' if pad else ""
    with open(path, "w", encoding="ascii", buffering=1) as file:
        for number in itertools.count(1):
            while sent < number + (AHEAD if pad else 0):
                sent += 1
                payload = f'{{"version":"{sent}","progress":1{reason}}}'
                device.publish("/lamp/d1/firmware/upgrade/progress", payload, mid=sent % 60000 + 1, wait=False)
            device.wait_for(PUBACK)
            file.write(f"{number} {time.time()}\n")
            if not pad:
                time.sleep(0.003)


def read(path):
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def pages_of(written, synced, chance):
    """The synced file, with some pages of the written one."""
    size = chance.choice((len(written), len(synced)))
    both = bytearray(synced[:size].ljust(size, b"\0"))
    for at in range(0, min(size, len(written)), PAGE):
        if chance.random() < 0.5:
            both[at : at + PAGE] = written[at : min(at + PAGE, size)]
    return bytes(both)


def cut(disk, folder, seed):
    chance = random.Random(seed)
    left = {}
    for name in os.listdir(f"{disk}/names"):
        left[name] = read(f"{disk}/content/{name}")
        if seed:
            left[name] = pages_of(read(f"{folder}/{name}"), left[name], chance)
    for name in os.listdir(folder):
        if os.path.isfile(f"{folder}/{name}"):
            os.remove(f"{folder}/{name}")
    for name, content in left.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)


if sys.argv[1] == "say":
    say(sys.argv[2], int(sys.argv[3]))
else:
    cut(sys.argv[2], sys.argv[3], int(sys.argv[4]))
