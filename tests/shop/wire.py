"""A small double of the powens wire for the merchant's tests: real HTTP, a payer who decides at once, no bank.

It holds the payments, tokens, clients and webhooks that the kit and the shop need, and nothing else.
"""

import itertools
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec
from opengiro_kit.powens import Credentials
from opengiro_kit.signatures import bi_signature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.shop.loopback import serving

CONFIG_TOKEN = "config-token"
EURO = {"id": "EUR", "symbol": "€", "prefix": False, "precision": 2, "name": "Euro"}


@dataclass
class PowensWire:
    """The double's memory, and what a test may do to it."""

    base_url: str
    credentials: Credentials
    payments: dict[int, dict[str, Any]] = field(default_factory=dict)
    webhooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    providers: dict[int, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    calls: list[tuple[str, str, str | None]] = field(default_factory=list)
    answered_first: list[Response] = field(default_factory=list)
    redirect_uris: list[str] = field(default_factory=list)
    kept: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(7001))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set_state(self, payment_id: int, state: str, error_code: str | None = None) -> None:
        """Move a payment, as a bank would."""
        self.payments[payment_id].update(state=state, error_code=error_code)

    def signed_delivery(self, payment_id: int) -> tuple[dict[str, str], bytes, str]:
        """Return headers, body and URL of a webhook about a payment."""
        webhook = next(iter(self.webhooks.values()))
        body = _json({**self.payments[payment_id], "id_webhook_data": next(self.ids), "sequence": 3})
        date = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        path = httpx2.URL(webhook["url"]).path
        signature = bi_signature(self.providers[webhook["id_auth"]], "POST", path, date, body)
        headers = {"content-type": "application/json", "bi-signature": signature, "bi-signature-date": date}
        return headers, body, webhook["url"]

    def called(self, method: str, path: str) -> int:
        """Count the calls of one kind."""
        return sum((method, path) == (one, two) for one, two, _ in self.calls)


@contextmanager
def powens_double() -> Iterator[PowensWire]:
    """Serve the double for one test."""
    made: list[PowensWire] = []

    def make(base_url: str) -> Starlette:
        wire = PowensWire(base_url, _credentials(f"{base_url}/2.0"))
        made.append(wire)
        return _application(wire)

    with serving(make):
        yield made[0]


def _credentials(base_url: str) -> Credentials:
    return Credentials(base_url, "4711", "client-secret", "demo", CONFIG_TOKEN)


