"""The character U+0000, which one database takes and the other refuses: it stops at the edge on both."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from opengiro.dialects import Dialect, Route, banq, powens
from tests.banq import OPEN, USER, Banq, move_in
from tests.server import REDIRECT_URI, House
from tests.web.payer import link

NULL = "7\0"
ESCAPED = "7%00"
API = [(dialect, route) for dialect in (powens.DIALECT, banq.DIALECT, banq.GRANTS) for route in dialect.routes]


@pytest.fixture
async def shop(house: House) -> Banq:
    return await move_in(house, house.credentials, "shop")


def addresses(dialect: Dialect, route: Route) -> list[str]:
    """Every way to put it into the path and the query of a route."""
    plain, wrong = (dialect.prefix + re.sub(r"\{[^}]+\}", filled, route.path) for filled in ("7", ESCAPED))
    return [wrong, *(f"{plain}?{name}={ESCAPED}" for name in route.query)]


async def test_no_route_of_a_wire_breaks_on_it(shop: Banq) -> None:
    house = shop.house
    tokens = [
        await house.token(),
        house.credentials.config_token,
        await shop.token(OPEN),
        await shop.token(USER),
        "\x01",
    ]
    broken = []
    for dialect, route in API:
        for token in tokens:
            for address in addresses(dialect, route):
                headers = {"authorization": f"Bearer {token}"}
                answer = await house.http.request(route.method, house.base_url + address, headers=headers)
                broken += [f"{route.method} {address}"] if answer.status_code >= 500 else []
    assert broken == []


async def test_no_text_of_a_body_breaks_on_it(shop: Banq) -> None:
    house, broken = shop.house, []
    forms = [
        ("/2.0/auth/token", {"grant_type": "client_credentials", "client_id": "\0", "client_secret": "\0"}),
        ("/2.0/auth/token", {"grant_type": "client_credentials", "client_id": house.credentials.client_id + "\0"}),
        ("/oauth/token", shop.login(username="a\0b")),
        ("/oauth/token", shop.login(password="a\0b")),
        ("/oauth/token", shop.login(client_id="a\0b")),
        ("/oauth/token", shop.user_login(username="\0@shop.test")),
        ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "a\0b", "client_id": "a\0b"}),
    ]
    for path, form in forms:
        url = house.base_url + path
        for answer in (await house.http.post(url, json=form), await house.http.post(url, data=form)):
            broken += [f"{path} {form}"] if answer.status_code >= 500 else []
    assert broken == []


async def test_no_page_breaks_on_it(house: House) -> None:
    opened = await link(house, (await house.pay())["id"])
    page = await house.http.get(opened, follow_redirects=True)
    assert page.status_code == 200
    here = str(page.url).partition("?")[0]
    queries = ["q", "country", "lang", "notice", "bank", "language", "token", "last_event_id", "after", "state", "h"]
    pages = (f"{here}", f"{here}/banks", f"{here}/status", f"{house.base_url}/widget")
    asked = [f"{page}?{urlencode({name: NULL})}" for page in pages for name in queries]
    asked += [f"{here}/banks/{ESCAPED}"]
    places = ("checkout/{0}", "return/{0}?code={0}", "{0}", "live/{0}/poll?token={0}", "live/7/poll?token={0}")
    asked += [f"{house.base_url}/{place.format(ESCAPED)}" for place in places]
    statuses = {url: (await house.http.get(url)).status_code for url in asked}
    forms = {path: {"bank": "\0", "country": "\0", "code": "a\0b"} for path in ("choose", "answer", "check", "cancel")}
    statuses |= {path: (await house.http.post(f"{here}/{path}", data=form)).status_code for path, form in forms.items()}
    for path in ("enter", "look", "handoff", "pay"):
        sent = {"url": f"{REDIRECT_URI}\0", "code": "\0", "token": "\0", "claim": "\0"}
        statuses[path] = (await house.http.post(f"{house.base_url}/widget/{path}", json=sent)).status_code
    assert {url: status for url, status in statuses.items() if status >= 500} == {}
