"""`opengiro serve` and the commands around it, run as an operator runs them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from opengiro.cli.directory import TEST_BANK_ID
from opengiro.settings import read_settings
from tests import engines
from tests.cli.laptop import OPENGIRO
from tests.cli.operator import HARBOUR, MERCHANT, REDIRECT_URI, Site, new_site
from tests.server import order

OF_A_FILE = pytest.mark.engine("sqlite")  # what PostgreSQL says to it is in test_check_postgres.py
ROOT = Path(__file__).parents[2]
TEST_BANK = {"connector": "test_bank"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return new_site(tmp_path)


def sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """What a command said when it refused: one line, and an exit code."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def call(site: Site, method: str, path: str, token: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.request(method, f"{site.url}/2.0{path}", headers=headers, json=body, trust_env=False).json()


def pay(site: Site, merchant: dict[str, Any], label: str = "Order 1") -> tuple[int, str]:
    """Take a payment at the test bank; return its id and a token that reads it."""
    form = {"grant_type": "client_credentials", "scope": "payments:admin"}
    form |= {name: merchant[name] for name in ("client_id", "client_secret")}
    token = httpx2.post(f"{site.url}/2.0/auth/token", data=form, trust_env=False).json()["token"]
    body = order(label, client_redirect_uri=REDIRECT_URI)
    payment_id = call(site, "POST", "/payments", token, body)["id"]
    choice = {"validated": True, "connector_uuid": TEST_BANK_ID, "webview_url": REDIRECT_URI}
    call(site, "POST", f"/payments/{payment_id}", token, choice)
    return payment_id, token


def settled(site: Site, payment_id: int, token: str) -> str:
    for _ in range(200):
        if call(site, "GET", f"/payments/{payment_id}", token)["state"] == "done":
            break
        time.sleep(0.1)
    return str(call(site, "GET", f"/payments/{payment_id}", token)["state"])


def test_a_payment_is_taken_and_is_still_there_after_a_restart(site: Site) -> None:
    assert site.banks(TEST_BANK).returncode == 0
    merchant = site.merchant()
    with site.serving():
        payment_id, token = pay(site, merchant)
        assert settled(site, payment_id, token) == "done"
    with site.serving():
        assert settled(site, payment_id, token) == "done"


def test_a_merchant_made_while_the_server_runs_is_served_at_once(site: Site) -> None:
    site.banks(TEST_BANK)
    with site.serving():
        payment_id, token = pay(site, site.merchant())
        assert settled(site, payment_id, token) == "done"


@OF_A_FILE
def test_a_backup_made_while_it_serves_opens_with_its_key(site: Site, tmp_path: Path) -> None:
    site.banks(TEST_BANK)
    (tmp_path / "restored" / "data").mkdir(parents=True)
    restored = new_site(tmp_path / "restored")
    with site.serving():
        payment_id, token = pay(site, site.merchant())
        settled(site, payment_id, token)
        with closing(sqlite3.connect(site.data / "opengiro.db")) as database:
            database.execute("VACUUM INTO ?", [str(restored.data / "opengiro.db")])
    assert "root.key is missing" in sentence(restored.run("serve"))
    shutil.copy(site.data / "root.key", restored.data)
    with restored.serving():
        assert settled(restored, payment_id, token) == "done"


def test_a_key_that_is_anothers_is_refused(site: Site) -> None:
    site.banks(TEST_BANK)
    merchant = site.merchant()
    with site.serving():
        pay(site, merchant)
    assert "does not open" in sentence(site.run("serve", OPENGIRO_ROOT_KEY="ab" * 32))


def test_a_key_from_a_file_of_its_own_leaves_none_in_the_folder(site: Site) -> None:
    (site.folder / "key").write_text("cd" * 32)
    with site.serving(OPENGIRO_ROOT_KEY_FILE="key"):
        assert not (site.data / "root.key").exists()


@OF_A_FILE
def test_the_folder_and_its_secrets_are_the_owners_alone(site: Site) -> None:
    with site.serving():
        modes = {path.name: path.stat().st_mode & 0o777 for path in (site.data, *site.data.iterdir())}
    assert modes["data"] == 0o700
    assert (modes["root.key"], modes["opengiro.db"]) == (0o600, 0o600)


@OF_A_FILE
def test_one_folder_is_served_by_one_process(site: Site) -> None:
    with site.serving():
        ended = site.run("serve", OPENGIRO_PORT=str(new_site(site.folder).port))
    assert sentence(ended).startswith("Another `opengiro serve` keeps its data in data")


@OF_A_FILE
def test_many_processes_on_one_file_work_together_and_not_apart(site: Site) -> None:
    assert sentence(site.run("serve", "--workers", "2", "--no-work")).startswith("--no-work needs PostgreSQL")
    assert sentence(site.run("worker")).startswith("opengiro worker needs PostgreSQL")


def test_a_wrong_setting_stops_the_start(site: Site) -> None:
    assert sentence(site.run("serve", OPENGIRO_BASE_URL="http://pay.example")).startswith("OPENGIRO_BASE_URL must")


def test_it_ends_when_asked_to_and_says_nothing(site: Site) -> None:
    with site.serving() as process:
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
        assert process.returncode == 0
    place = {"sqlite": "data in data", "postgres": "data in PostgreSQL; processes: 1"}[engines.ENGINE]
    assert printed.splitlines() == [f"OpenGiro serves {site.url} on 127.0.0.1 port {site.port}; {place}."]


