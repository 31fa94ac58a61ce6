"""A run as a table for people, as JSON for machines, and as the tables of a page in the docs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Bar, Figure, Results

PICTURE = "Payments created, read and listed a second"
_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"
_VERDICTS = {True: "met", False: "missed", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run found."""

    began: datetime
    took_s: float
    facts: Mapping[str, str]
    plan: Mapping[str, Any]
    results: Results
    bars: Sequence[Bar]

    def text(self) -> str:
        """Return the tables as they are printed."""
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        for group, figures in _grouped(self.results):
            rows = [("", "median", "±", "p50", "p99"), *map(_row, figures)]
            lines += ["", group, *_aligned(rows)]
            lines += [f"  {figure.name}: {figure.note}" for figure in figures if figure.note]
        lines += ["", "bars", *_aligned(map(_bar_row, self.bars))]
        lines += [f"absent: {name}: {why}" for name, why in self.results.absences.items()]
        return "\n".join(lines) + f"\n\ntook {self.took_s:.0f} s\n"

    def json(self) -> str:
        """Return all of it, every round included."""
        figures = {
            key: asdict(one) | {"median": one.value, "spread": one.spread} for key, one in self.results.figures.items()
        }
        told = {
            "began": self.began.astimezone(UTC).isoformat(timespec="seconds"),
            "took_s": round(self.took_s),
            "machine": dict(self.facts),
            "plan": dict(self.plan),
            "figures": figures,
            "bars": [asdict(bar) | {"met": bar.met} for bar in self.bars],
            "absent": self.results.absences,
        }
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Return the tables as the docs show them."""
        lines = [f"Measured on {self.began:%Y-%m-%d} in {self.took_s / 60:.0f} minutes.", ""]
        lines += [
            f"![{PICTURE}](../images/speed.svg)",
            "",
            "| machine | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in self.facts.items()),
            "",
        ]
        lines += ["| what | found | bar | |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(_bar_row(bar))} |" for bar in self.bars]
        for group, figures in _grouped(self.results):
            lines += ["", f"| {group} | median | ± | p50 | p99 |", "|---|---|---|---|---|"]
            lines += [f"| {' | '.join(_row(figure)).strip()} |" for figure in figures]
            lines += ["", *(f"*{figure.name}*: {figure.note}." for figure in figures if figure.note)]
        lines += [f"Absent: {name}, because {why}." for name, why in self.results.absences.items()]
        return "\n".join(lines).rstrip() + "\n"

    def publish(self, page: Path) -> None:
        """Put the tables into a page of the docs, between its marks."""
        before, _, rest = page.read_text().partition(_BEGIN)
        _, _, after = rest.partition(_END)
        page.write_text(f"{before}{_BEGIN}\n\n{self.markdown()}\n{_END}{after}")


def _grouped(results: Results) -> Iterator[tuple[str, list[Figure]]]:
    groups: dict[str, list[Figure]] = {}
    for figure in results.figures.values():
        groups.setdefault(figure.group, []).append(figure)
    yield from groups.items()


def _row(figure: Figure) -> tuple[str, ...]:
    spread = "" if figure.spread is None else f"{figure.spread:.0%}"
    return (figure.name, f"{number(figure.value)} {figure.unit}", spread, _ms(figure.p50_ms), _ms(figure.p99_ms))


def _ms(rounds: Sequence[float]) -> str:
    return f"{number(median(rounds))} ms" if rounds else ""


def _bar_row(bar: Bar) -> tuple[str, ...]:
    found = (
        "–"
        if bar.value is None
        else f"{bar.value:.2f} {bar.unit}"
        if bar.unit == "×"
        else f"{number(bar.value)} {bar.unit}"
    )
    return (bar.name, found, f"{bar.direction} {bar.limit:g} {bar.unit}", _VERDICTS[bar.met])


def number(value: float | None) -> str:
    """Return a number with about three digits that matter."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    known = list(rows)
    if not known:
        return []
    widths = [max(map(len, column)) for column in zip(*known, strict=True)]
    return [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in known
    ]
