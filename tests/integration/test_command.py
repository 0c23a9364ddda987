"""The `tollgate` command as a person meets it: what it prints, how it ends, what it starts and stops."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import uuid

import pytest

from tests.harness import process
from tests.harness.process import BINARY, BUILD, wait_for
from tests.harness.server import Client, Server
from tests.harness.subject import Subject
from tests.harness.typeid import parse_id


def run(*argv, code=0, **env):
    """The command with nothing in its environment but what is given."""
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_COLOR": "1", "TOLLGATE_PLUGIN_DIR": str(BUILD / "plugins"), **env}
    done = subprocess.run([str(BINARY), *argv], env=clean, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def rows(text):
    """A printed table: [{heading: cell}]. Columns are two spaces apart or more."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


@pytest.fixture(scope="module")
def fresh(cluster):
    """Makes new, empty databases."""
    def make():
        name = "t" + uuid.uuid4().hex[:12]
        cluster.sql(f"CREATE DATABASE {name}", database="postgres")
        return name, {"DATABASE_URL": cluster.url(name), "TOLLGATE_MASTER_KEY": "5f" * 32}
    return make


# ---- help

def test_help_lists_every_command_and_explains_each(world):
    listed = run("help").stdout
    commands = json.loads(run("help", "--json").stdout)
    assert len(commands) > 30 and run("--help").stdout == listed
    for command in commands:
        assert f"  {command['name']}" in listed and command["summary"] in listed
        explained = run("help", *command["name"].split()).stdout
        assert f"tollgate {command['name']}" in explained and all(f"--{option}" in explained for option in command["options"])
    assert run("keys", "create", "--help").stdout == run("help", "keys", "create").stdout
    assert "keys revoke KEY" in run("keys", "--help").stdout


def test_the_version_is_told(world):
    version = json.loads(run("version", "--json").stdout)["version"]
    assert run("version").stdout == run("--version").stdout == f"tollgate {version}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


@pytest.mark.parametrize("typed, meant", [("sevre", "serve"), ("customers lsit", "customers list"), ("customer list", "customers list"),
                                          ("hlep keys", "help"), ("quux", None)])
def test_an_unknown_command_is_2_with_the_nearest_one(typed, meant):
    told = run(*typed.split(), code=2).stderr
    assert f'"{typed}"' in told and (f"did you mean `tollgate {meant}`?" in told if meant else "`tollgate help` lists them" in told)


@pytest.mark.parametrize("argv, says", [(("customers", "list", "--limt", "3"), "--limit"), (("grants", "create", "--amount", "1"), "--customer"),
                                        (("customers", "show"), "CUSTOMER"), (("version", "now"), "now"), (("customers", "list", "--limit", "x"), "--limit"),
                                        ((), "customers list"), (("keys",), "keys create")])
def test_wrong_arguments_are_2_and_name_what_is_wrong(argv, says):
    assert says in run(*argv, code=2).stderr


# ---- the operator's round

