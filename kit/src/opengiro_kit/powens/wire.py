"""The powens wire without I/O: every call as a request value and the way to read its answer.

Which calls may be repeated is decided here. Reads are; a POST is repeated only when its answer was lost, and
only under the idempotency key it was first sent with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from opengiro_kit.exchange import BUSY, Patience, Reply, Request, Talk, patiently
from opengiro_kit.live import LiveToken
from opengiro_kit.powens.objects import (
    ClientApplication,
    Connector,
    Credentials,
    NewPayment,
    Payment,
    PaymentPage,
    ScopedToken,
    SigningSecret,
    Terms,
    Webhook,
    decoder,
)
from opengiro_kit.words import Declined

Answer = TypeVar("Answer")

# A service token lives 30 minutes; a minute less keeps one from dying on its way.
TOKEN_LIFETIME_S = 29 * 60
CONFLICT = frozenset({409})
LANGUAGES = frozenset({"en", "fr", "de", "nl", "pt", "it", "es"})


class Bearer(Enum):
    """Which token a call carries."""

    NONE = auto()
    SERVICE = auto()
    CONFIG = auto()


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """A request, the token it needs and how its answer is read."""

    request: Request
    read: Callable[[Reply], Answer]
    bearer: Bearer = Bearer.SERVICE


class PaymentFilters(TypedDict, total=False):
    """What a list of payments can be narrowed to and ordered by."""

    limit: int
    offset: int
    reverse: bool
    filter: str
    min_date: str
    max_date: str
    connector_uuid: str
    state: str
    error_code: str
    bank_payment_id: str
    payer_identification: str
    beneficiary_identification: str
    reference_id: str
    execution_date_type: str
    order_by: str
    country: str


class PowensError(Declined):
    """The service understood and declined; `message` is what it says to the payer."""

    def __init__(
        self, code: str, description: str, status: int, request_id: str | None, message: str | None = None
    ) -> None:
        super().__init__(code, description, status, request_id)
        self.message = message


class _ErrorBody(msgspec.Struct, frozen=True):
    code: str
    description: str | None = None
    message: str | None = None
    request_id: int | str | None = None


class _Token(msgspec.Struct, frozen=True):
    token: str


class _LiveToken(msgspec.Struct, frozen=True):
    token: str
    expires_in: int
    url: str


class _Connectors(msgspec.Struct, frozen=True):
    connectors: tuple[Connector, ...]


class _Webhooks(msgspec.Struct, frozen=True):
    webhooks: tuple[Webhook, ...]


class _SecretKey(msgspec.Struct, frozen=True):
    secret_key: str


class _Provider(msgspec.Struct, frozen=True):
    id: int
    name: str
    config: _SecretKey


class Session:
    """Credentials and the token they last earned; two calls at once may fetch one each, harmlessly."""

    def __init__(self, credentials: Credentials, scope: str, clock: Callable[[], float], patience: Patience) -> None:
        self.credentials = credentials
        self.base_url = credentials.base_url.rstrip("/")
        self._scope = scope
        self._clock = clock
        self._patience = patience
        self._token = ""
        self._good_until_s = 0.0

    def talk(self, call: Call[Answer]) -> Talk[Answer]:
        """Make one call, with a fresh token and once more if the service no longer knows the one we had."""
        if call.bearer is not Bearer.SERVICE:
            fixed = self.credentials.config_token if call.bearer is Bearer.CONFIG else ""
            return call.read((yield from self._send(call.request, fixed)))
        cached = self._cached()
        reply = yield from self._send(call.request, cached or (yield from self._fetch()))
        if reply.status == 401 and cached:
            reply = yield from self._send(call.request, (yield from self._fetch()))
        return call.read(reply)

    def _cached(self) -> str:
        return self._token if self._clock() < self._good_until_s else ""

    def _fetch(self) -> Talk[str]:
        call = service_token(self.credentials, self._scope)
        asked_at_s = self._clock()
        self._token = call.read((yield from patiently(call.request, self._patience)))
        self._good_until_s = asked_at_s + TOKEN_LIFETIME_S
        return self._token

    def _send(self, request: Request, token: str) -> Talk[Reply]:
        carrying = request.with_header("authorization", f"Bearer {token}") if token else request
        return patiently(carrying, self._patience)


def service_token(credentials: Credentials, scope: str) -> Call[str]:
    """Ask for a service token; asking twice changes nothing, so a lost answer is asked for again."""
    body = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "scope": scope,
    }
    request = replace(_post("/auth/token", body), again_when_lost=True)
    return Call(request, lambda reply: _as(_Token)(reply).token, Bearer.NONE)


def create_payment(payment: NewPayment, key: str) -> Call[Payment]:
    """Create a payment; on 409 the first call under this key still runs, so its answer is waited for."""
    request = replace(_post("/payments", payment, key), again_on=CONFLICT)
    return Call(request, _as(Payment))


def payment(payment_id: int) -> Call[Payment]:
    """Read a payment."""
    return Call(_get(f"/payments/{payment_id:d}"), _as(Payment))


def payments(filters: PaymentFilters) -> Call[PaymentPage]:
    """List payments."""
    return Call(_get("/payments", filters), _as(PaymentPage))


def update_payment(payment_id: int, body: Mapping[str, Any], key: str) -> Call[Payment]:
    """Validate, resume, answer, confirm or cancel a payment, depending on the body."""
    return Call(_post(f"/payments/{payment_id:d}", body, key), _as(Payment))


def scoped_token(payment_id: int, scopes: tuple[str, ...], key: str) -> Call[ScopedToken]:
    """Ask for a token that opens one payment."""
    return Call(_post(f"/payments/{payment_id:d}/scopedtoken", {"scope": scopes}, key), _as(ScopedToken))


def live_token(payment_id: int, key: str) -> Call[LiveToken]:
    """Ask for what a page follows one payment with; OpenGiro's own, and unknown elsewhere."""
    return Call(_post(f"/payments/{payment_id:d}/livetoken", {}, key), _live_token)


