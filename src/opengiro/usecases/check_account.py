"""Check account numbers where they enter, and add what the number itself tells (the bank's BIC).

Countries' forms and banks' codes are schwifty's; its objects would cost four times what the rules themselves do.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import lru_cache

from schwifty import BIC
from schwifty.domain import Component
from schwifty.exceptions import SchwiftyException
from schwifty.registry import get_iban_spec

from opengiro.domain.accounts import Account, Scheme

_SEPARATORS = re.compile(r"[ \-]")
_SPACES = re.compile(r"[\s\-]+")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", re.ASCII)
_VALUES = {ord(sign): str(value) for value, sign in enumerate(string.digits + string.ascii_uppercase)}


class AccountFault(ValueError):
    """The number is no account of this scheme; the message says why without repeating it."""


def check_account(scheme: Scheme, identification: str, holder: str, bic: str | None = None) -> Account:
    """Return the account with its number in electronic form; raises `AccountFault`."""
    if scheme is Scheme.IBAN:
        iban = check_iban(identification)
        return Account(scheme, iban, holder, bic or _bic_of(iban))
    return Account(scheme, _check_sort_code(identification), holder, bic)


@lru_cache(maxsize=1024)
def check_payee(scheme: Scheme, identification: str, holder: str, bic: str | None = None) -> Account:
    """Check an account that money goes to: merchants name their own few again and again, so those are remembered.

    Payers' accounts never go through here: they would fill the memory, and have no business in it.
    """
    return check_account(scheme, identification, holder, bic)


def check_iban(text: str) -> str:
    """Return the IBAN without spaces; country, length and mod-97 check digits must be right (ISO 13616)."""
    if len(text) > 64 or not text.isascii():
        raise AccountFault("an IBAN has at most 34 letters and digits")
    iban = _SPACES.sub("", text).upper()
    if not _IBAN.fullmatch(iban) or not _is_form(iban) or iban[2:4] != _check_digits(iban):
        raise AccountFault("this is not a valid IBAN: check country, length and check digits")
    return iban


@dataclass(frozen=True, slots=True)
class _Form:
    """How a country writes the part after the check digits, and which slices of the IBAN name the bank."""

    length: int
    pattern: re.Pattern[str]
    bank: tuple[slice, ...]


@lru_cache(maxsize=256)
def _form(country: str) -> _Form | None:
    try:
        spec = get_iban_spec(country)
    except SchwiftyException:
        return None
    named = spec.bic_lookup_components or [Component.BANK_CODE]
    places = [spec.positions[part] for part in named if part in spec.positions]
    return _Form(spec.iban_length, spec.regex, tuple(slice(4 + one.start, 4 + one.end) for one in places))


def _is_form(iban: str) -> bool:
    form = _form(iban[:2])
    return form is not None and len(iban) == form.length and form.pattern.match(iban[4:]) is not None


def _check_digits(iban: str) -> str:
    """Return the digits that belong into an IBAN (ISO 7064, mod 97-10); 00, 01 and 99 never do."""
    return f"{98 - int(f'{iban[4:]}{iban[:2]}00'.translate(_VALUES)) % 97:02d}"


def _check_sort_code(text: str) -> str:
    digits = _SEPARATORS.sub("", text)
    if not re.fullmatch(r"[0-9]{14}", digits, re.ASCII):
        raise AccountFault("expected six digits of sort code, then eight of account number")
    return digits


def _bic_of(iban: str) -> str | None:
    form = _form(iban[:2])
    return _bic(iban[:2], "".join([iban[place] for place in form.bank])) if form else None


@lru_cache(maxsize=4096)
def _bic(country: str, bank_code: str) -> str | None:
    try:
        return str(BIC.from_bank_code(country, bank_code))
    except SchwiftyException:
        return None
