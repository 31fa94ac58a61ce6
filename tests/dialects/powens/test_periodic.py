"""Periodic payments on the powens wire: off unless switched on, exactly one instruction, printed back as agreed."""

from typing import Any

import pytest

from tests.server import House, order


async def enable(house: House) -> None:
    body = {"payment.periodic.enabled": "1"}
    answer = await house.call("POST", "/config", body, token=house.credentials.config_token)
    assert answer.status_code == 200


def periodic(**changes: Any) -> dict[str, Any]:
    dates = {"execution_date_type": "periodic", "start_date": "2031-01-31", "frequency": "monthly"}
    instruction = order()["instructions"][0] | dates | changes
    return {name: value for name, value in instruction.items() if value is not None}


async def create(house: House, *instructions: dict[str, Any]) -> Any:
    return await house.call("POST", "/payments", order(instructions=list(instructions)))


async def test_periodic_payments_are_off_until_the_merchant_switches_them_on(house: House) -> None:
    refused = await create(house, periodic())
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert "periodic is not enabled" in refused.json()["description"]
    await enable(house)
    assert (await create(house, periodic())).status_code == 200


async def test_the_dates_are_printed_back_as_they_were_agreed(house: House) -> None:
    await enable(house)
    created = (await create(house, periodic(end_date="2031-12-31"))).json()
    read = (await house.call("GET", f"/payments/{created['id']}")).json()
    assert read == created
    names = ("execution_date_type", "start_date", "end_date", "frequency", "execution_date", "exec_date")
    (instruction,) = read["instructions"]
    assert [instruction[name] for name in names] == ["periodic", "2031-01-31", "2031-12-31", "monthly", None, None]


async def test_an_open_end_is_printed_as_null(house: House) -> None:
    await enable(house)
    (instruction,) = (await create(house, periodic())).json()["instructions"]
    assert (instruction["start_date"], instruction["end_date"]) == ("2031-01-31", None)


@pytest.mark.parametrize(
    ("sent", "printed"),
    [
        *((word, word) for word in ("daily", "weekly", "two-weekly", "monthly", "two-monthly", "quarterly")),
        *((word, word) for word in ("four-monthly", "semiannually", "yearly")),
        ("biannual", "semiannually"),  # PC24
        ("bimonthly", "two-weekly"),  # PC24
    ],
)
async def test_every_frequency_is_taken_and_only_documented_ones_are_printed(
    house: House, sent: str, printed: str
) -> None:
    await enable(house)
    (instruction,) = (await create(house, periodic(frequency=sent))).json()["instructions"]
    assert instruction["frequency"] == printed


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"start_date": None}, "missingParameter", "instructions[0].start_date"),
        ({"frequency": None}, "missingParameter", "instructions[0].frequency"),
        ({"frequency": "hourly"}, "invalidValue", "instructions[0].frequency"),
        ({"start_date": "2031-02-30"}, "invalidValue", "instructions[0].start_date"),
        ({"end_date": "2031-01-30"}, "invalidValue", "instructions[0].end_date"),
        ({"start_date": "2020-01-01", "end_date": "2020-12-31"}, "invalidValue", "instructions[0].end_date"),
        ({"execution_date": "2031-01-31"}, "invalidValue", "instructions[0].execution_date"),
        ({"execution_date_type": "instant"}, "invalidValue", "instructions[0].start_date"),
    ],
)
async def test_bad_dates_are_refused_by_their_path(house: House, changes: dict[str, Any], code: str, path: str) -> None:
    await enable(house)
    refused = await create(house, periodic(**changes))
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert path in refused.json()["description"]


async def test_a_periodic_payment_has_exactly_one_instruction(house: House) -> None:
    await enable(house)
    refused = await create(house, periodic(), periodic())
    assert refused.status_code == 400
    assert "exactly one for a periodic payment" in refused.json()["description"]


async def test_connectors_list_the_frequencies_they_take(house: House) -> None:
    listed = (await house.call("GET", "/connectors", token="")).json()["connectors"]
    settings = {one["name"]: one["payment_settings"] for one in listed}
    taken = settings["Connecteur de test"]["execution_frequencies"]
    assert taken == [
        *("daily", "weekly", "two-weekly", "monthly", "two-monthly", "quarterly"),
        *("four-monthly", "semiannually", "yearly"),
    ]
    assert "periodic" in settings["Horizon Bleu"]["execution_date_types"]
    polder = settings["Polderbank"]
    assert ("periodic" in polder["execution_date_types"], polder["execution_frequencies"]) == (False, [])


async def test_banks_without_standing_orders_are_not_offered(house: House) -> None:
    await enable(house)
    created = (await create(house, periodic())).json()
    fitting = (await house.call("GET", f"/connectors?id_payment={created['id']}")).json()["connectors"]
    names = {one["name"] for one in fitting}
    assert {"Connecteur de test", "Horizon Bleu", "Zwin Bank"} <= names
    assert names.isdisjoint({"Polderbank", "Crédit Mercure"})
