"""`Idempotency-Key` over HTTP, as a client meets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.journeys.test_to_the_webhook import decide, uuid_of
from tests.server import REDIRECT_URI, Credentials, House, order


async def post(house: House, path: str, body: Any, key: str, who: Credentials | None = None) -> httpx2.Response:
    headers = {"authorization": f"Bearer {await house.token(who=who)}", "idempotency-key": key}
    return await house.http.post(house.api + path, json=body, headers=headers)


def choice(house: House, code: str = "horizon") -> dict[str, Any]:
    return {"validated": True, "connector_uuid": uuid_of(house, code), "webview_url": REDIRECT_URI}


async def test_the_same_creation_gets_the_same_bytes_even_after_the_payment_went_on(house: House) -> None:
    first = await post(house, "/payments", order(), "k-1")
    await house.validate(first.json()["id"])
    again = await post(house, "/payments", order(), "k-1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (await house.call("GET", "/payments")).json()["total"] == 1


async def test_the_same_validation_gets_the_same_bytes_even_after_the_payment_was_paid(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    first = await post(house, path, choice(house), "k-1")
    await decide(house, "horizon", first.json())
    await house.settle(payment["id"], "done")
    again = await post(house, path, choice(house), "k-1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.json()["state"] == "validating"


async def test_another_body_under_the_same_key_is_422_and_has_no_effect(house: House) -> None:
    await post(house, "/payments", order(), "k-1")
    assert (await post(house, "/payments", order("Order 2"), "k-1")).status_code == 422
    assert (await house.call("GET", "/payments")).json()["total"] == 1


async def test_a_call_that_still_runs_is_409_and_says_when_to_come_back(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    running = asyncio.create_task(post(house, path, choice(house, "escargot"), "k-1"))
    await asyncio.sleep(0.5)
    meanwhile = await post(house, path, choice(house, "escargot"), "k-1")
    assert meanwhile.status_code == 409
    assert int(meanwhile.headers["retry-after"]) > 0
    finished = await running
    again = await post(house, path, choice(house, "escargot"), "k-1")
    assert (again.status_code, again.content) == (finished.status_code, finished.content)


async def test_a_key_is_the_applications_own(house: House) -> None:
    answers = [await post(house, "/payments", order(), "k-1", who) for who in (None, house.sibling, house.stranger)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_a_refused_call_leaves_its_key_free(house: House) -> None:
    wrong = order(amount="-1")
    assert (await post(house, "/payments", wrong, "k-1")).status_code == 400
    assert (await post(house, "/payments", order(), "k-1")).status_code == 200


async def test_a_key_is_free_after_thirty_days(house: House) -> None:
    first = await post(house, "/payments", order(), "k-1")
    await house.move(timedelta(days=31))
    assert (await post(house, "/payments", order("Order 2"), "k-1")).json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", [b"", b"x" * 256, "é".encode(), b"a\tb"])
async def test_a_key_that_is_none_is_refused(house: House, key: bytes) -> None:
    headers = {b"authorization": f"Bearer {await house.token()}".encode(), b"idempotency-key": key}
    answer = await house.http.post(f"{house.api}/payments", json=order(), headers=headers)
    assert answer.status_code == 400


async def test_fifty_confirmations_over_http_leave_one_order_at_the_bank(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    answers = await asyncio.gather(*(post(house, path, choice(house), f"k-{number}") for number in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    ledger = (await house.http.get(f"{house.base_url}/sandbox/horizon/ledger")).json()
    assert [line["end_to_end_id"] for line in ledger["payments"]] == [payment["instructions"][0]["reference_id"]]


async def test_a_token_asked_for_twice_under_one_key_is_one_token(house: House) -> None:
    """A key works on every POST; where no token tells whose it is, the right credentials do."""
    shop = house.credentials
    body = {
        "grant_type": "client_credentials",
        "client_id": shop.client_id,
        "client_secret": shop.client_secret,
        "scope": "payments:admin",
    }
    url, headers = f"{house.api}/auth/token", {"idempotency-key": "t-1"}
    first = await house.http.post(url, json=body, headers=headers)
    again = await house.http.post(url, json=body, headers=headers)
    other = await house.http.post(url, json=body | {"scope": "payments:read-only"}, headers=headers)
    wrong = await house.http.post(url, json=body | {"client_secret": "guess"}, headers=headers)
    assert (first.status_code, again.content, other.status_code) == (200, first.content, 422)
    assert wrong.status_code == 401
