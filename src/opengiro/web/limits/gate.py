"""The outermost layer: it lets a request in, or refuses it in the words of its wire before anything was read.

A merchant is known here by a token that was good before. One that is new shows whose it is only when the API has
proven it, and is charged then: `Visit.meet`. A slot is held from the moment the request is here as a whole, so
nobody takes slots by sending slowly.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refusal, Refused
from opengiro.store.answers import Answer
from opengiro.telemetry.meters import SHEDS
from opengiro.web.headers import api_headers
from opengiro.web.limits.doorstep import WAITS_S, Doorstep, wordings
from opengiro.web.limits.urgency import Urgency, new_paths, urgency

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opengiro.dialects import Dialect
    from opengiro.web.limits.pressure import Pressure
    from opengiro.web.limits.quotas import Quotas

VISIT = "opengiro.visit"
"""Where the scope of a request holds its visit."""

_LOOKS = re.compile(r"/(token|live)/?$")
"""What is posted only to be allowed to look."""
_HELD_S = 60
_KNOWN_MAX = 50_000
_PLAIN = Answer(503, b"There is too much to do at the moment. Please try again in a few seconds.\n")
_CLOSED = Answer(503, b"No payments are taken here at the moment. Nothing was done. Please try again later.\n")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Visit:
    """One request on its way through: who it turned out to be, and the number it goes by."""

    __slots__ = ("_credential", "_gate", "_writes", "merchant_id", "number")

    def __init__(self, gate: Gate, credential: int, merchant_id: int | None, *, writes: bool) -> None:
        """Begin with what the gate could see."""
        self._gate = gate
        self._credential = credential
        self._writes = writes
        self.merchant_id = merchant_id
        self.number = random.getrandbits(52)

    def meet(self, merchant_id: int) -> None:
        """Say whose request it proved to be, once for each; raises `Refused` above that merchant's quota."""
        if self.merchant_id is None:
            self.merchant_id = merchant_id
            self._gate.charge(merchant_id, writes=self._writes)
            self._gate.learn(self._credential, merchant_id)


class Gate:
    """Lets in what this process can answer in good time."""

    def __init__(
        self,
        app: ASGIApp,
        dialects: Sequence[Dialect],
        pressure: Pressure,
        quotas: Quotas,
        page: Callable[[Scope, Refused], Response],
        *,
        https: bool,
        held: Callable[[], bool] = bool,
    ) -> None:
        """Stand before `app`; refusals are worded by `page` for browsers, else by the dialect whose prefix a path has.

        While the house is `held`, nothing gets in that could change something.
        """
        self._held = held
        self._app = app
        self._dialects = dialects
        self._headers = [(name.lower().encode(), value.encode()) for name, value in api_headers(https=https).items()]
        self._new = new_paths(dialects)
        self._pressure = pressure
        self._quotas = quotas
        self._page = page
        self._known: dict[int, int] = {}
        worded = wordings(dialects, self._new, api_headers(https=https))
        self._doorstep = Doorstep(worded, pressure, quotas, self._known)
        self._shed = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = urgency(scope["path"], self._new)
        if kind is Urgency.FREE:  # a stream would keep whatever stands around it in memory
            await self._app(scope, receive, send)
            return
        reads = scope["method"] in _READS
        credential = _credential(scope)
        merchant_id = self._known.get(credential)
        try:
            self._pass_hold(scope["path"], writes=not reads)
            self._admit(kind, merchant_id, credential, writes=not reads)
        except Refused as refused:
            SHEDS.labels(refused.why, kind.value).inc()
            answer = self._show if _wants_page(scope) else self._refuse
            await answer(refused, scope, send)
            return
        scope[VISIT] = Visit(self, credential, merchant_id, writes=not reads)
        await self._work(kind, scope, receive, send, here=reads)

    def turn_away(self, data: bytes) -> tuple[bytes, int] | None:
        """Return the answer to a request that is refused by its bytes, and its size; None says that it may come in."""
        return self._doorstep.turn_away(data)

    def charge(self, merchant_id: int, *, writes: bool) -> None:
        """Take one request from a merchant's allowance; raises `Refused` when it is used up."""
        wait_s = self._quotas.take(merchant_id, monotonic(), writes=writes)
        if wait_s:
            raise Refused(Refusal.TOO_MANY_REQUESTS, wait_s=math.ceil(wait_s))

    def learn(self, credential: int, merchant_id: int) -> None:
        """Know a credential that proved good; only a keyed hash of it is kept, and in memory alone."""
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        if credential:
            self._known[credential] = merchant_id

    def _pass_hold(self, path: str, *, writes: bool) -> None:
        if writes and self._held() and not _LOOKS.search(path):
            raise Refused(Refusal.HELD, wait_s=_HELD_S)

    def _admit(self, kind: Urgency, merchant_id: int | None, credential: int, *, writes: bool) -> None:
        if merchant_id is not None and not self._doorstep.has_charged(credential):
            self.charge(merchant_id, writes=writes)
        if self._pressure.refuses(kind):
            self._shed += 1
            raise Refused(Refusal.OVERLOADED, wait_s=WAITS_S[self._shed % len(WAITS_S)])

    async def _work(self, kind: Urgency, scope: Scope, receive: Receive, send: Send, *, here: bool) -> None:
        """Run the app in a slot, which a request with a body takes when its end has come."""
        in_flight = self._pressure.in_flight
        in_flight[kind] += here

        async def whole() -> Message:
            nonlocal here
            message = await receive()
            if not here and not message.get("more_body"):
                here = True
                in_flight[kind] += 1
            return message

        try:
            await self._app(scope, receive if here else whole, send)
        finally:
            in_flight[kind] -= here

    async def _show(self, refused: Refused, scope: Scope, send: Send) -> None:
        page = self._page(scope, refused)
        page.headers["x-request-id"] = f"{random.getrandbits(52)}"
        page.raw_headers += [one for one in self._headers if one[0].decode() not in page.headers]
        await send({"type": "http.response.start", "status": page.status_code, "headers": page.raw_headers})
        await send({"type": "http.response.body", "body": page.body})

    async def _refuse(self, refused: Refused, scope: Scope, send: Send) -> None:
        path = scope["path"]
        dialect = next((one for one in self._dialects if path.startswith(one.prefix + "/")), None)
        number = random.getrandbits(52)
        answer = dialect.refuse(refused, number) if dialect else _plain(refused)
        own = (
            (b"content-type", b"application/json" if dialect else b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(answer.body)),
            (b"retry-after", b"%d" % (refused.wait_s or 1)),
            (b"x-request-id", b"%d" % number),
        )
        await send({"type": "http.response.start", "status": answer.status, "headers": [*own, *self._headers]})
        await send({"type": "http.response.body", "body": answer.body})


def _plain(refused: Refused) -> Answer:
    return _CLOSED if refused.why is Refusal.HELD else _PLAIN


def _wants_page(scope: Scope) -> bool:
    """Whether a person waits for the answer: of all callers only a browser that opens an address prefers HTML."""
    return any(name == b"accept" and value.startswith(b"text/html") for name, value in scope["headers"])


def _credential(scope: Scope) -> int:
    """Return what stands for the request's token: Python's keyed hash of the header that holds it."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return hash(value)
    return 0
