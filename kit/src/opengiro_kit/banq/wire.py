"""The banq wire without I/O: every call as a request value and the way to read its answer.

Two tokens are in play: the open one acts for the merchant, the user one only finds account guids. A refresh token is
used by one caller and once, since services take its second use for theft; whoever finds none asks by password again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from opengiro_kit.banq.objects import (
    AccountList,
    Credentials,
    Destination,
    Include,
    NewPayment,
    PaidLink,
    Payment,
    PaymentList,
    Topic,
    Transaction,
    TransactionList,
    User,
    WebhookConfig,
)
from opengiro_kit.exchange import BUSY, Patience, Reply, Request, Talk, Unreachable, patiently
from opengiro_kit.live import LiveToken
from opengiro_kit.words import Declined

Answer = TypeVar("Answer")

#: A token without a stated life lives a day.
TOKEN_LIFE_S = 86_400
#: So much earlier a token counts as over, which keeps one from dying on its way.
TOKEN_MARGIN_S = 60
CONFLICT = frozenset({409})
SAID_MAX = 500


class Audience(Enum):
    """Which token a call carries, under the name that the token is asked for by."""

    OPEN = "https://banq.com/open/api/"
    USER = "https://banq.com/api"


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """A request, the token it needs and how its answer is read."""

    request: Request
    read: Callable[[Reply], Answer]
    audience: Audience = Audience.OPEN


class Paging(TypedDict, total=False):
    """Which part of a list to answer."""

    limit: int
    offset: int


class OrderPaging(Paging, total=False):
    """Which part of a list to answer, and for which order."""

    external_order_code: str


class WebhookChanges(TypedDict, total=False):
    """What of a webhook configuration to change."""

    url: str
    enabled: bool
    retry_count: int
    topics: tuple[Topic, ...]


class BanqError(Declined):
    """The service understood and declined; `code` says why."""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int | None = None
    refresh_token: str | None = None


class _LiveToken(msgspec.Struct, frozen=True, rename="camel"):
    token: str
    expires_in: int
    url: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: str
    message: str | None = None
    error_description: str | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    url: str | None = None


class _LinkBody(msgspec.Struct, frozen=True):
    url: str | None = None
    guid: str | None = None
    data: _Wrapped | None = None


class Purse:
    """The token of one audience; two calls at once may fetch one each, harmlessly."""

    def __init__(self, credentials: Credentials, audience: Audience, clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._audience = audience
        self._clock = clock
        self._token = ""
        self._good_until_s = 0.0
        self._refresh: list[str] = []

    def cached(self) -> str:
        """Return the token while it is good, else nothing."""
        return self._token if self._clock() < self._good_until_s else ""

    def fetch(self, patience: Patience) -> Talk[str]:
        """Get a token, by refreshing where that works."""
        asked_at_s = self._clock()
        token = (yield from self._renewed(patience)) or (yield from self._granted(patience))
        life_s = TOKEN_LIFE_S if token.expires_in is None else token.expires_in
        self._good_until_s = asked_at_s + life_s - TOKEN_MARGIN_S
        self._token = token.access_token
        if token.refresh_token:
            self._refresh[:] = [token.refresh_token]
        return self._token

    def _granted(self, patience: Patience) -> Talk[_Token]:
        call = token(self._credentials, self._audience)
        return call.read((yield from patiently(call.request, patience)))

    def _renewed(self, patience: Patience) -> Talk[_Token | None]:
        try:
            refresh_token = self._refresh.pop()
        except IndexError:
            return None
        call = renewed_token(self._credentials, self._audience, refresh_token)
        try:
            return call.read((yield from patiently(call.request, patience)))
        except (BanqError, Unreachable):
            return None


class Session:
    """Credentials and the tokens they last earned."""

    def __init__(self, credentials: Credentials, clock: Callable[[], float], patience: Patience) -> None:
        self.credentials = credentials
        self._api = credentials.base_url.rstrip("/")
        self._patience = patience
        self._purses = {audience: Purse(credentials, audience, clock) for audience in Audience}

    def talk(self, call: Call[Answer]) -> Talk[Answer]:
        """Make one call, with a fresh token and once more if the service no longer knows the one we had."""
        purse = self._purses[call.audience]
        cached = purse.cached()
        reply = yield from self._send(call.request, cached or (yield from purse.fetch(self._patience)))
        if reply.status == 401 and cached:
            reply = yield from self._send(call.request, (yield from purse.fetch(self._patience)))
        return call.read(reply)

    def _send(self, request: Request, bearer: str) -> Talk[Reply]:
        carrying = replace(request, path=self._api + request.path).with_header("authorization", f"Bearer {bearer}")
        if self.credentials.company_id:
            carrying = carrying.with_header("x-company-id", self.credentials.company_id)
        return patiently(carrying, self._patience)


def token(credentials: Credentials, audience: Audience) -> Call[_Token]:
    """Ask for a token; asking twice changes nothing, so a lost answer is asked for again."""
    body = _user_grant(credentials) if audience is Audience.USER else _open_grant(credentials)
    request = _token_request(credentials, {**body, "audience": audience.value})
    return Call(replace(request, again_on=BUSY, again_when_lost=True), _as(_Token), audience)


def renewed_token(credentials: Credentials, audience: Audience, refresh_token: str) -> Call[_Token]:
    """Ask for a token by the refresh token of the one before, which is good for one request only."""
    client_id = credentials.user_client_id if audience is Audience.USER else credentials.client_id
    body = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
    return Call(_token_request(credentials, body), _as(_Token), audience)


def get_paid_link(payment: NewPayment, banq_guid: str, key: str) -> Call[PaidLink]:
    """Ask for a payment link; on 409 the first call under this key still runs, so its answer is waited for."""
    addressed = payment
    if payment.destination is None:
        addressed = msgspec.structs.replace(payment, destination=Destination(banq_guid=banq_guid))
    request = replace(_sending("POST", "/v1/payments/get-paid-link", addressed, key), again_on=CONFLICT)
    return Call(request, _link)


def payment(reference: int | str) -> Call[Payment]:
    """Read a payment."""
    return Call(_get(f"/v1/payments/{_part(reference)}"), _as(Payment))


def payments(paging: OrderPaging) -> Call[PaymentList]:
    """List payments."""
    return Call(_get("/v1/payments", paging), _as(PaymentList))


def cancel(reference: int | str, key: str) -> Call[Payment]:
    """Cancel a payment or stop a recurring one; OpenGiro's own, and unknown elsewhere."""
    return Call(_sending("POST", f"/v1/payments/{_part(reference)}/cancel", {}, key), _as(Payment))


