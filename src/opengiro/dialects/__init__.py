"""Wires we speak. A dialect is a folder that exports one `Dialect`: routes as a list, and a wording for every refusal.

Dialects know no dialect. What they share goes down into a use case; this file only names the shape they all have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse

from opengiro.domain.refusals import Refusal, Refused
from opengiro.store.answers import Answer, Receipt
from opengiro.usecases.authenticate import authenticate

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from opengiro.domain.rights import Principal, Right
    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import OpenedCheckout

__all__ = ["Answer", "Call", "Dialect", "Handler", "Receipt", "Route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request after authentication; header names are in lower case, `base` is the wire's own URL as called."""

    core: Core
    principal: Principal | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    request_id: int
    receipt: Receipt | None = None
    payer_ip: str | None = None

    @property
    def caller(self) -> Principal:
        """Who is calling, on a route that needs a token."""
        if self.principal is None:
            raise Refused(Refusal.TOKEN_MISSING)
        return self.principal


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of a wire; the OpenAPI document is generated from these.

    `rights` lists what opens the route: any one of them, or nobody's token at all when it is None. A route that
    `keeps_receipt` saves its idempotency key itself, in the transaction of its effect; a `claimant` says whose key it
    is where no token tells. One that is `bare` also
    answers without the dialect's prefix. `location` tells where something made is, by members of the answer,
    and `or_status` what a route answers with when it made nothing new. `refusals` are statuses that no
    other route of its kind refuses with.
    `leads_to` names the routes (method, path) that take the id it answers with.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    rights: tuple[Right, ...] | None
    reads: Any = None
    writes: Any = None
    status: int = 200
    or_status: int | None = None
    refusals: tuple[int, ...] = ()
    location: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    keeps_receipt: bool = False
    claimant: Callable[[Call], Awaitable[Principal | None]] | None = None
    optional_token: bool = False
    bare: bool = False
    leads_to: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a dialect folder exports: JSON `routes`, browser `pages`, and how it words what went wrong (as `error`).

    `headers` are those every route reads besides its own, with what they say.
    """

    name: str
    prefix: str
    routes: Sequence[Route]
    error: Any
    scopes: Mapping[str, Right | frozenset[Right]]
    refuse: Callable[[Refused, int], Answer]
    broke: Callable[[int], Answer]
    no_route: Callable[[int], Answer]
    wrong_method: Callable[[int], Answer]
    pages: Callable[[Core], Sequence[BaseRoute]]
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: Mapping[Refusal, int] = field(default_factory=dict)
    authenticate: Callable[[Core, str | None], Awaitable[Principal]] = authenticate


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of the machine itself."""


def admit(core: Core, opened: OpenedCheckout) -> Response:
    """Send a payer on to a clean URL, with the secret of the checkout in a cookie of this browser alone."""
    answer = RedirectResponse(f"{core.own_url}/checkout/{opened.handle}", 303)
    answer.set_cookie(
        f"opengiro_{opened.handle}",
        opened.secret,
        httponly=True,
        secure=core.own_url.startswith("https:"),
        samesite="lax",
    )
    return answer


def same_machine_elsewhere(core: Core, request: Request) -> Response | None:
    """Send a payer who called a laptop by another of its names to our own one first.

    The session's cookie belongs to one name, and the bank sends the payer back to ours.
    """
    own, called = urlsplit(core.own_url), request.url.hostname or ""
    known = called in LOOPBACK or called.endswith(".localhost")
    if own.hostname not in LOOPBACK or not known or called == own.hostname:
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{core.own_url}{request.url.path}{query}", 307)
