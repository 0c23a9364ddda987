"""Two instances, many clients over few customers, and sessions of the database terminated at random: nothing is created and nothing is
lost, at any instant and at the end (tests/harness/bank.py)."""
from tests.harness.bank import Bank
from tests.harness.process import wait_for

CLIENTS, SECONDS, SEED = 12, 6, 20261127


def test_nothing_is_created_or_lost(pair):
    bank = Bank(pair)
    for server in pair.servers:
        wait_for(lambda s=server: bank.known(s), 10, "the price")
    bank.run(SECONDS, CLIENTS, SEED)
    pair.quiet()
    bank.reckon()
    assert bank.count["deeds"] > 50 and bank.count["snapshots"] > 5 and bank.count["refused"] > 0
    assert bank.count["terminated"] > 5 and bank.count["repeated"] + bank.resolved() > 0, "what was broken was felt"