def live_token(reference: int | str, key: str) -> Call[LiveToken]:
    """Ask for what a page follows one payment with; OpenGiro's own, and unknown elsewhere."""
    return Call(_sending("POST", f"/v1/payments/{_part(reference)}/livetoken", {}, key), _live_token)


def transaction(reference: int | str) -> Call[Transaction]:
    """Read a transaction."""
    return Call(_get(f"/v1/transactions/{_part(reference)}"), _as(Transaction))


def transactions(paging: OrderPaging) -> Call[TransactionList]:
    """List transactions."""
    return Call(_get("/v1/transactions", paging), _as(TransactionList))


def banqs(paging: Paging) -> Call[AccountList]:
    """List the accounts that can be paid to."""
    return Call(_get("/v1/banqs", paging), _as(AccountList))


def me(include: tuple[Include, ...]) -> Call[User]:
    """Read the merchant user, its spaces and its accounts."""
    path = f"/v1/users/me?include={','.join(include)}" if include else "/v1/users/me"
    return Call(_get(path), _as(User), Audience.USER)


def webhook_config(space: str) -> Call[WebhookConfig]:
    """Read where the events of a space go."""
    return Call(_get(_config(space)), _config_as_told)


def create_webhook_config(
    space: str, url: str, topics: tuple[Topic, ...], retry_count: int, enabled: bool, key: str
) -> Call[WebhookConfig]:
    """Register where the events of a space go, in place of what was registered before."""
    body = {"url": url, "enabled": enabled, "retryCount": retry_count, "webHookTypes": topics}
    return Call(_sending("POST", _config(space), body, key), _config_as_told)


