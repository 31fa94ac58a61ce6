"""Open account spaces, the accounts in them, and the users who may act for them; and end a user."""

from __future__ import annotations

from dataclasses import dataclass

from opengiro.domain.accounts import Account
from opengiro.domain.identifiers import guid7
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.spaces import MerchantAccount, Space, SpaceKind, User
from opengiro.store import Conflict
from opengiro.store.merchants import audit
from opengiro.usecases import Core
from opengiro.usecases.check_password import hash_password

_CUSTODIAL_FIRST = 410_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """Who is to log in, where, and for which spaces; `client_id` makes it that application's own login."""

    username: str
    password: str
    space_ids: tuple[str, ...]
    client_id: str | None = None


async def open_space(core: Core, merchant_id: int, name: str, company: str | None, actor: str) -> Space:
    """Open a business space without accounts."""
    now = core.now(merchant_id)
    space = Space(
        merchant_id=merchant_id,
        space_id=_guid(core, merchant_id),
        platform_id=_guid(core, merchant_id),
        name=name,
        kind=SpaceKind.BUSINESS,
        company=company,
    )
    record = audit(merchant_id, now, actor, "account_space", space.space_id, None, name)
    await core.store.commit([core.store.spaces.insert(space), record])
    return space


async def open_account(
    core: Core, space: Space, name: str, currency: str, payee: Account, actor: str
) -> MerchantAccount:
    """Add an account to a space; payments to it reach `payee`."""
    now = core.now(space.merchant_id)
    account = MerchantAccount(
        merchant_id=space.merchant_id,
        account_id=_guid(core, space.merchant_id),
        number=core.ids.draw(now, core.chance(2)),
        custodial_number=_CUSTODIAL_FIRST + int.from_bytes(core.chance(4), "big"),
        space_id=space.space_id,
        name=name,
        currency=currency,
        payee=payee,
    )
    record = audit(space.merchant_id, now, actor, "account", account.account_id, None, name)
    await core.store.commit([core.store.spaces.insert_account(account), record])
    return account


async def register_user(core: Core, merchant_id: int, wanted: NewUser, actor: str) -> User:
    """Let somebody log in; a user name that is taken, by anybody, is refused."""
    now = core.now(merchant_id)
    user = User(
        merchant_id=merchant_id,
        user_id=_guid(core, merchant_id),
        number=core.ids.draw(now, core.chance(2)),
        username=wanted.username,
        password_hash=await hash_password(wanted.password),
        created_at=now,
        client_id=wanted.client_id,
    )
    record = audit(merchant_id, now, actor, "user", user.user_id, None, "registered")
    try:
        await core.store.commit([*core.store.users.insert(user, wanted.space_ids), record])
    except Conflict:
        raise Refused(Refusal.STATE_FORBIDS, detail="this user name is taken") from None
    return user


async def delete_user(core: Core, user: User, actor: str) -> None:
    """End a user; tokens of every kind end with it."""
    now = core.now(user.merchant_id)
    record = audit(user.merchant_id, now, actor, "user", user.user_id, "registered", None)
    try:
        await core.store.commit([*core.store.users.delete(user, now), record])
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


def _guid(core: Core, merchant_id: int) -> str:
    return guid7(core.now(merchant_id), core.chance(10))
