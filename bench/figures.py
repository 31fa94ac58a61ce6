"""What was measured, as numbers: a figure is the median of its rounds with their spread, a bar is what it should reach.

A figure that could not be taken is absent and says why; it is never estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median


class Direction(StrEnum):
    """Which side of a bar is the good one."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `rounds` are the single measurements, in the order they were taken."""

    group: str
    name: str
    unit: str
    rounds: tuple[float, ...] = ()
    p50_ms: tuple[float, ...] = ()  #: of the latencies, where there are any, round by round
    p99_ms: tuple[float, ...] = ()
    note: str = ""

    @property
    def value(self) -> float | None:
        """The median, or None where nothing was measured."""
        return median(self.rounds) if self.rounds else None

    @property
    def spread(self) -> float | None:
        """Half the distance between the best and the worst round, as a share of the median."""
        if len(self.rounds) < 2 or not self.value:
            return None
        return (max(self.rounds) - min(self.rounds)) / 2 / abs(self.value)


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio or a limit, what it came to, and what it should be; `value` None says that it was not measured."""

    name: str
    value: float | None
    limit: float
    direction: Direction
    unit: str = "×"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None where there is nothing to judge."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.direction is Direction.AT_LEAST else self.value <= self.limit


@dataclass(slots=True)
class Results:
    """Everything one run found, by the key each scenario keeps it under."""

    figures: dict[str, Figure] = field(default_factory=dict)
    absences: dict[str, str] = field(default_factory=dict)  #: scenarios without figures, and why

    def note(
        self, key: str, line: Figure, value: float, p50_ms: float | None = None, p99_ms: float | None = None
    ) -> None:
        """Add one round to a figure; `line` says how it is called, and in the first round makes it."""
        known = self.figures.get(key, line)
        self.figures[key] = replace(
            known,
            rounds=(*known.rounds, value),
            p50_ms=known.p50_ms if p50_ms is None else (*known.p50_ms, p50_ms),
            p99_ms=known.p99_ms if p99_ms is None else (*known.p99_ms, p99_ms),
            note=line.note or known.note,
        )

    def value(self, key: str) -> float | None:
        """Return the median that was found under a key, if any."""
        return self.figures[key].value if key in self.figures else None

    def paired(self, above: str, below: str) -> float | None:
        """Return the median of the ratios of two figures round by round: what disturbed a round disturbed both."""
        if above not in self.figures or below not in self.figures:
            return None
        pairs = list(zip(self.figures[above].rounds, self.figures[below].rounds, strict=False))
        ratios = [one / other for one, other in pairs if other]
        return median(ratios) if ratios else None


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed (nearest rank).

    No value is invented between two measured ones. Raises `ValueError` for no values at all.
    """
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values, no percentile")
    if not 0 < share <= 1:
        raise ValueError("a share is above 0 and at most 1")
    return ranked[math.ceil(share * len(ranked)) - 1]


def p50_p99(values: Sequence[float]) -> tuple[float, float]:
    """Return the two percentiles that every latency here is told by."""
    return percentile(values, 0.5), percentile(values, 0.99)