def change_webhook_config(space: str, changes: WebhookChanges) -> Call[WebhookConfig]:
    """Change some of where the events of a space go; twice is as good as once."""
    body = {_SPELLED.get(name, name): value for name, value in changes.items()}
    request = replace(_sending("PATCH", _config(space), body), again_on=BUSY, again_when_lost=True)
    return Call(request, _config_as_told)


def delete_webhook_config(space: str) -> Call[None]:
    """Send the events of a space nowhere."""
    return Call(Request("DELETE", _config(space), again_on=BUSY, again_when_lost=True), _refuse)


_JSON = {"content-type": "application/json", "accept": "application/json"}
_SPELLED = {"retry_count": "retryCount", "topics": "webHookTypes", "external_order_code": "externalOrderCode"}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def _open_grant(credentials: Credentials) -> dict[str, str]:
    if credentials.client_secret:
        return {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        }
    name, password = credentials.spelling.value
    return {
        "grant_type": "password",
        "client_id": credentials.client_id,
        name: credentials.username,
        password: credentials.password,
    }


def _user_grant(credentials: Credentials) -> dict[str, str]:
    return {
        "grant_type": "password",
        "client_id": credentials.user_client_id,
        "username": credentials.user_name,
        "password": credentials.user_password,
        "scope": "offline_access",
    }


def _token_request(credentials: Credentials, body: Mapping[str, str]) -> Request:
    return Request("POST", credentials.token_url, _JSON, _encode(body))


def _get(path: str, query: Mapping[str, Any] | None = None) -> Request:
    asked = {_SPELLED.get(name, name): value for name, value in (query or {}).items()}
    target = f"{path}?{urlencode(asked)}" if asked else path
    return Request("GET", target, {"accept": "application/json"}, again_on=BUSY, again_when_lost=True)


def _sending(method: str, path: str, body: object, key: str = "") -> Request:
    headers = {**_JSON, "idempotency-key": key} if key else _JSON
    return Request(method, path, headers, _encode(body), again_when_lost=bool(key))


def _config(space: str) -> str:
    return f"/v1/account-spaces/{_part(space)}/webhook-config"


def _part(reference: int | str) -> str:
    # "." and ".." survive quoting and would climb out of the path.
    text = str(reference)
    if not text.strip("."):
        raise ValueError("a resource has a name")
    return quote(text, safe="")


def _as(kind: type[Answer]) -> Callable[[Reply], Answer]:
    decode = msgspec.json.Decoder(kind).decode

    def read(reply: Reply) -> Answer:
        _refuse(reply)
        try:
            return decode(reply.body)
        except msgspec.DecodeError as trouble:
            raise BanqError("unreadableAnswer", str(trouble), reply.status) from trouble

    return read


_payment_as_told = _as(Payment)
_some_config_as_told = _as(WebhookConfig)


def _link(reply: Reply) -> PaidLink:
    """Read the link, where the reference puts it or wrapped; the original's answer is not documented."""
    body = _as(_LinkBody)(reply)
    url = body.url or (body.data.url if body.data else None)
    if not url:
        raise BanqError("unreadableAnswer", "the answer holds no link", reply.status)
    return PaidLink(url, _payment_as_told(reply) if body.guid else None)


def _config_as_told(reply: Reply) -> WebhookConfig:
    # The original documents no body here, so none is as good as one.
    _refuse(reply)
    return _some_config_as_told(reply) if reply.body.strip() else WebhookConfig()


def _live_token(reply: Reply) -> LiveToken:
    told = _as(_LiveToken)(reply)
    return LiveToken(told.url, told.token, told.expires_in)


def _refuse(reply: Reply) -> None:
    if reply.status < 400:
        return
    request_id = reply.headers.get("x-request-id")
    try:
        said = msgspec.json.decode(reply.body, type=_ErrorBody)
    except msgspec.DecodeError:
        text = reply.body[:SAID_MAX].decode("utf-8", "replace").strip()
        raise BanqError("unreadableAnswer", text or "the error has no body", reply.status, request_id) from None
    raise BanqError(said.error, said.message or said.error_description or "", reply.status, request_id)
