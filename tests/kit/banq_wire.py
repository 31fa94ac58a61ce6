"""A small double of the banq wire for the merchant's tests: real HTTP, and a payer who decides at once.

As it comes it behaves like the reference. As the `original` it is as silent as the public material leaves it: a link
answers nothing but its address, wrapped, keys are not known, and errors are pages.
"""

import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from opengiro_kit.banq import Credentials
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.shop.loopback import serving

SPACE = "0c000000-0000-4000-8000-000000000001"
BANQ = "c14cd3a1-0000-4000-8000-000000000001"
OPEN = "https://banq.com/open/api/"
USER = "https://banq.com/api"
ANYBODY = {"access-control-allow-origin": "*"}
WIDGET_JS = """
window.ecommerceBanqWidget = class {
  constructor(options) { this.options = options; }
  bootstrapApp() {
    const button = this.button = document.createElement("button");
    button.textContent = "Pay with banq";
    button.onclick = async () => {
      this.popup = document.createElement("dialog");
      document.body.append(this.popup);
      this.popup.show();
      try { this.popup.textContent = await this.options.getPaymentInfo(); }
      catch { this.popup.remove(); }
    };
    document.querySelector(this.options.selector).append(button);
  }
  destroyWidget() { this.popup?.remove(); this.button.remove(); this.options.onPopUpClose(); }
};
"""


@dataclass
class BanqWire:
    """The double's memory, and what a test may do to it."""

    base_url: str
    credentials: Credentials
    original: bool = False
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    transactions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    refreshes: list[str] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str, str | None]] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    answered_first: list[Response] = field(default_factory=list)
    config: dict[str, Any] | None = None
    kept: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set_status(self, guid: str, status: str) -> None:
        """Move a payment, as a bank would."""
        self.payments[guid]["status"] = status

    def called(self, method: str, path: str) -> int:
        """Count the calls of one kind."""
        return sum((method, path) == (one, two) for one, two, _ in self.calls)

    @property
    def guids(self) -> list[str]:
        """The payments, oldest first."""
        return list(self.payments)


@contextmanager
def banq_double(**changes: Any) -> Iterator[BanqWire]:
    """Serve the double for one test."""
    made: list[BanqWire] = []

    def make(base_url: str) -> Starlette:
        wire = BanqWire(base_url, _credentials(base_url), **changes)
        made.append(wire)
        return _application(wire)

    with serving(make):
        yield made[0]


def _credentials(base_url: str) -> Credentials:
    return Credentials(
        base_url=f"{base_url}/api/",
        token_url=f"{base_url}/oauth/token",
        client_id="the-client",
        username="the-name",
        password="the-password",
        user_name="ada@shop.example",
        user_password="her-password",
        banq_guid=BANQ,
        account_space_id=SPACE,
    )


