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

from tests.server import IBAN, REDIRECT_URI, House, order

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
    | st.sampled_from(["", "0", "-1", "1e400", "\x00", "\ud800", "9" * 40, "1" * 3000, "\u202e", "null", IBAN, "EUR"])
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)

IDENTITY = {"kind": "corporate", "org_name": "Shop", "scheme_name": "siren", "identification": "123456782"}
PAYER = {"kind": "individual", "first_name": "Ada", "last_name": "Martin", "birth_date": "1970-01-01", "pep": False}


def full_payment() -> dict[str, Any]:
    body = order(kind="deferred", payer_identity=PAYER, operator_identity=IDENTITY)
    body["payer"] = {"scheme_name": "iban", "identification": IBAN, "label": "Ada Martin", "issuer": "BDFEFRPPXXX"}
    instruction = {"execution_date": "2031-12-24", "reference_id": "ORDER-1", "beneficiary_identity": IDENTITY}
    body["instructions"][0] |= instruction
    return body


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
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
            if answer.status_code != 200:
                assert answer.json()["code"]
                assert answer.json()["description"]

        once()
    return seen


async def test_a_payment_with_any_value_replaced(house: House) -> None:
    # 401 is how a feature that is not enabled is worded (PU31).
    seen = await asyncio.to_thread(
        throw, f"{house.api}/payments", await house.token(), full_payment(), 200, {200, 400, 401}
    )
    assert {200, 400} <= seen


async def test_an_update_with_any_value_replaced(house: House) -> None:
    payment = await house.pay()
    body = {
        "validated": False,
        "connector_uuid": house.test_bank,
        "id_connector": 59,
        "validate_mechanism": "webauth",
        "webview_url": REDIRECT_URI,
        "fields": {"use_case_pay": "redirect"},
        "payer": {"scheme_name": "iban", "identification": IBAN, "label": "Ada"},
        "website": "x",
    }
    url = f"{house.api}/payments/{payment['id']}"
    seen = await asyncio.to_thread(throw, url, await house.token(), body, 100, {200, 400, 409})
    assert {200, 400} <= seen


async def test_credentials_with_any_value_replaced(house: House) -> None:
    body = {
        "grant_type": "client_credentials",
        "client_id": house.credentials.client_id,
        "client_secret": house.credentials.client_secret,
        "scope": ["payments:admin"],
    }
    await asyncio.to_thread(throw, f"{house.api}/auth/token", "none", body, 60, {200, 400, 401})
