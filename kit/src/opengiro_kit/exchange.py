"""How one call talks to a server, decided without doing any I/O.

A talk is a generator: it yields what to send and is handed what came back. `run` and `run_async` are the only
places that touch a socket or sleep, so retries, pauses and token refreshes are written and tested once.
"""

import asyncio
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2

Answer = TypeVar("Answer")

BUSY = frozenset({429, 502, 503, 504})
NEVER: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as a value, with the circumstances in which repeating it is safe."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    again_on: frozenset[int] = NEVER
    again_when_lost: bool = False

    def with_header(self, name: str, value: str) -> "Request":
        """Return the same request carrying one more header."""
        return Request(
            self.method,
            self.path,
            {**self.headers, name: value},
            self.body,
            self.again_on,
            self.again_when_lost,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came: the connection failed before, during or after sending."""

    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """A request to send once `after_s` seconds have passed."""

    request: Request
    after_s: float = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried, and how long it is willing to wait between two tries."""

    attempts_max: int = 3
    first_pause_s: float = 0.25
    pause_max_s: float = 20

    def pause_s(self, request: Request, heard: Reply | Lost, attempt: int) -> float | None:
        """Return how long to wait before trying again, or None to take what was heard as final."""
        if attempt >= self.attempts_max or not _repeatable(request, heard):
            return None
        asked_s = None if isinstance(heard, Lost) else retry_after_s(heard.headers.get("retry-after"))
        wait_s = asked_s if asked_s is not None else self.first_pause_s * 2 ** (attempt - 1)
        return wait_s if wait_s <= self.pause_max_s else None


Talk = Generator[Send, Reply | Lost, Answer]


class Unreachable(Exception):
    """The server gave no answer, however often we were allowed to ask."""

    def __init__(self, request: Request, reason: str) -> None:
        super().__init__(f"{request.method} {request.path} got no answer: {reason}")
        self.request = request
        self.reason = reason


def patiently(request: Request, patience: Patience) -> Talk[Reply]:
    """Send a request, again while that is safe and useful, and return the last reply.

    Raises:
        Unreachable: no reply came at all.
    """
    attempt = 1
    heard = yield Send(request)
    while (wait_s := patience.pause_s(request, heard, attempt)) is not None:
        attempt += 1
        heard = yield Send(request, wait_s)
    if isinstance(heard, Lost):
        raise Unreachable(request, heard.reason)
    return heard


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, which holds seconds or an HTTP date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return int(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def run(talk: Talk[Answer], http: httpx2.Client, base_url: str) -> Answer:
    """Carry a talk over a blocking HTTP client to its end."""
    try:
        step = next(talk)
        while True:
            time.sleep(step.after_s)
            step = talk.send(_perform(step.request, http, base_url))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration does not know what it carries


async def run_async(talk: Talk[Answer], http: httpx2.AsyncClient, base_url: str) -> Answer:
    """Carry a talk over an asynchronous HTTP client to its end."""
    try:
        step = next(talk)
        while True:
            await asyncio.sleep(step.after_s)
            step = talk.send(await _perform_async(step.request, http, base_url))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration does not know what it carries


def _perform(request: Request, http: httpx2.Client, base_url: str) -> Reply | Lost:
    try:
        response = http.request(
            request.method, base_url + request.path, headers=dict(request.headers), content=request.body
        )
    except httpx2.TransportError as trouble:
        return _lost(trouble)
    return _reply(response)


async def _perform_async(request: Request, http: httpx2.AsyncClient, base_url: str) -> Reply | Lost:
    try:
        response = await http.request(
            request.method, base_url + request.path, headers=dict(request.headers), content=request.body
        )
    except httpx2.TransportError as trouble:
        return _lost(trouble)
    return _reply(response)


def _reply(response: httpx2.Response) -> Reply:
    return Reply(response.status_code, dict(response.headers), response.content)


def _lost(trouble: httpx2.TransportError) -> Lost:
    return Lost(f"{type(trouble).__name__} {trouble}".strip())


def _repeatable(request: Request, heard: Reply | Lost) -> bool:
    if isinstance(heard, Lost):
        return request.again_when_lost
    return heard.status in request.again_on
