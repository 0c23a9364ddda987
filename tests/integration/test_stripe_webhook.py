"""POST /webhooks/stripe: what is signed is stored once, byte for byte, before it is answered; what is not is answered in one way."""
import concurrent.futures
import http.client
import json
import re
import time
import uuid

import pytest

from tests.harness.cluster import Cluster
from tests.harness.process import ROOT, wait_for
from tests.harness.server import WEBHOOK_SECRET, Server, World
from tests.stripe import signing
from tests.stripe.fake import FakeStripe
from tests.stripe.sender import Endpoint

PATH = "/webhooks/stripe"
FIXTURES = ROOT.parent / "shared" / "fixtures" / "stripe"
OLD_SECRET = "whsec_of_the_tests_before"
NOT_OURS = ("livemode", "account", "context")
REFUSED, RECEIVED = b'{"received":false}', b'{"received":true}'


@pytest.fixture(scope="module")
def shop(cluster):
    with FakeStripe() as stripe:
        w = World(cluster, stripe=stripe, STRIPE_WEBHOOK_SECRET=f"{WEBHOOK_SECRET},{OLD_SECRET}", TOLLGATE_METRICS="open")
        yield w
        w.stop()
        stripe.no_bugs()


def event(**over):
    return {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "api_version": "2026-10-28.endive", "created": int(time.time()), "livemode": False,
            "type": "charge.refunded", "data": {"object": {"id": "ch_1", "object": "charge"}}, "pending_webhooks": 1, "request": None, **over}


SIGNED = object()


