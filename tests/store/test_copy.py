"""A house moves from SQLite to PostgreSQL, whatever happens on the way, and goes on there."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from opengiro.store.catalogue import tables
from opengiro.store.copy import CannotCopy, Copy, Sum, copying_into, missing_rows
from opengiro.store.engines.postgres import Postgres
from opengiro.store.migrate import COPYING, NotReady, migrate_at_start
from tests.cli.laptop import OPENGIRO
from tests.cli.named import Named, named_site
from tests.postgres import new_database
from tests.server import House, open_house, until
from tests.store.lived import STATES, Lived, ears, live_in


@dataclass(frozen=True, slots=True)
class Left:
    """A house that nobody lives in at the moment: its folder, and what was left behind."""

    data: Path
    lived: Lived

    @property
    def file(self) -> Path:
        return self.data / "opengiro.db"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """One story for all tests; each copies its folder before it changes anything."""
    data = tmp_path_factory.mktemp("left") / "server"

    async def live() -> Lived:
        async with ears() as (ear, deaf), open_house(data, url="") as house:
            lived = await live_in(house, ear, deaf)
            found = {await _state(house, payment_id) for payment_id in lived.payments.values()}
            assert found >= STATES
            return lived

    return Left(data, asyncio.run(live()))


async def _state(house: House, payment_id: int) -> str:
    answer: dict[str, Any] = (await house.call("GET", f"/payments/{payment_id}")).json()
    return str(answer["state"])


@asynccontextmanager
async def copying(file: Path, url: str) -> AsyncIterator[Copy]:
    """A copy between these two."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source:
        async with copying_into(url) as target:
            yield Copy(source, target)


def nobody(_table: str, _rows: int) -> None:
    """Listen to progress no further."""


async def copied(file: Path, url: str, batch: int = 50) -> dict[str, Sum]:
    """Copy from beginning to end."""
    async with copying(file, url) as copy:
        await copy.begin()
        await copy.carry(nobody, batch)
        sums = await copy.compare(nobody)
        await copy.finish()
        return sums


async def test_every_row_of_every_table_is_there_and_the_same(left: Left) -> None:
    url = new_database()
    sums = await copied(left.file, url)
    with closing(sqlite3.connect(left.file)) as source:
        names = {name for (name,) in source.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert set(sums) == names - {"schema_migrations"}
        for name, total in sums.items():
            assert total.rows == source.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]  # noqa: S608
    filled = {name for name, total in sums.items() if total.rows}
    assert filled >= {
        "payments", "instructions", "moves", "attempts", "tokens", "webhooks", "deliveries", "delivery_tries", "links",
        "link_codes", "logins", "users", "accounts", "schedules", "occurrences", "occurrence_moves", "audit",
    }  # fmt: skip
    await _is_given_free(url)


async def _is_given_free(url: str) -> None:
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass($1)", COPYING) is None
    await connection.close()


async def test_the_copied_house_goes_on(left: Left, tmp_path: Path) -> None:
    shutil.copytree(left.data, tmp_path / "server")
    url = new_database()
    await copied(tmp_path / "server" / "opengiro.db", url)
    (tmp_path / "server" / "opengiro.db").unlink()
    async with open_house(tmp_path / "server", url=url) as house:
        house.credentials = left.lived.credentials
        store = house.core.store
        for state, payment_id in left.lived.payments.items():
            assert await _state(house, payment_id) == state
        created = left.lived.payments["created"]
        await house.validate(created)
        await house.settle(created, "done")
        moves = [moved.ordinal for moved in await store.payments.moves(1, created)]
        assert moves == list(range(len(moves)))
        before = len(await store.occurrences.of_payment(1, left.lived.recurring))
        await house.move(timedelta(days=2))

        async def followed() -> bool:
            return len(await store.occurrences.of_payment(1, left.lived.recurring)) > before

        await until(followed, within_s=20)
        linked = left.lived.linked
        opened = await house.http.get(house.base_url + urlsplit(linked["url"]).path, follow_redirects=True)
        assert opened.status_code == 200
        banq = replace(left.lived.banq, house=house, _tokens={})
        assert (await banq.call("GET", f"v1/payments/{linked['guid']}")).json()["guid"] == linked["guid"]
        await banq.pay(linked)
        await banq.settled(linked, "completed")


async def test_a_copy_that_dies_anywhere_is_finished_by_the_next(left: Left) -> None:
    url = new_database()
    died = 0
    while True:
        try:
            async with copying(left.file, url) as copy:
                copy._target = Mortal(copy._target, 1 + died % 4)
                await copy.begin()
                await copy.carry(nobody, 20)
                break
        except CannotCopy:  # the connection was lost
            died += 1
        await _holds_whole_batches(url)
    assert died > 40
    async with copying(left.file, url) as copy:
        await copy.begin()
        assert missing_rows(copy.totals, copy.done) == 0
        await copy.compare(nobody)
        await copy.finish()