def test_an_operator_sells_credits_from_the_shell(world):
    def made(*argv):
        return world.tool(*argv, "--json", json_out=True)
    own, model = uuid.uuid4().hex[:10], f"m-{uuid.uuid4().hex[:10]}"
    ext = f"ext:{own}"
    customer = made("customers", "create", "--name", "Acme", "--external-id", own, "--metadata", '{"plan":"a"}')
    assert customer["metadata"] == {"plan": "a"} and made("customers", "show", ext) == customer
    assert made("customers", "update", ext, "--name", "Acme 2")["name"] == "Acme 2"
    assert rows(world.tool("customers", "list", "--external-id", own))[0]["NAME"] == "Acme 2"

    key = made("keys", "create", "--customer", ext, "--name", "server")
    assert key["secret"] not in world.tool("keys", "list", "--customer", ext) + world.tool("keys", "show", key["id"])
    grant = made("grants", "create", "--customer", ext, "--amount", "12.5", "--reason", "trial")
    assert rows(world.tool("grants", "list", "--customer", ext))[0]["LEFT"] == "12.5"
    assert made("grants", "show", grant["id"], "--customer", ext)["reason"] == "trial"

    price = made("prices", "set", "--provider", "openai", "--model", model, "--rate", "input_tokens=0/0", "--rate", "output_tokens=1/0.5@1",
                 "--max-output", "100")
    assert [(r["charge"], r["cost"], r["per"]) for r in price["rates"]] == [("0", "0", 1000000), ("1", "0.5", 1)]
    assert rows(world.tool("prices", "list", "--model", model))[0]["RATES"] == "input_tokens=0/0 output_tokens=1/0.5@1"
    assert made("prices", "show", price["id"]) == price
    limit = made("limits", "create", "--customer", ext, "--measure", "spend", "--period", "day", "--amount", "5")
    assert made("limits", "update", limit["id"], "--customer", ext, "--measure", "spend", "--amount", "9")["amount"] == "9"

    call = world.servers[0].client(key["secret"]).chat(model=model, max_tokens=2).headers["x-tollgate-call"]
    assert world.call(call)["charge"] == "2"
    assert rows(world.tool("calls", "list", "--customer", ext))[0]["ID"] == call
    shown = world.tool("calls", "show", call)
    assert grant["id"] in shown and price["id"] in shown and re.search(r"output_tokens\s+2\s+1\s+1\s+2", shown)
    assert made("calls", "show", call)["adds_up"] and made("balance", "--customer", ext)["balance"] == "10.5"
    assert re.search(r"available\s+10\.5", world.tool("balance", "--customer", ext))
    assert rows(world.tool("limits", "list", "--customer", ext))[0]["LEFT"] == "7"

    report = rows(world.tool("report", "usage", "--customer", ext, "--group-by", "model"))
    assert (report[0]["MODEL"], report[0]["CALLS"], report[0]["CHARGE"], report[0]["COST"]) == (model, "1", "2", "1")
    assert made("report", "usage", "--customer", ext)["totals"]["charge"] == "2"
    assert world.tool("report", "usage", "--customer", ext, "--csv").splitlines()[0].startswith("calls,charge")

    assert made("calls", "void", call, "--reason", "test", "--yes")["state"] == "voided"
    assert made("limits", "delete", limit["id"], "--customer", ext, "--yes")["deleted"]
    assert made("keys", "revoke", key["id"], "--yes")["revoked_at"]
    assert made("balance", "--customer", ext)["balance"] == "12.5"


def test_an_operator_follows_payments_and_top_ups_from_the_shell(world):
    def told(*argv):
        return world.tool(*argv, "--json", json_out=True)
    s = Subject(world, low_balance="3")
    whose = ("--customer", s["cus"])
    assert told("customers", "update", s["cus"], "--low-balance", "2")["low_balance"] == "2"
    s["pay"]
    listed = rows(world.tool("payments", "list", *whose))
    assert [(row["ID"], row["PAID"], row["CREDITS"], row["PROBLEM"]) for row in listed] == [(s["pay"], "2000", "20", "test")]
    assert s["pay"] in world.tool("payments", "problems", "--all") and told("payments", "show", s["pay"], *whose)["refunds"] == []
    assert "seen?customer=" in world.tool("payments", "seen", s["pay"], *whose, "--dry-run")
    assert told("payments", "seen", s["pay"], *whose)["problem"] is None and s["pay"] not in world.tool("payments", "problems", "--all")

    world.cluster.sql("INSERT INTO subscriptions (customer_id, id, status) VALUES (%s, %s, 'active')", str(parse_id(s["cus"])), f"sub_{uuid.uuid4().hex}")
    assert rows(world.tool("subscriptions", "list", *whose))[0]["STATUS"] == "active"

    made = told("top-ups", "set", *whose, "--product", s["prd"], "--threshold", "5", "--target", "60", "--daily-count", "3", "--monthly-cap", "20000",
                "--return-url", "https://example.com/account", "--consent-text", "terms of 2026-11", "--enabled", "false")
    assert (made["threshold"], made["target"], made["enabled"]) == ("5", "60", False) and told("top-ups", "show", *whose) == made
    assert made["consent"]["terms"] == {"threshold": "5", "product": s["prd"], "target": "60", "packs_at_once": 1000, "daily_count": 3, "monthly_cap": 20000}
    assert told("top-ups", "release", *whose) == made  # nothing held it
    assert told("top-ups", "delete", *whose, "--yes")["deleted"]
    world.tool("top-ups", "show", *whose, code=3)  # not found