def terms(payment_id: int) -> Call[Terms]:
    """Read which terms apply to a payment."""
    return Call(_get(f"/payments/{payment_id:d}/terms"), _as(Terms))


def accept_terms(payment_id: int, terms_id: int, key: str) -> Call[None]:
    """Record that the payer accepted the terms."""
    return Call(_post(f"/payments/{payment_id:d}/terms", {"id_terms": terms_id}, key), _nothing)


def connectors(country_codes: tuple[str, ...], payment_id: int | None) -> Call[tuple[Connector, ...]]:
    """List the banks, in some countries or able to carry one payment."""
    query: dict[str, str | int] = {}
    if country_codes:
        query["country_codes"] = ",".join(country_codes)
    if payment_id is not None:
        query["id_payment"] = payment_id
    return Call(_get("/connectors", query), lambda reply: _as(_Connectors)(reply).connectors, Bearer.NONE)


def connector(uuid: str) -> Call[Connector]:
    """Read one bank."""
    return Call(_get(f"/connectors/{quote(uuid, safe='')}"), _as(Connector), Bearer.NONE)


def webhooks() -> Call[tuple[Webhook, ...]]:
    """List the registered webhooks that are not deleted."""
    return Call(_get("/webhooks"), _living_webhooks, Bearer.CONFIG)


def create_webhook(url: str, event: str, id_auth: int, key: str) -> Call[Webhook]:
    """Register a webhook whose deliveries are signed with a provider's secret."""
    body = {"url": url, "event": event, "id_auth": id_auth}
    return Call(_post("/webhooks", body, key), _as(Webhook), Bearer.CONFIG)