class Mortal:
    """A connection that is gone in the middle of its nth command that writes."""

    def __init__(self, raw: Any, writes: int) -> None:
        self._raw = raw
        self._left = writes

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._raw, name)
        if name not in {"execute", "copy_records_to_table"}:
            return real

        async def run(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if not self._left:
                self._raw.terminate()
                raise ConnectionError
            return await real(*arguments, **named)

        return run


async def _holds_whole_batches(url: str) -> None:
    """Compare what is there with what the copy believes."""
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT to_regclass($1)", COPYING):
        for name, done in await connection.fetch(f"SELECT name, done FROM {COPYING}"):  # noqa: S608
            assert await connection.fetchval(f"SELECT COUNT(*) FROM {name}") == done  # noqa: S608
    await connection.close()


async def test_no_server_starts_on_half_a_house(left: Left) -> None:
    url = new_database()
    async with copying(left.file, url) as copy:
        await copy.begin()
    engine = Postgres(url)
    with pytest.raises(NotReady, match="run `opengiro copy` again"):
        await migrate_at_start(engine)
    await engine.close()


async def test_a_database_that_is_not_empty_is_left_alone(left: Left) -> None:
    url = new_database()
    await _run(url, "INSERT INTO banks VALUES ('b', 1, 'test_bank', '{}')")
    with pytest.raises(CannotCopy, match="not empty: banks has rows"):
        await copied(left.file, url)
    assert await _run(url, "SELECT COUNT(*) FROM payments") == 0


async def test_a_database_that_was_copied_is_not_copied_into_again(left: Left) -> None:
    url = new_database()
    await copied(left.file, url)
    with pytest.raises(CannotCopy, match="not empty"):
        await copied(left.file, url)


async def test_a_source_that_changed_in_between_is_noticed(left: Left, tmp_path: Path) -> None:
    shutil.copytree(left.data, tmp_path / "server")
    file, url = tmp_path / "server" / "opengiro.db", new_database()
    async with copying(file, url) as copy:
        await copy.begin()
    with closing(sqlite3.connect(file)) as source, source:
        source.execute("DELETE FROM audit")
    with pytest.raises(CannotCopy, match="not as it was when this copy began"):
        await copied(file, url)


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE tokens SET rights = rights || ' ' WHERE merchant_id = 1", "tokens"),
        ("UPDATE payments SET bank_locked = NOT bank_locked", "payments"),
        ("UPDATE users SET sealed = sealed || '\\x00'", "users"),
        ("UPDATE webhooks SET paused_until_us = COALESCE(paused_until_us + 1, 0)", "webhooks"),
        ("UPDATE settings SET value = ''", "settings"),
        ("DELETE FROM idempotency_keys; DELETE FROM link_codes", "link_codes"),
        ("INSERT INTO banks VALUES ('b', 1, 'test_bank', '{}')", "banks"),
    ],
)
async def test_a_single_value_that_differs_is_noticed(left: Left, change: str, table: str) -> None:
    url = new_database()
    async with copying(left.file, url) as copy:
        await copy.begin()
        await copy.carry(nobody)
        await _run(url, change)
        with pytest.raises(CannotCopy, match=f"{table} is not the same on both sides"):
            await copy.compare(nobody)


async def test_a_table_added_tomorrow_is_copied_too(left: Left, tmp_path: Path) -> None:
    shutil.copytree(left.data, tmp_path / "server")
    file, url = tmp_path / "server" / "opengiro.db", new_database()
    table = """
    CREATE TABLE vouchers (
        merchant_id BIGINT NOT NULL, payment_id BIGINT NOT NULL, code TEXT NOT NULL, used BOOLEAN, sealed BYTEA,
        PRIMARY KEY (merchant_id, payment_id, code), FOREIGN KEY (merchant_id, payment_id) REFERENCES payments)
    """
    await _run(url, table)
    payment_id = left.lived.payments["done"]
    rows = [(1, payment_id, f"{'é' * (number % 3)}{number}", [True, False, None][number % 3], bytes([number]))
            for number in range(200)]  # fmt: skip
    with closing(sqlite3.connect(file)) as source, source:
        source.execute(table)
        source.executemany("INSERT INTO vouchers VALUES (?, ?, ?, ?, ?)", rows)
    sums = await copied(file, url, batch=7)
    assert sums["vouchers"].rows == 200
    connection = await asyncpg.connect(url)
    found = [tuple(row) for row in await connection.fetch("SELECT * FROM vouchers")]
    await connection.close()
    assert sorted(found, key=repr) == sorted(rows, key=repr)


async def test_parents_go_before_their_children() -> None:
    connection = await asyncpg.connect(new_database())
    order = [table.name for table in await tables(connection)]
    for table in await tables(connection):
        assert all(order.index(parent) < order.index(table.name) for parent in table.parents)
        assert table.key
    await connection.close()
    assert order.index("payments") < order.index("occurrences") < order.index("occurrence_moves")


