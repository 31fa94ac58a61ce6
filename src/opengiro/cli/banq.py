"""What the demo merchant has on the banq wire: an account space, one account, an API login and a person's login."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.merchants import Application
from opengiro.domain.refusals import Refused
from opengiro.domain.spaces import MerchantAccount, Space, User
from opengiro.usecases.authenticate import authenticate_application
from opengiro.usecases.check_password import check_password
from opengiro.usecases.register_application import ApplicationChange, register_application
from opengiro.usecases.register_user import NewUser, delete_user, open_account, open_space, register_user

if TYPE_CHECKING:
    from opengiro.usecases import Core

PUBLIC_CLIENT = "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim"
"""The client id that integrations of this wire have built in."""
COMPANY_ID = "brise"
USERNAME = "brise-api"
EMAIL = "camille@brise.example"
_ACTOR = "opengiro dev"
_PAYEE = Account(Scheme.IBAN, "FR7630006000011234567890189", "Brise et Fils SARL")


async def settle_banq(core: Core, merchant_id: int, known: dict[str, Any]) -> dict[str, Any]:
    """Make what is missing and return what `dev.json` is to say; passwords only it knows are made anew without it."""
    before = _texts(known.get("banq"))
    space = await _space(core, merchant_id)
    account = await _account(core, space)
    application, secret = await _application(core, merchant_id, before)
    api = NewUser(
        username=USERNAME,
        password=before.get("password", ""),
        space_ids=(space.space_id,),
        client_id=application.client_id,
    )
    person = NewUser(username=EMAIL, password=before.get("user.password", ""), space_ids=(space.space_id,))
    return {
        "banq": {
            "base_url": f"{core.own_url}/api/",
            "token_url": f"{core.own_url}/oauth/token",
            "client_id": application.client_id,
            "client_secret": secret,
            "username": USERNAME,
            "password": await _password(core, merchant_id, api),
            "user": {
                "client_id": PUBLIC_CLIENT,
                "username": EMAIL,
                "password": await _password(core, merchant_id, person),
            },
            "company_id": COMPANY_ID,
            "banq_guid": account.account_id,
            "account_space_id": space.space_id,
        },
        "widget_url": f"{core.own_url}/widget/ecommerce.js",
    }


async def _space(core: Core, merchant_id: int) -> Space:
    listed = await core.store.spaces.of(merchant_id)
    found = next((one for one in listed if one.company == COMPANY_ID), None)
    return found or await open_space(core, merchant_id, "Brise & Fils", COMPANY_ID, _ACTOR)


async def _account(core: Core, space: Space) -> MerchantAccount:
    listed = await core.store.spaces.accounts(space.merchant_id)
    found = next((one for one in listed if one.space_id == space.space_id), None)
    return found or await open_account(core, space, "Boutique", "EUR", _PAYEE, _ACTOR)


async def _application(core: Core, merchant_id: int, before: dict[str, str]) -> tuple[Application, str]:
    secret = before.get("client_secret", "")
    try:
        return await authenticate_application(core, before.get("client_id", ""), secret), secret
    except Refused:
        return await register_application(core, merchant_id, ApplicationChange(name="Demo shop, banq wire"), _ACTOR)


async def _password(core: Core, merchant_id: int, wanted: NewUser) -> str:
    """Return the password of a login that works; one whose password was lost is replaced."""
    user = await core.store.users.by_username(wanted.username)
    if user is not None and await _works(core, user, wanted):
        return wanted.password
    if user is not None:
        await delete_user(core, user, _ACTOR)
    password = secrets.token_urlsafe(18)
    await register_user(core, merchant_id, replace(wanted, password=password), _ACTOR)
    return password


async def _works(core: Core, user: User, wanted: NewUser) -> bool:
    try:
        await check_password(core, wanted.client_id or PUBLIC_CLIENT, wanted.username, wanted.password)
    except Refused:
        return False
    return user.client_id == wanted.client_id


def _texts(known: object) -> dict[str, str]:
    """Return what `dev.json` said as one level of texts; whatever else it holds counts as absent."""
    if not isinstance(known, dict):
        return {}
    inner = known.get("user")
    named = {f"user.{name}": value for name, value in inner.items()} if isinstance(inner, dict) else {}
    return {name: value for name, value in {**known, **named}.items() if isinstance(value, str)}
