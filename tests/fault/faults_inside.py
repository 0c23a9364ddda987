"""What goes wrong inside a server: its configuration, its plugins, its memory, its descriptors, its calls into the system."""
import errno
import os
import resource
import signal
import time

from tests.harness.port import free_port
from tests.harness.process import BINARY, start
from tests.harness.server import Client

from .faults_database import service_returns
from .instance import SANITIZED
from .registry import fault
from .world import DEADLY, SINS

# ---- configuration


def config_text(world, port):
    pairs = {"DATABASE_URL": world.database.url(), "TOLLGATE_HOST": "127.0.0.1", "PORT": str(port), "TOLLGATE_MASTER_KEY": world.master_key,
             "TOLLGATE_PLUGIN_DIR": os.path.join(world.folder, "plugins"), "TOLLGATE_LOG_LEVEL": "warn", "TOLLGATE_LEASE_MS": "1500"}
    return "".join(f"{k}={v}\n" for k, v in pairs.items()).encode()


def broken_configs(rng, whole):
    yield "empty", b""
    yield "half-written", whole[:rng.randrange(len(whole))]
    yield "half-written", whole[:rng.randrange(len(whole))]
    yield "invalid UTF-8", whole.replace(b"warn", b"w\xff\xfern")
    yield "a NUL inside", whole.replace(b"127.0.0.1", b"127.0\x00.0.1")
    yield "huge", whole + b"#" + b"x" * (rng.choice((1, 100)) << 20)
    yield "one bit off", bytes(b ^ (1 << rng.randrange(7) if i == rng.randrange(len(whole)) else 0) for i, b in enumerate(whole))


@fault("F24", "configurations half-written, empty, not UTF-8, huge", "refused at start with a sentence; or it starts and ends well")
def config(rig, rng, alone):
    world = rig.world
    kinds = list(broken_configs(rng, config_text(world, free_port())))
    for kind, text in rng.sample(kinds, 3):
        path = os.path.join(world.folder, rig.name("config"))
        with open(path, "wb") as f:
            f.write(text)
        os.chmod(path, 0o600)
        outcome = try_config(world, path)
        os.remove(path)
        if outcome is None:
            world.violation("F24", f"a configuration that is {kind} neither started nor was refused")
        elif outcome != "started" and not (outcome.startswith("refused") and outcome.count("\n") <= 20):
            world.violation("F24", f"a configuration that is {kind}: {outcome[:600]}")
        else:
            rig.bite(f"{kind}: {outcome.split(':')[0]}")


def try_config(world, path):
    log = path + ".log"
    process = start([BINARY, "serve", "--config", path], log=log, env={"HOME": world.folder})
    until = time.monotonic() + 30
    try:
        while process.poll() is None and time.monotonic() < until:
            with open(log, errors="replace") as f:
                if "server.started" in f.read():
                    process.send_signal(signal.SIGTERM)
                    return "started" if process.wait(30) == 0 else f"ended with {process.returncode}"
            if process_listens(process.pid):
                time.sleep(0.1)
                process.send_signal(signal.SIGTERM)
                return "started" if process.wait(30) == 0 else f"ended with {process.returncode}"
            time.sleep(0.02)
        if process.poll() is None:
            return None
        with open(log, errors="replace") as f:
            text = f.read()
        return f"refused: {text}" if process.returncode > 0 and text.strip() else f"ended with {process.returncode} and said: {text}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.remove(log)


def process_listens(pid):
    try:
        inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return False
    with open("/proc/net/tcp") as f:
        listening = [line.split()[9] for line in f.readlines()[1:] if line.split()[3] == "0A"]
    return any(f"socket:[{inode}]" in inodes for inode in listening)


# ---- plugins

@fault("F25", "plugins that break the rules", "never a wrong charge; other traffic untouched", weight=2)
def plugins(rig, rng, alone):
    chosen = rng.sample([s for s in SINS if s not in DEADLY], 4)
    for sin in chosen:
        told = rig.driver.burst(rig.name("sin"), model="unsound-" + sin, count=6, threads=3, kind="unsound", timeout=20)
        rig.bite(sin, sum(told.values()))


@fault("F25", "plugins that kill the process", "a crash like any other", company=False)
def deadly_plugins(rig, rng, alone):
    at = rng.randrange(2)
    instance, sin = rig.world.instances[at], rng.choice(DEADLY)
    instance.expected_dead = True
    rig.driver.burst(rig.name("sin"), model="unsound-" + sin, count=1, threads=1, kind="unsound", timeout=10, server=at)
    until = time.monotonic() + 10
    while instance.alive() and time.monotonic() < until:
        time.sleep(0.02)
    if instance.revive(f"F25 {sin}"):
        rig.bite(f"process ended by {sin}")
    instance.expected_dead = False


# ---- memory

@fault("F26", "an allocation fails", "503, or the process ends and says why; the books are sound", company=False)
def allocation(rig, rng, alone):
    if SANITIZED:
        return address_space(rig, rng, alone)
    instance = rig.instance(rng)
    before = instance.page.failed("MALLOC")
    instance.expected_dead = True
    for _ in range(rng.randrange(1, 6)):
        instance.page.fail("MALLOC", errno.ENOMEM, skip=rng.randrange(0, 3000), times=rng.choice((1, 1, 3)))
        rig.pause(rng, 0.05, 0.3)
        if not instance.alive():
            break
    rig.bite("allocations refused", instance.page.failed("MALLOC") - before)
    after_memory(rig, instance)


