"""Who may call what: every route with every kind of token that must not open it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from opengiro.dialects import Route
from opengiro.dialects.powens.routes import ROUTES
from opengiro.domain.identifiers import mint_token
from opengiro.domain.rights import Right
from tests.server import House, order

BODIES: dict[str, Any] = {
    "/payments": order(),
    "/payments/{payment_id}": {"resume": True},
    "/payments/{payment_id}/scopedtoken": {"scope": "payments:validate"},
    "/payments/{payment_id}/terms": {"id_terms": 0},
    "/config": {"payment.max_amount": "1"},
    "/clients": {"name": "x"},
    "/clients/{client_id}": {"name": "x"},
    "/webhooks": {"url": "http://127.0.0.1:1/x", "event": "PAYMENT_STATE_UPDATED"},
    "/webhooks/{webhook_id}": {"url": "http://127.0.0.1:1/y"},
    "/webhooks/auth": {"type": "hmac_signature", "name": "x"},
    "/webhooks/auth/{auth_id}": {"name": "y"},
    "/test/webhooks": {"id_webhook": 1},
}
GUARDED = [route for route in ROUTES if route.rights is not None]
ON_PAYMENTS = [route for route in GUARDED if Right.CONFIGURE not in (route.rights or ())]
ON_ONE_PAYMENT = [route for route in ON_PAYMENTS if "{payment_id}" in route.path]
CONFIGURING = [route for route in GUARDED if Right.CONFIGURE in (route.rights or ())]
OF_SOMETHING = [route for route in CONFIGURING if "{" in route.path or route.path == "/test/webhooks"]


class Things:
    """One thing of each kind, all the shop's."""

    def __init__(self, house: House, **ids: object) -> None:
        self.house, self.ids = house, {name: str(value) for name, value in ids.items()}

    async def knock(self, route: Route, token: str) -> httpx2.Response:
        path = re.sub(r"\{(\w+)\}", lambda found: self.ids[found[1]], route.path)
        body = BODIES.get(route.path) if route.method in ("POST", "PUT") else None
        return await self.house.call(route.method, path, body, token=token)


@pytest.fixture
async def things(house: House) -> Things:
    config = house.credentials.config_token
    auth = await house.call("POST", "/webhooks/auth", BODIES["/webhooks/auth"], token=config)
    hook = await house.call("POST", "/webhooks", BODIES["/webhooks"], token=config)
    sent = await house.call("POST", "/test/webhooks", {}, token=config)
    return Things(
        house,
        payment_id=(await house.pay())["id"],
        auth_id=auth.json()["id"],
        webhook_id=hook.json()["id"],
        data_id=sent.json()["deliveries"][0]["id_webhook_data"],
        client_id=house.credentials.client_id,
        connector=house.test_bank,
        source_id=59,
    )


