"""The management of webhooks: register, sign, test, read the log, send again (section 7.4, PU33)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from opengiro.usecases.register_webhook import RegisterWebhook, register_webhook
from tests.server import House, until
from tests.workers.sink import Request, Sink, answer, sink

URL = "http://127.0.0.1:1/hook"


async def manage(house: House, method: str, path: str, body: Any = None) -> httpx2.Response:
    return await house.call(method, path, body, token=house.credentials.config_token)


async def provider(house: House, name: str = "shop") -> dict[str, Any]:
    made: dict[str, Any] = (
        await manage(house, "POST", "/webhooks/auth", {"type": "hmac_signature", "name": name})
    ).json()
    return made


async def register(house: House, url: str = URL, **more: Any) -> dict[str, Any]:
    body = {"url": url, "event": "PAYMENT_STATE_UPDATED", **more}
    made = await manage(house, "POST", "/webhooks", body)
    assert made.status_code == 200, made.text
    webhook: dict[str, Any] = made.json()
    return webhook


async def logs(house: House, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await manage(house, "GET", f"/webhooks/{webhook['id']}/logs")).json()["logs"]
    return found


async def arrived(receiver: Sink, count: int = 1) -> list[Request]:
    """Wait for so many deliveries."""

    async def look() -> bool:
        return len(receiver.requests) >= count

    await until(look)
    return receiver.requests


async def test_pu33_a_provider_shows_its_secret_when_it_is_made_and_never_again(house: House) -> None:
    made = await manage(house, "POST", "/webhooks/auth", {"type": "hmac_signature", "name": "shop"})
    assert (made.status_code, set(made.json())) == (200, {"id", "type", "name", "config"})
    assert set(made.json()["config"]) == {"secret_key"}
    expected = {"id": made.json()["id"], "type": "hmac_signature", "name": "shop"}
    assert (await manage(house, "GET", "/webhooks/auth")).json() == {"authproviders": [expected], "total": 1}
    assert (await manage(house, "GET", f"/webhooks/auth/{expected['id']}")).json() == expected


async def test_providers_are_also_reached_without_the_prefix(house: House) -> None:
    headers = {"authorization": f"Bearer {house.credentials.config_token}"}
    url = f"{house.base_url}/webhooks/auth?type=hmac_signature&name=query"
    made = await house.http.post(url, headers=headers)
    assert made.json()["name"] == "query"
    listed = await house.http.get(f"{house.base_url}/webhooks/auth", headers=headers)
    assert [one["name"] for one in listed.json()["authproviders"]] == ["query"]


async def test_a_provider_is_renamed_and_rotated(house: House) -> None:
    made = await provider(house)
    path = f"/webhooks/auth/{made['id']}"
    assert (await manage(house, "PUT", path, {"name": "till"})).json()["name"] == "till"
    rotated = (await manage(house, "POST", path, {"rotate": True})).json()
    assert (rotated["name"], rotated["config"] != made["config"]) == ("till", True)


async def test_a_provider_that_signs_for_a_webhook_cannot_be_deleted(house: House) -> None:
    made = await provider(house)
    webhook = await register(house, id_auth=made["id"])
    refused = await manage(house, "DELETE", f"/webhooks/auth/{made['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "still uses" in refused.json()["description"]
    assert (await manage(house, "DELETE", f"/webhooks/{webhook['id']}")).status_code == 204
    assert (await manage(house, "DELETE", f"/webhooks/auth/{made['id']}")).status_code == 204
    assert (await manage(house, "GET", f"/webhooks/auth/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "missingParameter"), ({"type": "oauth", "name": "x"}, "invalidValue"), ({"type": "hmac_signature",
      "name": "x" * 256}, "invalidValue")],
)  # fmt: skip
async def test_a_provider_we_cannot_make_is_refused(house: House, body: dict[str, str], code: str) -> None:
    answered = await manage(house, "POST", "/webhooks/auth", body)
    assert (answered.status_code, answered.json()["code"]) == (400, code)


@pytest.mark.parametrize("event", ["PAYMENT_STATE_UPDATED", "PAYMENT_STATE_UPDATE"])
async def test_pc17_both_spellings_of_the_event_register_it(house: House, event: str) -> None:
    made = (await manage(house, "POST", "/webhooks", {"url": URL, "event": event})).json()
    assert (made["event"], made["url"], made["deleted"], made["id_auth"]) == ("PAYMENT_STATE_UPDATED", URL, None, None)


async def test_registering_a_url_again_gives_the_same_webhook(house: House) -> None:
    made = await provider(house)
    first = await register(house)
    again = await register(house, id_auth="shop")  # a provider may be named by its name
    assert (again["id"], again["id_auth"]) == (first["id"], made["id"])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"event": "PAYMENT_STATE_UPDATED"}, "url"),
        ({"url": URL}, "event"),
        ({"url": URL, "event": "USER_CREATED"}, "event"),
        ({"url": "ftp://shop.test/", "event": "PAYMENT_STATE_UPDATED"}, "url"),
        ({"url": URL, "event": "PAYMENT_STATE_UPDATED", "id_auth": 99}, "id_auth"),
        ({"url": URL, "event": "PAYMENT_STATE_UPDATED", "id_auth": "nobody"}, "id_auth"),
    ],
)
async def test_a_webhook_that_cannot_work_is_refused_by_name(house: House, body: dict[str, Any], path: str) -> None:
    answered = await manage(house, "POST", "/webhooks", body)
    assert answered.status_code == 400
    assert answered.json()["description"].startswith(f"{path}: ")


async def test_a_webhook_is_pointed_elsewhere_and_deleted(house: House) -> None:
    webhook = await register(house)
    for method in ("PUT", "POST"):
        url = f"http://127.0.0.1:1/{method}"
        assert (await manage(house, method, f"/webhooks/{webhook['id']}", {"url": url})).json()["url"] == url
    assert (await manage(house, "GET", f"/webhooks/{webhook['id']}")).json()["url"] == "http://127.0.0.1:1/POST"
    assert (await manage(house, "DELETE", "/webhooks")).status_code == 204
    assert (await manage(house, "GET", "/webhooks")).json() == {"webhooks": [], "total": 0}
    assert (await manage(house, "GET", f"/webhooks/{webhook['id']}")).status_code == 404


async def test_another_merchants_webhook_does_not_exist(house: House) -> None:
    webhook = await register(house)
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/logs"), ("POST", "/deliveries/1/replay")):
        answered = await house.call(
            method,
            f"/webhooks/{webhook['id']}{path}",
            {} if method == "PUT" else None,
            token=house.stranger.config_token,
        )
        assert answered.status_code == 404


async def test_the_events_are_listed(house: House) -> None:
    (event,) = (await manage(house, "GET", "/webhooks_events")).json()["webhooks_events"]
    assert event["name"] == "PAYMENT_STATE_UPDATED"


async def test_a_payment_that_moves_is_told_signed_and_logged(house: House) -> None:
    made = await provider(house)
    async with sink(answer(200, b"thanks")) as receiver:
        webhook = await register(house, receiver.url, id_auth=made["id"])
        payment = await house.pay()
        await house.validate(payment["id"])
        told, *_ = await arrived(receiver)
        body = json.loads(told.body)
        assert (body["id"], body["sequence"], isinstance(body["id_webhook_data"], int)) == (payment["id"], 1, True)
        assert set(payment) < set(body)  # the bare payment
        message = f"POST.{urlsplit(receiver.url).path}.{told.headers['bi-signature-date']}.".encode() + told.body
        mac = hmac.digest(made["config"]["secret_key"].encode(), message, hashlib.sha256)
        assert told.headers["bi-signature"] == base64.b64encode(mac).decode()
        *_, entry = await until(lambda: logs(house, webhook))
    assert (entry["id_payment"], entry["response_status"], entry["response_body"]) == (payment["id"], 200, "thanks")
    assert json.loads(entry["request_body"]) == body
    assert made["config"]["secret_key"] not in json.dumps(entry)


async def test_a_test_delivery_comes_signed_and_is_of_no_payment(house: House) -> None:
    made = await provider(house)
    async with sink(answer(200)) as receiver:
        webhook = await register(house, receiver.url, id_auth=made["id"])
        (sent,) = (await manage(house, "POST", "/test/webhooks", {"id_webhook": webhook["id"]})).json()["deliveries"]
        (told,) = await arrived(receiver)
        body = json.loads(told.body)
        assert (body["id"], body["state"], body["id_webhook_data"]) == (0, "done", sent["id_webhook_data"])
        assert "bi-signature" in told.headers


async def test_a_delivery_is_sent_again_with_the_same_bytes(house: House) -> None:
    async with sink(answer(200)) as receiver:
        webhook = await register(house, receiver.url)
        (sent,) = (await manage(house, "POST", "/test/webhooks", {})).json()["deliveries"]
        await until(lambda: logs(house, webhook))
        path = f"/webhooks/{webhook['id']}/deliveries/{sent['id_webhook_data']}/replay"
        assert (await manage(house, "POST", path)).status_code == 200
        first, second = await arrived(receiver, 2)
        assert first.body == second.body


async def test_nothing_to_test_or_to_replay_is_not_found(house: House) -> None:
    assert (await manage(house, "POST", "/test/webhooks", {})).status_code == 404
    assert (await manage(house, "POST", "/test/webhooks", {"id_webhook": 5})).status_code == 404
    webhook = await register(house)
    assert (await manage(house, "POST", f"/webhooks/{webhook['id']}/deliveries/5/replay")).status_code == 404


async def test_a_webhook_that_hears_another_wire_does_not_exist_on_this_one(house: House) -> None:
    foreign = await register_webhook(
        house.core, RegisterWebhook(merchant_id=house.merchant_id, dialect="another", url=URL, actor="test")
    )
    assert (await manage(house, "GET", "/webhooks")).json()["webhooks"] == []
    assert (await manage(house, "GET", f"/webhooks/{foreign.webhook_id}")).status_code == 404
    assert (await manage(house, "POST", "/test/webhooks", {"id_webhook": foreign.webhook_id})).status_code == 404
    assert (await manage(house, "DELETE", "/webhooks")).status_code == 204
    assert [one.webhook_id for one in await house.core.store.webhooks.all(house.merchant_id)] == [foreign.webhook_id]
