"""The plug is pulled at random moments while clients pay: nothing acknowledged is lost, and nothing is paid twice."""

from __future__ import annotations

import random
import signal
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests import engines
from tests.cli.laptop import IBAN, Laptop, start
from tests.ports import free_port

KILLS, CLIENTS = 12, 4
_TOO_LONG_S = 25
_PATIENCE_S = 30


@dataclass(slots=True)
class Acknowledged:
    """What a client was told, and how it asked."""

    key: str
    body: dict[str, Any]
    answer: bytes
    payment: dict[str, Any]
    validated: dict[str, Any] | None = None


@dataclass(slots=True)
class Client:
    """A shop's backend that never gives up: after every broken call it asks again with the same key."""

    base: str
    token: str
    bank: str
    redirect_uri: str
    over: threading.Event
    told: list[Acknowledged] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Create and validate payments until the test is over."""
        number = 0
        while not self.over.is_set():
            number += 1
            self.pay(f"Order {number}")

    def pay(self, label: str) -> None:
        """Make one payment, whatever it takes."""
        body = self.order(label)
        key = str(uuid.uuid4())
        created = self.insist("/payments", body, lambda: key)
        if created is None:
            return
        told = Acknowledged(key, body, created.content, created.json())
        self.told.append(told)
        keys = iter(str(uuid.uuid4()) for _ in range(1000))
        first = next(keys)
        choice = {"validated": True, "connector_uuid": self.bank, "webview_url": self.redirect_uri}
        answer = self.insist(f"/payments/{told.payment['id']}", choice, lambda: first, otherwise=lambda: next(keys))
        told.validated = answer.json() if answer else None

    def order(self, label: str) -> dict[str, Any]:
        instruction = {
            "label": label,
            "amount": 50.90,
            "currency": "EUR",
            "execution_date_type": "instant",
            "beneficiary": {"scheme_name": "iban", "identification": IBAN, "label": "Shop"},
        }
        return {"client_redirect_uri": self.redirect_uri, "instructions": [instruction]}

    def insist(
        self, path: str, body: dict[str, Any], key: Callable[[], str], otherwise: Callable[[], str] | None = None
    ) -> httpx2.Response | None:
        """Post until there is an answer; a key whose call died stays in flight for a minute, so another is used."""
        while not self.over.is_set():
            try:
                answer = self.post(path, body, key())
            except httpx2.HTTPError:
                time.sleep(0.02)
                continue
            if answer.status_code == 409 and otherwise:
                key = otherwise
            elif answer.status_code < 300:
                return answer
            else:
                self.failed.append(f"{answer.status_code} {answer.text}")
                return None
        return None

    def post(self, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": key}
        return httpx2.post(f"{self.base}/2.0{path}", json=body, headers=headers, timeout=10, trust_env=False)


def pull_the_plug(laptop: Laptop) -> None:
    """Kill it without a word."""
    laptop.http.close()
    laptop.process.send_signal(signal.SIGKILL)
    laptop.process.communicate(timeout=_PATIENCE_S)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server after many deaths, with what its clients were told."""
    data, port, chance = tmp_path_factory.mktemp("kill") / "data", free_port(), random.Random(451)  # noqa: S311
    url = engines.database_url(data)
    laptop, over = start(data, port, url), threading.Event()
    redirect_uri = next(iter(laptop.powens["redirect_uris"]))
    bank = next(one for one in laptop.call("GET", "/connectors")["connectors"] if one["name"] == "Horizon Bleu")
    clients = [Client(laptop.url, laptop.token(), bank["uuid"], redirect_uri, over) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    began, kills = time.monotonic(), 0
    while kills < KILLS and (kills < 3 or time.monotonic() - began < _TOO_LONG_S):
        time.sleep(chance.uniform(0.02, 0.8))
        pull_the_plug(laptop)
        kills += 1
        laptop = start(data, port, url)
    over.set()
    for thread in threads:
        thread.join(_PATIENCE_S)
    yield laptop, clients
    pull_the_plug(laptop)


def told(clients: list[Client]) -> list[Acknowledged]:
    return [one for client in clients for one in client.told]


def test_the_clients_got_something_done_and_met_no_error(aftermath: tuple[Laptop, list[Client]]) -> None:
    _, clients = aftermath
    assert [failure for client in clients for failure in client.failed] == []
    assert len([one for one in told(clients) if one.validated]) >= CLIENTS


def test_nothing_acknowledged_is_lost(aftermath: tuple[Laptop, list[Client]]) -> None:
    laptop, clients = aftermath
    for one in told(clients):
        found = laptop.call("GET", f"/payments/{one.payment['id']}")
        assert (found["id"], found["register_date"]) == (one.payment["id"], one.payment["register_date"])
        last = one.validated or one.payment
        # A validation whose first caller died is answered with the attempt it left, which no bank has answered yet.
        assert found["state"] in {"created": ("created", "validating"), "validating": ("validating",)}[last["state"]]
        assert last["validate_uri"] in {None, found["validate_uri"]}


def test_a_key_of_before_the_deaths_still_gets_the_same_bytes(aftermath: tuple[Laptop, list[Client]]) -> None:
    _, clients = aftermath
    for client in clients:
        for one in client.told:
            assert client.post("/payments", one.body, one.key).content == one.answer


def test_no_call_made_two_payments(aftermath: tuple[Laptop, list[Client]]) -> None:
    laptop, clients = aftermath
    ((count,),) = engines.rows(laptop.data, "SELECT COUNT(*) FROM payments")
    # Each client may have died with one call whose answer it never heard.
    assert len(told(clients)) <= count <= len(told(clients)) + CLIENTS


def test_the_bank_holds_at_most_one_order_for_each_payment(aftermath: tuple[Laptop, list[Client]]) -> None:
    laptop, clients = aftermath
    ledger = laptop.http.get(f"{laptop.url}/sandbox/horizon/ledger").json()["payments"]
    orders = Counter(line["end_to_end_id"] for line in ledger)
    assert set(orders.values()) == {1}
    for one in told(clients):
        if one.validated and one.validated["validate_uri"]:
            assert orders[one.payment["instructions"][0]["reference_id"]] == 1


def test_events_are_numbered_without_gaps(aftermath: tuple[Laptop, list[Client]]) -> None:
    laptop, _ = aftermath
    if engines.ENGINE == "sqlite":
        assert engines.rows(laptop.data, "PRAGMA integrity_check") == [("ok",)]
    for table, first in (("moves", 0), ("deliveries", 1)):
        found = defaultdict(list)
        for *key, ordinal in engines.rows(
            laptop.data,
            f"SELECT payment_id, {'0' if first == 0 else 'webhook_id'}, ordinal FROM {table}"  # noqa: S608
            " WHERE payment_id > 0 ORDER BY ordinal",
        ):
            found[tuple(key)].append(ordinal)
        assert all(ordinals == list(range(first, first + len(ordinals))) for ordinals in found.values())
    last = "(SELECT MAX(ordinal) FROM moves m WHERE m.payment_id = p.payment_id)"
    stale = f"SELECT payment_id FROM payments p WHERE moved <> {last}"  # noqa: S608  # our own words
    assert engines.rows(laptop.data, stale) == []
