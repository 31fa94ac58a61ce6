"""The short way to say no: a request that is here as a whole is answered from its bytes, before it is parsed.

Parsing a request and building what an app is called with costs more than all else of a refusal. Under five times the
load that can be borne, four requests of five are refused, so what one costs decides how much is left for the fifth.
Whatever looks unusual takes the long way, where the gate says the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refusal, Refused

if TYPE_CHECKING:
    from opengiro.dialects import Dialect

WAITS_S = (1, 2, 3)
"""What callers are told to wait, in turn: those turned away together should not come back together."""

_LINE_MAX = 256
_UNUSUAL = (b"transfer-encoding", b"\nexpect", b"\nupgrade", b"\nconnection: close")
_LENGTH = b"\r\ncontent-length:"
_MARK = 10**15
"""Stands in a prepared answer for the request's number, which has as many digits."""
_MARKED = b"%d" % _MARK


class Doorstep:
    """Prepared refusals for the paths where something new begins."""

    def __init__(self, dialects: Sequence[Dialect], paths: Iterable[str], headers: Mapping[str, str]) -> None:
        """Word the refusal of each path by its dialect."""
        self._answers = {
            path.encode(): tuple(_written(dialect, wait_s, headers) for wait_s in WAITS_S)
            for path in paths
            for dialect in dialects
            if path.startswith(f"{dialect.prefix}/")
        }

    def refusal(self, data: bytes, turn: int) -> bytes | None:
        """Return the answer to a request, or None when it has to take the long way."""
        line = data.find(b" HTTP/1.1\r\n", 0, _LINE_MAX)
        answers = self._answers.get(data[:line].partition(b" ")[2].partition(b"?")[0])
        if answers is None or not _is_whole(data):
            return None
        number = _MARK + random.getrandbits(51)  # it tells requests apart, and opens nothing
        return answers[turn % len(WAITS_S)].replace(_MARKED, b"%d" % number)


def _is_whole(data: bytes) -> bool:
    """Whether these bytes are one plain request, no less and no more."""
    end = data.find(b"\r\n\r\n")
    head = data[:end].lower()
    for one in _UNUSUAL:
        if one in head:
            return False
    # Whoever reads a head in two ways could hide one request in another; the parser knows how to judge that.
    if end < 0 or head.count(b"\n") != head.count(b"\r\n") or head.count(b"content-length") > 1:
        return False
    at = head.find(_LENGTH)
    if at < 0:
        return len(data) == end + 4
    length = head[at + len(_LENGTH) :].partition(b"\r\n")[0].strip()
    return length.isdigit() and len(data) == end + 4 + int(length)


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
