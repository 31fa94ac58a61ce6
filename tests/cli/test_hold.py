"""A copy of a database reads, and takes, asks and sends nothing until an operator releases it."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import engines
from tests.cli.operator import Site, new_site
from tests.cli.test_serve import TEST_BANK, call, pay, settled

HELD = "it takes no payment, asks no bank and sends nothing until `opengiro release`."

of_files = pytest.mark.skipif(
    engines.ENGINE != "sqlite", reason="copies of a PostgreSQL database have their story in tests/store/test_home.py"
)


@pytest.fixture
def original(tmp_path: Path) -> Site:
    (tmp_path / "original").mkdir()
    return new_site(tmp_path / "original")


@pytest.fixture
def copied(original: Site, tmp_path: Path) -> tuple[Site, int, str]:
    """A copy with a payment that its bank has long finished, which nobody asked about yet, and a token."""
    (tmp_path / "copy" / "data").mkdir(parents=True)
    copy = new_site(tmp_path / "copy")
    original.banks(TEST_BANK)
    merchant = original.merchant()
    with original.serving():
        payment_id, token = pay(original, merchant, "pdng/done - for a while")
        with closing(sqlite3.connect(original.data / "opengiro.db")) as database:
            database.execute("VACUUM INTO ?", [str(copy.data / "opengiro.db")])
    with closing(sqlite3.connect(copy.data / "opengiro.db")) as database, database:
        database.execute("UPDATE merchants SET clock_offset_us = 60000000")
    for key in ("root.key", "fields-key.pem", "tokens-key.pem"):
        if (original.data / key).exists():
            shutil.copy(original.data / key, copy.data)
    return copy, payment_id, token


def refused(site: Site, path: str, token: str, body: Any = None) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.post(f"{site.url}/2.0{path}", headers=headers, json=body or {}, trust_env=False)


@of_files
def test_a_copy_reads_and_does_nothing_until_it_is_released(copied: tuple[Site, int, str]) -> None:
    copy, payment_id, token = copied
    with copy.serving():
        before = call(copy, "GET", f"/payments/{payment_id}", token)["state"]
        answer = refused(copy, "/payments", token)
        assert (answer.status_code, answer.json()["code"]) == (503, "serviceUnavailable")
        assert int(answer.headers["retry-after"]) > 0
        page = httpx2.post(f"{copy.url}/checkout/1-0123456789abcdef/choose", trust_env=False)
        assert (page.status_code, page.text.partition(".")[0]) == (503, "No payments are taken here at the moment")
        assert "because it is a copy of another database" in copy.run("check").stdout
        assert call(copy, "GET", f"/payments/{payment_id}", token)["state"] == before != "done"
        released = copy.run("release")
        assert released.stdout.startswith("OpenGiro is released"), released.stderr
        assert settled(copy, payment_id, token) == "done"
    assert HELD not in copy.run("check").stdout


@of_files
def test_the_original_is_not_held_by_a_restart_or_a_move(original: Site, tmp_path: Path) -> None:
    original.banks(TEST_BANK)
    merchant = original.merchant()
    original.folder.rename(tmp_path / "moved")
    moved = Site(tmp_path / "moved", original.port)
    with moved.serving():
        payment_id, token = pay(moved, merchant)
        assert settled(moved, payment_id, token) == "done"


def test_an_operator_holds_a_server_that_runs(original: Site) -> None:
    original.banks(TEST_BANK)
    merchant = original.merchant()
    with original.serving():
        payment_id, token = pay(original, merchant)
        said = original.run("hold", "we look into something").stdout
        assert "because we look into something" in said
        for _ in range(200):
            if refused(original, "/payments", token).status_code == 503:
                break
            time.sleep(0.05)
        assert refused(original, f"/payments/{payment_id}", token).status_code == 503
        assert original.run("hold").stdout.splitlines()[0] == said.splitlines()[0]
        original.run("release")


def test_a_setting_holds_whatever_is_started_with_it(original: Site) -> None:
    original.merchant()
    assert "because the setting hold says so" in original.run("hold", OPENGIRO_HOLD="always").stdout
    ended = original.run("release", OPENGIRO_HOLD="always")
    assert (ended.returncode, ended.stderr) == (1, 'The setting hold is "always": take it away first.\n')
    assert original.run("release").returncode == 0
    assert original.run("release").stdout == "OpenGiro is not held.\n"


@of_files
def test_who_wants_it_may_let_copies_act(copied: tuple[Site, int, str]) -> None:
    copy, payment_id, token = copied
    with copy.serving(OPENGIRO_HOLD="never"):
        assert settled(copy, payment_id, token) == "done"
