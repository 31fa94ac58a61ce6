"""Connectors: what published clients require, what the query leaves over, and who may ask for whose payment."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from opengiro.domain.banks import Bank
from opengiro.domain.payment import Execution
from tests.server import House

REQUIRED = {"id": int, "uuid": str, "name": str, "charged": bool, "beta": bool, "restricted": bool}
ARRAYS = (
    "available_validate_mechanisms", "beneficiary_types", "execution_date_types", "bulk_execution_date_types",
    "execution_frequencies", "partial_status_tracking", "transfer_date_types_where_trusted_beneficiary_required",
)  # fmt: skip


async def listed(house: House, query: str = "", token: str | None = "") -> list[dict[str, Any]]:
    answer = await house.call("GET", f"/connectors{query}", token=token)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["connectors"]
    return found


async def add_bank(house: House, **changes: Any) -> Bank:
    known = house.core.store.banks.get(house.test_bank)
    assert known is not None
    bank = replace(known, bank_id=str(uuid.uuid4()), number=900, slug=None, **{"name": "Banque Neuve", **changes})
    await house.core.store.banks.save([bank])
    return bank


async def test_every_connector_has_what_published_clients_require(house: House) -> None:
    for connector in await listed(house):
        assert {key: type(connector[key]) for key in REQUIRED} == REQUIRED
        settings = connector["payment_settings"]
        assert all(isinstance(settings[key], list) for key in ARRAYS)
        assert "pay" in connector["products"]


async def test_pc28_limits_are_an_object_only_where_there_are_limits(house: House) -> None:
    limited = {Execution.INSTANT: 1_500_050}
    bank = await add_bank(house, maximum_minor=limited)
    answer = await house.call("GET", f"/connectors/{bank.bank_id}", token="")
    settings = answer.json()["payment_settings"]
    assert '"maximum_amount":{"instant":15000.5000000000}' in answer.text
    assert settings["minimum_amount"] is None


async def test_deprecated_names_carry_the_same_list_under_their_own_key(house: House) -> None:
    connectors = await listed(house)
    for name in ("banks", "providers"):
        answer = (await house.call("GET", f"/{name}", token="")).json()
        assert answer == {name: connectors, "total": len(connectors)}


async def test_countries_leave_over_the_banks_of_any_of_them(house: House) -> None:
    bank = await add_bank(house, countries=("MT", "CY"))
    assert [one["uuid"] for one in await listed(house, "?country_codes=cy,PT")] == [bank.bank_id]
    assert await listed(house, "?country_codes=PT") == []


async def test_hidden_banks_are_listed_only_when_all_are_asked_for(house: House) -> None:
    bank = await add_bank(house, hidden=True)
    assert bank.bank_id not in [one["uuid"] for one in await listed(house)]
    assert bank.bank_id in [one["uuid"] for one in await listed(house, "?all=true")]
    assert (await house.call("GET", f"/connectors/{bank.number}", token="")).json()["hidden"] is True


async def test_a_list_is_cut_into_pages_beside_its_total(house: House) -> None:
    everything = await listed(house)
    page = (await house.call("GET", "/connectors?limit=2&offset=1", token="")).json()
    assert (page["connectors"], page["total"]) == (everything[1:3], len(everything))


async def test_a_payment_leaves_over_the_banks_that_can_execute_it(house: House) -> None:
    slow = await add_bank(house, executions=(Execution.FIRST_OPEN_DAY,))
    payment = await house.pay(kind="instant")
    fitting = [one["uuid"] for one in await listed(house, f"?id_payment={payment['id']}", None)]
    assert house.test_bank in fitting
    assert slow.bank_id not in fitting


async def test_without_a_token_the_host_names_the_merchant_of_the_payment(house: House) -> None:
    payment = await house.pay()
    url = f"{house.api}/connectors?id_payment={payment['id']}"
    named = await house.http.get(url, headers={"host": "shop.localhost"})
    assert named.status_code == 200
    for host in ("other.localhost", "127.0.0.1", "nobody.localhost"):
        assert (await house.http.get(url, headers={"host": host})).status_code == 404


@pytest.mark.parametrize("number", ["0", "x", "-1", "99999999999999999999"])
async def test_a_payment_that_is_none_is_not_found(house: House, number: str) -> None:
    assert (await house.call("GET", f"/connectors?id_payment={number}")).status_code == 404


async def test_nobody_learns_which_banks_suit_another_clients_payment(house: House) -> None:
    payment = await house.pay()
    for stranger in (house.sibling, house.stranger):
        token = await house.token(who=stranger)
        assert (await house.call("GET", f"/connectors?id_payment={payment['id']}", token=token)).status_code == 404


async def test_a_payment_token_sees_the_banks_of_its_own_payment_only(house: House) -> None:
    first, second = await house.pay(), await house.pay()
    token = await house.scoped(first["id"], "payments:validate")
    assert (await house.call("GET", f"/connectors?id_payment={first['id']}", token=token)).status_code == 200
    assert (await house.call("GET", f"/connectors?id_payment={second['id']}", token=token)).status_code == 404


async def test_expansions_are_absent_until_they_are_asked_for(house: House) -> None:
    names = ("payment_fields", "fields", "sources", "countries", "urls")
    plain = (await house.call("GET", f"/connectors/{house.test_bank}", token="")).json()
    assert not set(names) & set(plain)
    full = (await house.call("GET", f"/connectors/{house.test_bank}?expand={','.join(names)}", token="")).json()
    assert all(isinstance(full[name], list) for name in names)
    nested = (await house.call("GET", f"/connectors/{house.test_bank}?expand=sources[x],nonsense", token="")).json()
    assert set(nested) - set(plain) == {"sources"}


async def test_the_test_bank_offers_its_scenarios_as_a_field(house: House) -> None:
    answer = (await house.call("GET", f"/connectors/{house.test_bank}?expand=payment_fields", token="")).json()
    (field,) = answer["payment_fields"]
    assert (field["name"], field["type"], field["required"]) == ("use_case_pay", "list", False)
    assert (field["auth_mechanisms"], field["connector_sources"]) == (["webauth"], ["openapi"])
    scenarios = {one["value"] for one in field["values"]}
    assert {"legacy", "redirect", "decoupled_expired", "account_choice"} <= scenarios


async def test_a_connector_is_found_by_uuid_in_any_case_and_by_number(house: House) -> None:
    by_number = (await house.call("GET", "/connectors/59", token="")).json()
    by_uuid = (await house.call("GET", f"/connectors/{house.test_bank.upper()}", token="")).json()
    assert by_number == by_uuid
    for unknown in ("60000", "nonsense", "00000000-0000-0000-0000-000000000000"):
        answer = await house.call("GET", f"/connectors/{unknown}", token="")
        assert (answer.status_code, answer.json()["code"]) == (404, "notFound")


async def test_a_connector_has_one_source_with_its_own_number(house: House) -> None:
    answer = (await house.call("GET", f"/connectors/{house.test_bank}/sources", token="")).json()
    (source,) = answer["sources"]
    assert (source["id"], source["name"], answer["total"]) == (59, "openapi", 1)
    path = f"/connectors/{house.test_bank}/sources"
    assert (await house.call("GET", f"{path}/59", token="")).json() == source
    assert (await house.call("GET", f"{path}/60", token="")).status_code == 404


async def test_top_lists_the_banks_payers_chose_lately_most_used_first(house: House) -> None:
    bank = await add_bank(house)
    for chosen in (house.test_bank, bank.bank_id, bank.bank_id):
        await house.validate((await house.pay())["id"], chosen)
    assert [one["uuid"] for one in await listed(house, "?top=10&top_key=payments", None)] == [
        bank.bank_id,
        house.test_bank,
    ]
    assert [one["uuid"] for one in await listed(house, "?top=1", None)] == [bank.bank_id]
    token = await house.token(who=house.stranger)
    assert await listed(house, "?top=10", token) == []


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "top=many", "top_key=logins"])
async def test_a_wrong_parameter_is_named(house: House, query: str) -> None:
    answer = await house.call("GET", f"/connectors?{query}", token="")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert query.partition("=")[0] in answer.json()["description"]


async def test_a_token_that_is_wrong_is_refused_although_none_is_needed(house: House) -> None:
    assert (await house.call("GET", "/connectors", token="garbage")).status_code == 401
