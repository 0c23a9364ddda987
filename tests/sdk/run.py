"""Starts a world and runs in it the tests of the client libraries and of whoever checks receipts, with the Node.js that came from the npm registry."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from tests.harness.cluster import Cluster  # noqa: E402
from tests.harness.server import World  # noqa: E402
from tests.stripe.fake import FakeStripe  # noqa: E402


def main():
    cluster, stripe = Cluster(settings=["fsync=off"]), FakeStripe(seed="sdk")
    try:
        world = World(cluster, TOLLGATE_BETWEEN_CHUNKS_MS="5000", TOLLGATE_WEBHOOK_ALLOW="127.0.0.0/8")
        for model in ("stand-in:error-429", "stand-in:error-500", "stand-in:slow-50"):
            world.price(model, world.PRICES["gpt-4o-mini"])
        _, key = world.customer("10")
        _, poor = world.customer("0.0000001")
        env = dict(os.environ, TOLLGATE_TEST_URL=f"http://127.0.0.1:{world.servers[0].port}", TOLLGATE_TEST_KEY=key, TOLLGATE_TEST_POOR_KEY=poor,
                   TOLLGATE_TEST_ADMIN_KEY=world.admin_key, TOLLGATE_TEST_STRIPE_URL=stripe.url)
        tests = ["cloudevents.test.js", "openai.test.js", "receipts.test.js", "stripe_fake.test.js", "webhooks.test.js"]
        code = subprocess.run([HERE / "node_modules" / ".bin" / "node", "--test", "--test-reporter=tap", *tests], cwd=HERE, env=env).returncode
        stripe.no_bugs()
        world.quiet()
        world.audit()
        world.stop()
        return code
    finally:
        stripe.stop()
        cluster.remove()


if __name__ == "__main__":
    sys.exit(main())
