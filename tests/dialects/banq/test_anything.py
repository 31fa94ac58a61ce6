"""A request with any one value replaced by anything is taken or refused with a complaint; it never breaks us."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx2
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.banq import PUBLIC_CLIENT, Banq

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
    | st.sampled_from(["", "0", "-1", "1e400", "\x00", "\ud800", "9" * 40, "1" * 3000, "\u202e", "null", "monthly"])
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a value."""
    for step, inner in value.items() if isinstance(value, dict) else ():
        yield (*way, step)
        yield from places(inner, (*way, step))


def replaced(body: dict[str, Any], way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    inside: Any = changed
    for step in way[:-1]:
        inside = inside[step]
    inside[way[-1]] = value
    return changed


def throw(url: str, token: str, body: dict[str, Any], examples: int, allowed: set[int]) -> set[int]:
    seen = set()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    with httpx2.Client(trust_env=False, timeout=30) as http:

        @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(way=st.sampled_from(list(places(body))), value=ANYTHING)
        def once(way: tuple[Any, ...], value: Any) -> None:
            answer = http.post(url, content=json.dumps(replaced(body, way, value)).encode(), headers=headers)
            seen.add(answer.status_code)
            assert answer.status_code in allowed, (way, value, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]

        once()
    return seen


async def test_a_payment_with_any_value_replaced(banq: Banq) -> None:
    body = banq.order(startDate="2031-12-24", endDate="2032-12-24", currency="EUR")
    url = banq.api + "v1/payments/get-paid-link"
    seen = await asyncio.to_thread(throw, url, await banq.token(), body, 200, {201, 400})
    assert seen == {201, 400}


async def test_a_webhook_with_any_value_replaced(banq: Banq) -> None:
    body = {"url": "http://127.0.0.1:1/x", "enabled": True, "retryCount": 5, "webHookTypes": ["payment"]}
    seen = await asyncio.to_thread(throw, banq.api + banq.config, await banq.token(), body, 100, {200, 201, 400})
    assert {200, 400} <= seen


async def test_a_login_with_any_value_replaced(banq: Banq) -> None:
    body = banq.user_login()
    assert body["client_id"] == PUBLIC_CLIENT
    await asyncio.to_thread(throw, banq.token_url, "none", body, 80, {200, 400, 401, 403, 429, 501})
