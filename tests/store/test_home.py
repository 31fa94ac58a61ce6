"""A house knows its own database from a copy of it, and a failover from a restore."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opengiro.domain.clock import Clock
from opengiro.store import Store, Unavailable
from opengiro.store.engines.choice import open_engine
from opengiro.store.home import Place
from opengiro.store.vault import Vault
from opengiro.usecases.hold_house import COPIED, SET, Wish, release_house, settle_in
from tests import engines, postgres

NOW = datetime(2026, 11, 21, tzinfo=UTC)
FILE, SERVER = Place("sqlite:7", ""), Place("postgres:1/2", "")
BACK = Place("postgres:1/2", "recovery_target_time=2026-11-21 01:00")


@pytest.mark.parametrize(
    ("here", "known", "copy"),
    [
        (FILE, FILE, False),
        (Place("sqlite:8", ""), FILE, True),
        (SERVER, SERVER, False),
        (Place("postgres:1/3", ""), SERVER, True),  # a database made of another on the same server
        (Place("postgres:9/2", ""), SERVER, True),  # rows read back into a new server
        (BACK, SERVER, True),
        (BACK, BACK, False),  # released there before
        (SERVER, BACK, False),  # its standby took over
        (SERVER, FILE, False),  # carried over by `opengiro copy`
    ],
)
def test_a_copy_is_known_by_its_place(here: Place, known: Place, copy: bool) -> None:
    assert here.is_copy_of(known) is copy


async def settled(url: str, file: Path, wish: Wish = Wish.COPIES, *, release: bool = False) -> str:
    """Open a database as a server does; return why it is held, and release it if asked to."""
    store = Store(open_engine(url, file), Vault({1: bytes(32)}))
    try:
        await settle_in(store, wish, NOW)
        hold = store.home.hold
        if hold:
            assert hold.since == NOW
            with pytest.raises(Unavailable):
                store.home.leave()
        if release:
            await release_house(store, "test", Clock().real())
            assert not store.home.held
        return hold.reason if hold else ""
    finally:
        await store.close()


async def test_a_copied_file_is_held_until_it_is_released(tmp_path: Path) -> None:
    if engines.ENGINE != "sqlite":
        pytest.skip("PostgreSQL has its own story below")
    original, copy = tmp_path / "original" / "opengiro.db", tmp_path / "opengiro.db"
    original.parent.mkdir()
    await (await engines.opened(original.parent)).close()
    assert [await settled("", original) for _ in range(2)] == ["", ""]
    shutil.copy(original, copy)
    assert await settled("", copy, release=True) == COPIED
    assert await settled("", copy) == ""
    assert await settled("", original) == ""


async def test_a_copied_database_is_held_until_it_is_released(tmp_path: Path) -> None:
    url = postgres.new_database()
    assert [await settled(url, tmp_path) for _ in range(2)] == ["", ""]
    name, server = url.rpartition("/")[2], postgres.running()
    server.shell(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    try:
        assert await settled(f"{url}_copy", tmp_path) == COPIED
        assert await settled(f"{url}_copy", tmp_path, release=True) == COPIED
        assert await settled(f"{url}_copy", tmp_path) == ""
    finally:
        postgres.drop_database(f"{url}_copy")
        postgres.drop_database(url)


async def test_a_user_without_rights_finds_out_as_well(tmp_path: Path) -> None:
    url = postgres.new_database()
    server, name = postgres.running(), url.rpartition("/")[2]
    server.sql("DROP ROLE IF EXISTS poor")
    server.sql("CREATE ROLE poor LOGIN")
    try:
        for rights in ("ALL ON ALL TABLES IN SCHEMA public TO poor",):
            server.sql(f"GRANT {rights}", name)
        server.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public", name)
        assert await settled(url.replace("postgres@", "poor@"), tmp_path) == ""
    finally:
        postgres.drop_database(url)
        server.sql("DROP ROLE poor")


async def test_what_was_set_to_be_held_is_held_wherever_it_is(tmp_path: Path) -> None:
    await (await engines.opened(tmp_path)).close()
    url = engines.database_url(tmp_path)
    assert await settled(url, tmp_path / "opengiro.db", Wish.ALWAYS) == SET
    assert await settled(url, tmp_path / "opengiro.db", Wish.NEVER, release=True) == SET
    assert await settled(url, tmp_path / "opengiro.db") == ""
