"""Reads, lists and creates over databases of different sizes, side by side: what grows with the number of payments?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bench.figures import Figure
from bench.filling import fill
from bench.loader import Given, Job, Made, load
from bench.places import NAMES, Place, twin
from bench.plan import Scene
from bench.rows import Model, models
from bench.site import ZONE, Running
from bench.wire import PAYMENT, choice, creates, listing, reads, tokens

CONNECTIONS = 32
_PATIENCE_S = 60


@dataclass(slots=True)
class Grown:
    """A site that serves many payments."""

    place: Place
    size: int
    running: Running
    sample: list[int]  #: payments to read

    def work(self) -> Mapping[str, tuple[str, Given | Made]]:
        """Return what is measured: a name for people, and the requests."""
        token, yesterday = self.running.token, datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
        days = f"min_date={yesterday}&max_date={yesterday + timedelta(days=1)}"
        page = "limit=20&reverse=true"
        return {
            "create": ("create", creates(token)),
            "read": ("read by id", reads(token, self.sample)),
            "list": ("list, done yesterday, 20 of a page", listing(token, f"{days}&state=done&{page}")),
            "newest": ("list, the newest 20 of all", listing(token, page)),
            "token": ("service token", tokens(*self.running.site.client)),
        }


def grow(scene: Scene, sizes: Sequence[int] | None = None) -> None:
    """Measure at every size of the plan, or at these."""
    plan = scene.plan
    with contextlib.ExitStack() as stack:
        grown = [
            stack.enter_context(filled(scene, place, size)) for place in scene.places for size in sizes or plan.sizes
        ]
        for number in range(plan.rounds):
            for name in ("create", "read", "list", "newest", "token"):
                for one in grown:
                    _measure(scene, one, name)
            scene.tell(f"reads, lists and growth: round {number + 1} of {plan.rounds}")


def _measure(scene: Scene, one: Grown, name: str) -> None:
    what, requests = one.work()[name]
    tally = load(Job(one.running.port, requests, CONNECTIONS, seconds=scene.plan.seconds))
    group = f"{NAMES[one.place.kind]} with {one.size:,} payments, {CONNECTIONS} connections"
    scene.note(f"{one.place.kind}.{one.size}.{name}", Figure(group, what, "/s"), tally)


@contextlib.contextmanager
def filled(scene: Scene, place: Place, size: int) -> Iterator[Grown]:
    """Serve a site that has so many payments."""
    begun = time.monotonic()
    site = twin(place, f"grown{size}")
    with site.serving() as running:
        whole = finished_payment(running)
    sample = fill(site, whole, size)
    scene.tell(f"{NAMES[place.kind]}: {size:,} payments in {time.monotonic() - begun:.0f} s")
    with site.serving() as running:
        yield Grown(place, size, running, sample)


def finished_payment(running: Running) -> list[Model]:
    """Let one payment go its whole way at the test bank, and return all its rows."""
    bank = test_bank(running)
    made = running.call("POST", "/payments", PAYMENT, idempotency_key="f" * 32)
    running.call("POST", f"/payments/{made['id']}", choice(bank))
    deadline = time.monotonic() + _PATIENCE_S
    while running.call("GET", f"/payments/{made['id']}")["state"] != "done":
        if time.monotonic() > deadline:
            raise TimeoutError("the test bank did not finish a payment")
        time.sleep(0.1)
    site = running.site
    return models(site.database, site.merchant_id, int(made["id"]))


def test_bank(running: Running) -> str:
    """Return the id of the bank that moves no money."""
    return bank_id(running, "EXA")


def bank_id(running: Running, slug: str) -> str:
    """Return the id of a bank by its slug."""
    found = running.call("GET", "/connectors", token="")["connectors"]
    return str(next(one["uuid"] for one in found if one["slug"] == slug))
