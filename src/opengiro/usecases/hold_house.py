"""Hold a house, so that it takes, asks and sends nothing, and release it. A copy of a database begins held."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from opengiro.domain.clock import to_us
from opengiro.store import Write

if TYPE_CHECKING:
    from datetime import datetime

    from opengiro.store import Store

COPIED = "it is a copy of another database"
RESTORED = "it was restored to a moment of the past"
SET = "the setting hold says so"


class Wish(StrEnum):
    """What an operator set about holding."""

    COPIES = "copies"  #: hold a copy of a database until somebody releases it
    ALWAYS = "always"  #: hold whatever is started with this
    NEVER = "never"  #: find out nothing


async def settle_in(store: Store, wish: Wish, now: datetime) -> None:
    """Before anything acts, find out whether this is a copy, and hold it then."""
    here = await store.home.place()
    await store.home.move_in(here)
    known = await store.home.load() or here
    reason = SET if wish is Wish.ALWAYS else None
    if here.is_copy_of(known):
        reason = reason or (RESTORED if here.restored_to else COPIED)
    elif here.name != known.name:
        await store.home.carry_over(here)
    if reason and wish is not Wish.NEVER and not store.home.held:
        await hold_house(store, reason, "opengiro", now)


async def hold_house(store: Store, reason: str, actor: str, now: datetime) -> None:
    """Hold it; one that is held stays so, for the reason it was."""
    merchants = [merchant.merchant_id for merchant, _ in await store.merchants.all()]
    await store.commit([*store.home.hold_back(now, reason), *_noted(merchants, actor, "house.held", reason, now)])
    await store.home.load()


async def release_house(store: Store, actor: str, now: datetime) -> None:
    """Let it act again, and know where it is now as its home."""
    reason = store.home.hold.reason if store.home.hold else ""
    merchants = [merchant.merchant_id for merchant, _ in await store.merchants.all()]
    here = await store.home.place()
    await store.commit([*store.home.let_go(here), *_noted(merchants, actor, "house.released", reason, now)])
    await store.home.load()


def _noted(merchants: Iterable[int], actor: str, action: str, reason: str, now: datetime) -> list[Write]:
    """Return an entry for each merchant's audit log."""
    return [Write("insert_audit", (one, to_us(now), actor, action, "house", None, reason)) for one in merchants]
