"""Prints the widget's page. It borrows icons, languages and the hand-over to a phone from the hosted pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from opengiro.web.checkout import view
from opengiro.web.checkout.assets import ASSETS as HOSTED
from opengiro.web.checkout.assets import Assets
from opengiro.web.checkout.languages import Writer, translations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from opengiro.domain.banks import Bank
    from opengiro.web.widget.embedding import Embedding
    from opengiro.web.widget.news import NewsOut

_HERE = Path(__file__).parent
ASSETS = Assets(_HERE / "static", "/widget/static")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the page shows; without a payment it explains why there is none, by the word `trouble`."""

    embedding: Embedding
    page: str | None  #: origin that messages go to, if they go anywhere
    language: str
    zone: tzinfo
    trouble: str = ""
    summary: view.Summary | None = None
    banks: Sequence[Bank] = ()
    news: NewsOut | None = None
    test: bool = False


def print_sheet(sheet: Sheet, nonce: str) -> bytes:
    """Print the page."""
    template = _environment(sheet.language).get_template("widget.html")
    return template.render(sheet=sheet, nonce=nonce, write=Writer(sheet.language, sheet.zone)).encode()


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([_HERE / "templates", _HERE.parent / "checkout" / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    install: Any = environment.install_gettext_translations  # type: ignore[attr-defined]  # added by i18n
    install(translations(language), newstyle=True)
    environment.globals.update(
        asset=ASSETS.url,
        hosted=HOSTED.url,
        ink=view.ink,
        monogram=view.monogram,
        PLAIN=view.PLAIN,
        FADED=view.FADED,
    )
    return environment
