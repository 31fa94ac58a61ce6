"""Database engines. Each runs named statements; nothing above this room knows which one it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

Row = tuple[Any, ...]


class Write(NamedTuple):
    """One named statement of a commit. `expect` is the number of rows it must touch; None accepts any."""

    name: str
    params: tuple[Any, ...]
    expect: int | None = 1


class Conflict(Exception):  # someone was faster: a normal outcome of a race
    """A guard of the commit did not hold (row changed, key taken); nothing of it was saved."""


class Unavailable(Exception):  # what everybody calls this state of a service
    """The database cannot be reached, or did not say whether it saved: repeating with the same key tells."""


class Engine(Protocol):
    """What the store needs of a database."""

    kind: str  #: sqlite or postgres, as sections of migrations name it
    shared: bool  #: whether other servers' processes work on it, too

    async def fetch(self, name: str, *params: Any) -> list[Row]:
        """Run one named query and return its rows."""

    async def fetch_text(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a query composed of allow-listed fragments and return its rows."""

    async def commit(self, writes: Sequence[Write]) -> list[list[Row]]:
        """Run all statements in one durable transaction and return what each returned; raises `Conflict`."""

    async def secure(self) -> None:
        """Return when nothing that was read until now can be lost any more; raises `Unavailable`."""

    async def script(self, sql: str, *, apart: bool = False) -> None:
        """Run the statements of a migration in one transaction, or each by itself if they run `apart`."""

    async def close(self) -> None:
        """Finish what was accepted, then release the files or connections."""


class Channel(Protocol):
    """How processes that share a database call out short texts to each other, which nobody keeps."""

    async def call(self, text: str) -> None:
        """Say it to all who listen now; raises `Unavailable`."""

    async def listen(self, begun: Callable[[], None], hear: Callable[[str], None]) -> None:
        """Call `begun` whenever texts may have been missed, and `hear` for each text; ends by `Unavailable`."""
