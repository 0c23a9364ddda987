"""The envelope around every call: keys, versions, errors, lists, expansion, metadata."""
import pytest

from tests.stripe.fake import FakeStripe
from tests.stripe.samples import paid, session


def error(answer, status, **fields):
    assert answer.status == status, answer.body
    assert {k: answer.json["error"].get(k) for k in fields} == fields
    return answer.json["error"]


# Who asks


def test_a_key_comes_as_bearer_or_as_basic_user(stripe):
    assert stripe.ask("GET", "/v1/customers").status == 200
    assert stripe.ask("GET", "/v1/customers", basic=True).status == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sk_live_x"}, {"Authorization": "Basic ?"}, {"Authorization": "Bearer pk_test_x"}])
def test_anything_else_is_401(stripe, header):
    answer = stripe.request("GET", "/v1/customers", headers=header)
    error(answer, 401, type="invalid_request_error")
    assert "www-authenticate" in answer.headers


def test_live_mode_takes_live_keys_and_says_so():
    with FakeStripe(livemode=True) as live:
        made = live.post("/v1/customers", {})
        assert made["livemode"] is True and live.events()[0]["livemode"] is True
        live.key = "sk_test_x"
        assert live.ask("GET", "/v1/customers").status == 401


def test_a_key_can_be_revoked_or_restricted(stripe):
    stripe.control("POST", "/keys", key=stripe.key, state="revoked")
    assert stripe.ask("GET", "/v1/customers").status == 401
    stripe.control("POST", "/keys", key=stripe.key, state="restricted")
    error(stripe.ask("POST", "/v1/customers", key="k"), 403, type="invalid_request_error")
    stripe.control("POST", "/keys", key=stripe.key, state="good")
    assert "idempotent-replayed" not in stripe.ask("POST", "/v1/customers", key="k").headers
    assert stripe.objects("customers") != []


# What comes back around the object


def test_every_answer_has_an_id_and_the_version(stripe):
    first, second = stripe.ask("GET", "/v1/customers"), stripe.ask("GET", "/v1/customers", Stripe_Version="2026-09-30.endive")
    assert first.headers["request-id"].startswith("req_") and first.headers["request-id"] != second.headers["request-id"]
    assert first.headers["stripe-version"] == "2026-10-28.endive"
    assert second.headers["stripe-version"] == "2026-09-30.endive"
    error(stripe.ask("GET", "/v1/customers", Stripe_Version="yesterday"), 400)


def test_what_there_is_not_is_404(stripe):
    error(stripe.ask("GET", "/v1/customers/cus_none"), 404, code="resource_missing", param="id", type="invalid_request_error")
    error(stripe.ask("GET", "/v1/nothing"), 404, type="invalid_request_error")
    error(stripe.ask("DELETE", "/v1/payment_intents/pi_x"), 404, type="invalid_request_error")


def test_what_a_parameter_names_and_is_not_there_is_400(stripe):
    answer = stripe.ask("POST", "/v1/checkout/sessions", {"mode": "setup", "currency": "usd", "success_url": "http://x/", "customer": "cus_none"})
    error(answer, 400, code="resource_missing", param="customer", message="No such customer: 'cus_none'")


@pytest.mark.parametrize("params, fields", [
    ({"currency": "usd"}, {"code": "parameter_missing", "param": "amount"}),
    ({"amount": "ten", "currency": "usd"}, {"code": "parameter_invalid_integer", "param": "amount"}),
    ({"amount": "20.00", "currency": "usd"}, {"code": "parameter_invalid_integer", "param": "amount"}),
    ({"amount": -5, "currency": "usd"}, {"code": "parameter_invalid_integer", "param": "amount"}),
    ({"amount": 49, "currency": "usd"}, {"code": "amount_too_small", "param": "amount"}),
    ({"amount": 100_000_000, "currency": "usd"}, {"code": "amount_too_large", "param": "amount"}),
    ({"amount": 505, "currency": "isk"}, {"param": "amount"}),
    ({"amount": 1001, "currency": "kwd"}, {"param": "amount"}),
    ({"amount": 2000, "currency": "dollars"}, {"param": "currency"}),
    ({"amount": 2000, "currency": "usd", "amuont": 1}, {"code": "parameter_unknown", "param": "amuont"}),
    ({"amount": 2000, "currency": "usd", "payment_method_types": ["card"]}, {"code": "parameter_unknown", "param": "payment_method_types"}),
    ({"amount": 2000, "currency": "usd", "confirm": "yes"}, {"param": "confirm"}),
    ({"amount": 2000, "currency": "usd", "off_session": True}, {"param": "off_session"}),
    ({"amount": 2000, "currency": "usd", "customer": ""}, {"code": "parameter_invalid_empty", "param": "customer"}),
    ({"amount": 2000, "currency": "usd", "setup_future_usage": "sometimes"}, {"param": "setup_future_usage"}),
    ({"amount": 2000, "currency": "usd", "metadata": "x"}, {"param": "metadata"}),
    ({"amount": 2000, "currency": "usd", "transfer_data": {"destination": "acct_1"}}, {"code": "standin_undone"}),
])
def test_parameters_are_looked_at(stripe, params, fields):
    error(stripe.ask("POST", "/v1/payment_intents", params), 400, type="invalid_request_error", **fields)
    assert stripe.objects("payment_intents") == []


