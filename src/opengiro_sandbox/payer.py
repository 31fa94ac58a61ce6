"""The payer's answer and what it does: funds are checked, money is held, the payment goes on or ends.

Every answer is one transaction that first looks whether an earlier answer stands, so a double click, a second tab
and the silent approval of a phone cannot pay twice.
"""

from collections.abc import Set
from dataclasses import replace
from datetime import date, datetime

from opengiro_sandbox.banks import Account, Bank
from opengiro_sandbox.book import Book
from opengiro_sandbox.payment import (
    SILENT_APPROVAL,
    Authorisation,
    Payment,
    awaits_execution,
    is_dead,
)
from opengiro_sandbox.standing import Standing, due_dates, executes_at

# Opened on demand for an IBAN that carries the bank's own bank code but is not one of the three demo accounts.
OTHER_ACCOUNT_OPENING = 2_500_00


def account_of(bank: Bank, iban: str) -> Account:
    """Return the account behind an IBAN of this bank."""
    known = {account.iban: account for account in bank.accounts}
    return known.get(iban) or Account(iban, "other", OTHER_ACCOUNT_OPENING)


def offered_accounts(bank: Bank, payment: Payment) -> tuple[Account, ...]:
    """Return the accounts the payer may pay from: the one the order names, else all."""
    named = payment.order.debtor_iban
    return (account_of(bank, named),) if named else bank.accounts


def balance(book: Book, account: Account) -> int:
    """Return what is left on the account, in cents."""
    return account.opening + book.moved(account.iban)


def objection(account: Account, left: int, amount: int) -> str:
    """Return the ISO reason why the account cannot pay, or nothing when it can."""
    if account.blocked:
        return "AC06"
    return "AM04" if left < amount else ""


def answer(book: Book, bank: Bank, token: str, approve: bool, now: datetime) -> None:
    """Take the payer's answer, unless the matter is closed already."""
    with book.writing():
        found = book.load_by_token(bank.code, token)
        if found is None or found[0].decided_at or is_dead(*found, now):
            return
        _record(book, bank, *found, approve, now)


def _record(
    book: Book, bank: Bank, authorisation: Authorisation, payment: Payment, approve: bool, at: datetime
) -> None:
    if authorisation.cancels:
        # Execution may have begun while the payer was thinking; then the approval comes too late.
        approve = approve and awaits_execution(payment, bank, at)
    book.save_decision(authorisation.id, approve, at)
    if authorisation.cancels:
        if approve:
            book.save_cancellation(payment, at)
    elif not approve:
        book.save_rejection(payment, "DS02", at)
    else:
        _pay(book, bank, authorisation, payment, at)


def _pay(book: Book, bank: Bank, authorisation: Authorisation, payment: Payment, at: datetime) -> None:
    account = account_of(bank, authorisation.account or offered_accounts(bank, payment)[0].iban)
    standing = payment.order.standing
    # The money of a standing order has to be there on its dates, not today.
    reason = objection(account, balance(book, account), 0 if standing else payment.order.amount)
    if reason:
        book.save_rejection(replace(payment, debtor_iban=account.iban), reason, at)
        return
    book.save_approval(payment, account.iban, at)
    if standing:
        first = next(due_dates(standing), None)
        book.schedule_execution(payment, max(at, executes_at(first, standing, bank)) if first else None)


def keep_up(book: Book, bank: Bank, now: datetime) -> None:
    """Do what the bank would have done by now without being asked; it runs whenever somebody asks it anything."""
    answer_silently(book, bank, now)
    while book.load_executable(bank.code, now):
        with book.writing():
            for payment in book.load_executable(bank.code, now):
                _execute(book, bank, payment)


def _execute(book: Book, bank: Bank, payment: Payment) -> None:
    """Execute the next date of a standing order; a bank that reports ends gives up the order whose date it refuses."""
    standing, approved = payment.order.standing, payment.approved_at
    if standing is None or approved is None or payment.cancelled_at or payment.rejected_at:
        book.schedule_execution(payment, None)
        return
    made = {execution.due for execution in book.load_executions(payment.id)}
    due, following = _next_two(standing, made)
    if due is None:
        book.schedule_execution(payment, None)
        return
    at = max(approved, executes_at(due, standing, bank))
    account = account_of(bank, payment.debtor_iban)
    reason = objection(account, balance(book, account), payment.order.amount)
    book.save_execution(payment, due, at, reason)
    if reason and bank.final_status:
        book.save_rejection(payment, reason, at)
        following = None
    book.schedule_execution(payment, max(approved, executes_at(following, standing, bank)) if following else None)


def _next_two(standing: Standing, made: Set[date]) -> tuple[date | None, date | None]:
    dates = (due for due in due_dates(standing) if due not in made)
    return next(dates, None), next(dates, None)


def answer_silently(book: Book, bank: Bank, now: datetime) -> None:
    """Approve what has waited on the phone for long enough without anybody opening the app.

    The approval is dated to when it was due.
    """
    if bank.approach != "DECOUPLED":
        return
    for authorisation in book.load_undecided(bank.code):
        due = authorisation.started_at + SILENT_APPROVAL
        if authorisation.opened_at is None and due <= now:
            answer(book, bank, authorisation.token, approve=True, now=due)
