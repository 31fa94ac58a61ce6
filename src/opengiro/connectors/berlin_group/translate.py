"""Our words into a bank's and back: pure functions, no network, no clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from opengiro.connectors.berlin_group.answer import Answer
from opengiro.connectors.berlin_group.heard import REASONS, meaning, reason_in
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import BankTrouble, Decoupled, Moved, Order, Redirect
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import MONTHS, Frequency, Recurrence
from opengiro.domain.sepa_text import NAME_LENGTH_MAX, sepa_reference, sepa_text

_PRODUCTS = {
    Execution.FIRST_OPEN_DAY: "sepa-credit-transfers",
    Execution.DEFERRED: "sepa-credit-transfers",
    Execution.INSTANT: "instant-sepa-credit-transfers",
    Execution.PERIODIC: "sepa-credit-transfers",
}
_FREQUENCIES = {
    Frequency.DAILY: "Daily",
    Frequency.WEEKLY: "Weekly",
    Frequency.TWO_WEEKLY: "EveryTwoWeeks",
    Frequency.MONTHLY: "Monthly",
    Frequency.TWO_MONTHLY: "EveryTwoMonths",
    Frequency.QUARTERLY: "Quarterly",
    Frequency.FOUR_MONTHLY: "MonthlyVariable",  # the standard has no word of its own: the months are listed
    Frequency.SEMIANNUALLY: "SemiAnnual",
    Frequency.YEARLY: "Annual",
}
_FIELDS = {
    "debtorAccount": Reason.INVALID_EMITTER,
    "creditorAccount": Reason.INVALID_BENEFICIARY,
    "creditorName": Reason.INVALID_BENEFICIARY,
    "instructedAmount.currency": Reason.INVALID_CURRENCY,
    "instructedAmount": Reason.INVALID_AMOUNT,
    "requestedExecutionDate": Reason.INVALID_DATE,
    "startDate": Reason.INVALID_DATE,
    "endDate": Reason.INVALID_DATE,
    "remittanceInformation": Reason.INVALID_LABEL,
    "endToEndIdentification": Reason.INVALID_REFERENCE,
}
_SAID_LENGTH_MAX = 300
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Start:
    """The bank wants the authorisation started by a request of its own, perhaps with the payer's name there."""

    url: str
    identify: bool


def service(order: Order) -> str:
    """Return the payment service that takes the order."""
    return "periodic-payments" if order.execution is Execution.PERIODIC else "payments"


def product(order: Order) -> str:
    """Return the payment product that carries the order."""
    return _PRODUCTS[order.execution]


def payment_body(order: Order) -> bytes:
    """Return the JSON of a single payment; the payer's account only where it is known."""
    if order.execution is Execution.PERIODIC:
        raise unfit("a periodic order without its dates", Reason.INVALID_DATE)
    return _body(order, {"requestedExecutionDate": _date(order)})


def periodic_body(order: Order) -> bytes:
    """Return the JSON of a standing order, whose dates on closed days move to the next open one."""
    recurrence = order.recurrence
    if recurrence is None:
        raise unfit("a periodic order without its dates", Reason.INVALID_DATE)
    return _body(
        order,
        {
            "startDate": recurrence.start.isoformat(),
            "endDate": recurrence.end and recurrence.end.isoformat(),
            "executionRule": "following",
            "frequency": _FREQUENCIES[recurrence.frequency],
            "dayOfExecution": _day(recurrence),
            "monthsOfExecution": _months(recurrence),
        },
    )


def _day(recurrence: Recurrence) -> str | None:
    # The 31st is the standard's word for the last day of a month; a rhythm of days has no such day.
    return str(recurrence.start.day) if recurrence.frequency in MONTHS else None


