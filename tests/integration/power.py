"""For power.bats: a device that says what was acknowledged when, and the disk after a loss of power (power.c).

  say FILE      progress after progress, a line "NUMBER TIME" of FILE for each that was acknowledged
  cut DISK FOLDER SEED  FOLDER becomes what power.c kept in DISK. SEED 0: nothing else. Else single pages of what was
                        never synced are there too, as a disk may have written them
"""

import os
import random
import sys
import time

from raw import Client

PAGE = 4096


def say(path):
    device, number = Client("d1"), 0
    with open(path, "w", encoding="ascii", buffering=1) as file:
        while True:
            number += 1
            device.publish("/lamp/d1/firmware/upgrade/progress", f'{{"version":"{number}","progress":1}}')
            file.write(f"{number} {time.time()}\n")
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
    say(sys.argv[2])
else:
    cut(sys.argv[2], sys.argv[3], int(sys.argv[4]))
