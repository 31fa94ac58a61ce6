"""A run as a picture for the docs: one SVG without scripts, readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.creating import CONNECTIONS
from bench.figures import Results
from bench.places import NAMES
from bench.plan import SMALL
from bench.report import PICTURE, number

_WIDTH, _LABEL, _ROOM = 760, 210, 440
_BAR, _GAP, _HEAD = 15, 10, 46
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c2733 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 12px; fill: #5a6775 }
.first { fill: #0b6e4f }
.second { fill: #a9b8c6 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9fb0c0 } .first { fill: #3fb68b } .second { fill: #53667a }
}
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bars that are compared."""

    label: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Pairs on one scale."""

    title: str
    first: str
    second: str
    pairs: Sequence[Pair]

    @property
    def height(self) -> int:
        """How tall it is."""
        return _HEAD + len(self.pairs) * (2 * _BAR + _GAP) + _GAP


def draw(results: Results, sizes: Sequence[int]) -> str:
    """Return the picture of a run; panels without figures are left out."""
    panels = [panel for panel in _panels(results, sizes) if panel.pairs]
    height = sum(panel.height for panel in panels) + _GAP
    parts: list[str] = []
    top = _GAP
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{PICTURE}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"


def _panels(results: Results, sizes: Sequence[int]) -> Iterator[Panel]:
    rivals = {"postgres": "pgbench, one statement", "sqlite": "a loop in C, batches as large"}
    for kind, name in NAMES.items():
        keys = [(f"{count} at once", f"{kind}.create.{count}", f"{kind}.rival.{count}") for count in CONNECTIONS]
        yield Panel(f"Payments created per second on {name}", "OpenGiro over HTTP", rivals[kind], _pairs(results, keys))
    if (large := max(sizes)) == SMALL:
        return
    for kind, name in NAMES.items():
        named = {"create": "create", "read": "read by id", "list": "list of yesterday"}
        keys = [(text, f"{kind}.{large}.{what}", f"{kind}.{SMALL}.{what}") for what, text in named.items()]
        title = f"Requests per second on {name} as the database grows"
        yield Panel(title, f"{large:,} payments", f"{SMALL:,} payments", _pairs(results, keys))


def _pairs(results: Results, keys: Sequence[tuple[str, str, str]]) -> list[Pair]:
    found = [(label, results.value(first), results.value(second)) for label, first, second in keys]
    return [Pair(label, first, second) for label, first, second in found if first is not None and second is not None]


def _panel(panel: Panel, top: int) -> Iterator[str]:
    most = max(max(pair.first, pair.second) for pair in panel.pairs)
    yield f'<text class="title" x="12" y="{top + 18}">{escape(panel.title)}</text>'
    yield f'<rect class="first" x="{_LABEL}" y="{top + 28}" width="10" height="10" rx="2"/>'
    yield f'<text class="small" x="{_LABEL + 15}" y="{top + 37}">{escape(panel.first)}</text>'
    yield f'<rect class="second" x="{_LABEL + 180}" y="{top + 28}" width="10" height="10" rx="2"/>'
    yield f'<text class="small" x="{_LABEL + 195}" y="{top + 37}">{escape(panel.second)}</text>'
    at = top + _HEAD
    for pair in panel.pairs:
        yield f'<text x="12" y="{at + _BAR + 4}">{escape(pair.label)}</text>'
        for kind, value in (("first", pair.first), ("second", pair.second)):
            length = max(1, round(value / most * _ROOM))
            yield f'<rect class="{kind}" x="{_LABEL}" y="{at}" width="{length}" height="{_BAR - 2}" rx="2"/>'
            yield f'<text class="small" x="{_LABEL + length + 6}" y="{at + 11}">{number(value)}</text>'
            at += _BAR
        at += _GAP
