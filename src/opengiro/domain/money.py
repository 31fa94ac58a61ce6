"""Amounts: whole minor units and a currency, so that no sum is ever rounded.

Decimal text appears only where bytes are read or written; `Money.parse` and `Money.text` are its two doors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EXPONENTS = {
    "BGN": 2, "CHF": 2, "CZK": 2, "DKK": 2, "EUR": 2, "GBP": 2, "HUF": 2, "ISK": 0,
    "JPY": 0, "NOK": 2, "PLN": 2, "RON": 2, "SEK": 2, "USD": 2, "KWD": 3, "TND": 3,
}  # fmt: skip
"""Decimals of each currency we can hold (ISO 4217, minor unit)."""

SYMBOLS = {
    "EUR": ("€", "Euro"),
    "GBP": ("£", "Pound Sterling"),
    "USD": ("$", "US Dollar"),
    "CHF": ("CHF", "Swiss Franc"),
}
"""Sign and English name of the currencies that wires describe at length; others use their code for both."""

# Twelve digits before the point keep every sum inside 64 bits; the check runs before `int` so that no
# text can make the parser work hard (a "1e1000000" would).
_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,20}))?", re.ASCII)


class AmountFault(ValueError):
    """The text is no amount of this currency; the message says why, without repeating the text."""


@dataclass(frozen=True, slots=True)
class Money:
    """A sum in minor units (cents for EUR) of one ISO 4217 currency."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError("minor units are an integer")
        if self.currency not in EXPONENTS:
            raise AmountFault(f"currency {self.currency!r} is not supported")

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a plain decimal such as `50.90`; digits beyond the currency's own must be zeros."""
        if currency not in EXPONENTS:
            raise AmountFault("this currency is not supported")
        found = _DECIMAL.fullmatch(text)
        if not found:
            raise AmountFault("an amount is a plain decimal number such as 50.90")
        places = EXPONENTS[currency]
        whole, fraction = found[1], (found[2] or "").rstrip("0")
        if len(fraction) > places:
            raise AmountFault(f"{currency} has {places} decimals")
        return cls(int(whole + fraction.ljust(places, "0")), currency)

    def text(self, decimals: int | None = None) -> str:
        """Write the exact decimal, with the currency's own decimals or, padded by zeros, with more."""
        places = EXPONENTS[self.currency]
        digits = str(abs(self.minor)).rjust(places + 1, "0")
        whole, fraction = (digits[:-places], digits[-places:]) if places else (digits, "")
        fraction = fraction.ljust(places if decimals is None else decimals, "0")
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"

    def __add__(self, other: Money) -> Money:
        """Add a sum of the same currency; another currency is a mistake, never a conversion."""
        if not isinstance(other, Money) or other.currency != self.currency:
            raise TypeError("only sums of one currency add up")
        return Money(self.minor + other.minor, self.currency)
