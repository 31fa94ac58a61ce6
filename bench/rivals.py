"""What creating payments is held against: the database's own tools writing the same rows, with nothing around them.

On PostgreSQL that is `pgbench` with one prepared statement, on SQLite a loop in C. Both run in a twin of the database
that the server uses, on the same server and disk.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from pathlib import Path

from bench.databases import Database, PostgresDatabase, SqliteFile
from bench.rows import KEYS, Model
from tests.postgres import binary

FIRST_ID = 10**15
"""Above every id that the server draws this century."""
_SEQUENCE = "bench_ids"
_TIMES = ("created_us", "expires_us", "at_us", "claimed_us")


@dataclass(frozen=True, slots=True)
class Written:
    """How many payments a rival committed, and in what time."""

    payments: int
    seconds: float

    @property
    def rate(self) -> float:
        """Payments per second."""
        return self.payments / self.seconds


@dataclass(slots=True)
class Pgbench:
    """`pgbench` over a twin database."""

    database: PostgresDatabase
    folder: Path
    name: str = "pgbench, one statement"

    def learn(self, models: Sequence[Model]) -> None:
        """Take over the rows it has to write."""
        if binary("pgbench") is None:
            raise FileNotFoundError("pgbench")
        self.database.run(f"CREATE SEQUENCE {_SEQUENCE} START {FIRST_ID}")
        self._script.write_text(one_statement(self.database, models))

    def run(self, connections: int, seconds: float) -> Written:
        """Write as fast as it can over so many connections."""
        count = ["-c", str(connections), "-j", str(min(connections, 2))]
        how = ["-n", "-M", "prepared", "-T", str(max(1, round(seconds)))]
        told = subprocess.run(
            [binary("pgbench") or "pgbench", *how, *count, "-f", str(self._script), self.database.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        ).stdout
        done = int(_found(r"transactions actually processed: (\d+)", told))
        return Written(done, done / float(_found(r"tps = ([\d.]+)", told)))

    @property
    def _script(self) -> Path:
        return self.folder / "create.pgbench"


@dataclass(slots=True)
class Loop:
    """A loop in C over a twin file, one transaction for each `batch` of payments."""

    database: SqliteFile
    folder: Path
    name: str = "C loop"
    _next_id: int = field(default=FIRST_ID)

    def learn(self, models: Sequence[Model]) -> None:
        """Take over the rows it has to write, and compile the loop; without a compiler Python runs it, slower."""
        lines = [one.insert(self.database, _changes(one, "?1", self.database.chance_text("?1"))) for one in models]
        self._statements.write_text("".join(f"{line}\n" for line in lines))
        compiler, library = shutil.which("cc"), find_library("sqlite3")
        if compiler and library:
            source = Path(__file__).with_name("sqlite_loop.c")
            command = [compiler, "-O2", "-o", str(self._program), str(source), f"-l:{library}"]
            subprocess.run(command, check=True, capture_output=True)
        else:
            self.name = "Python loop (there is no C compiler)"

    def run(self, batch: int, seconds: float) -> Written:
        """Write as fast as it can in transactions of so many payments."""
        arguments = [str(self.database.path), str(self._statements), str(seconds), str(batch), str(self._next_id)]
        program = [str(self._program)] if self._program.exists() else [sys.executable, "-m", "bench.sqlite_loop"]
        command = [*program, *arguments]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        self._next_id += int(told[0])
        return Written(int(told[0]), float(told[1]))

    @property
    def _statements(self) -> Path:
        return self.folder / "create.sql"

    @property
    def _program(self) -> Path:
        return self.folder / "sqlite_loop"


def one_statement(database: Database, models: Sequence[Model]) -> str:
    """Return one statement that writes all the rows of one payment under the next id."""
    chance = database.chance_text("fresh.id")
    parts = [one.insert(database, _changes(one, "fresh.id", chance), "FROM fresh") for one in models]
    steps = [f"fresh AS (SELECT nextval('{_SEQUENCE}') AS id)"]
    steps += [f"step{number} AS ({part})" for number, part in enumerate(parts[:-1])]
    return f"WITH {', '.join(steps)} {parts[-1]};\n"


def _changes(one: Model, number: str, chance: str) -> dict[str, str]:
    """Return what differs from row to row: what is unique, and what indexes are sorted by."""
    # Of later payments the times are later, as those of real ones are.
    changes = {name: f"{one.values[name]} + {number} - {FIRST_ID}" for name in _TIMES if name in one.values}
    if one.table == KEYS:
        return changes | {"key": chance}
    changes["payment_id"] = number
    if one.table == "payments":
        changes["guid"] = f"'00000000-0000-7000-8' || CAST({number} AS TEXT)"  # as long as a real one, and ascending
    return changes


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"pgbench said nothing of {pattern!r}: {text[-500:]}")
    return found[1]
