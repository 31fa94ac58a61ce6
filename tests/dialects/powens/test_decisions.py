"""Where the reference contradicts itself (PC) or is silent (PU), what we decided; those not told elsewhere."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from tests import engines
from tests.server import REDIRECT_URI, House, order, until
from tests.workers.sink import Sink, answer, sink

FORMS = ("/2.0/auth/webview/payment", "/2.0/auth/webview/de/payment", "/payment", "/fr/payment")


async def create(house: House, **changes: Any) -> dict[str, Any]:
    answered = await house.call("POST", "/payments", order(**changes))
    assert answered.status_code == 200, answered.text
    created: dict[str, Any] = answered.json()
    return created


async def configure(house: House, key: str, value: str) -> None:
    token = house.credentials.config_token
    assert (await house.call("POST", "/config", {key: value}, token=token)).status_code == 200


def webview(house: House, path: str, payment_id: int, code: str, **more: str) -> str:
    query = {"client_id": house.credentials.client_id, "code": code, "payment_id": str(payment_id), **more}
    return f"{house.base_url}{path}?{urlencode(query)}"


@pytest.mark.parametrize("kind", ["corporate", "non_profit", "government"])
async def test_pc2_recommended_fields_of_an_organisation_may_be_absent(house: House, kind: str) -> None:
    identity = {"kind": kind, "scheme_name": "incorporation_number", "identification": "12345"}
    assert (await create(house, payer_identity=identity))["payer_identity"]["kind"] == kind


async def test_pc1_pc3_a_siret_comes_back_as_it_was_sent(house: House) -> None:
    identity = {"kind": "corporate", "scheme_name": "siret", "identification": "01234567800000"}  # no valid checksum
    payment = await create(house, payer_identity=identity)
    shown = (await house.call("GET", f"/payments/{payment['id']}?show_sensitive=1")).json()["payer_identity"]
    assert (shown["scheme_name"], shown["identification"]) == ("siret", "01234567800000")


async def test_pc4_the_redirect_uri_and_state_stay_on_the_resource(house: House) -> None:
    payment = await create(house, client_state=None)
    assert (payment["client_redirect_uri"], payment["client_state"]) == (REDIRECT_URI, None)


async def test_pc7_a_payment_token_says_when_it_ends(house: House) -> None:
    payment = await create(house)
    scoped = await house.call("POST", f"/payments/{payment['id']}/scopedtoken", {"scope": "payments:validate"})
    assert list(scoped.json()) == ["token", "scope", "expires_in", "id_payment"]


async def test_pc9_fields_are_an_array_even_when_nothing_is_asked(house: House) -> None:
    assert (await create(house))["fields"] == []


async def test_pc11_stray_keys_of_official_samples_mean_what_they_seem_to(house: House) -> None:
    body = order(uuid=house.test_bank, use_case_pay="otp_sms")
    body["instructions"][0]["beneficiary"] |= {"scheme_iban": True, "scheme_name": None}
    payment = (await house.call("POST", "/payments", body)).json()
    assert payment["connector_uuid"] == house.test_bank
    assert payment["instructions"][0]["beneficiary"]["scheme_name"] == "iban"
    path = f"/payments/{payment['id']}"
    update = {"validated": True, "webview_url": REDIRECT_URI, "validation_mechanism": "credentials"}
    assert "validate_mechanism" in (await house.call("POST", path, update)).json()["description"]  # PC12
    validated = (await house.call("POST", path, {**update, "validation_mechanism": "webauth"})).json()
    assert validated["action"] == "additionalInformationNeeded"


async def test_a_bank_may_be_named_by_its_deprecated_number(house: House) -> None:
    assert (await create(house, id_connector=59))["connector_uuid"] == house.test_bank
    refused = await house.call("POST", "/payments", order(id_connector=7))
    assert refused.json()["description"].startswith("id_connector: ")


@pytest.mark.parametrize(("systematic", "told"), [("1", 2), ("0", 0)])
async def test_pc16_changes_that_a_call_caused_are_told_unless_background_only(
    house: House, systematic: str, told: int
) -> None:
    await configure(house, "payment.state_updated_webhook.systematic", systematic)
    async with sink(answer(200)) as receiver:
        body = {"url": receiver.url, "event": "PAYMENT_STATE_UPDATED"}
        await house.call("POST", "/webhooks", body, token=house.credentials.config_token)
        await house.validate((await create(house))["id"])
        marker = await create(house, label="pdng/done - x")
        await house.validate(marker["id"])
        await house.move(timedelta(seconds=16))
        await house.settle(marker["id"], "done")
        seen = await _last_of(receiver, marker["id"], "done")
    mine = [one for one in seen if one["id"] != marker["id"]]
    assert len(mine) == told


async def _last_of(receiver: Sink, payment_id: int, state: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        seen = [json.loads(one.body) for one in receiver.requests]
        return seen if any((one["id"], one["state"]) == (payment_id, state) for one in seen) else []

    return await until(look)


@pytest.mark.parametrize("path", FORMS)
async def test_pu30_pc25_every_form_of_the_webview_opens_with_or_without_a_language(house: House, path: str) -> None:
    payment = await create(house)
    url = webview(house, path, payment["id"], await house.scoped(payment["id"]), redirect_uri=REDIRECT_URI)
    opened = await house.http.get(url)
    assert (opened.status_code, "/checkout/" in opened.headers["location"]) == (303, True)


async def test_pc26_the_domain_of_a_webview_is_optional_and_ignored(house: House) -> None:
    payment = await create(house)
    code = await house.scoped(payment["id"])
    for domain in ("shop.biapi.pro", "another.biapi.pro"):
        url = webview(house, "/en/payment", payment["id"], code, domain=domain)
        assert (await house.http.get(url)).status_code == 303


async def test_pu34_a_link_opens_again_while_its_token_is_good(house: House) -> None:
    payment = await create(house)
    url = webview(house, "/payment", payment["id"], await house.scoped(payment["id"]))
    first, second = await house.http.get(url), await house.http.get(url)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["location"] != second.headers["location"]
    await house.move(timedelta(days=7, seconds=1))
    late = await house.http.get(url)
    assert (late.status_code, late.headers["content-type"]) == (400, "text/html; charset=utf-8")


async def test_pu3_dates_and_times_are_those_of_paris_without_saying_so(house: House) -> None:
    printed = datetime.strptime((await create(house))["register_date"], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    paris = house.now().astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None)
    assert timedelta() <= paris - printed < timedelta(seconds=60)


async def test_pu5_tokens_are_opaque_long_and_kept_as_hashes(house: House) -> None:
    tokens = [await house.token("payments:admin"), await house.token("payments:validate")]
    assert len(set(tokens)) == 2
    files = engines.stolen(house.data)
    for token in tokens:
        assert re.fullmatch(r"[A-Za-z0-9_-]{43,}", token)
        assert token.encode() not in files


async def test_pu14_a_sort_code_and_account_come_back_as_fourteen_digits(house: House) -> None:
    body = order()
    beneficiary = {"scheme_name": "sort_code_account_number", "identification": "20-00-00 5577 9911", "label": "Shop"}
    body["instructions"][0] |= {"currency": "GBP", "beneficiary": beneficiary}
    payment = (await house.call("POST", "/payments", body)).json()
    assert payment["instructions"][0]["beneficiary"]["identification"] == "20000055779911"
    assert payment["instructions"][0]["currency"]["id"] == "GBP"
    body["instructions"][0]["beneficiary"] = {**beneficiary, "identification": "20-00-00 5577 991"}
    assert (await house.call("POST", "/payments", body)).json()["code"] == "invalidValue"


async def test_pu15_a_label_comes_back_composed_and_otherwise_as_given(house: House) -> None:
    assert (await create(house, label="Cafe\u0301 n° 5 😀"))["instructions"][0]["label"] == "Café n° 5 😀"


async def test_pu16_references_are_longer_in_sepa_than_in_faster_payments(house: House) -> None:
    body = order()
    body["instructions"][0]["reference_id"] = "x" * 31
    assert (await house.call("POST", "/payments", body)).json()["instructions"][0]["reference_id"] == "x" * 31


async def test_pu24_webhooks_carry_no_sensitive_identity_data(house: House) -> None:
    async with sink(answer(200)) as receiver:
        body = {"url": receiver.url, "event": "PAYMENT_STATE_UPDATED"}
        await house.call("POST", "/webhooks", body, token=house.credentials.config_token)
        identity = {"kind": "individual", "first_name": "Zebulon", "last_name": "Quagga", "email": "z@quagga.test"}
        payment = await create(house, payer_identity=identity)
        await house.validate(payment["id"])
        seen = await _last_of(receiver, payment["id"], "done")
    assert seen[0]["payer_identity"] == {"kind": "individual"}
    assert not any(b"Zebulon" in one.body or b"uagga" in one.body for one in receiver.requests)


@pytest.mark.parametrize(("kind", "date", "days"), [("instant", None, 31), ("deferred", 10, 41)])
async def test_pu26_what_nobody_validates_expires_days_after_it_was_due(
    house: House, kind: str, date: int | None, days: int
) -> None:
    body = order(kind=kind)
    if date is not None:
        due = house.now().date() + timedelta(days=date)
        body["instructions"][0]["execution_date"] = due.isoformat()
    payment = (await house.call("POST", "/payments", body)).json()
    await house.move(timedelta(days=days - 2))
    assert (await house.call("GET", f"/payments/{payment['id']}")).json()["state"] == "created"
    await house.move(timedelta(days=2))
    expired = await house.settle(payment["id"], "expired")
    assert (expired["error_code"], expired["action"]) == (None, None)


async def test_pu26_the_number_of_days_is_the_merchants(house: House) -> None:
    await configure(house, "payment.manual_expire_time_days", "1")
    payment = await create(house)
    await house.move(timedelta(days=1, hours=25))
    assert (await house.settle(payment["id"], "expired"))["state"] == "expired"
