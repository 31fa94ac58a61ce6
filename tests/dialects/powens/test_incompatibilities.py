"""Why connectors do not fit a payment: the reasons, with both values, and which connector is meant."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opengiro.domain.payment import Execution
from tests.server import House, order


async def reasons(house: House, payment_id: int, bank_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = await house.call("GET", f"/payments/{payment_id}/incompatibilities{query}")
    assert answer.status_code == 200
    found: list[list[dict[str, Any]]] = [one["reasons"] for one in answer.json() if one["connector_uuid"] == bank_id]
    return found[0] if found else []


async def narrow_bank(house: House, **changes: Any) -> str:
    known = house.core.store.banks.get(house.test_bank)
    assert known is not None
    bank = replace(known, bank_id=str(uuid.uuid4()), number=901, **changes)
    await house.core.store.banks.save([bank])
    return bank.bank_id


@pytest.mark.parametrize(
    ("bank", "payment", "code", "of_bank", "of_payment"),
    [
        ({"maximum_minor": {Execution.INSTANT: 1000}}, {"amount": 10.01}, "maxAmount", 10, 10.01),
        ({"minimum_minor": {Execution.INSTANT: 1000}}, {"amount": 9.99}, "minAmount", 10, 9.99),
        ({"executions": (Execution.DEFERRED,)}, {}, "nspDateType", ["deferred"], "instant"),
    ],
)
async def test_each_rule_is_told_with_the_banks_value_and_the_payments(
    house: House, bank: dict[str, Any], payment: dict[str, Any], code: str, of_bank: object, of_payment: object
) -> None:
    bank_id = await narrow_bank(house, **bank)
    created = (await house.call("POST", "/payments", order(**payment))).json()
    (reason,) = await reasons(house, created["id"], bank_id)
    assert (reason["code"], reason["type"]) == (code, "incompatible")
    assert (reason["value_connector"], reason["value_payment"]) == (of_bank, of_payment)


@pytest.mark.parametrize(("instructions_max", "code"), [(1, "nspBulk"), (2, "maxBulk")])
async def test_bulk_is_told_from_a_bulk_that_is_too_large(house: House, instructions_max: int, code: str) -> None:
    bank_id = await narrow_bank(house, instructions_max=instructions_max)
    payment = await house.pay(instructions=order()["instructions"] * 3)
    (reason,) = await reasons(house, payment["id"], bank_id)
    assert (reason["code"], reason["value_connector"], reason["value_payment"]) == (code, instructions_max, 3)


async def test_a_date_too_far_away_is_counted_in_days(house: House) -> None:
    bank_id = await narrow_bank(house, date_delta_days_max=30)
    body = order(kind="deferred")
    body["instructions"][0]["execution_date"] = (house.now().date() + timedelta(days=31)).isoformat()
    payment = (await house.call("POST", "/payments", body)).json()
    (reason,) = await reasons(house, payment["id"], bank_id)
    assert (reason["code"], reason["value_connector"], reason["value_payment"]) == ("maxDateDelta", 30, 31)


async def test_what_the_payer_can_still_mend_is_a_warning(house: House) -> None:
    payment = await house.pay()
    entries = (await house.call("GET", f"/payments/{payment['id']}/incompatibilities")).json()
    (warning,) = [one for one in entries if one["type"] == "warning"]
    assert [one["code"] for one in warning["reasons"]] == ["nspPayer"]


async def test_pu12_an_entry_says_which_connector_it_is_about(house: House) -> None:
    payment = await house.pay()
    for entry in (await house.call("GET", f"/payments/{payment['id']}/incompatibilities")).json():
        connector = (await house.call("GET", f"/connectors/{entry['connector_uuid']}", token="")).json()
        assert connector["id"] == entry["id_connector"]


async def test_hidden_connectors_are_told_about_when_all_are_asked_for(house: House) -> None:
    bank_id = await narrow_bank(house, hidden=True, executions=(Execution.DEFERRED,))
    payment = await house.pay()
    assert await reasons(house, payment["id"], bank_id) == []
    assert len(await reasons(house, payment["id"], bank_id, "?all=1")) == 1