def test_an_operator_sets_up_a_webhook_from_the_shell(world):
    made = world.tool("webhooks", "create", "--url", "https://localhost:8443/hook", "--events", "key.revoked,balance.low", "--scheme", "stripe", "--json", json_out=True)
    assert made["events"] == ["balance.low", "key.revoked"] and made["secret"].startswith("whsec_") and made["enabled"]
    e = made["id"]
    assert "https://localhost:8443/hook" in world.tool("webhooks", "list") and made["secret"] not in world.tool("webhooks", "show", e)
    assert world.tool("webhooks", "rotate", e, "--overlap-hours", "0", "--json", json_out=True)["secret"] != made["secret"]
    event = world.tool("webhooks", "test", e, "--json", json_out=True)["id"]
    assert rows(world.tool("webhooks", "deliveries", e, "--state", "waiting"))[0]["EVENT"] == event
    assert "endpoint.test" in world.tool("webhooks", "delivery", e, event)
    assert world.tool("webhooks", "resend", e, event, "--json", json_out=True)["id"] == event
    assert world.tool("webhooks", "replay", e, "--from", "2026-01-01", "--only", "all", "--json", json_out=True)["object"] == "webhook_replay"
    off = world.tool("webhooks", "update", e, "--enabled", "false", "--events", "*", "--json", json_out=True)
    assert off["disabled_reason"] == "operator" and off["events"] == ["*"]
    assert run("webhooks", "update", e, "--enabled", "maybe", code=2).stderr.count("true or false")
    assert "EVENT" in run("webhooks", "resend", e, code=2).stderr
    assert json.loads(world.tool("webhooks", "delete", e, "--yes", "--json"))["deleted"]


def test_a_providers_secret_comes_from_a_file_or_the_environment_and_is_not_shown(world, tmp_path):
    name, secret = "p" + uuid.uuid4().hex[:8], "sk-from-a-file"
    (tmp_path / "secret").write_text(secret + "\n")
    shown = world.tool("providers", "create", "--name", name, "--plugin", "openai", "--secret-file", str(tmp_path / "secret"), "--json")
    shown += world.tool("providers", "update", name, "--priority", "7", "--json") + world.tool("providers", "show", name)
    assert secret not in shown and re.search(r"has_secret\s+true", shown) and re.search(r"priority\s+7", shown)
    assert name in [row["NAME"] for row in rows(world.tool("providers", "list"))]


def test_exit_codes_say_why(world):
    customer, key = world.customer("0", external_id=uuid.uuid4().hex)
    at = {"TOLLGATE_URL": f"http://127.0.0.1:{world.servers[0].port}"}
    operator = {**at, "TOLLGATE_ADMIN_KEY": world.admin_key}
    own = world.admin.get(f"/api/v1/customers/{customer}").json["external_id"]
    assert "no such customer" in run("customers", "show", "ext:nobody", code=3, **operator).stderr
    run("customers", "list", code=4, **at, TOLLGATE_ADMIN_KEY="tlgad_nonsense")
    run("customers", "list", code=4, **at, TOLLGATE_ADMIN_KEY=key)
    run("customers", "create", "--external-id", own, code=5, **operator)
    run("customers", "list", code=6, **{**operator, "TOLLGATE_URL": "http://127.0.0.1:1"})
    assert "--yes" in run("keys", "revoke", world.key(customer)["id"], code=2, **operator).stderr
    assert "operator key already" in run("keys", "bootstrap", code=5, DATABASE_URL=world.cluster.url(), TOLLGATE_MASTER_KEY=world.master_key).stderr


def test_all_walks_every_page_and_a_dry_run_sends_nothing(world):
    customer, _ = world.customer("0")
    for _ in range(4):
        world.tool("grants", "create", "--customer", customer, "--amount", "1")
    pages = world.tool("grants", "list", "--customer", customer, "--limit", "3", "--all", "--json").splitlines()
    assert [len(json.loads(page)["data"]) for page in pages] == [3, 1]
    assert len(rows(world.tool("grants", "list", "--customer", customer, "--limit", "3", "--all"))) == 4
    dry = world.tool("grants", "create", "--customer", customer, "--amount", "5", "--dry-run").splitlines()
    assert dry[0] == "POST /api/v1/grants" and json.loads(dry[1]) == {"customer": customer, "amount": "5"}
    assert world.balance(customer)["balance"] == "4"


# ---- the database

def test_migrate_applies_once_and_tells_what_is_applied(fresh):
    _, env = fresh()
    before = json.loads(run("migrate", "--status", "--json", **env).stdout)
    assert before["state"] in ("empty", "pending") and before["applied"] == 0 and all(s["applied_at"] is None for s in before["steps"])
    assert {row["APPLIED"] for row in rows(run("migrate", "--status", **env).stdout)} == {"pending"}
    applied = json.loads(run("migrate", "--json", **env).stdout)
    assert [s["number"] for s in applied["steps"]] == [s["number"] for s in before["steps"]] and applied["state"] == "current"
    assert run("migrate", **env).stdout == "" and json.loads(run("migrate", "--json", **env).stdout)["steps"] == []
    assert "pending" not in run("migrate", "--status", **env).stdout


