"""The payer (or the merchant for them) chose a bank: start an attempt there.

1. An attempt row is committed; the unique index lets only one live attempt exist.
2. The bank is called. 3. What it said is saved. A crash between these leaves a row that tells what may have left,
and nothing is sent twice: the same choice made again gets the attempt that already runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import msgspec

from opengiro.domain.accounts import Account
from opengiro.domain.attempt import LINK_LIFE, Attempt, Phase
from opengiro.domain.banks import Bank, BankTrouble, Errand, Heard, Line, Moved, Need
from opengiro.domain.compatibility import fits
from opengiro.domain.identifiers import guid7, mint_token
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Payment, Reason, advance
from opengiro.domain.recurrence import civil_day
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import end_attempt, errand_of, listen, load_standing, withdraw

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseBank:
    """The choice. `keep_open` leaves the payment choosable when the bank does not take it, as hosted pages want."""

    merchant_id: int
    payment_id: int
    bank_id: str
    back_to: str
    payer: Account | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    payer_ip: str | None = None
    payer_agent: str | None = None
    keep_open: bool = False
    switch: bool = False  #: withdraw a live attempt at another bank first, if that bank can


async def choose_bank(core: Core, command: ChooseBank) -> Standing:
    """Start an attempt at the bank and return where the payment stands; raises `Refused`."""
    line, bank = core.prompt_line(), core.bank(command.bank_id)
    standing = await load_standing(core, command.merchant_id, command.payment_id)
    if command.switch and _is_elsewhere(standing, command):
        # A withdrawal takes time, so what is decided next is decided from what is saved then.
        standing = await _leave_other_bank(core, line, standing)
    if running := _running(standing, command):
        return running
    merchant = await core.merchant(command.merchant_id)
    now = core.now(command.merchant_id)
    # West of Europe the merchant's day ends later than the bank's, and banks take no start that has passed.
    today = max(civil_day(now, merchant.zone), now.date())
    payment = _plan_choice(core, standing.payment, bank, command)
    _check_dates(payment, today)
    ticket = mint_token(payment.merchant_id, core.chance(32))
    attempt = _plan_attempt(core, standing, command, ticket, today if payment.recurrence else None)
    started = await _commit(core, standing.payment, payment, attempt, ticket, command)
    return started if isinstance(started, Standing) else await _call(core, line, payment, attempt, bank, command)


async def _leave_other_bank(core: Core, line: Line, standing: Standing) -> Standing:
    """Withdraw the attempt at the bank that runs now, if that bank can, and return what is saved afterwards."""
    attempt = standing.attempt
    if attempt is not None and await withdraw(core, line, standing.payment, attempt):
        await end_attempt(core, standing)
    return await load_standing(core, standing.payment.merchant_id, standing.payment.payment_id)


def _running(standing: Standing, command: ChooseBank) -> Standing | None:
    """Return the attempt that already runs at this bank; refuse while another bank may still pay."""
    if standing.payment.state not in (State.CREATED, State.VALIDATING):
        raise Refused(Refusal.STATE_FORBIDS)
    if _is_elsewhere(standing, command):
        raise Refused(Refusal.ATTEMPT_LIVE)
    return standing if _is_live(standing.attempt) else None


def _is_live(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.phase is not Phase.ENDED


def _is_elsewhere(standing: Standing, command: ChooseBank) -> bool:
    attempt = standing.attempt
    return attempt is not None and _is_live(attempt) and attempt.bank_id != command.bank_id


def _plan_choice(core: Core, payment: Payment, bank: Bank, command: ChooseBank) -> Payment:
    """Return the payment with this choice, or refuse what the bank cannot execute."""
    if payment.bank_locked and payment.bank_id not in (None, bank.bank_id):
        raise Refused(Refusal.BANK_UNSUITABLE, Complaint("connector_uuid", "another bank was fixed at creation"))
    chosen = replace(
        payment,
        version=payment.version + 1,
        bank_id=bank.bank_id,
        country=bank.countries[0],
        payer=command.payer or payment.payer,
    )
    if bank.payer_account is Need.REQUIRED and chosen.payer is None:
        missing = Complaint("payer", "this bank needs the payer's account", missing=True)
        raise Refused(Refusal.PAYER_ACCOUNT_REQUIRED, missing)
    if not fits(bank, chosen, core.now(payment.merchant_id).date()):
        raise Refused(Refusal.BANK_UNSUITABLE)
    return chosen


def _check_dates(payment: Payment, today: date) -> None:
    """Refuse a recurring payment that would begin after its end."""
    recurrence = payment.recurrence
    if recurrence and recurrence.starting(today).date_of(1) is None:
        raise Refused(Refusal.BANK_UNSUITABLE, Complaint("instructions[0].end_date", "has passed"))


def _plan_attempt(core: Core, standing: Standing, command: ChooseBank, ticket: str, starts_on: date | None) -> Attempt:
    now = core.now(command.merchant_id)
    last = standing.attempt
    return Attempt(
        merchant_id=command.merchant_id,
        payment_id=command.payment_id,
        ordinal=last.ordinal + 1 if last else 1,
        version=0,
        bank_id=command.bank_id,
        phase=Phase.INITIATING,
        request_id=str(uuid.UUID(guid7(now, core.chance(10)))),
        started_at=now,
        ends_at=now + LINK_LIFE,
        back_to=command.back_to,
        return_url=f"{core.own_url}/return/{ticket}",
        fields={**_defaults(standing.payment), **command.fields},
        payer_ip=command.payer_ip,
        payer_agent=command.payer_agent,
        # Should we die during the call, the observer finds the attempt a little later.
        next_ask_at=now + LINK_LIFE / 10,
        starts_on=starts_on,
    )


def _defaults(payment: Payment) -> dict[str, str]:
    """Return the field values the merchant preset at creation."""
    return msgspec.json.decode(payment.defaults, type=dict[str, str]) if payment.defaults else {}


async def _commit(
    core: Core, before: Payment, payment: Payment, attempt: Attempt, ticket: str, command: ChooseBank
) -> Standing | None:
    """Save choice and attempt; when another click was faster, return what it started."""
    writes = core.store.payments.save_moves(payment, before, ())
    try:
        await core.store.commit([*writes, core.store.attempts.insert(attempt, ticket)])
    except Conflict:
        standing = await load_standing(core, payment.merchant_id, payment.payment_id)
        running = _running(standing, command)
        if running is None:
            raise Refused(Refusal.ATTEMPT_LIVE) from None
        return running
    return None


async def _call(
    core: Core, line: Line, payment: Payment, attempt: Attempt, bank: Bank, command: ChooseBank
) -> Standing:
    standing = Standing(payment, attempt)
    connector = core.connectors[bank.connector]
    try:
        heard = await connector.initiate(line, errand_of(core, payment, attempt))
    except BankTrouble as trouble:
        return await _troubled(core, standing, attempt, trouble, command)
    # Whatever a bank calls an order it took, the payer's choice is made.
    given = replace(heard, trigger=heard.trigger or Trigger.PAYER_CHOSE_BANK, known=True)

    async def already_heard(_: Errand) -> Heard:
        return given

    return await listen(core, standing, already_heard)


async def _troubled(
    core: Core, standing: Standing, attempt: Attempt, trouble: BankTrouble, command: ChooseBank
) -> Standing:
    """Save what the trouble means: nothing happened, a refusal, or an outcome nobody knows yet."""
    if trouble.money is Moved.UNKNOWN:
        lost = partial(replace, phase=Phase.UNKNOWN, said=trouble.said, next_ask_at=attempt.ends_at)
        return await _save(core, standing, lost, (Trigger.PAYER_CHOSE_BANK,), trouble)
    ended = partial(replace, phase=Phase.ENDED, said=trouble.said, message=trouble.message, next_ask_at=None)
    if command.keep_open and _payer_can_mend(trouble):
        await _save(core, standing, ended, (), trouble)
        refused = trouble.money is Moved.REFUSED
        raise Refused(Refusal.BANK_DECLINED if refused else Refusal.BANK_UNAVAILABLE, detail=trouble.message)
    return await _save(core, standing, ended, (Trigger.BANK_REJECTED,), trouble)


def _payer_can_mend(trouble: BankTrouble) -> bool:
    """Whether another bank, another try or another account of the payer may still work."""
    return trouble.money is Moved.NOT_SENT or trouble.reason is Reason.INVALID_EMITTER


async def _save(
    core: Core,
    standing: Standing,
    learnt: Callable[[Attempt], Attempt],
    triggers: tuple[Trigger, ...],
    trouble: BankTrouble,
) -> Standing:
    """Save the attempt after trouble, with the moves that follow.

    Somebody may have saved something of it while the bank was called (its clock ran out, the payment was given
    up); then it is decided anew from what they saved.
    """
    started = standing.attempt
    reason = trouble.reason or (Reason.NOT_SPECIFIED if trouble.money is Moved.REFUSED else Reason.BANK_UNAVAILABLE)
    for _ in range(_TRIES):
        before, running = standing.payment, standing.attempt
        if started is None or running is None or running.ordinal != started.ordinal or not _is_live(running):
            return standing
        now = core.now(before.merchant_id)
        after, moves = advance(before, triggers, now, reason=reason, message=trouble.message, said=trouble.said)
        attempt = replace(learnt(running), version=running.version + 1)
        writes = [core.store.attempts.update(attempt, running)]
        if moves:
            after = replace(after, version=before.version + 1)
            writes += core.store.payments.save_moves(after, before, moves)
        try:
            await core.store.commit(writes)
        except Conflict:
            standing = await load_standing(core, before.merchant_id, before.payment_id)
            continue
        core.bell.ring(before.merchant_id, before.payment_id)
        return Standing(after, attempt)
    raise RuntimeError("a payment kept changing while its bank's trouble was saved")
