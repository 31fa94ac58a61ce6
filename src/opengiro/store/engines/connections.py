"""Connections to PostgreSQL: few, kept open, handed out one at a time, and given up as soon as they look dead.

asyncpg's own pool asks the server to reset a connection after each use, which doubles the round trips of a short query;
our statements leave nothing behind that needs it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from opengiro.store.engines import Row, Unavailable
from opengiro.store.engines.hosts import Hosts
from opengiro.telemetry.meters import CONNECTIONS

CONNECT_S = 6.0
"""How long opening one may take."""
SEARCH_S = 3.0
"""How long it may take where there are several hosts, and how long they are looked through before somebody is told."""
STUCK_S = 10.0
"""A connection that has not answered for so long is given up, whatever it was doing: the server may hang."""
CLOSE_S = 1.0
"""How long saying goodbye may take."""
_WAIT_S = 10.0
"""How long a command waits for a connection."""
PLANS_KEPT = 32
"""After so many statements a connection plans anew, and again after twice as many: tables that were nearly empty then,
where any index seemed as good as the key, may have grown, and PostgreSQL itself notices within a minute at best."""
_PAUSE_S = 0.25
"""After a connection was refused, nobody tries again for so long: who waits meanwhile is told at once."""

_SESSION = {
    "application_name": "opengiro",
    "jit": "off",  # it costs more than our short queries do
    # Plans are kept. One made while a table was small would read it whole for ever after, foreign keys' checks too.
    "enable_seqscan": "off",
    # Planning each time costs more than it would win: once tables are not nearly empty (PLANS_KEPT), our indexes leave
    # one good plan, whatever the values are.
    "plan_cache_mode": "force_generic_plan",
    "idle_in_transaction_session_timeout": "10s",  # a process that froze in a transaction lets go of its locks
    "lock_timeout": "5s",
}

_ALIVE = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5_000}
"""By these the kernel gives up a host that has been silent for five seconds, idle connections to it among others."""

_WARNING = "01000"


class Doubtful(Exception):  # a state of a commit, not a malfunction
    """The server called a commit done that no standby may have: somebody cancelled its wait for one."""


BROKEN = (
    OSError,
    Doubtful,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye to an idle connection, and its end was not read yet
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,  # it was the primary until a moment ago
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""What says nothing of a command but that it could not be done now, or that nobody knows whether it was."""


