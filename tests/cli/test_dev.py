"""`opengiro dev`: what a start leaves behind, what a restart keeps, and what stands in the way said in one sentence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest

import opengiro_sandbox
from opengiro import __version__
from opengiro.cli.directory import TEST_BANK_ID, sandbox_banks
from opengiro.cli.home import STORIES
from opengiro_sandbox.banks import entry
from tests.cli.laptop import Laptop, run, start, started
from tests.ports import free_port

SILENT = next(
    bank for bank in sandbox_banks(entry(one, "", "healthy") for one in opengiro_sandbox.BANKS) if bank.slug == "sol"
)


def one_sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a refused start says, once it is sure to be a sentence of a failed command."""
    assert (ended.returncode, ended.stdout) == (1, "")
    sentence = ended.stderr.strip()
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_start_tells_every_address_and_credential_a_client_needs(laptop: Laptop) -> None:
    assert laptop.world.keys() >= {"base_url", "shop_url", "inbox_url", "powens"}
    wanted = {"base_url", "domain", "client_id", "client_secret", "config_token", "redirect_uris"}
    assert laptop.powens.keys() == wanted
    for url in (laptop.url, laptop.world["shop_url"] + "/", laptop.world["inbox_url"]):
        assert laptop.http.get(url).status_code == 200


def test_only_its_owner_reads_the_credentials(laptop: Laptop) -> None:
    for name in ("dev.json", "dev.env", "root.key"):
        assert (laptop.data / name).stat().st_mode & 0o077 == 0


def test_a_shell_reads_the_same_credentials(laptop: Laptop) -> None:
    script = f'. {laptop.data / "dev.env"}; printf %s "$POWENS_BASE_URL $POWENS_CLIENT_ID $POWENS_CLIENT_SECRET"'
    told = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == " ".join(laptop.powens[name] for name in ("base_url", "client_id", "client_secret"))


def test_a_restart_keeps_payments_credentials_and_what_the_inbox_holds(data: Path) -> None:
    with started(data) as before:
        payment_id = before.pay("Order 1")
        before.validate(payment_id, TEST_BANK_ID)
        before.settle(payment_id, "done")
        before.wait(lambda: newest(before))
        held = newest(before)
    with started(data) as after:
        assert after.powens["client_secret"] == before.powens["client_secret"]
        assert after.powens["config_token"] == before.powens["config_token"]
        assert after.state(payment_id) == "done"
        assert newest(after) == held


def test_a_restart_on_another_port_takes_returns_and_webhooks_there(data: Path) -> None:
    with started(data) as before:
        pass
    with started(data, free_port()) as after:
        assert after.powens["client_id"] == before.powens["client_id"]
        payment_id = after.pay("Order 1")
        after.validate(payment_id, TEST_BANK_ID)
        after.wait(lambda: newest(after))
        hooks = after.call("GET", "/webhooks", token=after.powens["config_token"])["webhooks"]
        assert [hook["url"] for hook in hooks if hook["url"].endswith("/inbox/hook")] == [f"{after.url}/inbox/hook"]


def newest(laptop: Laptop) -> int:
    """Return how many deliveries the inbox holds."""
    return int(laptop.http.get(f"{laptop.url}/inbox/newest").json()["newest"])


def test_lost_credentials_are_replaced_and_the_data_stay(data: Path) -> None:
    with started(data) as before:
        payment_id = before.pay("Order 1")
    (data / "dev.json").unlink()
    with started(data) as after:
        assert after.powens["client_id"] != before.powens["client_id"]
        answer = after.http.get(f"{after.url}/inbox/payments/{payment_id}")
        assert answer.json()["state"] == "created"


