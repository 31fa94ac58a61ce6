"""Serve the dialects' routes over HTTP: token, body limit, idempotency key, and one place where a bug becomes a 500.

Calls are most of what a busy server does, so they are found by a look into a table, before any page's route is tried,
and answered without a request or response object around them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from starlette.datastructures import URL
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path
from starlette.routing import Route as Path

from opengiro.dialects import LOOPBACK, Answer, Call, Dialect, Receipt, Route
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.rights import Principal
from opengiro.store import Unavailable
from opengiro.telemetry.meters import FAULTS, REFUSALS
from opengiro.usecases import Core
from opengiro.usecases.authenticate import require
from opengiro.usecases.recall_answer import claim_answer, keep_answer
from opengiro.web.limits.gate import VISIT
from opengiro.web.openapi import describe

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

AWAY_S = 2
"""When to come back while the database is away."""

BODY_BYTES_MAX = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

_log = structlog.get_logger("opengiro.api")


@dataclass(frozen=True, slots=True)
class _Place:
    """A path of a dialect with what can be done there, by method."""

    dialect: Dialect
    path: str
    routes: Mapping[str, Route]


@dataclass(slots=True)
class _Reply:
    """What goes back: an answer, and headers besides those that every answer has."""

    answer: Answer
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Api:
    """Answers the calls of all dialects; what is none of their paths goes on to `rest`."""

    def __init__(self, core: Core, dialects: Sequence[Dialect], rest: ASGIApp) -> None:
        """Build the table of paths from the dialects' lists of routes."""
        self._core = core
        self._rest = rest
        self._fixed: dict[str, _Place] = {}
        self._patterns: dict[int, list[tuple[re.Pattern[str], _Place]]] = {}
        for dialect in dialects:
            FAULTS.labels(dialect.name)  # so that the first one is an increase, which an alert waits for
        for place in _places(dialects):
            if "{" in place.path:
                pattern = compile_path(place.path)[0]
                self._patterns.setdefault(place.path.count("/"), []).append((pattern, place))
            else:
                self._fixed[place.path] = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, or pass on what is none."""
        found = self._find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._rest(scope, receive, send)
            return
        scope["endpoint"] = found[0].path  # tells which route it was, without what was in its path
        reply = await self._reply(*found, scope, receive)
        body, headers = reply.answer.body, reply.headers
        if reply.answer.status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        if body:
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": reply.answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, path: str) -> tuple[_Place, dict[str, str]] | None:
        """Return the place a path names and the values in it."""
        # A slash too many at the end is forgiven: a redirect would lose the body of a POST with some clients.
        path = path.removesuffix("/")
        place = self._fixed.get(path)
        if place is not None:
            return place, {}
        for pattern, place in self._patterns.get(path.count("/"), ()):
            if found := pattern.fullmatch(path):
                return place, found.groupdict()
        return None

    async def _reply(self, place: _Place, path: dict[str, str], scope: Scope, receive: Receive) -> _Reply:
        dialect, routes = place.dialect, place.routes
        number = scope[VISIT].number if VISIT in scope else _request_number()
        route = routes.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if route is None:
            allowed = ", ".join([*routes, "HEAD"] if "GET" in routes else routes)
            return _Reply(dialect.wrong_method(number), [(b"allow", allowed.encode())])
        base = _called_url(self._core.own_url, _host(scope), scope.get("server")) + dialect.prefix
        reply = await _guarded(dialect, number, _run(self._core, dialect, route, path, scope, receive, number, base))
        if route.location and reply.answer.status == 201:
            made = msgspec.json.decode(reply.answer.body)
            reply.headers.append((b"location", (base + route.location.format_map(made)).encode()))
        return reply


def _places(dialects: Sequence[Dialect]) -> list[_Place]:
    places: dict[str, tuple[Dialect, dict[str, Route]]] = {}
    for dialect in dialects:
        for route in dialect.routes:
            for prefix in (dialect.prefix, "") if route.bare else (dialect.prefix,):
                places.setdefault(prefix + route.path, (dialect, {}))[1][route.method] = route
    return [_Place(dialect, path, routes) for path, (dialect, routes) in places.items()]


def pages(dialect: Dialect) -> list[BaseRoute]:
    """Return what a dialect has besides calls: its description, and its own answer for what is no route."""
    return [
        Path(dialect.prefix + "/openapi.json", _document(dialect), methods=["GET"]),
        *(
            Path(dialect.prefix + rest, _none(dialect), methods=_METHODS)
            for rest in ("", "/{rest:path}")
            if dialect.prefix + rest
        ),
    ]


def _document(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    written = cache(lambda: msgspec.json.encode(describe(dialect)))

    async def endpoint(_request: Request) -> Response:
        return Response(written(), media_type="application/json")

    return endpoint


def _none(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        answer = dialect.no_route(_request_number())
        return Response(answer.body, answer.status, media_type="application/json")

    return endpoint


async def _guarded(dialect: Dialect, number: int, run: Awaitable[Answer]) -> _Reply:
    """Turn a refusal into its wording, and a bug into a logged 500 that tells nothing."""
    try:
        return _Reply(await run)
    except Refused as refused:
        REFUSALS.labels(dialect.name, refused.why).inc()
        return _declined(dialect, number, refused)
    except Unavailable as away:
        _log.warning("database unavailable", request_id=number, said=str(away))
        return _declined(dialect, number, Refused(Refusal.UNAVAILABLE, wait_s=AWAY_S))
    except ClientDisconnect:
        return _Reply(Answer(499, b""))
    except Exception:  # noqa: BLE001  # the single handler: what no one foresaw is logged once, and told to nobody
        FAULTS.labels(dialect.name).inc()
        _log.exception("request failed", request_id=number)
        return _Reply(dialect.broke(number))


def _declined(dialect: Dialect, number: int, refused: Refused) -> _Reply:
    wait = refused.wait_s or dialect.retry_after_s.get(refused.why)
    headers = [] if wait is None else [(b"retry-after", b"%d" % wait)]
    return _Reply(dialect.refuse(refused, number), headers)


async def _run(
    core: Core,
    dialect: Dialect,
    route: Route,
    path: Mapping[str, str],
    scope: Scope,
    receive: Receive,
    number: int,
    base: str,
) -> Answer:
    # Of a header that comes twice the first counts.
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
    principal = await _principal(core, dialect, route, path, headers)
    if principal and VISIT in scope:
        scope[VISIT].meet(principal.merchant_id)
    body = await _read(headers, receive)
    query = scope["query_string"]
    call = Call(
        core=core,
        principal=principal,
        path=path,
        query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {},
        headers=headers,
        body=body,
        base=base,
        request_id=number,
        payer_ip=scope["client"][0] if scope.get("client") else None,
        receipt=_receipt(route, scope, headers, principal, body),
    )
    if route.claimant and "idempotency-key" in headers:
        call = replace(call, receipt=_receipt(route, scope, headers, await route.claimant(call), body))
    if call.receipt is None or route.keeps_receipt:
        return await route.handler(call)
    return await _once(core, route, call, call.receipt)


async def _once(core: Core, route: Route, call: Call, receipt: Receipt) -> Answer:
    """Run a call under its idempotency key: claimed before, kept after, freed when it was declined."""
    claim = await claim_answer(core, receipt)
    if isinstance(claim, Answer):
        return claim
    answer = None
    try:
        answer = await route.handler(call)
    finally:
        await keep_answer(core, claim, answer)
    return answer


async def _principal(
    core: Core, dialect: Dialect, route: Route, path: Mapping[str, str], headers: Mapping[str, str]
) -> Principal | None:
    """Return who is calling, once the route's rights and the payment of the path were judged."""
    token = _bearer(headers)
    if route.rights is None and not (route.optional_token and token):
        return None
    principal = await dialect.authenticate(core, token)
    payment_id = path.get("payment_id")
    if payment_id is not None and not _NUMBER.fullmatch(payment_id):
        raise Refused(Refusal.NOT_FOUND)
    if route.rights is not None:
        require(principal, *route.rights, payment_id=None if payment_id is None else int(payment_id))
    return principal


