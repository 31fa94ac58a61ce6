"""What each page shows, as frozen values: routes choose a page, templates print it, and neither knows the other.

Every value is final text or a fact to be written in the payer's language; no page carries a token or a full IBAN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING

from opengiro.domain.banks import Bank, Field, Health
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Recurrence

if TYPE_CHECKING:
    from opengiro.domain.money import Money


class Notice(StrEnum):
    """A sentence above a page about what the payer just asked for and did not get."""

    BANK_BUSY = "bank_busy"  #: the bank that may still pay could not be stopped
    LAPSED = "lapsed"  #: nobody approved in time and the bank has let go
    TRY_AGAIN = "try_again"  #: the only bank there is did not take the payment
    NOT_STOPPED = "not_stopped"  #: the bank did not cancel what it already has


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is being paid, on every page: the payer compares it with what the bank will show."""

    shop: str
    legal_name: str | None
    amount: Money
    payee: str
    others: int  #: further accounts that are paid by the same approval
    label: str
    execution: Execution
    execution_date: date | None
    recurrence: Recurrence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything around a page: language, time zone, where forms go, and the form token."""

    language: str
    zone: tzinfo
    base: str  #: path of this checkout, without a slash at the end
    csrf: str
    summary: Summary
    may_cancel: bool = False
    may_leave: bool = True
    test: bool = False  #: the banks are sandbox banks
    own: bool = True  #: whether this browser holds the session; a receipt elsewhere has nothing to press
    step: str = ""  #: what a script compares to see that another page is due
    notice: Notice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseBank:
    """Step one: every bank that can make this payment, most used first."""

    country: str
    countries: tuple[str, ...]
    popular: tuple[Bank, ...] = ()
    banks: tuple[Bank, ...] = ()
    query: str = ""
    found: int = 0  #: how many banks match; the page lists the first of them
    failed: Bank | None = None  #: the bank that could not take this payment a moment ago
    message: str | None = None  #: what that bank said


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Step two: what the bank will be asked, with the payer's IBAN only where this bank needs it."""

    bank: Bank
    payee_account: str  #: masked
    needs_iban: bool = False
    iban: str = ""
    terms_url: str | None = None
    locked: bool = False
    fields: tuple[Field, ...] = ()  #: what this kind of bank wants to know at the start
    values: Mapping[str, str] = field(default_factory=dict)
    complaints: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> Mapping[str, str]:
        """What each asked element of the form is called, for the list of complaints."""
        return labels_of(self.fields)


@dataclass(frozen=True, slots=True)
class GoToBank:
    """The step out: a link the payer can press and a refresh that presses it, since a form may not lead outside."""

    bank: Bank
    url: str


@dataclass(frozen=True, slots=True)
class TermsText:
    """What the payer is asked to agree to, in the merchant's own words and language."""

    content: str
    language: str


@dataclass(frozen=True, slots=True)
class AtBank:
    """The payer was sent to the bank and is looking at our page again."""

    bank: Bank
    until: datetime
    returned: bool = False  #: the payer came back from there, and the bank has not said how it went


@dataclass(frozen=True, slots=True)
class GoToShop:
    """The payer's part is over and a form led here, so a refresh takes them back to the shop."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveOnPhone:
    """The bank asked the payer on another device."""

    bank: Bank
    message: str | None
    until: datetime
    since: datetime
    checked: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBank:
    """The bank wants something typed or chosen before it goes on."""

    bank: Bank
    fields: tuple[Field, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    complaints: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> Mapping[str, str]:
        """What each element of the form is called, for the list of complaints."""
        return labels_of(self.fields)


class Watch(StrEnum):
    """What a payer may have to wait for with nothing to do."""

    STARTING = "starting"  #: the bank is being asked to take the payment
    CONFIRMING = "confirming"  #: the shop has to confirm
    PROCESSING = "processing"  #: the bank has not said yet what became of the approval
    UNKNOWN = "unknown"  #: the bank did not say whether it has the payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A short wait, said with its reason and the time of the last look."""

    what: Watch
    bank: Bank | None
    checked: datetime


class Ending(StrEnum):
    """How it ended, or stands when the payer's part is over."""

    PENDING = "pending"
    DONE = "done"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SCHEDULED = "scheduled"  #: the bank has it and keeps it until its date
    REPEATS = "repeats"  #: its dates keep falling due
    FINISHED = "finished"  #: it repeated until its last date
    STOPPED = "stopped"  #: it repeated, was paid on some dates, and ended before its last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The receipt: whether money moved, and what to do next."""

    ending: Ending
    bank: Bank | None = None
    reason: Reason | None = None
    message: str | None = None  #: the bank's own words
    until: datetime | None = None  #: by when a pending payment is known
    at: datetime | None = None
    back: str | None = None  #: the shop's page; None where this browser has no session
    leaves_alone: bool = False  #: whether the page goes back to the shop by itself


class Trouble(StrEnum):
    """Why there is no checkout to show. Such a page has no payment on it and never leads elsewhere by itself."""

    LINK_INVALID = "link_invalid"
    LINK_EXPIRED = "link_expired"
    OTHER_BROWSER = "other_browser"
    FORM_STALE = "form_stale"
    NOT_FOUND = "not_found"
    BUSY = "busy"  #: there is too much to do, or the database is away
    CLOSED = "closed"  #: the operator holds everything back
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Again:
    """Where a page that is not to be had just now can be had later."""

    url: str  #: empty is the page's own address
    wait_s: int
    alone: bool  #: whether the page tries by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A recurring payment that runs: its next date, and the way to stop it unless its bank offers none.

    `stopping` means that the bank waits for the payer's approval of the stop.
    """

    bank: Bank
    next_date: date | None
    may_stop: bool
    stopping: bool
    back: str | None = None


Page = (
    ChooseBank
    | Review
    | Standing
    | TermsText
    | GoToBank
    | GoToShop
    | AtBank
    | ApproveOnPhone
    | AnswerBank
    | Watching
    | Outcome
)


PLAIN, FADED = "#33415c", "#8a94a6"
"""Colours of a tile without one of its own, and of a bank that cannot be chosen."""


def labels_of(fields: tuple[Field, ...]) -> Mapping[str, str]:
    """Return the label of each asked field by the id of its element."""
    return {f"field-{asked.name}": asked.label for asked in fields}


def masked(identification: str) -> str:
    """Return an account as a person recognises it: the first four and the last four characters."""
    if len(identification) <= 8:
        return "•• " + identification[-2:]
    return f"{identification[:4]} •••• •••• {identification[-4:]}"


def monogram(name: str) -> str:
    """Return one or two capitals that stand for a name where a logo would be."""
    words = [word for word in name.replace("-", " ").replace("’", " ").split() if word[0].isupper() or len(word) > 3]
    letters = "".join(word[0] for word in words[:2]) or name[:1]
    return letters.upper()


def ink(colour: str) -> str:
    """Return black or white, whichever reads better on `#rrggbb` (weights of red, green and blue to the eye)."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return "#10203a" if 299 * red + 587 * green + 114 * blue > 150_000 else "#ffffff"


def usable(bank: Bank) -> bool:
    """Tell whether a payer may choose this bank now."""
    return bank.health is not Health.DOWN
