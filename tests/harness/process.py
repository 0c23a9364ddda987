"""Starting programs and never leaving one behind."""
import ctypes
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TOLLGATE_BUILD", ROOT / "build" / "asan"))
BINARY = BUILD / "tollgate"
_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start(argv, env=None, log=None, **more):
    """Popen with the environment given on top of a small clean one; stderr and stdout go to `log`."""
    clean = {k: os.environ[k] for k in ("PATH", "HOME", "LANG") if k in os.environ}
    clean["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=1:quarantine_size_mb=16"
    clean["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    clean.update(env or {})
    out = open(log, "ab") if log else subprocess.DEVNULL
    return subprocess.Popen([str(a) for a in argv], env=clean, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                            preexec_fn=_die_with_parent, **more)


def stop(process, how=signal.SIGTERM, timeout=40):
    """Sends a signal and waits; kills what does not go. Returns the exit code."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{process.args[:2]} did not end within {timeout} s of signal {how}")
    return process.returncode


def wait_for(condition, timeout=30, what="condition", step=0.02):
    """The first truthy value of condition(), or AssertionError."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"{what} did not come true within {timeout} s"
        time.sleep(step)