@lru_cache(maxsize=256)
def _called_url(own_url: str, host: bytes | None, server: tuple[str, int | None] | None) -> str:
    """Return the server's own URL, under the loopback name it was called by when it is a laptop's.

    Any other Host header is ignored: it would let a caller choose where our links point to.
    """
    own = urlsplit(own_url)
    headers = [] if host is None else [(b"host", host)]
    called = URL(scope={"type": "http", "scheme": "http", "server": server, "path": "/", "headers": headers})
    if own.hostname in LOOPBACK and called.hostname in LOOPBACK:
        return f"{own.scheme}://{called.netloc}"
    return own_url


def _host(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"host"), None)


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _read(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return the body, refusing one above the limit before it is read whole, and one that is compressed."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Refused(Refusal.FIELD_INVALID, Complaint("content-encoding", "is not supported: send the body as it is"))
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise Refused(Refusal.BODY_TOO_LARGE)
        pieces.append(piece)
    return b"".join(pieces)


def _receipt(
    route: Route, scope: Scope, headers: Mapping[str, str], principal: Principal | None, body: bytes
) -> Receipt | None:
    key = headers.get("idempotency-key")
    if key is None or scope["method"] != "POST" or principal is None:
        return None
    if not _KEY.fullmatch(key):
        raise Refused(Refusal.IDEMPOTENCY_KEY_INVALID)
    # The path is in the scope, so one key on two payments is two keys; the query is part of what was asked.
    # A slash too many is forgiven on the way in, so it must not make another key either.
    digest = hashlib.sha256(scope["query_string"] + b"\n" + body).digest()
    path = scope["path"].rstrip("/")
    return Receipt(principal.merchant_id, principal.holder, f"{route.method} {path}", key, digest)


def _request_number() -> int:
    """Return what a request is called by in its answer and in the log; it need not be hard to guess."""
    return random.getrandbits(52)
