"""Where the bank's clerks sit: the book, the clock and the address, handed to whatever answers a request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from opengiro_sandbox.book import Book
from opengiro_sandbox.refusals import Refused

BODY_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Desk:
    """What every answer needs besides the request."""

    book: Book
    base_url: str
    now: Callable[[], datetime]


async def read_body(request: Request) -> bytes:
    """Return a request's body, refusing one that is longer than any payment needs."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX:
            # The standard declares no 413 for this method.
            raise Refused("FORMAT_ERROR", f"The body is longer than {BODY_MAX} bytes.")
    return bytes(body)
