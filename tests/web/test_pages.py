"""What each page says, in every language: judged on the HTML that is sent."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from opengiro.domain.banks import Health
from opengiro.domain.money import Money
from opengiro.domain.payment import Reason
from opengiro.web.checkout import view, wording
from opengiro.web.checkout.assets import ASSETS
from opengiro.web.checkout.languages import LANGUAGES, Writer, likely_country, wanted_language
from opengiro.web.checkout.pages import print_page, print_trouble
from tests.web.gallery import BANKS, FRAME, OAK, PAGES, SUMMARY

ROOM = Path(view.__file__).parent
LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


def _html(name: str, language: str = "en") -> str:
    page, frame = PAGES[name]
    return print_page(page, replace(frame, language=language), "n").decode()


def test_every_state_has_words() -> None:
    assert wording.ENDINGS.keys() == set(view.Ending)
    assert wording.WATCHES.keys() == set(view.Watch)
    assert wording.TROUBLES.keys() == set(view.Trouble)
    assert wording.WHY.keys() == set(Reason)


@LANGUAGE
def test_no_text_of_the_source_lacks_a_translation(language: str) -> None:
    if language == "en":
        return
    catalogue = read_po((ROOM / f"locales/{language}/LC_MESSAGES/checkout.po").open("rb"), locale=language)
    kinds = [("**.py", "python"), ("templates/**.html", "jinja2")]
    how = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
    found = {text for _, _, text, _, _ in extract_from_dir(ROOM, kinds, how, keywords)}
    assert len(found) > 100
    assert {text for text in found if text not in catalogue or not catalogue[text].string} == set()


@LANGUAGE
@pytest.mark.parametrize("name", PAGES)
def test_every_page_prints_and_puts_nothing_inline(name: str, language: str) -> None:
    html = _html(name, language)
    assert f'lang="{language}"' in html
    assert not re.search(r"\s(on\w+|style)=", html)
    assert all('nonce="n"' in tag for tag in re.findall(r"<(?:script|style|link rel=.stylesheet)[^>]*>", html))
    assert html.count("<h1") == 1


@pytest.mark.parametrize("name", PAGES)
def test_shop_legal_name_amount_payee_and_promise_come_before_the_first_question(name: str) -> None:
    """U6."""
    head = _html(name).split("<main", 1)[0]
    if not name.endswith("-long"):
        for fact in ("Maison Lavande", "Lavande &amp; Fils SARL", "€129.90", "Lavande &amp; Fils"):
            assert fact in head
    if not name.startswith(("over-", "leave")):
        assert "We never see your password" in head


def test_what_a_merchant_or_bank_wrote_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>\"'"
    frame = replace(FRAME, summary=replace(SUMMARY, shop=evil, payee=evil, label=evil, legal_name=evil))
    bank = replace(OAK, name=evil, hint=evil)
    pages: list[view.Page] = [
        view.ChooseBank(country="FR", countries=("FR",), banks=(bank,), query=evil, failed=bank),
        view.Review(bank=bank, payee_account=evil, iban=evil, needs_iban=True),
        view.Outcome(ending=view.Ending.REJECTED, bank=bank, message=evil, reason=Reason.BANK_MESSAGE),
        view.AtBank(bank, datetime(2026, 1, 1, tzinfo=UTC)),
    ]
    for page in pages:
        assert "<script>" not in print_page(page, frame, "n").decode()


def test_a_bank_that_is_down_is_said_in_text_and_cannot_be_chosen() -> None:
    """U5."""
    html = _html("choose")
    assert "Not available right now. Please use another bank." in html
    assert f"/banks/{next(b for b in BANKS if b.health is Health.DOWN).bank_id}" not in html


@pytest.mark.parametrize("ending", view.Ending)
def test_every_ending_says_what_happened_to_the_money_and_what_next(ending: view.Ending) -> None:
    """U12."""
    html = _html(f"over-{ending.value}")
    assert 'class="money"' in html
    assert "Return to Maison Lavande" in html


def test_pending_says_until_when_and_that_the_page_may_be_closed() -> None:
    """U11."""
    html = _html("over-pending")
    assert "Monday, 23 November 2026, 10:41 (GMT+01:00)" in html
    assert "You can close this page." in html


def test_a_payer_whose_money_may_be_moving_is_not_offered_to_cancel() -> None:
    """U15."""
    assert "/cancel" in _html("choose")
    for name in ("watch-unknown", "over-pending", "over-done"):
        assert "/cancel" not in _html(name)


def test_the_way_out_is_a_link_and_a_refresh_never_a_form() -> None:
    html = _html("go")
    assert 'http-equiv="refresh" content="0; url=#bank"' in html
    assert "<form" not in html


def test_a_page_about_a_broken_link_leads_nowhere_by_itself() -> None:
    for trouble in view.Trouble:
        html = print_trouble(trouble, "en", "n").decode()
        assert "refresh" not in html
        assert "<form" not in html


def test_a_full_iban_is_never_printed() -> None:
    assert view.masked("FR7630006000011234567890189") == "FR76 •••• •••• 0189"
    assert view.masked("1234") == "•• 34"


def test_amounts_and_dates_are_written_as_readers_of_the_language_write_them() -> None:
    """U19."""
    zone = ZoneInfo("Europe/Paris")
    at = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    english, french = Writer("en", zone), Writer("fr", zone)
    assert english.money(Money(123456, "EUR")) == "€1,234.56"
    assert french.money(Money(123456, "EUR")) == "1\u202f234,56\xa0€"
    assert english.instant(at) == "Friday, 1 January 2027, 00:30 (GMT+01:00)"
    assert french.instant(at) == "vendredi 1 janvier 2027, 00:30 (UTC+01:00)"


@pytest.mark.parametrize(
    ("header", "preferred", "expected"),
    [
        ("fr-FR,fr;q=0.9,en;q=0.8", None, "fr"),
        ("de-DE,de;q=0.9,fr;q=0.3,en;q=0.2", None, "fr"),
        ("en;q=0.2, fr;q=0.7", None, "fr"),
        ("fr", "en", "en"),
        ("fr", "nl", "fr"),
        ("", None, "en"),
        (";;q=,*;q=x" * 90, None, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_browsers_else_english(
    header: str, preferred: str | None, expected: str
) -> None:
    """PC25."""
    assert wanted_language(header, preferred) == expected


@pytest.mark.parametrize(
    ("header", "hint", "expected"),
    [
        ("de-AT,de;q=0.9", None, "AT"),
        ("de", None, "DE"),
        ("fr-CH", None, "BE"),
        ("de", "fr", "FR"),
        ("", None, "BE"),
        ("en", None, "BE"),
        ("x-klingon,zz-ZZ-ZZ,-,--,en-GB", None, "BE"),
    ],
)
def test_the_country_is_guessed_from_the_hint_and_the_browser(header: str, hint: str | None, expected: str) -> None:
    """U1."""
    assert likely_country(header, ["BE", "AT", "DE", "FR"], hint) == expected


def test_the_first_view_stays_under_sixty_kilobytes() -> None:
    """U21: page, stylesheet and scripts as they travel, with a full list of banks."""
    banks = tuple(replace(OAK, bank_id=f"{n:036d}", name=f"Banque numéro {n}") for n in range(60))
    page = view.ChooseBank(country="FR", countries=("FR", "BE"), popular=banks[:6], banks=banks, found=400)
    html = len(print_page(page, FRAME, "n"))
    assert html + sum(len(asset.gzipped) for asset in ASSETS.files.values()) <= 60_000


def test_an_asset_that_does_not_exist_is_found_out_while_printing() -> None:
    with pytest.raises(LookupError):
        ASSETS.url("missing.css")


def test_the_catalogues_are_valid() -> None:
    for path in (ROOM / "locales").rglob("*.po"):
        catalogue = read_po(io.BytesIO(path.read_bytes()), locale=path.parent.parent.name)
        assert [error for message in catalogue for error in message.check(catalogue)] == []
