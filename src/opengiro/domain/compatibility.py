"""Which banks can execute a payment, and in so many words why others cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from opengiro.domain.accounts import Scheme
from opengiro.domain.banks import Bank, Need
from opengiro.domain.payment import Execution

if TYPE_CHECKING:
    from opengiro.domain.payment import Payment


class Mismatch(StrEnum):
    """A rule of a bank that a payment does not fit."""

    AMOUNT_TOO_HIGH = "amount_too_high"
    AMOUNT_TOO_LOW = "amount_too_low"
    TOO_MANY_INSTRUCTIONS = "too_many_instructions"
    DATE_TOO_FAR = "date_too_far"
    EXECUTION_UNSUPPORTED = "execution_unsupported"
    FREQUENCY_UNSUPPORTED = "frequency_unsupported"
    BULK_UNSUPPORTED = "bulk_unsupported"
    PAYEE_SCHEME_UNSUPPORTED = "payee_scheme_unsupported"
    CURRENCY_UNSUPPORTED = "currency_unsupported"
    PAYER_ACCOUNT_MISSING = "payer_account_missing"


WARNINGS = frozenset({Mismatch.PAYER_ACCOUNT_MISSING})
"""Mismatches the payer can still mend."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One rule that does not fit, with the bank's bound and the payment's value as plain values."""

    rule: Mismatch
    of_bank: int | str | tuple[str, ...] | None
    of_payment: int | str | None


def misfits(bank: Bank, payment: Payment, today: date) -> list[Misfit]:
    """Return every rule of the bank that the payment does not fit; none means that it can pay."""
    return [*_instruction_misfits(bank, payment), *_bound_misfits(bank, payment, today), *_payer_misfits(bank, payment)]


def fits(bank: Bank, payment: Payment, today: date) -> bool:
    """Whether the bank can execute the payment once the payer gave what it asks for."""
    return all(misfit.rule in WARNINGS for misfit in misfits(bank, payment, today))


def _instruction_misfits(bank: Bank, payment: Payment) -> list[Misfit]:
    found = []
    count = len(payment.instructions)
    if count > 1 and bank.instructions_max == 1:
        found.append(Misfit(Mismatch.BULK_UNSUPPORTED, 1, count))
    elif count > bank.instructions_max:
        found.append(Misfit(Mismatch.TOO_MANY_INSTRUCTIONS, bank.instructions_max, count))
    if payment.execution not in bank.executions:
        kinds = tuple(kind.value for kind in bank.executions)
        found.append(Misfit(Mismatch.EXECUTION_UNSUPPORTED, kinds, payment.execution.value))
    elif payment.recurrence and payment.recurrence.frequency not in bank.frequencies:
        often = tuple(frequency.value for frequency in bank.frequencies)
        found.append(Misfit(Mismatch.FREQUENCY_UNSUPPORTED, often, payment.recurrence.frequency.value))
    for scheme in {instruction.payee.scheme for instruction in payment.instructions} - {Scheme.IBAN}:
        found.append(Misfit(Mismatch.PAYEE_SCHEME_UNSUPPORTED, (Scheme.IBAN.value,), scheme.value))
    if payment.total.currency != "EUR":
        found.append(Misfit(Mismatch.CURRENCY_UNSUPPORTED, ("EUR",), payment.total.currency))
    return found


def _bound_misfits(bank: Bank, payment: Payment, today: date) -> list[Misfit]:
    found = []
    minor = payment.total.minor
    highest, lowest = bank.maximum_minor.get(payment.execution), bank.minimum_minor.get(payment.execution)
    if highest is not None and minor > highest:
        found.append(Misfit(Mismatch.AMOUNT_TOO_HIGH, highest, minor))
    if lowest is not None and minor < lowest:
        found.append(Misfit(Mismatch.AMOUNT_TOO_LOW, lowest, minor))
    due = payment.instructions[0].execution_date
    if due and payment.execution is Execution.DEFERRED and bank.date_delta_days_max is not None:
        days = (due - today).days
        if days > bank.date_delta_days_max:
            found.append(Misfit(Mismatch.DATE_TOO_FAR, bank.date_delta_days_max, days))
    return found


def _payer_misfits(bank: Bank, payment: Payment) -> list[Misfit]:
    if bank.payer_account is Need.REQUIRED and payment.payer is None:
        return [Misfit(Mismatch.PAYER_ACCOUNT_MISSING, Need.REQUIRED.value, None)]
    return []
