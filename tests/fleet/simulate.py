"""A fleet that misbehaves, against a real broker: hundreds of devices with the habits of real
ones, tasks that operators make, stop and retry, and a broker that is restarted and killed in
between. Then a quiet time, in which all of it must settle, and an oracle that knows what became
of each device (oracle.py)."""

import argparse
import collections
import os
import shutil
import signal
import sys
import tempfile
import time

SOURCE = os.environ.get("FW_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "../..")
)
sys.path.insert(1, os.path.join(SOURCE, "tests/integration"))

from habits import GROUP_OF, GROUPS  # noqa: E402
from link import Loop  # noqa: E402
from oracle import Oracle  # noqa: E402
from world import World  # noqa: E402

GATEWAY_SHARE = 0.12
EXAMPLES = """
The fleet is the same for the same seed; how its messages interleave is not quite. For each device
whose rows are not true there is one line: the device and its habits, what is wrong, its rows, what
it really ran, and its last messages. The status is 1 when more of that is so than --enough allows,
or the catalog is broken; 2 when the run itself could not be made.

  simulate.py --seed 7 --habit sleeps --devices 40     only devices that sleep
  simulate.py --plugin OLD/mosquitto_firmware.so       an older plugin, for comparison
"""


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of the habits and of all that is left to chance (default: 1)",
    )
    parser.add_argument("--devices", type=int, default=250, help="how many (default: 250)")
    parser.add_argument(
        "--seconds", type=float, default=30, help="for which the fleet misbehaves (default: 30)"
    )
    parser.add_argument(
        "--settle",
        type=float,
        default=90,
        help="seconds that all may take to settle after that, at most (default: 90)",
    )
    parser.add_argument(
        "--broker",
        default=os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto"),
        metavar="PATH",
        help="mosquitto (default: $MOSQUITTO)",
    )
    plugin = os.environ.get("FW_PLUGIN") or os.path.join(SOURCE, "build/mosquitto_firmware.so")
    parser.add_argument(
        "--plugin",
        default=plugin,
        metavar="PATH",
        help="(default: $FW_PLUGIN, or the one in build/)",
    )
    parser.add_argument(
        "--habit",
        metavar="NAME",
        choices=sorted(GROUP_OF),
        help="only this habit, and plain ones beside it",
    )
    parser.add_argument(
        "--messages",
        type=int,
        default=12,
        help="how many of its last messages a line has (default: 12)",
    )
    parser.add_argument(
        "--keep", metavar="FOLDER", help="the folder of catalogs and logs, which then stays"
    )
    parser.add_argument(
        "--enough",
        type=float,
        default=100,
        metavar="PERCENT",
        help="fail if fewer devices' rows are true, or more of the others are sent firmware without"
        " need (default: %(default)g)",
    )
    parser.add_argument("--list", action="store_true", help="print the habits and end")
    return parser.parse_args()


def list_habits():
    for group, habits in GROUPS.items():
        print(f"{group}:")
        for name, weight, text in habits:
            print(f"  {name:26}{weight:4} %  {text}")


def make_worlds(chosen, folder):
    """The fleet with a client for each device, and a smaller one behind gateways, which needs
    another broker."""
    gateways = (
        chosen.devices
        if chosen.habit == "gateway"
        else 0
        if chosen.habit
        else round(chosen.devices * GATEWAY_SHARE)
    )
    loop = Loop()
    counts = {"devices": chosen.devices - gateways, "gateways": gateways}
    paths = (os.path.abspath(chosen.plugin), chosen.broker)
    return loop, [
        World(loop, name, folder, chosen.seed, count, chosen.habit, *paths)
        for name, count in counts.items()
        if count
    ]


def settle(loop, worlds, seconds):
    """Until no row is open that could end, then once more what each device runs."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        loop.run(1)
        if time.monotonic() > begun + 3 and not any(Oracle(world).waits_for() for world in worlds):
            break
    for world in worlds:
        world.roll_call(1)
    loop.run(4)
    return time.monotonic() - begun


def run(chosen, loop, worlds):
    for world in worlds:
        world.start()
        world.plan(chosen.seconds)
    loop.run(chosen.seconds)
    for world in worlds:
        world.quieten()
    return settle(loop, worlds, chosen.settle)


def count_habits(worlds):
    devices = (device for world in worlds for device in world.devices)
    return collections.Counter(name for device in devices for name in device.habits)


def tell_habits(worlds):
    found = count_habits(worlds)
    for group, habits in GROUPS.items():
        print(
            f"  {group + ':':10}"
            + ", ".join(f"{name} {found[name]}" for name, _, _ in habits if found[name])
        )


def tell_kinds(title, kinds):
    if kinds:
        print(title + ":")
        for kind, count in kinds.most_common():
            print(f"  {count:4}  {kind}")


def tell_untrue_habits(untrue, all_habits):
    """Those of devices whose rows are not true, the habit that suffers most first."""
    print("habits of devices whose rows are not true:" if untrue else "no rows are untrue")
    for name in sorted(untrue, key=lambda name: untrue[name] / all_habits[name], reverse=True):
        print(f"  {untrue[name]:4} of {all_habits[name]:3}  {name}")


def judge(chosen, worlds):
    """Prints what is wrong; returns whether that is little enough."""
    count = untrue = needless = 0
    kinds, sent, habits, broken = (
        collections.Counter(),
        collections.Counter(),
        collections.Counter(),
        [],
    )
    for world in worlds:
        oracle = Oracle(world)
        broken += oracle.catalog_faults()
        for device in world.devices:
            lies, offers = oracle.untruths(device), oracle.needless(device)
            count, untrue, needless = count + 1, untrue + bool(lies), needless + bool(offers)
            kinds.update(fault.kind for fault in lies)
            sent.update(fault.kind for fault in offers)
            if lies:
                habits.update(device.habits)
            if lies or offers:
                print(oracle.line(device, lies + offers, chosen.messages))
    tell_kinds("rows that are not true", kinds)
    tell_kinds("firmware that was sent without need", sent)
    tell_untrue_habits(habits, count_habits(worlds))
    for text in broken:
        print("broken:", text)
    true, share = count - untrue, 100 * (count - untrue) / count
    print(f"seed {chosen.seed}: the rows of {true} of {count} devices are true: {share:.1f} %")
    whole = "broken" if broken else "whole"
    print(
        f"seed {chosen.seed}: {needless} of {count} devices were sent firmware without need;"
        f" the catalog is {whole}"
    )
    return not broken and max(untrue, needless) <= count * (1 - chosen.enough / 100)


def play(chosen, make, passes):
    """Plays in the worlds that `make` makes in a folder, which end with their brokers, however it goes. The exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # not without ending the brokers
    folder = chosen.keep or tempfile.mkdtemp()
    loop, worlds = make(chosen, folder)
    try:
        return 0 if passes(chosen, loop, worlds) else 1
    except RuntimeError as trouble:
        print(f"seed {chosen.seed}: {trouble}")
        return 2
    finally:
        for world in worlds:
            world.broker.end(signal.SIGKILL)
        if not chosen.keep:
            shutil.rmtree(folder)


def passes(chosen, loop, worlds):
    print(f"seed {chosen.seed}, {chosen.devices} devices")
    tell_habits(worlds)
    sys.stdout.flush()
    seconds = run(chosen, loop, worlds)
    print(f"settled after {seconds:.0f} s")
    return judge(chosen, worlds)


def main():
    chosen = options()
    if chosen.list:
        list_habits()
        return 0
    return play(chosen, make_worlds, passes)


if __name__ == "__main__":
    sys.exit(main())
