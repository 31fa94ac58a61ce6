"""Which page a payment gets: one decision from how it stands, so that reload, back and a second tab agree.

Nothing here changes anything. `current` is the page, `leaves` says whether this browser goes back to the shop instead.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from opengiro.domain.accounts import Scheme
from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import AskFields, Bank, Confirm, Decoupled, Need, NextAction, Redirect
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import civil_day
from opengiro.domain.schedule import quiet_after
from opengiro.domain.sepa_text import NAME_LENGTH_MAX, sepa_text
from opengiro.usecases.list_banks import list_banks
from opengiro.web.checkout.search import BankIndex, fold
from opengiro.web.checkout.view import (
    AnswerBank,
    ApproveOnPhone,
    AtBank,
    ChooseBank,
    Ending,
    Notice,
    Outcome,
    Page,
    Review,
    Standing,
    Summary,
    Watch,
    Watching,
    masked,
    usable,
)

if TYPE_CHECKING:
    from datetime import date, datetime

    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import Checkout

POPULAR = 6
LISTED_MAX = 60
_LEAVES = frozenset({State.PENDING, State.ACCEPTED, State.DONE, State.PARTIAL})
_CHOOSING = frozenset({State.CREATED, State.VALIDATING})


def leaves(checkout: Checkout) -> bool:
    """Whether the payer's part is over and the shop has a page of its own for them.

    It is over once the bank took the order, or when it is the shop's turn to confirm.
    """
    if checkout.payment.redirect_uri is None:
        return False
    return checkout.payment.state in _LEAVES or isinstance(_action(checkout.attempt), Confirm)


def may_choose(checkout: Checkout) -> bool:
    """Whether a bank can be chosen: none may pay yet, or the one that may can still be asked to forget it."""
    if checkout.payment.state not in _CHOOSING:
        return False
    attempt = live(checkout)
    return attempt is None or isinstance(attempt.action, Redirect | Decoupled | AskFields)


def may_cancel(core: Core, checkout: Checkout) -> bool:
    """Whether cancelling can promise that no money moves."""
    if not may_choose(checkout):
        return False
    attempt = live(checkout)
    return attempt is None or core.canceller(core.bank(attempt.bank_id)) is not None


def live(checkout: Checkout) -> Attempt | None:
    """Return the attempt that may still pay."""
    attempt = checkout.attempt
    return None if attempt is None or attempt.phase is Phase.ENDED else attempt


def current(core: Core, checkout: Checkout, *, returned: bool = False) -> Page | None:
    """Return the page for how the payment stands; None while a bank is still to be chosen."""
    payment, attempt = checkout.payment, live(checkout)
    if runs(checkout):
        return standing(core, checkout)
    if payment.final or payment.state in _LEAVES:
        return outcome(core, checkout)
    if attempt is None:
        return None
    bank = core.bank(attempt.bank_id)
    if attempt.phase is not Phase.LIVE:
        what = Watch.STARTING if attempt.phase is Phase.INITIATING else Watch.UNKNOWN
        return Watching(what=what, bank=bank, checked=checkout.now)
    return _waiting(attempt, bank, checkout.now, returned=returned)


def _waiting(attempt: Attempt, bank: Bank, now: datetime, *, returned: bool) -> Page:
    match attempt.action:
        case Redirect():
            return AtBank(bank, attempt.ends_at, returned=returned)
        case Decoupled(message):
            return ApproveOnPhone(
                bank=bank, message=message, until=attempt.ends_at, since=attempt.started_at, checked=now
            )
        case AskFields(fields):
            return AnswerBank(bank=bank, fields=fields)
        case Confirm():
            return Watching(what=Watch.CONFIRMING, bank=bank, checked=now)
        case None:
            return Watching(what=Watch.PROCESSING, bank=bank, checked=now)


def runs(checkout: Checkout) -> bool:
    """Whether this is a recurring payment whose dates keep falling due."""
    return checkout.payment.recurrence is not None and checkout.payment.state is State.PENDING


def standing(core: Core, checkout: Checkout) -> Standing:
    """Return the page of a recurring payment that runs."""
    payment = checkout.payment
    bank = core.bank(payment.bank_id or "")
    return Standing(
        bank=bank,
        next_date=_next_date(checkout),
        may_stop=core.canceller(bank) is not None and live(checkout) is not None,
        stopping=payment.cancelling and isinstance(_action(checkout.attempt), Redirect),
    )


def _next_date(checkout: Checkout) -> date | None:
    """Return the first date after today on which the payment falls due."""
    payment, recurrence = checkout.payment, checkout.payment.recurrence
    if recurrence is None:
        return None
    today = civil_day(checkout.now, checkout.merchant.zone)
    running = recurrence.starting(civil_day(payment.validated_at or checkout.now, checkout.merchant.zone))
    dates = takewhile(lambda day: day is not None, (running.date_of(ordinal) for ordinal in count(1)))
    return next((day for day in dates if day and day > today), None)


def outcome(core: Core, checkout: Checkout) -> Outcome:
    """Return the receipt of a payment whose payer has nothing more to do."""
    payment = checkout.payment
    bank = core.bank(payment.bank_id) if payment.bank_id else None
    return Outcome(
        ending=ending(checkout),
        bank=bank if checkout.attempt else None,
        reason=reason(checkout),
        message=payment.bank_message if payment.state is State.REJECTED else None,
        until=_known_by(checkout, bank),
        at=checkout.now,
    )


def ending(checkout: Checkout) -> Ending:
    """Return how the payment ended or stands, told apart as far as the payer's money is concerned."""
    payment = checkout.payment
    match payment.state:
        case State.PENDING if payment.recurrence:
            return Ending.REPEATS
        case State.PENDING if _scheduled(checkout):
            return Ending.SCHEDULED
        case State.DONE if payment.recurrence:
            return Ending.FINISHED
        case State.REJECTED if checkout.paid_before:
            return Ending.STOPPED
    return Ending(payment.state.value)


