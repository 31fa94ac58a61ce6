"""The HTTP server as every command runs it: one socket, one folder held for one server, a quick and quiet end.

uvicorn waits for a request as long as its sender likes, so `_Punctual` gives each a deadline, head and body together.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 32
REQUEST_S = 20
"""Within this time a request has to be here as a whole."""

_STUCK_MS = 30_000
_BACKLOG = 2048


class CannotStart(Exception):
    """Something of this machine is in the way; the message is a sentence for whoever started us."""


def loop() -> Any:
    """Return what runs a coroutine: uvloop where it exists."""
    if find_spec("uvloop") is None:
        return asyncio.run
    import uvloop  # noqa: PLC0415  # not on every system

    return uvloop.run


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Hold the port."""
    with _bound(host, port) as listener:
        listener.listen(_BACKLOG)
        yield listener


@contextlib.contextmanager
def sharing_port(host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    """Hold the port once for each of several processes.

    Linux spreads connections evenly over sockets of one port, each with a queue of its own; from one shared queue
    the process that sleeps lightest would take most. Elsewhere they do share one.
    """
    with contextlib.ExitStack() as held:
        if not sys.platform.startswith("linux"):
            yield [held.enter_context(listening(host, port))] * count
            return
        with _bound(host, port):  # sockets that share a port would share it with another server of ours, too
            pass
        listeners = [held.enter_context(_bound(host, port, shared=True)) for _ in range(count)]
        for listener in listeners:
            listener.listen(_BACKLOG)
        yield listeners


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted connections inherit it: who stops reading is dropped
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_MS)
    try:
        listener.bind((host, port))
    except OSError as trouble:
        listener.close()
        if isinstance(trouble, PermissionError):
            text = f"Port {port} is not ours to take: choose one above 1023."
        elif trouble.errno == errno.EADDRINUSE:
            text = f"Port {port} is already in use: stop what runs there, or choose another port."
        else:
            text = f"{host} is no address of this machine: {trouble.strerror}."
        raise CannotStart(text) from None
    return listener


@contextlib.contextmanager
def alone(data: Path, verb: str) -> Iterator[None]:
    """Hold the folder for this server: two would give out the same work twice."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data / "opengiro.lock").open("a+")
    except OSError as trouble:
        raise CannotStart(f"{data} cannot keep our data: {trouble.strerror}.") from None
    with file:
        if find_spec("fcntl"):
            import fcntl  # noqa: PLC0415  # not on every system

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                text = f"Another `opengiro {file.read()}` keeps its data in {data}: stop it, or choose another folder."
                raise CannotStart(text) from None
        file.truncate(0)
        file.write(verb)
        file.flush()
        yield


def check_key(path: Path, database: Path | None = None) -> None:
    """Raise `CannotStart` when the root key cannot be one, or is gone while what it opens is still there."""
    try:
        if database and database.exists() and not path.exists():
            raise CannotStart(f"{path} is missing, and {database} opens with nothing else: put it back.")
        if path.exists() and len(path.read_bytes()) != KEY_BYTES:
            raise CannotStart(f"{path} is not a root key, which has {KEY_BYTES} bytes: put the right one back.")
    except OSError as trouble:
        raise CannotStart(f"{trouble.filename} cannot be read: {trouble.strerror}.") from None


class Server(uvicorn.Server):
    """Says when it is ready, and ends quietly when asked to, leaving those who are connected `shutdown_s`."""

    def __init__(
        self, app: Any, ready: Callable[[], None], shutdown_s: int, proxies: tuple[str, ...] = ("127.0.0.1",)
    ) -> None:
        """Serve `app`; `ready` is called once it can be reached, and `proxies` may name the true visitor."""
        super().__init__(
            uvicorn.Config(
                app,
                http=_Punctual,
                lifespan="off",
                log_level="warning",
                access_log=False,  # request lines hold tokens
                server_header=False,
                ws_per_message_deflate=False,  # it would cost more memory than our messages have bytes
                ws_max_size=4096,
                forwarded_allow_ips=list(proxies),
                timeout_graceful_shutdown=shutdown_s,
            )
        )
        self._ready = ready

    async def serve_until(self, stop: asyncio.Event | None, listener: socket.socket) -> None:
        """Serve until a signal, or until `stop` is set."""
        watch = asyncio.create_task(self._stop_when(stop)) if stop else None
        try:
            await self.serve([listener])
        finally:
            if watch:
                watch.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is here by now stays: looking through it again and again would only cost
        self._ready()

    async def _stop_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop(signal.SIGTERM)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to signals; the original raises them again at the end, before the database is closed."""
        running = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            running.add_signal_handler(number, self._stop, number)
        yield

    def _stop(self, number: int) -> None:
        # Who waits for a bank that keeps silent is cancelled; those tracebacks would tell nothing.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.handle_exit(number, None)


class _Joined:
    """A transport for one answer: what is written at once leaves at once, head and body in a single packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()


def _let_in(_data: bytes) -> tuple[bytes, int] | None:
    """Refuse nothing by its bytes."""
    return None


class _Punctual(HttpToolsProtocol):
    """Closes a connection whose request is not here in time, and sends short answers in one piece.

    An app that has `turn_away` is first asked whether it would rather refuse a request by its bytes; it returns the
    answer and the size of that request.
    """

    _deadline: asyncio.TimerHandle | None = None
    _amid = False
    """Whether a request has begun to come and is not here yet."""
    _turned_away_at = -math.inf
    _owed = 0
    """How many bytes are yet to come, or to be passed over, of the request that was turned away last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent
        super().connection_made(transport)
        self._turn_away = getattr(self.config.app, "turn_away", _let_in)
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._owed:
            data = self._pass_over(data)
        while data:
            away = self._turn_away(data) if self._is_idle() else None
            if away is None:
                super().data_received(data)
                return
            answer, self._owed = away
            self._turned_away_at = self.loop.time()
            self.transport.write(answer)
            data = self._pass_over(data)

    def timeout_keep_alive_handler(self) -> None:
        """Close, unless something was turned away meanwhile: setting a timer for each would cost more than all else."""
        left_s = self._turned_away_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0 and not self._amid:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _is_idle(self) -> bool:
        done = self.cycle is None or self.cycle.response_complete
        return done and not self._amid and not self.flow.write_paused

    def _pass_over(self, data: bytes) -> bytes:
        """Return what follows the request that was turned away: a body that comes later is no new request."""
        rest = data[self._owed :]
        self._owed = max(0, self._owed - len(data))
        return rest

    def on_message_begin(self) -> None:
        self._amid = True
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        cycle: Any = self.cycle
        if cycle is None or isinstance(cycle.transport, _Joined):  # it became a WebSocket
            return
        cycle.transport = joined = _Joined(self.transport, self.loop)

        def answered() -> None:
            joined.flush()
            self.on_response_complete()

        cycle.on_response = answered

    def on_message_complete(self) -> None:
        self._amid = False
        self._end()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._end()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._end()
        self._deadline = self.loop.call_later(REQUEST_S, self.timeout_keep_alive_handler)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
