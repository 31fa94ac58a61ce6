"""What reached the webhook inbox of `opengiro dev`: the newest few hundred, as they came, in a file of their own."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from opengiro.domain.clock import from_us, to_us

KEPT = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    payment_id INTEGER,
    state TEXT,
    sequence INTEGER
)
"""
_COLUMNS = "number, at_us, verdict, headers, body, payment_id, state, sequence"


class Verdict(StrEnum):
    """What a shop would think of a delivery's signature."""

    GENUINE = "signature is right"
    UNSIGNED = "not signed"
    FORGED = "signature is wrong"
    STALE = "signed too long ago"

    @property
    def believed(self) -> bool:
        """Whether a shop would act on it."""
        return self is Verdict.GENUINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request that reached the inbox; `number` is 0 until it is kept."""

    at: datetime  #: by the merchant's clock
    verdict: Verdict
    headers: tuple[tuple[str, str], ...]
    body: bytes  #: uncompressed
    payment_id: int | None = None
    state: str | None = None
    sequence: int | None = None
    number: int = 0

    @property
    def pretty(self) -> str:
        """The body as a person reads it: indented when it is JSON, else as it came."""
        try:
            # This formatter keeps every digit; decoding would make floats of amounts and print others.
            return msgspec.json.format(self.body, indent=2).decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.body.decode(errors="replace")


class Arrivals:
    """The file of arrivals; one connection behind one lock is enough for a laptop."""

    def __init__(self, path: Path) -> None:
        """Open or create the file."""
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(_SCHEMA)

    def keep(self, arrival: Arrival) -> int:
        """Add an arrival, let go of the oldest beyond the limit, and return its number."""
        a = arrival
        values = (to_us(a.at), a.verdict, json.dumps(a.headers), a.body, a.payment_id, a.state, a.sequence)
        with self._lock:
            number = self._connection.execute(
                "INSERT INTO arrivals (at_us, verdict, headers, body, payment_id, state, sequence) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
            self._connection.execute("DELETE FROM arrivals WHERE number <= ? - ?", (number, KEPT))
        return number or 0

    def newest(self) -> int:
        """Return the number of the newest arrival, 0 before the first."""
        with self._lock:
            ((number,),) = self._connection.execute("SELECT coalesce(max(number), 0) FROM arrivals")
        return int(number)

    def page(self, payment_id: int | None, before: int | None, limit: int) -> list[Arrival]:
        """Return the newest arrivals first: of one payment, or before a number, when asked."""
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM arrivals "  # noqa: S608  # the columns are ours
                "WHERE (?1 IS NULL OR payment_id = ?1) AND (?2 IS NULL OR number < ?2) ORDER BY number DESC LIMIT ?3",
                (payment_id, before, limit),
            ).fetchall()
        return [_arrival(*row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _arrival(
    number: int,
    at_us: int,
    verdict: str,
    headers: str,
    body: bytes,
    payment_id: int | None,
    state: str | None,
    sequence: int | None,
) -> Arrival:
    return Arrival(
        number=number,
        at=from_us(at_us),
        verdict=Verdict(verdict),
        headers=tuple((name, value) for name, value in json.loads(headers)),
        body=body,
        payment_id=payment_id,
        state=state,
        sequence=sequence,
    )
