"""The sentences that depend on how a payment stands, as total tables: a state without words is a failing test.

Texts are English originals for the catalogues, translated when a page is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Frequency
from opengiro.web.checkout.view import Ending, Notice, Trouble, Watch


class Tone(StrEnum):
    """The sign beside a heading; the words say the same, so nothing hangs on colour."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Words:
    """A page's heading, what it means for the payer's money, and what to do next."""

    tone: Tone
    title: str
    money: str
    then: str = ""


def N_(text: str) -> str:  # noqa: N802 - the name extraction tools look for
    """Mark a text for translation and leave it as it is."""
    return text


ENDINGS: Mapping[Ending, Words] = {
    Ending.PENDING: Words(
        Tone.WAIT,
        N_("Your bank has the payment"),
        N_("This usually takes seconds, at most until %(until)s."),
        N_("You can close this page. %(shop)s will be told as soon as it is paid. Please do not pay again."),
    ),
    Ending.DONE: Words(
        Tone.GOOD,
        N_("Paid"),
        N_("Your bank has sent %(amount)s to %(payee)s."),
        N_("%(shop)s has been told. There is nothing more to do."),
    ),
    Ending.ACCEPTED: Words(
        Tone.GOOD,
        N_("Your bank accepted the payment"),
        N_("Your bank will send %(amount)s to %(payee)s. It does not report the moment the money arrives."),
        N_("%(shop)s has been told. Please do not pay again."),
    ),
    Ending.PARTIAL: Words(
        Tone.WAIT,
        N_("Your bank paid a part"),
        N_("Your bank made some of the transfers and refused others. Your account shows which."),
        N_("%(shop)s has been told what is missing."),
    ),
    Ending.REJECTED: Words(
        Tone.BAD,
        N_("The payment was not made"),
        N_("No money has left your account."),
        N_("You can go back to %(shop)s and pay again, with the same bank or another one."),
    ),
    Ending.EXPIRED: Words(
        Tone.CALM,
        N_("This payment page has expired"),
        N_("If you did not approve it at your bank, no money has left your account."),
        N_("Nothing went wrong: go back to %(shop)s and start the payment again."),
    ),
    Ending.CANCELLED: Words(
        Tone.CALM,
        N_("You cancelled the payment"),
        N_("No money has left your account, and none will."),
        N_("You can go back to %(shop)s."),
    ),
    Ending.SCHEDULED: Words(
        Tone.GOOD,
        N_("Your bank has the payment"),
        N_("It is paid on %(date)s."),
        N_("You can close this page. %(shop)s will be told as soon as it is paid. Please do not pay again."),
    ),
    Ending.REPEATS: Words(
        Tone.GOOD,
        N_("This payment repeats"),
        N_("Your bank pays %(amount)s to %(payee)s on each date by itself. You have nothing more to do."),
        N_("You can close this page."),
    ),
    Ending.FINISHED: Words(
        Tone.GOOD,
        N_("The last date is paid"),
        N_("Your bank has sent %(amount)s to %(payee)s on each date."),
        N_("%(shop)s has been told. There is nothing more to do."),
    ),
    Ending.STOPPED: Words(
        Tone.CALM,
        N_("This payment no longer repeats"),
        N_("What was already paid stays paid. No further date is paid."),
        N_("You can go back to %(shop)s."),
    ),
}

CODE_FAULTS: Mapping[str, str] = {
    "wrong": N_("This code opens nothing. It may be mistyped, used or too old: the other screen shows a new one soon."),
    "busy": N_("These were many tries. Please wait half a minute."),
}
"""What to tell somebody whose typed code opened nothing."""

WATCHES: Mapping[Watch, Words] = {
    Watch.STARTING: Words(
        Tone.WAIT,
        N_("We are asking your bank"),
        N_("No money moves before you approve it at your bank."),
        N_("This takes a few seconds. You can press the button as often as you like: it is one payment."),
    ),
    Watch.CONFIRMING: Words(
        Tone.WAIT,
        N_("%(shop)s is confirming"),
        N_("You have approved the payment. The money leaves once %(shop)s has confirmed, within a minute."),
        N_("If %(shop)s does not confirm, nothing is paid."),
    ),
    Watch.PROCESSING: Words(
        Tone.WAIT,
        N_("Your bank is working on it"),
        N_("Your bank has not said yet whether it makes the payment."),
        N_("This usually takes seconds. Please do not pay again meanwhile."),
    ),
    Watch.UNKNOWN: Words(
        Tone.WAIT,
        N_("We are waiting for your bank’s answer"),
        N_("Your bank did not answer clearly. Money can only move if you approved this payment at your bank."),
        N_("We keep asking. Please do not pay again until this page knows more."),
    ),
}

