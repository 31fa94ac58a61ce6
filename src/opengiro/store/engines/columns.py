"""Many commands that write to the same tables, as one statement whose parameters are one array a column.

Either they only insert, and are saved all or none. Or each begins with a guarded update and inserts what follows from
it: then a number goes along with every row, and the statement returns those of the commands whose guard held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opengiro.store.engines import Write
    from opengiro.store.engines.connections import Connection

GUARDED = frozenset({"save_delivery_body", "settle_delivery"})
"""Updates that share a statement: what workers save most, each of a row that nobody else has claimed."""

_PLACEHOLDER = re.compile(r"\$(\d+)")
_PLAIN = re.compile(r"(?:--[^\n]*\n)*INSERT INTO (\w+) \(([\w,\s]+)\)\s+VALUES \(([$\d,\s]+)\)")


@dataclass(frozen=True, slots=True)
class Columns:
    """The statement of one shape; `names` are the writes it unites."""

    name: str
    sql: str
    names: tuple[str, ...]

    def fill(self, commands: Sequence[Sequence[Write]]) -> list[Sequence[Any] | None]:
        """Return the statement's parameters: the values of all commands, column by column.

        A column without any value is left out: what one array lacks beside the others, the server takes as NULL.
        """
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.names}
        for number, writes in enumerate(commands):
            for write in writes:
                rows[write.name].append((*write.params, number) if is_guarded(self.names) else write.params)
        columns = (column for name in self.names for column in zip(*rows[name], strict=True))
        return [None if column.count(None) == len(column) else column for column in columns]


def is_plain(sql: str) -> bool:
    """Whether a statement only inserts the row it is given."""
    return _PLAIN.fullmatch(sql) is not None


def is_guarded(shape: Sequence[str]) -> bool:
    """Whether commands of a shape are accepted or refused each by its own guard."""
    return shape[0] in GUARDED


async def columns_of(shape: tuple[str, ...], sql: Mapping[str, str], connection: Connection) -> Columns:
    """Compose the statement of a shape; the server itself says of which type each value is."""
    pieces, first = [], 1
    for name in shape:
        types = [*await connection.types(name, sql[name]), *(["int8"] if is_guarded(shape) else [])]
        pieces.append(_piece(name, sql[name], types, first, shape))
        first += len(types)
    if is_guarded(shape):
        pieces.append("SELECT n FROM w0")
    *before, last = pieces
    united = ", ".join(f"w{number} AS ({piece})" for number, piece in enumerate(before))
    return Columns("many " + " ".join(shape), f"WITH {united} {last}" if before else last, shape)


def _piece(name: str, sql: str, types: Sequence[str], first: int, shape: Sequence[str]) -> str:
    """Return one write of a shape, reading its values from arrays instead of parameters."""
    names = [f"v{number}" for number in range(1, len(types) + 1)]
    if is_guarded(shape):
        names[-1] = "n"
    arrays = ", ".join(f"${first + at}::{kind}[]" for at, kind in enumerate(types))
    rows = f"FROM unnest({arrays}) AS v({', '.join(names)})"
    if name in GUARDED:
        change, _, guard = _PLACEHOLDER.sub(r"v.v\1", sql).partition("\nWHERE ")
        return f"{change} {rows} WHERE {guard} RETURNING v.n"
    found = _PLAIN.fullmatch(sql)
    if found is None:
        raise ValueError("only a plain insert takes columns")
    table, columns, values = found.groups()
    # Everything here is our own named SQL; values travel as parameters.
    held = " WHERE v.n IN (SELECT n FROM w0)" if is_guarded(shape) else ""
    return f"INSERT INTO {table} ({columns}) SELECT {values.replace('$', 'v')} {rows}{held}"
