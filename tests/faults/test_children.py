"""One server of several processes, on either engine: whichever answers, it is one server to those who call."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests import engines
from tests.cli.operator import HARBOUR
from tests.faults.fleet import Fleet, Machine, fleet_of_this_run, until
from tests.faults.stream import Stream

pytestmark = pytest.mark.engine(*engines.ENGINES)

MANY = 16
"""The kernel spreads connections: so many reach every web process, if one in 65,536 runs may be unlucky."""
FREEZES_IN_ITS_TURN = """
import asyncio, os, signal, sys
from pathlib import Path
from opengiro.store.engines.sqlite import Sqlite
def freeze(engine, commands):
    engine._writer.execute("BEGIN IMMEDIATE")
    os.kill(os.getpid(), signal.SIGSTOP)
Sqlite._save = freeze
asyncio.run(Sqlite(Path(sys.argv[1])).commit([]))
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of_this_run(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture
def server(ours: Fleet, request: pytest.FixtureRequest) -> Iterator[Machine]:
    machine = ours.start(request.node.name, "serve", workers=2)
    yield machine
    machine.end()


def test_who_follows_at_any_process_hears_what_one_did(ours: Fleet, server: Machine) -> None:
    token = ours.token(server)
    payment_id = ours.create(server, token)
    watch = [server.call("POST", f"/2.0/payments/{payment_id}/livetoken", token).json()["token"] for _ in range(MANY)]
    followers = [Stream(server, payment_id, live) for live in watch]
    assert {one.next("state")["state"] for one in followers} == {"created"}
    began = time.monotonic()
    ours.choose(server, token, payment_id)
    assert {one.next("state")["state"] for one in followers} == {"validating"}
    assert time.monotonic() - began < 14, "a beat would have brought it too"
    assert {one.next("state")["state"] for one in followers} == {"done"}
    for one in followers:
        one.close()


def test_a_key_that_all_processes_get_at_once_makes_one_payment(ours: Fleet, server: Machine) -> None:
    token = ours.token(server)
    with ThreadPoolExecutor(MANY) as callers:
        asked = [
            callers.submit(ours.ask, server, token, f"Order {number}", **{"idempotency-key": f"key-{number}"})
            for number in range(10)
            for _ in range(MANY)
        ]
    made: dict[str, set[int]] = {}
    for one in asked:
        answer = one.result()
        if answer.status_code == 409:  # the first was still being answered
            continue
        assert answer.status_code < 300, answer.text
        made.setdefault(answer.request.headers["idempotency-key"], set()).add(answer.json()["id"])
    assert len(made) == 10
    assert all(len(ids) == 1 for ids in made.values())
    assert len(set[int]().union(*made.values())) == 10


def test_what_a_command_changed_every_process_knows(ours: Fleet, server: Machine) -> None:
    token = ours.token(server)
    site = ours.site("importer")
    (site.folder / "banks.json").write_text(json.dumps([HARBOUR]))
    assert ours.run(site, "bank", "import", "banks.json").returncode == 0

    def known() -> bool:
        return all("Harbour Bank" in server.get("/2.0/connectors", token).text for _ in range(MANY))

    until(known)


def test_processes_that_die_are_replaced_and_all_end_together(ours: Fleet, server: Machine) -> None:
    first = server.children()
    assert sorted(line.split("child ")[1].split()[0] for line in first.values()) == ["web", "web", "work"]
    for child in first:
        os.kill(child, signal.SIGKILL)
    until(lambda: len(server.children()) == 3 and not server.children().keys() & first)
    assert server.get("/readyz").status_code == 200
    token = ours.token(server)
    payment_id = ours.create(server, token)
    ours.choose(server, token, payment_id)
    until(lambda: ours.state(server, token, payment_id) == "done")
    last = server.children()
    assert server.end() == 0
    assert not any(Path(f"/proc/{child}").exists() for child in last)


def test_children_end_when_their_parent_was_killed(server: Machine) -> None:
    last = server.children()
    server.end(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in last))


def test_processes_that_are_killed_lose_nothing_acknowledged(ours: Fleet, server: Machine) -> None:
    token, over = ours.token(server), threading.Event()
    acknowledged: list[tuple[int, str]] = []

    def pay(shop: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            label = f"Shop {shop} order {number}"
            try:
                answer = ours.ask(server, token, label)
            except httpx2.HTTPError:  # its process died; what came of it nobody knows
                continue
            if answer.status_code < 300:
                acknowledged.append((answer.json()["id"], label))

    def come(more: int) -> None:
        least = len(acknowledged) + more
        until(lambda: len(acknowledged) >= least)

    chance = random.Random(7)  # noqa: S311
    shops = [threading.Thread(target=pay, args=(shop,)) for shop in range(8)]
    for shop in shops:
        shop.start()
    for _ in range(6):
        come(20)
        victim = chance.choice([pid for pid, line in server.children().items() if " web " in line] or [0])
        if victim:
            os.kill(victim, signal.SIGKILL)
    come(20)
    over.set()
    for shop in shops:
        shop.join()
    found = Counter[str]()
    for payment_id, label in acknowledged:
        payment = server.get(f"/2.0/payments/{payment_id}", token).json()
        assert payment["instructions"][0]["label"] == label
        found[label] += 1
    assert set(found.values()) == {1}
    assert "Traceback" not in server.said


@pytest.mark.engine("sqlite")
def test_while_a_frozen_process_has_the_turn_others_are_told_to_come_again(ours: Fleet, server: Machine) -> None:
    token = ours.token(server)
    payment_id = ours.create(server, token)
    database = Path(ours.place["data"]) / "opengiro.db"
    with subprocess.Popen([sys.executable, "-c", FREEZES_IN_ITS_TURN, database]) as frozen:
        until(lambda: Path(f"/proc/{frozen.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        with ThreadPoolExecutor(MANY) as shops:
            answers = list(shops.map(lambda number: ours.ask(server, token, f"Late {number}"), range(MANY)))
        assert {answer.status_code for answer in answers} == {503}
        assert all("retry-after" in answer.headers for answer in answers)
        assert ours.state(server, token, payment_id) == "created", "who only reads is answered"
        frozen.kill()
    until(lambda: ours.ask(server, token, "On time").status_code < 300)
    assert "Late" not in server.get("/2.0/payments", token).text, "who was told to come again was not saved"
    assert "Traceback" not in server.said