def said(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_no_route_opens_without_a_good_token(things: Things) -> None:
    revoked, forged = await things.house.token(), mint_token(things.house.merchant_id, bytes(32))
    await things.house.move(timedelta(minutes=31))  # PU6: service tokens live half an hour
    for route in GUARDED:
        for token in ("", "garbage", revoked, forged, things.house.credentials.config_token[:-1]):
            assert said(await things.knock(route, token)) == (401, "unauthorized"), route


async def test_a_good_token_opens_every_route_so_the_others_were_really_refused(things: Things) -> None:
    house = things.house
    last = {"DELETE": 1}
    for route in sorted(GUARDED, key=lambda one: (last.get(one.method, 0), -len(one.path))):
        config = Right.CONFIGURE in (route.rights or ())
        answer = await things.knock(route, house.credentials.config_token if config else await house.token())
        # A fresh payment has nothing to resume; a provider in use and things deleted before are told by their state.
        expected = {route.status} | ({409} if route.path == "/payments/{payment_id}" else set())
        if route.method == "DELETE":
            expected |= {404, 409}
        assert answer.status_code in expected, (route, answer.text)


async def test_another_merchants_token_finds_nothing_of_ours(things: Things) -> None:
    house = things.house
    for route in ON_ONE_PAYMENT:
        assert said(await things.knock(route, await house.token(who=house.stranger))) == (404, "notFound"), route
    for route in OF_SOMETHING:
        assert said(await things.knock(route, house.stranger.config_token)) == (404, "notFound"), route
    token = await house.token(who=house.stranger)
    assert (await house.call("GET", "/payments", token=token)).json()["payments"] == []
    for path, key in (("/webhooks", "webhooks"), ("/webhooks/auth", "authproviders")):
        assert (await house.call("GET", path, token=house.stranger.config_token)).json()[key] == []


async def test_another_clients_token_finds_none_of_its_siblings_payments(things: Things) -> None:
    house = things.house
    token = await house.token(who=house.sibling)
    for route in ON_ONE_PAYMENT:
        assert said(await things.knock(route, token)) == (404, "notFound"), route
    assert (await house.call("GET", "/payments", token=token)).json()["total"] == 0


async def test_a_payment_token_opens_its_own_payment_and_nothing_else(things: Things) -> None:
    house = things.house
    scope = "payments:validate payments:cancel payments:read-only payments:allow-sensitive"
    token = await house.scoped((await house.pay())["id"], scope)
    for route in ON_ONE_PAYMENT:
        assert said(await things.knock(route, token)) == (404, "notFound"), route
    for route in GUARDED:
        if route not in ON_ONE_PAYMENT:
            assert said(await things.knock(route, token)) == (403, "forbidden"), route


async def test_tokens_for_payments_configure_nothing_and_the_other_way_round(things: Things) -> None:
    house = things.house
    for route in CONFIGURING:
        assert said(await things.knock(route, await house.token())) == (403, "forbidden"), route
    for route in ON_PAYMENTS:
        assert said(await things.knock(route, house.credentials.config_token)) == (403, "forbidden"), route
        links = await house.token("payment-links:admin")
        assert said(await things.knock(route, links)) == (403, "forbidden"), route


@pytest.mark.parametrize(
    ("scope", "opened"),
    [
        ("payments:admin", {"list", "create", "read", "update", "cancel", "scoped", "terms", "why"}),
        ("payments", {"list", "create", "read", "update", "cancel", "scoped", "terms", "why"}),
        ("payments:read-only", {"list", "read", "why"}),
        ("payments:allow-sensitive", {"why"}),
        ("payments:validate", {"read", "update", "scoped", "terms", "why"}),
        ("payments:cancel", {"cancel", "why"}),
    ],
)
async def test_each_scope_opens_what_its_description_says(house: House, scope: str, opened: set[str]) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    calls: dict[str, tuple[str, str, Any]] = {
        "list": ("GET", "/payments", None),
        "create": ("POST", "/payments", order()),
        "read": ("GET", path, None),
        "why": ("GET", f"{path}/incompatibilities", None),
        "terms": ("GET", f"{path}/terms", None),
        "scoped": (
            "POST",
            f"{path}/scopedtoken",
            {"scope": scope if scope == "payments:validate" else "payments:cancel"},
        ),
        "update": ("POST", path, {"resume": True}),
        "cancel": ("POST", path, {"cancel": True, "client_redirect_uri": payment["client_redirect_uri"]}),
    }
    token = await house.token(scope)
    answers = {name: (await house.call(*call, token=token)).status_code for name, call in calls.items()}
    assert {name for name, status in answers.items() if status != 403} == opened


@pytest.mark.parametrize("scope", ["payments:admin", "payments", "payment-links:admin"])
async def test_a_payment_token_is_never_an_administrators(house: House, scope: str) -> None:
    payment = await house.pay()
    answer = await house.call("POST", f"/payments/{payment['id']}/scopedtoken", {"scope": scope})
    assert said(answer) == (400, "invalidValue")


async def test_pc6_a_payment_token_mints_no_wider_and_no_longer_token(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}/scopedtoken"
    token = await house.scoped(payment["id"], "payments:validate")
    wider = await house.call("POST", path, {"scope": "payments:cancel"}, token=token)
    assert said(wider) == (403, "forbidden")
    await house.move(timedelta(days=6))
    again = (await house.call("POST", path, {"scope": "payments:validate"}, token=token)).json()
    assert again["expires_in"] <= 86_400
    await house.move(timedelta(days=1, seconds=1))
    for expired in (token, again["token"]):
        assert (await house.call("GET", f"/payments/{payment['id']}", token=expired)).status_code == 401


async def test_pu6_once_its_payment_is_final_a_payment_token_only_reads_it(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    token = await house.scoped(payment["id"], "payments:validate")
    assert (await house.validate(payment["id"]))["state"] == "done"
    assert (await house.call("GET", path, token=token)).json()["state"] == "done"
    answer = await house.call("POST", f"{path}/scopedtoken", {"scope": "payments:validate"}, token=token)
    assert said(answer) == (403, "forbidden")
    body = {"validated": True, "connector_uuid": house.test_bank, "webview_url": payment["client_redirect_uri"]}
    assert (await house.call("POST", path, body, token=token)).status_code in {403, 409}


async def test_sensitive_data_needs_the_call_to_ask_and_the_token_to_be_allowed(house: House) -> None:
    identity = {"kind": "individual", "first_name": "Ada", "last_name": "Martin"}
    payment = (await house.call("POST", "/payments", order(payer_identity=identity))).json()
    assert "first_name" not in payment["payer_identity"]
    path = f"/payments/{payment['id']}"
    for scope, status in (("payments:validate", 200), ("payments:admin", 200), ("payments:read-only", 403)):
        answer = await house.call("GET", f"{path}?show_sensitive=true", token=await house.token(scope))
        assert answer.status_code == status, scope
        if status == 200:
            assert answer.json()["payer_identity"]["first_name"] == "Ada"
    both = await house.token("payments:read-only payments:allow-sensitive")
    listed = (await house.call("GET", "/payments?show_sensitive=true", token=both)).json()
    assert listed["payments"][0]["payer_identity"]["last_name"] == "Martin"
