"""While the database is away nobody is refused for a wrong reason and nothing is given for free. What happens to calls that run
when it goes, and to everything else that can break, is the fault rig's to show: tests/fault."""
import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import wait_for
from tests.harness.server import World


@pytest.fixture(scope="module")
def away_world():
    cluster = Cluster(settings=["fsync=on"])
    world = World(cluster, instances=2, TOLLGATE_LEASE_MS="1500")
    yield world
    world.quiet()
    world.audit()
    world.stop()
    cluster.remove()


def test_storage_away_is_503_never_401_and_never_a_free_call(away_world):
    world = away_world
    customer, key = world.customer("10")
    client = world.servers[0].client(key)
    assert client.chat().status == 200
    world.quiet()
    before = len(world.stand_in.log())
    world.cluster.stop("immediate")
    try:
        for caller in (client, world.servers[1].client(key), world.servers[0].client("tlgsk_live_" + "0" * 62)):
            answer = caller.chat(timeout=30)
            assert answer.status in (503, 401) and (answer.status == 503 or caller.key.endswith("000"))
        assert world.servers[0].client().get("/healthz").status == 200
        assert world.servers[0].client().get("/readyz").status == 503
        assert world.admin.get(f"/api/v1/balance?customer={customer}").status == 503
    finally:
        world.cluster.start()
    assert len(world.stand_in.log()) == before
    wait_for(lambda: client.chat().status == 200, 20, "service after the database is back")
