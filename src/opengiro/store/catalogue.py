"""What a PostgreSQL database holds, as its own catalogue tells it; so a table added tomorrow is known today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_COLUMNS = """
SELECT c.relname::text AS name, a.attname::text AS column_name, format_type(a.atttypid, NULL) AS kind
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, a.attnum
"""
_KEYS = """
SELECT c.relname::text AS name, a.attname::text AS column_name
FROM pg_class c
    JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, k.place
"""
_PARENTS = """
SELECT c.relname::text AS name, p.relname::text AS parent
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace AND c.oid <> p.oid
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `columns` are types by names, in the table's order; `parents` have to be filled before it."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    parents: frozenset[str]


async def tables(connection: Any) -> list[Table]:
    """Return every table of the schema we work in, parents before children."""
    columns: dict[str, dict[str, str]] = {}
    for name, column, kind in await connection.fetch(_COLUMNS):
        columns.setdefault(name, {})[column] = kind
    keys, parents = await connection.fetch(_KEYS), await connection.fetch(_PARENTS)
    found = [
        Table(name, kinds, tuple(column for table, column in keys if table == name),
              frozenset(parent for table, parent in parents if table == name))
        for name, kinds in columns.items()
    ]  # fmt: skip
    return list(_parents_first(found))


def _parents_first(found: list[Table]) -> Iterator[Table]:
    given: set[str] = set()
    while len(given) < len(found):
        ready = [table for table in found if table.name not in given and table.parents <= given]
        if not ready:
            raise ValueError("tables refer to each other in a circle")
        yield from ready
        given |= {table.name for table in ready}
