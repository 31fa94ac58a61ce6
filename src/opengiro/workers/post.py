"""One HTTP POST to an address nobody here controls: bounded in time and size, following no redirect.

The status line decides. The rest of the answer is read only for the merchant's log, within the same deadline,
so an endless or dripping body costs one slot for at most that long.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from opengiro.domain.clock import real_now
from opengiro.domain.deliveries import Failure, Outcome
from opengiro.domain.retry import read_retry_after
from opengiro.telemetry.meters import DELIVERIES
from opengiro.telemetry.spans import span
from opengiro.usecases.deliver_event import TooLate
from opengiro.workers.guard import Guard, UnsafeUrl

DEADLINE_S = 20.0
BODY_MAX = 16 * 1024


@dataclass(slots=True)
class _Heard:
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)


class _Parting(aiohttp.BytesPayload):
    """A body that leaves in time or not at all. The client holds its headers back until the body is written."""

    def __init__(self, body: bytes, is_late: Callable[[], bool]) -> None:
        """Ask `is_late` at the last moment."""
        super().__init__(body)
        self._is_late = is_late
        self.withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write headers and body, or neither."""
        self.withheld = self._is_late()
        if self.withheld:
            raise ConnectionAbortedError("too late to send")
        await super().write_with_length(writer, content_length)


class Post:
    """The client webhooks leave by; one per process, used as an async context manager."""

    def __init__(
        self,
        guard: Guard,
        *,
        deadline_s: float = DEADLINE_S,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = real_now,
    ) -> None:
        """Send only where `guard` allows; `tls` replaces the system's trust, for a private CA."""
        self._guard = guard
        self._deadline_s = deadline_s
        self._tls = tls
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool; the guard is its only resolver and nothing it found is kept."""
        connector = aiohttp.TCPConnector(
            resolver=self._guard,
            use_dns_cache=False,
            limit=0,  # how much may be on its way is decided per endpoint, so that none waits for another
            ssl=self._tls if self._tls is not None else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, until: datetime | None = None) -> Outcome:
        """Make one attempt; whatever the other side does becomes an outcome.

        Raises `TooLate` when real time passed `until` before the first byte could leave, and then none did: a
        process can freeze at any moment, also between its claim and the wire.
        """
        started = time.monotonic()
        heard = _Heard()
        parting = _Parting(body, lambda: until is not None and self._now() >= until)
        with span("webhook"):
            failure = await self._exchange(url, headers, parting, heard)
        if parting.withheld:
            raise TooLate
        took_s, came = time.monotonic() - started, f"{heard.status // 100}xx" if heard.status else failure
        DELIVERIES.labels(came).observe(took_s)
        return Outcome(
            status=heard.status,
            failure=failure if heard.status is None else None,
            headers=heard.headers,
            body=bytes(heard.body[:BODY_MAX]),
            retry_after=read_retry_after(_first(heard.headers, "retry-after"), self._now()),
            duration_ms=round(took_s * 1000),
        )

    async def _exchange(self, url: str, headers: Mapping[str, str], body: _Parting, heard: _Heard) -> Failure | None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._ask(url, headers, body, heard)
        except TimeoutError:
            return Failure.TIMEOUT
        except UnsafeUrl:
            return Failure.FORBIDDEN
        except aiohttp.ClientConnectorDNSError as error:
            return Failure.FORBIDDEN if isinstance(error.os_error, UnsafeUrl) else Failure.UNRESOLVED
        except (aiohttp.ClientSSLError, ssl.SSLError):
            return Failure.TLS
        except aiohttp.ClientConnectorError:
            return Failure.UNREACHABLE
        except (aiohttp.ClientError, OSError, ValueError):
            return Failure.BROKEN
        return None

    async def _ask(self, url: str, headers: Mapping[str, str], body: _Parting, heard: _Heard) -> None:
        if self._session is None:
            raise RuntimeError("a Post sends only inside `async with`")
        target = URL(self._guard.check_url(url).url, encoded=True)
        sent = {"Accept-Encoding": "identity", **headers}
        async with self._session.post(target, data=body, headers=sent, allow_redirects=False) as response:
            heard.status = response.status
            heard.headers = tuple((name.lower(), value) for name, value in response.headers.items())
            await _read_beginning(response, heard.body)


async def _read_beginning(response: aiohttp.ClientResponse, into: bytearray) -> None:
    while len(into) < BODY_MAX and (chunk := await response.content.read(BODY_MAX)):
        into += chunk
    if not response.content.at_eof():
        response.close()


def _first(headers: tuple[tuple[str, str], ...], name: str) -> str | None:
    return next((value for key, value in headers if key == name), None)
