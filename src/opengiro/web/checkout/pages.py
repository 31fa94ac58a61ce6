"""Prints pages: a view value and its frame in, bytes of HTML out. Templates are compiled once per language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from opengiro.domain.banks import Bank, Health
from opengiro.web.checkout import view, wording
from opengiro.web.checkout.assets import ASSETS
from opengiro.web.checkout.languages import LANGUAGES, Writer, translations

TEMPLATES: Mapping[type[view.Page], str] = {
    view.ChooseBank: "choose_bank.html",
    view.Review: "review.html",
    view.GoToBank: "go_to_bank.html",
    view.TermsText: "terms.html",
    view.Standing: "standing.html",
    view.GoToShop: "go_to_shop.html",
    view.AtBank: "at_bank.html",
    view.ApproveOnPhone: "approve_on_phone.html",
    view.AnswerBank: "answer_bank.html",
    view.Watching: "watching.html",
    view.Outcome: "outcome.html",
}


def print_page(page: view.Page, frame: view.Frame, nonce: str) -> bytes:
    """Print a checkout page; `nonce` admits its stylesheet and script under the page's security policy."""
    template = _environment(frame.language).get_template(TEMPLATES[type(page)])
    writer = Writer(frame.language, frame.zone)
    return template.render(page=page, frame=frame, nonce=nonce, write=writer).encode()


def print_trouble(trouble: view.Trouble, language: str, nonce: str, again: view.Again | None = None) -> bytes:
    """Print the page that stands where no checkout can be shown; `again` is the way back to one that will be."""
    template = _environment(language).get_template("trouble.html")
    return template.render(trouble=trouble, again=again, nonce=nonce, write=Writer(language, UTC)).encode()


def print_code(fault: str, language: str, nonce: str) -> bytes:
    """Print the page where a code of another screen is typed; `fault` says what was wrong with the last one."""
    template = _environment(language).get_template("code.html")
    return template.render(fault=fault, nonce=nonce, write=Writer(language, UTC)).encode()


def print_rows(banks: Iterable[Bank], base: str, language: str) -> bytes:
    """Print banks as the search field draws them: JSON, with every word already in the payer's language."""
    say = translations(language).gettext
    rows = [_row(bank, base, say) for bank in banks]
    return msgspec.json.encode({"title": say("Found"), "banks": rows})


def _row(bank: Bank, base: str, say: Callable[[str], str]) -> dict[str, str | None]:
    """Return a bank as the search field draws it."""
    colour = bank.colour or view.PLAIN if view.usable(bank) else view.FADED
    return {
        "name": bank.name,
        "mark": view.monogram(bank.name),
        "colour": colour,
        "ink": view.ink(colour),
        "note": _note(bank, say),
        "href": f"{base}/banks/{bank.bank_id}" if view.usable(bank) else None,
    }


def _note(bank: Bank, say: Callable[[str], str]) -> str:
    match bank.health:
        case Health.DOWN:
            return say("Not available right now. Please use another bank.")
        case Health.DEGRADED:
            return say("Slow or failing at times")
        case Health.HEALTHY:
            return bank.hint or ""


@cache
def _environment(language: str) -> Environment:
    """Build the template environment of one language, with automatic escaping everywhere."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    install: Any = environment.install_gettext_translations  # type: ignore[attr-defined]  # added by i18n
    install(translations(language), newstyle=True)
    environment.globals.update(_names())
    return environment


def _names() -> dict[str, Any]:
    """Return what templates may call by name."""
    return {
        "asset": ASSETS.url,
        "ink": view.ink,
        "PLAIN": view.PLAIN,
        "FADED": view.FADED,
        "monogram": view.monogram,
        "usable": view.usable,
        "Health": Health,
        "languages": LANGUAGES,
        "wording": wording,
    }
