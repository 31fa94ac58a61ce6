"""Which banks can execute a payment, rule by rule, at its bounds."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import Bank, Need
from opengiro.domain.compatibility import WARNINGS, Misfit, Mismatch, fits, misfits
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Instruction, Payment
from opengiro.domain.recurrence import Frequency, Recurrence

TODAY = date(2026, 11, 18)
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
IBAN = Account(Scheme.IBAN, "FR7630006000011234567890189", "Shop")
SORT_CODE = Account(Scheme.SORT_CODE, "20000055779911", "Shop Ltd")
INSTANT, FIRST, DEFERRED, PERIODIC = Execution.INSTANT, Execution.FIRST_OPEN_DAY, Execution.DEFERRED, Execution.PERIODIC
MONTHLY = Recurrence(Frequency.MONTHLY, TODAY)


def bank(**changes: Any) -> Bank:
    usual: dict[str, Any] = {
        "bank_id": "b",
        "number": 1,
        "name": "Bank",
        "connector": "x",
        "countries": ("FR",),
        "executions": (INSTANT, FIRST, DEFERRED),
    }
    return Bank(**usual | changes)


def pay(
    minor: int = 5090,
    execution: Execution = INSTANT,
    *,
    due: date | None = None,
    count: int = 1,
    payee: Account = IBAN,
    currency: str = "EUR",
    payer: Account | None = None,
) -> Payment:
    recurrence = MONTHLY if execution is PERIODIC else None
    one = Instruction("r", Money(minor, currency), "l", execution, due, payee, recurrence=recurrence)
    return Payment(
        merchant_id=1,
        payment_id=1,
        guid="",
        client_id="1",
        created_at=NOON,
        expires_at=NOON,
        dialect="powens",
        redirect_uri="",
        client_state=None,
        instructions=(one,) * count,
        payer=payer,
    )


LIMITS = {"minimum_minor": {INSTANT: 100}, "maximum_minor": {INSTANT: 10_000}}
KINDS = ("instant", "first_open_day", "deferred")
STANDING = {"executions": (PERIODIC,), "frequencies": (Frequency.WEEKLY,)}
FAR = {"date_delta_days_max": 90}

STORIES = [
    (bank(), pay(), None),
    (bank(**LIMITS), pay(100), None),
    (bank(**LIMITS), pay(10_000), None),
    (bank(**LIMITS), pay(99), Misfit(Mismatch.AMOUNT_TOO_LOW, 100, 99)),
    (bank(**LIMITS), pay(10_001), Misfit(Mismatch.AMOUNT_TOO_HIGH, 10_000, 10_001)),
    (bank(**LIMITS), pay(10_001, FIRST), None),
    (bank(**LIMITS, instructions_max=10), pay(5001, count=2), Misfit(Mismatch.AMOUNT_TOO_HIGH, 10_000, 10_002)),
    (bank(executions=(FIRST,)), pay(), Misfit(Mismatch.EXECUTION_UNSUPPORTED, ("first_open_day",), "instant")),
    (bank(), pay(execution=PERIODIC), Misfit(Mismatch.EXECUTION_UNSUPPORTED, KINDS, "periodic")),
    (bank(**STANDING), pay(execution=PERIODIC), Misfit(Mismatch.FREQUENCY_UNSUPPORTED, ("weekly",), "monthly")),
    (bank(**STANDING | {"frequencies": (Frequency.MONTHLY,)}), pay(execution=PERIODIC), None),
    (bank(), pay(count=2), Misfit(Mismatch.BULK_UNSUPPORTED, 1, 2)),
    (bank(instructions_max=2), pay(count=2), None),
    (bank(instructions_max=2), pay(count=3), Misfit(Mismatch.TOO_MANY_INSTRUCTIONS, 2, 3)),
    (bank(**FAR), pay(execution=DEFERRED, due=TODAY + timedelta(90)), None),
    (bank(**FAR), pay(execution=DEFERRED, due=TODAY + timedelta(91)), Misfit(Mismatch.DATE_TOO_FAR, 90, 91)),
    (bank(), pay(execution=DEFERRED, due=TODAY + timedelta(900)), None),
    (bank(), pay(payee=SORT_CODE), Misfit(Mismatch.PAYEE_SCHEME_UNSUPPORTED, ("iban",), "sort_code_account_number")),
    (bank(), pay(currency="GBP"), Misfit(Mismatch.CURRENCY_UNSUPPORTED, ("EUR",), "GBP")),
    (bank(payer_account=Need.REQUIRED), pay(), Misfit(Mismatch.PAYER_ACCOUNT_MISSING, "mandatory", None)),
    (bank(payer_account=Need.REQUIRED), pay(payer=IBAN), None),
    (bank(payer_account=Need.FORBIDDEN), pay(payer=IBAN), None),
]


@pytest.mark.parametrize(("at", "payment", "misfit"), STORIES)
def test_a_bank_names_each_rule_that_a_payment_does_not_fit(at: Bank, payment: Payment, misfit: Misfit | None) -> None:
    assert misfits(at, payment, TODAY) == ([misfit] if misfit else [])
    assert fits(at, payment, TODAY) is (misfit is None or misfit.rule in WARNINGS)


def test_the_stories_above_tell_of_every_rule() -> None:
    assert {misfit.rule for _, _, misfit in STORIES if misfit} == set(Mismatch)


def test_only_what_the_payer_can_mend_is_a_mere_warning() -> None:
    assert {Mismatch.PAYER_ACCOUNT_MISSING} == WARNINGS


def test_all_rules_that_do_not_fit_are_named_at_once() -> None:
    wrong = replace(pay(payee=SORT_CODE, currency="GBP"))
    assert {one.rule for one in misfits(bank(executions=(FIRST,)), wrong, TODAY)} == {
        Mismatch.EXECUTION_UNSUPPORTED,
        Mismatch.PAYEE_SCHEME_UNSUPPORTED,
        Mismatch.CURRENCY_UNSUPPORTED,
    }
