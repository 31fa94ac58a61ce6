"""Reads, lists and creates over databases of different sizes, side by side: what grows with the number of payments?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bench.figures import Figure
from bench.filling import fill
from bench.loader import Job, load
from bench.places import NAMES, Place, twin
from bench.plan import SMALL, Scene
from bench.rows import Model, models
from bench.site import ZONE, Running, Site
from bench.wire import PAYMENT, choice, creates, listing, reads, tokens

CONNECTIONS = 32
LISTERS = 8
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Grown:
    """A site that serves many payments."""

    place: Place
    size: int
    running: Running
    sample: list[int]  #: payments to read

    def jobs(self, seconds: float) -> Mapping[str, tuple[str, Job]]:
        """Return what is measured: a name for people, and the load."""
        port, token = self.running.port, self.running.token
        yesterday = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
        days = f"min_date={yesterday}&max_date={yesterday + timedelta(days=1)}"
        page = "limit=20&reverse=true"
        recent, newest = listing(token, f"{days}&state=done&{page}"), listing(token, page)
        found = {
            "create": ("create", Job(port, creates(token), CONNECTIONS, seconds=seconds)),
            "read": ("read by id", Job(port, reads(token, self.sample), CONNECTIONS, seconds=seconds)),
            "list": ("list, done yesterday, 20 of a page", Job(port, recent, LISTERS, seconds=seconds)),
            "newest": ("list, the newest 20 of all", Job(port, newest, LISTERS, seconds=seconds)),
        }
        if self.size == SMALL:  # a token has nothing to do with payments
            asked = tokens(*self.running.site.client)
            found["token"] = ("service token", Job(port, asked, CONNECTIONS, seconds=seconds))
        return found


def grow(scene: Scene) -> None:
    """Measure at every size of the plan, on every engine, side by side."""
    plan = scene.plan
    with contextlib.ExitStack() as stack:
        grown = [stack.enter_context(one) for one in _filled(scene)]
        for number in range(plan.rounds):
            for name in ("create", "read", "list", "newest", "token"):
                for one in grown:
                    _measure(scene, one, name)
            scene.tell(f"reads, lists and growth: round {number + 1} of {plan.rounds}")


def _measure(scene: Scene, one: Grown, name: str) -> None:
    jobs = one.jobs(scene.plan.seconds)
    if name not in jobs:
        return
    what, job = jobs[name]
    group = f"{NAMES[one.place.kind]} with {one.size:,} payments"
    line = Figure(group, f"{what}, {job.connections} connections", "/s")
    scene.note(f"{one.place.kind}.{one.size}.{name}", line, load(job))


def _filled(scene: Scene) -> list[AbstractContextManager[Grown]]:
    """Return all sites, filled and about to serve; the engines are filled at the same time."""
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(_fill_all, scene, place, _taken(scene, place)) for place in scene.places]
        return [one for done in waiting for one in done.result()]


def _taken(scene: Scene, place: Place) -> list[tuple[int, Site, list[Model]]]:
    """Return a site for each size, with the rows of the one payment that it took."""
    found = []
    for size in scene.plan.sizes:
        site = twin(place, f"grown{size}")
        with site.serving() as running:
            found.append((size, site, finished_payment(running)))
    return found


def _fill_all(
    scene: Scene, place: Place, taken: Sequence[tuple[int, Site, list[Model]]]
) -> list[AbstractContextManager[Grown]]:
    found: list[AbstractContextManager[Grown]] = []
    for size, site, whole in taken:
        begun = time.monotonic()
        sample = fill(site, whole, size)
        scene.tell(f"{NAMES[place.kind]}: {size:,} payments in {time.monotonic() - begun:.0f} s")
        found.append(_served(place, size, site, sample))
    return found


@contextlib.contextmanager
def _served(place: Place, size: int, site: Site, sample: list[int]) -> Iterator[Grown]:
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
