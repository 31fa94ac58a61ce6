"""Shops that pay through several doors, as behind a load balancer, and compare what one door and another say."""

from __future__ import annotations

import json
import threading
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.operator import REDIRECT_URI
from tests.faults.crew import Crew
from tests.faults.fleet import Machine
from tests.server import order

CLIENTS = 4
AGAIN_S = 0.05
_PATIENCE_S = 60
_ALIKE = ("id", "register_date")
"""What no door may say differently of a payment, however far it has come; and its instructions but for their states."""


@dataclass(slots=True)
class Door:
    """A machine that takes calls, and the version of the code behind it."""

    machine: Machine
    version: str
    busy: int = 0  #: calls under way


class Doors:
    """Where calls may go now."""

    def __init__(self) -> None:
        """Know no door yet."""
        self._open: list[Door] = []
        self._turn = count()
        self._changed = threading.Condition()

    def add(self, machine: Machine, version: str) -> Door:
        """Let calls go there, too."""
        door = Door(machine, version)
        with self._changed:
            self._open.append(door)
        return door

    def close(self, door: Door) -> None:
        """Send nobody there any more, and wait for those who are there."""
        with self._changed:
            self._open.remove(door)
            if not self._changed.wait_for(lambda: not door.busy, _PATIENCE_S):
                raise TimeoutError(f"calls at {door.machine.url} do not end")

    @contextmanager
    def one(self, *, not_of: str = "") -> Iterator[Door]:
        """Hold one door open for a call; if there is one of another version than that, it is taken."""
        with self._changed:
            others = [door for door in self._open if door.version != not_of]
            door = (others or self._open)[next(self._turn) % len(others or self._open)]
            door.busy += 1
        try:
            yield door
        finally:
            with self._changed:
                door.busy -= 1
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Told:
    """One call."""

    stage: str
    version: str
    name: str
    status: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that was acknowledged: what was said of it, by which version, and which read it right afterwards."""

    answer: dict[str, Any]
    made_by: str
    read_by: str


@dataclass(slots=True)
class Traffic:
    """Clients at work; `stage` is a word of the story that goes with each call."""

    doors: Doors
    token: str
    stage: str = ""
    told: list[Told] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _crew: Crew = field(default_factory=Crew)

    def start(self) -> None:
        """Set the clients to work."""
        self._crew.start(self._run, CLIENTS)

    def more(self, payments: int) -> None:
        """Wait until so many more were paid, or something went wrong."""
        enough, deadline = len(self.paid) + payments, time.monotonic() + _PATIENCE_S + payments
        while len(self.paid) < enough and not self.wrong:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.paid)} payments while {self.stage}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Let each client finish the payment it is at."""
        if not self._crew.stop(_PATIENCE_S):
            self.wrong.append(f"{self.stage}: a client does not come to an end")

    def _run(self) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            try:
                for number in count():
                    if self._crew.over:
                        return
                    self._pay(http, f"Order {number}")
            except Exception:  # noqa: BLE001  # whatever it is, the story has to tell of it
                self.wrong.append(f"{self.stage}: {traceback.format_exc()}")

    def _pay(self, http: httpx2.Client, label: str) -> None:
        """Pay as a shop does, each call at another door: none may know less than the one before."""
        key, body = {"idempotency-key": str(uuid.uuid4())}, order(label, client_redirect_uri=REDIRECT_URI)
        created, made_by = self._call(http, "create", "POST", "/2.0/payments", body, key)
        answer = created.json()
        path = f"/2.0/payments/{answer['id']}"
        again, by = self._call(http, "create again", "POST", "/2.0/payments", body, key, not_of=made_by)
        self._compare("its answer", created.text, again.text, made_by, by)
        read, read_by = self._call(http, "read", "GET", path, not_of=made_by)
        self._compare("payment", agreed(answer), agreed(read.json()), made_by, read_by)
        reference = answer["instructions"][0]["reference_id"]
        found, by = self._call(http, "list", "GET", f"/2.0/payments?reference_id={reference}", not_of=made_by)
        self._compare("list", [answer["id"]], [one["id"] for one in found.json()["payments"]], made_by, by)
        choice = {"validated": True, "connector_uuid": TEST_BANK_ID, "webview_url": REDIRECT_URI}
        key = {"idempotency-key": str(uuid.uuid4())}
        self._call(http, "choose", "POST", path, choice, key, not_of=made_by)
        self.paid.append(Paid(answer, made_by, read_by))

    def _call(
        self,
        http: httpx2.Client,
        name: str,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        not_of: str = "",
    ) -> tuple[httpx2.Response, str]:
        """Call until it is done; whoever is asked to come again does."""
        head = {"authorization": f"Bearer {self.token}", **(headers or {})}
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with self.doors.one(not_of=not_of) as door:
                began = time.monotonic()
                answer = http.request(method, door.machine.url + path, headers=head, json=body)
                took_s = time.monotonic() - began
            self.told.append(Told(self.stage, door.version, name, answer.status_code, took_s))
            if answer.status_code < 300:
                return answer, door.version
            if answer.status_code != 503 or "retry-after" not in answer.headers:
                raise AssertionError(f"{name} at the {door.version} version: {answer.status_code} {answer.text}")
            time.sleep(AGAIN_S)
        raise TimeoutError(f"{name} was never done")

    def _compare(self, what: str, one: object, other: object, *versions: str) -> None:
        if one != other:
            self.wrong.append(f"{self.stage}: the {what} of the {versions[0]} and the {versions[1]}: {one} {other}")


def agreed(payment: Mapping[str, Any]) -> str:
    """Return what never changes of a payment, to compare."""
    instructions = [
        {name: value for name, value in one.items() if "state" not in name} for one in payment["instructions"]
    ]
    return json.dumps([*(payment[name] for name in _ALIKE), instructions], sort_keys=True)
