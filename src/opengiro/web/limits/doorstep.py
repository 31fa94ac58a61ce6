"""The short way to say no: a request is answered from its bytes, before it is parsed.

Parsing a request and building what an app is called with costs more than all else of a refusal. Under five times the
load that can be borne, four requests of five are refused, so what one costs decides how much is left for the fifth.
Whatever looks unusual takes the long way, where the gate says the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refusal, Refused

if TYPE_CHECKING:
    from opengiro.dialects import Dialect

WAITS_S = (1, 2, 3)
"""What callers are told to wait, in turn: those turned away together should not come back together."""

_METHODS = (b"GET", b"POST")
"""What most come with. HEAD is not among them: its answer has no body."""
_LINE_MAX = 256
_ODD = re.compile(
    rb"\n(?:(?<!\r\n)|[ \t]|transfer-encoding|expect|upgrade"
    rb"|connection(?!: *keep-alive *\r)|content-length(?!: *\d{1,9} *\r))",
    re.IGNORECASE,
)
"""A line that ends or goes on in another way than most, or asks for more than an answer."""
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)
_MARK = 10**15
"""Stands in a prepared answer for the request's number, which has as many digits."""


class Wording:
    """How one path says that there is too much to do."""

    __slots__ = ("_answers",)

    def __init__(self, dialect: Dialect, headers: Mapping[str, str]) -> None:
        """Prepare an answer for each wait, cut where the request's number goes."""
        mark = b"%d" % _MARK
        self._answers = [_written(dialect, wait_s, headers).split(mark) for wait_s in WAITS_S]

    def answer(self, turn: int) -> bytes:
        """Return the answer to a request, under a number of its own."""
        number = _MARK + random.getrandbits(51)  # it tells requests apart, and opens nothing
        return (b"%d" % number).join(self._answers[turn % len(WAITS_S)])


class Doorstep:
    """Prepared refusals for the paths where something new begins."""

    def __init__(self, dialects: Sequence[Dialect], paths: Iterable[str], headers: Mapping[str, str]) -> None:
        """Word the refusal of each path by its dialect."""
        self._wordings = {
            b"%s %s" % (method, path.encode()): Wording(dialect, headers)
            for path in paths
            for dialect in dialects
            if path.startswith(f"{dialect.prefix}/")
            for method in _METHODS
        }

    def wording(self, data: bytes) -> Wording | None:
        """Return how a request that begins with these bytes is refused; None when it has to take the long way."""
        end = data.find(b" HTTP/1.1\r\n", 0, _LINE_MAX)
        if end < 0:
            return None
        line = data[:end]
        return self._wordings.get(line) or self._wordings.get(line.partition(b"?")[0])


def size(data: bytes) -> int | None:
    """Return how many bytes the request has that begins here, though its body may be yet to come.

    None says that its head is not here or not plain. Whoever reads a head in two ways could hide one request in
    another, so that whatever can be read in two ways is for the parser, which knows how to judge it.
    """
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or _ODD.search(data, 0, end - 2) or data.count(b"\r", 0, end) != data.count(b"\n", 0, end):
        return None
    lengths = _LENGTH.findall(data, 0, end)
    if len(lengths) > 1:
        return None
    return end + int(lengths[0]) if lengths else end


def _written(dialect: Dialect, wait_s: int, headers: Mapping[str, str]) -> bytes:
    answer = dialect.refuse(Refused(Refusal.OVERLOADED), _MARK)
    own = {
        "content-type": "application/json",
        "content-length": len(answer.body),
        "retry-after": wait_s,
        "x-request-id": _MARK,
    }
    head = "".join(f"{name.lower()}: {value}\r\n" for name, value in {**own, **headers}.items())
    return f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{head}\r\n".encode() + answer.body