async def test_schemas_of_two_versions_are_not_mixed(left: Left, tmp_path: Path) -> None:
    empty = new_database(empty=True)
    with pytest.raises(CannotCopy, match="no schema yet"):
        await copied(left.file, empty)
    url = new_database()
    await _run(url, "INSERT INTO schema_migrations VALUES ('9999_pre_future.sql')")
    with pytest.raises(CannotCopy, match=r"9999_pre_future\.sql ran on one side only"):
        await copied(left.file, url)
    url = new_database()
    await _run(url, "ALTER TABLE payments ADD COLUMN by_hand TEXT")
    with pytest.raises(CannotCopy, match="by hand"):
        await copied(left.file, url)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other, other:
        other.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(CannotCopy, match="no database of ours"):
        await copied(tmp_path / "other.db", new_database())


async def test_a_server_that_works_on_the_target_is_in_the_way(left: Left) -> None:
    url = new_database()
    engine = Postgres(url)
    await engine.fetch("load_merchants")
    with pytest.raises(CannotCopy, match="A server works on the target"):
        await copied(left.file, url)
    await engine.close()


async def test_two_copies_at_once_are_one_too_many(left: Left) -> None:
    url = new_database()
    async with copying(left.file, url):
        with pytest.raises(CannotCopy, match="Another copy"):
            async with copying(left.file, url):
                pass


async def test_a_text_postgresql_cannot_hold_is_named(left: Left, tmp_path: Path) -> None:
    shutil.copytree(left.data, tmp_path / "server")
    file = tmp_path / "server" / "opengiro.db"
    with closing(sqlite3.connect(file)) as source, source:
        source.execute("UPDATE merchants SET name = 'a' || char(0) || 'b'")
    with pytest.raises(CannotCopy, match="refuses a row of merchants"):
        await copied(file, new_database())


async def _run(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        if sql.startswith("SELECT"):
            return await connection.fetchval(sql)
        return await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture
def site(left: Left, tmp_path: Path) -> Named:
    """An operator's folder with this house in it, and settings that name an empty PostgreSQL."""
    shutil.copytree(left.data, tmp_path / "data")
    return named_site(tmp_path, new_database())


def address(site: Named) -> str:
    return str(tomllib.loads((site.folder / "opengiro.toml").read_text())["database_url"])


def test_an_operator_copies_with_one_command_and_serves_from_there(site: Named, left: Left) -> None:
    copied = site.run("copy")
    assert copied.returncode == 0, copied.stderr
    *lines, same, warning = copied.stdout.splitlines()
    assert len(lines) == int(same.split()[0])
    assert "the same on both sides, and the root key opens 127.0.0.1" in same
    assert "away from them" in warning
    with site.serving():
        client = left.lived.credentials
        form = {"grant_type": "client_credentials", "client_id": client.client_id, "scope": "payments:admin"}
        answer = httpx2.post(f"{site.url}/2.0/auth/token", data=form | {"client_secret": client.client_secret})
        headers = {"authorization": f"Bearer {answer.json()['token']}"}
        for payment_id in left.lived.payments.values():
            assert httpx2.get(f"{site.url}/2.0/payments/{payment_id}", headers=headers).status_code == 200
        again = site.run("copy")
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("part", [1, 40, 90, 140])
def test_a_copy_killed_in_the_middle_is_finished_by_the_next(site: Named, part: int) -> None:
    command = [OPENGIRO, "copy", "--batch", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=site.folder, env=site._environment({}), **quiet) as process:  # type: ignore[call-overload]
        asyncio.run(until(lambda: _carried(address(site), part), within_s=60))
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    asyncio.run(_holds_whole_batches(address(site)))
    assert "not finished" in site.run("merchant", "list").stderr
    finished = site.run("copy")
    assert finished.returncode == 0, finished.stderr
    assert "the same on both sides" in finished.stdout


async def _carried(url: str, part: int) -> bool:
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", COPYING) is None:
            return False
        return bool(await connection.fetchval(f"SELECT SUM(done) >= $1 FROM {COPYING}", part))  # noqa: S608
    finally:
        await connection.close()


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that did nothing."""
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_a_file_that_a_server_uses_is_not_copied(site: Named) -> None:
    with site.serving(OPENGIRO_DATABASE_URL=""):
        assert "Another `opengiro serve` keeps its data in" in refused(site.run("copy"))


def test_a_copy_needs_the_key_of_its_house(site: Named) -> None:
    key = site.data / "root.key"
    key.rename(site.data / "aside")
    assert "root.key is missing" in refused(site.run("copy"))
    assert not key.exists()
    wrong = site.run("copy", OPENGIRO_ROOT_KEY="00" * 32)
    assert "The root key does not open data/opengiro.db" in refused(wrong)
    (site.data / "aside").rename(key)
    assert site.run("copy").returncode == 0


def test_what_cannot_be_copied_is_said_in_a_sentence(site: Named) -> None:
    assert "no database elsewhere.db" in refused(site.run("copy", "--from", "elsewhere.db"))
    assert "database_url is not set" in refused(site.run("copy", OPENGIRO_DATABASE_URL=""))
    (site.data / "text.db").write_text("birds " * 1000)
    assert "text.db cannot be copied: file is not a database" in refused(site.run("copy", "--from", "data/text.db"))
    lost = site.run("copy", OPENGIRO_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert "cannot be reached" in refused(lost)