def reason(checkout: Checkout) -> Reason | None:
    """Return why a payment was refused; that its payer stopped what repeated is no refusal."""
    stopped = checkout.paid_before and checkout.payment.reason is Reason.CANCELLED_BY_PAYER
    return None if stopped else checkout.payment.reason


def _scheduled(checkout: Checkout) -> bool:
    """Whether the bank keeps the payment for a date that is not over."""
    day = summary(checkout).execution_date
    return day is not None and civil_day(checkout.now, checkout.merchant.zone) <= day


def _known_by(checkout: Checkout, bank: Bank | None) -> datetime | None:
    """Return by when a pending payment is certain: when its silence counts, else when it expires."""
    payment = checkout.payment
    if payment.state is not State.PENDING:
        return None
    if bank is not None and payment.execution in bank.no_final_status:
        return quiet_after(payment, payment.validated_at or checkout.now)
    return payment.expires_at


def choose(core: Core, checkout: Checkout, *, country: str, query: str = "", failed: Bank | None = None) -> ChooseBank:
    """Return the page of banks for a country, or of those that match what was typed."""
    offered, refused = list_banks(core, checkout.payment), _failed(checkout)
    inside = [bank for bank in offered if country in bank.countries]
    found = BankIndex(inside).search(query) if query else sorted(inside, key=_by_name)
    return ChooseBank(
        country=country,
        countries=countries(core, checkout),
        popular=tuple(bank for bank in inside if usable(bank))[:POPULAR] if _many(inside, query) else (),
        banks=tuple(found[:LISTED_MAX]),
        query=query,
        found=len(found),
        failed=failed or (core.bank(refused.bank_id) if refused else None),
        message=refused.message if refused and not failed else None,
    )


def _many(banks: list[Bank], query: str) -> bool:
    return not query and len(banks) > POPULAR + 2