def _application(wire: BanqWire) -> Starlette:
    double = _Double(wire)
    app = Starlette(
        routes=[
            Route("/oauth/token", double.token, methods=["POST"]),
            Route("/api/v1/payments/get-paid-link", double.link, methods=["POST"]),
            Route("/api/v1/payments", double.list),
            Route("/api/v1/payments/{guid}", double.read),
            Route("/api/v1/payments/{guid}/cancel", double.cancel, methods=["POST"]),
            Route("/api/v1/payments/{guid}/livetoken", double.live, methods=["POST"]),
            Route("/api/v1/transactions/{guid}", double.transaction),
            Route("/widget/ecommerce.js", double.widget),
            Route("/live/live.js", double.live_module),
            Route("/api/v1/users/me", double.me),
            Route("/api/v1/account-spaces/{space}/webhook-config", double.configure),
            Route(
                "/api/v1/account-spaces/{space}/webhook-config", double.configure, methods=["POST", "PATCH", "DELETE"]
            ),
        ]
    )

    async def remember(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            path = request.url.path.removeprefix("/api")
            wire.calls.append((request.method, path, request.headers.get("idempotency-key")))
            wire.heard.append(dict(request.headers))
            if wire.answered_first and path != "/oauth/token":
                await wire.answered_first.pop(0)(scope, receive, send)
                return
        await app(scope, receive, send)

    return remember  # type: ignore[return-value]  # an ASGI callable is all that serving needs


class _Double:
    def __init__(self, wire: BanqWire) -> None:
        self.wire = wire

    async def token(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        self.wire.grants.append(asked)
        if not self._granted(asked):
            return JSONResponse({"error": "invalid_grant", "error_description": "Wrong user name or password."}, 403)
        token = secrets.token_urlsafe(16)
        self.wire.tokens[token] = asked.get("audience", USER)
        answer = {"access_token": token, "token_type": "Bearer"}
        if not self.wire.original:
            answer["expires_in"] = 86_400  # type: ignore[assignment]  # one number among strings
        if asked.get("scope") == "offline_access" or asked["grant_type"] == "refresh_token":
            self.wire.refreshes[:] = [f"refresh-{token}"]
            answer["refresh_token"] = self.wire.refreshes[0]
        return JSONResponse(answer)

    async def link(self, request: Request) -> Response:
        if not self._known(request, OPEN):
            return self._error(401, "unauthorized")
        body = await request.body()
        key = "" if self.wire.original else request.headers.get("idempotency-key", "")
        with self.wire.lock:
            if key in self.wire.kept:
                sent, answer = self.wire.kept[key]
                return _raw(answer, 201) if sent == body else self._error(422, "idempotency_mismatch")
            payment = self._created(json.loads(body, parse_float=Decimal))
            if self.wire.original:
                return JSONResponse({"data": {"url": payment["url"]}})
            answer = _json({**payment, "data": {"url": payment["url"]}})
            if key:
                self.wire.kept[key] = (body, answer)
        return _raw(answer, 201)

    async def list(self, request: Request) -> Response:
        code = request.query_params.get("externalOrderCode")
        found = [one for one in self.wire.payments.values() if code in {None, one["externalOrderCode"]}]
        return _raw(_json({"payments": found, "total": len(found)}))

    async def read(self, request: Request) -> Response:
        if not self._known(request, OPEN):
            return self._error(401, "unauthorized")
        payment = self.wire.payments.get(request.path_params["guid"])
        return _raw(_json(payment)) if payment else self._error(404, "not_found")

    async def cancel(self, request: Request) -> Response:
        payment = self.wire.payments[request.path_params["guid"]]
        if payment["status"] not in {"created", "processing"}:
            return self._error(409, "conflict")
        payment["status"] = "cancelled"
        return _raw(_json(payment))

    async def live(self, request: Request) -> Response:
        if self.wire.original:
            return self._error(404, "not_found")
        payment = self.wire.payments[request.path_params["guid"]]
        return JSONResponse({"token": "live", "expiresIn": 900, "url": f"{self.wire.base_url}/live/{payment['id']}"})

    async def widget(self, request: Request) -> Response:
        """Be the widget as its guide has it: a button, and a window that shows the link it was given."""
        return Response(WIDGET_JS, media_type="text/javascript", headers=ANYBODY)

    async def live_module(self, request: Request) -> Response:
        """Be live status that has nothing to tell: a page must get along without."""
        return Response("export const follow = () => () => {};", media_type="text/javascript", headers=ANYBODY)

    async def transaction(self, request: Request) -> Response:
        found = self.wire.transactions.get(request.path_params["guid"])
        return _raw(_json(found)) if found else self._error(404, "not_found")

    async def me(self, request: Request) -> Response:
        if not self._known(request, USER):
            return self._error(403, "forbidden")
        wanted = request.query_params.get("include", "").split(",")
        answer: dict[str, Any] = {"id": 7, "guid": str(uuid.uuid4()), "email": "ada@shop.example"}
        if "accountSpaces" in wanted:
            answer["accountSpaces"] = [{"accountSpaceId": SPACE, "platformId": SPACE, "name": "S", "type": "business"}]
        if "banqAccounts" in wanted:
            answer["banqAccounts"] = [{"id": 1, "banqGuid": BANQ, "banqName": "till", "accountSpaceId": SPACE}]
        return JSONResponse(answer)

    async def configure(self, request: Request) -> Response:
        body = await request.body()
        asked = json.loads(body) if body else {}
        created = self.wire.config is None
        match request.method:
            case "POST":
                self.wire.config = {**asked, "accountSpaceId": request.path_params["space"]}
            case "PATCH":
                self.wire.config = {**(self.wire.config or {}), **asked}
            case "DELETE":
                self.wire.config = None
                return Response(status_code=204)
        if self.wire.original:
            return Response(status_code=200)
        secret = {"secret": "whsec_c2VjcmV0"} if request.method == "POST" and created else {}
        return JSONResponse({**(self.wire.config or {}), **secret}, 201 if secret else 200)

    def _created(self, asked: dict[str, Any]) -> dict[str, Any]:
        guid = str(uuid.uuid4())
        payment = {
            "id": len(self.wire.payments) + 9001,
            "guid": guid,
            "url": f"https://link.banq.com/{secrets.token_hex(5)}b",
            "type": "pay",
            "status": "created",
            "externalOrderCode": asked["externalOrderCode"],
            "recurrence": {"frequency": asked.get("frequency", "once"), "startDate": "2021-09-22T00:00:00"},
            "source": None,
            "destination": {"type": "banq", "banq": {"id": 1, **asked["destination"]}},
            "comment": asked["comment"],
            "funds": Decimal(asked["funds"]),
            "currency": asked.get("currency", "EUR"),
        }
        if self.wire.original:
            del payment["currency"]
        self.wire.payments[guid] = payment
        return payment

    def _granted(self, asked: dict[str, Any]) -> bool:
        known = self.wire.credentials
        match asked:
            case {"grant_type": "refresh_token", "refresh_token": token}:
                return token in self.wire.refreshes
            case {"grant_type": "client_credentials", "client_id": "the-client", "client_secret": "the-secret"}:
                return True
            case {"audience": "https://banq.com/api", "username": name, "password": password}:
                return (name, password) == (known.user_name, known.user_password)
            case {"client_username": name, "client_password": password}:
                return (name, password) == (known.username, known.password) and not self.wire.original
            case {"username": name, "password": password}:
                return (name, password) == (known.username, known.password)
        return False

    def _known(self, request: Request, audience: str) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self.wire.tokens.get(token) == audience

    def _error(self, status: int, code: str) -> Response:
        if self.wire.original:
            return HTMLResponse(f"<p>{code}", status)
        return JSONResponse({"error": code, "message": f"the double says {code}"}, status)


def _json(value: object) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(value)


def _raw(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
