"""The version before and this one on one schema: old code on the new, new code before anything is removed.

What the version before says is kept in `released/` (see `release.py`), with the values of a whole story.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from opengiro.store import Store, Write
from opengiro.store.engines import Engine
from opengiro.store.engines import postgres as engine_postgres
from opengiro.store.engines import sqlite as engine_sqlite
from opengiro.store.engines.choice import open_engine
from opengiro.store.migrate import _FOLDER, POST, PRE, migrate, missing
from opengiro.store.statements import statements
from opengiro.store.vault import Vault
from tests.engines import ENGINES
from tests.postgres import new_database
from tests.server import open_house
from tests.store.release import FOLDER, Release, digest, last_release, total

TRANSLATE = {"sqlite": engine_sqlite.translate, "postgres": engine_postgres.translate}


class Upgrade:
    """One database on its way, and the code of both versions on it."""

    def __init__(self, url: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self.data = data
        self.release = last_release()
        self._patch = monkeypatch
        self._migrations = data / "migrations"
        self._migrations.mkdir(parents=True)
        self._open: list[Engine] = []

    def engine(self, texts: Mapping[str, str] | None = None) -> Engine:
        """Open the database with the code of this version, or with other statements."""
        for module in (engine_sqlite, engine_postgres):
            self._patch.setattr(module, "statements", lambda: texts or statements())
        self._open.append(open_engine(self.url, self.data / "opengiro.db"))
        return self._open[-1]

    def before(self) -> Engine:
        """Open it with the code of the version before."""
        return self.engine(self.release.statements)

    async def migrate_as_before(self) -> None:
        """Bring it to the schema of the version before."""
        for name in self.release.migrations:
            shutil.copy(str(_FOLDER / name), self._migrations)
        await migrate(self.engine(), folder=self._migrations)

    async def prepare(self, texts: Mapping[str, str]) -> None:
        """Let the database understand every statement without running it."""
        engine = self.engine()
        for name, text in texts.items():
            try:
                if self.url:
                    connection = await asyncpg.connect(self.url)
                    try:
                        await connection.prepare(TRANSLATE["postgres"](text))
                    finally:
                        await connection.close()
                else:
                    placeholders = [None] * _placeholders(text)
                    engine._reader.execute("EXPLAIN " + TRANSLATE["sqlite"](text), placeholders)  # type: ignore[attr-defined]
            except Exception as trouble:
                raise AssertionError(f"{name} is no statement on this schema: {trouble}") from trouble

    async def left(self, release: Release) -> dict[str, str]:
        """Sum up what the tables of the version before hold in the columns it knew."""
        engine = self.engine()
        return {
            table: total(await engine.fetch_text(f"SELECT {', '.join(columns)} FROM {table}", ()))  # noqa: S608
            for table, columns in release.columns.items()
        }

    async def close(self) -> None:
        """Let go of everything that was opened."""
        for engine in self._open:
            await engine.close()


def _placeholders(text: str) -> int:
    return next((number for number in range(40, 0, -1) if f"${number}" in text), 0)


async def say(engine: Engine, story: list[list[Write]]) -> None:
    """Do again what was done; whatever does not touch the rows it touched then raises."""
    for writes in story:
        if len(writes) == 1 and writes[0].name.startswith(("load_", "find_", "count_bank", "last_", "newest_")):
            await engine.fetch(writes[0].name, *writes[0].params)
        else:
            await engine.commit(writes)


@pytest.fixture(params=ENGINES)
async def upgrade(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Upgrade]:
    url = new_database(empty=True) if request.param == "postgres" else ""
    begun = Upgrade(url, tmp_path / "server", monkeypatch)
    await begun.migrate_as_before()
    yield begun
    await begun.close()


def test_a_migration_that_was_released_never_changes() -> None:
    for name, kept in last_release().migrations.items():
        assert digest((_FOLDER / name).read_text()) == kept, f"{name} was released: write a new one"


async def test_the_story_of_the_version_before_is_told_the_same_again(upgrade: Upgrade) -> None:
    await say(upgrade.before(), upgrade.release.story())
    assert await upgrade.left(upgrade.release) == upgrade.release.sums


async def test_the_version_before_works_on_while_the_schema_grows_under_it(upgrade: Upgrade) -> None:
    story = upgrade.release.story()
    to_come = await missing(upgrade.engine(), (PRE,))
    parts = len(to_come) + 1
    for part in range(parts):
        begin, end = len(story) * part // parts, len(story) * (part + 1) // parts
        await say(upgrade.before(), story[begin:end])
        await upgrade.prepare(upgrade.release.statements)
        if part < len(to_come):
            (upgrade._migrations / to_come[part]).write_text((_FOLDER / to_come[part]).read_text())
            assert await migrate(upgrade.engine(), (PRE,), upgrade._migrations) == [to_come[part]]
    assert await missing(upgrade.engine(), (PRE,)) == []
    assert await upgrade.left(upgrade.release) == upgrade.release.sums


async def test_all_of_the_story_happens_on_the_grown_schema(upgrade: Upgrade) -> None:
    await migrate(upgrade.engine(), (PRE,))
    await say(upgrade.before(), upgrade.release.story())
    assert await upgrade.left(upgrade.release) == upgrade.release.sums


async def test_this_version_runs_before_and_after_anything_is_removed(upgrade: Upgrade) -> None:
    await say(upgrade.before(), upgrade.release.story())
    for step in (PRE, POST):
        await migrate(upgrade.engine(), (step,))
        await upgrade.prepare(statements())
        await _opens_everything(upgrade)
    sums = await upgrade.left(upgrade.release)
    assert {table: sums[table] for table in upgrade.release.sums} == upgrade.release.sums


async def _opens_everything(upgrade: Upgrade) -> None:
    """Read every payment with this version's code and the key of the version before."""
    store = Store(upgrade.engine(), Vault({1: upgrade.release.root_key}))
    payments = await store.engine.fetch_text("SELECT merchant_id, payment_id, state FROM payments", ())
    assert len({state for _, _, state in payments}) >= 6
    for merchant_id, payment_id, state in payments:
        payment = await store.payments.load(merchant_id, payment_id)
        assert payment is not None
        assert payment.state == state
        await store.attempts.last(merchant_id, payment_id)
    await store.prove_key()