@pytest.mark.parametrize("change, state, says", [
    ("UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE number = 1", "changed", "applied steps never change"),
    ("INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'later', repeat('0', 64))", "newer", "run a newer binary")])
def test_a_database_of_another_shape_is_neither_migrated_nor_served(cluster, fresh, change, state, says):
    name, env = fresh()
    run("migrate", **env)
    cluster.sql(change, database=name)
    assert json.loads(run("migrate", "--status", "--json", code=5, **env).stdout)["state"] == state
    assert says in run("migrate", code=5, **env).stderr
    assert says in run("serve", code=1, PORT="0", **env).stderr


@pytest.mark.parametrize("name, value", [("PORT", "70000"), ("PORT", "http"), ("TOLLGATE_MASTER_KEY", "c0ffee"), ("TOLLGATE_LOG_LEVEL", "loud"),
                                         ("DATABASE_URL", "mysql://tollgate:c0ffee@db/x"), ("TOLLGATE_HOST", "nowhere"), ("TOLLGATE_DRAIN_MS", "-1"),
                                         ("DATABASE_URL", None), ("TOLLGATE_MASTER_KEY", None)])
def test_serve_refuses_a_wrong_setting_with_its_name_and_an_example(name, value):
    env = {"DATABASE_URL": "postgresql:///tollgate", "TOLLGATE_MASTER_KEY": "5f" * 32, name: value}
    told = run("serve", code=2, **{k: v for k, v in env.items() if v is not None}).stderr
    assert name in told and "xample" in told and "c0ffee" not in told


@pytest.mark.parametrize("names, missing", [({"STRIPE_SECRET_KEY": "sk_test_c0ffee"}, "STRIPE_WEBHOOK_SECRET"), ({"STRIPE_WEBHOOK_SECRET": "whsec_c0ffee"}, "STRIPE_SECRET_KEY"),
                                            ({"STRIPE_SECRET_KEY": "rk_live_c0ffee", "STRIPE_WEBHOOK_SECRET": "whsec_c0ffee", "STRIPE_API_BASE": "http://stripe.example"}, "STRIPE_API_BASE"),
                                            ({"STRIPE_SECRET_KEY": "pk_live_c0ffee", "STRIPE_WEBHOOK_SECRET": "whsec_c0ffee"}, "STRIPE_SECRET_KEY")])
def test_serve_refuses_payments_that_are_half_set_up(names, missing):
    told = run("serve", code=2, DATABASE_URL="postgresql:///tollgate", TOLLGATE_MASTER_KEY="5f" * 32, **names).stderr
    assert f"{missing} is " in told and f"Example: {missing}=" in told and "c0ffee" not in told


def test_the_doctor_asks_stripe_whether_it_takes_the_key(stripe):
    def found(**env):
        checks = json.loads(run("doctor", "--json", code=1, PORT="0", **env).stdout)["checks"]
        return next((c["status"], c["detail"]) for c in checks if c["name"] == "payments")
    keys = {"STRIPE_SECRET_KEY": stripe.key, "STRIPE_WEBHOOK_SECRET": "whsec_c0ffee", "STRIPE_API_BASE": stripe.url}
    assert found() == ("ok", "off: STRIPE_SECRET_KEY is not set") and found(**keys) == ("ok", "Stripe takes the key: test mode")
    assert found(**{**keys, "STRIPE_SECRET_KEY": "sk_test_of-another"})[0] == "fail" and found(**{**keys, "STRIPE_WEBHOOK_SECRET": ""})[0] == "fail"
    assert found(**{**keys, "STRIPE_API_BASE": "http://127.0.0.1:1"})[0] == "warn"


