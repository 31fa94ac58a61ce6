"""The SQLite engine: each command has its own verdict, and what was acknowledged is on disk."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from opengiro.store.engines import Conflict, Unavailable, Write, sqlite
from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.engines.turn import Turn
from opengiro.store.migrate import migrate

pytestmark = pytest.mark.engine("sqlite")


@pytest.fixture
async def engine(tmp_path: Path) -> Sqlite:
    """A migrated database; tests close it, or let it go with the process."""
    opened = Sqlite(tmp_path / "opengiro.db")
    await migrate(opened)
    return opened


@pytest.fixture
def held(tmp_path: Path, engine: Sqlite) -> Iterator[sqlite3.Connection]:
    """The write lock of the file, so that commands queue up behind it until it is let go."""
    other = sqlite3.connect(tmp_path / "opengiro.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def merchant(number: int, domain: str | None = None) -> Write:
    return Write("insert_merchant", (number, domain or f"shop-{number}", "Shop", "Shop SARL", "Europe/Paris", 0))


def setting(key: str, value: str = "1") -> Write:
    return Write("upsert_setting", (1, key, value, 0), None)


async def numbers(engine: Sqlite) -> list[int]:
    return [row[0] for row in await engine.fetch("load_merchants")]


async def test_a_conflict_in_a_batch_leaves_its_neighbours_alone(engine: Sqlite, held: sqlite3.Connection) -> None:
    first = asyncio.create_task(engine.commit([merchant(1)]))
    rest = [engine.commit([merchant(2)]), engine.commit([merchant(1)]), engine.commit([merchant(3)])]
    batch = asyncio.gather(first, *rest, return_exceptions=True)
    await asyncio.sleep(0.05)
    held.execute("COMMIT")
    verdicts = await batch
    assert [type(one) for one in verdicts] == [list, list, Conflict, list]
    assert await numbers(engine) == [1, 2, 3]


async def test_nothing_of_a_command_is_saved_when_one_of_its_guards_fails(engine: Sqlite) -> None:
    await engine.commit([merchant(1)])
    with pytest.raises(Conflict):
        await engine.commit([setting("kept"), Write("update_clock_offset", (999, 5))])
    assert await engine.fetch("load_settings", 1) == []


async def test_a_statement_that_cannot_run_fails_alone(engine: Sqlite, held: sqlite3.Connection) -> None:
    batch = asyncio.gather(
        engine.commit([merchant(1)]),
        engine.commit([merchant(2**70)]),
        engine.commit([Write("insert_merchant", (2,))]),
        engine.commit([merchant(3)]),
        return_exceptions=True,
    )
    await asyncio.sleep(0.05)
    held.execute("COMMIT")
    verdicts = await batch
    assert [isinstance(one, Exception) for one in verdicts] == [False, True, True, False]
    assert await numbers(engine) == [1, 3]


async def test_every_command_gets_the_rows_of_its_own_statements(engine: Sqlite) -> None:
    await engine.commit([merchant(1)])
    failing = Write("count_failure", (1, 7, False), 0)
    assert await engine.commit([failing, setting("a")]) == [[], []]


async def test_a_commit_survives_the_cancellation_of_its_caller(engine: Sqlite, held: sqlite3.Connection) -> None:
    caller = asyncio.create_task(engine.commit([merchant(1)]))
    await asyncio.sleep(0.05)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await numbers(engine) == []
    held.execute("COMMIT")
    await engine.commit([merchant(2)])
    assert await numbers(engine) == [1, 2]


async def test_closing_finishes_what_was_accepted(tmp_path: Path, engine: Sqlite, held: sqlite3.Connection) -> None:
    accepted = [asyncio.create_task(engine.commit([merchant(number)])) for number in range(1, 200)]
    await asyncio.sleep(0)
    held.execute("COMMIT")
    await engine.close()
    await asyncio.gather(*accepted)
    again = Sqlite(tmp_path / "opengiro.db")
    assert len(await numbers(again)) == 199
    await again.close()


async def test_after_closing_a_command_is_refused_instead_of_waiting_for_ever(engine: Sqlite) -> None:
    await engine.close()
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(engine.commit([merchant(1)]), 5)


async def test_a_reader_sees_what_was_acknowledged_and_nothing_that_still_waits(
    engine: Sqlite, held: sqlite3.Connection
) -> None:
    waiting = asyncio.create_task(engine.commit([merchant(1)]))
    await asyncio.sleep(0.05)
    assert await numbers(engine) == []
    held.execute("COMMIT")
    await waiting
    assert await numbers(engine) == [1]


async def test_while_another_program_writes_for_long_a_command_is_told_that_nothing_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_S", 0.2)
    engine = Sqlite(tmp_path / "opengiro.db")
    await migrate(engine)
    with closing(sqlite3.connect(tmp_path / "opengiro.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        told = await asyncio.gather(*(engine.commit([merchant(number)]) for number in (1, 2)), return_exceptions=True)
        assert [type(one) for one in told] == [Unavailable, Unavailable]
    await engine.commit([merchant(3)])
    assert await numbers(engine) == [3]
    await engine.close()


async def test_who_waits_too_long_for_a_turn_is_told_that_nothing_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_S", 0.2)
    engine = Sqlite(tmp_path / "opengiro.db")
    await migrate(engine)
    turn = Turn(tmp_path / "opengiro.db")
    with turn:
        told = await asyncio.gather(*(engine.commit([merchant(number)]) for number in (1, 2)), return_exceptions=True)
        assert [type(one) for one in told] == [Unavailable, Unavailable]
        with pytest.raises(Unavailable):
            await engine.script("CREATE TABLE never (one)")
        assert await numbers(engine) == []
        waits = asyncio.create_task(engine.commit([merchant(3)]))
        await asyncio.sleep(0)
    await waits
    assert await numbers(engine) == [3]
    turn.close()
    await engine.close()


async def test_closing_ends_though_the_turn_never_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE_S", 0.2)
    engine, turn = Sqlite(tmp_path / "opengiro.db"), Turn(tmp_path / "opengiro.db")
    with turn:
        waits = asyncio.create_task(engine.commit([merchant(1)]))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(Unavailable):
            await waits
    turn.close()


async def test_a_reader_cannot_write(engine: Sqlite) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await engine.fetch_text("DELETE FROM merchants", ())


async def test_migrations_are_applied_once_and_survive_a_restart(tmp_path: Path) -> None:
    first = Sqlite(tmp_path / "opengiro.db")
    applied = await migrate(first)
    assert applied == sorted(applied, key=lambda name: (name.split("_")[1] == "post", name))
    assert len(applied) >= 2
    await first.commit([merchant(1)])
    assert await migrate(first) == []
    await first.close()
    second = Sqlite(tmp_path / "opengiro.db")
    assert await migrate(second) == []
    assert await numbers(second) == [1]
    await second.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from opengiro.store.engines import Write
from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.migrate import migrate

async def one(engine, number):
    values = (number, f"shop-{number}", "Shop", "Shop SARL", "Europe/Paris", 0)
    await engine.commit([Write("insert_merchant", values)])
    print(number, flush=True)

async def main():
    engine = Sqlite(Path(sys.argv[1]))
    await migrate(engine)
    for start in range(1, 10**9, 8):
        await asyncio.gather(*(one(engine, number) for number in range(start, start + 8)))

asyncio.run(main())
"""


