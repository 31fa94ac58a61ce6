"""Several processes on one database are one server: what one does the others know, and none does it again."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.operator import HARBOUR, REDIRECT_URI
from tests.faults.fleet import Fleet, Machine, fleet, until
from tests.faults.receiver import listening
from tests.faults.stream import Stream

pytestmark = pytest.mark.engine("postgres")

SHORT_LEASES = """
from datetime import timedelta
from opengiro.usecases import deliver_event
from opengiro.workers import deliver, observe
deliver_event.LEASE = timedelta(seconds=2)
deliver.FREE_EVERY = timedelta(seconds=0.5)
observe._LEASE_US = 2_000_000
"""
FREEZES = """
import os, signal
from opengiro.usecases import choose_bank, prompt_line
prompt_line.FRESH_S = 2
prepare = choose_bank.errand_of
def freeze(*facts):
    os.kill(os.getpid(), signal.SIGSTOP)
    return prepare(*facts)
choose_bank.errand_of = freeze
"""
"""Stops by itself between the commit of the attempt and the call to its bank."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture(scope="module")
def left(ours: Fleet) -> Machine:
    """A machine that serves and does not work."""
    return ours.start("left", "serve", "--no-work")


@pytest.fixture(scope="module")
def right(ours: Fleet) -> Machine:
    """Another one."""
    return ours.start("right", "serve", "--no-work")


@pytest.fixture(scope="module")
def worker(ours: Fleet) -> Machine:
    return ours.start("worker", "worker")


@pytest.mark.usefixtures("worker")
def test_who_follows_at_one_machine_hears_what_others_did(ours: Fleet, left: Machine, right: Machine) -> None:
    token = ours.token(left)
    payment_id = ours.create(right, token)
    live = left.call("POST", f"/2.0/payments/{payment_id}/livetoken", token).json()["token"]
    follower = Stream(left, payment_id, live)
    assert follower.next("state")["state"] == "created"
    began = time.monotonic()
    ours.choose(right, token, payment_id)
    assert follower.next("state")["state"] == "validating"
    assert time.monotonic() - began < 14, "a beat would have brought it too"
    follower.close()
    elsewhere = Stream(right, payment_id, live, after=1)
    assert elsewhere.next("state") | {"at": ""} == {
        "type": "state",
        "sequence": 2,
        "state": "done",
        "final": True,
        "at": "",
    }
    elsewhere.close()


def test_banks_that_a_command_imports_are_known_to_machines_that_run(ours: Fleet, left: Machine) -> None:
    site = ours.site("importer")
    (site.folder / "banks.json").write_text(json.dumps([HARBOUR]))
    assert ours.run(site, "bank", "import", "banks.json").returncode == 0
    until(lambda: "Harbour Bank" in left.get("/2.0/connectors", ours.token(left)).text)


def test_all_machines_show_the_same_keys(left: Machine, right: Machine) -> None:
    assert left.get("/2.0/publickey").json() == right.get("/2.0/publickey").json()


def test_a_machine_without_the_root_key_is_refused_and_makes_none(ours: Fleet) -> None:
    site = ours.site("keyless")
    ended = ours.run(site, "serve", root_key="")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("There is no root key: set it, or put the one of the other machines into ")
    assert not (site.data / "root.key").exists()
    assert "does not open" in ours.run(site, "serve", root_key="77" * 32).stderr


def test_a_machine_says_that_it_is_ready(left: Machine) -> None:
    assert (left.get("/healthz").text, left.get("/readyz").text) == ("ok\n", "ready\n")


