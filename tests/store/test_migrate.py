"""How the schema moves on: each file once, two steps, whoever else is at work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from opengiro.store.engines import Engine, Unavailable
from opengiro.store.engines import scripts as running
from opengiro.store.engines.choice import open_engine
from opengiro.store.migrate import (
    _FOLDER,
    COPYING,
    POST,
    PRE,
    NotReady,
    applied,
    for_engine,
    migrate,
    migrate_at_start,
    missing,
    unknown,
)
from tests.engines import ENGINES
from tests.postgres import new_database
from tests.server import until

FILES = {
    "0001_pre_shelves.sql": "CREATE TABLE shelves (shelf_id BIGINT PRIMARY KEY, label TEXT, old TEXT);",
    "0002_post_old.sql": "ALTER TABLE shelves DROP COLUMN old;",
    "0003_pre_books.sql": "CREATE TABLE books (book_id BIGINT PRIMARY KEY, shelf_id BIGINT REFERENCES shelves);",
    "0004_pre_label.sql": "-- apart\n-- Others write.\n-- only sqlite\nCREATE INDEX by_label ON shelves (label);\n"
    "-- only postgres\nDROP INDEX CONCURRENTLY IF EXISTS by_label;\n"
    "CREATE INDEX CONCURRENTLY by_label ON shelves (label);\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Migrations of a version that has not run yet."""
    made = tmp_path / "migrations"
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    """Where a database is; empty stands for the file."""
    return new_database(empty=True) if request.param == "postgres" else ""


