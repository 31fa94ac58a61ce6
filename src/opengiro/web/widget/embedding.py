"""What an embedding page asks for in the query of the iframe; every key may be missing, and none is trusted.

The query may hold a token of another system's payers (`refreshToken`), so it is read for the keys below and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from opengiro.domain.merchants import origin_of

PAYMENT_FLOW = "payment-flow"
_CODE = re.compile(r"[A-Za-z0-9]{11}", re.ASCII)
_CONFIG_LENGTH_MAX = 2000


class AppConfig(msgspec.Struct, frozen=True, rename="camel"):
    """What we read of `appConfig`; a value of another type counts as absent."""

    mode: object = PAYMENT_FLOW
    theme_mode: object = ""
    theme: object = ""


@dataclass(frozen=True, slots=True)
class Embedding:
    """How the widget was asked for: `page` is the origin of the page around it, and None when nobody knows."""

    code: str | None
    page: str | None
    pays: bool  #: whether there is something to pay, rather than somebody to register (BD30)
    dark: bool
    language: str | None
    tells_states: bool  #: our own element asks to hear of each state and step


def read_embedding(query: Mapping[str, str], referrer: str | None) -> Embedding:
    """Return what a query asks for."""
    config = _config(query.get("appConfig", ""))
    return Embedding(
        code=link_code_in(query.get("paymentLink", "")),
        page=origin_of(query.get("origin", "")) or origin_of(referrer or ""),
        pays=config.mode in (PAYMENT_FLOW, ""),
        dark="dark" in (config.theme_mode, config.theme),
        language=query.get("language"),
        tells_states=query.get("events") == "1",
    )


def link_code_in(link: str) -> str | None:
    """Return the code of a payment link: its last path segment, whichever host it names (BD29)."""
    last = re.split(r"[?#]", link, maxsplit=1)[0].rstrip("/").rpartition("/")[2]
    return last if _CODE.fullmatch(last) else None


def _config(text: str) -> AppConfig:
    try:
        return msgspec.json.decode(text[:_CONFIG_LENGTH_MAX], type=AppConfig)
    except msgspec.MsgspecError:
        return AppConfig()