def test_an_operator_sells_through_stripe_from_the_shell(world, stripe):
    def made(*argv):
        return world.tool(*argv, "--json", json_out=True)
    ext = f"ext:{uuid.uuid4().hex[:10]}"
    made("customers", "create", "--external-id", ext[4:])
    pack = made("products", "create", "--kind", "pack", "--name", "20 credits", "--currency", "eur", "--price", "1999", "--credits", "20", "--bonus", "1")
    assert made("products", "show", pack["id"]) == pack and made("products", "update", pack["id"], "--price", "1899", "--description", "For calls")["price"] == 1899
    assert next(r for r in rows(world.tool("products", "list", "--on-sale", "--all")) if r["ID"] == pack["id"])["PRICE"] == "18.99 EUR"
    order = made("checkout", "create", "--customer", ext, "--product", pack["id"], "--quantity", "2", "--success-url", "https://example.com/", "--save-payment-method")
    assert order["price_text"] == "37.98 EUR" and order["credits"] == "40" and order["url"] == stripe.get(f"/v1/checkout/sessions/{order['stripe_id']}")["url"]
    assert made("orders", "show", order["id"], "--customer", ext) == order and rows(world.tool("orders", "list", "--customer", ext))[0]["STATE"] == "open"
    assert made("checkout", "create", "--customer", ext, "--mode", "setup", "--success-url", "https://example.com/")["kind"] == "setup"
    assert made("checkout", "portal", "--customer", ext, "--return-url", "https://example.com/")["url"].startswith("http")
    assert made("billing", "--customer", ext)["stripe_customer"].startswith("cus_")
    assert made("products", "archive", pack["id"])["enabled"] is False
    assert pack["id"] not in world.tool("products", "list", "--on-sale", "--all") and made("products", "update", pack["id"], "--on-sale")["enabled"] is True
    event = f"evt_{uuid.uuid4().hex}"
    world.cluster.sql("INSERT INTO stripe_events (id, type, livemode, created, body, state, reason) VALUES (%s, 'test.kind', false, 0, '{}', 4, 'test')", event)
    listed = next(r for r in rows(world.tool("stripe-events", "list", "--state", "parked", "--type", "test.kind", "--all")) if r["ID"] == event)
    assert listed["REASON"] == "test" and made("stripe-events", "show", event)["reason"] == "test" and made("stripe-events", "retry", event)["reason"] != "test"


def test_settings_come_from_a_file_too_and_a_typo_in_it_is_named(tmp_path):
    file = tmp_path / "tollgate.conf"
    file.write_text("PORT=8081\nTOLLGATE_LOG_LEVEL=warn\n")
    shown = json.loads(run("doctor", "--config", str(file), "--json", code=1, PORT="8082").stdout)["settings"]
    assert {s["name"]: s["value"] for s in shown if s["name"] in ("PORT", "TOLLGATE_LOG_LEVEL")} == {"PORT": "8082", "TOLLGATE_LOG_LEVEL": "warn"}
    file.write_text("TOLLGATE_LOG_LEVLE=warn\n")
    told = run("serve", "--config", str(file), code=2).stderr
    assert "line 1" in told and "did you mean TOLLGATE_LOG_LEVEL?" in told


def test_doctor_finds_what_is_wrong_and_shows_no_secret(fresh):
    _, env = fresh()
    run("migrate", **env)
    found = json.loads(run("doctor", "--json", PORT="0", code=1, **env).stdout)
    assert not found["sound"] and [c["name"] for c in found["checks"] if c["status"] == "fail"] == ["durability"]  # the tests' fsync=off
    assert env["TOLLGATE_MASTER_KEY"] not in run("doctor", PORT="0", code=1, **env).stdout
    broken = run("doctor", code=1, PORT="0", **{**env, "DATABASE_URL": "postgresql:///nothing?host=/nonexistent"}).stdout
    assert re.search(r"FAIL\s+database", broken)


def test_the_doctor_finds_tables_that_were_changed_by_hand(fresh, cluster):
    name, env = fresh()

    def statements():
        checks = json.loads(run("doctor", "--json", PORT="0", code=1, **env).stdout)["checks"]
        return next((c["status"], c["detail"]) for c in checks if c["name"] == "statements")
    assert statements() == ("ok", "not looked at: the steps come first")
    run("migrate", **env)
    status, detail = statements()
    assert status == "ok" and re.fullmatch(r"all \d+ fit the tables", detail)
    cluster.sql("ALTER TABLE catalogue RENAME version TO edition", database=name)
    status, detail = statements()
    assert status == "fail" and re.search(r"_\w+: column .*version.* does not exist", detail), detail


def uuid_of(public_id):
    """The UUID behind cus_… (Crockford's base 32)."""
    number = 0
    for letter in public_id.partition("_")[2]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return str(uuid.UUID(int=number))


