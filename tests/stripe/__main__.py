"""python3 -m tests.stripe: see README.md. Prints its address in one line, then serves until it is told to stop."""
import argparse
import pathlib
import signal
import sys
import threading

from .fake import FakeStripe


def options(argv):
    p = argparse.ArgumentParser(prog="tests/stripe/serve", description="A stand-in for Stripe on loopback: no money moves.")
    p.add_argument("--port", type=int, default=0, help="0 (the default): any that is free")
    p.add_argument("--webhook-url", help="where events are told")
    p.add_argument("--webhook-secret", action="append", default=[], metavar="WHSEC", help="signs them; several while one is rolled")
    p.add_argument("--seed", help="the same ids, faults and orders again; default: a new one, printed")
    p.add_argument("--livemode", action="store_true", help="objects and events say livemode, keys are sk_live_…")
    p.add_argument("--ready-file", help="its address and its key are written there, a line each, once it answers")
    p.add_argument("--base-url", default="", help="how browsers reach this server, where it is not http://127.0.0.1:PORT")
    chosen = p.parse_args(argv)
    if chosen.webhook_url and not chosen.webhook_secret:
        p.error("--webhook-url needs a --webhook-secret")
    return chosen


def main():
    chosen = options(sys.argv[1:])
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with FakeStripe(chosen.port, chosen.webhook_url, chosen.webhook_secret, chosen.seed, chosen.livemode, base_url=chosen.base_url) as stripe:
        print(f"listening on {stripe.url} seed {stripe.account.seed} key {stripe.key}", flush=True)
        if chosen.ready_file:
            pathlib.Path(chosen.ready_file).write_text(f"{stripe.url}\n{stripe.key}\n")
        done.wait()


if __name__ == "__main__":
    main()