def frozen(machine: Machine) -> bool:
    return Path(f"/proc/{machine.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def sleep_past(seconds: float) -> None:
    """Let real time pass, which leases follow."""
    over = time.monotonic() + seconds
    until(lambda: time.monotonic() > over)


def test_workers_that_freeze_and_wake_send_no_event_twice(tmp_path: Path) -> None:
    with fleet(tmp_path) as ours, listening(takes_s=0.02) as shop:
        desk = ours.start("desk", "serve", "--no-work")
        workers = [ours.start(f"worker{number}", "worker", first=SHORT_LEASES) for number in range(3)]
        hook = {"url": shop.url, "event": "PAYMENT_STATE_UPDATED"}
        assert desk.call("POST", "/2.0/webhooks", ours.merchant["config_token"], hook).status_code < 300
        token = ours.token(desk)
        payments = [ours.create(desk, token, f"Order {number}") for number in range(60)]
        for number, payment_id in enumerate(payments):
            ours.choose(desk, token, payment_id)
            if number % 20 == 10:
                victim = workers[number // 20]
                victim.process.send_signal(signal.SIGSTOP)
                until(lambda victim=victim: frozen(victim))
                sleep_past(3)
                victim.process.send_signal(signal.SIGCONT)
        until(lambda: all(ours.state(desk, token, payment_id) == "done" for payment_id in payments))
        unsettled = "SELECT COUNT(*) FROM deliveries WHERE stage <> 'delivered'"
        until(lambda: ours.database.sql(unsettled, "fleet") == "0")
        bodies = defaultdict(set)
        for message_id, body in shop.arrived:
            bodies[message_id].add(body)
        events = int(ours.database.sql("SELECT COUNT(*) FROM deliveries", "fleet"))
        assert len(bodies) == events, "each event arrived, under one id"
        assert all(len(same) == 1 for same in bodies.values()), "what came twice came byte for byte"
        # Only what had left before the freeze, and whose answer was never read, may come again.
        assert len(shop.arrived) - events <= 3 * 8
        told = defaultdict(list)
        for body in dict.fromkeys(body for _, body in shop.arrived):
            event = json.loads(body)
            told[event["id"]].append(event["state"])
        order = ["created", "validating", "pending", "done"]
        for states in told.values():
            places = [order.index(state) for state in states]
            assert places == sorted(places), "no event of a payment came before an earlier one"


def bank_at(port: int) -> dict[str, Any]:
    return {
        "connector": "berlin_group",
        "code": "slow",
        "name": "Slow Bank",
        "legal_name": "Slow Bank plc",
        "country": "FR",
        "bic": "SLOWFRPPXXX",
        "base_url": f"http://127.0.0.1:{port}",
        "payment_products": ["sepa-credit-transfers", "instant-sepa-credit-transfers"],
    }


def test_a_process_that_froze_before_it_called_the_bank_calls_it_no_more(tmp_path: Path) -> None:
    with fleet(tmp_path) as ours, listening(status=500) as bank:
        site = ours.site("importer")
        (site.folder / "banks.json").write_text(json.dumps([bank_at(bank.port)]))
        imported = ours.run(site, "bank", "import", "banks.json")
        assert imported.returncode == 0, imported.stderr
        sleeper = ours.start("sleeper", "serve", "--no-work", first=FREEZES)
        awake = ours.start("awake", "serve", "--no-work")
        token = ours.token(awake)
        listed = awake.get("/2.0/connectors", token).json()["connectors"]
        bank_id = next(one["uuid"] for one in listed if one["name"] == "Slow Bank")
        payment_id, other_id = ours.create(awake, token), ours.create(awake, token, "Order 2")

        answers: list[httpx2.Response] = []
        late = threading.Thread(target=lambda: answers.append(ours.choose(sleeper, token, payment_id, bank_id)))
        late.start()
        until(lambda: frozen(sleeper))
        sleep_past(2.5)
        assert ours.choose(awake, token, other_id, bank_id).status_code < 600
        assert len(bank.arrived) == 1, "who is awake calls the bank"
        sleeper.process.send_signal(signal.SIGCONT)
        late.join(60)
        assert len(bank.arrived) == 1, "who overslept does not"
        assert answers[0].status_code < 500
        assert ours.state(awake, token, payment_id) == "rejected"


def test_while_the_database_is_away_all_wait_and_then_go_on(tmp_path: Path) -> None:
    with fleet(tmp_path) as ours:
        machine = ours.start("desk", "serve", workers=2)
        token = ours.token(machine)
        payment_id = ours.create(machine, token)
        live = machine.call("POST", f"/2.0/payments/{payment_id}/livetoken", token).json()["token"]
        follower = Stream(machine, payment_id, live)
        assert follower.next("state")["state"] == "created"
        page = f"/2.0/auth/webview/payment?client_id={ours.merchant['client_id']}&payment_id={payment_id}&code={live}"

        ours.database.stop(signal.SIGQUIT)
        order = {"client_redirect_uri": REDIRECT_URI, "instructions": []}
        asked = {
            "read": lambda: machine.get(f"/2.0/payments/{payment_id}", token),
            "create": lambda: machine.call("POST", "/2.0/payments", token, order),
            "page": lambda: machine.get(page),
            "stream": lambda: machine.get(f"/live/{payment_id}/events?token={live}"),
            "poll": lambda: machine.get(f"/live/{payment_id}/poll?token={live}"),
            "ready": lambda: machine.get("/readyz"),
        }
        for name, ask in asked.items():
            # What the process has in memory for a second may still be told; what comes then has to be calm.
            answer = until(lambda ask=ask: (found := ask()).status_code >= 500 and found)
            assert answer.status_code == 503, (name, answer.text)
            assert "retry-after" in answer.headers, name
        assert machine.get("/healthz").status_code == 200
        before = set(machine.children())

        ours.database.start()
        until(lambda: machine.get("/readyz").status_code == 200)
        until(lambda: ours.choose(machine, token, payment_id).status_code == 200)
        until(lambda: ours.state(machine, token, payment_id) == "done")
        assert follower.next("state")["state"] == "validating", "the stream outlived it"
        assert follower.next("state")["state"] == "done"
        assert set(machine.children()) == before, "no process died of it"
        assert "Traceback" not in machine.said
        assert '"status":500' not in machine.said
