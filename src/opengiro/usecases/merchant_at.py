"""Tell whose server was called where no token says it: the first label of the host is a merchant's domain."""

from __future__ import annotations

from opengiro.usecases import Core


async def merchant_at(core: Core, host: str) -> int | None:
    """Return the merchant whose domain the host begins with, or the only merchant there is."""
    merchants = [merchant for merchant, _ in await core.store.merchants.all()]
    label = host.partition(":")[0].partition(".")[0].lower()
    named = [merchant for merchant in merchants if merchant.domain == label]
    found = named or (merchants if len(merchants) == 1 else [])
    return found[0].merchant_id if found else None
