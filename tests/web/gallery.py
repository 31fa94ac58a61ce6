"""Every page in every state, as data: for the accessibility rules, for screenshots and for people.

`python -m tests.web.gallery FOLDER` takes a picture of each at phone and desktop width.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from opengiro.domain.banks import Bank, Field, Health
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.web.checkout.view import (
    AnswerBank,
    ApproveOnPhone,
    AtBank,
    ChooseBank,
    Ending,
    Frame,
    GoToBank,
    GoToShop,
    Notice,
    Outcome,
    Page,
    Review,
    Standing,
    Summary,
    TermsText,
    Watch,
    Watching,
)

NOW = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)


def _bank(number: int, name: str, colour: str, **more: object) -> Bank:
    return Bank(
        bank_id=f"00000000-0000-4000-8000-{number:012d}",
        number=number,
        name=name,
        connector="test_bank",
        countries=("FR",),
        colour=colour,
        **more,  # type: ignore[arg-type]
    )


OAK = _bank(1, "Banque du Chêne", "#0b6e4f")
RIVER = _bank(2, "Crédit Riverain", "#b5179e")
HARBOUR = _bank(3, "Harbour Savings", "#f4a300", health=Health.DEGRADED)
ALPINE = _bank(4, "Caisse Alpine", "#1d4ed8", decoupled=True)
MILL = _bank(5, "Mill & Mason Bank", "#7c2d12", health=Health.DOWN)
NORTH = _bank(6, "Nordlys", "#0e7490", hint="Switch on “payments by apps” in your app first.")
BANKS = (OAK, ALPINE, RIVER, HARBOUR, MILL, NORTH)

SUMMARY = Summary(
    shop="Maison Lavande",
    legal_name="Lavande & Fils SARL",
    amount=Money(12990, "EUR"),
    payee="Lavande & Fils",
    others=0,
    label="Order 2026-1107 Maison Lavande",
    execution=Execution.INSTANT,
    execution_date=None,
)
LONG = _bank(7, "Landwirtschaftlichekreditgenossenschaft Norddeutschland-Ostseeküste", "#334155")
LONG_SUMMARY = replace(
    SUMMARY,
    shop="Donaudampfschifffahrtsgesellschaft und Söhne",
    legal_name="Donaudampfschifffahrtsgesellschaft und Söhne mit beschränkter Haftung",
    amount=Money(123456789012, "EUR"),
    others=3,
    execution=Execution.DEFERRED,
    execution_date=NOW.date(),
    label="A" * 140,
)
FRAME = Frame(
    language="en",
    zone=ZoneInfo("Europe/Paris"),
    base="/checkout/example",
    csrf="example",
    summary=SUMMARY,
    may_cancel=True,
    test=True,
)
_CHOOSE = ChooseBank(country="FR", countries=("BE", "DE", "FR"), popular=BANKS, banks=BANKS, found=6)
_REVIEW = Review(bank=OAK, payee_account="FR76 •••• •••• 0189")
_OVER = replace(FRAME, may_cancel=False, may_leave=False)
_BACK = "https://shop.example/back"

RENT = replace(SUMMARY, label="Rent", recurrence=Recurrence(Frequency.MONTHLY, NOW.date()))
_STANDING = Standing(bank=OAK, next_date=NOW.date(), may_stop=True, stopping=False, back=_BACK)


def _outcome(ending: Ending, **more: object) -> Outcome:
    return Outcome(ending=ending, bank=OAK, back=_BACK, at=NOW, **more)  # type: ignore[arg-type]


ASKED = (
    Field("card", "Last four digits of your card", regex="[0-9]{4}"),
    Field("method", "How would you like to approve?", choices=(("app", "In the app"), ("sms", "By text message"))),
    Field("branch", "Branch", required=False, choices=tuple((str(n), f"Branch {n}") for n in range(8))),
)

PAGES: dict[str, tuple[Page, Frame]] = {
    "choose": (_CHOOSE, FRAME),
    "choose-many-countries": (replace(_CHOOSE, countries=("AT", "BE", "DE", "ES", "FR", "IT", "NL")), FRAME),
    "choose-found": (replace(_CHOOSE, popular=(), banks=(RIVER,), query="credit", found=1), FRAME),
    "choose-nothing": (replace(_CHOOSE, popular=(), banks=(), query="zzz", found=0), FRAME),
    "choose-after-failure": (replace(_CHOOSE, failed=HARBOUR), FRAME),
    "review": (_REVIEW, FRAME),
    "review-locked": (replace(_REVIEW, locked=True, bank=HARBOUR), FRAME),
    "review-iban": (replace(_REVIEW, needs_iban=True, terms_url="https://shop.example/terms"), FRAME),
    "review-wrong": (
        replace(
            _REVIEW,
            needs_iban=True,
            iban="FR76 1234",
            terms_url="https://shop.example/terms",
            complaints={"iban": "iban_wrong", "terms": "terms"},
        ),
        FRAME,
    ),
    "terms": (TermsText("We pass your payment order on to your bank.\n\nWe never hold your money.", "en"), FRAME),
    "review-fields": (replace(_REVIEW, fields=ASKED, complaints={"field-card": "missing"}), FRAME),
    "not-stopped": (AtBank(OAK, NOW, returned=True), replace(FRAME, notice=Notice.NOT_STOPPED)),
    "repeats": (_STANDING, replace(_OVER, summary=RENT)),
    "repeats-stopping": (replace(_STANDING, stopping=True), replace(_OVER, summary=RENT)),
    "repeats-for-good": (replace(_STANDING, may_stop=False), replace(_OVER, summary=RENT)),
    "review-repeats": (_REVIEW, replace(FRAME, summary=RENT)),
    "leave": (GoToShop("#shop"), _OVER),
    "review-long": (replace(_REVIEW, bank=LONG), replace(FRAME, summary=LONG_SUMMARY)),
    "choose-long": (replace(_CHOOSE, banks=(LONG, OAK), popular=()), replace(FRAME, summary=LONG_SUMMARY)),
    "go": (GoToBank(OAK, "#bank"), _OVER),
    "at-bank": (AtBank(OAK, NOW), FRAME),
    "on-phone": (ApproveOnPhone(bank=ALPINE, message=None, until=NOW, since=NOW, checked=NOW), FRAME),
    "on-phone-message": (
        ApproveOnPhone(bank=ALPINE, message="Ouvrez Alpine Mobile et validez.", until=NOW, since=NOW, checked=NOW),
        FRAME,
    ),
    "fields": (AnswerBank(bank=OAK, fields=ASKED), FRAME),
    "fields-wrong": (
        AnswerBank(
            bank=OAK,
            fields=ASKED,
            values={"card": "12"},
            complaints={"field-card": "pattern", "field-method": "choice"},
        ),
        FRAME,
    ),
    **{
        f"watch-{what.value}": (
            Watching(what=what, bank=OAK, checked=NOW),
            replace(_OVER, may_leave=what is Watch.UNKNOWN),
        )
        for what in Watch
    },
    **{f"over-{e.value}": (_outcome(e, until=NOW + timedelta(days=3)), _OVER) for e in Ending},
    "over-rejected-by-bank": (
        _outcome(Ending.REJECTED, reason=Reason.INSUFFICIENT_FUNDS, message="Solde insuffisant.", leaves_alone=True),
        _OVER,
    ),
    "over-done-elsewhere": (_outcome(Ending.DONE), replace(_OVER, own=False)),
    "watch-elsewhere": (Watching(what=Watch.PROCESSING, bank=None, checked=NOW), replace(_OVER, own=False)),
}


def in_language(language: str) -> Iterator[tuple[str, Page, Frame]]:
    """Return every page with its frame in `language`."""
    for name, (page, frame) in PAGES.items():
        yield name, page, replace(frame, language=language)


def main(folder: Path) -> None:
    """Take a picture of every page, at both widths and in both languages."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only for pictures

    from tests.conftest import BROWSERS  # noqa: PLC0415
    from tests.web.stage import gallery_app, served  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    with served(gallery_app()) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS))), args=["--no-sandbox"]
        )
        for width, height in ((390, 844), (1280, 900)):
            page = browser.new_page(viewport={"width": width, "height": height})
            for name in [*PAGES, "link_invalid", "busy", "closed", "ours"]:
                for language in ("en", "fr"):
                    page.goto(f"{address}/{language}/{name}")
                    page.wait_for_timeout(900)
                    page.screenshot(path=folder / f"{name}-{language}-{width}.png", full_page=width == 390)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