def _months(recurrence: Recurrence) -> list[str] | None:
    if _FREQUENCIES[recurrence.frequency] != "MonthlyVariable":
        return None
    first, step = recurrence.start.month - 1, MONTHS[recurrence.frequency]
    return [str(month + 1) for month in sorted((first + step * turn) % 12 for turn in range(12 // step))]


def _body(order: Order, when: Mapping[str, Any]) -> bytes:
    if order.amount.currency != "EUR":
        raise unfit("SEPA carries euros only", Reason.INVALID_CURRENCY)
    body: dict[str, Any] = {
        "endToEndIdentification": sepa_reference(order.reference_id) or None,
        "debtorAccount": order.payer and _iban(order.payer, Reason.INVALID_EMITTER),
        "instructedAmount": {"currency": order.amount.currency, "amount": order.amount.text()},
        "creditorAccount": _iban(order.payee, Reason.INVALID_BENEFICIARY),
        "creditorName": sepa_text(order.payee.holder, NAME_LENGTH_MAX),
        "remittanceInformationUnstructured": sepa_text(order.label) or None,
        **when,
    }
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def _iban(account: Account, reason: Reason) -> dict[str, str]:
    if account.scheme is not Scheme.IBAN:
        raise unfit("SEPA knows accounts by IBAN only", reason)
    return {"iban": account.identification}


def _date(order: Order) -> str | None:
    if order.execution is not Execution.DEFERRED or order.requested_date is None:
        return None
    return order.requested_date.isoformat()


def unfit(said: str, reason: Reason | None) -> BankTrouble:
    """Return the trouble of an order that no bank of this standard could take: nothing was sent."""
    return BankTrouble(said, permanent=True, money=Moved.NOT_SENT, reason=reason)


def payer_ip(text: str | None, *, ipv6: bool) -> str:
    """Return the payer's address as `PSU-IP-Address` may hold it: the standard's schema knows IPv4 only.

    An IPv4 address inside an IPv6 one is taken out; any other IPv6 address goes to banks known to take it, and
    everybody else is told 0.0.0.0, "not specified".
    """
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return "0.0.0.0"  # noqa: S104  # an unknown payer, not a socket to bind
    if address.version == 4:
        return str(address)
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return str(inner or (address if ipv6 else "0.0.0.0"))  # noqa: S104


def next_step(answer: Answer, base_url: str) -> Redirect | Decoupled | Start | None:
    """Return how the payer approves, None if there is nothing to approve; raises `BankTrouble` if we cannot."""
    links = answer.links
    if answer.text("scaStatus") in {"finalised", "exempted"}:
        return None
    if "scaRedirect" in links and _fit_for_payer(links["scaRedirect"], base_url):
        return Redirect(links["scaRedirect"])
    if "scaOAuth" in links:
        raise unsupported("the bank wants an OAuth authorisation, which is not supported")
    if "startAuthorisation" in links:
        return Start(links["startAuthorisation"], identify=False)
    if "startAuthorisationWithPsuIdentification" in links:
        return Start(links["startAuthorisationWithPsuIdentification"], identify=True)
    if answer.approach == "DECOUPLED":
        return Decoupled(answer.for_payer)
    if meaning(answer.payment_status, None)[0]:
        return None
    if answer.approach == "EMBEDDED":
        raise unsupported("the bank wants the payer's bank password through us, which is not supported")
    raise unsupported("the bank names no way to approve the payment that is supported")


def _fit_for_payer(url: str, base_url: str) -> bool:
    # The payer's browser goes there: never to a script, and never from TLS to clear text.
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and urlsplit(base_url).scheme == "http")


def unsupported(said: str) -> BankTrouble:
    """Return the trouble of an approval we cannot lead the payer to: without it no money moves."""
    return BankTrouble(said, permanent=True, money=Moved.REFUSED, reason=Reason.BANK_UNAVAILABLE)


def trouble(answer: Answer) -> BankTrouble:
    """Return what an answer other than success means for an order that was just sent.

    503 and 429 are said before an order is looked at; other 4xx refuse it; a server error, a redirection or an
    unreadable success may hide an order that was taken.
    """
    if answer.status in {429, 503}:
        money = Moved.NOT_SENT
    elif 400 <= answer.status < 500 and answer.status != 408:
        money = Moved.REFUSED
    else:
        money = Moved.UNKNOWN
    return BankTrouble(
        said(answer),
        permanent=money is Moved.REFUSED,
        money=money,
        reason=reason(answer) or (Reason.BANK_UNAVAILABLE if money is Moved.NOT_SENT else None),
        message=answer.for_payer,
        retry_after=answer.retry_after,
    )


def said(answer: Answer) -> str:
    """Return the bank's words in one line: HTTP status, then code, path and text of each message."""
    words = [str(answer.status)]
    for message in answer.messages:
        words += [str(message[key]) for key in ("code", "path", "text") if message.get(key)]
    return " ".join(words)[:_SAID_LENGTH_MAX]


def reason(answer: Answer) -> Reason | None:
    """Return why the bank said no: an ISO code anywhere, else the field it complains of, else its own code."""
    texts = [str(value) for message in answer.messages for value in message.values()]
    texts += filter(None, map(answer.text, ("reasonCode", "reason", "statusReason", "psuMessage")))
    named = (_complaint(message) for message in answer.messages)
    return reason_in(*texts) or next(filter(None, named), None)


def _complaint(message: Mapping[str, Any]) -> Reason | None:
    code, path = str(message.get("code")), str(message.get("path"))
    if REASONS.get(code) in {Reason.INVALID_VALUE, None}:
        for field, meant in _FIELDS.items():
            if field in path:
                return meant
    return REASONS.get(code)