def _application(wire: PowensWire) -> Starlette:
    double = _Double(wire)
    app = Starlette(
        routes=[
            Route("/2.0/auth/token", double.token, methods=["POST"]),
            Route("/2.0/payments", double.create, methods=["POST"]),
            Route("/2.0/payments", double.list),
            Route("/2.0/payments/{id:int}", double.read),
            Route("/2.0/payments/{id:int}", double.update, methods=["POST"]),
            Route("/2.0/payments/{id:int}/scopedtoken", double.scoped, methods=["POST"]),
            Route("/2.0/auth/webview/payment", double.webview),
            Route("/2.0/auth/webview/{lang}/payment", double.webview),
            Route("/2.0/connectors", double.connectors),
            Route("/2.0/webhooks", double.list_webhooks),
            Route("/2.0/webhooks", double.add_webhook, methods=["POST"]),
            Route("/2.0/webhooks/auth", double.add_provider, methods=["POST"]),
            Route("/2.0/webhooks/{id:int}", double.drop_webhook, methods=["DELETE"]),
            Route("/2.0/clients/{id:int}", double.client, methods=["GET", "PUT"]),
        ]
    )

    async def remember(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            path = request.url.path.removeprefix("/2.0")
            wire.calls.append((request.method, path, request.headers.get("idempotency-key")))
            if wire.answered_first and path != "/auth/token":
                await wire.answered_first.pop(0)(scope, receive, send)
                return
        await app(scope, receive, send)

    return remember  # type: ignore[return-value]  # an ASGI callable is all that serving needs


class _Double:
    def __init__(self, wire: PowensWire) -> None:
        self.wire = wire

    async def token(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        known = self.wire.credentials
        if (asked["client_id"], asked["client_secret"]) != (known.client_id, known.client_secret):
            return _error(401, "unauthorized")
        token = secrets.token_urlsafe(16)
        self.wire.tokens.add(token)
        return JSONResponse({"token": token, "scope": asked["scope"]})

    async def create(self, request: Request) -> Response:
        if not self._known(request):
            return _error(401, "unauthorized")
        body, key = await request.body(), request.headers.get("idempotency-key", "")
        with self.wire.lock:
            if key in self.wire.kept:
                sent, answer = self.wire.kept[key]
                return _raw(answer) if sent == body else _error(422, "invalidValue")
            answer = _json(self._created(json.loads(body, parse_float=Decimal)))
            self.wire.kept[key] = (body, answer)
        return _raw(answer)

    async def list(self, request: Request) -> Response:
        if not self._known(request):
            return _error(401, "unauthorized")
        state = request.query_params.get("state")
        found = [one for one in self.wire.payments.values() if state in {None, one["state"]}]
        return _raw(_json({"payments": found, "total": len(found)}))

    async def read(self, request: Request) -> Response:
        if not self._known(request):
            return _error(401, "unauthorized")
        payment = self.wire.payments.get(request.path_params["id"])
        return _raw(_json(payment)) if payment else _error(404, "notFound")

    async def update(self, request: Request) -> Response:
        payment = self.wire.payments[request.path_params["id"]]
        if not json.loads(await request.body()).get("cancel"):
            return _error(409, "conflict")
        if payment["state"] not in {"created", "pending"}:
            return _error(400, "notSupported")
        payment.update(state="rejected", error_code="CancelledByClient")
        return _raw(_json(payment))

    async def scoped(self, request: Request) -> Response:
        payment_id = request.path_params["id"]
        answer = {"token": f"scoped-{payment_id}", "scope": "payments:validate", "expires_in": 604_800}
        return JSONResponse({**answer, "id_payment": payment_id})

    async def webview(self, request: Request) -> Response:
        """Be the payer: `decide` in the query says what happens, and without it the page waits."""
        query = request.query_params
        if "decide" not in query:
            return PlainTextResponse("the hosted page")
        payment = self.wire.payments[int(query["payment_id"])]
        payment["state"] = query["decide"]
        back = {"state": query["state"], "id_payment": query["payment_id"]}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 303)

    async def connectors(self, request: Request) -> Response:
        settings = {"execution_date_types": ["instant"], "maximum_amount": {"instant": Decimal("100.10")}}
        bank = {"id": 40, "uuid": "u-1", "name": "Horizon", "charged": False, "beta": False}
        return _raw(_json({"connectors": [{**bank, "restricted": False, "payment_settings": settings}]}))

    async def list_webhooks(self, request: Request) -> Response:
        if not self._configured(request):
            return _error(401, "unauthorized")
        return JSONResponse({"webhooks": list(self.wire.webhooks.values())})

    async def add_webhook(self, request: Request) -> Response:
        body = json.loads(await request.body())
        webhook = {"id": next(self.wire.ids), "url": body["url"], "id_auth": body["id_auth"], "deleted": None}
        self.wire.webhooks[webhook["id"]] = webhook
        return JSONResponse(webhook)

    async def drop_webhook(self, request: Request) -> Response:
        del self.wire.webhooks[request.path_params["id"]]
        return Response(status_code=204)

    async def add_provider(self, request: Request) -> Response:
        provider_id, secret = next(self.wire.ids), secrets.token_urlsafe(24)
        self.wire.providers[provider_id] = secret
        body = json.loads(await request.body())
        return JSONResponse({"id": provider_id, **body, "config": {"secret_key": secret}})

    async def client(self, request: Request) -> Response:
        if request.method == "PUT":
            self.wire.redirect_uris = json.loads(await request.body())["redirect_uris"].split()
        return JSONResponse({"id": 4711, "name": "shop", "redirect_uris": " ".join(self.wire.redirect_uris)})

    def _created(self, asked: dict[str, Any]) -> dict[str, Any]:
        payment_id = next(self.wire.ids)
        instructions = [
            {**one, "currency": EURO, "amount": Decimal(one["amount"]).quantize(Decimal("1.0000000000"))}
            for one in asked["instructions"]
        ]
        payment = {
            "id": payment_id,
            "state": "created",
            "error_code": None,
            "fields": [],
            "instructions": instructions,
            "client_redirect_uri": asked["client_redirect_uri"],
            "client_state": asked.get("client_state"),
        }
        self.wire.payments[payment_id] = payment
        return payment

    def _known(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.wire.tokens

    def _configured(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {CONFIG_TOKEN}"


def _json(value: object) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(value)


def _raw(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _error(status: int, code: str) -> Response:
    said = {"code": code, "description": f"the double says {code}", "message": None, "request_id": 99}
    return JSONResponse(said, status)
