"""Who may call what: every route with every kind of token that must not open it, and every other caller's things."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from opengiro.dialects import Route
from opengiro.dialects.banq.routes import ROUTES
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.rights import Right
from opengiro.usecases.register_user import NewUser, open_account, open_space, register_user
from tests.banq import ACTOR, OPEN, USER, Banq
from tests.server import IBAN

OF_A_PAYMENT = [route for route in ROUTES if "{resource}" in route.path]
OF_A_SPACE = [route for route in ROUTES if "{space}" in route.path]
LISTS = ("v1/payments", "v1/transactions", "v1/banqs")


class Things:
    """One thing of each kind, all the shop's."""

    def __init__(self, banq: Banq, created: dict[str, Any]) -> None:
        self.banq, self.created = banq, created

    async def knock(self, route: Route, token: str, by: str = "guid", **headers: str) -> httpx2.Response:
        resource = self.created[by]
        if by == "guid" and "transactions" in route.path:
            resource = f"{resource[:14]}8{resource[15:]}"
        path = route.path.replace("{resource}", str(resource)).replace("{space}", self.banq.space.space_id)
        body = None
        if route.method in ("POST", "PATCH"):
            body = self.banq.order() if "get-paid-link" in path else {"url": "http://127.0.0.1:1/hook"}
        return await self.banq.call(route.method, path[1:], body, token=token, **headers)


@pytest.fixture
async def things(banq: Banq) -> Things:
    await banq.call("POST", banq.config, {"url": "http://127.0.0.1:1/hook"})
    return Things(banq, await banq.get_paid())


@pytest.fixture
async def colleague(banq: Banq) -> Banq:
    """Somebody of the same merchant, for another account space."""
    core, merchant_id = banq.house.core, banq.house.merchant_id
    space = await open_space(core, merchant_id, "Elsewhere", None, ACTOR)
    account = await open_account(core, space, "Other till", "EUR", Account(Scheme.IBAN, IBAN, "Shop"), ACTOR)
    wanted = NewUser(username="colleague", password="right horse battery", space_ids=(space.space_id,))
    await register_user(core, merchant_id, wanted, ACTOR)
    return Banq(
        house=banq.house,
        credentials=banq.credentials,
        space=space,
        account=account,
        username=wanted.username,
        password=wanted.password,
        email=wanted.username,
        email_password=wanted.password,
    )


