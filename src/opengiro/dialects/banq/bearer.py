"""Who calls the banq wire: rights by the token's audience, and the account spaces its user may act for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opengiro.dialects.banq.wording import AUDIENCES
from opengiro.domain.clock import from_us
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Principal
from opengiro.usecases.grant_access import read_access

if TYPE_CHECKING:
    from opengiro.dialects import Call
    from opengiro.domain.spaces import MerchantAccount, Space
    from opengiro.usecases import Core

COMPANY_HEADER = "x-company-id"


@dataclass(frozen=True, slots=True)
class Reach:
    """The spaces a caller may act for, and the accounts in them by their ids."""

    spaces: dict[str, Space]
    accounts: dict[str, MerchantAccount]


async def authenticate(core: Core, token: str | None) -> Principal:
    """Return whom an access token stands for, with the rights of its audience (BD2)."""
    bearer = await read_access(core, token)
    return Principal(
        merchant_id=bearer.merchant_id,
        client_id=bearer.client_id,
        user_id=bearer.user_id,
        rights=AUDIENCES.get(bearer.audience, frozenset()),
        expires_at=from_us(bearer.expires_at_us),
    )


async def reach_of(call: Call) -> Reach:
    """Return what the caller may act for; a company id that is none of theirs is refused (BD3)."""
    caller, door = call.caller, call.core.store.spaces
    spaces = {space.space_id: space for space in await door.of(caller.merchant_id, caller.user_id)}
    company = call.headers.get(COMPANY_HEADER)
    if company and not any(space.goes_by(company) for space in spaces.values()):
        raise Refused(Refusal.SCOPE_MISSING, detail="X-Company-Id names no account space of this caller.")
    listed = [one for one in await door.accounts(caller.merchant_id) if one.space_id in spaces]
    return Reach(spaces, {one.account_id: one for one in listed})