def test_the_audit_names_the_row_that_was_tampered_with(world):
    customer, _ = world.customer("3")
    assert world.tool("audit").startswith("sound: ")
    world.cluster.sql("UPDATE customers SET balance = balance + 1 WHERE id = %s", uuid_of(customer))
    told = world.tool("audit", code=1)
    found = [json.loads(line) for line in world.tool("audit", "--json", code=1).splitlines()]
    world.cluster.sql("UPDATE customers SET balance = balance - 1 WHERE id = %s", uuid_of(customer))
    assert customer in told and "3000000001" in told and "broken: " in told
    assert {f["customer"] for f in found[:-1]} == {customer} and found[-1]["verdict"] == "broken"
    assert json.loads(world.tool("audit", "--json"))["verdict"] == "sound"


# ---- starting and stopping

def stat(pid):
    """(state, parent) of a process, or None."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[1])
    except OSError:
        return None


def descendants(pid):
    parents = {int(p.name): stat(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()}
    found = [pid]
    for one in found:
        found += [child for child, s in parents.items() if s and s[1] == one]
    return found[1:]


class Dev:
    def __init__(self, folder):
        self.file = folder / "ready.json"
        self.file.unlink(missing_ok=True)
        self.process = process.start([BINARY, "dev", "--no-demo", "--ready-file", self.file, "--data", folder / "data", "--port", "0"],
                                     log=folder / "log")
        self.ready = json.loads(wait_for(lambda: self.file.exists() and self.file.read_text(), 60, "dev being ready"))
        self.parts = descendants(self.process.pid)

    def client(self, key):
        return Client(int(self.ready["url"].rpartition(":")[2]), self.ready[key])

    def stop(self):
        code = process.stop(self.process, signal.SIGINT)
        wait_for(lambda: not [p for p in self.parts if (stat(p) or "Z")[0] != "Z"], 5, "all parts having ended")
        return code


def test_dev_starts_everything_keeps_it_and_stops_all_of_it(tmp_path):
    first = Dev(tmp_path)
    names = [pathlib.Path(f"/proc/{p}/cmdline").read_bytes() for p in first.parts]
    assert any(b"postgres" in n for n in names) and any(b"serve" in n for n in names) and any(b"stand-in" in n for n in names)
    assert first.client("customer_key").chat().status == 200
    made = first.client("admin_key").post("/api/v1/customers", {"external_id": "kept"}).json
    assert (tmp_path / "ready.json").stat().st_mode & 0o077 == 0
    assert "another `tollgate dev`" in run("dev", "--no-demo", "--data", str(tmp_path / "data"), code=1).stderr
    assert first.stop() == 0

    second = Dev(tmp_path)
    assert all(second.ready[k] == first.ready[k] for k in ("admin_key", "customer_key", "customer_id"))
    assert second.client("admin_key").get("/api/v1/customers/ext:kept").json == made
    assert second.client("customer_key").get("/api/v1/calls").json["data"][0]["state"] == "settled"
    assert second.stop() == 0


@pytest.fixture
def another(world):
    """A second instance, to be ended by the test."""
    server = Server(world.cluster, world.folder, world.master_key, TOLLGATE_LEASE_MS="1000")
    yield server
    if server.process.poll() is None:
        server.kill()


@pytest.fixture(scope="module")
def slow(world):
    """A customer's key, and a model whose streams take seconds."""
    model = "stand-in:slow-100"
    world.price(model, world.PRICES["gpt-4o-mini"])
    customer, key = world.customer("10")
    return {"customer": customer, "key": key, "model": model}


def test_sigterm_finishes_a_running_stream_then_ends_in_good_order(world, another, slow):
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(lambda: another.client(slow["key"]).chat(model=slow["model"], stream=True))
        wait_for(lambda: world.cluster.sql("SELECT count(*) FROM holds")[0][0] == 1, 5, "the stream running")
        time.sleep(0.2)
        another.process.send_signal(signal.SIGTERM)
        answer = running.result()
    assert answer.status == 200 and answer.body.rstrip().endswith(b"data: [DONE]") and b'"error"' not in answer.body
    assert another.process.wait(10) == 0
    call = world.call(answer.headers["x-tollgate-call"])
    assert call["state"] == "settled" and not call["partial"] and not call["swept"]


def test_a_second_signal_ends_it_at_once_and_the_call_is_swept(world, another, slow):
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(lambda: another.client(slow["key"]).chat(model=slow["model"], stream=True, check=False))
        wait_for(lambda: world.cluster.sql("SELECT count(*) FROM holds")[0][0] == 1, 5, "the stream running")
        another.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert another.process.poll() is None
        another.process.send_signal(signal.SIGTERM)
        assert another.process.wait(1) == 130
        with pytest.raises((http.client.HTTPException, OSError)):
            running.result()
    world.quiet()
    assert any(c["swept"] for c in world.calls(slow["customer"]))