def test_a_body_is_a_form(stripe):
    headers = {"Authorization": f"Bearer {stripe.key}", "Content-Type": "application/json"}
    error(stripe.request("POST", "/v1/customers", b'{"email": "a@example.com"}', headers), 400)
    error(stripe.ask("POST", "/v1/customers", "a[=1"), 400)


# Metadata


def test_metadata_is_merged_and_cleared(stripe):
    made = stripe.post("/v1/customers", {"metadata": {"a": "1", "b": "2"}})
    where = f"/v1/customers/{made['id']}"
    assert stripe.post(where, {"metadata": {"b": "3", "c": "4"}})["metadata"] == {"a": "1", "b": "3", "c": "4"}
    assert stripe.post(where, "metadata[a]=")["metadata"] == {"b": "3", "c": "4"}
    assert stripe.post(where, "metadata=")["metadata"] == {}
    assert stripe.post(where, {"email": "a@example.com"})["email"] == "a@example.com"
    assert stripe.post(where, "email=")["email"] is None


@pytest.mark.parametrize("metadata", [{"k" * 41: "1"}, {"k": "v" * 501}, {str(i): "1" for i in range(51)}, {"k": {"deep": "1"}}])
def test_metadata_has_limits(stripe, metadata):
    assert stripe.ask("POST", "/v1/customers", {"metadata": metadata}).status == 400


def test_metadata_stays_where_it_was_put(stripe):
    made = session(stripe, metadata={"order_id": "o1"}, payment_intent_data={"metadata": {"kind": "credit_purchase"}})
    intent = stripe.get(f"/v1/payment_intents/{stripe.complete(made)['payment_intent']}")
    assert made["metadata"] == {"order_id": "o1"} and intent["metadata"] == {"kind": "credit_purchase"}


# Lists


def test_lists_come_newest_first_in_pages(stripe):
    ids = [stripe.post("/v1/customers", {"name": str(i)})["id"] for i in range(7)][::-1]
    first = stripe.get("/v1/customers", {"limit": 3})
    assert [c["id"] for c in first["data"]] == ids[:3] and first["has_more"] is True and first["url"] == "/v1/customers"
    second = stripe.get("/v1/customers", {"limit": 3, "starting_after": ids[2]})
    assert [c["id"] for c in second["data"]] == ids[3:6] and second["has_more"] is True
    third = stripe.get("/v1/customers", {"limit": 3, "starting_after": ids[5]})
    assert [c["id"] for c in third["data"]] == ids[6:] and third["has_more"] is False


def test_a_page_can_end_before_an_object(stripe):
    ids = [stripe.post("/v1/customers", {})["id"] for _ in range(6)][::-1]
    page = stripe.get("/v1/customers", {"limit": 2, "ending_before": ids[4]})
    assert [c["id"] for c in page["data"]] == ids[2:4] and page["has_more"] is True
    page = stripe.get("/v1/customers", {"limit": 2, "ending_before": ids[1]})
    assert [c["id"] for c in page["data"]] == ids[:1] and page["has_more"] is False


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"starting_after": "cus_none"}])
def test_lists_refuse(stripe, params):
    assert stripe.ask("GET", "/v1/customers", params).status == 400


def test_lists_are_narrowed_by_time(stripe):
    early = stripe.post("/v1/customers", {})
    stripe.advance(1000)
    late = stripe.post("/v1/customers", {})
    assert [c["id"] for c in stripe.get("/v1/customers", {"created": {"gte": early["created"] + 500}})["data"]] == [late["id"]]
    assert [c["id"] for c in stripe.get("/v1/customers", {"created": early["created"]})["data"]] == [early["id"]]


# Expansion


def test_ids_become_objects_on_request(stripe, customer):
    intent = paid(stripe, customer=customer["id"])
    deep = stripe.get(f"/v1/payment_intents/{intent['id']}", {"expand": ["latest_charge.balance_transaction", "customer"]})
    assert deep["latest_charge"]["balance_transaction"]["amount"] == 2000 and deep["customer"]["email"] == "buyer@example.com"
    assert isinstance(stripe.get(f"/v1/payment_intents/{intent['id']}")["latest_charge"], str)
    listed = stripe.get("/v1/payment_intents", {"expand": ["data.latest_charge"]})
    assert listed["data"][0]["latest_charge"]["object"] == "charge"


def test_what_is_left_out_comes_on_request(stripe):
    made = session(stripe)
    assert "line_items" not in made
    assert stripe.get(f"/v1/checkout/sessions/{made['id']}", "expand[]=line_items")["line_items"]["data"][0]["amount_total"] == 2000


def test_what_cannot_be_expanded_is_refused(stripe):
    made = session(stripe)
    assert stripe.ask("GET", f"/v1/checkout/sessions/{made['id']}", {"expand": ["nothing"]}).status == 400
