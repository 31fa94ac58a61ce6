"""Collects what is wrong with a request, so that one answer names it all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from opengiro.domain.refusals import Complaint, Refusal, Refused

T = TypeVar("T")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(slots=True)
class Complaints:
    """The complaints so far, in the order of the properties they are about."""

    found: list[Complaint] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Say what is wrong with a property."""
        self.found.append(Complaint(path, text))

    def need(self, value: T | None, path: str) -> T | None:
        """Return the value, complaining when it is absent."""
        if value is None or value == "":
            self.found.append(Complaint(path, "is required", missing=True))
            return None
        return value

    def raise_any(self) -> None:
        """Refuse when anything was wrong; the first complaint decides between missing and invalid."""
        if self.found:
            why = Refusal.FIELD_MISSING if self.found[0].missing else Refusal.FIELD_INVALID
            raise Refused(why, *self.found)


def civil_date(text: str) -> date | None:
    """Return the date written as YYYY-MM-DD, or None when the text is no date."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