def test_a_used_port_is_said_in_one_sentence(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ended = run("dev", "--port", port, "--data", data, "--no-open")
    assert one_sentence(ended).startswith(f"Port {port} is already in use")


def test_one_folder_is_kept_by_one_process(laptop: Laptop) -> None:
    ended = run("dev", "--port", str(free_port()), "--data", laptop.data, "--no-open")
    assert one_sentence(ended).startswith("Another `opengiro dev` keeps its data in")


def refused(data: Path) -> str:
    """Start on a folder that cannot work, and return the sentence."""
    return one_sentence(run("dev", "--port", str(free_port()), "--data", data, "--no-open"))


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert refused(file / "data") == f"{file / 'data'} cannot keep our data: Not a directory."


@pytest.mark.parametrize("text", ["", "{", "[]", '{"powens": []}', '{"powens": {"client_id": 7}}', "\udcff"])
def test_a_broken_dev_json_is_said_in_one_sentence(data: Path, text: str) -> None:
    data.mkdir()
    (data / "dev.json").write_bytes(text.encode(errors="surrogateescape"))
    assert refused(data).startswith(f"{data / 'dev.json'} is broken")


def test_a_file_that_is_no_database_is_said_in_one_sentence(data: Path) -> None:
    data.mkdir()
    (data / "opengiro.db").write_text("a letter to my aunt, long enough to be looked at\n" * 50)
    assert refused(data).startswith(f"A database in {data} cannot be used")


def test_a_short_root_key_is_said_in_one_sentence(data: Path) -> None:
    data.mkdir()
    (data / "root.key").write_bytes(b"short")
    assert refused(data).startswith(f"{data / 'root.key'} is not a root key")


def test_a_root_key_of_another_database_is_said_in_one_sentence(data: Path) -> None:
    with started(data):
        pass
    (data / "root.key").write_bytes(os.urandom(32))
    assert refused(data).startswith(f"{data / 'root.key'} does not open")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly_while_clients_hang_and_a_bank_keeps_silent(data: Path, number: int) -> None:
    laptop = start(data)
    payment_id = laptop.pay("Order 1")
    address = ("127.0.0.1", int(laptop.url.rpartition(":")[2]))
    with socket.create_connection(address) as idle, socket.create_connection(address) as asking:
        idle.sendall(b"GET /shop/ HTTP/1.1\r\nHost: 127")
        body = f'{{"connector_uuid":"{SILENT.bank_id}","validated":true,"webview_url":"{laptop.url}/"}}'.encode()
        head = (
            f"POST /2.0/payments/{payment_id} HTTP/1.1\r\nHost: {address[0]}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {laptop.token()}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        asking.sendall(head.encode() + body)
        laptop.wait(lambda: orders_at(laptop, "sol"))
        code, printed = laptop.stop(number)
    assert code == 0
    assert printed.splitlines()[-1] == "Press Ctrl+C to stop."


def orders_at(laptop: Laptop, bank: str) -> list[object]:
    """Return what a sandbox bank has in its own ledger."""
    ledger = httpx2.get(f"{laptop.url}/sandbox/{bank}/ledger", trust_env=False).json()
    found: list[object] = ledger["payments"]
    return found


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"opengiro {__version__}\n"


@pytest.mark.parametrize("path", ["/", "/inbox", "/inbox/newest", "/inbox/callback", "/inbox/payments/1"])
def test_pages_with_secrets_answer_under_this_machines_names_only(laptop: Laptop, path: str) -> None:
    """A foreign name that points at 127.0.0.1 is how a web page would read them."""
    answer = laptop.http.get(laptop.url + path, headers={"host": "rebound.example"})
    assert answer.status_code == 421
    assert laptop.powens["client_secret"] not in answer.text


def test_the_home_page_shows_the_credentials_and_every_bank(laptop: Laptop) -> None:
    page = laptop.http.get(laptop.url).text
    for text in (laptop.powens["client_secret"], "/shop/", "/inbox", "/sandbox/mercure/phone", "/2.0/openapi.json"):
        assert text in page
    assert [bank.name for bank in opengiro_sandbox.BANKS if bank.name not in page] == []


def test_every_sandbox_bank_has_its_story() -> None:
    assert STORIES.keys() == {bank.code for bank in opengiro_sandbox.BANKS}
