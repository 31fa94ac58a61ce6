"""Configuration of the powens wire: a flat object of text by key, and who changed what."""

from __future__ import annotations

from msgspec import Struct

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_body, read_count
from opengiro.dialects.powens.write import answer, write_datetime
from opengiro.domain.complaints import Complaints
from opengiro.usecases.change_settings import change_settings, read_settings

LOGS_MAX = 1000
ACTOR = "configuration token"

QUERY = {"search": "only keys that contain this text"}
LOG_QUERY = {"limit": "how many, newest first, at most 1000"}


class ChangeOut(Struct):
    """One change of one setting."""

    id: int
    date: str
    key: str
    old_value: str | None
    new_value: str | None
    actor: str


class ChangesOut(Struct):
    """The newest changes of settings."""

    logs: list[ChangeOut]


async def read_config(call: Call) -> Answer:
    """Read all settings as they hold, or those whose key contains a text."""
    settings = await read_settings(call.core, call.caller.merchant_id)
    search = call.query.get("search", "")
    return answer({key: value for key, value in settings.items() if search in key})


async def write_config(call: Call) -> Answer:
    """Change settings, all or none, and answer with what was set under its own key (PC18)."""
    asked = read_body(call, dict[str, object])
    wrong = Complaints()
    wrong.need(asked or None, "body")
    texts = {key: value for key, value in asked.items() if isinstance(value, str)}
    for key in asked.keys() - texts.keys():
        wrong.add(key, "is text, even where it holds a number")
    wrong.raise_any()
    return answer(await change_settings(call.core, call.caller.merchant_id, texts, ACTOR))


async def list_changes(call: Call) -> Answer:
    """List who changed which setting, newest first."""
    wrong = Complaints()
    limit = read_count(call, "limit", LOGS_MAX, wrong)
    wrong.raise_any()
    merchant = await call.core.merchant(call.caller.merchant_id)
    entries = await call.core.store.merchants.history(merchant.merchant_id, "setting", min(limit, LOGS_MAX))
    return answer(
        ChangesOut(
            [
                ChangeOut(
                    one.audit_id, write_datetime(one.at, merchant.zone), one.subject, one.was, one.became, one.actor
                )
                for one in entries
            ]
        )
    )