def _by_name(bank: Bank) -> str:
    return fold(bank.name)


def countries(core: Core, checkout: Checkout) -> tuple[str, ...]:
    """Return the countries that have a bank for this payment, that of the payee first."""
    offered = {country for bank in list_banks(core, checkout.payment) for country in bank.countries}
    home = home_country(checkout)
    return tuple(sorted(offered, key=lambda country: (country != home, country)))


def home_country(checkout: Checkout) -> str | None:
    """Return the country where the shop is paid: what a merchant tells us about where payers are."""
    payee = checkout.payment.instructions[0].payee
    return payee.identification[:2] if payee.scheme is Scheme.IBAN else "GB"


def notice(checkout: Checkout) -> Notice | None:
    """Return what became of the last attempt, where the page itself has no room for it."""
    attempt, payment = checkout.attempt, checkout.payment
    if attempt is None or attempt.phase is not Phase.ENDED:
        return None
    if payment.state is State.VALIDATING:
        return Notice.LAPSED
    return Notice.TRY_AGAIN if payment.state is State.CREATED and payment.bank_locked else None


def _failed(checkout: Checkout) -> Attempt | None:
    """Return the attempt that its bank did not take."""
    attempt, payment = checkout.attempt, checkout.payment
    ended = attempt is not None and attempt.phase is Phase.ENDED
    return attempt if ended and payment.state is State.CREATED else None


def review(core: Core, checkout: Checkout, bank: Bank) -> Review:
    """Return the page where the payer checks everything before going to a bank."""
    payment, refused = checkout.payment, _failed(checkout)
    again = refused is not None and refused.bank_id == bank.bank_id
    return Review(
        bank=bank,
        payee_account=masked(payment.instructions[0].payee.identification),
        needs_iban=bank.payer_account is Need.REQUIRED and (payment.payer is None or again),
        terms_url=f"/checkout/{checkout.session.handle}/terms" if checkout.terms else None,
        locked=payment.bank_locked,
        fields=() if payment.defaults else core.connectors[bank.connector].payment_fields,
    )


def preselected(core: Core, checkout: Checkout) -> Bank | None:
    """Return the bank that the shop chose, unless it was tried and the payer may choose another."""
    payment = checkout.payment
    if payment.bank_id is None or (checkout.attempt is not None and not payment.bank_locked):
        return None
    return core.bank(payment.bank_id)


def summary(checkout: Checkout) -> Summary:
    """Return what is being paid, with name and text exactly as the bank will show them."""
    payment, merchant = checkout.payment, checkout.merchant
    first = payment.instructions[0]
    return Summary(
        shop=merchant.name,
        legal_name=merchant.legal_name,
        amount=payment.total,
        payee=sepa_text(first.payee.holder, NAME_LENGTH_MAX),
        others=len({one.payee.identification for one in payment.instructions}) - 1,
        label=sepa_text(first.label),
        execution=first.execution,
        execution_date=first.execution_date if first.execution is Execution.DEFERRED else None,
        recurrence=payment.recurrence,
    )


def is_test(core: Core, checkout: Checkout) -> bool:
    """Whether the banks on offer live on this very server, so that no real money can move."""
    offered = list_banks(core, checkout.payment)
    return bool(offered) and all(not bank.base_url or bank.base_url.startswith(core.own_url) for bank in offered)


def zone_of(checkout: Checkout) -> ZoneInfo:
    """Return the time zone in which this shop's payers read times."""
    return ZoneInfo(checkout.merchant.zone)


def step_word(core: Core, checkout: Checkout) -> str:
    """Return a word that changes exactly when another page is due."""
    if leaves(checkout):
        return "leave"
    page = current(core, checkout)
    attempt = checkout.attempt
    return f"{type(page).__name__}-{checkout.payment.state}-{attempt.ordinal if attempt else 0}"


def _action(attempt: Attempt | None) -> NextAction:
    return None if attempt is None or attempt.phase is Phase.ENDED else attempt.action
