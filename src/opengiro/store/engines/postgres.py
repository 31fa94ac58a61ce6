"""PostgreSQL: several connections, and a shared commit for the commands that come in numbers.

A command that only inserts (a new payment, a token), or that says how a delivery goes on, waits in a queue with its
like; a flusher takes what waits and saves it by one statement, whose parameters are one array a column. A lone command
pays no delay, and many share one round trip and one fsync. Those that the statement refuses run again one by one, and
when it fails each half runs again, so each has its own verdict and one bad command costs the others little. All other
commands run at once, each in a transaction of its own.

A task that is cancelled never reaches the server: asyncpg would cancel a COMMIT that the server may already have done.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from opengiro.store.engines import Conflict, Row, Unavailable, Write
from opengiro.store.engines.columns import Columns, columns_of, is_guarded, is_plain
from opengiro.store.engines.connections import BROKEN, CLOSE_S, Connections
from opengiro.store.engines.lookups import NAMES, Lookups
from opengiro.store.engines.scripts import run_apart, run_together
from opengiro.store.statements import statements
from opengiro.telemetry.meters import BATCHES

if TYPE_CHECKING:
    from opengiro.store.engines.connections import Connection

SIZE = 10
"""How many connections a process opens at most, one that listens not counted."""
_BATCH_MAX = 64
_WAITING_MAX = 4_096
_TRIES = 3
"""How often a command is run again that the server rolled back for no fault of its own."""

_ONLY_SQLITE = re.compile(r"/\*sqlite\*/.*?/\*end\*/", re.DOTALL)
_Job = tuple[Sequence[Write], asyncio.Future[list[list[Row]]]]
_Shape = tuple[str, ...]
"""The names of a command's writes."""


