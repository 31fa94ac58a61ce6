"""All of it over databases of different sizes, side by side: what grows with the number of payments?"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bench.bank import CODE
from bench.crowd import payments
from bench.delivering import ENDPOINTS, Side, measure, register
from bench.draining import drain
from bench.figures import Figure, p50_p99
from bench.filling import fill
from bench.following import knowing
from bench.loader import Given, Job, load, take_turns
from bench.places import NAMES, Place, twin
from bench.plan import SLICE_S, SMALL, WARM_S, Scene
from bench.rows import Model, models
from bench.sink import Sink, sinking
from bench.site import ZONE, Running, Site
from bench.wire import PAYMENT, choice, choices, creates, listing, reads, tokens

CONNECTIONS = 32
FEW = 8
_PATIENCE_S = 60
_CHOOSING = 2
"""A choice takes so long that its slices are longer by this."""
_CHOICES_PER_S = 600
"""More than the sandbox bank takes, so payments never run out before the time."""
_FIRST = 10_000
"""So many payments are made before any counts. A page that is touched for the first time after a checkpoint is logged
whole; over the hundred thousand payments between two checkpoints that is rare, at their beginning it is not."""
_MOVES = 150
_PAYERS = 150
ASKED = ("create", "read", "list", "newest", "token")


@dataclass(frozen=True, slots=True)
class Filled:
    """A site that holds many payments, some of which can be read."""

    place: Place
    size: int
    site: Site
    sample: list[int]

    @property
    def name(self) -> str:
        """What its endpoints go by at the sink."""
        return f"{self.place.kind}-{self.size}-"


@dataclass(frozen=True, slots=True)
class Grown:
    """Such a site that serves."""

    filled: Filled
    running: Running

    def job(self, what: str, turns: int) -> tuple[str, Job]:
        """Return a load of so many turns, and a name for people."""
        port, token = self.running.port, self.running.token
        page = "limit=20&reverse=true"
        match what:
            case "create":
                return what, Job(port, creates(token), CONNECTIONS, WARM_S, SLICE_S)
            case "read":
                return "read by id", Job(port, reads(token, self.filled.sample), CONNECTIONS, WARM_S, SLICE_S)
            case "list":
                yesterday = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
                query = f"min_date={yesterday}&max_date={yesterday + timedelta(days=1)}&state=done&{page}"
                return "list, done yesterday, 20 of a page", Job(port, listing(token, query), FEW, WARM_S, SLICE_S)
            case "newest":
                return "list, the newest 20 of all", Job(port, listing(token, page), FEW, WARM_S, SLICE_S)
            case "token":
                return "service token", Job(port, tokens(*self.running.site.client), CONNECTIONS, WARM_S, SLICE_S)
            case _:  # our commit, the bank's answer over real HTTP, our second commit: most of it is the bank
                warm_s, slice_s = _CHOOSING * WARM_S, _CHOOSING * SLICE_S
                made = payments(self.running, round(turns * (warm_s + slice_s) * _CHOICES_PER_S))
                chosen = choices(token, made, self.running.bank_id(CODE))
                return "choose a sandbox bank", Job(port, chosen, FEW, warm_s, slice_s)

    def figure(self, what: str, called: str, unit: str) -> tuple[str, Figure]:
        """Return the key and the line that a round of something belongs to."""
        place, size = self.filled.place, self.filled.size
        return f"{place.kind}.{size}.{what}", Figure(f"{NAMES[place.kind]} with {size:,} payments", called, unit)


def grow(scene: Scene) -> None:
    """Measure at every size of the plan, on every engine, side by side; what takes long, on production's alone."""
    filled = _filled(scene)
    with contextlib.ExitStack() as stack:
        grown = [stack.enter_context(_served(one)) for one in filled]
        for one in grown:
            payments(one.running, _FIRST)
        mains = [one for one in grown if one.filled.place is scene.main]
        for number in range(scene.plan.rounds):
            for name in ASKED:
                _measure(scene, grown, name)
            _know(scene, mains)
            scene.tell(f"growth: round {number + 1} of {scene.plan.rounds}")
        sink = stack.enter_context(sinking())
        for one in grown:
            register(sink, one.running, one.filled.name)
        for number in range(scene.plan.rounds):
            for ours in _by_engine(grown):
                _drain(scene, ours, sink)
            _tell_first(scene, mains, sink)
            scene.tell(f"growth of webhooks: round {number + 1} of {scene.plan.rounds}")
    if scene.main.kind == "postgres":
        _choose(scene, [one for one in filled if one.place is scene.main])


