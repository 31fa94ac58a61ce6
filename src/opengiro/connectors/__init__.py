"""The way out to banks: `HttpLine` bounds an exchange in time and size, and knows if an order may have left.

Each folder beside this file exports one `CONNECTOR`. What an answer means is theirs to say: here 429 and 500
are answers like any other, and nothing is ever sent twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx2

from opengiro.domain.banks import BankTrouble, Moved, Reply

REPLY_BYTES_MAX = 256 * 1024


class HttpLine:
    """`domain.banks.Line` over one pool of connections; a process needs one and closes it at the end."""

    def __init__(self, connections_max: int = 200, leave: Callable[[], object] = bool) -> None:
        """Open nothing yet; connections are made as they are needed. `leave` raises when nothing may go out."""
        self._leave = leave
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=False,  # no proxy from the environment may read a payment order
            timeout=None,  # one deadline for the whole exchange, set in `send`
            limits=httpx2.Limits(max_connections=connections_max, keepalive_expiry=4),
            headers={"user-agent": "opengiro", "accept-encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        """Return the line itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the line."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        """Send one request; raises `BankTrouble`: NOT_SENT while no byte of it had left, UNKNOWN after."""
        self._leave()
        departure = _Departure(time.monotonic() + timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(method, url, headers, body, departure)
        except TimeoutError as late:
            raise departure.trouble(f"no answer within {timeout_s:g} s") from late
        except (httpx2.TransportError, httpx2.InvalidURL) as broken:
            raise departure.trouble(f"{type(broken).__name__}: {broken}") from broken

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, departure: _Departure
    ) -> Reply:
        extensions: dict[str, Any] = {"trace": departure.watch}
        async with self._client.stream(
            method, url, headers=headers, content=body or None, extensions=extensions
        ) as answer:
            read = await _read(answer, departure)
            return Reply(answer.status_code, {name.lower(): text for name, text in answer.headers.items()}, read)


class _Departure:
    """Watches one exchange for the moment from which the bank may know of it."""

    __slots__ = ("_until_s", "sent")

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self.sent = False

    async def watch(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # A process that was frozen while it connected wakes up here before its deadline is noticed.
            if not self.sent and time.monotonic() >= self._until_s:
                raise TimeoutError
            # The event comes before the first byte is written, so a doubt is told as UNKNOWN.
            self.sent = True

    def trouble(self, said: str) -> BankTrouble:
        money = Moved.UNKNOWN if self.sent else Moved.NOT_SENT
        return BankTrouble(said, permanent=False, money=money)


async def _read(answer: httpx2.Response, departure: _Departure) -> bytes:
    # Raw bytes: an answer compressed against our wish could grow beyond any cap while it is unpacked.
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise departure.trouble("the answer is compressed, which the request did not allow")
    read = bytearray()
    async for chunk in answer.aiter_raw():
        read += chunk
        if len(read) > REPLY_BYTES_MAX:
            raise departure.trouble(f"the answer is larger than {REPLY_BYTES_MAX} bytes")
    return bytes(read)