def killed_after(path: Path, acknowledged: int) -> set[int]:
    """Run the writer, kill it after so many acknowledgements, and return all it gave."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        seen = {int(writer.stdout.readline()) for _ in range(acknowledged)}
        writer.send_signal(signal.SIGKILL)
        return seen | {int(line) for line in writer.stdout if line.endswith("\n")}


@pytest.mark.parametrize("acknowledged", [1, 20, 150])
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "opengiro.db"
    seen = await asyncio.to_thread(killed_after, path, acknowledged)
    engine = Sqlite(path)
    assert seen <= set(await numbers(engine))
    assert await engine.fetch_text("PRAGMA integrity_check", ()) == [("ok",)]
    await engine.close()


RACER = """
import asyncio, sys
from pathlib import Path
from opengiro.store.engines import Conflict, Write
from opengiro.store.engines.sqlite import Sqlite

async def one(engine, number):
    try:
        values = (number, f"shop-{number}", "Shop", "Shop SARL", "Europe/Paris", 0)
        await engine.commit([Write("insert_merchant", values)])
        print(number, flush=True)
    except Conflict:
        pass

async def main():
    engine = Sqlite(Path(sys.argv[1]), shared=True)
    sys.stdin.read()
    for start in range(1, 400, 8):
        await asyncio.gather(*(one(engine, number) for number in range(start, start + 8)))
    await engine.close()

asyncio.run(main())
"""


async def test_processes_that_race_for_the_same_rows_win_each_once(tmp_path: Path, engine: Sqlite) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "opengiro.db")]
    racers = [
        await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    printed = await asyncio.gather(*(racer.communicate(b"") for racer in racers))
    won = sorted(int(line) for lines, _ in printed for line in lines.split())
    assert won == list(range(1, 401))
    assert await numbers(engine) == won
    await engine.close()
