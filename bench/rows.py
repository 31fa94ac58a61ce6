"""The rows that OpenGiro really writes, read back from its tables and turned into statements that write their like.

Whatever it is held against therefore writes the same columns with values of the same size, sealed ones included. Only
what has to differ from row to row is computed; the database does that, so its client has nothing to prepare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.databases import Database

BY_PAYMENT = ("payments", "instructions", "moves", "attempts")
"""Tables whose rows name their payment, parents first."""
KEYS = "idempotency_keys"


@dataclass(frozen=True, slots=True)
class Model:
    """One row of one table, to be written again under another id."""

    table: str
    values: Mapping[str, Any]

    def insert(self, database: Database, changes: Mapping[str, str], source: str = "") -> str:
        """Return an INSERT; `changes` are SQL expressions for columns that differ, `source` what they are read from."""
        columns = list(self.values)
        terms = [changes.get(name) or database.literal(self.values[name]) for name in columns]
        return f"INSERT INTO {self.table} ({', '.join(columns)}) SELECT {', '.join(terms)} {source}".rstrip()


def counts(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table: database.rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in database.tables()}


def models(database: Database, merchant_id: int, payment_id: int) -> list[Model]:
    """Return all rows of a payment, and the idempotency key it was made under."""
    found = []
    for table in BY_PAYMENT:
        where = f"merchant_id = {merchant_id} AND payment_id = {payment_id}"
        found += _rows(database, table, where)
    found += _rows(database, KEYS, f"merchant_id = {merchant_id} ORDER BY claimed_us DESC LIMIT 1")
    return found


def gained(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows each table has more."""
    return {table: after[table] - before.get(table, 0) for table in after if after[table] != before.get(table, 0)}


def prove_complete(gains: Mapping[str, int], found: Sequence[Model]) -> None:
    """Raise unless the models are all the rows that were gained: a rival that writes less would look too good."""
    modelled = {table: sum(one.table == table for one in found) for table in {one.table for one in found}}
    if modelled != dict(gains):
        raise RuntimeError(f"a create writes {dict(gains)}, and the bench would write {modelled}")


def _rows(database: Database, table: str, where: str) -> list[Model]:
    columns = database.columns(table)
    rows = database.rows(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}")
    return [Model(table, dict(zip(columns, row, strict=True))) for row in rows]
