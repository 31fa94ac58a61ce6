"""Webhooks of this wire at a real receiver: what is told, in which order, how often, and signed how (BD22-BD26)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from opengiro.domain.deliveries import Stage
from opengiro.domain.signing import standard_signature
from tests.banq import USER, Banq
from tests.server import until
from tests.workers.sink import Request, Sink, answer, sink


def events(receiver: Sink) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in receiver.requests]


async def heard(receiver: Sink, count: int) -> list[dict[str, Any]]:
    """Return what arrived once it is that many."""

    async def enough() -> bool:
        return len(receiver.requests) >= count

    await until(enough)
    return events(receiver)


async def test_every_change_of_status_is_told_once_transaction_before_payment(banq: Banq) -> None:
    async with sink() as receiver:
        await banq.hear(receiver)
        created = await banq.get_paid()
        await banq.pay(created)
        told = await heard(receiver, 4)
        await banq.settled(created, "completed")
    transaction = (await banq.call("GET", f"v1/transactions/{created['id']}")).json()
    assert [(one["resourceType"], one["action"], one["sequence"]) for one in told] == [
        ("Transaction", "processing", 1), ("Payment", "processing", 1),
        ("Transaction", "completed", 2), ("Payment", "completed", 2),
    ]  # fmt: skip
    assert {one["resourceId"] for one in told if one["resourceType"] == "Payment"} == {created["guid"]}
    assert {one["resourceId"] for one in told if one["resourceType"] == "Transaction"} == {transaction["guid"]}
    assert {one["externalOrderCode"] for one in told} == {"order-77"}
    assert len({one["id"] for one in told}) == 4
    expected = ["action", "resourceType", "resourceId", "id", "sequence", "createdAt", "externalOrderCode"]
    assert all(list(one) == expected for one in told)


async def test_deliveries_are_signed_by_standard_webhooks_with_the_secret_shown_once(banq: Banq) -> None:
    async with sink() as receiver:
        made = await banq.hear(receiver)
        secret = made.json()["secret"]
        await banq.pay(await banq.get_paid())
        await heard(receiver, 4)
    for request in receiver.requests:
        message, stamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        assert message == json.loads(request.body)["id"]
        expected = standard_signature(secret, message, stamp, request.body)
        assert request.headers["webhook-signature"] == expected
        assert request.headers["content-type"] == "application/json"
        assert "bi-signature" not in request.headers
    assert "secret" not in (await banq.call("GET", banq.config)).json()
    assert "secret" not in (await banq.hear(receiver)).json()


async def test_only_the_kinds_asked_for_are_told_and_unknown_ones_are_kept(banq: Banq) -> None:  # BC10, BD26
    async with sink() as receiver:
        kinds = ["Payment", "nft"]
        made = await banq.hear(receiver, webHookTypes=kinds)
        assert made.json()["webHookTypes"] == kinds
        await banq.pay(await banq.get_paid())
        told = await heard(receiver, 2)
    assert [(one["resourceType"], one["action"]) for one in told] == [
        ("Payment", "processing"), ("Payment", "completed"),
    ]  # fmt: skip


async def test_a_configuration_is_made_replaced_changed_read_and_ended(banq: Banq) -> None:
    made = await banq.call("POST", banq.config, {"url": "http://127.0.0.1:1/a"})
    assert made.status_code == 201
    assert made.headers["location"] == banq.api + banq.config
    secret = made.json().pop("secret")
    assert secret.startswith("whsec_")
    assert made.json() | {"secret": None} == {
        "accountSpaceId": banq.space.space_id, "url": "http://127.0.0.1:1/a", "enabled": True, "retryCount": 5,
        "webHookTypes": ["payment", "transaction"], "secret": None,
    }  # fmt: skip
    replaced = await banq.call("POST", banq.config, {"url": "http://127.0.0.1:1/b", "retryCount": 0, "enabled": False})
    assert (replaced.status_code, "location" in replaced.headers) == (200, False)
    assert (replaced.json()["retryCount"], replaced.json()["enabled"]) == (0, False)
    changed = await banq.call("PATCH", banq.config, {"enabled": True, "webHookTypes": []})
    assert changed.status_code == 200
    expected = replaced.json() | {"enabled": True, "webHookTypes": []}
    assert changed.json() == expected == (await banq.call("GET", banq.config)).json()
    user = await banq.call("GET", banq.config, token=await banq.token(USER))
    assert user.json() == expected
    assert (await banq.call("DELETE", banq.config)).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        body = {"enabled": True} if method == "PATCH" else None
        assert (await banq.call(method, banq.config, body)).status_code == 404
    again = await banq.call("POST", banq.config, {"url": "http://127.0.0.1:1/a"})
    assert (again.status_code, again.json()["secret"] == secret) == (201, False)


async def test_of_many_who_configure_at_once_one_makes_it_and_is_told_the_secret(banq: Banq) -> None:
    body = {"url": "http://127.0.0.1:1/a"}
    await banq.token()
    answers = await asyncio.gather(*(banq.call("POST", banq.config, body) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [200] * 5 + [201]
    assert sum("secret" in one.json() for one in answers) == 1


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "not a url"}, "url"),
        ({"url": "ftp://shop.test/"}, "url"),
        ({"url": "http://shop.test/" + "x" * 2000}, "url"),
        ({"url": "http://127.0.0.1:1/", "retryCount": 21}, "retryCount"),
        ({"url": "http://127.0.0.1:1/", "retryCount": -1}, "retryCount"),
        ({"url": "http://127.0.0.1:1/", "retryCount": 1.5}, "retryCount"),
        ({"url": "http://127.0.0.1:1/", "enabled": "yes"}, "enabled"),
        ({"url": "http://127.0.0.1:1/", "webHookTypes": "payment"}, "webHookTypes"),
        ({"url": "http://127.0.0.1:1/", "webHookTypes": ["x"] * 21}, "webHookTypes"),
        ({"url": "http://127.0.0.1:1/", "webHookTypes": [""]}, "webHookTypes"),
    ],
)
async def test_a_wrong_configuration_is_refused_and_nothing_is_made(
    banq: Banq, body: dict[str, Any], about: str
) -> None:
    refused = await banq.call("POST", banq.config, body)
    assert (refused.status_code, refused.json()["message"].partition(":")[0]) == (400, about)
    assert (await banq.call("GET", banq.config)).status_code == 404


async def test_a_failed_delivery_is_repeated_as_often_as_asked_with_the_same_bytes(banq: Banq) -> None:  # BD24
    async with sink(answer(500)) as receiver:
        await banq.hear(receiver, retryCount=2, webHookTypes=["payment"])
        await banq.get_paid()
        created = await banq.get_paid(comment="rjct")
        await banq.call("POST", f"v1/payments/{created['guid']}/cancel")
        for count in (1, 2, 3):
            await heard(receiver, count)
            await banq.house.move(timedelta(hours=11))

        async def parked() -> bool:
            deliveries = banq.house.core.store.deliveries
            webhook = await banq.house.core.store.webhooks.of_space(banq.house.merchant_id, banq.space.space_id)
            assert webhook is not None
            listed = await deliveries.page(banq.house.merchant_id, webhook.webhook_id)
            return [one.stage for one in listed] == [Stage.PARKED]

        await until(parked)
        # A redirect is a failure, and so is an end of ours: what was given up stays given up when others arrive.
        receiver.behave = answer(200)
        banq.forget_tokens()
        other = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{other['guid']}/cancel")
        await heard(receiver, 4)
    bodies = [request.body for request in receiver.requests]
    assert len(set(bodies[:3])) == 1
    assert json.loads(bodies[3])["resourceId"] == other["guid"]
    assert len(bodies) == 4


async def test_a_redirect_is_a_failure(banq: Banq) -> None:
    async with sink() as elsewhere, sink(answer(302, Location=elsewhere.url)) as receiver:
        await banq.hear(receiver, retryCount=0, webHookTypes=["payment"])
        created = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{created['guid']}/cancel")
        await heard(receiver, 1)
        await banq.house.move(timedelta(days=2))
        banq.forget_tokens()
        other = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{other['guid']}/cancel")
        await heard(receiver, 2)
    assert elsewhere.requests == []


async def test_the_end_of_a_payment_waits_for_the_end_of_its_transaction(banq: Banq) -> None:  # BD23
    failed: list[str] = []

    async def once_busy(request: Request, writer: Any) -> None:
        event = json.loads(request.body)
        first = event["resourceType"] == "Transaction" and event["id"] not in failed
        failed.append(event["id"])
        await answer(503 if first else 200)(request, writer)

    async with sink(once_busy) as receiver:
        await banq.hear(receiver)
        created = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{created['guid']}/cancel")
        await heard(receiver, 1)
        await banq.house.move(timedelta(minutes=2))
        told = await heard(receiver, 3)
    assert [(one["resourceType"], one["action"]) for one in told] == [
        ("Transaction", "cancelled"), ("Transaction", "cancelled"), ("Payment", "cancelled"),
    ]  # fmt: skip


async def test_a_switched_off_webhook_hears_nothing(banq: Banq) -> None:
    async with sink() as receiver:
        await banq.hear(receiver, enabled=False)
        quiet = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{quiet['guid']}/cancel")
        await banq.call("PATCH", banq.config, {"enabled": True})
        loud = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{loud['guid']}/cancel")
        told = await heard(receiver, 2)
    assert {one["resourceId"] for one in told if one["resourceType"] == "Payment"} == {loud["guid"]}


async def test_each_wire_tells_of_its_own_payments_only(banq: Banq, stranger: Banq) -> None:
    async with sink() as here, sink() as there, sink() as elsewhere:
        await banq.hear(here)
        await stranger.hear(elsewhere)
        config = banq.credentials.config_token
        hook = {"url": there.url, "event": "PAYMENT_STATE_UPDATED"}
        assert (await banq.house.call("POST", "/webhooks", hook, token=config)).status_code == 200
        mine = await banq.get_paid()
        await banq.call("POST", f"v1/payments/{mine['guid']}/cancel")
        theirs = await banq.house.pay()
        await banq.house.validate(theirs["id"], fields={"use_case_pay": "redirect"})
        await heard(here, 2)
        await heard(there, 1)
    assert {one["id"] for one in events(there)} == {theirs["id"]}
    assert {one["resourceId"] for one in events(here) if one["resourceType"] == "Payment"} == {mine["guid"]}
    assert elsewhere.requests == []
    listed = await banq.house.call("GET", "/webhooks", token=config)
    assert [one["url"] for one in listed.json()["webhooks"]] == [there.url]


async def test_every_date_of_a_recurring_payment_tells_for_itself(banq: Banq) -> None:
    async with sink() as receiver:
        await banq.hear(receiver)
        end = (banq.house.now() + timedelta(days=8)).date().isoformat()
        created = await banq.get_paid(frequency="weekly", endDate=end)
        await banq.pay(created)
        await banq.house.move(timedelta(days=10))
        told = await heard(receiver, 4)
    banq.forget_tokens()
    assert (await banq.settled(created, "completed"))["status"] == "completed"
    assert [(one["resourceType"], one["action"]) for one in told] == [
        ("Payment", "processing"), ("Transaction", "completed"), ("Transaction", "completed"), ("Payment", "completed"),
    ]  # fmt: skip
    transactions = [one["resourceId"] for one in told if one["resourceType"] == "Transaction"]
    assert len(set(transactions)) == 2
    for guid in transactions:
        assert (await banq.call("GET", f"v1/transactions/{guid}")).json()["status"] == "completed"
