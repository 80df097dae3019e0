"""Rollouts in a fleet as it is: late, silent, refusing, deferring, dying, flapping, a third of it
off. A good image reaches everybody who is there, without a person. A bad one, which breaks 30 % of
the devices, is stopped. Prints how far each came, as a table, and judges each row and count."""

import argparse
import collections
import os
import sys
import time

from simulate import SOURCE, play, tell_kinds

from link import Loop
from rollout_oracle import RolloutOracle, waits
from rollout_world import LOST_SECONDS, Plan, RolloutWorld

EXAMPLES = """
  rollouts.py --devices 200 --only staged     what tests/run does
  rollouts.py --kills 20 --devices 150        brokers that are killed, so often each

The status is 1 when something is wrong, 2 when the run could not be made.
"""


SECONDS_A_DEVICE = 0.018  # between two fleets


def plans():
    """Those first that take longest."""
    yield Plan("good", "good", True, True)
    for image in ("kills", "fails"):
        for stages in (False, True):
            for stop in (False, True):
                name = f"{image}-{'staged' if stages else 'at-once'}{'-stop' if stop else ''}"
                yield Plan(name, image, stages, stop)


def kill_plans(kills):
    """One good and four bad, each killed so often."""
    yield Plan("killed-good", "good", True, True, kills)
    for number in range(3):
        yield Plan(f"killed-fails-{number}", "fails", True, True, kills)
    yield Plan("killed-at-once", "fails", False, True, kills)


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="of the fleet (default: 1)")
    parser.add_argument("--devices", type=int, default=1000, help="in each world (default: 1000)")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="rollouts whose name has it (see the table)"
    )
    parser.add_argument("--short", action="store_true", help="the three that tell most")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 of each broker, so often")
    parser.add_argument(
        "--seconds", type=float, default=500, help="that all may take, at most (default: 500)"
    )
    parser.add_argument("--enough", type=float, default=98, help="per cent of rows to be true")
    parser.add_argument(
        "--broker", default=os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto"), help="mosquitto"
    )
    plugin = os.environ.get("FW_PLUGIN") or os.path.join(SOURCE, "build/mosquitto_firmware.so")
    parser.add_argument("--plugin", default=plugin, help="(default: $FW_PLUGIN, or build/)")
    parser.add_argument("--keep", metavar="FOLDER", help="keep brokers' logs and catalogs here")
    return parser.parse_args()


def chosen_plans(chosen):
    if chosen.kills:
        found = kill_plans(chosen.kills)
    else:
        found = plans()
    if chosen.short:
        found = [p for p in found if p.name in ("good", "fails-staged-stop", "fails-at-once")]
    return [plan for plan in found if chosen.only in plan.name]


def begin(loop, world):
    """Who is off in a fleet that an image kills has been so for longer than lost_seconds: who went
    off with the others is a witness that the image is not to blame."""
    world.start()
    loop.after(LOST_SECONDS + 5 if world.plan.image == "kills" else 3, world.make_task)


def run(chosen, loop, worlds):
    """Until each rollout has come to its end, or the time is over. They begin one after the other:
    all of the fleets at once would be more than this program can play."""
    begun = time.monotonic()
    for number, world in enumerate(worlds):
        loop.after(number * chosen.devices * SECONDS_A_DEVICE, lambda w=world: begin(loop, w))
    left = {world.name: world.plan.kills for world in worlds}
    for world in worlds:
        plan_kill(loop, world, left)
    going = list(worlds)
    while going and time.monotonic() < begun + chosen.seconds:
        loop.run(0.3)
        for world in list(going):
            if world.began_at and not left[world.name] and world.is_over():
                world.ended_at = time.monotonic() - world.began_at
                world.quieten()
                going.remove(world)
    return [f"{world.name} did not come to an end in {chosen.seconds:.0f} s" for world in going]


def plan_kill(loop, world, left):
    """The next one, at a moment that nobody knows: the first ones in the middle of a stage."""

    def kill():
        if world.began_at and world.broker.process:
            left[world.name] -= 1
            world.kill()
        plan_kill(loop, world, left)

    if left[world.name]:
        loop.after(world.random.uniform(0.5, 5.5), kill)


def settle(loop, worlds):
    """Brokers of paused tasks are killed once more, and all devices come back to them: nothing
    more may be sent."""
    for world in worlds:
        if world.look().state == "paused":
            world.kill()
    loop.run(1)
    for world in worlds:
        world.quieten()
    loop.run(5 if len(worlds) < 4 else 10)


def share(part, whole):
    return f"{100 * part / whole:.1f} %"


def tell_table(worlds):
    print("| image | rollout | reached | broken | ended | after |")
    print("|---|---|---|---|---|---|")
    for world in worlds:
        plan, count = world.plan, len(world.devices)
        sent, broken = world.reached()
        how = ("in stages" if plan.stages else "all at once") + (
            ", with a stop" if plan.stop else ""
        )
        found = world.summary
        end = found.reason or (
            f"stays in stage {found.stage}" if found.stage < 3 and plan.stages
            else "all who are there have it"
        )
        seconds = world.ended_at or 0
        print(
            f"| {plan.image} | {how} | {share(sent, count)} | {share(broken, count)} | {end}"
            f" | {seconds:.0f} s |"
        )
    sys.stdout.flush()


def judge(chosen, worlds, broken):
    kinds, untrue, count = collections.Counter(), 0, 0
    for world in worlds:
        oracle = RolloutOracle(world)
        broken += [f"{world.name}: {text}" for text in oracle.task_faults()]
        for device in world.devices:
            faults = oracle.untruths(device)
            count, untrue = count + 1, untrue + bool(faults)
            kinds.update(f"{world.name}: {fault.kind}" for fault in faults)
            if faults:
                print(f"{world.name}: {oracle.line(device, faults, 12)}")
        if world.plan.image == "good":
            print(f"{world.name}: who waits still: {waits(world)}")
        if world.plan.kills:
            print(f"{world.name}: killed {len(world.broker.starts) - 1} times")
    tell_kinds("rows that are not true", kinds)
    for text in broken:
        print("broken:", text)
    print(f"seed {chosen.seed}: the rows of {share(count - untrue, count)} of devices are true")
    return not broken and untrue <= count * (1 - chosen.enough / 100)


def make_worlds(chosen, folder):
    loop, paths = Loop(), (os.path.abspath(chosen.plugin), chosen.broker)
    return loop, [
        RolloutWorld(loop, plan, folder, chosen.seed, chosen.devices, not chosen.short, *paths)
        for plan in chosen_plans(chosen)
    ]


def passes(chosen, loop, worlds):
    broken = run(chosen, loop, worlds)
    settle(loop, worlds)
    for world in worlds:
        world.look()
    tell_table(worlds)
    return judge(chosen, worlds, broken)


def main():
    return play(options(), make_worlds, passes)


if __name__ == "__main__":
    sys.exit(main())