async def test_a_house_of_the_version_before_goes_on_with_this_one(upgrade: Upgrade) -> None:
    await say(upgrade.before(), upgrade.release.story())
    waiting = await upgrade.engine().fetch_text(
        "SELECT payment_id, client_id FROM payments WHERE merchant_id = 1 AND state = 'created'", ()
    )
    await upgrade.close()
    upgrade._open.clear()
    (upgrade.data / "root.key").write_bytes(upgrade.release.root_key)
    upgrade.engine()  # this version's statements again
    async with open_house(upgrade.data, url=upgrade.url) as house:
        for payment_id, client_id in waiting:
            payment = await house.core.store.payments.load(1, payment_id)
            assert payment is not None
            assert payment.client_id == client_id
        created = await house.pay("done - after the upgrade")
        await house.validate(created["id"])
        await house.settle(created["id"], "done")


async def test_the_order_of_the_steps_does_not_matter_to_what_comes_out(tmp_path: Path) -> None:
    """A new house applies all at once, an old one step by step: both end with one schema."""
    seen: list[Any] = []
    for at_once in (True, False):
        url = new_database(empty=True)
        engine = open_engine(url, tmp_path)
        if not at_once:
            await migrate(engine, (PRE,))
        await migrate(engine)
        seen.append(await engine.fetch_text(_SCHEMA, ()))
        await engine.close()
    assert seen[0] == seen[1]


_SCHEMA = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = current_schema()::regnamespace
UNION ALL
SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
WHERE table_schema = current_schema()
ORDER BY 1
"""


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE webhooks DROP COLUMN kinds;",
        "DROP INDEX attempts_by_ticket; DROP TABLE links;",
        "CREATE UNIQUE INDEX one_payment_each ON payments (merchant_id, client_id);",
        "CREATE TABLE named (a TEXT); ALTER TABLE merchants RENAME COLUMN zone TO time_zone;",
    ],
)
async def test_a_migration_that_the_version_before_cannot_bear_is_found_out(upgrade: Upgrade, change: str) -> None:
    (upgrade._migrations / "9999_pre_wrong.sql").write_text(change)
    await migrate(upgrade.engine(), (PRE,), upgrade._migrations)
    with pytest.raises(Exception):  # noqa: B017, PT011  # each breaks in its own way
        await say(upgrade.before(), upgrade.release.story())


def test_what_was_released_is_all_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {"release.json", "story.jsonl"}
    release = last_release()
    said = {write.name for writes in release.story() for write in writes}
    assert said <= set(release.statements)
    assert len(said) > 60
