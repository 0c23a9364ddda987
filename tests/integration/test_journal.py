"""Usage that was measured while the database was away is charged once, whatever is killed before it can be told."""
import glob
import os
import subprocess
import time
from decimal import Decimal

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import BINARY, wait_for
from tests.harness.server import World

RATES = [("input_tokens", "1000000", "1000000"), ("output_tokens", "1000000", "1000000")]  # one credit for each token
PACED = "stand-in:slow-300"  # twelve words, 300 ms before each: longer than any machine takes to stop a database
LONG = "stand-in:long-100000"  # more than any buffer on the way holds
LEASE_MS = 1500


@pytest.fixture(scope="module")
def shared():
    """A database that may be stopped, and two instances."""
    cluster = Cluster(settings=["fsync=on"])
    world = World(cluster, instances=2, TOLLGATE_LEASE_MS=str(LEASE_MS), TOLLGATE_METRICS="open")
    world.price(PACED, RATES)
    world.price(LONG, RATES, max_output_tokens=200000)
    time.sleep(2.5)  # a price reaches every instance within two seconds
    yield world
    world.stop()
    cluster.remove()


@pytest.fixture
def own(shared):
    """The same, with everything running and an empty journal before and sound books afterwards."""
    shared.servers[0].stop()
    for path in glob.glob(folder(shared.servers[0]) + "/*"):
        os.unlink(path)
    shared.servers[0].start()
    yield shared
    wait_for(shared.cluster.answers, 30, "the database")
    for server in shared.servers:
        wait_for(server.ready, 30, "the server being ready")
    shared.quiet(60)
    shared.audit()


def folder(server):
    return server.environment["TOLLGATE_JOURNAL_DIR"]


def check(server, code=0):
    done = subprocess.run([str(BINARY), "journal", "check", "--dir", folder(server), "--json"], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "NO_COLOR": "1"})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def metric(server, name, key=None):
    answer = server.client(key).get("/metrics")
    return int(next(line.split()[1] for line in answer.body.decode().split("\n") if line.startswith(name + " ")))


def stream_through_an_outage(world):
    """A stream that runs when the database goes away, and is told that its settlement is pending."""
    customer, key = world.customer("1000")
    stream = world.servers[0].client(key).stream(model=PACED, text="a b c", headers={"X-Tollgate-Receipt": "stream"})
    call = stream.call
    stream.read_until(b'"content":" ')
    world.cluster.stop("immediate")
    body = stream.read_until(b"data: [DONE]")
    stream.close()
    assert b"data: [DONE]" in body and f"call={call} settlement=pending".encode() in body
    return customer, call


def call_of(world, call, server=0):
    """What an instance tells of a call; None while it cannot: a connection may still be looking for the database."""
    answer = world.servers[server].client(world.admin_key).get(f"/api/v1/calls/{call}")
    return answer.json if answer.status == 200 else None


def settled(world, call, server=0, when=lambda flags: True):
    """The call, once it is settled and its flags are so."""
    def told():
        seen = call_of(world, call, server)
        return seen if seen and seen["state"] == "settled" and when(seen["flags"]) else None
    return wait_for(told, 40, "the call's settlement")


def balance_of(world, customer):
    def told():
        answer = world.admin.get(f"/api/v1/balance?customer={customer}")
        return answer.json if answer.status == 200 else None
    return Decimal(wait_for(told, 20, "the balance")["balance"])


def assert_charged_exactly(world, customer, call, server=0):
    ended = settled(world, call, server, when=lambda flags: "estimated" not in flags)
    assert (ended["usage"]["input_tokens"], ended["usage"]["output_tokens"]) == (11, 12)
    assert Decimal(ended["charge"]) == 23
    assert balance_of(world, customer) == 1000 - 23


def test_what_was_measured_during_an_outage_is_charged_when_it_ends(own):
    customer, call = stream_through_an_outage(own)
    assert call in check(own.servers[0])
    own.cluster.start()
    wait_for(lambda: metric(own.servers[0], "tollgate_journal_replayed_total") == 1, 20, "the replay")
    assert_charged_exactly(own, customer, call)
    assert metric(own.servers[0], "tollgate_journal_entries") == 0


