"""Bank accounts as payments name them. Whether an IBAN is well formed is checked where it enters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scheme(StrEnum):
    """How an account is identified."""

    IBAN = "iban"  #: ISO 13616
    SORT_CODE = "sort_code_account_number"  #: six digits of UK sort code, then eight of account


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a bank: 14 digits or an IBAN without spaces, its holder's name, and the bank's BIC if known."""

    scheme: Scheme
    identification: str
    holder: str
    bic: str | None = None