WHY: Mapping[Reason, str] = {
    Reason.INVALID_EMITTER: N_("Your bank does not allow payments from this account."),
    Reason.INSUFFICIENT_FUNDS: N_("There is not enough money on the account you chose."),
    Reason.INVALID_AMOUNT: N_("Your bank does not accept this amount. It may be above your limit."),
    Reason.INVALID_CURRENCY: N_("Your bank does not make payments in this currency."),
    Reason.INVALID_DATE: N_("Your bank does not accept the payment date."),
    Reason.INVALID_BENEFICIARY: N_("Your bank does not accept the account to be paid."),
    Reason.INVALID_LABEL: N_("Your bank does not accept the text of the payment."),
    Reason.INVALID_REFERENCE: N_("Your bank does not accept the reference of the payment."),
    Reason.REGULATORY: N_("Your bank declined for legal reasons."),
    Reason.AUTHENTICATION_FAILED: N_("Your bank could not verify that it was you."),
    Reason.NO_ANSWER_FROM_CUSTOMER: N_("The payment was not approved in time."),
    Reason.NOT_SPECIFIED: N_("Your bank gave no reason. It can tell you more."),
    Reason.CANCELLED_BY_PAYER: N_("You declined the payment at your bank."),
    Reason.CANCELLED_BY_CLIENT: N_("%(shop)s cancelled the payment."),
    Reason.CONFIRMATION_REFUSED: N_("%(shop)s did not confirm the payment."),
    Reason.BANK_MESSAGE: N_("Your bank declined and left a message."),
    Reason.INVALID_VALUE: N_("Your bank does not accept something that was entered."),
    Reason.BANK_UNAVAILABLE: N_("Your bank’s payment service is not available at the moment."),
    Reason.BUG: N_("A technical problem stopped the payment."),
}

TROUBLES: Mapping[Trouble, Words] = {
    Trouble.LINK_INVALID: Words(
        Tone.CALM,
        N_("This payment link does not work"),
        N_("If you have already paid, the shop knows. Otherwise no money has moved."),
        N_("Parts of the link may be missing, or it is too old. Go back to the shop to see your order."),
    ),
    Trouble.LINK_EXPIRED: Words(
        Tone.CALM,
        N_("This payment link is no longer valid"),
        N_("If you have already paid, the shop knows. Otherwise no money has moved."),
        N_("Go back to the shop to see your order or to start again."),
    ),
    Trouble.OTHER_BROWSER: Words(
        Tone.CALM,
        N_("This payment was started in another browser"),
        N_("For your safety the page only works where it was opened."),
        N_("Return to that browser, or go back to the shop and start the payment here."),
    ),
    Trouble.FORM_STALE: Words(
        Tone.CALM,
        N_("This page was too old to be sent"),
        N_("Nothing was sent to your bank."),
        N_("Go back one page, reload it and try once more."),
    ),
    Trouble.NOT_FOUND: Words(
        Tone.CALM,
        N_("There is no such page"),
        N_("If you have already paid, the shop knows. Otherwise no money has moved."),
        N_("Go back to the shop to see your order or to start again."),
    ),
    Trouble.BUSY: Words(
        Tone.WAIT,
        N_("One moment, please"),
        N_("Money can only move if you approved a payment at your bank."),
        N_("We cannot answer just now. Look again in a few seconds: nothing is ever sent to your bank twice."),
    ),
    Trouble.CLOSED: Words(
        Tone.CALM,
        N_("No payments are taken here at the moment"),
        N_("Nothing was sent to your bank just now."),
        N_("Please try again later, or go back to the shop."),
    ),
    Trouble.OURS: Words(
        Tone.BAD,
        N_("Something went wrong on our side"),
        N_("Money can only move if you approved a payment at your bank."),
        N_("Reload this page. It shows how your payment stands and never sends it twice."),
    ),
}

NOTICES: Mapping[Notice, str] = {
    Notice.BANK_BUSY: N_(
        "The payment at your first bank could not be stopped, so no other bank was asked: you will not pay twice."
    ),
    Notice.LAPSED: N_(
        "The time to approve at your bank is over and the payment was stopped there. No money has moved."
    ),
    Notice.TRY_AGAIN: N_(
        "Your bank could not take the payment. No money has moved. You can try again in a few minutes."
    ),
    Notice.NOT_STOPPED: N_("Your bank could not stop the payment. If you do not approve it there, no money moves."),
}

HOW_OFTEN: Mapping[Frequency, str] = {
    Frequency.DAILY: N_("Every day"),
    Frequency.WEEKLY: N_("Every week"),
    Frequency.TWO_WEEKLY: N_("Every two weeks"),
    Frequency.MONTHLY: N_("Every month"),
    Frequency.TWO_MONTHLY: N_("Every two months"),
    Frequency.QUARTERLY: N_("Every three months"),
    Frequency.FOUR_MONTHLY: N_("Every four months"),
    Frequency.SEMIANNUALLY: N_("Every six months"),
    Frequency.YEARLY: N_("Every year"),
}
"""How far the dates of a recurring payment lie apart."""

COMPLAINTS: Mapping[str, str] = {
    "iban_missing": N_("Enter the IBAN of the account you pay from."),
    "iban_wrong": N_("This is not an IBAN. Check it for missing or swapped characters."),
    "terms": N_("Accept the terms to continue."),
    "missing": N_("Fill in this field."),
    "pattern": N_("This is not in the form your bank expects."),
    "choice": N_("Choose one of the options."),
}
"""What is wrong with a form field, by the word the routes use."""