@OF_A_FILE
def test_a_server_needs_no_settings_file_to_be_migrated_and_checked(tmp_path: Path) -> None:
    site = Site(tmp_path, 8000)
    assert site.run("migrate").stdout.startswith("Applied 0001_pre_house.sql.")
    assert site.run("migrate").stdout == "The schema is up to date.\n"
    checked = site.run("check")
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        "There is no merchant: `opengiro merchant create` makes one.",
        "There is no bank in the directory: `opengiro bank import` adds some.",
    ]


@OF_A_FILE
def test_a_check_finds_nothing_where_nothing_is_missing(tmp_path: Path) -> None:
    site = new_site(tmp_path, data=str(tmp_path / "data"), base_url="https://pay.example")
    site.merchant()
    assert site.banks(HARBOUR).returncode == 0
    checked = site.run("check", "--production")
    assert (checked.returncode, checked.stdout) == (0, "Nothing is missing and nothing looks unsafe.\n")


@OF_A_FILE
def test_a_check_makes_no_database(site: Site) -> None:
    assert "There is no database in data" in site.run("check").stdout
    assert not site.data.exists()


@OF_A_FILE
def test_a_check_for_production_names_all_that_is_unsafe(tmp_path: Path) -> None:
    loose = {"proxies": ["10.1.0.0/16", "0.0.0.0/0"], "hold": "never", "requests_at_once": 0}
    site = new_site(tmp_path, private_hosts=["*"], **loose)
    site.banks(TEST_BANK, HARBOUR | {"base_url": "http://127.0.0.1:1/sandbox/harbour"})
    site.data.chmod(0o755)
    (site.data / "root.key").chmod(0o644)
    said = site.run("check", "--production").stdout
    for words in (
        "it has to be https",
        'private_hosts has "*"',
        "proxies has 0.0.0.0/0",
        'hold is "never"',
        "requests_at_once is 0",
        "name a whole path",
        "`chmod 700 data`",
        "`chmod 600 data/root.key`",
        "There is no merchant",
        "Connecteur de test is in the directory",
        "Harbour Bank is in the directory",
    ):
        assert words in said


@pytest.mark.parametrize("proxies", [["127.0.0.1", "::1"], ["10.1.0.0/16"]])
def test_only_a_proxy_elsewhere_is_a_reason_to_listen_on_every_address(tmp_path: Path, proxies: list[str]) -> None:
    site = new_site(tmp_path, host="0.0.0.0", base_url="https://pay.example", proxies=proxies)  # noqa: S104
    assert ("past the proxy" in site.run("check", "--production").stdout) == ("127.0.0.1" in proxies)


def test_merchants_are_listed_with_their_applications(site: Site) -> None:
    made = site.merchant()
    assert site.run("merchant", "list").stdout.splitlines() == [
        "1  kites  Kites (Kites SARL)",
        f"   client {made['client_id']}  {REDIRECT_URI}",
    ]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--domain", "Kites & Co", "domain: "),
        ("--zone", "Europe/Nowhere", "zone: "),
        ("--legal-name", "", "legal_name: "),
        ("--redirect-uri", "kites.example", "redirect_uris[1]: "),
    ],
)
def test_a_merchant_that_cannot_be_is_refused_in_a_sentence(site: Site, option: str, value: str, said: str) -> None:
    ended = site.run("merchant", "create", *MERCHANT, "--redirect-uri", REDIRECT_URI, option, value)
    assert sentence(ended).startswith(f"The merchant was not made. {said}")
    assert site.run("merchant", "list").stdout == ""


def test_a_domain_is_given_once(site: Site) -> None:
    site.merchant()
    ended = site.run("merchant", "create", *MERCHANT, "--redirect-uri", REDIRECT_URI)
    assert sentence(ended) == "The merchant was not made. domain: is another merchant's."


def test_a_bank_that_is_imported_again_keeps_its_number(site: Site) -> None:
    site.banks(HARBOUR, HARBOUR | {"code": "haven", "name": "Haven"})
    site.banks(HARBOUR | {"code": "cove", "name": "Cove"}, HARBOUR | {"name": "Harbour & Sons"})
    rows = engines.rows(site.data, "SELECT number, entry FROM banks")
    found = {json.loads(entry)["name"]: number for number, entry in rows}
    assert found == {"Harbour & Sons": 101, "Haven": 102, "Cove": 103}


@pytest.mark.parametrize("change", [{"bic": 7}, {"colr": "red"}, {"connector": "stet"}, {"base_url": "harbour"}])
def test_a_wrong_entry_is_named_and_nothing_is_imported(site: Site, change: dict[str, Any]) -> None:
    said = sentence(site.banks(TEST_BANK, HARBOUR | change))
    assert said.startswith("banks.json was not imported: ")
    assert "$[1]" in said or "$[...]" in said
    assert "no bank in the directory" in site.run("check").stdout


def test_the_page_about_deploying_shows_settings_and_banks_that_are_taken(site: Site) -> None:
    page = (ROOT / "docs/operating/deploy.md").read_text()
    (settings,), (banks,) = (
        re.findall(rf"^```{kind}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE) for kind in ("toml", "json")
    )
    (site.folder / "page.toml").write_text(settings)
    assert read_settings(site.folder / "page.toml", {}).base_url == "https://pay.example.com"
    assert site.banks(*json.loads(banks)).stdout.startswith("2 of 2 banks came from banks.json.")


def test_the_unit_file_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on PATH")
    text = (ROOT / "deploy/opengiro.service").read_text()
    assert "/opt/opengiro/bin/opengiro" in text
    unit = tmp_path / "opengiro.service"
    unit.write_text(text.replace("/opt/opengiro/bin/opengiro", str(OPENGIRO)))
    checked = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
