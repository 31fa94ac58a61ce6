"""Create a payment: the merchant's agreement, saved with move 0 and the idempotency key in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from opengiro.domain.identifiers import guid7, reference_prefix
from opengiro.domain.payment import Execution, Instruction, Payment
from opengiro.domain.recurrence import begins_at, civil_day
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.schedule import expiry
from opengiro.store import Conflict
from opengiro.store.answers import Answer, Receipt
from opengiro.usecases import Core
from opengiro.usecases.recall_answer import recall_answer

if TYPE_CHECKING:
    from opengiro.domain.accounts import Account
    from opengiro.domain.banks import Bank
    from opengiro.domain.merchants import Application, Merchant
    from opengiro.domain.money import Money
    from opengiro.domain.parties import Party
    from opengiro.domain.recurrence import Recurrence

_ID_TRIES = 4
_YEARS_AHEAD_MAX = 100


@dataclass(frozen=True, slots=True)
class NewInstruction:
    """What the merchant asked for; `reference_id` None lets us make the end-to-end id."""

    amount: Money
    label: str
    execution: Execution
    payee: Account
    execution_date: date | None = None
    payee_party: Party | None = None
    reference_id: str | None = None
    recurrence: Recurrence | None = None  #: of a periodic order, which has no execution date


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePayment:
    """The command, every field already checked for form by the dialect that read it."""

    merchant_id: int
    client_id: str
    dialect: str
    redirect_uri: str | None
    client_state: str | None
    instructions: tuple[NewInstruction, ...]
    bank_id: str | None = None
    payer: Account | None = None
    payer_party: Party | None = None
    operator_party: Party | None = None
    defaults: str | None = None
    order_code: str | None = None
    account_id: str | None = None
    link_code: str | None = None  #: of the link that opens it, where the wire has links


async def create_payment(
    core: Core, command: CreatePayment, render: Callable[[Payment], Answer], receipt: Receipt | None = None
) -> Answer:
    """Create the payment and return its rendering, which the idempotency key keeps; raises `Refused`.

    Nearly every key is new, so none is looked up before: one that was used makes the commit collide.
    """
    try:
        return await _create(core, command, render, receipt)
    except Refused:
        # What is refused today may have been granted under this key before.
        if receipt and (kept := await recall_answer(core, receipt)):
            return kept
        raise


async def _create(
    core: Core, command: CreatePayment, render: Callable[[Payment], Answer], receipt: Receipt | None
) -> Answer:
    merchant = await core.merchant(command.merchant_id)
    application = await core.store.applications.recent(command.merchant_id, command.client_id)
    bank = core.bank(command.bank_id) if command.bank_id else None
    for _ in range(_ID_TRIES):
        now = core.now(command.merchant_id)
        number = core.ids.draw(now, core.chance(2))
        payment = plan_payment(command, merchant, application, bank, now, number, core.chance)
        answer = render(payment)
        writes = core.store.payments.create(payment)
        if command.link_code:
            writes += core.store.links.insert(payment.merchant_id, payment.payment_id, command.link_code)
        if receipt:
            writes.append(core.store.answers.keep(receipt, answer, now))
        try:
            await core.store.commit(writes)
        except Conflict:
            # Either the key was used meanwhile, or another process drew the same id in the same millisecond.
            if receipt and (kept := await recall_answer(core, receipt)):
                return kept
            continue
        return answer
    raise RuntimeError("no free payment id was drawn")


def plan_payment(
    command: CreatePayment,
    merchant: Merchant,
    application: Application | None,
    bank: Bank | None,
    now: datetime,
    payment_id: int,
    chance: Callable[[int], bytes],
) -> Payment:
    """Decide what is saved, or refuse; the merchant's own limits are judged here."""
    if application is None or not application.may_redirect_to(command.redirect_uri):
        raise Refused(Refusal.REDIRECT_UNREGISTERED, Complaint("client_redirect_uri", "is not registered"))
    today = civil_day(now, merchant.zone)
    _check_horizon(command.instructions, today)
    _check_recurrence(command.instructions, today)
    instructions = _complete(command.instructions, chance)
    payment = Payment(
        merchant_id=command.merchant_id,
        payment_id=payment_id,
        guid=guid7(now, chance(10)),
        client_id=command.client_id,
        dialect=command.dialect,
        created_at=now,
        expires_at=_expiry(instructions[0], merchant, now),
        redirect_uri=command.redirect_uri,
        client_state=command.client_state,
        instructions=instructions,
        payer=command.payer,
        payer_party=command.payer_party,
        operator_party=command.operator_party,
        bank_id=command.bank_id,
        bank_locked=command.bank_id is not None,
        country=bank.countries[0] if bank else None,
        defaults=command.defaults,
        order_code=command.order_code,
        account_id=command.account_id,
    )
    if merchant.maximum_minor and payment.total.minor > merchant.maximum_minor:
        raise Refused(Refusal.AMOUNT_ABOVE_MAXIMUM, Complaint("instructions[0].amount", "above the merchant's maximum"))
    return payment


