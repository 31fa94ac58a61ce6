"""A merchant's settings: which there are, what each may hold, and what holds when none was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.usecases import Core

SUCCESS_ELSEWHERE = "widget.success_on_other_device"
"""Whether the shop's page is told of a success that came about on another device (BD35)."""
_TEXT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Known:
    """A setting: what holds without it, and what is wrong with a value (None: nothing)."""

    default: str
    fault: Callable[[str], str | None]


def _matching(pattern: str, text: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: None if compiled.fullmatch(value) else text


def _switch(default: str) -> Known:
    return Known(default, _matching("[01]", 'is "0" or "1"'))


def _text(default: str = "", longest: int = _TEXT_MAX) -> Known:
    return Known(default, lambda value: None if len(value) <= longest else f"has at most {longest} characters")


_DAYS = _matching("[1-9][0-9]{0,3}", "is a whole number of days, at most 9999")

SETTINGS: Mapping[str, Known] = MappingProxyType(
    {
        "payment.max_amount": Known("0", _matching(r"[0-9]{1,9}(\.[0-9]{1,2})?", "is an amount; 0 means no maximum")),
        "payment.manual_expire_time_days": Known("30", _DAYS),
        "payment.auto_confirmation": _switch("1"),
        "payment.periodic.enabled": _switch("0"),
        "payment.state_updated_webhook.systematic": _switch("1"),
        "payment.terms.content": _text(),
        "payment.terms.version": _text(longest=255),
        "payment.terms.language": Known("en", _matching("[a-z]{2}", "is a language such as en")),
        "users.public_client.enabled": _switch("1"),
        SUCCESS_ELSEWHERE: _switch("1"),
        "webhooks.compression.enabled": _switch("0"),
        # Alert mails are not sent yet; programs that set where they would go keep working.
        "webhooks.alerts_frequency": Known("1", _DAYS),
        "biapi.manager.email": _text(longest=255),
    }
)
"""Every setting by its key."""

ALIASES: Mapping[str, str] = MappingProxyType({"webhooks.compressions.enabled": "webhooks.compression.enabled"})
"""Keys that mean another one (PC18 of the powens wire)."""


async def read_settings(core: Core, merchant_id: int) -> dict[str, str]:
    """Return every setting as it holds, in the order of their keys."""
    made = (await core.merchant(merchant_id)).settings
    return {key: made.get(key, known.default) for key, known in sorted(SETTINGS.items())}


async def change_settings(core: Core, merchant_id: int, asked: Mapping[str, str], actor: str) -> dict[str, str]:
    """Change settings, all or none, and return them; an unknown key is refused, since it would change nothing."""
    changes: dict[str, str] = {}
    complaints = []
    for name, value in asked.items():
        key = ALIASES.get(name, name)
        known = SETTINGS.get(key)
        fault = known.fault(value) if known else "is not a known setting"
        if fault:
            complaints.append(Complaint(name, fault))
        changes[key] = value
    if complaints:
        raise Refused(Refusal.FIELD_INVALID, *complaints)
    merchant = await core.merchant(merchant_id)
    await core.store.merchants.save_settings(merchant, changes, actor, core.now(merchant_id))
    return changes
