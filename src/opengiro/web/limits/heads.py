"""A request's head as bytes: what can be known of it without a parser."""

from __future__ import annotations

import re

_ODD = re.compile(
    rb"\n(?:(?<!\r\n)|[ \t]|transfer-encoding|expect|upgrade"
    rb"|connection(?!: *keep-alive *\r)|content-length(?!: *\d{1,9} *\r))",
    re.IGNORECASE,
)
"""A line that ends or goes on in another way than most, or asks for more than an answer."""
_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)
_CREDENTIAL = re.compile(rb"\nauthorization:[ \t]*([^\r]*[^\r \t])", re.IGNORECASE)


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


def credential(data: bytes) -> bytes:
    """Return what the request that begins here is authorized by, or nothing."""
    found = _CREDENTIAL.search(data, 0, max(0, data.find(b"\r\n\r\n")))
    return found[1] if found else b""