def _choose(scene: Scene, filled: Sequence[Filled]) -> None:
    """Bring payments to a bank, round after round, while nobody works: thousands would be asked for at the bank.

    A server on SQLite works in any case, since nobody else could.
    """
    with contextlib.ExitStack() as stack:
        grown = [stack.enter_context(_served(one, work=False)) for one in filled]
        for _ in range(scene.plan.rounds):
            _measure(scene, grown, "choose")


def _measure(scene: Scene, grown: Sequence[Grown], name: str) -> None:
    """Take a round of something, on each engine the sizes in turns."""
    if name == "token":  # it has nothing to do with payments
        grown = [one for one in grown if one.filled.size == SMALL]
    for ours in _by_engine(grown):
        jobs = [one.job(name, scene.plan.turns) for one in ours]
        tallies = take_turns([job for _, job in jobs], scene.plan.turns)
        for one, (called, job), tally in zip(ours, jobs, tallies, strict=True):
            scene.note(*one.figure(name, f"{called}, {job.connections} connections", "/s"), tally)


def _by_engine(grown: Sequence[Grown]) -> Iterator[list[Grown]]:
    for kind in NAMES:
        ours = [one for one in grown if one.filled.place.kind == kind]
        if ours:
            yield ours


def _know(scene: Scene, grown: Sequence[Grown]) -> None:
    latencies = knowing(scene, [one.running for one in grown], _PAYERS)
    _note_times(scene, grown, ("know", "bank says done to browser knows"), latencies)


def _drain(scene: Scene, grown: Sequence[Grown], sink: Sink) -> None:
    rates = drain(sink, [(one.filled.name, one.running) for one in grown], scene.plan.backlog // ENDPOINTS)
    for one, rate in zip(grown, rates, strict=True):
        scene.results.note(*one.figure("deliver", f"webhooks to {ENDPOINTS} endpoints", "/s"), rate)


def _tell_first(scene: Scene, grown: Sequence[Grown], sink: Sink) -> None:
    sides = [Side(one.filled.name, one.running, payments(one.running, _MOVES)) for one in grown]
    _note_times(scene, grown, ("tell", "move to first attempt"), measure(sink, sides, _MOVES))


def _note_times(
    scene: Scene, grown: Sequence[Grown], about: tuple[str, str], latencies: Sequence[Sequence[float]]
) -> None:
    for one, found in zip(grown, latencies, strict=True):
        p50, p99 = p50_p99(found)
        scene.results.note(*one.figure(*about, "ms p50"), p50, p50, p99)


def _filled(scene: Scene) -> list[Filled]:
    """Return all sites, filled; the engines are filled at the same time."""
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(_fill_all, scene, place, _taken(scene, place)) for place in scene.places]
        filled = [one for done in waiting for one in done.result()]
    os.sync()  # of ten million payments the kernel still has gigabytes to write
    return filled


def _taken(scene: Scene, place: Place) -> list[tuple[int, Site, list[Model]]]:
    """Return a site for each size, with the rows of the one payment that it took."""
    found = []
    for size in scene.plan.sizes:
        site = twin(place, f"grown{size}")
        with site.serving() as running:
            found.append((size, site, finished_payment(running)))
    return found


def _fill_all(scene: Scene, place: Place, taken: Sequence[tuple[int, Site, list[Model]]]) -> list[Filled]:
    found = []
    for size, site, whole in taken:
        begun = time.monotonic()
        found.append(Filled(place, size, site, fill(site, whole, size)))
        scene.tell(f"{NAMES[place.kind]}: {size:,} payments in {time.monotonic() - begun:.0f} s")
    return found


@contextlib.contextmanager
def _served(filled: Filled, *, work: bool = True) -> Iterator[Grown]:
    """Serve a site that was filled, and read all that will be read once, as if it had served for days."""
    with filled.site.serving(work=work) as running:
        once = Given(reads(running.token, filled.sample).requests, once=True)
        load(Job(running.port, once, CONNECTIONS, warm_s=0, seconds=_PATIENCE_S))
        yield Grown(filled, running)


def finished_payment(running: Running) -> list[Model]:
    """Let one payment go its whole way at the test bank, and return all its rows."""
    bank = running.bank_id("EXA")  # it moves no money
    made = running.call("POST", "/payments", PAYMENT, idempotency_key="f" * 32)
    running.call("POST", f"/payments/{made['id']}", choice(bank))
    deadline = time.monotonic() + _PATIENCE_S
    while running.call("GET", f"/payments/{made['id']}")["state"] != "done":
        if time.monotonic() > deadline:
            raise TimeoutError("the test bank did not finish a payment")
        time.sleep(0.1)
    site = running.site
    return models(site.database, site.merchant_id, int(made["id"]))
