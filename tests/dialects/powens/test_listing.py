"""`GET /payments`: every filter, order and page of the reference."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.server import IBAN, House, order

OTHER_IBAN = "DE89370400440532013000"
PAYER_IBAN = "NL91ABNA0417164300"


async def listed(house: House, **query: object) -> list[str]:
    """Return the client states of what is listed."""
    answer = await house.call("GET", f"/payments?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] >= len(answer.json()["payments"])
    return [one["client_state"] for one in answer.json()["payments"]]


async def make(house: House, name: str, amount: float = 1, count: int = 1, **changes: Any) -> dict[str, Any]:
    body = order(kind=changes.pop("kind", "instant"), amount=amount, client_state=name)
    body["instructions"] = body["instructions"] * count
    if "to" in changes:
        body["instructions"][0]["beneficiary"]["identification"] = changes.pop("to")
    if "date" in changes:
        body["instructions"][0]["execution_date"] = changes.pop("date")
    if "reference" in changes:
        body["instructions"][0]["reference_id"] = changes.pop("reference")
    answer = await house.call("POST", "/payments", {**body, **changes})
    assert answer.status_code == 200, answer.text
    await asyncio.sleep(0.002)  # ids of one millisecond have no order
    created: dict[str, Any] = answer.json()
    return created


async def test_payments_come_in_the_order_they_were_registered_unless_it_is_reversed(house: House) -> None:
    for name in ("a", "b", "c"):
        await make(house, name)
    assert await listed(house) == ["a", "b", "c"]
    assert await listed(house, reverse="true") == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("id", "abc"),
        ("register_date", "abc"),
        ("amount", "bca"),
        ("instruction_count", "acb"),
        ("execution_date_type", "cab"),
        ("state", "acb"),
        ("connectors", "acb"),
        ("validate_date", "acb"),
    ],
)
async def test_payments_are_ordered_by_what_is_asked_for(house: House, by: str, expected: str) -> None:
    await make(house, "a", amount=30)
    second = await make(house, "b", amount=5, count=2)
    await make(house, "c", amount=20, kind="deferred", date="2031-12-24")
    await house.validate(second["id"], fields={"use_case_pay": "redirect"})  # the only one with bank, date and state
    assert await listed(house, order_by=by) == list(expected)
    backwards = await listed(house, order_by=by, reverse="1")
    assert backwards == list(reversed(expected))


async def test_each_filter_leaves_over_what_it_says(house: House) -> None:
    first = await make(house, "plain")
    chosen = await make(house, "chosen", connector_uuid=house.test_bank)
    refused = await make(house, "refused", to=OTHER_IBAN, reference="REF-9")
    await make(house, "later", kind="deferred", date="2031-12-24")
    paid = await make(house, "paid", payer={"scheme_name": "iban", "identification": PAYER_IBAN})
    await house.call(
        "POST", f"/payments/{refused['id']}", {"cancel": True, "client_redirect_uri": first["client_redirect_uri"]}
    )
    done = await house.validate(paid["id"])
    assert (done["state"], chosen["connector_uuid"]) == ("done", house.test_bank)
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({"state": "created"}, ["plain", "chosen", "later"]),
        ({"state": "partial"}, []),
        ({"error_code": "CancelledByClient"}, ["refused"]),
        ({"error_code": "CANCELLEDBYCLIENT"}, ["refused"]),  # PC10
        ({"error_code": "unheardOf"}, []),
        ({"connector_uuid": house.test_bank}, ["chosen", "paid"]),
        ({"connector_uuid": house.test_bank.upper()}, ["chosen", "paid"]),
        ({"connector_uuid": "null"}, ["plain", "refused", "later"]),
        ({"id_connector": 59}, ["chosen", "paid"]),
        ({"id_connector": "null"}, ["plain", "refused", "later"]),
        ({"id_connector": 7}, []),
        ({"id_connector_source": 59}, ["chosen", "paid"]),
        ({"id_connector_source": "null"}, ["plain", "refused", "later"]),
        ({"bank_payment_id": done["bank_payment_id"]}, ["paid"]),
        ({"website": "x"}, []),
        ({"payer_identification": "nl91 abna 0417 1643 00"}, ["paid"]),
        ({"payer_identification": IBAN}, []),
        ({"beneficiary_identification": OTHER_IBAN}, ["refused"]),
        ({"reference_id": "REF-9"}, ["refused"]),
        ({"reference_id": paid["instructions"][0]["reference_id"]}, ["paid"]),
        ({"execution_date_type": "deferred"}, ["later"]),
        ({"country": "FR"}, ["chosen", "paid"]),
        ({"country": "be,fr"}, ["chosen", "paid"]),
        ({"country": "BE"}, []),
        ({"state": "created", "connector_uuid": "null", "execution_date_type": "instant"}, ["plain"]),
    ]
    for query, expected in cases:
        assert await listed(house, **query) == expected, query


async def test_dates_are_civil_dates_of_the_merchant_from_inclusive_to_exclusive(house: House) -> None:
    await make(house, "today")
    await house.move(timedelta(days=40))
    second = await make(house, "later")
    await house.validate(second["id"])
    start, day = house.now() - timedelta(days=40), timedelta(days=1)
    later = house.now().date().isoformat()
    assert await listed(house, min_date=(start - day).date()) == ["today", "later"]
    assert await listed(house, min_date=later[:7]) == ["later"]
    assert await listed(house, max_date=(start + 2 * day).date()) == ["today"]
    assert await listed(house, min_date="1999", max_date="2000") == []
    assert await listed(house, filter="validate_date", min_date=(start - day).date()) == ["later"]


@pytest.mark.parametrize(
    "query",
    [
        "state=paid",
        "order_by=label",
        "filter=date",
        "min_date=2031-13",
        "min_date=yesterday",
        "max_date=20311224",
        "limit=0",
        "limit=-1",
        "offset=x",
        "execution_date_type=soon",
        "id_connector=x",
    ],
)
async def test_a_parameter_that_means_nothing_is_named(house: House, query: str) -> None:
    answer = await house.call("GET", f"/payments?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert answer.json()["description"].startswith(query.partition("=")[0])


async def test_pu11_pages_have_a_total_and_links_to_their_neighbours(house: House) -> None:
    for name in ("a", "b", "c"):
        await make(house, name)
    page = (await house.call("GET", "/payments?limit=1&offset=1&state=created")).json()
    assert (page["total"], [one["client_state"] for one in page["payments"]]) == (3, ["b"])
    assert set(page["_links"]) == {"prev", "self", "next"}  # PC20
    assert page["_links"]["prev"]["href"] == f"{house.api}/payments?limit=1&offset=0&state=created"
    last = (await house.call("GET", "/payments?limit=2&offset=2")).json()
    assert last["_links"]["next"] is None
    assert (
        (await house.call("GET", "/payments?limit=100000"))
        .json()["_links"]["self"]["href"]
        .endswith("limit=1000&offset=0")
    )


async def test_a_page_tells_the_payers_next_step_as_a_read_does(house: House) -> None:
    waiting, other = [await make(house, name) for name in ("waiting", "waiting too")]
    for one in (waiting, other):
        await house.validate(one["id"], fields={"use_case_pay": "redirect"})
    await make(house, "not chosen")
    page = (await house.call("GET", "/payments")).json()["payments"]
    assert page == [(await house.call("GET", f"/payments/{one['id']}")).json() for one in page]
    assert [one["action"] for one in page] == ["redirect", "redirect", None]
    assert page[0]["validate_uri"] != page[1]["validate_uri"]