@fault("F26", "no more address space", "as before", company=False)
def address_space(rig, rng, alone):
    instance = rig.instance(rng)
    instance.expected_dead = True
    before = instance.page.no_memory
    with open(f"/proc/{instance.pid}/statm") as f:
        size = int(f.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.prlimit(instance.pid, resource.RLIMIT_AS)
    resource.prlimit(instance.pid, resource.RLIMIT_AS, (size + rng.choice((0, 1 << 20, 4 << 20)), hard))
    for _ in range(3):  # bodies that need room
        rig.driver.burst(rig.name("room"), role="rich", count=16, threads=16, pad=7 << 20, timeout=5, server=rig.world.instances.index(instance))
        if not instance.alive():
            break
    stuck = SANITIZED and instance.alive() and "AddressSanitizer" in instance.log()[-20000:]
    if stuck:  # its allocator reports and ends the process, and may stand in its own way while it does
        instance.kill()
    ended = not instance.alive()
    if not ended:
        resource.prlimit(instance.pid, resource.RLIMIT_AS, (soft, hard))
    rig.bite("allocations that failed, " + ("it ended" if ended else "it lived"), instance.page.no_memory - before or int(ended))
    after_memory(rig, instance)


def after_memory(rig, instance):
    instance.page.clear()
    if not instance.alive():
        said = instance.log()[-3000:]
        if not SANITIZED and (instance.process.returncode != -signal.SIGABRT or "out of memory" not in said):
            rig.world.violation("F26", f"without memory it ended with {instance.process.returncode}: " + said[-1500:])
        instance.revive("F26 memory")
    instance.expected_dead = False
    service_returns(rig, 60)


# ---- descriptors

@fault("F27", "descriptors run out", "the database stays within reach; calls work again when some are free", company=False)
def descriptors(rig, rng, alone):
    instance = rig.instance(rng)
    before = instance.page.exhausted
    soft, hard = resource.prlimit(instance.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(instance.pid, resource.RLIMIT_NOFILE, (instance.descriptors() + rng.choice((0, 3, 10)), hard))
    told = rig.driver.burst(rig.name("fds"), role="rich", count=60, threads=30, scripts=["stand-in:slow-40"], stream=True, timeout=4,
                            server=rig.world.instances.index(instance), kind="burst")
    resource.prlimit(instance.pid, resource.RLIMIT_NOFILE, (soft, hard))
    rig.bite("descriptors refused", instance.page.exhausted - before)
    del told
    service_returns(rig, 60)
    if alone:
        client = Client(instance.port, rig.world.role("rich")[0].key)
        answer = client.get("/v1/models", timeout=20, check=False)
        if answer.status != 200:
            rig.world.violation("F27", f"after descriptors were free again: {answer}")


# ---- system calls. Each fails with one of those errors; 0: it does half of what was asked. Only what Linux can answer is here: a
# socket never takes half while it has room, and libmicrohttpd, which waits for edges, would wait for one that never comes.

CALLS = {
    "WRITE": (errno.EIO, errno.ENOSPC, errno.EINTR, 0), "FSYNC": (errno.EIO, errno.ENOSPC), "OPEN": (errno.EMFILE, errno.EIO),
    "SEND": (errno.EINTR, errno.ECONNRESET, errno.EPIPE), "RECV": (errno.EINTR, errno.ECONNRESET, errno.ETIMEDOUT),
    "CONNECT": (errno.ENETUNREACH, errno.ETIMEDOUT, errno.EADDRNOTAVAIL), "SOCKET": (errno.EMFILE, errno.ENFILE, errno.ENOBUFS),
    "ACCEPT": (errno.ECONNABORTED, errno.EINTR, errno.EMFILE, errno.ENOMEM), "POLL": (errno.EINTR, errno.ENOMEM), "EPOLL_WAIT": (errno.EINTR,),
}


SKIP = {"WRITE": 3, "FSYNC": 3, "OPEN": 3, "CONNECT": 3, "SOCKET": 3, "ACCEPT": 20}  # the rare ones


def calls_fail(rig, rng, points, provoke=None):
    instance = rig.instance(rng)
    for _ in range(rng.randrange(2, 6)):
        point = rng.choice(points)
        error = rng.choice(CALLS[point])
        before = instance.page.failed(point)
        instance.page.fail(point, error, skip=rng.randrange(0, SKIP.get(point, 200)), times=rng.choice((1, 1, 5, 20)))
        if provoke:
            provoke(instance)
        rig.pause(rng, 0.05, 0.4)
        name = f"{point.lower()} {'short' if error == 0 else errno.errorcode[error]}"
        rig.bite(name, instance.page.failed(point) - before)
        if not instance.alive():
            rig.world.violation("F28", f"{name} ended {instance.name}: {instance.process.returncode}: " + instance.log()[-1500:])
            instance.revive(f"F28 {name}")
    instance.page.clear()
    service_returns(rig, 60)


@fault("F28", "reading and writing sockets fails", "connections are lost, never a process", weight=2, company=False)
def sockets_fail(rig, rng, alone):
    calls_fail(rig, rng, ("SEND", "RECV"))


@fault("F28", "connecting and accepting fails", "as if the other side were away", company=False)
def connections_fail(rig, rng, alone):
    def reconnect(instance):
        for link in (instance.link, *rig.world.up):
            link.cut("close")
    calls_fail(rig, rng, ("CONNECT", "SOCKET", "ACCEPT"), reconnect)


@fault("F28", "files fail", "a full disk under the log stops nobody", company=False)
def files_fail(rig, rng, alone):
    def make_log_lines(instance):  # a provider that resets is told of in the log
        rig.driver.burst(rig.name("line"), role="wild", scripts=["stand-in:reset"], count=6, threads=6, server=rig.world.instances.index(instance))
    calls_fail(rig, rng, ("WRITE",), make_log_lines)


@fault("F28", "waiting is interrupted", "EINTR is nothing", company=False)
def waiting_fails(rig, rng, alone):
    calls_fail(rig, rng, ("POLL", "EPOLL_WAIT"))
