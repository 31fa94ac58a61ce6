"""Who follows: a live token for just this payment, shown by a page of an origin that its merchant registered.

A browser cannot put a token into the headers of an EventSource or WebSocket, so it may also stand in the query or
among the subprotocols. Nothing else opens this door: no cookie, no service token, no token of another payment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opengiro.dialects import LOOPBACK
from opengiro.domain.merchants import origin_of
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Principal, Right
from opengiro.usecases.authenticate import authenticate
from opengiro.usecases.follow_payment import FROM_THE_START

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from opengiro.usecases import Core

SUBPROTOCOL = "opengiro"
_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)

STATUSES: Mapping[Refusal, int] = MappingProxyType(
    {
        Refusal.TOKEN_MISSING: 401,
        Refusal.TOKEN_INVALID: 401,
        Refusal.SCOPE_MISSING: 403,
        Refusal.NOT_FOUND: 404,
        Refusal.STATE_FORBIDS: 409,
    }
)
"""How a refusal looks over HTTP here; no other can come out of following."""


class Turned(Exception):  # away at the door: a normal answer to the wrong caller
    """We do not let this caller in; `code` says why in a word."""

    def __init__(self, status: int, code: str) -> None:
        """Keep the HTTP status and the word."""
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Visitor:
    """A follower who may: `origin` is the page's, and None for a program or a page of our own."""

    token: str
    holder: Principal
    payment_id: int
    origin: str | None
    ip: str


async def admit(core: Core, caller: HTTPConnection) -> Visitor:
    """Return who follows; raises `Turned`, before anything of the payment was read for the wrong one."""
    token = _token(caller)
    try:
        holder = await authenticate(core, token)
        payment_id = _own_payment(holder, caller.path_params["payment_id"])
    except Refused as refused:
        raise turned(refused) from None
    origin = await _origin(core, caller, holder)
    return Visitor(token or "", holder, payment_id, origin, caller.client.host if caller.client else "")


def _own_payment(holder: Principal, asked: str) -> int:
    """Return the payment of the path if it is the token's; whether another one exists is not told."""
    if not _NUMBER.fullmatch(asked) or holder.payment_id != int(asked):
        raise Refused(Refusal.NOT_FOUND)
    if Right.FOLLOW not in holder.rights:
        raise Refused(Refusal.SCOPE_MISSING)
    return holder.payment_id


def turned(refused: Refused) -> Turned:
    """Return a refusal in the words of this door."""
    return Turned(STATUSES[refused.why], refused.why.value)


def known_so_far(caller: HTTPConnection) -> int | None:
    """Return the last event that the caller knows, or None when it does not say.

    An EventSource repeats its first URL for ever and puts what it knows now into the header, so the header wins.
    """
    told = caller.headers.get("last-event-id") or caller.query_params.get("last_event_id")
    if told is None:
        return None
    return int(told) if _NUMBER.fullmatch(told) else FROM_THE_START


def _token(caller: HTTPConnection) -> str | None:
    scheme, _, token = caller.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    offered = [one for one in caller.scope.get("subprotocols", ()) if one != SUBPROTOCOL]
    return caller.query_params.get("token") or (offered[0] if offered else None)


async def _origin(core: Core, caller: HTTPConnection, holder: Principal) -> str | None:
    """Return the calling page's origin; raises `Turned` unless it is ours or registered, letter by letter."""
    origin = caller.headers.get("origin")
    if origin is None or _is_ours(core, caller, origin):
        return None
    application = holder.client_id and await core.store.applications.load(holder.merchant_id, holder.client_id)
    if not application or origin not in application.origins:
        raise Turned(403, "origin_unregistered")
    return origin


def _is_ours(core: Core, caller: HTTPConnection, origin: str) -> bool:
    """Whether a page of this server calls, which on a laptop has more than one name."""
    if origin == origin_of(core.own_url):
        return True
    own, other = urlsplit(core.own_url), urlsplit(origin)
    called = caller.headers.get("host", "")
    return own.hostname in LOOPBACK and other.hostname in LOOPBACK and origin == f"{own.scheme}://{called}"
