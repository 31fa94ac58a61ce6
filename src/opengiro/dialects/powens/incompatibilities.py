"""Why connectors do not fit a payment: the same rules that decide which ones `GET /connectors` offers."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from msgspec import Struct

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.payments import own_payment
from opengiro.dialects.powens.read import read_flag
from opengiro.dialects.powens.wording import MISMATCHES
from opengiro.dialects.powens.write import answer, write_number
from opengiro.domain.banks import Bank
from opengiro.domain.compatibility import WARNINGS, Misfit, Mismatch
from opengiro.domain.money import Money
from opengiro.domain.payment import Payment
from opengiro.usecases.list_banks import list_misfits

_AMOUNTS = frozenset({Mismatch.AMOUNT_TOO_HIGH, Mismatch.AMOUNT_TOO_LOW})
QUERY = {"all": "true adds hidden connectors"}

Value = Any  # a number (exact, with decimals), a text or an array of texts


class ReasonOut(Struct):
    """One rule that does not fit."""

    code: str
    type: str
    description: str
    value_connector: Value
    value_payment: Value


class IncompatibilityOut(Struct):
    """Everything in which one connector does not fit; the wire forgot to say which one (PU12)."""

    type: str
    reasons: list[ReasonOut]
    connector_uuid: str
    id_connector: int


async def list_incompatibilities(call: Call) -> Answer:
    """List the connectors that do not fit the payment, each with its reasons."""
    payment = await own_payment(call)
    found = list_misfits(call.core, payment, hidden=read_flag(call, "all"))
    by_bank = groupby(found, key=lambda pair: pair[0].bank_id)
    return answer([_write([*pairs], payment) for _, pairs in by_bank])


def _write(pairs: list[tuple[Bank, Misfit]], payment: Payment) -> IncompatibilityOut:
    bank = pairs[0][0]
    reasons = [_reason(misfit, payment) for _, misfit in pairs]
    worst = "incompatible" if any(one.type == "incompatible" for one in reasons) else "warning"
    return IncompatibilityOut(worst, reasons, bank.bank_id, bank.number)


def _reason(misfit: Misfit, payment: Payment) -> ReasonOut:
    code, text = MISMATCHES[misfit.rule]
    return ReasonOut(
        code=code,
        type="warning" if misfit.rule in WARNINGS else "incompatible",
        description=text,
        value_connector=_value(misfit.rule, misfit.of_bank, payment),
        value_payment=_value(misfit.rule, misfit.of_payment, payment),
    )


def _value(rule: Mismatch, value: int | str | tuple[str, ...] | None, payment: Payment) -> Value:
    if rule in _AMOUNTS and isinstance(value, int):
        return write_number(Money(value, payment.total.currency))
    return list(value) if isinstance(value, tuple) else value
