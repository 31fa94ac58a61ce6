"""Events on their way to merchants: where they go, how an attempt went, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from opengiro.domain.retry import Streak, next_counted_wait, next_wait


class Topic(StrEnum):
    """What an endpoint wants to hear of."""

    PAYMENT_MOVED = "payment_moved"  #: a payment changed its state
    STATUS_CHANGED = "status_changed"  #: in a space, a payment or transaction opened, got under way, or ended


class Resource(StrEnum):
    """What an event of a space's webhook tells of."""

    PAYMENT = "payment"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class About:
    """Which move an event tells of, where one move makes several events: of the payment, or of one occurrence."""

    resource: Resource
    ordinal: int  #: of the move
    occurrence: int | None = None

    def __str__(self) -> str:
        """Write it as storage keeps it."""
        place = "" if self.occurrence is None else f"{self.occurrence}/"
        return f"{self.resource}/{place}{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> About:
        """Read what storage keeps."""
        resource, *place, ordinal = text.split("/")
        return cls(Resource(resource), int(ordinal), int(place[0]) if place else None)


class Stage(StrEnum):
    """How far a delivery got."""

    WAITING = "waiting"  #: to be tried when it is due
    SENDING = "sending"  #: somebody is trying it now
    DELIVERED = "delivered"  #: the endpoint took it
    PARKED = "parked"  #: given up for now; replayable


class Failure(StrEnum):
    """Why no status came back."""

    FORBIDDEN = "forbidden"  #: the guard refused the address
    UNRESOLVED = "unresolved"  #: the host name has no address
    UNREACHABLE = "unreachable"  #: nobody accepted the connection
    TLS = "tls"  #: no trusted, matching certificate
    BROKEN = "broken"  #: the connection broke, or what came was not HTTP
    TIMEOUT = "timeout"  #: the deadline passed
    INTERNAL = "internal"  #: we could not make the request; our fault, logged there


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt went: a status, or the failure that kept it from coming."""

    status: int | None = None
    failure: Failure | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""  #: the beginning, as it came on the wire
    retry_after: timedelta | None = None
    duration_ms: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the receiver took the delivery: any 2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more of this, ever."""
        return self.status == 410

    @property
    def asked_pause(self) -> timedelta | None:
        """How long an overloaded receiver asked to be left alone."""
        return self.retry_after if self.status in (429, 503) else None


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret; `until` is set once a newer one replaced it."""

    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAuth:
    """A merchant's signing key, which several webhooks may share; newest secret first."""

    merchant_id: int
    auth_id: int
    kind: str
    name: str
    secrets: tuple[Secret, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint of a merchant: which URL hears of what, in which dialect."""

    merchant_id: int
    webhook_id: int
    dialect: str
    topic: Topic
    url: str
    auth_id: int | None
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    streak: Streak = field(default_factory=Streak)
    paused_until: datetime | None = None
    space_id: str | None = None  #: the account space whose payments it hears of; None hears of payments without one
    enabled: bool = True  #: as its owner wants it
    retries: int | None = None  #: attempts after the first; None is the common schedule
    kinds: tuple[str, ...] = ()  #: what it wants to hear of, in its owner's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one endpoint. `data_id` and `body` exist from its first attempt on and never change."""

    merchant_id: int
    webhook_id: int
    payment_id: int
    ordinal: int  #: of the move that is the event, or of the event where `about` names the move
    stage: Stage
    created_at: datetime
    due_at: datetime
    attempts: int
    fence: int
    data_id: int | None = None
    body: bytes | None = None
    about: About | None = None

    @property
    def is_test(self) -> bool:
        """Whether somebody asked for it, and no payment moved."""
        return self.payment_id < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTry:
    """One attempt as the log keeps it: what was sent besides the delivery's body, and what came back."""

    attempt: int
    at: datetime
    request_headers: tuple[tuple[str, str], ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after an attempt."""

    stage: Stage
    due_at: datetime


def plan_verdict(
    delivery: Delivery, outcome: Outcome, at: datetime, jitter: float, retries: int | None = None
) -> Verdict:
    """Decide what follows from an attempt: taken, tried again later, or parked."""
    if outcome.accepted:
        return Verdict(Stage.DELIVERED, delivery.due_at)
    attempt, asked = delivery.attempts + 1, outcome.retry_after
    if outcome.gone:
        wait = None
    elif retries is None:
        wait = next_wait(attempt, jitter, asked)
    else:
        wait = next_counted_wait(attempt, retries, jitter, asked)
    return Verdict(Stage.PARKED, delivery.due_at) if wait is None else Verdict(Stage.WAITING, at + wait)


def message_id(data_id: int) -> str:
    """Return the id by which a receiver recognises a delivery it has already seen."""
    return f"msg_{data_id}"