def delete_webhook(webhook_id: int) -> Call[None]:
    """Remove a webhook."""
    request = Request("DELETE", f"/webhooks/{webhook_id:d}", again_on=BUSY, again_when_lost=True)
    return Call(request, _nothing, Bearer.CONFIG)


def create_signing_secret(name: str, key: str) -> Call[SigningSecret]:
    """Create an HMAC provider and learn its secret, which is told this once."""
    body = {"type": "hmac_signature", "name": name}
    return Call(_post("/webhooks/auth", body, key), _signing_secret, Bearer.CONFIG)


def client_application(client_id: str) -> Call[ClientApplication]:
    """Read a client and its redirect URIs."""
    return Call(_get(f"/clients/{quote(client_id, safe='')}"), _as(ClientApplication), Bearer.CONFIG)


def allow_redirects(client_id: str, uris: tuple[str, ...]) -> Call[ClientApplication]:
    """Replace the redirect URIs of a client."""
    body = msgspec.json.encode({"redirect_uris": " ".join(uris)})
    path = f"/clients/{quote(client_id, safe='')}"
    request = Request("PUT", path, _JSON, body, again_on=BUSY, again_when_lost=True)
    return Call(request, _as(ClientApplication), Bearer.CONFIG)


def webview_url(
    credentials: Credentials,
    payment_id: int,
    code: str,
    redirect_uri: str,
    state: str | None = None,
    lang: str | None = None,
) -> str:
    """Return the address of the hosted page where the payer approves this payment."""
    query = {
        "domain": credentials.domain,
        "client_id": credentials.client_id,
        "redirect_uri": redirect_uri,
        "state": state or "",
        "code": code,
        "payment_id": str(payment_id),
    }
    kept = urlencode({name: value for name, value in query.items() if value})
    language = f"{lang}/" if lang in LANGUAGES else ""
    return f"{credentials.base_url.rstrip('/')}/auth/webview/{language}payment?{kept}"


_JSON = {"content-type": "application/json", "accept": "application/json"}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def _get(path: str, query: Mapping[str, Any] | None = None) -> Request:
    asked = {name: _spelled(value) for name, value in (query or {}).items()}
    target = f"{path}?{urlencode(asked)}" if asked else path
    return Request("GET", target, {"accept": "application/json"}, again_on=BUSY, again_when_lost=True)


def _post(path: str, body: object, key: str = "") -> Request:
    headers = {**_JSON, "idempotency-key": key} if key else _JSON
    return Request("POST", path, headers, _encode(body), again_when_lost=bool(key))


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as(kind: type[Answer]) -> Callable[[Reply], Answer]:
    decode = decoder(kind)

    def read(reply: Reply) -> Answer:
        _refuse(reply)
        try:
            return decode(reply.body)  # type: ignore[no-any-return]  # the decoder was made for this kind
        except msgspec.DecodeError as trouble:
            raise PowensError("unreadableAnswer", str(trouble), reply.status, None) from trouble

    return read


def _nothing(reply: Reply) -> None:
    _refuse(reply)


def _living_webhooks(reply: Reply) -> tuple[Webhook, ...]:
    return tuple(one for one in _as(_Webhooks)(reply).webhooks if not one.deleted)


def _signing_secret(reply: Reply) -> SigningSecret:
    provider = _as(_Provider)(reply)
    return SigningSecret(provider.id, provider.name, provider.config.secret_key)


def _live_token(reply: Reply) -> LiveToken:
    told = _as(_LiveToken)(reply)
    return LiveToken(told.url, told.token, told.expires_in)


def _refuse(reply: Reply) -> None:
    if reply.status < 400:
        return
    try:
        said = msgspec.json.decode(reply.body, type=_ErrorBody)
    except msgspec.DecodeError:
        said = _ErrorBody("unreadableAnswer", "the error has no readable body")
    request_id = None if said.request_id is None else str(said.request_id)
    raise PowensError(said.code, said.description or "", reply.status, request_id, said.message)
