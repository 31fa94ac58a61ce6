"""The webhook-config of an account space: one endpoint, made or replaced, changed, read and ended (BD26)."""

from __future__ import annotations

from msgspec import UNSET

from opengiro.dialects import Answer, Call
from opengiro.dialects.banq.bearer import reach_of
from opengiro.dialects.banq.payments import DIALECT
from opengiro.dialects.banq.read import read_body, read_guid
from opengiro.dialects.banq.schema import WebhookIn, WebhookOut
from opengiro.dialects.banq.write import answer
from opengiro.domain.complaints import Complaints
from opengiro.domain.deliveries import Webhook
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.retry import RETRIES_MAX
from opengiro.usecases.configure_webhook import (
    ConfigureWebhook,
    change_configured,
    configure_webhook,
    delete_configured,
    find_configured,
)

RETRIES = 5
KINDS = ("payment", "transaction")
KINDS_MAX = 20
KIND_LENGTH_MAX = 64
URL_LENGTH_MAX = 2000


async def create(call: Call) -> Answer:
    """Make the webhook of a space and show its secret, or replace it and keep its secret."""
    space_id = await _space(call)
    body = _read(call)
    wrong = Complaints()
    wrong.need(body.url, "url")
    wrong.raise_any()
    command = ConfigureWebhook(
        merchant_id=call.caller.merchant_id,
        space_id=space_id,
        dialect=DIALECT,
        actor=_actor(call),
        url=body.url,
        enabled=True if body.enabled is None else body.enabled,
        retries=RETRIES if body.retry_count is None else body.retry_count,
        kinds=KINDS if body.web_hook_types is None else tuple(body.web_hook_types),
    )
    webhook, secret = await configure_webhook(call.core, command)
    return answer(_write(webhook, secret), 201 if secret else 200)


async def change(call: Call) -> Answer:
    """Change what is given and keep the rest."""
    space_id = await _space(call)
    body = _read(call)
    command = ConfigureWebhook(
        merchant_id=call.caller.merchant_id,
        space_id=space_id,
        dialect=DIALECT,
        actor=_actor(call),
        url=body.url,
        enabled=body.enabled,
        retries=body.retry_count,
        kinds=None if body.web_hook_types is None else tuple(body.web_hook_types),
    )
    return answer(_write(await change_configured(call.core, command)))


async def read(call: Call) -> Answer:
    """Read it."""
    return answer(_write(await find_configured(call.core, call.caller.merchant_id, await _space(call))))


async def delete(call: Call) -> Answer:
    """End it; what waited for it is never sent."""
    await delete_configured(call.core, call.caller.merchant_id, await _space(call), _actor(call))
    return Answer(204, b"")


async def _space(call: Call) -> str:
    """Return the space of the path; one the caller may not act for does not exist."""
    space_id = read_guid(call.path["space"])
    if space_id is None or space_id not in (await reach_of(call)).spaces:
        raise Refused(Refusal.NOT_FOUND)
    return space_id


def _read(call: Call) -> WebhookIn:
    body = read_body(call, WebhookIn)
    wrong = Complaints()
    if body.url is not None and not 0 < len(body.url) <= URL_LENGTH_MAX:
        wrong.add("url", f"has 1 to {URL_LENGTH_MAX} characters")
    if body.retry_count is not None and not 0 <= body.retry_count <= RETRIES_MAX:
        wrong.add("retryCount", f"is a whole number from 0 to {RETRIES_MAX}")
    kinds = body.web_hook_types or []
    if len(kinds) > KINDS_MAX or any(not 0 < len(kind) <= KIND_LENGTH_MAX for kind in kinds):
        wrong.add("webHookTypes", f"holds at most {KINDS_MAX} words of at most {KIND_LENGTH_MAX} characters")
    wrong.raise_any()
    return body


def _write(webhook: Webhook, secret: str | None = None) -> WebhookOut:
    return WebhookOut(
        account_space_id=webhook.space_id or "",
        url=webhook.url,
        enabled=webhook.enabled and webhook.disabled_at is None,
        retry_count=webhook.retries or 0,
        web_hook_types=list(webhook.kinds),
        secret=secret or UNSET,
    )


def _actor(call: Call) -> str:
    return f"user {call.caller.user_id}" if call.caller.user_id else f"application {call.caller.client_id}"
