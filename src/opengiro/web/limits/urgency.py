"""How much it matters that a request is answered now: payers under way go before orders that are yet to begin."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.dialects import Dialect


class Urgency(Enum):
    """Who is refused first. Values are the words that metrics use."""

    NEW = "new"  #: begins something or lists: its caller loses nothing by coming again
    UNDER_WAY = "under_way"  #: about something that exists: a payer at the checkout, a bank's return, one payment
    FREE = "free"  #: health and live status, which have limits of their own or cost nothing

    __hash__ = object.__hash__  # they are looked up for every request, and an enum's own way is slow


def new_paths(dialects: Iterable[Dialect]) -> frozenset[str]:
    """Return the paths that name no thing that exists: what is asked for there is new."""
    return frozenset(
        prefix + route.path
        for dialect in dialects
        for route in dialect.routes
        for prefix in ((dialect.prefix, "") if route.bare else (dialect.prefix,))
        if "{" not in route.path
    )


def urgency(path: str, new: frozenset[str]) -> Urgency:
    """Return how urgent a request to a path is; `new` are the paths as `new_paths` returns them."""
    if path in new or (path.endswith("/") and path.rstrip("/") in new):
        return Urgency.NEW
    if path in ("/healthz", "/readyz") or path.startswith("/live/"):
        return Urgency.FREE
    return Urgency.UNDER_WAY