def test_a_stream_that_outgrows_its_hold_meanwhile_ends_and_says_why(own):
    customer, key = own.customer("1000000")
    stream = own.servers[0].client(key).stream(model=LONG, text="a b c", headers={"X-Tollgate-Receipt": "stream"})
    stream.read_until(b'"content":"')
    own.cluster.stop("immediate")  # nobody reads: the stream stands still
    body = stream.read_until(b"data: [DONE]")
    stream.close()
    assert b"storage_unavailable" in body
    own.cluster.start()
    ended = settled(own, stream.call, when=lambda flags: "swept" not in flags)  # the other instance may be the first to end it
    assert "partial" in ended["flags"] and 0 < ended["usage"]["output_tokens"] < 100000
    assert balance_of(own, customer) == 1000000 - Decimal(ended["charge"])


def test_also_when_the_instance_is_killed_before_the_database_is_back(own):
    customer, call = stream_through_an_outage(own)
    own.servers[0].kill()
    own.cluster.start()
    own.servers[0].start()
    assert_charged_exactly(own, customer, call)


def test_and_when_another_instance_has_ended_the_call_by_its_estimate_before(own):
    customer, call = stream_through_an_outage(own)
    own.servers[0].kill()
    own.cluster.start()
    assert "swept" in settled(own, call, server=1)["flags"]
    own.servers[0].start()
    settled(own, call, server=1, when=lambda flags: "late" in flags)
    assert_charged_exactly(own, customer, call, server=1)


def test_what_has_landed_and_is_replayed_again_is_charged_once(own):
    customer, call = stream_through_an_outage(own)
    own.cluster.start()
    wait_for(lambda: metric(own.servers[0], "tollgate_journal_replayed_total") == 1, 20, "the replay")
    assert call in check(own.servers[0]), "its segment has not been begun anew"
    own.servers[0].kill()
    own.servers[0].start()
    wait_for(lambda: metric(own.servers[0], "tollgate_journal_replayed_total") == 1, 20, "the second replay")
    assert_charged_exactly(own, customer, call)


def test_in_ordinary_times_nothing_is_written(world):
    _, key = world.customer("10")
    for stream in (False, True):
        assert world.servers[0].client(key).chat(stream=stream).status == 200
    assert metric(world.servers[0], "tollgate_journal_written_total", world.admin_key) == 0
    assert check(world.servers[0]).endswith('"entries":0,"torn":0,"damaged":0,"duplicates":0,"foreign":0}\n')


def test_an_entry_that_the_ledger_does_not_know_is_kept_and_told(own):
    """As after a restore of the database from before the call."""
    customer, call = stream_through_an_outage(own)
    own.servers[0].kill()
    own.cluster.start()
    own.cluster.sql("DELETE FROM holds WHERE customer_id IN (SELECT customer_id FROM holds)")
    own.cluster.sql("UPDATE customers SET held = 0")
    own.servers[0].start()
    wait_for(lambda: metric(own.servers[0], "tollgate_journal_refused") == 1, 20, "the refusal")
    assert "journal.refused" in own.servers[0].log() and call in own.servers[0].log()
    assert call in open(folder(own.servers[0]) + "/refused.jsonl").read()
    client = own.servers[0].client(own.key(customer)["secret"])
    assert client.chat(model=PACED, stream=True).status == 200, "the others go on"


def test_damage_is_told_and_costs_no_other_entry(own):
    customer, call = stream_through_an_outage(own)
    own.servers[0].kill()
    path = next(p for p in sorted(glob.glob(folder(own.servers[0]) + "/*.journal")) if call.encode() in open(p, "rb").read())
    with open(path, "r+b") as f:
        f.seek(open(path, "rb").read().index(call.encode()))
        f.write(b"C")
    assert '"verdict":"damaged"' in check(own.servers[0], code=1)
    own.cluster.start()
    own.servers[0].start()
    assert metric(own.servers[0], "tollgate_journal_damaged_total") == 1
    assert "journal.found" in own.servers[0].log()
    assert glob.glob(folder(own.servers[0]) + "/*.aside.*"), "it is set aside, not deleted"
    assert "swept" in settled(own, call, server=1)["flags"]


def test_a_folder_has_one_process_and_a_bad_one_is_refused_with_an_example(world):
    import signal
    from tests.harness.process import start
    for setting, words in ((folder(world.servers[0]), "in use by another process"), ("/dev/null/x", "cannot be made")):
        log = os.path.join(world.folder, "second.log")
        environment = dict(world.servers[0].environment, PORT="0", TOLLGATE_JOURNAL_DIR=setting)
        second = start([BINARY, "serve"], env=environment, log=log)
        assert second.wait(30) != 0
        text = open(log).read()
        assert words in text and "Example: TOLLGATE_JOURNAL_DIR=" in text
        os.unlink(log)
        assert second.poll() != -signal.SIGSEGV
