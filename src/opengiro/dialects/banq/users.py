"""Who the caller is, and the accounts they may be paid to."""

from __future__ import annotations

from msgspec import UNSET

from opengiro.dialects import Answer, Call
from opengiro.dialects.banq.bearer import reach_of
from opengiro.dialects.banq.read import read_page
from opengiro.dialects.banq.schema import BanqsOut, UserOut
from opengiro.dialects.banq.write import answer, write_account, write_space
from opengiro.domain.refusals import Refusal, Refused

ME_QUERY = {"include": "accountSpaces, banqAccounts, separated by commas"}


async def read_me(call: Call) -> Answer:
    """Read the caller's own profile (BD19)."""
    reach = await reach_of(call)
    user = await call.core.store.users.load(call.caller.merchant_id, call.caller.user_id or "")
    if user is None:
        raise Refused(Refusal.NOT_FOUND)
    wanted = {member.strip() for member in call.query.get("include", "").split(",")}
    spaces = [write_space(one) for one in reach.spaces.values()]
    accounts = [write_account(one) for one in reach.accounts.values()]
    return answer(
        UserOut(
            id=user.number,
            guid=user.user_id,
            email=user.username,
            account_spaces=spaces if "accountSpaces" in wanted else UNSET,
            banq_accounts=accounts if "banqAccounts" in wanted else UNSET,
        )
    )


async def list_banqs(call: Call) -> Answer:
    """List the accounts the caller may be paid to (BD18)."""
    reach = await reach_of(call)
    limit, offset = read_page(call)
    listed = [write_account(one) for one in reach.accounts.values()]
    return answer(BanqsOut(banqs=listed[offset : offset + limit], total=len(listed)))
