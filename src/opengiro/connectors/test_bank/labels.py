"""The label grammar: a payment's own label tells the test bank how to end, and after how long.

Up to three words split by `/` stand before the first `-`: any number of `pdng`, then one that ends it. Words
that mean nothing are passed over, so an ordinary label ends `done` at once. Of a standing order each word tells the
end of one date instead, the first word that of the first date; dates without a word, or with `pdng`, are executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest

from opengiro.connectors.test_bank.heard import REASONS
from opengiro.domain.banks import Order
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import due_dates

ENDS = frozenset({"done", "canc", "rjct", "err", "bug"})
WORDS_MAX = 3
PHASE = timedelta(minutes=15)
PHASE_INSTANT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Course:
    """Phases of pending, then an end."""

    phases: int
    end: str
    phase: timedelta

    def at(self, elapsed: timedelta) -> tuple[str, timedelta | None]:
        """Return the word for a moment after the start, and how long it stays true (None: for ever)."""
        passed = elapsed // self.phase
        if passed >= self.phases:
            return self.end, None
        return "pdng", self.phase * (passed + 1) - elapsed


def course(label: str, execution: Execution) -> Course:
    """Read the course a label asks for."""
    words = label.partition("-")[0].split("/")[:WORDS_MAX]
    known = [word for word in (word.strip().lower() for word in words) if word == "pdng" or word in ENDS]
    end = next((word for word in known if word in ENDS), None)
    phases = known.index(end) if end else len(known)
    return Course(phases, end or "done", PHASE_INSTANT if execution is Execution.INSTANT else PHASE)


def outcomes(order: Order, today: date) -> dict[date, Reason | None]:
    """Return what became of every date of a standing order up to today: None was executed, else why not."""
    recurrence = order.recurrence
    if recurrence is None:
        return {}
    words = [word.strip().lower() for word in order.label.partition("-")[0].split("/")]
    dates = due_dates(recurrence.start, recurrence.end, recurrence.frequency, today)
    return {day: REASONS.get(word) for day, word in zip_longest(dates, words[:WORDS_MAX]) if day}
