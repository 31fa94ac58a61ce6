"""Settings: text by key, each with its own rule, changed all or none, and remembered by who changed them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.server import House, order


async def config(house: House, body: Any = None, query: str = "") -> httpx2.Response:
    method = "GET" if body is None else "POST"
    return await house.call(method, f"/config{query}", body, token=house.credentials.config_token)


async def test_settings_hold_their_defaults_until_they_are_changed(house: House) -> None:
    held = (await config(house)).json()
    assert held["payment.max_amount"] == "0"
    assert held["payment.manual_expire_time_days"] == "30"
    assert held["payment.auto_confirmation"] == "1"
    assert (await config(house, {"payment.max_amount": "10.50"})).json() == {"payment.max_amount": "10.50"}
    assert (await config(house)).json() == {**held, "payment.max_amount": "10.50"}


async def test_a_search_leaves_over_keys_that_contain_it(house: House) -> None:
    found = (await config(house, query="?search=compression")).json()
    assert found == {"webhooks.compression.enabled": "0"}


async def test_pc18_both_spellings_set_one_option_under_its_first_name(house: House) -> None:
    changed = (await config(house, {"webhooks.compressions.enabled": "1"})).json()
    assert changed == {"webhooks.compression.enabled": "1"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("payment.max_amount", "-1"),
        ("payment.max_amount", "1e9"),
        ("payment.max_amount", "10.505"),
        ("payment.max_amount", "\u0661\u0660"),
        ("payment.manual_expire_time_days", "0"),
        ("payment.manual_expire_time_days", "1.5"),
        ("payment.auto_confirmation", "true"),
        ("payment.state_updated_webhook.systematic", ""),
        ("payment.terms.language", "English"),
        ("payment.maximum_amount", "10"),
    ],
)
async def test_a_wrong_setting_is_refused_by_its_key_and_changes_nothing(house: House, key: str, value: str) -> None:
    before = (await config(house)).json()
    answer = await config(house, {"biapi.manager.email": "a@shop.test", key: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert answer.json()["description"].startswith(f"{key}: ")
    assert (await config(house)).json() == before


@pytest.mark.parametrize("body", [{"payment.max_amount": 10}, {"payment.max_amount": None}, [], "text"])
async def test_values_are_text(house: House, body: Any) -> None:
    assert (await config(house, body)).json()["code"] == "invalidValue"


async def test_nothing_to_change_is_said(house: House) -> None:
    answer = await config(house, {})
    assert (answer.status_code, answer.json()["code"]) == (400, "missingParameter")


async def test_settings_may_come_as_a_form_or_in_the_query(house: House) -> None:
    headers = {"authorization": f"Bearer {house.credentials.config_token}"}
    form = await house.http.post(f"{house.api}/config", data={"payment.max_amount": "7"}, headers=headers)
    assert form.json() == {"payment.max_amount": "7"}
    query = await house.http.post(f"{house.api}/config?payment.max_amount=8", headers=headers)
    assert query.json() == {"payment.max_amount": "8"}


async def test_the_log_tells_what_each_setting_was_and_became(house: House) -> None:
    await config(house, {"payment.max_amount": "10"})
    await config(house, {"payment.max_amount": "20"})
    newest, oldest = (await config(house, query="/logs")).json()["logs"]
    assert (oldest["key"], oldest["old_value"], oldest["new_value"]) == ("payment.max_amount", None, "10")
    assert (newest["key"], newest["old_value"], newest["new_value"]) == ("payment.max_amount", "10", "20")
    assert [one["id"] for one in (await config(house, query="/logs?limit=1")).json()["logs"]] == [newest["id"]]


async def test_pc27_an_amount_above_the_maximum_is_refused(house: House) -> None:
    await config(house, {"payment.max_amount": "10"})
    answer = await house.call("POST", "/payments", order(amount=10.01))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert "instructions[0].amount" in answer.json()["description"]
    assert (await house.call("POST", "/payments", order(amount="10.00"))).status_code == 200


async def test_settings_are_one_merchants_own(house: House) -> None:
    await config(house, {"payment.max_amount": "10"})
    others = await house.call("GET", "/config?search=max_amount", token=house.stranger.config_token)
    assert others.json() == {"payment.max_amount": "0"}


async def test_a_service_token_opens_no_settings(house: House) -> None:
    for method, path in (("GET", "/config"), ("POST", "/config"), ("GET", "/config/logs")):
        answer = await house.call(method, path, {"payment.max_amount": "1"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
