"""Banks as the directory lists them, and the seam between us and the code that speaks to them.

A connector is one exported `Connector` value. Its filled slots are its capabilities: an empty slot means that
this kind of bank cannot. Connectors receive an `Errand` (all they may know of one attempt) and a `Line`
(the only way out), return values, and raise nothing but `BankTrouble`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Frequency, Recurrence

if TYPE_CHECKING:
    from opengiro.domain.accounts import Account
    from opengiro.domain.lifecycle import Trigger
    from opengiro.domain.money import Money


class Need(StrEnum):
    """Whether a bank wants the payer's account before it will talk."""

    FORBIDDEN = "not_used"
    OPTIONAL = "optional"
    REQUIRED = "mandatory"


class Health(StrEnum):
    """How a bank's interface has been doing."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


class Moved(StrEnum):
    """What trouble with a bank says about money."""

    NOT_SENT = "not_sent"  #: the order never reached the bank
    REFUSED = "refused"  #: the bank understood it and said no
    UNKNOWN = "unknown"  #: it may have arrived: ask, never send again


class BankTrouble(Exception):  # the outside world, not a malfunction of ours
    """The bank failed us. `permanent` says whether asking again could help, `money` what may have happened."""

    def __init__(
        self,
        said: str,
        *,
        permanent: bool,
        money: Moved,
        reason: Reason | None = None,
        message: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        """Keep the bank's words (scrubbed of secrets) and, if it sent one, its text for the payer."""
        super().__init__(said)
        self.said = said
        self.permanent = permanent
        self.money = money
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """An entry of the directory. Differences between banks of one standard are data here, not branches in code."""

    bank_id: str  #: UUID, stable
    number: int  #: small integer id of the powens wire
    name: str
    connector: str
    countries: tuple[str, ...]
    base_url: str = ""
    legal_name: str | None = None
    bic: str | None = None
    aliases: tuple[str, ...] = ()
    iban_prefixes: tuple[str, ...] = ()
    executions: tuple[Execution, ...] = (Execution.FIRST_OPEN_DAY,)
    frequencies: tuple[Frequency, ...] = ()  #: of the standing orders it takes, if `executions` has periodic ones
    payer_account: Need = Need.OPTIONAL
    no_final_status: tuple[Execution, ...] = ()  #: execution types that may end in `accepted`
    instructions_max: int = 1
    minimum_minor: Mapping[Execution, int] = field(default_factory=dict)
    maximum_minor: Mapping[Execution, int] = field(default_factory=dict)
    date_delta_days_max: int | None = None
    health: Health = Health.HEALTHY
    colour: str | None = None
    cancels: bool = True  #: it forgets an order nobody approved; the connector's slot must be filled as well
    decoupled: bool = False  #: the payer approves on a phone, without being sent anywhere
    hint: str | None = None  #: a sentence for this bank's payers
    hidden: bool = False
    slug: str | None = None
    profile: Mapping[str, str] = field(default_factory=dict)  #: further differences only its connector reads


@dataclass(frozen=True, slots=True)
class Field:
    """Something the bank wants the payer to type or choose; `choices` are (value, label) pairs."""

    name: str
    label: str
    required: bool = True
    regex: str | None = None
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the payer to the bank."""

    url: str


@dataclass(frozen=True, slots=True)
class Decoupled:
    """The payer approves in the bank's app; `message` is the bank's own instruction."""

    message: str | None


@dataclass(frozen=True, slots=True)
class AskFields:
    """The bank wants answers from the payer."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """The bank waits for the merchant's word until `until`."""

    until: datetime | None = None


NextAction = Redirect | Decoupled | AskFields | Confirm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the bank is asked to pay, in its own alphabet: text is already mapped to the SEPA set."""

    amount: Money
    payee: Account
    label: str
    reference_id: str
    execution: Execution
    requested_date: date | None
    payer: Account | None
    recurrence: Recurrence | None = None  #: of a standing order, starting no earlier than the payer's consent


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One attempt at one bank, as its connector sees it.

    `memory` is whatever JSON text the connector returned last; we keep it and never read it.
    """

    bank: Bank
    orders: tuple[Order, ...]
    request_id: str  #: UUID of the attempt
    return_url: str  #: where the bank sends the payer after approval or refusal; carries a single-purpose ticket
    own_url: str  #: public base URL of this server
    started_at: datetime
    now: datetime
    fields: Mapping[str, str] = field(default_factory=dict)
    payer_ip: str | None = None
    payer_agent: str | None = None
    bank_payment_id: str | None = None
    memory: str = ""
    said: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a bank said of an attempt, and what it means.

    `trigger` None changes nothing; `known` False says that the status is in no table, which is counted and
    kept verbatim. `action` is the payer's next step as it stands now. `awaits_us` asks for a confirmation.
    `executed` holds the dates of a standing order that the bank tells of: None was executed, else why not.
    """

    said: str
    trigger: Trigger | None = None
    known: bool = True
    sca: str | None = None
    reason: Reason | None = None
    message: str | None = None
    action: NextAction = None
    awaits_us: bool = False
    bank_payment_id: str | None = None
    memory: str = ""
    executed: Mapping[date, Reason | None] = field(default_factory=dict)
    ask_in: timedelta | None = None  #: None leaves it to the common schedule
    link_expires_in: timedelta | None = None


class Cancelled(StrEnum):
    """How a bank answered a cancellation."""

    AT_ONCE = "at_once"
    PAYER_MUST_APPROVE = "payer_must_approve"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The bank's answer to a cancellation, with the link where the payer approves it if that is needed."""

    outcome: Cancelled
    said: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer from a bank: body as bytes, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(Protocol):
    """The way out to banks: one HTTP exchange, bounded in time and size."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        """Send one request; raises `BankTrouble` (NOT_SENT when no byte left, UNKNOWN otherwise)."""


Ask = Callable[[Line, Errand], Awaitable[Heard]]
Canceller = Callable[[Line, Errand], Awaitable[Cancellation]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """What a connector folder exports. Each optional slot that is filled declares the capability."""

    name: str
    initiate: Ask
    observe: Ask
    heard: Mapping[str, Trigger | None]  #: every documented status and the trigger it is
    returned: Callable[[Errand, Mapping[str, str]], Errand] | None = None  #: reads the bank's return query
    answer: Callable[[Line, Errand, Mapping[str, str]], Awaitable[Heard]] | None = None  #: takes asked fields
    confirm: Callable[[Line, Errand, bool], Awaitable[Heard]] | None = None
    cancel: Canceller | None = None
    scrub: Callable[[str], str] = str  #: takes secrets out of recorded text
    payment_fields: tuple[Field, ...] = ()  #: static fields the merchant may send with the validation