def sent(shop, body, signature=SIGNED, secret=WEBHOOK_SECRET, at=None, headers=None, path=PATH):
    """The answer to a delivery, signed unless a signature is given."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = signing.header([secret], body, at=at) if signature is SIGNED else signature
    more = {"Stripe-Signature": signature} if signature is not None else {}
    return shop.servers[0].client().request("POST", path, body, headers={"Content-Type": "application/json; charset=utf-8", **more, **(headers or {})})


def row(shop, id):
    """(type, object_id, livemode, api_version, created, body, thin, why it is not for this deployment), or None."""
    rows = shop.cluster.sql("SELECT type, object_id, livemode, api_version, created, body, thin, state, reason FROM stripe_events WHERE id = %s", id)
    if not rows:
        return None
    *first, body, thin, state, reason = rows[0]
    assert state != 4 or reason != "", rows[0]  # what is only ignored says why too
    return (*first, bytes(body), thin, reason if reason in NOT_OURS else "")


def metric(shop, name):
    found = re.search(rf"^tollgate_stripe_events_{re.escape(name)} (\d+)$", shop.servers[0].client().get("/metrics").body.decode(), re.M)
    return int(found[1])


def is_stored(answer):
    assert (answer.status, answer.body) == (200, RECEIVED), answer
    return True


def is_refused(answer):
    assert (answer.status, answer.body) == (400, REFUSED), answer
    return True


# ---- what is signed

def test_a_signed_event_is_stored_byte_for_byte(shop):
    e = event()
    body = json.dumps(e, indent=2, ensure_ascii=False).encode() + b"\n  "
    before = metric(shop, 'total{result="stored"}')
    assert is_stored(sent(shop, body))
    assert row(shop, e["id"]) == ("charge.refunded", "ch_1", False, "2026-10-28.endive", e["created"], body, False, "")
    assert metric(shop, 'total{result="stored"}') == before + 1
    shown = shop.admin.get(f"/api/v1/stripe-events/{e['id']}").json
    assert (shown["type"], shown["object_id"], shown["thin"]) == ("charge.refunded", "ch_1", False)


def test_bytes_beyond_ascii_are_stored_as_they_came(shop):
    e = event(data={"object": {"id": "cus_é", "name": "Zoë 😀 \u202e\x7f"}})
    for ascii_only in (True, False):
        e["id"] = f"evt_{uuid.uuid4().hex}"
        body = json.dumps(e, ensure_ascii=ascii_only).encode()
        assert is_stored(sent(shop, body)) and row(shop, e["id"])[5] == body and row(shop, e["id"])[1] == "cus_é"


def test_an_event_that_comes_again_is_stored_once(shop):
    e, before = event(), metric(shop, 'total{result="known"}')
    first = json.dumps(e).encode()
    assert is_stored(sent(shop, first)) and is_stored(sent(shop, {**e, "pending_webhooks": 0}))
    assert row(shop, e["id"])[5] == first and metric(shop, 'total{result="known"}') == before + 1


def test_fifty_deliveries_at_once_are_one_event(shop):
    e = event()
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        answers = [f.result() for f in [threads.submit(sent, shop, e) for _ in range(50)]]
    assert all(is_stored(a) for a in answers)
    assert shop.cluster.sql("SELECT count(*) FROM stripe_events WHERE id = %s", e["id"]) == [(1,)]


def test_a_thin_event_is_stored_as_such(shop):
    e = {"id": f"evt_test_{uuid.uuid4().hex}", "object": "v2.core.event", "type": "v1.checkout.session.completed", "livemode": False,
         "created": "2026-11-03T10:00:00.000Z", "related_object": {"id": "cs_1", "type": "checkout.session", "url": "/v1/checkout/sessions/cs_1"}, "reason": None}
    assert is_stored(sent(shop, e))
    assert row(shop, e["id"])[:5] == ("v1.checkout.session.completed", "cs_1", False, "", 1793700000) and row(shop, e["id"])[6:] == (True, "")


def test_any_kind_of_event_is_stored(shop):
    e = event(type="something.nobody.has.heard.of", data={})
    assert is_stored(sent(shop, e)) and row(shop, e["id"])[:2] == ("something.nobody.has.heard.of", "")


def test_both_secrets_are_believed_while_one_is_being_rolled(shop):
    for secrets in ([WEBHOOK_SECRET], [OLD_SECRET], [OLD_SECRET, WEBHOOK_SECRET], ["whsec_to_come", WEBHOOK_SECRET]):
        body = json.dumps(event()).encode()
        assert is_stored(sent(shop, body, signing.header(secrets, body)))
    assert is_refused(sent(shop, event(), secret="whsec_to_come"))


def test_what_else_the_request_says_does_not_matter(shop):
    assert is_stored(sent(shop, event(), path=PATH + "?from=stripe&from=stripe"))
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Authorization": "Bearer nonsense"}, {"User-Agent": "x", "Accept": "*/*; q=0.5, application/xml"}):
        assert is_stored(sent(shop, event(), headers=headers))


def test_an_event_may_have_a_mebibyte_and_no_byte_more(shop):
    e = event()
    body = json.dumps({**e, "data": {"object": {"id": "x", "text": ""}}}).encode()
    whole = body.replace(b'"text": ""', b'"text": "%s"' % (b"x" * (2 ** 20 - len(body))))
    assert len(whole) == 2 ** 20 and is_stored(sent(shop, whole)) and row(shop, e["id"])[5] == whole
    answer = sent(shop, whole + b" ")
    assert (answer.status, answer.code) == (413, "request_too_large")


# ---- what is not

def test_whatever_is_wrong_with_it_is_answered_in_one_way_and_stores_nothing(shop):
    e = event()
    body, now = json.dumps(e).encode(), int(time.time())
    good = signing.header([WEBHOOK_SECRET], body)
    mac = signing.signature(WEBHOOK_SECRET, now, body)
    wrong = [None, "", "nonsense", "t=,v1=", f"t={now}", f"v1={mac}", good.replace("v1=", "v0="), good.replace("v1=", "V1="), f"t={now},v1={mac.upper()}", f"t=0{now},v1={mac}",
             f"t={now},t={now},v1={mac}", f"t={now},v1={mac[:-1]}", f"t={now},v1", signing.header(["whsec_another"], body), signing.header([""], body),
             signing.header([WEBHOOK_SECRET], body, at=now - 400), signing.header([WEBHOOK_SECRET], body, at=now + 400), signing.header([WEBHOOK_SECRET], body + b" "),
             f"t={now + 1},v1={mac}", f"t={now},v1={mac}" + ",v0=x" * 19, f"t={now},v1={mac},v0=" + "x" * 4096]
    answers = [sent(shop, body, signature) for signature in wrong]
    assert all(is_refused(a) for a in answers) and row(shop, e["id"]) is None
    shape = {tuple(sorted((k, v) for k, v in a.headers.items() if k not in ("x-request-id", "request-id", "date"))) for a in answers}
    assert len(shape) == 1, shape
    assert is_stored(sent(shop, body, good)), "and nothing else was wrong with it"


def test_why_is_counted_and_not_told(shop):
    body, now = json.dumps(event()).encode(), int(time.time())
    for reason, signature in (("header", "nonsense"), ("header", None), ("signature", signing.header(["whsec_another"], body)), ("time", signing.header([WEBHOOK_SECRET], body, at=now - 400)),
                              ("signature", signing.header(["whsec_another"], body, at=now - 400))):
        before = metric(shop, f'refused_total{{reason="{reason}"}}')
        assert is_refused(sent(shop, body, signature))
        assert metric(shop, f'refused_total{{reason="{reason}"}}') == before + 1


def test_every_byte_of_the_body_counts(shop):
    e = event()
    body = json.dumps(e).encode()
    good = signing.header([WEBHOOK_SECRET], body)
    for at in range(0, len(body), 7):
        assert is_refused(sent(shop, body[:at] + bytes([body[at] ^ 1]) + body[at + 1:], good))
    assert row(shop, e["id"]) is None


def test_a_header_that_is_there_twice_is_refused(shop):
    e = event()
    body = json.dumps(e).encode()
    good = signing.header([WEBHOOK_SECRET], body)
    for first, second in ((good, good), ("nonsense", good), (good, "")):
        connection = http.client.HTTPConnection("127.0.0.1", shop.servers[0].port, timeout=30)
        connection.putrequest("POST", PATH)
        for name, value in (("Content-Length", str(len(body))), ("Stripe-Signature", first), ("stripe-signature", second)):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status == 400 and json.loads(answer.read())["error"]["code"] == "malformed_http"
        connection.close()
    assert row(shop, e["id"]) is None


@pytest.mark.parametrize("body", [b"", b"not json", b"{", b"[]", b"null", b"7", b'"evt_1"', b"{}", b'[{"id":"evt_1","object":"event","type":"t"}]', b'{"id":"evt_1","object":"charge","type":"t"}',
                                  b'{"object":"event","type":"t"}', b'{"id":"evt_1","object":"event"}', b'{"id":"","object":"event","type":"t"}', b'{"id":"evt_1","object":"event","type":7}',
                                  b'{"id":"evt_1","object":"event","type":"t"}x', b'\xff\xfe{}', b'{"id":"evt_\xff","object":"event","type":"t"}', b'{"id":"evt_1\\u0000","object":"event","type":"t"}',
                                  b'{"id":"%s","object":"event","type":"t"}' % (b"x" * 256), b"[" * 10000])
def test_what_is_signed_and_no_event_is_refused(shop, body):
    before = metric(shop, 'refused_total{reason="body"}')
    assert is_refused(sent(shop, body)) and metric(shop, 'refused_total{reason="body"}') == before + 1
    assert shop.cluster.sql("SELECT count(*) FROM stripe_events WHERE id LIKE 'evt\\_1%%' AND length(id) < 8") == [(0,)]


def test_only_a_post_is_taken(shop):
    client = shop.servers[0].client()
    assert client.get(PATH).status == 405 and client.request("PUT", PATH, b"{}").status == 405
    assert client.post(PATH + "/", b"{}", check=False).status == 404


# ---- what is not for this deployment

@pytest.mark.parametrize("over, reason", [({"livemode": True}, "livemode"), ({"account": "acct_1"}, "account"), ({"context": "acct_1"}, "context"), ({"livemode": True, "account": "acct_1"}, "account")])
def test_what_is_not_for_this_deployment_is_parked_and_alarms(shop, over, reason):
    e, before = event(**over), metric(shop, f'parked_total{{reason="{reason}"}}')
    assert is_stored(sent(shop, e)) and row(shop, e["id"])[7] == reason
    assert metric(shop, f'parked_total{{reason="{reason}"}}') == before + 1
    assert is_stored(sent(shop, e)) and metric(shop, f'parked_total{{reason="{reason}"}}') == before + 1
    answer = shop.admin.post(f"/api/v1/stripe-events/{e['id']}/retry", None)
    assert (answer.status, answer.code) == (409, "conflict") and row(shop, e["id"])[7] == reason


def test_what_was_parked_for_another_reason_is_tried_anew(shop):
    e = event()
    assert is_stored(sent(shop, e))
    shop.cluster.sql("UPDATE stripe_events SET state = 2, reason = '', done_at = now() WHERE id = %s", e["id"])
    assert shop.admin.post(f"/api/v1/stripe-events/{e['id']}/retry", None).status == 409
    shop.cluster.sql("UPDATE stripe_events SET state = 4, reason = 'unknown order', attempts = 7 WHERE id = %s", e["id"])
    parked = [one["id"] for one in shop.admin.get("/api/v1/stripe-events?state=parked&type=charge.refunded").json["data"]]
    assert e["id"] in parked
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answer, again = (shop.admin.post(f"/api/v1/stripe-events/{e['id']}/retry", None, headers=key) for _ in range(2))
    assert answer.status == again.status == 200 and again.headers["idempotency-replayed"] == "true"
    assert answer.json["reason"] != "unknown order" and answer.json["attempts"] < 7


def test_events_are_listed_from_the_last_one_on(shop):
    made = [event(type="test.listed") for _ in range(7)]
    for e in made:
        assert is_stored(sent(shop, e))
    seen, cursor = [], ""
    while True:
        page = shop.admin.get(f"/api/v1/stripe-events?type=test.listed&limit=3{cursor}").json
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = "&cursor=" + page["next_cursor"]
    assert seen == [e["id"] for e in reversed(made)]


def test_a_live_deployment_parks_what_is_not_of_real_money(shop):
    live = Server(shop.cluster, shop.folder, shop.master_key, STRIPE_SECRET_KEY="rk_live_x", STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET)
    try:
        for livemode, why in ((True, ""), (False, "livemode")):
            e = event(livemode=livemode)
            body = json.dumps(e).encode()
            answer = live.client().request("POST", PATH, body, headers={"Stripe-Signature": signing.header([WEBHOOK_SECRET], body, livemode)})
            assert is_stored(answer) and row(shop, e["id"])[7] == why
    finally:
        live.stop()


# ---- Stripe's own

def test_what_the_stand_in_tells_arrives_whole(shop):
    """Signed by another hand than this file's, and byte for byte what it sent."""
    shop.stripe.account.sender.endpoints["here"] = Endpoint("here", f"http://127.0.0.1:{shop.servers[0].port}{PATH}", [WEBHOOK_SECRET])
    customer, _ = shop.customer("0")
    pack = shop.admin.post("/api/v1/products", {"kind": "pack", "name": "20", "currency": "usd", "price": 2000, "credits": "20"}).json["id"]
    order = shop.admin.post("/api/v1/checkout-sessions", {"customer": customer, "product": pack, "success_url": "https://example.com/"}).json
    shop.stripe.complete(order["stripe_id"], card="visa")
    shop.stripe.quiet()
    with shop.stripe.account.sender._wake:
        deliveries = list(shop.stripe.account.sender.deliveries)
    assert {"checkout.session.completed", "payment_intent.succeeded"} <= {d.event["type"] for d in deliveries}
    for delivery in deliveries:
        assert delivery.state == "delivered" and row(shop, delivery.event["id"])[5] == delivery.body
    del shop.stripe.account.sender.endpoints["here"]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recordings here")
