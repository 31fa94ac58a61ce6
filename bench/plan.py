"""How long and how much: the defaults keep the whole run below ten minutes on two cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.bank import Banks
from bench.figures import Figure, Results
from bench.loader import Tally
from bench.places import Place

SMALL = 10_000
BIG = 1_000_000
LARGE = 10_000_000
SLICE_S, WARM_S = 0.15, 0.04
"""What is compared takes turns this short: over half a second and more a machine changes by a tenth, which is much more
than what is looked for. A turn begins with requests that do not count yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the command line decided."""

    rounds: int = 2
    seconds: float = 2.0  #: of each measurement, warm-up apart
    web_processes: int = 2
    sizes: tuple[int, ...] = (SMALL, BIG)
    streams: int = 10_000
    payers: int = 240  #: whose browsers wait for the bank's word
    moves: int = 150  #: that webhooks tell of, in each turn of a round
    backlog: int = 8_000  #: webhooks that wait to be sent, in each round

    @property
    def turns(self) -> int:
        """How many slices a measurement is cut into."""
        return max(1, round(self.seconds / SLICE_S))


@dataclass(slots=True)
class Scene:
    """What every scenario is given."""

    plan: Plan
    root: Path
    places: Sequence[Place]
    banks: Banks
    results: Results
    tell: Callable[[str], None]

    @property
    def main(self) -> Place:
        """The engine that production uses, or the other where there is only that."""
        return next((place for place in self.places if place.kind == "postgres"), self.places[0])

    def note(self, key: str, line: Figure, tally: Tally) -> None:
        """Add one round to a figure: its rate and latencies, and what was refused."""
        if tally.refused:
            line = replace(line, note=f"answers in the last round: {tally.statuses}")
        self.results.note(key, line, tally.rate, tally.p50_ms, tally.p99_ms)