def _check_horizon(asked: tuple[NewInstruction, ...], today: date) -> None:
    """Refuse dates from which no expiry could be counted: the calendar ends, and no bank keeps orders that long."""
    for at, one in enumerate(asked):
        recurrence = one.recurrence
        start, end = (recurrence.start, recurrence.end) if recurrence else (None, None)
        for name, day in (("execution_date", one.execution_date), ("start_date", start), ("end_date", end)):
            if day is not None and day.year > today.year + _YEARS_AHEAD_MAX:
                text = f"is more than {_YEARS_AHEAD_MAX} years away"
                raise Refused(Refusal.FIELD_INVALID, Complaint(f"instructions[{at}].{name}", text))


def _check_recurrence(asked: tuple[NewInstruction, ...], today: date) -> None:
    """Refuse dates that could never fall due, and a recurring payment of several orders."""
    if any((one.execution is Execution.PERIODIC) != (one.recurrence is not None) for one in asked):
        text = "is given for periodic payments, and for no others"
        raise Refused(Refusal.FIELD_INVALID, Complaint("instructions[0].frequency", text))
    if all(one.recurrence is None for one in asked):
        return
    if len(asked) > 1:
        raise Refused(Refusal.FIELD_INVALID, Complaint("instructions", "holds exactly one for a periodic payment"))
    recurrence = asked[0].recurrence
    if recurrence and recurrence.end and recurrence.end < recurrence.start:
        raise Refused(Refusal.FIELD_INVALID, Complaint("instructions[0].end_date", "is before the start date"))
    if recurrence and recurrence.end and recurrence.end < today:
        raise Refused(Refusal.FIELD_INVALID, Complaint("instructions[0].end_date", "has passed"))


def _expiry(one: Instruction, merchant: Merchant, now: datetime) -> datetime:
    """Return when nothing is left to wait for; after its last date nobody can consent to a recurring payment."""
    recurrence = one.recurrence
    ends = expiry(now, recurrence.start if recurrence else one.execution_date, merchant.expire_days)
    if recurrence is None or recurrence.end is None:
        return ends
    return min(ends, begins_at(recurrence.end + timedelta(days=1), merchant.zone))


def _complete(asked: tuple[NewInstruction, ...], chance: Callable[[int], bytes]) -> tuple[Instruction, ...]:
    """Return the orders, each with a reference: of its own, or one that they share up to the last part."""
    prefix = "" if all(one.reference_id for one in asked) else reference_prefix(chance(20))
    return tuple(
        Instruction(
            reference_id=one.reference_id or f"{prefix}-{position}",
            amount=one.amount,
            label=one.label,
            execution=one.execution,
            execution_date=one.execution_date,
            payee=one.payee,
            payee_party=one.payee_party,
            recurrence=one.recurrence,
        )
        for position, one in enumerate(asked, start=1)
    )