class Postgres:
    """A PostgreSQL server; every commit is on its disk (and its standbys', if it has to) before it is acknowledged."""

    kind = "postgres"
    shared = True

    def __init__(self, url: str, size: int = SIZE) -> None:
        """Prepare up to `size` connections to `url`; none is opened yet."""
        self._sql = {name: translate(text) for name, text in statements().items()}
        self._connections = Connections(url, size)
        self._waiting: defaultdict[_Shape, deque[_Job]] = defaultdict(deque)
        self._lookups = Lookups(self._sql, self._read)
        self._flushers: dict[_Shape, asyncio.Task[None]] = {}  #: one a shape, since two would make smaller batches
        self._running: set[asyncio.Task[list[list[Row]]]] = set()
        self._columns: dict[_Shape, Columns] = {}
        self._plain = {name for name, sql in self._sql.items() if is_plain(sql)}
        self._closed = False

    async def fetch(self, name: str, *params: Any) -> list[Row]:
        """Run one named query."""
        if name in NAMES:
            return await self._lookups.fetch(name, params)
        return await self._read(lambda connection: connection.fetch(name, self._sql[name], params))

    async def fetch_text(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a query composed of allow-listed fragments."""
        return await self._read(lambda connection: connection.fetch_text(translate(sql), params))

    async def commit(self, writes: Sequence[Write]) -> list[list[Row]]:
        """Save all or nothing. Cancelling the caller does not undo or stop the commit."""
        if self._closed:
            raise RuntimeError("the database is closed")
        if self._may_share(writes):
            return await asyncio.shield(self._enqueue(writes))
        task = asyncio.create_task(self._alone(writes))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def connect(self) -> Any:
        """Return a connection that is the caller's alone, of the driver's own kind."""
        return await self._connections.open()

    async def secure(self) -> None:
        """Do nothing: what can be read here has been saved."""

    async def script(self, sql: str, *, apart: bool = False) -> None:
        """Run a migration beside traffic; of two at once one waits, and the ledger of migrations tells it the rest."""
        raw = await self.connect()  # of its own: an index may take longer than any command of ours
        try:
            await (run_apart if apart else run_together)(raw, sql)
        finally:
            await raw.close(timeout=CLOSE_S)

    async def close(self) -> None:
        """Finish what was accepted, then close the connections."""
        self._closed = True
        while under_way := [*self._running, *self._flushers.values()]:
            await asyncio.wait(under_way)
        await self._connections.close()

    async def _read(self, query: Callable[[Connection], Awaitable[list[Row]]]) -> list[Row]:
        """Run a query, once more on another connection when the first was dead."""
        for last in (False, True):
            async with self._connections.one() as connection:
                try:
                    return await query(connection)
                except asyncio.CancelledError:
                    connection.drop()  # the driver asks the server to cancel it, which must never meet a later commit
                    raise
                except BROKEN as trouble:
                    heard = connection.judge(trouble)
                    if last or heard is trouble:
                        raise heard from trouble
        raise AssertionError  # the second try returned or raised

    def _may_share(self, writes: Sequence[Write]) -> bool:
        inserts = writes[1:] if is_guarded(_shape(writes)) else writes
        return all(write.name in self._plain for write in inserts) and all(write.expect == 1 for write in writes)

    def _enqueue(self, writes: Sequence[Write]) -> asyncio.Future[list[list[Row]]]:
        shape = _shape(writes)
        if len(self._waiting[shape]) >= _WAITING_MAX:
            raise Unavailable("too many commands wait for the database")
        done: asyncio.Future[list[list[Row]]] = asyncio.get_running_loop().create_future()
        self._waiting[shape].append((writes, done))
        if shape not in self._flushers:
            self._flushers[shape] = asyncio.create_task(self._flush(shape))
        return done

    async def _flush(self, shape: _Shape) -> None:
        """Save what waits of a shape, batch by batch, until nothing does."""
        waiting = self._waiting[shape]
        try:
            while waiting:
                await asyncio.sleep(0)  # what this round of the loop asks for goes along
                batch = [waiting.popleft() for _ in range(min(len(waiting), _BATCH_MAX))]
                BATCHES.observe(len(batch))
                await self._save_each(batch)
        finally:
            del self._flushers[shape]  # at once: who comes now starts the next

    async def _save_each(self, batch: Sequence[_Job]) -> None:
        try:
            refused = await self._save(batch)
        except Unavailable as trouble:
            _settle(batch, trouble)
        except Exception as trouble:  # noqa: BLE001  # whatever it is, each caller has to hear of it
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._save_each(batch[:middle])  # before the others, so that of two that collide the first wins
                await self._save_each(batch[middle:])
            elif isinstance(trouble, asyncpg.IntegrityConstraintViolationError):
                _settle(batch, _verdict(trouble))
            else:
                await self._save_apart(batch[0])
        else:
            for job in refused:
                await self._save_apart(job)

    async def _save(self, batch: Sequence[_Job]) -> list[_Job]:
        """Save what can be saved together, and return the commands whose guard did not hold."""
        shape = _shape(batch[0][0])
        async with self._connections.one() as connection:
            try:
                columns = self._columns.get(shape)
                if columns is None:
                    columns = self._columns[shape] = await columns_of(shape, self._sql, connection)
                values = columns.fill([writes for writes, _ in batch])
                rows = await connection.fetch(columns.name, columns.sql, values)
                connection.trust()
            except BROKEN as trouble:
                raise connection.judge(trouble) from trouble
        held = {number for (number,) in rows} if is_guarded(shape) else range(len(batch))
        for number in held:
            writes, done = batch[number]
            if not done.done():
                done.set_result([[] for _ in writes])
        return [job for number, job in enumerate(batch) if number not in held]

    async def _save_apart(self, job: _Job) -> None:
        writes, done = job
        try:
            rows = await self._alone(writes)
        except Exception as trouble:  # noqa: BLE001  # as above
            _settle([job], trouble)
        else:
            if not done.done():
                done.set_result(rows)

    async def _alone(self, writes: Sequence[Write]) -> list[list[Row]]:
        """Run one command in its own transaction, again when the server rolled it back to end a deadlock."""
        for left in reversed(range(_TRIES)):
            async with self._connections.one() as connection:
                try:
                    rows = await self._transact(connection, writes)
                    connection.trust()
                except BROKEN as trouble:
                    raise connection.judge(trouble) from trouble
                except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as trouble:
                    if not left:
                        raise Unavailable(str(trouble)) from trouble
                except asyncpg.PostgresError as trouble:
                    raise _verdict(trouble) from trouble
                else:
                    return rows
        raise AssertionError  # the last try returned or raised

    async def _transact(self, connection: Connection, writes: Sequence[Write]) -> list[list[Row]]:
        if len(writes) == 1:  # a statement is a transaction of its own
            return [await self._run(connection, writes[0])]
        await connection.raw.execute("BEGIN")
        try:
            rows = [await self._run(connection, write) for write in writes]
        except BaseException:
            if not connection.raw.is_closed():
                await connection.raw.execute("ROLLBACK")
            raise
        await connection.raw.execute("COMMIT")
        return rows

    async def _run(self, connection: Connection, write: Write) -> list[Row]:
        rows, touched = await connection.run(write.name, self._sql[write.name], write.params)
        if write.expect is not None and touched != write.expect:
            raise Conflict(write.name)
        return rows


def translate(sql: str) -> str:
    """Let PostgreSQL see what only it understands, `/*postgres … */`, and nothing from `/*sqlite*/` to `/*end*/`."""
    return _ONLY_SQLITE.sub("", sql).replace("/*postgres ", "").replace(" */", "")


def _shape(writes: Sequence[Write]) -> _Shape:
    return tuple(dict.fromkeys(write.name for write in writes))


def _verdict(trouble: Exception) -> Exception:
    if isinstance(trouble, asyncpg.IntegrityConstraintViolationError):
        conflict = Conflict(trouble.args[0])  # without the detail, which quotes the row
        conflict.__cause__ = trouble
        return conflict
    return trouble


def _settle(batch: Sequence[_Job], trouble: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(trouble)
