"""Rows as they stand after so many calls, without making the calls."""
import pathlib
import subprocess

from tests.harness.cluster import _bin

SCRIPT = pathlib.Path(__file__).resolve().parent / "fill.sql"


def fill(cluster, calls, customers, step, reported=False, prices=4):
    """`step`: 1 to 15, another one each time in one cluster. reported: as usage events leave them."""
    done = subprocess.run([_bin("psql"), "-q", "-1", "-v", "ON_ERROR_STOP=1", "-v", f"calls={calls}", "-v", f"customers={customers}", "-v", f"step={step}",
                           "-v", f"reported={int(reported)}", "-v", f"prices={prices}",
                           "-f", str(SCRIPT), cluster.url()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def settle(cluster):
    """What a database does sooner or later after so many rows, done now."""
    cluster.sql("VACUUM ANALYZE")
    cluster.sql("CHECKPOINT")
