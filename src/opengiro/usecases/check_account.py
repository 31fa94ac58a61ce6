"""Check account numbers where they enter, and add what the number itself tells (the bank's BIC)."""

from __future__ import annotations

import re
from functools import lru_cache

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from opengiro.domain.accounts import Account, Scheme

_SEPARATORS = re.compile(r"[ \-]")


class AccountFault(ValueError):
    """The number is no account of this scheme; the message says why without repeating it."""


def check_account(scheme: Scheme, identification: str, holder: str, bic: str | None = None) -> Account:
    """Return the account with its number in electronic form; raises `AccountFault`."""
    if scheme is Scheme.IBAN:
        iban = _read_iban(identification)
        return Account(scheme, iban.compact, holder, bic or _bic_of(iban))
    return Account(scheme, _check_sort_code(identification), holder, bic)


@lru_cache(maxsize=1024)
def check_payee(scheme: Scheme, identification: str, holder: str, bic: str | None = None) -> Account:
    """Check an account that money goes to: merchants name their own few again and again, so those are remembered.

    Payers' accounts never go through here: they would fill the memory, and have no business in it.
    """
    return check_account(scheme, identification, holder, bic)


def check_iban(text: str) -> str:
    """Return the IBAN without spaces; country, length and mod-97 check digits must be right (ISO 13616)."""
    return _read_iban(text).compact


def _read_iban(text: str) -> IBAN:
    if len(text) > 64 or not text.isascii():
        raise AccountFault("an IBAN has at most 34 letters and digits")
    try:
        return IBAN(text.replace("-", "").upper())
    except SchwiftyException as fault:
        raise AccountFault("this is not a valid IBAN: check country, length and check digits") from fault


def _check_sort_code(text: str) -> str:
    digits = _SEPARATORS.sub("", text)
    if not re.fullmatch(r"[0-9]{14}", digits, re.ASCII):
        raise AccountFault("expected six digits of sort code, then eight of account number")
    return digits


def _bic_of(iban: IBAN) -> str | None:
    try:
        bic = iban.bic
    except SchwiftyException:
        return None
    return str(bic) if bic else None
