"""The webhook inbox of `opengiro dev`: a receiver that verifies, keeps and shows what a shop would be sent.

It is registered like any shop's endpoint. Beside it stands a return page, for whoever tries the wire without a shop.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.cli.arrivals import Arrival, Arrivals
from opengiro.cli.pages import local, page
from opengiro.cli.signature import judge
from opengiro.dialects.powens.write import View, answer, write_payment
from opengiro.domain.refusals import Refused
from opengiro.usecases.ask_bank import load_standing
from opengiro.usecases.create_webhook_auth import create_webhook_auth
from opengiro.usecases.register_webhook import RegisterWebhook, change_webhook, register_webhook

if TYPE_CHECKING:
    from opengiro.domain.deliveries import WebhookAuth
    from opengiro.usecases import Core

HOOK = "/inbox/hook"
PAGE_LENGTH = 50
BODY_BYTES_MAX = 1024 * 1024
_INTEGER_MAX = 2**63
_KEY_NAME = "Webhook inbox"
_ACTOR = "opengiro dev"


async def enrol(core: Core, merchant_id: int) -> int:
    """Register the inbox for a merchant unless it is, and return its signing key's number.

    A restart on another port finds the endpoint by its key and points it at the new address.
    """
    url = core.own_url + HOOK
    auth_id = (await _key(core, merchant_id)).auth_id
    for webhook in await core.store.webhooks.all(merchant_id):
        if webhook.auth_id == auth_id and webhook.url != url and urlsplit(webhook.url).path == HOOK:
            await change_webhook(core, merchant_id, webhook.webhook_id, url, None, _ACTOR)
            return auth_id
    command = RegisterWebhook(merchant_id=merchant_id, dialect="powens", url=url, actor=_ACTOR, auth_id=auth_id)
    await register_webhook(core, command)
    return auth_id


async def _key(core: Core, merchant_id: int) -> WebhookAuth:
    known = await core.store.webhooks.auths(merchant_id)
    found = next((auth for auth in known if auth.name == _KEY_NAME), None)
    return found or await create_webhook_auth(core, merchant_id, _KEY_NAME, _ACTOR)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The endpoint and its pages."""

    core: Core
    merchant_id: int
    auth_id: int
    arrivals: Arrivals

    def routes(self) -> list[BaseRoute]:
        """Return where it is found."""
        return [
            Route(HOOK, self.receive, methods=["POST"]),
            local("/inbox", self.show),
            local("/inbox/newest", self.tell_newest),
            local("/inbox/callback", self.show_callback),
            local("/inbox/payments/{payment_id}", self.show_payment),
        ]

    async def receive(self, request: Request) -> Response:
        """Verify a delivery, keep it whatever it is, and take it only when a shop would."""
        body = await _read(request)
        if body is None:
            return PlainTextResponse("The body is too large, or is not what its encoding says.\n", 400)
        verdict = judge(request.headers, body, HOOK, await self._secrets(), self.core.clock.real())
        arrival = Arrival(
            at=self.core.now(self.merchant_id),
            verdict=verdict,
            headers=tuple(request.headers.items()),
            body=body,
            **_said(body),
        )
        await asyncio.to_thread(self.arrivals.keep, arrival)
        return Response(status_code=204) if verdict.believed else PlainTextResponse(f"{verdict}\n", 400)

    async def show(self, request: Request) -> Response:
        """Show what arrived, newest first."""
        payment_id, before = (_number(request.query_params.get(name)) for name in ("payment", "before"))
        found = self.arrivals.page(payment_id, before, PAGE_LENGTH + 1)
        return page(
            "inbox.html",
            arrivals=found[:PAGE_LENGTH],
            older=found[PAGE_LENGTH - 1].number if len(found) > PAGE_LENGTH else None,
            payment_id=payment_id,
            before=before,
            newest=self.arrivals.newest(),
            hook=self.core.own_url + HOOK,
        )

    async def tell_newest(self, _: Request) -> Response:
        """Tell how far the list goes, so that an open page knows when to look again."""
        return JSONResponse({"newest": self.arrivals.newest()})

    async def show_callback(self, request: Request) -> Response:
        """Show what a payer's return carried."""
        carried = request.query_params.multi_items()
        payment_id = _number(request.query_params.get("id_payment"))
        return page("callback.html", carried=carried, payment_id=payment_id)

    async def show_payment(self, request: Request) -> Response:
        """Answer a payment of the demo merchant as the wire prints it, without a token."""
        try:
            payment_id = _number(request.path_params["payment_id"])
            standing = await load_standing(self.core, self.merchant_id, payment_id or 0)
        except Refused:
            return JSONResponse({"code": "notFound", "description": "there is no such payment here"}, 404)
        view = View(await self.core.merchant(self.merchant_id), self.core.store.banks.get)
        written = answer(write_payment(standing, view))
        return Response(written.body, written.status, media_type="application/json")

    async def _secrets(self) -> list[str]:
        """Return the secrets that are valid now; the key may have been rotated or deleted meanwhile."""
        now = self.core.now(self.merchant_id)
        auths = await self.core.store.webhooks.auths(self.merchant_id)
        secrets = [secret for auth in auths if auth.auth_id == self.auth_id for secret in auth.secrets]
        return [secret.text for secret in secrets if secret.until is None or secret.until > now]


async def _read(request: Request) -> bytes | None:
    """Return the body uncompressed, or None when it is too large or not what its encoding says."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return None
    if request.headers.get("content-encoding") != "gzip":
        return body
    try:
        plain = zlib.decompressobj(wbits=31).decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error:
        return None
    return plain if len(plain) <= BODY_BYTES_MAX else None


def _said(body: bytes) -> dict[str, Any]:
    """Return what a delivery says of a payment, as far as it says something."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    kinds = {"payment_id": ("id", int), "state": ("state", str), "sequence": ("sequence", int)}
    found = {name: said[key] for name, (key, kind) in kinds.items() if type(said.get(key)) is kind}
    return {name: value for name, value in found.items() if not isinstance(value, int) or 0 <= value < _INTEGER_MAX}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 17 else None
