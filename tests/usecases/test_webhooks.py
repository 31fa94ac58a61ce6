"""What a merchant can do about webhooks, besides receiving them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from opengiro.domain.deliveries import Stage
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.create_webhook_auth import (
    create_webhook_auth,
    delete_webhook_auth,
    find_webhook_auth,
    rename_webhook_auth,
    rotate_webhook_secret,
)
from opengiro.usecases.register_webhook import (
    RegisterWebhook,
    change_webhook,
    delete_webhook,
    find_webhook,
    register_webhook,
)
from opengiro.usecases.replay_delivery import replay_delivery, send_test
from opengiro.workers.guard import Guard
from tests.workers.house import SHOP, House, house
from tests.workers.sink import answer, sink

URL = "http://127.0.0.1:9/hook"
OTHER = "http://127.0.0.1:9/other"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as found:
        yield found


async def test_a_url_registered_twice_is_one_webhook(home: House) -> None:
    first, second = await home.webhook(URL), await home.webhook(URL)
    assert first == second
    assert await home.core.store.webhooks.all(SHOP.merchant_id) == [first]


async def test_registering_a_url_again_with_another_key_signs_with_that_key(home: House) -> None:
    first, auth = await home.webhook(URL), await home.auth()
    second = await home.webhook(URL, auth)
    assert (second.webhook_id, second.auth_id) == (first.webhook_id, auth.auth_id)


async def test_webhooks_of_another_merchant_cannot_be_seen_or_touched(home: House) -> None:
    webhook, auth = await home.webhook(URL), await home.auth()
    stranger = SHOP.merchant_id + 1
    assert await home.core.store.webhooks.all(stranger) == []
    for touch in (
        find_webhook(home.core, stranger, webhook.webhook_id),
        delete_webhook(home.core, stranger, webhook.webhook_id, "stranger"),
        change_webhook(home.core, stranger, webhook.webhook_id, OTHER, None, "stranger"),
        find_webhook_auth(home.core, stranger, auth.auth_id),
        rotate_webhook_secret(home.core, stranger, auth.auth_id, "stranger"),
        delete_webhook_auth(home.core, stranger, auth.auth_id, "stranger"),
        send_test(home.core, stranger, webhook.webhook_id, lambda _: b"{}"),
        replay_delivery(home.core, stranger, webhook.webhook_id, 1),
    ):
        with pytest.raises(Refused) as refused:
            await touch
        assert refused.value.why is Refusal.NOT_FOUND


async def test_a_url_that_leads_inside_is_refused_when_it_is_registered(home: House) -> None:
    command = RegisterWebhook(
        merchant_id=SHOP.merchant_id, dialect="plain", url="https://169.254.169.254/", actor="test", auth_id=99
    )
    with pytest.raises(Refused) as refused:
        await register_webhook(replace(home.core, complain=Guard().complaint), command)
    assert refused.value.why is Refusal.FIELD_INVALID
    assert [one.path for one in refused.value.complaints] == ["url", "id_auth"]


async def test_a_webhook_can_be_pointed_elsewhere_but_not_where_another_is(home: House) -> None:
    first, _ = await home.webhook(URL), await home.webhook(OTHER)
    moved = await change_webhook(home.core, SHOP.merchant_id, first.webhook_id, URL + "/new", None, "test")
    assert await home.fresh(first) == moved
    with pytest.raises(Refused) as refused:
        await change_webhook(home.core, SHOP.merchant_id, first.webhook_id, OTHER, None, "test")
    assert refused.value.why is Refusal.FIELD_INVALID


async def test_a_deleted_webhook_hears_nothing_and_its_number_is_not_reused(home: House) -> None:
    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await delete_webhook(home.core, SHOP.merchant_id, webhook.webhook_id, "test")
        await home.moved_payment()
        await home.deliver()
        assert shop.requests == []
        again = await home.webhook(shop.url)
    assert again.webhook_id == webhook.webhook_id + 1


async def test_a_key_is_kept_as_it_was_shown_and_each_has_its_own_secret(home: House) -> None:
    first, second = await home.auth(), await home.auth()
    assert await home.core.store.webhooks.auths(SHOP.merchant_id) == [first, second]
    assert first.secrets != second.secrets
    assert first.secrets[0].text.startswith("whsec_")


async def test_a_rotation_keeps_the_secret_before_and_drops_the_one_before_that(home: House) -> None:
    auth = await home.auth()
    second = await rotate_webhook_secret(home.core, SHOP.merchant_id, auth.auth_id, "test")
    third = await rotate_webhook_secret(home.core, SHOP.merchant_id, auth.auth_id, "test")
    assert [one.text for one in third.secrets] == [second.secrets[0].text, third.secrets[0].text][::-1]
    assert third.secrets[0].until is None
    assert third.secrets[1].until is not None
    assert await find_webhook_auth(home.core, SHOP.merchant_id, auth.auth_id) == third


async def test_a_key_in_use_cannot_be_deleted(home: House) -> None:
    auth = await home.auth()
    webhook = await home.webhook(URL, auth)
    with pytest.raises(Refused) as refused:
        await delete_webhook_auth(home.core, SHOP.merchant_id, auth.auth_id, "test")
    assert refused.value.why is Refusal.STATE_FORBIDS
    await delete_webhook(home.core, SHOP.merchant_id, webhook.webhook_id, "test")
    await delete_webhook_auth(home.core, SHOP.merchant_id, auth.auth_id, "test")
    assert await home.core.store.webhooks.auths(SHOP.merchant_id) == []


async def test_every_change_is_on_record_and_no_secret_is(home: House) -> None:
    auth = await create_webhook_auth(home.core, SHOP.merchant_id, "first", "ann")
    await rename_webhook_auth(home.core, SHOP.merchant_id, auth.auth_id, "second", "bob")
    await rotate_webhook_secret(home.core, SHOP.merchant_id, auth.auth_id, "cat")
    webhook = await home.webhook(URL, auth)
    await delete_webhook(home.core, SHOP.merchant_id, webhook.webhook_id, "dan")
    history = home.core.store.merchants.history
    keys = await history(SHOP.merchant_id, "webhook_auth", 10)
    hooks = await history(SHOP.merchant_id, "webhook", 10)
    assert [(one.actor, one.became) for one in keys] == [("cat", "rotated"), ("bob", "second"), ("ann", "first")]
    assert [(one.actor, one.was, one.became) for one in hooks] == [("dan", URL, None), ("test", None, URL)]


async def test_a_delivery_can_be_sent_again_with_the_same_bytes_and_id(home: House) -> None:
    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        (delivered,) = await home.deliveries(webhook, Stage.DELIVERED)
        assert delivered.data_id is not None
        replayed = await replay_delivery(home.core, SHOP.merchant_id, webhook.webhook_id, delivered.data_id)
        assert replayed.stage is Stage.WAITING
        await home.deliver()
    first, second = shop.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert [tried.attempt for _, tried in await home.log(webhook)] == [1, 2]


async def test_a_test_delivery_is_signed_logged_and_waits_for_no_other(home: House) -> None:
    async with sink() as shop:
        webhook = await home.webhook(shop.url, await home.auth())
        sent = await send_test(
            home.core, SHOP.merchant_id, webhook.webhook_id, lambda number: json.dumps({"n": number}).encode()
        )
        await home.deliver()
    (request,) = shop.requests
    assert json.loads(request.body) == {"n": sent.data_id}
    assert "bi-signature" in request.headers
    ((delivery, tried),) = await home.log(webhook)
    assert delivery.is_test
    assert tried.outcome.accepted


async def test_nothing_can_be_sent_to_an_endpoint_that_is_gone(home: House) -> None:
    async with sink(answer(410)) as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
    with pytest.raises(Refused) as refused:
        await send_test(home.core, SHOP.merchant_id, webhook.webhook_id, lambda _: b"{}")
    assert refused.value.why is Refusal.STATE_FORBIDS
