"""`sqlite_loop.c` in Python, for a machine without a C compiler: the same arguments, statements and words."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path


def main() -> None:
    """Write payments until the time is over; print how many were committed, and in what time."""
    database, path, seconds, batch, first = sys.argv[1:]
    statements, number = Path(path).read_text().splitlines(), int(first)
    with closing(sqlite3.connect(database, isolation_level=None, timeout=5)) as opened:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
            opened.execute(f"PRAGMA {pragma}")
        begun = time.monotonic()
        while time.monotonic() - begun < float(seconds):
            opened.execute("BEGIN IMMEDIATE")
            ids = [(one,) for one in range(number, number + int(batch))]
            for statement in statements:
                opened.executemany(statement, ids)
            opened.execute("COMMIT")
            number += int(batch)
        sys.stdout.write(f"{number - int(first)} {time.monotonic() - begun:.6f}\n")


if __name__ == "__main__":
    main()
