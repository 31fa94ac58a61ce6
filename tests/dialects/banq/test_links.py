"""Payment links: their form, that they open the hosted page on any device, and stay calm at the end (BD33, BD34)."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from opengiro.domain.identifiers import link_code
from opengiro.settings import Settings
from opengiro.wiring import DIALECTS, web_app
from tests.banq import Banq

CODE = re.compile(r"[A-Za-z0-9]{11}")


def code_of(url: str) -> str:
    return url.rpartition("/")[2]


async def visit(url: str) -> httpx2.Response:
    """Open a link in a browser of its own."""
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        return await browser.get(url)


def test_codes_have_eleven_characters_of_one_alphabet_evenly() -> None:
    codes = [link_code(os.urandom) for _ in range(2000)]
    assert all(CODE.fullmatch(code) for code in codes)
    assert len(set(codes)) == len(codes)
    counts = [sum(code.count(character) for code in codes) for character in sorted(set("".join(codes)))]
    assert len(counts) == 62
    assert max(counts) < 1.5 * min(counts)


@given(st.binary(min_size=11, max_size=11))
def test_a_byte_that_would_favour_some_characters_is_drawn_again(drawn: bytes) -> None:
    spare = iter([drawn, bytes(11)])
    assert CODE.fullmatch(link_code(lambda _: next(spare)))


async def test_a_link_opens_the_hosted_page_in_any_browser(banq: Banq) -> None:
    created = await banq.get_paid()
    first, second = await visit(created["url"]), await visit(created["url"])
    for page in (first, second):
        assert page.status_code == 200
        assert re.fullmatch(r"/checkout/[\w=-]+", page.url.path)
        assert "Two tickets" in page.text
        assert code_of(created["url"]) not in page.text
    assert first.url.path != second.url.path


async def test_looking_at_a_link_without_opening_it_makes_no_session(banq: Banq) -> None:
    created = await banq.get_paid()
    http = banq.house.http
    assert (await http.head(created["url"])).status_code == 200
    assert (await http.head(banq.house.base_url + "/AAAAAAAAAAA")).status_code == 404
    count = "SELECT COUNT(*) FROM sessions"
    assert await banq.house.core.store.engine.fetch_text(count, ()) == [(0,)]


@pytest.mark.parametrize("path", ["AAAAAAAAAAA", "AAAAAAAAAA", "AAAAAAAAAAAA", "AAAA-AAAAAA", "AAAAAAAAAAé", "."])
async def test_a_link_that_is_none_leads_nowhere(banq: Banq, path: str) -> None:
    answer = await banq.house.http.get(f"{banq.house.base_url}/{path}")
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


async def test_only_reading_opens_a_link(banq: Banq) -> None:
    created = await banq.get_paid()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await banq.house.http.request(method, created["url"])).status_code in {404, 405}


async def test_the_page_is_calm_when_the_payment_is_paid(banq: Banq) -> None:
    created = await banq.get_paid()
    await banq.pay(created)
    await banq.settled(created, "completed")
    page = await visit(created["url"])
    assert (page.status_code, page.url.path.startswith("/checkout/")) == (200, True)
    assert ">Paid</h1>" in page.text
    assert "You can close this page" in page.text
    assert "<form" not in page.text


async def test_the_page_is_calm_when_the_payment_was_cancelled_or_ran_out(banq: Banq) -> None:
    cancelled, late = await banq.get_paid(), await banq.get_paid()
    await banq.call("POST", f"v1/payments/{cancelled['guid']}/cancel")
    page = await visit(cancelled["url"])
    assert (page.status_code, "<form" in page.text, "You can close this page" in page.text) == (200, False, True)
    await banq.house.move(timedelta(days=31))
    banq.forget_tokens()
    await banq.settled(late, "expired")
    page = await visit(late["url"])
    assert (page.status_code, "<form" in page.text, "You can close this page" in page.text) == (200, False, True)


async def test_a_payer_without_a_shop_to_go_back_to_is_not_offered_to_leave(banq: Banq) -> None:
    page = await visit((await banq.get_paid())["url"])
    assert "/later" not in page.text
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        opened = await browser.get((await banq.get_paid())["url"])
        later = await browser.get(f"{opened.url}/later")
        assert (later.status_code, later.url.path) == (200, opened.url.path)


async def test_nothing_else_of_the_server_has_an_address_like_a_link(banq: Banq) -> None:  # BD33
    app: Any = web_app(banq.house.core, Settings(data=banq.house.data))
    while not isinstance(app, Starlette):
        app = getattr(app, "_app", None) or app._rest
    paths = [one.path for one in app.routes if isinstance(one, Route | Mount)]
    for dialect in DIALECTS:
        paths += [prefix + one.path for one in dialect.routes for prefix in (dialect.prefix, "") if prefix or one.bare]
    assert len(paths) > 50
    alike = [path for path in paths if CODE.fullmatch(path.strip("/")) and path.count("/") == 1]
    assert alike == []
    one_segment = [path for path in paths if re.fullmatch(r"/\{\w+\}", path)]
    assert one_segment == ["/{code}"]


async def test_the_two_old_addresses_of_the_description_lead_to_it(banq: Banq) -> None:  # BC9
    for path in ("/core/index.html", "/api/index.html"):
        page = await visit(banq.house.base_url + path)
        assert page.json()["info"]["title"] == "OpenGiro, banq wire"
