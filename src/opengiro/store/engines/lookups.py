"""Look-ups by key that are asked for together, as one statement: a round trip for many instead of one for each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opengiro.store.engines import Row, Unavailable

if TYPE_CHECKING:
    from opengiro.store.engines.connections import Connection

NAMES = frozenset({"load_payment", "load_attempt", "load_moved", "load_moves"})
"""What a busy server asks most. All are quick, so none keeps those behind it waiting."""

_BATCH_MAX = 64
_PLACEHOLDER = re.compile(r"\$(\d+)")

_Asked = tuple[tuple[Any, ...], asyncio.Future[list[Row]]]
_Read = Callable[[Callable[["Connection"], Awaitable[list[Row]]]], Awaitable[list[Row]]]


class Lookups:
    """One statement of each name is under way at a time; what is asked meanwhile goes with the next."""

    def __init__(self, sql: Mapping[str, str], read: _Read) -> None:
        """Ask by `read`, which finds a connection and tries a second one."""
        self._sql = sql
        self._read = read
        self._waiting: dict[str, list[_Asked]] = {name: [] for name in NAMES}
        self._askers: dict[str, asyncio.Task[None]] = {}
        self._many: dict[str, str] = {}

    async def fetch(self, name: str, params: tuple[Any, ...]) -> list[Row]:
        """Return what the query of this name finds."""
        done: asyncio.Future[list[Row]] = asyncio.get_running_loop().create_future()
        self._waiting[name].append((params, done))
        if name not in self._askers:
            self._askers[name] = asyncio.create_task(self._ask(name))
        return await done

    async def _ask(self, name: str) -> None:
        try:
            while self._waiting[name]:
                await asyncio.sleep(0)  # what this round of the loop asks for goes along
                waiting = self._waiting[name]
                batch, self._waiting[name] = waiting[:_BATCH_MAX], waiting[_BATCH_MAX:]
                await self._answer(name, batch)
        finally:
            del self._askers[name]

    async def _answer(self, name: str, batch: Sequence[_Asked]) -> None:
        try:
            found = await self._find(name, [params for params, _ in batch])
        except Exception as trouble:  # noqa: BLE001  # whatever it is, each caller has to hear of it
            if len(batch) == 1 or isinstance(trouble, Unavailable):
                _fail(batch, trouble)
            else:
                await asyncio.gather(*(self._answer(name, [one]) for one in batch))
            return
        for (_, done), rows in zip(batch, found, strict=True):
            if not done.done():
                done.set_result(rows)

    async def _find(self, name: str, keys: Sequence[tuple[Any, ...]]) -> list[list[Row]]:
        """Return the rows of each key, in the order of the keys."""
        if len(keys) == 1:
            return [await self._read(lambda connection: connection.fetch(name, self._sql[name], keys[0]))]

        async def ask(connection: Connection) -> list[Row]:
            if name not in self._many:
                self._many[name] = united(self._sql[name], await connection.types(name, self._sql[name]))
            return await connection.fetch(f"many {name}", self._many[name], list(zip(*keys, strict=True)))

        found: list[list[Row]] = [[] for _ in keys]
        for row in await self._read(ask):
            found[row[0] - 1].append(row[1:])
        return found


def united(sql: str, types: Sequence[str]) -> str:
    """Return the statement that runs a query for each of many keys; each row begins with the number of its key."""
    names = ", ".join(f"v{number}" for number in range(1, len(types) + 1))
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))
    query = _PLACEHOLDER.sub(r"k.v\1", sql)
    # Everything here is our own named SQL; values travel as parameters.
    return f"SELECT k.n, q.* FROM unnest({arrays}) WITH ORDINALITY AS k({names}, n), LATERAL (\n{query}\n) AS q"  # noqa: S608


def _fail(batch: Sequence[_Asked], trouble: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(trouble)
