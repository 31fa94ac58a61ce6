"""From domain values to the wire's bytes. Amounts leave as exact JSON numbers with ten decimals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from opengiro.dialects.powens.parties import write_party
from opengiro.dialects.powens.schema import (
    AccountOut,
    CurrencyOut,
    EventOut,
    FieldOut,
    FieldValueOut,
    InstructionOut,
    PaymentOut,
)
from opengiro.dialects.powens.wording import REASONS, STATES
from opengiro.domain.accounts import Account
from opengiro.domain.attempt import Phase
from opengiro.domain.banks import AskFields, Bank, Confirm, Decoupled, Field, NextAction, Redirect
from opengiro.domain.lifecycle import State
from opengiro.domain.merchants import Merchant
from opengiro.domain.money import EXPONENTS, SYMBOLS, Money
from opengiro.domain.payment import Instruction, Payment
from opengiro.store.answers import Answer
from opengiro.usecases import Standing

DECIMALS = 10
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class View:
    """How the caller sees payments: in which zone, with or without sensitive data, and the banks by id."""

    merchant: Merchant
    bank: Callable[[str], Bank | None]
    sensitive: bool = False


def answer(value: object, status: int = 200) -> Answer:
    """Write any value of the wire's schema."""
    return Answer(status, _encode(value))


def write_payment(standing: Standing, view: View) -> PaymentOut:
    """Write a payment with the payer's next step."""
    payment = standing.payment
    action = _action(standing)
    bank = view.bank(payment.bank_id) if payment.bank_id else None
    return PaymentOut(
        id=payment.payment_id,
        state=STATES[payment.state],
        error_code=REASONS[payment.reason] if payment.reason else None,
        error_description=_description(payment, action),
        register_date=write_datetime(payment.created_at, view.merchant.zone),
        validate_date=write_datetime(payment.validated_at, view.merchant.zone) if payment.validated_at else None,
        validate_uri=action.url if isinstance(action, Redirect) else None,
        client_redirect_uri=payment.redirect_uri,
        client_state=payment.client_state,
        state_detail="cancelling" if payment.cancelling else None,
        action=None if payment.cancelling else _word(action),
        fields=[_field(one) for one in action.fields] if isinstance(action, AskFields) else [],
        id_connector=bank.number if bank else None,
        connector_uuid=payment.bank_id,
        id_connector_source=bank.number if bank else None,  # a bank's one source has its number
        country=payment.country,
        website=None,
        validate_mechanism="webauth" if payment.validated_at else None,
        bank_payment_id=payment.bank_payment_id,
        payer=_account(payment.payer) if payment.payer else None,
        payer_identity=write_party(payment.payer_party, sensitive=view.sensitive),
        operator_identity=write_party(payment.operator_party, sensitive=view.sensitive),
        instructions=[_instruction(one, sensitive=view.sensitive) for one in payment.instructions],
    )


def write_event(payment: Payment, view: View, delivery_id: int, sequence: int) -> bytes:
    """Write what a webhook receives: the bare payment as it stood, without sensitive data (PU24)."""
    bare = write_payment(Standing(payment), view)
    values = {name: getattr(bare, name) for name in bare.__struct_fields__}
    return _encode(EventOut(**values, id_webhook_data=delivery_id, sequence=sequence))


def callback_url(
    payment: Payment, redirect_uri: str, state: str | None, *, cancelled: bool = False, from_bank: bool = False
) -> str:
    """Return where the payer goes, with exactly the documented parameters (section 6.2 of the reference)."""
    query = {"id_payment": str(payment.payment_id)}
    if state is not None:
        query["state"] = state
    if cancelled:
        query["error"] = "cancelled"
    if payment.reason is not None:
        query["error_code"] = REASONS[payment.reason]
        if payment.bank_message:
            query["bank_message"] = payment.bank_message
    if from_bank:
        query["payment_state"] = STATES[payment.state]
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(query)}"


def write_datetime(instant: datetime, zone: str) -> str:
    """Write an instant in the merchant's zone, without saying so (PU3)."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(" ", "seconds")


def write_number(money: Money) -> msgspec.Raw:
    """Write an amount as a JSON number with ten decimals."""
    return msgspec.Raw(money.text(DECIMALS).encode())


def waits_for_payer(payment: Payment) -> bool:
    """Whether there may be a next step to tell; at all other times the attempt has nothing to show."""
    return payment.state is State.VALIDATING or payment.cancelling


def _action(standing: Standing) -> NextAction:
    """Return the payer's next step, which only a live attempt of an open payment has."""
    attempt = standing.attempt
    if attempt is None or attempt.phase is not Phase.LIVE or not waits_for_payer(standing.payment):
        return None
    return attempt.action


def _word(action: NextAction) -> str | None:
    match action:
        case Redirect():
            return "redirect"
        case Decoupled():
            return "decoupled"
        case AskFields():
            return "additionalInformationNeeded"
        case Confirm():
            return "confirm"
        case None:
            return None


def _description(payment: Payment, action: NextAction) -> str | None:
    """The wire puts the prompt of a decoupled approval where it puts error texts."""
    return action.message if isinstance(action, Decoupled) else payment.bank_message


def _instruction(one: Instruction, *, sensitive: bool) -> InstructionOut:
    due = one.execution_date.isoformat() if one.execution_date else None
    recurrence = one.recurrence
    return InstructionOut(
        reference_id=one.reference_id,
        execution_date_type=one.execution,
        label=one.label,
        amount=write_number(one.amount),
        currency=write_currency(one.amount.currency),
        exec_date=due,
        execution_date=due,
        start_date=recurrence.start.isoformat() if recurrence else None,
        end_date=recurrence.end.isoformat() if recurrence and recurrence.end else None,
        frequency=recurrence.frequency if recurrence else None,
        state=one.state,
        beneficiary=_account(one.payee),
        beneficiary_identity=write_party(one.payee_party, sensitive=sensitive),
    )


@cache
def write_currency(code: str) -> CurrencyOut:
    """Write a currency at the length the wire does."""
    symbol, name = SYMBOLS.get(code, (code, code))
    return CurrencyOut(
        id=code,
        symbol=symbol,
        prefix=code in ("GBP", "USD"),
        crypto=False,
        precision=EXPONENTS[code],
        marketcap=None,
        datetime=None,
        name=name,
    )


def _account(account: Account) -> AccountOut:
    return AccountOut(
        id=None,
        id_account=None,
        label=account.holder,
        scheme_name=account.scheme,
        identification=account.identification,
        issuer=account.bic,
        disabled_date=None,
        merchant_scheme_name=None,
        merchant_identification=None,
        bic=account.bic,
    )


def _field(one: Field) -> FieldOut:
    values = [FieldValueOut(label=label, value=value) for value, label in one.choices]
    return FieldOut(
        name=one.name,
        type="list" if one.choices else "text",
        label=one.label,
        required=one.required,
        regex=one.regex,
        values=values or UNSET,
    )
