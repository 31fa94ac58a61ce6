"""The languages of the pages: which one a browser wants, and the words, amounts and dates written in it.

Catalogues are read from their `.po` text at start-up, so what a translator edits is what runs.
"""

from __future__ import annotations

import io
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_time, get_datetime_format, get_timezone_gmt
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.support import NullTranslations, Translations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opengiro.domain.money import Money

LANGUAGES = {"en": "English", "fr": "Français"}
"""Languages with complete pages, each by its own name."""

_LOCALES = Path(__file__).parent / "locales"
_REGIONS = {"en": "en_GB"}  # payers are Europeans: days before months, 24 hours
_DIRECTIONS = {"left-to-right": "ltr", "right-to-left": "rtl"}


@cache
def translations(language: str) -> NullTranslations:
    """Return the catalogue of a language; English is the language of the source."""
    path = _LOCALES / language / "LC_MESSAGES" / "checkout.po"
    if not path.exists():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def wanted_language(accept_language: str, *preferred: str | None) -> str:
    """Return the first language we have: of the preferred ones, then of the browser's, then English."""
    asked = [tag for tag in preferred if tag] + [tag for tag, _ in _accepted(accept_language)]
    known = (tag.split("-")[0].lower() for tag in asked)
    return next((language for language in known if language in LANGUAGES), "en")


def likely_country(accept_language: str, offered: Iterable[str], hint: str | None = None) -> str:
    """Return the country whose banks to show first: what the merchant hints, the browser's region, or the first."""
    choices = list(offered)
    regions = [_region(tag) for tag, _ in _accepted(accept_language)]
    for country in (hint, *regions):
        if country and country.upper() in choices:
            return country.upper()
    return choices[0] if choices else ""


def _accepted(header: str) -> list[tuple[str, int]]:
    """Read `fr-CH, fr;q=0.9` as tags by falling preference; weights are whole thousandths."""
    found = []
    for part in header[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        thousandths = int((weight or "1").replace(".", "").ljust(4, "0")[:4]) if weight[:1] in "01" else 0
        if tag and tag != "*":
            found.append((tag, thousandths))
    return sorted(found, key=lambda pair: -pair[1])


def _region(tag: str) -> str | None:
    """Return a tag's region, or where its language is mostly spoken."""
    language, _, rest = tag.partition("-")
    region = rest.rpartition("-")[2]
    if len(region) == 2 and region.isalpha():
        return region
    likely = get_global("likely_subtags").get(language.lower(), "")
    return str(likely).rpartition("_")[2] or None


class Writer:
    """Writes facts the way readers of one language write them."""

    __slots__ = ("direction", "language", "locale", "zone")

    def __init__(self, language: str, zone: tzinfo) -> None:
        """Write for `language`, instants in `zone`."""
        self.language = language
        self.locale = Locale.parse(_REGIONS.get(language, language))
        self.direction = _DIRECTIONS.get(self.locale.character_order, "ltr")
        self.zone = zone

    def money(self, money: Money) -> str:
        """Write an amount with its currency."""
        return format_currency(Decimal(money.text()), money.currency, locale=self.locale)

    def day(self, day: date) -> str:
        """Write a civil date with its weekday."""
        return format_date(day, "full", locale=self.locale)

    def instant(self, instant: datetime) -> str:
        """Write a date and time of day with its zone, to the minute."""
        local = instant.astimezone(self.zone)
        moment = f"{self.clock(instant)} ({get_timezone_gmt(local, 'long', self.locale)})"
        pattern = str(get_datetime_format("long", locale=self.locale)).replace("'", "")
        return pattern.format(moment, self.day(local.date()))

    def clock(self, instant: datetime) -> str:
        """Write a time of day."""
        return format_time(instant.astimezone(self.zone), "short", locale=self.locale)

    def country(self, code: str) -> str:
        """Write a country's name."""
        return str(self.locale.territories.get(code, code))