def said(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error", "message"]
    return answer.status_code, answer.json()["error"]


async def test_no_route_opens_without_a_good_token(things: Things) -> None:
    powens = await things.banq.house.token()
    config = things.banq.credentials.config_token
    refresh = (await things.banq.grant(things.banq.user_login())).json()["refresh_token"]
    for route in ROUTES:
        for token in ("", "garbage", powens, config, refresh):
            assert said(await things.knock(route, token)) == (401, "unauthorized"), route


async def test_a_token_opens_the_routes_of_its_audience_and_no_others(things: Things) -> None:  # BD2
    tokens = {OPEN: await things.banq.token(OPEN), USER: await things.banq.token(USER)}
    only = {Right.MANAGE: OPEN, Right.PROFILE: USER}
    for route in sorted(ROUTES, key=lambda one: one.method == "DELETE" or "cancel" in one.path):
        (right,) = route.rights or ()
        for audience, token in tokens.items():
            answer = await things.knock(route, token)
            if only.get(right, audience) != audience:
                assert said(answer) == (403, "forbidden"), route
            else:
                # The second to come may find it ended by the first.
                assert answer.status_code in {200, 201, 204, 404 if route.method == "DELETE" else 200}, route


async def test_a_token_of_this_wire_opens_nothing_of_the_other(banq: Banq) -> None:
    for audience in (OPEN, USER):
        answer = await banq.house.call("GET", "/payments", token=await banq.token(audience))
        assert answer.status_code == 401


async def test_the_things_of_another_merchant_do_not_exist(things: Things, stranger: Banq) -> None:
    for audience in (OPEN, USER):
        token = await stranger.token(audience)
        for route in (*OF_A_PAYMENT, *OF_A_SPACE):
            for by in ("guid", "id"):
                assert (await things.knock(route, token, by)).status_code in ({404} if _may(route, audience) else {403})
        for path in LISTS[:2]:
            assert (await stranger.call("GET", path, token=token)).json()["total"] == 0


async def test_the_things_of_another_space_of_the_same_merchant_do_not_exist(things: Things, colleague: Banq) -> None:
    for audience in (OPEN, USER):
        token = await colleague.token(audience)
        for route in (*OF_A_PAYMENT, *OF_A_SPACE):
            for by in ("guid", "id"):
                assert (await things.knock(route, token, by)).status_code in ({404} if _may(route, audience) else {403})
        for path in LISTS[:2]:
            assert (await colleague.call("GET", path, token=token)).json()["total"] == 0
        listed = (await colleague.call("GET", "v1/banqs", token=token)).json()["banqs"]
        assert [one["banqGuid"] for one in listed] == [colleague.account.account_id]


async def test_nobody_is_paid_into_an_account_out_of_reach(banq: Banq, stranger: Banq, colleague: Banq) -> None:
    for theirs in (stranger, colleague):
        body = banq.order(destination={"banqGuid": theirs.account.account_id})
        assert said(await banq.call("POST", "v1/payments/get-paid-link", body)) == (400, "invalid_request")


async def test_payments_of_the_other_wire_do_not_exist_here(banq: Banq) -> None:
    other = await banq.house.pay()
    assert said(await banq.call("GET", f"v1/payments/{other['id']}")) == (404, "not_found")
    assert (await banq.call("GET", "v1/payments")).json()["total"] == 0


async def test_a_company_id_names_something_of_the_caller_or_nothing_opens(things: Things, stranger: Banq) -> None:
    space, tokens = things.banq.space, {Right.PROFILE: await things.banq.token(USER)}
    for route in ROUTES:
        (right,) = route.rights or ()
        token = tokens.get(right) or await things.banq.token()
        for company in (stranger.space.space_id, "company-other", "x" * 500):
            assert said(await things.knock(route, token, x_company_id=company)) == (403, "forbidden"), route
    for company in (space.space_id, space.platform_id, "company-shop", ""):
        answer = await things.banq.call("GET", "v1/payments", x_company_id=company)
        assert answer.status_code == 200


async def test_an_idempotency_key_of_one_user_shows_nothing_to_another(things: Things, colleague: Banq) -> None:
    body, key = {"url": "http://127.0.0.1:1/hook"}, {"idempotency_key": "k"}
    await things.banq.call("DELETE", things.banq.config)
    mine = await things.banq.call("POST", things.banq.config, body, token=await things.banq.token(USER), **key)
    assert "secret" in mine.json()
    theirs = await things.banq.call("POST", things.banq.config, body, token=await colleague.token(USER), **key)
    assert said(theirs) == (404, "not_found")


async def test_what_is_no_route_or_no_method_is_said_in_the_same_shape(banq: Banq) -> None:
    assert said(await banq.call("GET", "v1/nothing")) == (404, "not_found")
    assert said(await banq.call("GET", "")) == (404, "not_found")
    answer = await banq.call("DELETE", "v1/payments")
    assert said(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


def test_every_route_is_guarded_by_exactly_one_right() -> None:
    assert [route.path for route in ROUTES if route.rights is None or len(route.rights) != 1] == []
    assert [route.path for route in ROUTES if not re.match(r"/v1/[a-z]", route.path)] == []


def _may(route: Route, audience: str) -> bool:
    (right,) = route.rights or ()
    return right not in {Right.MANAGE, Right.PROFILE} or (right is Right.MANAGE) == (audience == OPEN)
