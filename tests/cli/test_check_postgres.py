"""`opengiro check` and `opengiro migrate` on PostgreSQL: real servers, fit or unfit, and a sentence for each."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from opengiro.cli.postgres import unsafe, unusable
from opengiro.cli.sentences import sentence
from opengiro.settings import Settings
from opengiro.store import migrations
from opengiro.store.engines.choice import open_engine
from opengiro.store.engines.survey import Survey, survey
from opengiro.store.migrate import migrate
from tests.cli.named import named_site
from tests.cli.operator import HARBOUR, MERCHANT, REDIRECT_URI, Site
from tests.postgres import Server, new_database, running

SOUND = Survey(
    version=150_004,
    encrypted=True,
    near=False,
    superuser=False,
    primary=True,
    standbys=1,
    room=97,
    encoding="UTF8",
    settings={"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "archive_mode": "off"},
    ahead_s=0.01,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that an operator set up well: durable, archived, with passwords."""
    running()  # skips where there is no PostgreSQL
    folder = Path(tempfile.mkdtemp(prefix="opengiro-pg-"))
    made = Server(folder, {"archive_mode": "on", "archive_command": "/bin/true", "listen_addresses": "127.0.0.1",
                           "unix_socket_directories": ""})  # fmt: skip
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text(
        "host all clerk 127.0.0.1/32 scram-sha-256\nhost all stranger 127.0.0.1/32 reject\n" + rules.read_text()
    )
    made.start()
    made.sql("CREATE ROLE clerk LOGIN PASSWORD 'sesame'")
    yield made
    made.remove()


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    """An empty database of the clerk's own."""
    name = "d" + str(abs(hash(request.node.name)))
    server.sql(f"CREATE DATABASE {name} OWNER clerk")
    return f"postgresql://clerk:sesame@127.0.0.1:{server.port}/{name}"


