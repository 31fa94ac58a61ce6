"""Send something because a person asked: an earlier delivery once more, or a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opengiro.domain.deliveries import Delivery, Stage, Webhook
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases.register_webhook import find_webhook

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.usecases import Core

_ID_TRIES = 4


async def replay_delivery(core: Core, merchant_id: int, webhook_id: int, data_id: int) -> Delivery:
    """Make a delivery of the last 30 days due again; its bytes and ids stay what they were."""
    webhook = await _enabled(core, merchant_id, webhook_id)
    write = core.store.deliveries.replay(webhook, data_id, core.now(merchant_id))
    try:
        (rows,) = await core.store.commit([write])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None
    core.bell.moved.set()
    (delivery,) = core.store.deliveries.claimed(rows)
    return delivery


async def send_test(core: Core, merchant_id: int, webhook_id: int, render: Callable[[int], bytes]) -> Delivery:
    """Queue a delivery that no payment caused; `render` is given the id to print in it."""
    webhook = await _enabled(core, merchant_id, webhook_id)
    for _ in range(_ID_TRIES):
        now = core.now(merchant_id)
        data_id = core.ids.draw(now, core.chance(2))
        delivery = _test(webhook, data_id, render(data_id), now)
        try:
            await core.store.commit([core.store.deliveries.insert_test(delivery)])
        except Conflict:
            continue
        core.bell.moved.set()
        return delivery
    raise RuntimeError("no free delivery id was drawn")


def _test(webhook: Webhook, data_id: int, body: bytes, now: datetime) -> Delivery:
    return Delivery(
        merchant_id=webhook.merchant_id,
        webhook_id=webhook.webhook_id,
        payment_id=-data_id,  # of no payment, so it waits for no other event
        ordinal=0,
        stage=Stage.WAITING,
        created_at=now,
        due_at=now,
        attempts=0,
        fence=0,
        data_id=data_id,
        body=body,
    )


async def _enabled(core: Core, merchant_id: int, webhook_id: int) -> Webhook:
    webhook = await find_webhook(core, merchant_id, webhook_id)
    if webhook.disabled_at is not None:
        raise Refused(Refusal.STATE_FORBIDS, detail="the receiver answered 410; change the webhook to enable it")
    return webhook
