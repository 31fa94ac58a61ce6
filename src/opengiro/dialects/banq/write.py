"""From domain values to the wire's bytes. Amounts leave as exact JSON numbers with the currency's own decimals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from opengiro.dialects.banq.schema import (
    BanqAccountOut,
    BanqOut,
    EventOut,
    LinkOut,
    PaidLinkOut,
    PaymentOut,
    RecurrenceOut,
    SideOut,
    SpaceOut,
    TransactionOut,
)
from opengiro.dialects.banq.wording import FREQUENCIES, ONCE, RESOURCES, fail_reason_of, status_of
from opengiro.domain.deliveries import Resource, message_id
from opengiro.domain.identifiers import transaction_guid
from opengiro.domain.parties import PartyKind
from opengiro.domain.recurrence import civil_day
from opengiro.domain.spaces import SpaceKind
from opengiro.store.answers import Answer

if TYPE_CHECKING:
    from opengiro.domain.occurrence import Occurrence
    from opengiro.domain.payment import Move, Payment
    from opengiro.domain.spaces import MerchantAccount, Space
    from opengiro.usecases.deliver_event import Event

_WORDS = {frequency: word for word, frequency in FREQUENCIES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is printed of a payment besides itself."""

    account: MerchantAccount
    space: Space
    zone: str
    moves: Sequence[Move] = ()
    url: str | None = None


def answer(value: object, status: int = 200) -> Answer:
    """Write any value of the wire's schema."""
    return Answer(status, msgspec.json.encode(value))


def write_payment(payment: Payment, facts: Facts) -> PaymentOut:
    """Write a payment."""
    moved_at = facts.moves[-1].at if facts.moves else payment.created_at
    status = status_of(payment.state, payment.reason)
    return PaymentOut(
        id=payment.payment_id,
        guid=payment.guid,
        type="pay",
        flow_type="default",
        move_type="external",  # ours: between two banks, where the documented sample moves inside the service
        external_order_code=payment.order_code,
        recurrence=_recurrence(payment, facts.zone),
        source=_source(payment),
        destination=_destination(facts),
        url=facts.url,
        comment=payment.instructions[0].label,
        funds=msgspec.Raw(payment.total.text().encode()),
        currency=payment.total.currency,
        status=status,
        fail_reason=fail_reason_of(payment.state, payment.reason),
        created_at=write_instant(payment.created_at),
        updated_at=write_instant(moved_at),
        completed_at=write_instant(moved_at) if status == "completed" else None,
    )


def write_paid_link(payment: Payment, facts: Facts) -> PaidLinkOut:
    """Write a payment with its link in both places (BD7)."""
    values = _values(write_payment(payment, facts))
    return PaidLinkOut(**values, data=LinkOut(facts.url or ""))


def receipt(payment: Payment) -> dict[str, str | None] | None:
    """Return what a shop's page is told of a payment that succeeded (BD28); None when it did not."""
    status = status_of(payment.state, payment.reason)
    if status != "completed":
        return None
    return {"paymentGuid": payment.guid, "externalOrderCode": payment.order_code, "status": status}


def write_transaction(payment: Payment, facts: Facts) -> TransactionOut:
    """Write the one transaction of a payment made once; it is a view of the payment and nothing of it is stored."""
    values = _values(write_payment(payment, facts))
    del values["url"]
    due = payment.instructions[0].execution_date
    own = {"guid": transaction_guid(payment.guid), "payment_guid": payment.guid, "due_date": due and due.isoformat()}
    return TransactionOut(**values | own)


def write_occurrence(occurrence: Occurrence, payment: Payment, facts: Facts) -> TransactionOut:
    """Write one date's transaction of a recurring payment (BD15)."""
    status = status_of(occurrence.state, occurrence.reason)
    updated_at = write_instant(occurrence.updated_at)
    own = {
        "id": occurrence.number,
        "guid": occurrence.guid,
        "status": status,
        "fail_reason": fail_reason_of(occurrence.state, occurrence.reason),
        "created_at": write_instant(occurrence.created_at),
        "updated_at": updated_at,
        "completed_at": updated_at if status == "completed" else None,
        "due_date": occurrence.due_date.isoformat(),
    }
    return TransactionOut(**_values(write_transaction(payment, facts)) | own)


def write_account(account: MerchantAccount) -> BanqAccountOut:
    """Write an account as its owner sees it."""
    values = _values(_banq(account))
    return BanqAccountOut(**values, account_space_id=account.space_id, currency=account.currency)


def write_space(space: Space) -> SpaceOut:
    """Write an account space."""
    return SpaceOut(account_space_id=space.space_id, platform_id=space.platform_id, name=space.name, type=space.kind)


def write_event(event: Event) -> bytes:
    """Write what a webhook receives: which resource got which status, and nothing a receiver could believe (BD22)."""
    resource = event.resource or Resource.PAYMENT
    written = EventOut(
        action=status_of(event.move.target, event.move.reason),
        resource_type=RESOURCES[resource],
        resource_id=_guid(event, resource),
        id=message_id(event.data_id),
        sequence=event.sequence,
        created_at=write_instant(event.move.at),
        external_order_code=event.payment.order_code,
    )
    return msgspec.json.encode(written)


def _guid(event: Event, resource: Resource) -> str:
    if event.occurrence is not None:
        return event.occurrence.guid
    return event.payment.guid if resource is Resource.PAYMENT else transaction_guid(event.payment.guid)


def write_instant(instant: datetime) -> str:
    """Write an instant in UTC with `Z` (BD13)."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _values(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _recurrence(payment: Payment, zone: str) -> RecurrenceOut:
    recurrence = payment.recurrence
    if recurrence is None:
        start = payment.instructions[0].execution_date or civil_day(payment.created_at, zone)
        return RecurrenceOut(frequency=ONCE, start_date=_midnight(start))
    return RecurrenceOut(
        frequency=_WORDS[recurrence.frequency],
        start_date=_midnight(recurrence.start),
        end_date=_midnight(recurrence.end) if recurrence.end else UNSET,
    )


def _source(payment: Payment) -> SideOut | None:
    """Write the payer once there is one: a bank customer, who has no user and no banq with us (BD9)."""
    if payment.payer is None and payment.validated_at is None:
        return None
    party = payment.payer_party
    private = party is None or party.kind is PartyKind.INDIVIDUAL
    kind = SpaceKind.PERSONAL if private else SpaceKind.BUSINESS
    return SideOut(user_id=None, type="bank", account_type=kind, account_id=None, banq=None)


def _destination(facts: Facts) -> SideOut:
    return SideOut(
        user_id=None,
        type="banq",
        account_type=facts.space.kind,
        account_id=facts.account.number,
        banq=_banq(facts.account),
    )


def _banq(account: MerchantAccount) -> BanqOut:
    return BanqOut(
        id=account.number,
        banq_guid=account.account_id,
        custodial_number=account.custodial_number,
        banq_name=account.name,
        transaction_name=account.payee.holder,
    )


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"
