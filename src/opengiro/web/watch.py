"""Every request that was let in: its id, how it ended and how long it took, told to the meters and the journal.

A caller's id is taken over when it has the form of one (a UUID or 32 hexadecimal digits, in X-Request-Id or as the
trace of a traceparent); anything else could be an account number. The answer carries the id in X-Request-Id.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Route

from opengiro.telemetry.journal import Journal, Line
from opengiro.telemetry.meters import REQUESTS
from opengiro.telemetry.spans import request_span, tracing
from opengiro.web.limits.gate import VISIT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opengiro.dialects import Dialect

REQUEST_ID: ContextVar[str] = ContextVar("opengiro_request_id")
"""The id of the request being answered, for whatever else is logged meanwhile."""

_ID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9a-fA-F]{32}")
_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz"})
"""What asks all day whether we live has no line in the journal."""
_NOWHERE = ("(none)", "(none)")


def names_of(routes: Iterable[BaseRoute], dialects: Iterable[Dialect]) -> dict[str | int, tuple[str, str]]:
    """Return wire and route template by endpoint: what a request may be called without telling what it said.

    The endpoint of a dialect's call is its template itself; of a page it is a function, known by its identity.
    """
    names: dict[str | int, tuple[str, str]]
    names = {id(one.endpoint): ("pages", one.path) for one in routes if isinstance(one, Route)}
    for dialect in dialects:
        for route in dialect.routes:
            for path in (dialect.prefix + route.path, route.path):
                names[path] = (dialect.name, path)
    return names


class Watch:
    """Observes the requests that pass."""

    def __init__(self, app: ASGIApp, names: Mapping[str | int, tuple[str, str]], journal: Journal | None) -> None:
        """Watch `app`; without a journal no line is written."""
        self._app = app
        self._names = names
        self._journal = journal
        self._meters: dict[tuple[str | int, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = perf_counter(), 500
        number = scope[VISIT].number if VISIT in scope else random.getrandbits(52)
        request_id, traceparent = _ids(scope, number)
        REQUEST_ID.set(request_id)
        header = (b"x-request-id", request_id.encode())

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            if tracing():
                await self._traced(scope, receive, note, traceparent)
            else:
                await self._app(scope, receive, note)
        finally:
            self._tell(scope, status, perf_counter() - begun, request_id, number)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, traceparent: str | None) -> None:
        with request_span(traceparent) as span:
            try:
                await self._app(scope, receive, send)
            finally:
                wire, route = self._names.get(_endpoint(scope), _NOWHERE)
                span.update_name(f"{_method(scope)} {route}")
                span.set_attributes({"http.request.method": _method(scope), "http.route": route, "wire": wire})

    def _tell(self, scope: Scope, status: int, seconds: float, request_id: str, number: int) -> None:
        endpoint, method = _endpoint(scope), scope["method"]
        key = (endpoint, method, status)
        meter = self._meters.get(key) or self._meter(key)
        meter.observe(seconds)
        if self._journal is not None and scope["path"] not in _PROBES:
            wire, route = self._names.get(endpoint, _NOWHERE)
            merchant_id = scope[VISIT].merchant_id if VISIT in scope else None
            own = None if request_id == str(number) else number
            ms = round(seconds * 1000, 2)
            self._journal.add(Line(request_id, wire, _method(scope), route, status, ms, merchant_id, own))

    def _meter(self, key: tuple[str | int, str, int]) -> Any:
        endpoint, method, status = key
        wire, route = self._names.get(endpoint, _NOWHERE)
        meter = REQUESTS.labels(wire, method if method in _METHODS else "(other)", route, f"{status // 100}xx")
        if endpoint in self._names and method in _METHODS:  # what callers make up is not kept
            self._meters[key] = meter
        return meter


def _endpoint(scope: Scope) -> str | int:
    """Return what stands for the endpoint that was found, which need not be hashable itself."""
    endpoint = scope.get("endpoint")
    return endpoint if isinstance(endpoint, str) else id(endpoint)


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "(other)"


def _ids(scope: Scope, number: int) -> tuple[str, str | None]:
    """Return the request's id, and what the caller traces it by."""
    given = parent = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            given = value.decode()
        elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            parent, given = value.decode(), given or found[1].decode()
    return given or str(number), parent
