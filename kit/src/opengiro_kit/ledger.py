"""Who may settle an order, written down so that it happens once.

A key is claimed for a short lease, then finished together with the shop's own effect, or released. A claim
carries a fence: whoever lost its lease to another cannot finish any more. A ledger in the shop's own database
writes the effect and the finish in one transaction, so a crash at any point leaves either both or neither.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Protocol, TypeVar

Transaction_co = TypeVar("Transaction_co", covariant=True)

LEASE_S = 30


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to finish a key, until its lease ends and somebody else takes it."""

    key: str
    fence: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The key is finished for good; `mark` is what its finisher noted."""

    mark: str


class ClaimLost(Exception):
    """The lease ended and somebody else claimed the key; the effect was not kept."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"the claim on {claim.key} was lost to another holder")
        self.claim = claim


class Ledger(Protocol[Transaction_co]):
    """What `settle` needs from the shop's database."""

    def claim(self, key: str) -> Claim | Finished | None:
        """Claim a key; None while somebody else holds it."""

    def finish(self, claim: Claim, mark: str, effect: Callable[[Transaction_co], None]) -> None:
        """Run the effect and finish the key, both or neither.

        Raises:
            ClaimLost: the claim is no longer ours.
        """

    def release(self, claim: Claim) -> None:
        """Give a claim back unfinished."""


class SqliteLedger:
    """A ledger in the shop's SQLite file; effects receive the connection that holds the transaction."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        lease_s: int = LEASE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._lease_ms = lease_s * 1000
        self._clock = clock
        with self._connection() as connection:
            connection.execute(_TABLE)

    def claim(self, key: str) -> Claim | Finished | None:
        """Claim a key in one statement, so that two claimers cannot both win."""
        now_ms = int(self._clock() * 1000)
        with self._connection() as connection:
            won = connection.execute(_CLAIM, (key, now_ms + self._lease_ms, now_ms)).fetchone()
            if won:
                return Claim(key, won[0])
            mark = connection.execute("SELECT mark FROM opengiro_claims WHERE key = ?", (key,)).fetchone()
            return Finished(mark[0]) if mark and mark[0] is not None else None

    def finish(self, claim: Claim, mark: str, effect: Callable[[sqlite3.Connection], None]) -> None:
        """Run the effect and finish the key in one transaction."""
        with self._connection() as connection, _transaction(connection):
            done = connection.execute(_FINISH, (mark, claim.key, claim.fence))
            if done.rowcount != 1:
                raise ClaimLost(claim)
            effect(connection)

    def release(self, claim: Claim) -> None:
        """End the lease at once."""
        with self._connection() as connection:
            connection.execute(_RELEASE, (claim.key, claim.fence))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


_TABLE = """
CREATE TABLE IF NOT EXISTS opengiro_claims (
    key TEXT PRIMARY KEY,
    fence INTEGER NOT NULL,
    leased_until_ms INTEGER NOT NULL,
    mark TEXT
) STRICT
"""

_CLAIM = """
INSERT INTO opengiro_claims (key, fence, leased_until_ms) VALUES (?, 1, ?)
ON CONFLICT (key) DO UPDATE SET fence = fence + 1, leased_until_ms = excluded.leased_until_ms
WHERE mark IS NULL AND leased_until_ms <= ?
RETURNING fence
"""

_FINISH = "UPDATE opengiro_claims SET mark = ? WHERE key = ? AND fence = ? AND mark IS NULL"

_RELEASE = "UPDATE opengiro_claims SET leased_until_ms = 0 WHERE key = ? AND fence = ? AND mark IS NULL"
