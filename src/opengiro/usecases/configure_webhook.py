"""The one webhook of an account space: made with a signing key of its own, replaced, changed and ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opengiro.domain.deliveries import Secret, Topic, Webhook, WebhookAuth
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.signing import new_secret
from opengiro.store import Conflict
from opengiro.store.merchants import audit
from opengiro.usecases.create_webhook_auth import HMAC

if TYPE_CHECKING:
    from opengiro.usecases import Core

_SECRET_BYTES = 32
_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureWebhook:
    """What a space's webhook is to be; None keeps what it is."""

    merchant_id: int
    space_id: str
    dialect: str
    actor: str
    url: str | None = None
    enabled: bool | None = None
    retries: int | None = None
    kinds: tuple[str, ...] | None = None


async def configure_webhook(core: Core, command: ConfigureWebhook) -> tuple[Webhook, str | None]:
    """Make the webhook of a space and return it with its secret, or replace it, which keeps its secret untold."""
    await _check(core, command)
    for _ in range(_TRIES):
        known = await core.store.webhooks.of_space(command.merchant_id, command.space_id)
        try:
            return await _make(core, command) if known is None else (await _change(core, known, command), None)
        except Conflict:
            continue
    raise RuntimeError("webhooks kept changing while one was configured")


async def change_configured(core: Core, command: ConfigureWebhook) -> Webhook:
    """Change the given fields; raises `Refused` when the space has no webhook."""
    await _check(core, command)
    known = await find_configured(core, command.merchant_id, command.space_id)
    try:
        return await _change(core, known, command)
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


async def delete_configured(core: Core, merchant_id: int, space_id: str, actor: str) -> None:
    """End the webhook of a space with its signing key; what waited for it is never sent."""
    known = await find_configured(core, merchant_id, space_id)
    now, door = core.now(merchant_id), core.store.webhooks
    writes = [door.delete(merchant_id, known.webhook_id, now)]
    if known.auth_id is not None:
        writes.append(door.delete_auth(merchant_id, known.auth_id, now))
    record = audit(merchant_id, now, actor, "webhook", str(known.webhook_id), known.url, None)
    try:
        await core.store.commit([*writes, record])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


async def find_configured(core: Core, merchant_id: int, space_id: str) -> Webhook:
    """Return the webhook of a space, or refuse."""
    known = await core.store.webhooks.of_space(merchant_id, space_id)
    if known is None:
        raise Refused(Refusal.NOT_FOUND)
    return known


async def _make(core: Core, command: ConfigureWebhook) -> tuple[Webhook, str]:
    merchant_id, door = command.merchant_id, core.store.webhooks
    now, secret = core.now(merchant_id), new_secret(core.chance(_SECRET_BYTES))
    auth = WebhookAuth(
        merchant_id=merchant_id,
        auth_id=await door.next_auth_id(merchant_id),
        kind=HMAC,
        name=f"account space {command.space_id}",
        secrets=(Secret(secret),),
        created_at=now,
    )
    blank = Webhook(
        merchant_id=merchant_id,
        webhook_id=await door.next_id(merchant_id),
        dialect=command.dialect,
        topic=Topic.STATUS_CHANGED,
        url="",
        auth_id=auth.auth_id,
        created_at=now,
        updated_at=now,
        space_id=command.space_id,
    )
    webhook = _changed(blank, command)
    record = audit(merchant_id, now, command.actor, "webhook", str(webhook.webhook_id), None, webhook.url)
    await core.store.commit([door.insert_auth(auth), door.insert_for_space(webhook), record])
    return webhook, secret


async def _change(core: Core, known: Webhook, command: ConfigureWebhook) -> Webhook:
    now = core.now(command.merchant_id)
    webhook = replace(_changed(known, command), updated_at=now, disabled_at=None)
    record = audit(known.merchant_id, now, command.actor, "webhook", str(known.webhook_id), known.url, webhook.url)
    await core.store.commit([core.store.webhooks.update_for_space(webhook), record])
    core.bell.moved.set()
    return webhook


def _changed(webhook: Webhook, command: ConfigureWebhook) -> Webhook:
    return replace(
        webhook,
        url=command.url or webhook.url,
        enabled=webhook.enabled if command.enabled is None else command.enabled,
        retries=webhook.retries if command.retries is None else command.retries,
        kinds=webhook.kinds if command.kinds is None else command.kinds,
    )


async def _check(core: Core, command: ConfigureWebhook) -> None:
    if command.url is not None and (fault := await core.complain(command.url)):
        raise Refused(Refusal.FIELD_INVALID, Complaint("url", fault))
