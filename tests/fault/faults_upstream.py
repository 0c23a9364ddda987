"""Providers that hang, drip, lie, break off at every byte, send bombs and point elsewhere. What they shall do is asked of the
stand-in by the request (server/standin/standin.h); that it did is in its own log."""
import json
import os

from .instance import SANITIZED
from .registry import fault
from .world import RECORDINGS

GARBLED = ("garbage", "html-error", "nul", "no-usage", "usage-twice", "usage-first", "truncate", "error-mid", "error-400", "error-401",
           "error-404", "error-429", "error-503", "reset", *(f"bad-usage-{n}" for n in range(8)))
LARGE = ("big-900", "big-1500", "long-20000", "line-100mb")


def served(rig, mark):
    """How many calls the providers began under a script with that in its name."""
    found = 0
    for stand_in in rig.world.stand_ins:
        with open(stand_in.log_path, "rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(0, size - 4_000_000))
            found += sum(b'"state":"started"' in line and mark.encode() in line for line in f)
    return found


def script(rig, name, scripts, count, **more):
    """Calls under these scripts. Proved by the providers' logs: each script has a mark of its own in its name there."""
    scripts = ["stand-in:" + s for s in scripts]
    told = rig.driver.burst(rig.name(name), scripts=scripts, count=count, **more)
    return told


@fault("F10", "providers that never answer", "deadlines; the hold is resolved", companion=True)
def hang(rig, rng, alone):
    before = served(rig, "stand-in:hang")
    script(rig, "hang", ("hang", "hang-head"), 8, threads=8, timeout=25)
    rig.bite("calls that hung", served(rig, "stand-in:hang") - before)


@fault("F11", "providers at a byte a second", "deadlines between chunks and in all", companion=True)
def drip(rig, rng, alone):
    before = served(rig, "stand-in:drip-7")
    script(rig, "drip", (rng.choice(("drip-700", "drip-7")),), 6, threads=6, timeout=25)
    rig.bite("calls that dripped", served(rig, "stand-in:drip-7") - before)


@fault("F12", "providers that talk nonsense", "no crash; charged by rule and flagged", companion=True)
def garble(rig, rng, alone):
    chosen = rng.sample(GARBLED, 8)
    before = [served(rig, "stand-in:" + name + '"') for name in chosen]
    script(rig, "garble", chosen, 32, threads=8)
    for name, was in zip(chosen, before):
        rig.bite(name, served(rig, "stand-in:" + name + '"') - was)


@fault("F12", "providers that talk much", "lines and answers are bounded; so is memory", companion=True)
def large(rig, rng, alone):
    before = served(rig, "stand-in:big-") + served(rig, "stand-in:long-20000") + served(rig, "stand-in:line-")
    script(rig, "large", (rng.choice(LARGE),), 4, threads=2, role="wild", timeout=40)
    rig.bite("large answers", served(rig, "stand-in:big-") + served(rig, "stand-in:long-20000") + served(rig, "stand-in:line-") - before)


# ---- cut at every offset of the recorded answers, in turns over the run

def offsets():
    for name in sorted(os.listdir(os.path.join(RECORDINGS, "chat"))):
        folder = os.path.join(RECORDINGS, "chat", name)
        with open(os.path.join(folder, "meta.json")) as f:
            body = json.load(f)["response_file"]
        for at in range(os.path.getsize(os.path.join(folder, body)) + 1):
            yield f"replay:chat/{name}!{at}"


EVERY_OFFSET = list(offsets())
AT_ONCE = 120
MOST_KIB = 64 << 10


@fault("F13", "recorded answers cut at each offset in turn", "settled from what was seen", weight=2, companion=True)
def offset(rig, rng, alone):
    first = rig.offsets_done
    chosen = [EVERY_OFFSET[(first + i) % len(EVERY_OFFSET)] for i in range(AT_ONCE)]
    rig.offsets_done += AT_ONCE
    before = served(rig, "replay:chat/")
    rig.driver.burst(rig.name("offset"), scripts=chosen, count=AT_ONCE, threads=8)
    rig.bite("cut off", served(rig, "replay:chat/") - before)


@fault("F14", "bombs and answers without end", "bytes and memory are bounded", companion=True)
def bomb(rig, rng, alone):
    resident, rig.window = [i.rss_kib() for i in rig.world.instances], [0, 0]
    kind = rng.choice(("bomb", "endless"))
    before = served(rig, "stand-in:" + kind)
    script(rig, kind, (kind,), 4, threads=4, timeout=20, most=2 << 20)
    rig.bite(kind, served(rig, "stand-in:" + kind) - before)
    for instance, was, most in zip(rig.world.instances, resident, rig.window):
        grown = max(most, instance.rss_kib()) - was
        rig.growth = max(rig.growth, grown)
        if was and grown > MOST_KIB and not SANITIZED:
            rig.world.violation("F14", f"{instance.name} has grown by {grown} KiB under four answers of kind {kind}")


@fault("F15", "redirects to metadata, files and FTP", "not followed, not handed on", companion=True)
def redirect(rig, rng, alone):
    told = script(rig, "redirect", [f"redirect-{n}" for n in range(3)], 6, threads=3)
    rig.bite("redirects refused", told.get("502", 0))
    handed_on = {k: v for k, v in told.items() if k.startswith("3")}
    if handed_on:
        rig.world.violation("F15", f"redirects were handed to the client: {told}")
