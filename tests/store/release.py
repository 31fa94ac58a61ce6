"""What the last release did to its database, kept so that the next one can be tried against it.

`python -m tests.store.release`, run when a version is released, lives in a house and writes down every statement and
its values. The upgrade's tests say the same again on the schema of tomorrow: that is what old code does on it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opengiro.store.engines import Row, Write
from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.statements import statements

FOLDER = Path(__file__).with_name("released")
LEDGER = "schema_migrations"
_READS = 3
"""How often one query is written down; it says nothing new after that."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version: its files of migrations and statements, what it did, and the tables it left behind."""

    migrations: Mapping[str, str]  #: digests by name
    statements: Mapping[str, str]
    root_key: bytes
    columns: Mapping[str, Sequence[str]]
    sums: Mapping[str, str]

    def story(self) -> list[list[Write]]:
        """Return what was saved and read, in its order; a read is one write that expects nothing."""
        lines = (FOLDER / "story.jsonl").read_text().splitlines()
        return [[Write(name, _read(params), expect) for name, params, expect in json.loads(line)] for line in lines]


def last_release() -> Release:
    """Read what was kept."""
    kept = json.loads((FOLDER / "release.json").read_text())
    return Release(**kept | {"root_key": bytes.fromhex(kept["root_key"])})


def digest(text: str) -> str:
    """Return what a file is recognised by."""
    return hashlib.sha256(text.encode()).hexdigest()


def total(rows: Sequence[Row]) -> str:
    """Return one digest over rows in any order; a boolean counts as the number SQLite keeps."""
    each = sorted(json.dumps([int(v) if isinstance(v, bool) else _plain(v) for v in row]) for row in rows)
    return digest("\n".join(each))


def _plain(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _read(params: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(base64.b64decode(one["b"]) if isinstance(one, dict) else one for one in params)


class Recorder:
    """Listens to an engine."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._seen: dict[str, int] = {}

    def wrap(self, engine: type[Sqlite]) -> None:
        """Hear what succeeds."""
        commit, fetch = engine.commit, engine.fetch

        async def heard_commit(this: Sqlite, writes: Sequence[Write]) -> list[list[Row]]:
            rows = await commit(this, writes)
            self._say(writes)
            return rows

        async def heard_fetch(this: Sqlite, name: str, *params: Any) -> list[Row]:
            self._seen[name] = self._seen.get(name, 0) + 1
            if self._seen[name] <= _READS:
                self._say([Write(name, params, None)])
            return await fetch(this, name, *params)

        setattr(engine, "commit", heard_commit)  # noqa: B010  # mypy would rather not
        setattr(engine, "fetch", heard_fetch)  # noqa: B010  # as above

    def _say(self, writes: Sequence[Write]) -> None:
        said = [[write.name, [_plain(one) for one in write.params], write.expect] for write in writes]
        self.lines.append(json.dumps(said, ensure_ascii=False, separators=(",", ":")))


def _tables(database: sqlite3.Connection) -> Iterator[str]:
    for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"):
        if not name.startswith("sqlite_"):
            yield name


def main() -> None:
    """Live in a house and write it down."""
    from importlib.resources import files  # noqa: PLC0415  # only here

    from tests.server import open_house  # noqa: PLC0415  # it opens what is to be heard
    from tests.store.lived import ears, live_in  # noqa: PLC0415  # as above

    recorder = Recorder()
    recorder.wrap(Sqlite)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "server"

        async def live() -> None:
            async with ears() as (ear, deaf), open_house(data) as house:
                await live_in(house, ear, deaf)

        asyncio.run(live())
        with closing(sqlite3.connect(data / "opengiro.db")) as database:
            ledger = [name for (name,) in database.execute(f"SELECT name FROM {LEDGER}")]  # noqa: S608
            columns = {
                table: [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))]
                for table in _tables(database)
                if table != LEDGER
            }
            sums = {
                table: total(database.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall())  # noqa: S608
                for table, names in columns.items()
            }
        texts = files("opengiro.store.migrations")
        kept = {
            "migrations": {name: digest((texts / name).read_text()) for name in sorted(ledger)},
            "statements": statements(),
            "root_key": (data / "root.key").read_bytes().hex(),
            "columns": columns,
            "sums": sums,
        }
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "release.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (FOLDER / "story.jsonl").write_text("\n".join(recorder.lines) + "\n")
    print(f"{len(recorder.lines)} commands of {len(kept['migrations'])} migrations")  # noqa: T201  # a command of ours


if __name__ == "__main__":
    main()
