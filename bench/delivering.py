"""Webhooks: how soon a move is told while half of the endpoints hang.

The time of a move is that of its row, which was decided just before its commit: latencies here are a little too long.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.crowd import payments
from bench.figures import Figure, p50_p99
from bench.places import twin
from bench.plan import Scene
from bench.sink import Arrival, Sink, sinking
from bench.site import Running
from bench.wire import CANCEL

ENDPOINTS, HEALTHY = 20, 10
GROUP = "webhooks"
_MOVES_PER_S = 30
"""About a third of what the machine could do, so that nothing waits for a processor but by chance."""
_OTHERS = {"all": "answer", "half": "hang"}
_TURNS = ("all", "half", "half", "all")
"""Whoever goes first in a round also goes last: what changes evenly meanwhile changes both alike."""
_WARMING = 60
"""So many moves each side makes before any counts: connections are made, statements prepared, tables learnt."""
_LAST_S = 20
"""How long webhooks may still come when the last move is made."""


@dataclass(slots=True)
class Side:
    """A server whose webhooks are watched at the same healthy endpoints, whatever the others do."""

    name: str
    running: Running
    waiting: list[int]  #: payments that have not moved yet

    def move(self) -> None:
        """Cancel a payment: a move that all endpoints hear of."""
        self.running.call("POST", f"/payments/{self.waiting.pop()}", CANCEL)

    def moved_at(self, payments: Iterable[int]) -> Mapping[int, float]:
        """Return when these payments moved, in seconds since 1970."""
        chosen = ", ".join(map(str, payments))
        site = self.running.site
        which = f"merchant_id = {site.merchant_id} AND payment_id IN ({chosen}) AND ordinal = 1"
        rows = site.database.rows(f"SELECT payment_id, at_us FROM moves WHERE {which}")
        return {payment_id: at_us / 1e6 for payment_id, at_us in rows}


def deliver(scene: Scene) -> None:
    """Measure the time from a move to its first arrival, while all endpoints are healthy and while half of them hang.

    It is measured on the engine that production uses. Both servers have as many endpoints, and the same ten of them
    count, so the state of the others is all that differs.
    """
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(sinking())
        sides = [
            stack.enter_context(_side(scene, sink, "all", others="ok")),
            stack.enter_context(_side(scene, sink, "half", others="hang")),
        ]
        measure(sink, sides, _WARMING)
        for number in range(scene.plan.rounds):
            latencies: dict[str, list[float]] = {side.name: [] for side in sides}
            for name in _TURNS:
                (side,) = (one for one in sides if one.name == name)
                side.running.site.database.tidy()
                latencies[name] += measure(sink, [side], scene.plan.moves)[0]
            _note(scene, latencies)
            scene.tell(f"webhooks: round {number + 1} of {scene.plan.rounds}")


def measure(sink: Sink, sides: Sequence[Side], moves: int) -> list[list[float]]:
    """Make so many moves at each side, which take turns, at a steady pace.

    Returns for each side the milliseconds from a move to its first arrival at each healthy endpoint.
    """
    begun = time.monotonic()
    for number in range(moves * len(sides)):
        time.sleep(max(0.0, begun + number / _MOVES_PER_S - time.monotonic()))
        sides[number % len(sides)].move()
    paths = [{f"/ok/{side.name}{at}" for at in range(HEALTHY)} for side in sides]
    first = _first_arrivals(sink, set().union(*paths), moves * HEALTHY * len(sides))
    return [
        _latencies(side, [one for one in first if one.path in ours]) for side, ours in zip(sides, paths, strict=True)
    ]


def _latencies(side: Side, first: Sequence[Arrival]) -> list[float]:
    moved_at = side.moved_at({one.payment_id for one in first})
    return [(one.at - moved_at[one.payment_id]) * 1000 for one in first]


def _note(scene: Scene, latencies: Mapping[str, list[float]]) -> None:
    """Add a round: the latencies of both sides, and the ratio that what disturbed the round disturbs least."""
    for name, found in latencies.items():
        p50, p99 = p50_p99(found)
        about = f"{HEALTHY} endpoints beside {ENDPOINTS - HEALTHY} that {_OTHERS[name]}"
        line = Figure(GROUP, f"move to first attempt, {about}", "ms p99")
        scene.results.note(f"webhook.{name}", line, p99, p50, p99)
    line = Figure(GROUP, "the second to the first, p99", "×")
    scene.results.note("webhook.ratio", line, p50_p99(latencies["half"])[1] / p50_p99(latencies["all"])[1])


def _first_arrivals(sink: Sink, paths: set[str], wanted: int) -> list[Arrival]:
    """Return the first arrival of each move at each of these endpoints."""
    found: dict[tuple[str, int], Arrival] = {}
    deadline = time.monotonic() + _LAST_S
    while len(found) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
        for one in sink.report():
            if one.path in paths:
                found.setdefault((one.path, one.payment_id), one)
    if len(found) < wanted:
        raise TimeoutError(f"{len(found)} of {wanted} webhooks came to healthy endpoints within {_LAST_S} s")
    return list(found.values())


@contextlib.contextmanager
def _side(scene: Scene, sink: Sink, name: str, others: str) -> Iterator[Side]:
    with twin(scene.main, f"hooks_{name}").serving() as running:
        register(sink, running, name, others)
        made = payments(running, _WARMING + scene.plan.moves * scene.plan.rounds * _TURNS.count(name))
        yield Side(name, running, made)


def register(sink: Sink, running: Running, name: str, others: str = "ok") -> None:
    """Have all endpoints told of every move; the first are healthy."""
    for at in range(ENDPOINTS):
        url = sink.url(f"/{'ok' if at < HEALTHY else others}/{name}{at}")
        running.configure("POST", "/webhooks", {"url": url, "event": "PAYMENT_STATE_UPDATED"})