def test_recorded_events_of_every_version_are_stored(shop):
    files = sorted([*FIXTURES.glob("*.json"), *(FIXTURES / "legacy").glob("*.json"), *(FIXTURES / "thin").glob("*.json")])
    count = 0
    for path in files:
        body = path.read_bytes()
        e = json.loads(body)
        if not isinstance(e, dict) or e.get("object") not in ("event", "v2.core.event"):
            continue
        shop.cluster.sql("DELETE FROM stripe_events WHERE id = %s", e["id"])  # old recordings share their ids
        assert is_stored(sent(shop, body)), path.name
        kept = row(shop, e["id"])
        assert kept[0] == e["type"] and kept[5] == body and kept[6] == (e["object"] != "event") and kept[7] == ("livemode" if e["livemode"] else ""), path.name
        count += 1
    assert count > 95


# ---- the database is away, payments are off

def test_while_the_database_is_away_stripe_is_told_to_come_again():
    cluster = Cluster(settings=["fsync=off"])
    with FakeStripe() as stripe:
        w = World(cluster, stripe=stripe)
        e = event()
        cluster.stop()
        answer = sent(w, e)
        assert answer.status == 503 and answer.code == "storage_unavailable"
        cluster.start()
        wait_for(lambda: sent(w, e).status == 200, 30, "the database being back")
        assert row(w, e["id"])[5] == json.dumps(e).encode()
        w.stop()
    cluster.remove()


def test_without_a_key_of_stripes_payments_are_off_and_say_so(cluster, shop):
    off = Server(cluster, shop.folder, shop.master_key)
    try:
        admin, customer = off.client(shop.admin_key), shop.customer("0")[0]
        pack = admin.post("/api/v1/products", {"kind": "pack", "name": "20", "currency": "usd", "price": 2000, "credits": "20"})
        assert pack.status == 201
        for path, body in (("/api/v1/checkout-sessions", {"customer": customer, "product": pack.json["id"], "success_url": "https://example.com/"}),
                           ("/api/v1/portal-sessions", {"customer": customer, "return_url": "https://example.com/"}),
                           ("/api/v1/products", {"kind": "pack", "name": "20", "currency": "usd", "price": 2000, "credits": "20", "stripe_price": "price_1"}),
                           (PATH, event())):
            answer = admin.post(path, body)
            assert (answer.status, answer.code) == (501, "payments_off") and "STRIPE_SECRET_KEY is not set" in answer.json["detail"] and answer.headers["x-should-retry"] == "false"
        assert admin.get(f"/api/v1/orders?customer={customer}").status == admin.get(f"/api/v1/billing?customer={customer}").status == 200
    finally:
        off.stop()
