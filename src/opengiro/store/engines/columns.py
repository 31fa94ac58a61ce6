"""Many commands that insert into the same tables, as one statement whose parameters are one array a column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opengiro.store.engines import Write
    from opengiro.store.engines.connections import Connection

_PLAIN = re.compile(r"(?:--[^\n]*\n)*INSERT INTO (\w+) \(([\w,\s]+)\)\s+VALUES \(([$\d,\s]+)\)")


@dataclass(frozen=True, slots=True)
class Columns:
    """The statement of one shape. `names` are the inserts it unites, `widths` how many values each takes."""

    name: str
    sql: str
    names: tuple[str, ...]
    widths: tuple[int, ...]

    def fill(self, commands: Sequence[Sequence[Write]]) -> list[Sequence[Any]]:
        """Return the statement's parameters: the values of all commands, column by column."""
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.names}
        for writes in commands:
            for write in writes:
                rows[write.name].append(write.params)
        return [column for name in self.names for column in zip(*rows[name], strict=True)]


def is_plain(sql: str) -> bool:
    """Whether a statement only inserts the row it is given."""
    return _PLAIN.fullmatch(sql) is not None


async def columns_of(shape: tuple[str, ...], sql: Mapping[str, str], connection: Connection) -> Columns:
    """Compose the statement of a shape; the server itself says of which type each value is."""
    inserts, widths, first = [], [], 1
    for name in shape:
        types = await connection.types(name, sql[name])
        inserts.append(_insert(sql[name], types, first))
        widths.append(len(types))
        first += len(types)
    *before, last = inserts
    united = ", ".join(f"w{number} AS ({insert})" for number, insert in enumerate(before))
    return Columns("many " + " ".join(shape), f"WITH {united} {last}" if before else last, shape, tuple(widths))


def _insert(sql: str, types: Sequence[str], first: int) -> str:
    found = _PLAIN.fullmatch(sql)
    if found is None:
        raise ValueError("only a plain insert takes columns")
    table, columns, values = found.groups()
    names = [f"v{number}" for number in range(1, len(types) + 1)]
    arrays = ", ".join(f"${first + at}::{kind}[]" for at, kind in enumerate(types))
    chosen = values.replace("$", "v")
    # Everything here is our own named SQL; values travel as parameters.
    return f"INSERT INTO {table} ({columns}) SELECT {chosen} FROM unnest({arrays}) AS v({', '.join(names)})"  # noqa: S608