class Connection:
    """One connection with the statements it has prepared."""

    __slots__ = ("_prepared", "_replan_at", "_used", "_warned", "opened", "raw", "since")

    def __init__(self, raw: Any) -> None:
        """Wrap an open connection."""
        self.raw = raw
        self.since = 0.0  #: when somebody took it, on the monotonic clock; 0 while nobody has it
        self.opened = time.monotonic()
        self._prepared: dict[str, Any] = {}
        self._used = 0
        self._replan_at = PLANS_KEPT
        self._warned = ""
        raw.add_log_listener(self._hear)

    async def fetch(self, name: str, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a statement and return its rows; it is prepared the first time."""
        prepared = await self._ready(name, sql)
        rows: list[Row] = await prepared.fetch(*params)
        return rows

    async def fetch_text(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a composed query; of these only the most used stay prepared."""
        rows: list[Row] = await self.raw.fetch(sql, *params)
        return rows

    async def run(self, name: str, sql: str, params: Sequence[Any]) -> tuple[list[Row], int]:
        """Run a statement and return its rows and how many it touched."""
        prepared = await self._ready(name, sql)
        rows: list[Row] = await prepared.fetch(*params)
        return rows, int(prepared.get_statusmsg().rpartition(" ")[2])

    async def types(self, name: str, sql: str) -> list[str]:
        """Return the types of a statement's parameters, as the server inferred them."""
        prepared = await self._ready(name, sql)
        return [kind.name for kind in prepared.get_parameters()]

    def trust(self) -> None:
        """Raise `Doubtful` unless what was just committed is wherever it has to be."""
        if self._warned:
            raise Doubtful(self._warned)

    def judge(self, trouble: Exception) -> Exception:
        """Return what the caller is to hear of a `BROKEN`; the connection goes, unless what was asked was wrong."""
        refused = isinstance(trouble, asyncpg.InterfaceError) and not self.raw.is_closed()
        if refused:  # by the driver: a value that fits no column, or one too many
            return trouble
        self.drop()
        return Unavailable(str(trouble))

    def drop(self) -> None:
        """Let go of it at once: what it was doing may or may not have happened."""
        self.raw.terminate()

    def _hear(self, _: object, message: Any) -> None:
        # Our statements cause no other warning of this class, and its words depend on the server's language.
        if message.sqlstate == _WARNING:
            self._warned = message.message

    async def _ready(self, name: str, sql: str) -> Any:
        """Return a prepared statement with a plan that is not too old."""
        self._used += 1
        if self._used == self._replan_at:
            self._replan_at *= 2
            await self.raw.execute("DISCARD PLANS")
        prepared = self._prepared.get(name)
        if prepared is None:
            prepared = self._prepared[name] = await self.raw.prepare(sql)
        return prepared


class Connections:
    """Up to `size` connections to the primary; of several hosts in `url` the one that can be written to is taken."""

    def __init__(self, url: str, size: int) -> None:
        """Open none yet."""
        self._hosts = Hosts(url, ask_host)
        self._size = size
        self._open: set[Connection] = set()
        self._opening = 0
        self._idle: list[Connection] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._refused_at = 0.0
        self._away = False  #: whether the last one could not be opened
        self._doubted_at = 0.0  #: who was opened before leads to a server that let somebody wait too long
        self._watch: asyncio.Task[None] | None = None
        CONNECTIONS.labels("open").set_function(lambda: len(self._open))
        CONNECTIONS.labels("idle").set_function(lambda: len(self._idle))
        CONNECTIONS.labels("awaited").set_function(lambda: len(self._waiters))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """Hand out a connection for as long as the block lasts; raises `Unavailable`."""
        connection = await self._take()
        connection.since = time.monotonic()
        try:
            yield connection
        finally:
            connection.since = 0.0
            self._give_back(connection)

    async def open(self) -> Any:
        """Open one that nobody hands out or gives up; whoever asked for it closes it."""
        return await open_primary(self._hosts)

    async def close(self) -> None:
        """Close all of them, politely for a moment."""
        if self._watch:
            self._watch.cancel()
        for connection in list(self._open):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.raw.close(timeout=CLOSE_S)
        self._open.clear()

    async def _take(self) -> Connection:
        deadline = time.monotonic() + _WAIT_S
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.raw.is_closed():
                    return connection
                self._open.discard(connection)
            if len(self._open) + self._opening < self._size:
                return await self._connect()
            await self._wait(deadline - time.monotonic())

    async def _wait(self, left_s: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(left_s):
                await turn
        except TimeoutError:
            self._pass_on(turn)
            raise Unavailable("no connection to the database became free") from None
        except asyncio.CancelledError:
            self._pass_on(turn)
            raise

    async def _connect(self) -> Connection:
        looked_for = self._away and self._opening and self._hosts.several  # by one for all
        if looked_for or time.monotonic() - self._refused_at < _PAUSE_S:
            self._wake()
            raise Unavailable("the database cannot be reached")
        self._opening += 1
        try:
            raw = await self.open()
        except BaseException as trouble:
            if isinstance(trouble, Unavailable):
                self._away, self._refused_at = True, time.monotonic()
            self._wake()
            raise
        finally:
            self._opening -= 1
        self._away = False
        connection = Connection(raw)
        self._open.add(connection)
        if self._watch is None:
            self._watch = asyncio.create_task(self._give_up_on_the_dead())
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.opened < self._doubted_at:
            connection.drop()
        if connection.raw.is_closed():
            self._open.discard(connection)
        else:
            self._idle.append(connection)
        self._wake()

    def _pass_on(self, turn: asyncio.Future[None]) -> None:
        """Let the next one take a turn that came as its owner left."""
        if turn.done() and not turn.cancelled():
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _give_up_on_the_dead(self) -> None:
        """End what waits for a server that does not answer, without asking that server to cancel anything."""
        while True:
            await asyncio.sleep(1)
            stuck = [one for one in self._open if 0 < one.since < time.monotonic() - STUCK_S]
            for connection in stuck:
                connection.drop()
            if any(one.opened > self._doubted_at for one in stuck):
                self._doubt()

    def _doubt(self) -> None:
        """Use no connection further that leads where one was stuck, and ask other hosts first.

        A primary that was replaced and does not know it answers whoever reads, and no commit of it is ever confirmed.
        """
        self._doubted_at = time.monotonic()
        self._hosts.distrust()
        for connection in self._idle:
            connection.drop()


async def open_primary(hosts: Hosts) -> Any:
    """Open a connection to the host that can be written to; raises `Unavailable`."""
    return await hosts.open(SEARCH_S if hosts.several else CONNECT_S)


async def ask_host(url: str, within_s: float) -> Any:
    """Open a connection to one host; raises `Unavailable`, and what says that the URL is wrong as it comes."""
    try:
        raw = await asyncpg.connect(url, timeout=within_s, target_session_attrs="read-write", server_settings=_SESSION)
        _watch_over(raw._transport.get_extra_info("socket"))  # noqa: SLF001  # the driver has no setting for it
    except (TimeoutError, *BROKEN, asyncpg.TargetServerAttributeNotMatched) as trouble:
        raise Unavailable(str(trouble)) from trouble
    return raw


def _watch_over(line: socket.socket) -> None:
    """Let the kernel notice when the other end falls silent."""
    if line.family in (socket.AF_INET, socket.AF_INET6):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _ALIVE.items():
            if hasattr(socket, name):  # not every system has each
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