@pytest.fixture
async def engine(url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty database."""
    opened = open_engine(url, tmp_path / "opengiro.db")
    yield opened
    await opened.close()


async def columns(engine: Engine, table: str) -> set[str]:
    sql = {
        "sqlite": "SELECT name FROM pragma_table_info($1)",
        "postgres": "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1",
    }
    return {name for (name,) in await engine.fetch_text(sql[engine.kind], (table,))}


async def test_each_file_is_applied_once_and_all_that_adds_goes_first(engine: Engine, folder: Path) -> None:
    assert await applied(engine) == set()
    first = ["0001_pre_shelves.sql", "0003_pre_books.sql", "0004_pre_label.sql", "0002_post_old.sql"]
    assert await missing(engine, folder=folder) == first
    assert await migrate(engine, folder=folder) == first
    assert await migrate(engine, folder=folder) == []
    assert await columns(engine, "shelves") == {"shelf_id", "label"}


async def test_the_steps_run_apart_and_what_removes_waits(engine: Engine, folder: Path) -> None:
    await migrate(engine, (PRE,), folder)
    assert "old" in await columns(engine, "shelves")
    assert await missing(engine, (PRE,), folder) == []
    assert await migrate(engine, (POST,), folder) == ["0002_post_old.sql"]
    assert "old" not in await columns(engine, "shelves")


async def test_a_file_that_fails_leaves_nothing_behind_and_runs_again(engine: Engine, folder: Path) -> None:
    (folder / "0005_pre_wrong.sql").write_text("CREATE TABLE drawers (drawer_id BIGINT PRIMARY KEY);\nCREATE TABLE;")
    with pytest.raises(Exception, match="syntax"):
        await migrate(engine, (PRE,), folder)
    assert await columns(engine, "drawers") == set()
    (folder / "0005_pre_wrong.sql").write_text("CREATE TABLE drawers (drawer_id BIGINT PRIMARY KEY);")
    assert await migrate(engine, (PRE,), folder) == ["0005_pre_wrong.sql"]
    assert await columns(engine, "drawers") == {"drawer_id"}


async def test_servers_that_start_at_once_bring_the_schema_up_once(url: str, tmp_path: Path, folder: Path) -> None:
    several = [open_engine(url, tmp_path / "opengiro.db") for _ in range(4)]
    try:
        done = await asyncio.gather(*(migrate(one, folder=folder) for one in several))
        assert sorted(name for names in done for name in names if "0004" not in name) == [
            "0001_pre_shelves.sql",
            "0002_post_old.sql",
            "0003_pre_books.sql",
        ]
        assert await missing(several[0], folder=folder) == []
    finally:
        for one in several:
            await one.close()


async def test_the_houses_own_schema_survives_servers_that_start_at_once(url: str, tmp_path: Path) -> None:
    several = [open_engine(url, tmp_path / "opengiro.db") for _ in range(3)]
    try:
        await asyncio.gather(*(migrate_at_start(one) for one in several))
        assert await missing(several[0]) == []
    finally:
        for one in several:
            await one.close()


async def test_a_server_starts_without_what_removes_where_an_older_one_may_run(engine: Engine, folder: Path) -> None:
    assert "0002_post_old.sql" in await migrate_at_start(engine, folder)  # nobody was here before
    (folder / "0006_pre_more.sql").write_text("ALTER TABLE books ADD COLUMN title TEXT;")
    (folder / "0007_post_less.sql").write_text("DROP TABLE books;")
    started = await migrate_at_start(engine, folder)
    assert started == ["0006_pre_more.sql"] + ["0007_post_less.sql"] * (engine.kind == "sqlite")


async def test_a_server_runs_on_what_a_later_version_added_and_not_where_it_removed(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    await migrate(engine, folder=folder)
    (folder / "0004_pre_label.sql").unlink()
    assert await migrate_at_start(engine, folder) == []
    (folder / "0002_post_old.sql").unlink()
    with pytest.raises(NotReady, match=r"removed what this one needs \(0002_post_old.sql\)"):
        await migrate_at_start(engine, folder)


async def test_what_a_later_version_applied_is_told(engine: Engine) -> None:
    await migrate(engine)
    assert await unknown(engine) == []
    await engine.script("INSERT INTO schema_migrations VALUES ('9999_pre_future.sql');")
    assert await unknown(engine) == ["9999_pre_future.sql"]


async def test_no_server_starts_into_a_copy_that_is_not_finished(engine: Engine) -> None:
    await migrate(engine)
    await engine.script(f"CREATE TABLE {COPYING} (name TEXT PRIMARY KEY);")
    with pytest.raises(NotReady, match="not finished"):
        await migrate_at_start(engine)


async def test_a_migration_steps_back_from_a_lock_and_comes_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(running, "_PAUSE_S", 0.05)
    url = new_database(empty=True)
    engine, busy, other = open_engine(url, folder), await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await migrate(engine, (PRE,), folder)
        async with busy.transaction():
            await busy.execute("SELECT 1 FROM shelves")  # whoever reads holds up who removes a column
            task = asyncio.create_task(migrate(engine, (POST,), folder))
            await until(lambda: other.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"))
            await other.fetch("SELECT old FROM shelves")  # nobody queues up behind it for long
            assert not task.done()
        assert await task == ["0002_post_old.sql"]
        monkeypatch.setattr(running, "PATIENCE", 2)
        (folder / "0008_post_more.sql").write_text("ALTER TABLE shelves DROP COLUMN label;")
        async with busy.transaction():
            await busy.execute("SELECT 1 FROM shelves")
            with pytest.raises(Unavailable, match="nothing of it was applied"):
                await migrate(engine, (POST,), folder)
    finally:
        await busy.close()
        await other.close()
        await engine.close()


async def test_an_index_is_built_while_others_write(folder: Path) -> None:
    url = new_database(empty=True)
    engine, busy, other = open_engine(url, folder), await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        (folder / "0004_pre_label.sql").rename(folder / "later")
        await migrate(engine, (PRE,), folder)
        (folder / "later").rename(folder / "0004_pre_label.sql")
        transaction = busy.transaction()
        await transaction.start()
        await busy.execute("INSERT INTO shelves VALUES (1, 'a', 'b')")
        task = asyncio.create_task(migrate(engine, (PRE,), folder))
        await until(lambda: other.fetchval("SELECT EXISTS (SELECT 1 FROM pg_stat_progress_create_index)"))
        await busy.execute("INSERT INTO shelves VALUES (2, 'a', 'b')")
        await transaction.commit()
        assert await task == ["0004_pre_label.sql"]
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_label'::regclass"
        assert await busy.fetchval(valid)
    finally:
        await busy.close()
        await other.close()
        await engine.close()


async def test_a_long_migration_is_not_taken_for_a_dead_connection(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opengiro.store.engines.connections.STUCK_S", 0.1)
    (folder / "0001_pre_shelves.sql").write_text(FILES["0001_pre_shelves.sql"] + "\nSELECT pg_sleep(2.5);")
    engine = open_engine(new_database(empty=True), folder)
    try:
        assert "0001_pre_shelves.sql" in await migrate(engine, folder=folder)
    finally:
        await engine.close()


def test_every_file_says_its_number_and_its_step() -> None:
    names = [entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".sql")]
    assert [name for name in names if not re.fullmatch(rf"[0-9]{{4}}_({PRE}|{POST})_[a-z_]+\.sql", name)] == []


def test_what_runs_apart_may_run_again_after_it_was_cut_off() -> None:
    for entry in _FOLDER.iterdir():
        if entry.name.endswith(".sql") and (text := entry.read_text()).startswith("-- apart\n"):
            dropped = set()
            for statement in running._END.split(re.sub(r"--[^\n]*", "", for_engine(text, "postgres"))):
                drops = re.match(r"\s*DROP INDEX CONCURRENTLY IF EXISTS (\w+)$", statement)
                makes = re.match(r"\s*CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+)\b", statement)
                dropped |= {drops[1]} if drops else set()
                assert drops or (makes and makes[1] in dropped) or not statement.strip(), entry.name


def test_what_removes_only_removes() -> None:
    removes = re.compile(r"\s*(DROP |ALTER TABLE \w+ DROP )")
    for entry in _FOLDER.iterdir():
        if entry.name.endswith(".sql") and f"_{POST}_" in entry.name:
            naked = re.sub(r"--[^\n]*", "", entry.read_text())
            assert [one for one in naked.split(";") if one.strip() and not removes.match(one)] == [], entry.name
