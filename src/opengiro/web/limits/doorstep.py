"""The short way to say no: a request is answered from its bytes, before it is parsed.

Parsing a request and building what an app is called with costs more than all else of a refusal. Under five times the
load that can be borne, four requests of five are refused, so what one costs decides how much is left for the fifth.
Whatever looks unusual takes the long way, where the gate says the same.

The event loop reads from every connection before it works on anything. So what was let in since it came round last is
counted here: by what the gate has counted, a whole round would find the same room and the same allowance.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refusal, Refused
from opengiro.telemetry.meters import SHEDS
from opengiro.web.limits.heads import credential, size
from opengiro.web.limits.urgency import Urgency

if TYPE_CHECKING:
    from opengiro.dialects import Dialect
    from opengiro.web.limits.pressure import Pressure
    from opengiro.web.limits.quotas import Quotas

WAITS_S = (1, 2, 3)
"""What callers are told to wait, in turn: those turned away together should not come back together."""

_METHODS = (b"GET", b"POST")
"""What most come with. HEAD is not among them: its answer has no body."""
_LINE_MAX = 256
_SHOWN_S = 0.1
_MARK = 10**15
"""Stands in a prepared answer for the request's number, which has as many digits."""


class Wording:
    """How one path says no for one reason."""

    __slots__ = ("_answers", "why")

    def __init__(self, dialect: Dialect, why: Refusal, headers: Mapping[str, str]) -> None:
        """Prepare an answer for each wait, cut where the request's number goes."""
        mark = b"%d" % _MARK
        self._answers = [_written(dialect, why, wait_s, headers).split(mark) for wait_s in WAITS_S]
        self.why = why.value

    def answer(self, turn: int) -> bytes:
        """Return the answer to a request, under a number of its own."""
        number = _MARK + random.getrandbits(51)  # it tells requests apart, and opens nothing
        return (b"%d" % number).join(self._answers[turn % len(WAITS_S)])


class Doorstep:
    """Refuses where something new begins, with answers that were prepared."""

    def __init__(
        self,
        wordings: Mapping[bytes, tuple[Wording, Wording]],
        pressure: Pressure,
        quotas: Quotas,
        known: Mapping[int, int],
    ) -> None:
        """Refuse what `wordings` has words for; `known` says whose a credential is, by its hash."""
        self._wordings = wordings
        self._pressure = pressure
        self._quotas = quotas
        self._known = known
        self._turn = 0
        self._let_in = 0  #: since the loop came round last
        self._charged: dict[int, int] = {}  #: by credential, since then
        self._refused: Counter[str] = Counter()  #: and not yet shown to those who measure

    def turn_away(self, data: bytes) -> tuple[bytes, int] | None:
        """Return the answer to a request and how many bytes it has, or None when it should be looked at.

        The HTTP server asks with the bytes that came while nothing else of the connection is under way.
        """
        wordings = self._wordings_of(data)
        wording = self._objection(data, *wordings) if wordings else None
        length = size(data) if wording else None
        if wording is None or length is None:
            return None
        self._turn += 1
        if not self._refused:
            asyncio.get_running_loop().call_later(_SHOWN_S, self._show)
        self._refused[wording.why] += 1
        return wording.answer(self._turn), length

    def has_charged(self, token: int) -> bool:
        """Whether a request with this credential was charged in this round; true once for each that was."""
        charged = self._charged.get(token, 0)
        if charged:
            self._charged[token] = charged - 1
        return charged > 0

    def _wordings_of(self, data: bytes) -> tuple[Wording, Wording] | None:
        end = data.find(b" HTTP/1.1\r\n", 0, _LINE_MAX)
        if end < 0:
            return None
        line = data[:end]
        return self._wordings.get(line) or self._wordings.get(line.partition(b"?")[0])

    def _objection(self, data: bytes, overloaded: Wording, above_quota: Wording) -> Wording | None:
        if self._pressure.room(Urgency.NEW) <= self._let_in:
            return overloaded
        if self._quotas.any and not self._charge(data):
            return above_quota
        if not self._let_in:
            asyncio.get_running_loop().call_soon(self._come_round)
        self._let_in += 1
        return None

    def _charge(self, data: bytes) -> bool:
        """Take a request from the allowance of its merchant, if that is known, and return whether there was one."""
        token = hash(credential(data))
        merchant_id = self._known.get(token)
        if merchant_id is None:
            return True
        if not self._let_in:  # whoever was charged in the round before is with the gate by now
            self._charged.clear()
        if self._quotas.take(merchant_id, monotonic(), writes=data.startswith(b"POST")):
            return False
        self._charged[token] = self._charged.get(token, 0) + 1
        return True

    def _come_round(self) -> None:
        """Leave it to the gate to count those who were let in: it is their turn now."""
        self._let_in = 0

    def _show(self) -> None:
        """Put together what was refused: to count each where it is measured would cost more than to refuse it."""
        for why, number in self._refused.items():
            SHEDS.labels(why, Urgency.NEW.value).inc(number)
        self._refused.clear()


def wordings(
    dialects: Sequence[Dialect], paths: Iterable[str], headers: Mapping[str, str]
) -> dict[bytes, tuple[Wording, Wording]]:
    """Return how requests for these paths are refused when overloaded and above a quota, by how their line begins."""
    overloaded, above_quota = Refusal.OVERLOADED, Refusal.TOO_MANY_REQUESTS
    return {
        b"%s %s" % (method, path.encode()): (
            Wording(dialect, overloaded, headers),
            Wording(dialect, above_quota, headers),
        )
        for path in paths
        for dialect in dialects
        if path.startswith(f"{dialect.prefix}/")
        for method in _METHODS
    }


def _written(dialect: Dialect, why: Refusal, wait_s: int, headers: Mapping[str, str]) -> bytes:
    answer = dialect.refuse(Refused(why), _MARK)
    own = {
        "content-type": "application/json",
        "content-length": len(answer.body),
        "retry-after": wait_s,
        "x-request-id": _MARK,
    }
    head = "".join(f"{name.lower()}: {value}\r\n" for name, value in {**own, **headers}.items())
    return f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{head}\r\n".encode() + answer.body
