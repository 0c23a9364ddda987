"""One run: a world, its load, the bank reader, and the nemesis that fires one fault after the other; now and then everything
comes to rest and the logs are held against the books."""
import collections
import itertools
import random
import re
import sys
import threading
import time
import traceback

from tests.harness.process import wait_for

from .bank import Bank
from .books import Books
from .driver import Driver
from .nemesis import Once, Turns
from .world import World

EPOCH_ROUNDS = 12  # at the latest; and after so many seconds
EPOCH_SECONDS = 40


class Rig:
    def __init__(self, options):
        self.options, self.seed = options, options.seed
        self.plan = Once(options.seed) if options.once else Turns(options.seed, options.only)
        self.began = time.monotonic()
        self.rounds, self.epochs = options.first, 0
        self.tally = collections.defaultdict(collections.Counter)  # fault: {variant: how often it bit}
        self.chosen = collections.Counter()
        self.local = threading.local()
        self.numbers = itertools.count()
        self.memory = [0, 0]   # the most that a server had resident, KiB
        self.window = [0, 0]   # the same since a fault has set it to nothing
        self.offsets_done, self.growth, self.shown = 0, 0, 0
        self.units = None
        self.counts, self.metrics = {}, [{}]
        self.world = World(self.seed)
        self.driver = Driver(self.world, options.threads)
        self.books = Books(self.world, self.driver)
        self.bank = Bank(self.world)
        self.stopping = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampler.start()

    # ---- telling

    def say(self, text):
        print(f"{time.monotonic() - self.began:8.2f}  {text}", flush=True)

    def bite(self, variant, count=1):
        """A counter that proves that the fault which this thread fires has bitten: what was cut, killed, refused."""
        if count:
            self.tally[self.local.fault][variant] += count

    def _sample(self):
        while not self.stopping.wait(0.5):
            for i, instance in enumerate(self.world.instances):
                if instance.process and instance.alive():
                    try:
                        instance.measure()
                        resident = instance.rss_kib()
                        self.memory[i], self.window[i] = max(self.memory[i], resident), max(self.window[i], resident)
                    except (OSError, StopIteration):
                        pass  # it ended meanwhile

    # ---- what faults ask for

    def name(self, prefix):
        """One that nothing else in this run has."""
        return f"{prefix}{next(self.numbers)}"

    def pause(self, rng, least, most):
        time.sleep(rng.uniform(least, most) * self.options.pace)

    def instance(self, rng):
        return self.world.instances[rng.randrange(2)]

    def unexpected_deaths(self):
        for instance in self.world.instances:
            if not instance.alive() and not instance.expected_dead:
                code = instance.process.returncode
                self.world.violation("alive", f"{instance.name} ended by itself with {code}: " + instance.log()[-1500:])
                instance.revive("by itself")

    # ---- the rounds

    def round(self):
        number = self.rounds
        fault, beside = self.plan.choose(number)
        rng = random.Random(f"{self.seed}:round:{number}")
        self.pause(rng, 0.1, 0.6)
        self.say(f"round {number}: {fault.code} {fault.name}" + (f", with {beside.code} {beside.name}" if beside else ""))
        before = {f: self.bitten(f) for f in (fault, beside) if f}
        thread = None
        if beside:
            thread = threading.Thread(target=self.fire, args=(beside, random.Random(f"{self.seed}:beside:{number}"), False), daemon=True)
            thread.start()
        self.fire(fault, rng, beside is None)
        if thread:
            thread.join(120)
            if thread.is_alive():
                self.world.violation("rig", f"{beside.name} did not end")
        self.world.clear()
        for f, was in before.items():  # the other one may have left it nothing to bite
            if beside and self.bitten(f) == was:
                self.fire(f, random.Random(f"{self.seed}:again:{number}"), True, again=True)
                self.world.clear()
        self.unexpected_deaths()
        self.show_broken()
        self.rounds += 1

    def bitten(self, fault):
        return sum(self.tally[fault.name].values())

    def fire(self, fault, rng, alone, again=False):
        """A fault that could bite and did not is tried again, twice."""
        self.chosen[fault.name] += not again
        self.local.fault = fault.name
        before = self.bitten(fault)
        for _ in range(3):
            if not self.guarded(fault.name, fault.run, self, rng, alone):
                return
            if self.bitten(fault) > before:
                return

    def guarded(self, name, run, *arguments):
        """Whatever goes wrong in the rig's own doing fails the run, which goes on to its end all the same."""
        try:
            run(*arguments)
            return True
        except Exception as e:  # noqa: BLE001
            self.world.violation("rig", f"{name}: {type(e).__name__}: {e}\n" + traceback.format_exc()[-1500:])
            return False

    def over(self):
        if self.world.violations and not self.options.go_on:
            return True
        rounds = self.options.rounds or self.plan.rounds
        if rounds:
            return self.rounds - self.options.first >= rounds
        return time.monotonic() - self.began >= self.options.minutes * 60

    def run(self):
        self.driver.ask("resume")
        since, number = time.monotonic(), 0
        while not self.over():
            if not self.guarded("round", self.round):
                self.rounds += 1
            number += 1
            if number >= EPOCH_ROUNDS / self.options.pace or time.monotonic() - since > EPOCH_SECONDS or (self.world.violations and not self.options.go_on):
                if not self.guarded("rest", self.rest):
                    break
                since, number = time.monotonic(), 0
                self.driver.ask("resume")
        self.guarded("rest", self.rest)
        self.guarded("finish", self.finish)

    # ---- at rest

    def holds(self):
        return self.world.database.sql("SELECT count(*) FROM holds")[0][0]

    def wait_journals(self):
        """What waits in a journal reaches the ledger."""
        def empty():
            return all(i.measure() is not None and i.sample.get("tollgate_journal_entries", 0) == i.sample.get("tollgate_journal_refused", 0)
                       for i in self.world.instances)
        try:
            wait_for(empty, 30, "the journals being empty", step=0.1)
        except AssertionError as e:
            self.world.violation("I7", str(e))

    def show_broken(self):
        fresh, self.shown = self.world.violations[self.shown:], len(self.world.violations)
        for kind, text in fresh[:20]:
            self.say(f"BROKEN {kind}: {text[:400]}")

    def rest(self):
        self.driver.ask("pause")
        self.world.clear()
        for instance in self.world.instances:
            instance.wait_ready()
        try:
            wait_for(lambda: self.holds() == 0, 60, "all calls ending", step=0.1)
        except AssertionError:
            rows = self.world.database.sql("SELECT call_id, writer_id, about FROM holds LIMIT 3")
            self.world.violation("I5", f"{self.holds()} holds are open after a minute of rest: {rows}")
        self.wait_journals()
        self.books.check()
        self.bank.audit(must=True)
        self.units = self.books.check_grants()
        if self.units != 0:
            self.world.violation("I8", f"units created or lost: {self.units}")
        self.epochs += 1
        self.show_broken()
        self.say(f"at rest: {self.books.stats['attempts']} attempts, {len(self.books.calls)} calls, units created or lost: {self.units}")

    def finish(self):
        self.bank.stop()
        self.stopping.set()
        self.sampler.join(10)
        self.books.check_unchanged()
        self.counts = self.driver.counts()
        self.metrics = [i.measure() for i in self.world.instances]
        self.driver.stop()
        for instance in self.world.instances:
            if instance.stop() != 0:
                self.world.violation("alive", f"{instance.name} did not end well: " + instance.log()[-1500:])
        for line in self.sanitizer_lines():
            self.world.violation("alive", line)

    def sanitizer_lines(self):
        """What a sanitizer has said, but for what a fault had asked for."""
        for instance in self.world.instances:
            for text in re.split(r"(?m)^(?===\d+==ERROR: )|^(?=\S+: runtime error: )", instance.log())[1:]:
                if not re.search("out of memory|failed to allocate", text[:300]) and "unsound" not in text[:3000]:
                    yield f"{instance.name}: " + text[:2000]


def kill_all(rig):
    """After a run that broke down: nothing is left behind."""
    try:
        rig.world.stop()
    except Exception as e:  # noqa: BLE001
        print(f"stopping: {e}", file=sys.stderr)
