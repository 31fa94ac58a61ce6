"""Register, change and end the URLs where a merchant hears of moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opengiro.domain.deliveries import Topic, Webhook
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.store import Conflict
from opengiro.store.merchants import audit

if TYPE_CHECKING:
    from opengiro.usecases import Core

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWebhook:
    """The command; `actor` is who asked, for the audit record."""

    merchant_id: int
    dialect: str
    url: str
    actor: str
    topic: Topic = Topic.PAYMENT_MOVED
    auth_id: int | None = None


async def register_webhook(core: Core, command: RegisterWebhook) -> Webhook:
    """Register a URL; one that is registered already is returned, with this signing key and enabled."""
    await _check(core, command.merchant_id, command.url, command.auth_id)
    for _ in range(_TRIES):
        known = await _find(core, command)
        try:
            return await (_add(core, command) if known is None else _renew(core, known, command))
        except Conflict:
            continue
    raise RuntimeError("webhooks kept changing while one was registered")


async def change_webhook(
    core: Core, merchant_id: int, webhook_id: int, url: str | None, auth_id: int | None, actor: str
) -> Webhook:
    """Point a webhook elsewhere or sign otherwise (None keeps); it is enabled and forgiven its failures."""
    before = await find_webhook(core, merchant_id, webhook_id)
    now = core.now(merchant_id)
    after = replace(
        before,
        url=url or before.url,
        auth_id=before.auth_id if auth_id is None else auth_id,
        updated_at=now,
        disabled_at=None,
    )
    await _check(core, merchant_id, after.url, after.auth_id)
    record = audit(merchant_id, now, actor, "webhook", str(webhook_id), before.url, after.url)
    try:
        await core.store.commit([core.store.webhooks.update(after), record])
    except Conflict:
        raise Refused(Refusal.FIELD_INVALID, Complaint("url", "another webhook has this URL")) from None
    return after


async def delete_webhook(core: Core, merchant_id: int, webhook_id: int, actor: str) -> None:
    """End a webhook; what waited for it is never sent."""
    webhook = await find_webhook(core, merchant_id, webhook_id)
    now = core.now(merchant_id)
    record = audit(merchant_id, now, actor, "webhook", str(webhook_id), webhook.url, None)
    try:
        await core.store.commit([core.store.webhooks.delete(merchant_id, webhook_id, now), record])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


async def find_webhook(core: Core, merchant_id: int, webhook_id: int) -> Webhook:
    """Return a merchant's webhook, or refuse."""
    webhook = await core.store.webhooks.load(merchant_id, webhook_id)
    if webhook is None:
        raise Refused(Refusal.NOT_FOUND)
    return webhook


async def _check(core: Core, merchant_id: int, url: str, auth_id: int | None) -> None:
    complaints = []
    if text := await core.complain(url):
        complaints.append(Complaint("url", text))
    if auth_id is not None:
        known = {auth.auth_id for auth in await core.store.webhooks.auths(merchant_id)}
        if auth_id not in known:
            complaints.append(Complaint("id_auth", "no such authentication provider"))
    if complaints:
        raise Refused(Refusal.FIELD_INVALID, *complaints)


async def _find(core: Core, command: RegisterWebhook) -> Webhook | None:
    known = await core.store.webhooks.all(command.merchant_id)
    return next((one for one in known if (one.topic, one.url) == (command.topic, command.url)), None)


async def _add(core: Core, command: RegisterWebhook) -> Webhook:
    now = core.now(command.merchant_id)
    webhook = Webhook(
        merchant_id=command.merchant_id,
        webhook_id=await core.store.webhooks.next_id(command.merchant_id),
        dialect=command.dialect,
        topic=command.topic,
        url=command.url,
        auth_id=command.auth_id,
        created_at=now,
        updated_at=now,
    )
    record = audit(command.merchant_id, now, command.actor, "webhook", str(webhook.webhook_id), None, webhook.url)
    await core.store.commit([core.store.webhooks.insert(webhook), record])
    return webhook


async def _renew(core: Core, known: Webhook, command: RegisterWebhook) -> Webhook:
    auth_id = known.auth_id if command.auth_id is None else command.auth_id
    if auth_id == known.auth_id and known.disabled_at is None:
        return known
    now = core.now(command.merchant_id)
    webhook = replace(known, auth_id=auth_id, updated_at=now, disabled_at=None)
    record = audit(command.merchant_id, now, command.actor, "webhook", str(webhook.webhook_id), known.url, webhook.url)
    await core.store.commit([core.store.webhooks.update(webhook), record])
    return webhook
