"""What a run has shown: each fault that was chosen has bitten, each invariant has held, and the figures."""
import subprocess

from tests.harness.process import BUILD, ROOT

from .registry import ABSENT, FAULTS, possible

# What is checked and where; tests/fault/README.md explains each.
INVARIANTS = {
    "I1": "sums over all accounts in every snapshot", "I2": "tollgate audit, all the time", "I3": "no balance below its floor in any snapshot",
    "I4": "one end for each call; what a provider served had a hold and is charged as it says", "I5": "holds end; none is left at rest",
    "I6": "one charge, one grant under one Idempotency-Key", "I7": "what was acknowledged is there, with that charge",
    "I8": "nothing is there that nobody attempted; what is in doubt is there once or not at all; units created or lost: 0",
    "I11": "clock steps change no money and refuse nobody", "I12": "no row of a call that was read has changed or gone",
    "I14": "each charge is its usage at its pinned price", "I15": "no call on another customer's account",
    "I16": "no call under a key after its revocation, nor of a customer after its suspension", "answers": "no answer but those a caller may expect",
    "alive": "no process ends by itself", "F20": "a caller that retries loses nothing to a rolling restart",
}


def make(rig):
    faults = {}
    for f in FAULTS:
        if rig.chosen[f.name]:
            faults[f.name] = {"code": f.code, "fired": rig.chosen[f.name], "bitten": sum(rig.tally[f.name].values()), "how": dict(rig.tally[f.name])}
    admitted = [m.get('tollgate_calls_total{state="admitted"}', 0) for m in rig.metrics]
    faults["two servers on one database, with the same keys"] = {"code": "F19", "fired": 1, "bitten": min(admitted), "how": {"calls admitted by the one that had fewer": min(admitted)}}
    failed = [f"{name} was chosen and never bit" for name, f in faults.items() if not f["bitten"]]
    broken = {}
    for kind, text in rig.world.violations:
        broken.setdefault(kind, []).append(text)
    failed += [f"{kind}: {len(texts)} times, first: {texts[0]}" for kind, texts in broken.items()]
    held = [k for k in INVARIANTS if k not in broken and (k != "F20" or "rolling restart under load" in faults) and (k != "I11" or "wall clock steps" in faults)]
    totals = {k: sum(m.get(k, 0) for m in rig.metrics) for k in set().union(*rig.metrics)}
    stats = rig.books.stats
    return {
        "seed": rig.seed, "again": again(rig.options), "chosen": bool(rig.options.only or rig.options.once), "build": BUILD.name, "commit": commit(), "rounds": rig.rounds - rig.options.first, "kill rounds": kill_rounds(rig), "rests": rig.epochs, "faults": faults, "held": held,
        "failed": failed, "passed": len(held) + sum(bool(f["bitten"]) for f in faults.values()),
        "kills": {"servers": sum(i.kills for i in rig.world.instances), "servers that ended of a fault": sum(len(i.deaths) for i in rig.world.instances),
                  "backends": faults.get("kill -9 of a backend", {}).get("bitten", 0),
                  "databases": rig.world.database.ends["kill"] + rig.world.database.ends["immediate"], "restarts in good order": rig.world.database.ends["fast"]},
        "calls": {"attempts": stats["attempts"], "acknowledged": stats["acknowledged"], "of those pending": stats["pending"], "indeterminate": stats["indeterminate"],
                  "of those in the ledger": stats["indeterminate_found"], "aborted": rig.counts.get("left", 0), "503s": rig.counts.get("503", 0),
                  "in the ledger": len(rig.books.calls), "served by providers": stats["served"], "admitted by each server": admitted},
        "ledger": {"swept": stats["swept"], "estimated": stats["estimated"], "corrected or voided": stats["corrected"], "unrated": stats["unpriced"],
                   "aborted": stats["aborted"], "served and released": stats["released_after_serving"], "sent to a provider again": stats["sent_again"],
                   "charged again under a retry": stats["charged_again"],
                   "ambiguous commits resolved": totals.get("tollgate_ledger_commits_unknown_total", 0),
                   "fenced off": totals.get("tollgate_ledger_fenced_total", 0), "batches": totals.get("tollgate_ledger_batches_total", 0),
                   "journal written": totals.get("tollgate_journal_written_total", 0),
                   "journal replayed": totals.get("tollgate_journal_replayed_total", 0), "batches halved": totals.get("tollgate_ledger_halved_total", 0), "poisoned": totals.get("tollgate_ledger_poisoned_total", 0)},
        "bank": {"snapshots": rig.bank.snapshots, "audits": rig.bank.audits, "away": rig.bank.away, "snapshots with usage past the floor": rig.bank.below},
        "faithful": {"succeeded": rig.counts.get("faithful", 0), "failed": len(stats["faithful_failed"])},
        "offsets": rig.offsets_done, "memory": {"most KiB": rig.memory, "grown by a bomb KiB": rig.growth},
        "deaths": [f"{i.name}: {why}: {code}" for i in rig.world.instances for why, code in i.deaths], "units": rig.units,
    }


def again(options):
    """What else has to be said for the same faults to come again."""
    if options.once:
        return ["--once"]
    rounds = options.rounds or 0
    return ([f"--only '{','.join(options.only)}'"] if options.only else []) + ([f"--rounds {rounds}"] if rounds else [f"--minutes {options.minutes:g}"]) + \
        ([f"--first {options.first}"] if options.first else []) + ([f"--pace {options.pace:g}"] if options.pace != 1 else [])


def kill_rounds(rig):
    return sum(rig.chosen[f.name] for f in FAULTS if f.code == "F1")


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def show(result, out):
    def line(text=""):
        print(text, file=out)

    line()
    line(f"{result['rounds']} rounds, {result['kill rounds']} of them with kill -9 of a server, {result['rests']} times at rest, build {result['build']}, commit {result['commit']}")
    line("kills: " + ", ".join(f"{k} {v}" for k, v in result["kills"].items()))
    for name, f in result["faults"].items():
        line(f"  {f['code']:4} {name}: fired {f['fired']}, bitten {f['bitten']}")
        for how, count in sorted(f["how"].items()):
            line(f"         {count:8}  {how}")
    for title in ("calls", "ledger", "bank", "faithful", "memory"):
        line(f"{title}: " + ", ".join(f"{k} {v}" for k, v in result[title].items()))
    line(f"recorded answers cut at {result['offsets']} offsets")
    impossible = sorted({f.code for f in FAULTS} - {f.code for f in possible()})
    if impossible:
        line("not possible without root: " + " ".join(impossible))
    missed = [f"{f.code} {f.name}" for f in possible() if not result["faults"].get(f.name)]
    if missed and not result["chosen"]:
        line("not reached: " + "; ".join(missed))
    line("not here (README.md): " + " ".join(ABSENT))
    line("invariants held: " + " ".join(result["held"]))
    for text in result["failed"]:
        line(f"FAILED {text}")
    line(f"units created or lost: {result['units']}")
    line(f"seed {result['seed']}: the same faults again with --seed {result['seed']}" + "".join(f" {a}" for a in result["again"]))