def site_at(folder: Path, url: str, **settings: object) -> Site:
    """A site of this database, else as an operator should have it."""
    return named_site(folder, url, **{"data": str(folder / "data"), "base_url": "https://pay.example"} | settings)


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """What a command complained of, which no password is part of."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert "sesame" not in ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_a_sound_server_is_found_sound(tmp_path: Path, url: str) -> None:
    site = site_at(tmp_path, url)
    assert "Applied 0001_pre_house.sql." in site.run("migrate").stdout
    assert site.run("migrate").stdout == "The schema is up to date.\n"
    site.merchant()
    site.banks(HARBOUR)
    checked = site.run("check", "--production")
    assert (checked.returncode, checked.stdout) == (0, "Nothing is missing and nothing looks unsafe.\n")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_check_writes_nothing(tmp_path: Path, server: Server, url: str) -> None:
    site = site_at(tmp_path, url)
    assert "There is no root key" in said(site.run("check"))
    site.run("check", OPENGIRO_ROOT_KEY="00" * 32)
    assert server.sql("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'", url.rpartition("/")[2]) == "0"
    assert not (tmp_path / "data" / "root.key").exists()


def test_a_schema_that_is_missing_or_ahead_or_half_removed_is_named(tmp_path: Path, server: Server, url: str) -> None:
    site, database = site_at(tmp_path, url), url.rpartition("/")[2]
    key = {"OPENGIRO_ROOT_KEY": "01" * 32}
    assert "The schema lacks 0001_pre_house.sql" in said(site.run("check", **key))
    assert "add first: run `opengiro migrate --pre`" in said(site.run("migrate", "--post", **key))
    applied = site.run("migrate", "--pre", **key).stdout
    assert "_pre_" in applied
    assert "_post_" not in applied
    removing = [name for name in sorted(one.name for one in files(migrations).iterdir()) if "_post_" in name]
    assert f"{', '.join(removing)} can go" in said(site.run("check", "--production", **key))
    assert "can go" not in said(site.run("check", **key))
    removed = site.run("migrate", "--post", **key).stdout.splitlines()
    assert removed == [f"Applied {name}." for name in removing]
    server.sql("INSERT INTO schema_migrations VALUES ('9999_pre_future.sql')", database)
    assert "A later version was here, and brought 9999_pre_future.sql" in said(site.run("check", **key))
    server.sql("INSERT INTO schema_migrations VALUES ('9999_post_future.sql')", database)
    assert "removed what this one needs (9999_post_future.sql)" in said(site.run("merchant", "list", **key))


def test_another_houses_key_is_noticed(tmp_path: Path, server: Server, url: str) -> None:
    site = site_at(tmp_path, url)
    site.merchant()
    foreign = f"\\x01{'00' * 40}"
    server.sql(
        f"INSERT INTO webhook_auths VALUES (1, 1, 'hmac_signature', 's', '{foreign}', 0)",  # noqa: S608
        url.rpartition("/")[2],
    )
    assert "The root key does not open 127.0.0.1" in said(site.run("check"))


async def test_what_cannot_be_reached_is_said_in_a_sentence(tmp_path: Path, server: Server) -> None:
    host = f"127.0.0.1:{server.port}"
    cases = {
        "postgresql://clerk:sesame@127.0.0.1:1/none": "PostgreSQL on 127.0.0.1:1 cannot be reached",
        f"postgresql://clerk:sesam@{host}/postgres": f"PostgreSQL on {host} refuses the password of clerk",
        f"postgresql://stranger@{host}/postgres": f"PostgreSQL on {host} does not let stranger in",
        f"postgresql://clerk:sesame@{host}/nothing": f"There is no database nothing on {host}",
        f"postgresql://clerk:sesame@{host}/postgres?sslmode=require": f"PostgreSQL on {host}",
        "postgresql://clerk:sesame@no.such.host.invalid/postgres": "There is no host no.such.host.invalid",
        f"postgresql://clerk:sesame@{host}/postgres?sslmode=perhaps": "database_url cannot be used",
    }
    for address, words in cases.items():
        engine = open_engine(address, tmp_path)
        for ask in (survey(address), engine.fetch("load_merchants"), migrate(engine)):
            with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it is, it has a sentence
                await ask
            told = sentence(caught.value, Settings(database_url=address)) or ""
            assert words in told or "cannot be used now" in told, (address, told)
            assert "sesam" not in told
        await engine.close()


def test_a_command_that_reaches_no_server_says_so(tmp_path: Path) -> None:
    site = site_at(tmp_path, "postgresql://clerk:sesame@127.0.0.1:1/none")
    for command in (("check",), ("migrate",)):
        ended = said(site.run(*command, OPENGIRO_ROOT_KEY="01" * 32))
        assert ended == "PostgreSQL on 127.0.0.1:1 cannot be reached: is it running, and is database_url right?\n"


def test_a_role_that_may_not_change_the_schema_is_told_who_may(tmp_path: Path, server: Server) -> None:
    site = site_at(tmp_path, f"postgresql://clerk:sesame@127.0.0.1:{server.port}/postgres")
    assert "clerk may not do this" in said(site.run("migrate"))


def test_a_role_without_any_right_to_the_schema_may_still_serve(tmp_path: Path, server: Server, url: str) -> None:
    database = url.rpartition("/")[2]
    site = site_at(tmp_path, url)
    site.merchant()
    server.sql(
        "CREATE ROLE till LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO till", database
    )
    listed = site.run("merchant", "list", OPENGIRO_DATABASE_URL=url.replace("clerk:sesame", "till"))
    assert "Kites" in listed.stdout, listed.stderr


def test_all_that_is_unsafe_in_a_server_is_named(tmp_path: Path) -> None:
    site = site_at(tmp_path, new_database(), workers=40)
    (tmp_path / "opengiro.toml").chmod(0o644)
    found = said(site.run("check", "--production", OPENGIRO_ROOT_KEY="01" * 32))
    for words in (
        "fsync is off",
        "full_page_writes is off",
        "synchronous_commit is off",
        "names a superuser",
        "this machine alone may open",
        "archives no WAL",
        "holds database_url, and every user here can read it",
    ):
        assert words in found, words
    assert "fsync" not in said(site.run("check", OPENGIRO_ROOT_KEY="01" * 32))


def test_a_database_of_another_encoding_is_unusable(tmp_path: Path) -> None:
    running().sql("CREATE DATABASE old ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    site = site_at(tmp_path, f"{running().url}/old")
    assert "encoded in SQL_ASCII" in said(site.run("check", OPENGIRO_ROOT_KEY="01" * 32))
    running().sql("DROP DATABASE old")


def test_a_standby_is_told_from_a_primary(tmp_path: Path, server: Server) -> None:
    folder = Path(tempfile.mkdtemp(prefix="opengiro-pg-"))
    standby = Server(folder, {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""})
    try:
        marker = folder / "data" / "standby.signal"
        marker.touch()
        shutil.copymode(folder / "data" / "postgresql.conf", marker)
        if marker.owner() != (folder / "data").owner():
            shutil.chown(marker, "postgres", "postgres")
        standby.start()
        site = site_at(tmp_path, f"{standby.url}/postgres")
        key = {"OPENGIRO_ROOT_KEY": "01" * 32}
        assert "is a standby" in said(site.run("check", **key))
        assert "takes writes" in said(site.run("migrate", **key))
        both = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{server.port}/postgres"
        assert "is a standby" not in said(site.run("check", OPENGIRO_DATABASE_URL=both, **key))
    finally:
        standby.remove()


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"version": 140_011}, "version 14: it has to be 15"),
        ({"encrypted": False}, "is not encrypted: add ?sslmode=verify-full"),
        ({"ahead_s": 2.6}, "clock is 3 s ahead of this machine's"),
        ({"ahead_s": -90.0}, "clock is 90 s behind this machine's"),
        ({"standbys": 0}, "has no standby and archives no WAL"),
        ({"room": 10}, "has room for 10 connections, and this machine alone may open 11"),
        ({"primary": False}, "is a standby"),
    ],
)
def test_what_no_server_here_shows_is_worded_too(seen: dict[str, object], words: str) -> None:
    found = replace(SOUND, **seen)  # type: ignore[arg-type]
    (said,) = [*unusable(found), *unsafe(found, Settings())]
    assert words in said


def test_a_server_on_this_machine_needs_no_encryption() -> None:
    assert [*unusable(SOUND), *unsafe(SOUND, Settings())] == []
    assert [*unsafe(replace(SOUND, encrypted=False, near=True), Settings())] == []


def test_secrets_in_a_file_of_their_own_are_nobodys_business(tmp_path: Path, url: str) -> None:
    site = site_at(tmp_path, url)
    (tmp_path / "url").write_text(url)
    (tmp_path / "url").chmod(0o600)
    (tmp_path / "opengiro.toml").write_text(f"port = {site.port}\nbase_url = 'https://pay.example'\n")
    (tmp_path / "opengiro.toml").chmod(0o644)
    made = site.run("merchant", "create", *MERCHANT, "--redirect-uri", REDIRECT_URI,
                    OPENGIRO_DATABASE_URL_FILE="url")  # fmt: skip
    assert json.loads(made.stdout)["client_id"]
    found = said(site.run("check", "--production", OPENGIRO_DATABASE_URL_FILE="url"))
    assert "can read it" not in found
