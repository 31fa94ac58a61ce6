"""Serve a dialect's routes over HTTP: token, body limit, idempotency key, and one place where a bug becomes a 500."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as Path

from opengiro.dialects import LOOPBACK, Answer, Call, Dialect, Receipt, Route
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.rights import Principal
from opengiro.store import Unavailable
from opengiro.usecases import Core
from opengiro.usecases.authenticate import require
from opengiro.usecases.recall_answer import claim_answer, keep_answer
from opengiro.web.limits.gate import VISIT
from opengiro.web.openapi import describe

AWAY_S = 2
"""When to come back while the database is away."""

BODY_BYTES_MAX = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

_log = structlog.get_logger("opengiro.api")


def api(core: Core, dialect: Dialect) -> list[BaseRoute]:
    """Return the web routes of a dialect, with its own answers for what is no route or no method."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in dialect.routes:
        for prefix in (dialect.prefix, "") if route.bare else (dialect.prefix,):
            by_path.setdefault(prefix + route.path, {})[route.method] = route
    return [
        *(_path(core, dialect, path, methods) for path, methods in by_path.items()),
        Path(dialect.prefix + "/openapi.json", _document(dialect), methods=["GET"]),
        *(
            Path(dialect.prefix + rest, _none(dialect), methods=_METHODS)
            for rest in ("", "/{rest:path}")
            if dialect.prefix + rest
        ),
    ]


def _path(core: Core, dialect: Dialect, path: str, routes: Mapping[str, Route]) -> BaseRoute:
    async def endpoint(request: Request) -> Response:
        number = _request_number()
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            answer = _respond(dialect.wrong_method(number))
            answer.headers["allow"] = ", ".join([*routes, "HEAD"] if "GET" in routes else routes)
            return answer
        response = await _guarded(dialect, number, lambda: _run(core, dialect, route, request, number))
        if route.location and response.status_code == 201:
            made = msgspec.json.decode(response.body)
            response.headers["location"] = _called_url(core, request) + dialect.prefix + route.location.format_map(made)
        return response

    found = Path(path, endpoint, methods=_METHODS)
    # A slash too many at the end is forgiven: a redirect would lose the body of a POST with some clients.
    found.path_regex = re.compile(found.path_regex.pattern.removesuffix("$") + "/?$")
    return found


def _document(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    written = cache(lambda: msgspec.json.encode(describe(dialect)))

    async def endpoint(_request: Request) -> Response:
        return Response(written(), media_type="application/json")

    return endpoint


def _none(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return _respond(dialect.no_route(_request_number()))

    return endpoint


async def _guarded(dialect: Dialect, number: int, run: Callable[[], Awaitable[Answer]]) -> Response:
    """Turn a refusal into its wording, and a bug into a logged 500 that tells nothing."""
    try:
        return _respond(await run())
    except Refused as refused:
        return _declined(dialect, number, refused)
    except Unavailable as away:
        _log.warning("database unavailable", request_id=number, said=str(away))
        return _declined(dialect, number, Refused(Refusal.UNAVAILABLE, wait_s=AWAY_S))
    except ClientDisconnect:
        return Response(status_code=499)
    except Exception:  # noqa: BLE001  # the single handler: what no one foresaw is logged once, and told to nobody
        _log.exception("request failed", request_id=number)
        return _respond(dialect.broke(number))


def _declined(dialect: Dialect, number: int, refused: Refused) -> Response:
    answer = _respond(dialect.refuse(refused, number))
    wait = refused.wait_s or dialect.retry_after_s.get(refused.why)
    if wait is not None:
        answer.headers["retry-after"] = str(wait)
    return answer


async def _run(core: Core, dialect: Dialect, route: Route, request: Request, number: int) -> Answer:
    principal = await _principal(core, dialect, route, request)
    if principal and VISIT in request.scope:
        request.scope[VISIT].meet(principal.merchant_id)
    body = await _read(request)
    call = Call(
        core=core,
        principal=principal,
        path=request.path_params,
        query=dict(request.query_params),
        headers=request.headers,
        body=body,
        base=_called_url(core, request) + dialect.prefix,
        request_id=number,
        payer_ip=request.client.host if request.client else None,
    )
    owner = await route.claimant(call) if route.claimant and "idempotency-key" in request.headers else principal
    call = replace(call, receipt=_receipt(route, request, owner, body))
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


async def _principal(core: Core, dialect: Dialect, route: Route, request: Request) -> Principal | None:
    """Return who is calling, once the route's rights and the payment of the path were judged."""
    token = _bearer(request)
    if route.rights is None and not (route.optional_token and token):
        return None
    principal = await dialect.authenticate(core, token)
    payment_id = request.path_params.get("payment_id")
    if payment_id is not None and not _NUMBER.fullmatch(payment_id):
        raise Refused(Refusal.NOT_FOUND)
    if route.rights is not None:
        require(principal, *route.rights, payment_id=None if payment_id is None else int(payment_id))
    return principal


def _called_url(core: Core, request: Request) -> str:
    """Return the server's own URL, under the loopback name it was called by when it is a laptop's.

    Any other Host header is ignored: it would let a caller choose where our links point to.
    """
    own = urlsplit(core.own_url)
    if own.hostname in LOOPBACK and request.url.hostname in LOOPBACK:
        return f"{own.scheme}://{request.url.netloc}"
    return core.own_url


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _read(request: Request) -> bytes:
    """Return the body, refusing one above the limit before it is read whole, and one that is compressed."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(Refusal.FIELD_INVALID, Complaint("content-encoding", "is not supported: send the body as it is"))
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise Refused(Refusal.BODY_TOO_LARGE)
        pieces.append(piece)
    return b"".join(pieces)


def _receipt(route: Route, request: Request, principal: Principal | None, body: bytes) -> Receipt | None:
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST" or principal is None:
        return None
    if not _KEY.fullmatch(key):
        raise Refused(Refusal.IDEMPOTENCY_KEY_INVALID)
    # The path is in the scope, so one key on two payments is two keys; the query is part of what was asked.
    # A slash too many is forgiven on the way in, so it must not make another key either.
    digest = hashlib.sha256(request.url.query.encode() + b"\n" + body).digest()
    path = request.url.path.rstrip("/")
    return Receipt(principal.merchant_id, principal.holder, f"{route.method} {path}", key, digest)


def _respond(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type="application/json" if answer.body else None)


def _request_number() -> int:
    return secrets.randbits(52)
