"""Make, rotate and end the keys that deliveries are signed with. A secret is shown when it is made, never again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from opengiro.domain.deliveries import Secret, WebhookAuth
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.retry import SECRET_OVERLAP
from opengiro.domain.signing import new_secret
from opengiro.store import Conflict
from opengiro.store.merchants import audit

if TYPE_CHECKING:
    from opengiro.usecases import Core

HMAC = "hmac_signature"
_SECRET_BYTES = 32
_TRIES = 8


async def create_webhook_auth(core: Core, merchant_id: int, name: str, actor: str) -> WebhookAuth:
    """Make a signing key; its secret is in the answer."""
    for _ in range(_TRIES):
        now = core.now(merchant_id)
        auth = WebhookAuth(
            merchant_id=merchant_id,
            auth_id=await core.store.webhooks.next_auth_id(merchant_id),
            kind=HMAC,
            name=name,
            secrets=(_draw(core),),
            created_at=now,
        )
        record = audit(merchant_id, now, actor, "webhook_auth", str(auth.auth_id), None, name)
        try:
            await core.store.commit([core.store.webhooks.insert_auth(auth), record])
        except Conflict:
            continue
        return auth
    raise RuntimeError("signing keys kept changing while one was made")


async def rotate_webhook_secret(core: Core, merchant_id: int, auth_id: int, actor: str) -> WebhookAuth:
    """Give a signing key a new secret, first in the answer; the one before it stays valid for a day."""
    auth = await find_webhook_auth(core, merchant_id, auth_id)
    now = core.now(merchant_id)
    former = replace(auth.secrets[0], until=now + SECRET_OVERLAP)
    rotated = replace(auth, secrets=(_draw(core), former))
    await _save(core, rotated, "rotated", actor, now)
    return rotated


async def rename_webhook_auth(core: Core, merchant_id: int, auth_id: int, name: str, actor: str) -> WebhookAuth:
    """Give a signing key another name."""
    auth = replace(await find_webhook_auth(core, merchant_id, auth_id), name=name)
    await _save(core, auth, name, actor, core.now(merchant_id))
    return auth


async def delete_webhook_auth(core: Core, merchant_id: int, auth_id: int, actor: str) -> None:
    """End a signing key; refused while a webhook uses it, because its deliveries would silently go unsigned."""
    auth = await find_webhook_auth(core, merchant_id, auth_id)
    now = core.now(merchant_id)
    record = audit(merchant_id, now, actor, "webhook_auth", str(auth_id), auth.name, None)
    try:
        await core.store.commit([core.store.webhooks.delete_auth(merchant_id, auth_id, now), record])
    except Conflict:
        raise Refused(Refusal.STATE_FORBIDS, detail="a webhook still uses this authentication provider") from None


async def find_webhook_auth(core: Core, merchant_id: int, auth_id: int) -> WebhookAuth:
    """Return a merchant's signing key, or refuse."""
    for auth in await core.store.webhooks.auths(merchant_id):
        if auth.auth_id == auth_id:
            return auth
    raise Refused(Refusal.NOT_FOUND)


async def _save(core: Core, auth: WebhookAuth, became: str, actor: str, now: datetime) -> None:
    record = audit(auth.merchant_id, now, actor, "webhook_auth", str(auth.auth_id), None, became)
    try:
        await core.store.commit([core.store.webhooks.update_auth(auth), record])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


def _draw(core: Core) -> Secret:
    return Secret(new_secret(core.chance(_SECRET_BYTES)))
