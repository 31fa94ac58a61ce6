"""Each way a payment can stand has one page, and says rightly what may still be done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import AskFields, Confirm, Decoupled, Field, Health, NextAction, Redirect
from opengiro.domain.lifecycle import State
from opengiro.domain.occurrence import FOR_EVER
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.usecases.open_checkout import Checkout, show_checkout
from opengiro.web.checkout import steps
from opengiro.web.checkout.view import AnswerBank, ApproveOnPhone, AtBank, Ending, Notice, Outcome, Watch, Watching
from opengiro.web.widget.news import tell
from tests.server import House
from tests.web.payer import link

REDIRECT = Redirect("https://bank.example/approve")
FIELDS = AskFields((Field("code", "Code"),))


@pytest.fixture
async def visit(house: House) -> Checkout:
    payment = await house.pay()
    await house.http.get(await link(house, payment["id"]))
    session = await house.core.store.sessions.latest(house.merchant_id, payment["id"])
    assert session is not None
    return await show_checkout(house.core, session)


def _stands(visit: Checkout, house: House, state: State, phase: Phase | None, action: NextAction = None) -> Checkout:
    """Return the visit of a payment that stands like this."""
    bank = next(bank for bank in house.core.store.banks.all() if bank.name == "Horizon Bleu")
    now = datetime(2026, 11, 20, tzinfo=UTC)
    attempt = (
        None
        if phase is None
        else Attempt(
            merchant_id=1,
            payment_id=visit.payment.payment_id,
            ordinal=1,
            version=0,
            bank_id=bank.bank_id,
            phase=phase,
            request_id="r",
            started_at=now,
            ends_at=now,
            action=action,
        )
    )
    return replace(visit, payment=replace(visit.payment, state=state, bank_id=bank.bank_id), attempt=attempt)


CREATED, VALIDATING, PENDING, LIVE = State.CREATED, State.VALIDATING, State.PENDING, Phase.LIVE


@pytest.mark.parametrize(
    ("state", "phase", "action", "page", "leaves", "may_choose", "may_cancel"),
    [
        (CREATED, None, None, None, False, True, True),
        (CREATED, Phase.INITIATING, None, Watch.STARTING, False, False, False),
        (CREATED, Phase.ENDED, None, None, False, True, True),
        (VALIDATING, Phase.UNKNOWN, None, Watch.UNKNOWN, False, False, False),
        (VALIDATING, Phase.ENDED, None, None, False, True, True),
        (VALIDATING, LIVE, REDIRECT, AtBank, False, True, True),
        (VALIDATING, LIVE, Decoupled(None), ApproveOnPhone, False, True, True),
        (VALIDATING, LIVE, FIELDS, AnswerBank, False, True, True),
        (VALIDATING, LIVE, Confirm(), Watch.CONFIRMING, True, False, False),
        (VALIDATING, LIVE, None, Watch.PROCESSING, False, False, False),
        (PENDING, LIVE, None, Ending.PENDING, True, False, False),
        (State.ACCEPTED, Phase.ENDED, None, Ending.ACCEPTED, True, False, False),
        (State.DONE, Phase.ENDED, None, Ending.DONE, True, False, False),
        (State.PARTIAL, Phase.ENDED, None, Ending.PARTIAL, True, False, False),
        (State.REJECTED, Phase.ENDED, None, Ending.REJECTED, False, False, False),
        (State.EXPIRED, Phase.ENDED, None, Ending.EXPIRED, False, False, False),
    ],
)
async def test_one_page_for_each_way_a_payment_can_stand(
    visit: Checkout,
    house: House,
    state: State,
    phase: Phase | None,
    action: NextAction,
    page: object,
    leaves: bool,
    may_choose: bool,
    may_cancel: bool,
) -> None:
    standing = _stands(visit, house, state, phase, action)
    shown = steps.current(house.core, standing)
    match shown:
        case Watching():
            assert shown.what is page
        case Outcome():
            assert shown.ending is page
        case _:
            assert (shown and type(shown)) is page
    assert steps.leaves(standing) is leaves
    assert steps.may_choose(standing) is may_choose
    assert steps.may_cancel(house.core, standing) is may_cancel


async def test_a_lapsed_attempt_and_the_only_bank_that_failed_are_said(visit: Checkout, house: House) -> None:
    assert steps.notice(_stands(visit, house, VALIDATING, Phase.ENDED)) is Notice.LAPSED
    failed = _stands(visit, house, CREATED, Phase.ENDED)
    assert steps.notice(failed) is None
    locked = replace(failed, payment=replace(failed.payment, bank_locked=True))
    assert steps.notice(locked) is Notice.TRY_AGAIN


async def test_a_bank_that_refused_the_account_lets_the_payer_correct_it(visit: Checkout, house: House) -> None:
    needs = next(bank for bank in house.core.store.banks.all() if bank.name == "Nordlicht Bank")
    given = replace(visit, payment=replace(visit.payment, payer=visit.payment.instructions[0].payee))
    assert steps.review(house.core, visit, needs).needs_iban
    assert not steps.review(house.core, given, needs).needs_iban
    ended = _stands(given, house, CREATED, Phase.ENDED)
    assert ended.attempt is not None
    refused = replace(ended, attempt=replace(ended.attempt, bank_id=needs.bank_id))
    assert steps.review(house.core, refused, needs).needs_iban


async def test_what_the_payer_reads_is_what_the_bank_gets(visit: Checkout) -> None:
    """T18."""
    first = visit.payment.instructions[0]
    odd = replace(first, label="Commande nº 7 – été", payee=replace(first.payee, holder="Brise & Œuvre"))
    summary = steps.summary(replace(visit, payment=replace(visit.payment, instructions=(odd,))))
    assert summary.label.isascii()
    assert summary.payee == "Brise + OEuvre"


async def test_popular_banks_come_first_once_there_are_many_and_never_one_that_is_down(
    visit: Checkout, house: House
) -> None:
    """U2, U5."""
    few = steps.choose(house.core, visit, country="FR")
    assert few.popular == ()
    assert [bank.name for bank in few.banks] == sorted(bank.name for bank in few.banks)
    some = house.core.store.banks.all()[1]
    healths = [Health.DOWN, *[Health.HEALTHY] * 8]
    more = [
        replace(some, bank_id=f"more-{n}", number=900 + n, name=f"Banque {n}", health=health)
        for n, health in enumerate(healths)
    ]
    await house.core.store.banks.save(more)
    many = steps.choose(house.core, visit, country="FR")
    assert len(many.popular) == steps.POPULAR
    assert all(bank.health is not Health.DOWN for bank in many.popular)


async def test_a_refusal_at_the_bank_keeps_its_reason(visit: Checkout, house: House) -> None:
    standing = _stands(visit, house, State.REJECTED, Phase.ENDED)
    why = replace(standing.payment, reason=Reason.INSUFFICIENT_FUNDS, bank_message="Solde insuffisant")
    page = steps.outcome(house.core, replace(standing, payment=why))
    assert (page.reason, page.message) == (Reason.INSUFFICIENT_FUNDS, "Solde insuffisant")


def _agreed(visit: Checkout, state: State, *, paid_before: bool = False) -> Checkout:
    """Return the visit of a payment that repeats."""
    payment = visit.payment
    monthly = replace(payment.instructions[0], recurrence=Recurrence(Frequency.MONTHLY, date(2026, 11, 30)))
    agreed = replace(payment, state=state, instructions=(monthly,), reason=None, expires_at=FOR_EVER)
    return replace(visit, payment=agreed, paid_before=paid_before)


async def test_what_repeats_is_never_worded_as_one_payment(visit: Checkout, house: House) -> None:
    runs = await tell(house.core, _agreed(visit, PENDING), None, "en")
    assert (runs.title, runs.panel) == ("This payment repeats", "wait")
    assert "9999" not in runs.money + runs.then
    assert steps.ending(_agreed(visit, State.DONE, paid_before=True)) is Ending.FINISHED
    assert steps.ending(_agreed(visit, State.REJECTED)) is Ending.REJECTED
    stopped = _agreed(visit, State.REJECTED, paid_before=True)
    stopped = replace(stopped, payment=replace(stopped.payment, reason=Reason.CANCELLED_BY_PAYER))
    said = await tell(house.core, stopped, None, "en")
    assert (said.title, said.panel) == ("This payment no longer repeats", "end")
    assert "No money" not in said.money
    assert "declined" not in said.money


@pytest.mark.parametrize(
    ("day", "ending"),
    [
        (date(2026, 12, 24), Ending.SCHEDULED),
        (date(2026, 11, 20), Ending.SCHEDULED),
        (date(2026, 11, 19), Ending.PENDING),
    ],
)
async def test_a_payment_kept_for_its_date_names_the_date(
    visit: Checkout, house: House, day: date, ending: Ending
) -> None:
    stands = _stands(visit, house, PENDING, LIVE)
    (one,) = stands.payment.instructions
    kept = replace(one, execution=Execution.DEFERRED, execution_date=day)
    stands = replace(
        stands, payment=replace(stands.payment, instructions=(kept,)), now=datetime(2026, 11, 20, tzinfo=UTC)
    )
    shown = steps.current(house.core, stands)
    assert isinstance(shown, Outcome)
    assert shown.ending is ending
    said = await tell(house.core, stands, None, "en")
    assert ("seconds" in said.money) is (ending is Ending.PENDING)
    assert (f"{day.day} " in said.money) is (ending is Ending.SCHEDULED)
