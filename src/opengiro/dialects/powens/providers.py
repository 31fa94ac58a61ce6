"""Authentication providers of the powens wire: the keys that deliveries are signed with (HMAC only)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_body, read_number, text_fault
from opengiro.dialects.powens.write import answer
from opengiro.domain.complaints import Complaints
from opengiro.domain.deliveries import WebhookAuth
from opengiro.usecases.create_webhook_auth import (
    HMAC,
    create_webhook_auth,
    delete_webhook_auth,
    find_webhook_auth,
    rename_webhook_auth,
    rotate_webhook_secret,
)

ACTOR = "configuration token"
NAME_LENGTH_MAX = 255


class ProviderIn(Struct):
    """Body of a provider that is made or changed; `rotate` gives it a new secret."""

    type: str | None = None
    name: str | None = None
    rotate: bool | None = None


class SecretOut(Struct):
    """The signing secret, shown when it is made."""

    secret_key: str


class ProviderOut(Struct):
    """Authentication provider."""

    id: int
    type: str
    name: str
    config: SecretOut | UnsetType = UNSET


class ProvidersOut(Struct):
    """A merchant's providers."""

    authproviders: list[ProviderOut]
    total: int


async def list_providers(call: Call) -> Answer:
    """List the merchant's providers, without secrets."""
    known = await call.core.store.webhooks.auths(call.caller.merchant_id)
    return answer(ProvidersOut([_write(one) for one in known], len(known)))


async def create_provider(call: Call) -> Answer:
    """Make a signing key; its secret is in the answer, this once."""
    body = read_body(call, ProviderIn)
    wrong = Complaints()
    if wrong.need(body.type, "type") not in (None, HMAC):
        wrong.add("type", f"is {HMAC}")
    _check_name(body.name, wrong)
    wrong.raise_any()
    merchant_id = call.caller.merchant_id
    return answer(_write_secret(await create_webhook_auth(call.core, merchant_id, body.name or HMAC, ACTOR)))


async def read_provider(call: Call) -> Answer:
    """Read one provider, without its secret."""
    return answer(_write(await find_webhook_auth(call.core, call.caller.merchant_id, _auth_id(call))))


async def change_provider(call: Call) -> Answer:
    """Give a provider another name, or a new secret beside which the old one stays valid for a day."""
    body = read_body(call, ProviderIn)
    wrong = Complaints()
    _check_name(body.name, wrong)
    wrong.raise_any()
    core, merchant_id, auth_id = call.core, call.caller.merchant_id, _auth_id(call)
    auth = await find_webhook_auth(core, merchant_id, auth_id)
    if body.name is not None:
        auth = await rename_webhook_auth(core, merchant_id, auth_id, body.name, ACTOR)
    if body.rotate:
        return answer(_write_secret(await rotate_webhook_secret(core, merchant_id, auth_id, ACTOR)))
    return answer(_write(auth))


async def delete_provider(call: Call) -> Answer:
    """End a provider that no webhook uses."""
    await delete_webhook_auth(call.core, call.caller.merchant_id, _auth_id(call), ACTOR)
    return Answer(204, b"")


async def delete_providers(call: Call) -> Answer:
    """End every provider; refused at the first that a webhook uses."""
    for auth in await call.core.store.webhooks.auths(call.caller.merchant_id):
        await delete_webhook_auth(call.core, auth.merchant_id, auth.auth_id, ACTOR)
    return Answer(204, b"")


def _auth_id(call: Call) -> int:
    return read_number(call, "auth_id")


def _check_name(name: str | None, wrong: Complaints) -> None:
    if name is not None and (fault := text_fault(name, NAME_LENGTH_MAX)):
        wrong.add("name", fault)


def _write(auth: WebhookAuth) -> ProviderOut:
    return ProviderOut(auth.auth_id, auth.kind, auth.name)


def _write_secret(auth: WebhookAuth) -> ProviderOut:
    return ProviderOut(auth.auth_id, auth.kind, auth.name, SecretOut(auth.secrets[0].text))
