"""The habits of real devices: small named behaviours, one of each group for a device, drawn from
the seed.

A table, so that `simulate.py --list` prints what devices.py does. The first habit of a group is
the plain one, which devices have when `--habit` asks for one habit alone."""

# group: (name, weight in per cent, what it does)
GROUPS = {
    "tells": [
        ("report-on-connect", 68, "reports its version in on_connect, as nearly all firmware does"),
        (
            "birth-first",
            18,
            "publishes a birth message or telemetry first, and its report after that",
        ),
        ("report-on-boot", 14, "reports after a boot alone, not after a reconnect"),
    ],
    "link": [
        ("steady", 38, "keeps its connection"),
        ("flaps", 18, "loses its connection again and again, and is back after a random delay"),
        (
            "half-open",
            10,
            "is gone without a FIN, and connects anew while the broker holds the dead connection",
        ),
        ("half-open-late", 8, "is gone without a FIN, and comes back after the broker found out"),
        ("take-over", 8, "connects anew while its connection lives"),
        ("sleeps", 18, "is awake for 80 to 300 ms at a time"),
    ],
    "upgrade": [
        ("restarts-after-complete", 24, "says complete, then restarts into the new version"),
        ("complete-after-restart", 14, "restarts into the new version, then says complete"),
        ("never-completes", 9, "restarts, and only its report tells of the new version"),
        ("completes-without-restart", 7, "changes its version while it runs"),
        (
            "restarts-midway",
            11,
            "restarts in the middle of a download, and goes on or has forgotten it",
        ),
        ("slow", 8, "takes some seconds, and tells progress all the time"),
        ("silent", 5, "is there, and never answers an upgrade"),
        ("refuses", 4, "answers that it will not upgrade"),
        ("fails-once", 5, "fails with a reason, and succeeds at the retry"),
        ("fails", 2, "fails with a reason, each time"),
        ("dies", 5, "gets the upgrade, dies, and boots into the old version"),
        ("goes-back", 4, "goes back to the old version some seconds after a success"),
        ("stalls", 1, "begins, and never ends"),
        ("vanishes", 1, "begins, and is never seen again"),
    ],
    "way": [
        ("waits", 62, "waits to be pushed"),
        ("polls", 24, "asks for firmware every few seconds, and is in pull tasks"),
        ("push-then-pull", 14, "reacts to a push by a pull, and takes what that is answered"),
    ],
    "clock": [
        ("true-clock", 52, "timestamps are right"),
        ("clock-1970", 11, "its clock begins at 1970 at each boot"),
        ("clock-2000", 6, "its clock begins at 2000 at each boot"),
        ("clock-build", 7, "its clock begins at the build's date at each boot"),
        ("clock-stands", 6, "its clock stands"),
        ("no-clock", 10, "sends no timestamps"),
        ("text-clock", 8, "sends timestamps as text"),
    ],
    "messages": [
        ("ordinary", 48, "messages as the protocol has them"),
        ("nameless", 14, "its progress has no firmwareId and no version"),
        ("qos-0", 10, "publishes and subscribes with QoS 0"),
        ("redelivers", 8, "sends its last message again, with DUP, after a reconnect"),
        ("duplicates", 8, "publishes half of its messages twice"),
        ("bulky", 8, "sends large and nested payloads with members nobody asked for"),
        ("mislabelled", 4, "its image of 2.0 says v2.0 (polls)"),
    ],
    # beside the groups: drawn for each device of the gateways' broker
    "gateway": [
        ("gateway", 100, "one client speaks for many devices (a broker with identity none)"),
    ],
}

# What makes no sense together: the second is replaced by the plain habit of its group.
CLASHES = [
    # rule 8: a row of a device that was away waits for a report or pull, at most 3 s, and by
    # then it sleeps again
    ("sleeps", "report-on-boot"),
    # rule 2: after an upgrade has ended the next waits for a report, or 30 s without going
    ("fails-once", "report-on-boot"),
    ("polls", "silent"),
    ("polls", "refuses"),
    ("mislabelled", "silent"),
    ("mislabelled", "refuses"),
    *(
        ("mislabelled", name)
        for name in (
            "never-completes",
            "goes-back",
            "dies",
            "stalls",
            "vanishes",
            "fails",
            "fails-once",
        )
    ),
    ("push-then-pull", "refuses"),
    # the gateway's connection is not the device's
    ("gateway", "sleeps"),
    ("gateway", "flaps"),
    ("gateway", "half-open"),
    ("gateway", "half-open-late"),
    ("gateway", "take-over"),
]

GROUP_OF = {name: group for group, habits in GROUPS.items() for name, _, _ in habits}
PLAIN = {group: habits[0][0] for group, habits in GROUPS.items()}


# A fleet on a good day, in a rollout (rollouts.py): few of its devices fail for reasons of their
# own, and a third is not there. Weights instead of those above.
IN_ROLLOUTS = {
    "silent": 1,
    "refuses": 1,
    "fails-once": 1,
    "fails": 0.5,
    "dies": 1,
    "goes-back": 0.5,
    "stalls": 0.5,
    "vanishes": 0.5,
    # what they do with tasks of many versions is simulate.py's
    "polls": 0,
    "push-then-pull": 6,
    "mislabelled": 0,
    "nameless": 0,
}
ROLLOUT_GROUPS = {
    "presence": [
        ("there", 61, "is there, as far as its link lets it"),
        ("offline", 33, "was there once, and is off all the time"),
        ("late", 6, "is off at first, and comes when the rollout is under way"),
    ],
    "wish": [
        ("obeys", 92, "upgrades when it is told"),
        ("defers", 8, "puts its upgrade off by some seconds, once"),
    ],
}


def draw_for_rollout(random):
    """One habit of each group, as rollouts.py has them."""
    chosen = set(draw(random, weight_of=IN_ROLLOUTS))
    for habits in ROLLOUT_GROUPS.values():
        names, weights = [name for name, _, _ in habits], [weight for _, weight, _ in habits]
        chosen.add(random.choices(names, weights)[0])
    return frozenset(chosen)


def draw(random, only=None, gateway=False, weight_of=None):
    """The habits of one device: one of each group, or `only` this one and plain ones beside it.
    `weight_of` has other weights for some of them."""
    chosen, weight_of = {}, weight_of or {}
    for group, habits in GROUPS.items():
        if group != "gateway":
            names = [name for name, _, _ in habits]
            weights = [weight_of.get(name, weight) for name, weight, _ in habits]
            chosen[group] = PLAIN[group] if only else random.choices(names, weights)[0]
    if only and only != "gateway":
        chosen[GROUP_OF[only]] = only
    if gateway:
        chosen["gateway"] = "gateway"
    if chosen["messages"] == "mislabelled":
        chosen["way"] = "polls"
    for first, second in CLASHES:
        if first in chosen.values() and second in chosen.values():
            keep, change = (second, first) if second == only else (first, second)
            chosen[GROUP_OF[change]] = PLAIN[GROUP_OF[change]] if keep != "gateway" else "steady"
    return frozenset(chosen.values())
