"""While the database is away nobody is told a lie: every door answers 503 and says when to come back."""

from __future__ import annotations

from typing import Any

import pytest

from opengiro.store import Unavailable
from tests.server import House, order

HANDLE = "1-0123456789abcdef"
"""Of the form that a checkout's has."""


@pytest.fixture
async def away(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose database went away after it was opened."""
    await house.token()

    async def gone(*_: Any) -> Any:
        raise Unavailable("the database cannot be reached")

    for verb in ("fetch", "fetch_text", "commit"):
        monkeypatch.setattr(house.core.store.engine, verb, gone)
    return house


async def test_a_payment_is_neither_promised_nor_denied(away: House) -> None:
    answer = await away.call("POST", "/payments", order("Order 1"))
    assert (answer.status_code, answer.json()["code"]) == (503, "serviceUnavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/api/payments/1", "/pay/nothing", "/checkout/none/", "/live/1", "/abcdefghijk"])
async def test_no_door_answers_with_a_bug(away: House, path: str) -> None:
    answer = await away.http.get(away.base_url + path, headers={"authorization": f"Bearer {await away.token()}"})
    assert answer.status_code < 500 or answer.status_code == 503
    assert answer.status_code != 503 or int(answer.headers["retry-after"]) > 0


async def test_a_payers_page_stays_calm_and_looks_again_by_itself(away: House) -> None:
    answer = await away.http.get(f"{away.base_url}/checkout/{HANDLE}")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "One moment, please" in answer.text
    assert 'href="" data-again="2"' in answer.text


async def test_whoever_sent_a_form_meanwhile_looks_at_the_checkout_again_and_sends_nothing_twice(away: House) -> None:
    answer = await away.http.post(f"{away.base_url}/checkout/{HANDLE}/choose", data={"bank": "1"})
    assert answer.status_code == 503
    assert f'href="/checkout/{HANDLE}" data-again' in answer.text
