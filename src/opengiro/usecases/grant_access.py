"""Give out access tokens that anybody can check by our public key, and refresh tokens that are good for one use.

An access token says whose it is; nothing of it is kept. A refresh token that is used a second time has been
copied, so its whole family ends and whoever holds a token of it has to log in again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from opengiro.domain.clock import from_us, to_us
from opengiro.domain.identifiers import guid7, merchant_of_client, mint_token
from opengiro.domain.merchants import Application
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.spaces import User
from opengiro.store import Conflict, Write
from opengiro.store.users import RefreshToken
from opengiro.usecases import Core
from opengiro.usecases.authenticate import authenticate_application
from opengiro.usecases.check_password import check_password

ACCESS_LIFE = timedelta(days=1)
REFRESH_LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A user's name and password at a client; `is_public` marks the client that every user may log in at."""

    client_id: str
    username: str
    password: str
    audience: str
    client_secret: str | None = None
    is_public: bool = False
    wants_refresh: bool = False


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """An access token, how long it lives, and the refresh token that comes with it."""

    token: str
    life: timedelta
    refresh_token: str | None = None


async def grant_by_password(core: Core, login: PasswordLogin) -> AccessGrant:
    """Give a user a token; raises `Refused`."""
    application = None if login.is_public else await _application(core, login.client_id, login.client_secret)
    user = await check_password(core, login.client_id, login.username, login.password)
    if not _may_use(user, application):
        raise Refused(Refusal.LOGIN_WRONG)
    if login.is_public and (await core.merchant(user.merchant_id)).settings.get(PUBLIC_CLIENT) == "0":
        raise Refused(Refusal.FEATURE_DISABLED)
    facts = RefreshToken(
        merchant_id=user.merchant_id,
        family=guid7(core.clock.real(), core.chance(10)),
        client_id=login.client_id,
        user_id=user.user_id,
        audience=login.audience,
        expires_at=core.now(user.merchant_id) + REFRESH_LIFE,
    )
    access = _mint(core, user.merchant_id, login.client_id, login.audience, user)
    return await _with_refresh(core, access, facts, []) if login.wants_refresh else access


async def grant_by_credentials(core: Core, client_id: str, secret: str, audience: str) -> AccessGrant:
    """Give an application a token of its own, for all of its merchant's account spaces."""
    application = await authenticate_application(core, client_id, secret)
    return _mint(core, application.merchant_id, application.client_id, audience, None)


async def grant_by_refresh(core: Core, client_id: str, token: str) -> AccessGrant:
    """Swap a refresh token for an access token and the next refresh token; raises `Refused`."""
    facts = await core.store.users.refresh_token(token)
    if facts is None or facts.client_id != client_id:
        raise Refused(Refusal.TOKEN_INVALID)
    now = core.now(facts.merchant_id)
    if facts.spent:
        await core.store.commit([core.store.users.end_family(facts, now)])
        raise Refused(Refusal.TOKEN_INVALID)
    user = await _living(core, facts.merchant_id, client_id, facts.user_id)
    if user is None or facts.expires_at <= now:
        raise Refused(Refusal.TOKEN_INVALID)
    access = _mint(core, facts.merchant_id, client_id, facts.audience, user)
    spent = core.store.users.use_refresh(token, facts.merchant_id, now)
    try:
        return await _with_refresh(core, access, replace(facts, expires_at=now + REFRESH_LIFE), [spent])
    except Conflict:
        await core.store.commit([core.store.users.end_family(facts, now)])
        raise Refused(Refusal.TOKEN_INVALID) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whom an access token stands for, and the audience it was given out for."""

    merchant_id: int
    client_id: str
    user_id: str | None
    audience: str
    expires_at_us: int


async def read_access(core: Core, token: str | None) -> Bearer:
    """Return whom an access token stands for; forged, expired and ended ones look alike."""
    if not token:
        raise Refused(Refusal.TOKEN_MISSING)
    bearer = _bearer(core.tokens_key.open(token))
    if bearer is None or from_us(bearer.expires_at_us) <= core.now(bearer.merchant_id):
        raise Refused(Refusal.TOKEN_INVALID)
    if not await _lives(core, bearer):
        raise Refused(Refusal.TOKEN_INVALID)
    return bearer


PUBLIC_CLIENT = "users.public_client.enabled"
"""The setting that closes the public client for a merchant's users."""


async def _application(core: Core, client_id: str, secret: str | None) -> Application:
    if secret is not None:
        return await authenticate_application(core, client_id, secret)
    merchant_id = merchant_of_client(client_id)
    application = merchant_id and await core.store.applications.load(merchant_id, client_id)
    if not application:
        raise Refused(Refusal.CREDENTIALS_WRONG)
    return application


def _may_use(user: User, application: Application | None) -> bool:
    """Whether this user may log in here: at the public client, or at an application of the same merchant."""
    if application is None:
        return user.client_id is None
    return user.merchant_id == application.merchant_id and user.client_id in (None, application.client_id)


def _mint(core: Core, merchant_id: int, client_id: str, audience: str, user: User | None) -> AccessGrant:
    at = to_us(core.now(merchant_id)) // 1_000_000
    claims = {
        "iss": f"{core.own_url}/",
        "sub": f"auth0|{user.user_id}" if user else f"{client_id}@clients",
        "aud": audience,
        "iat": at,
        "exp": at + int(ACCESS_LIFE.total_seconds()),
        "azp": client_id,
        "gty": "password" if user else "client-credentials",
        "jti": guid7(core.clock.real(), core.chance(10)),
        "org_id": str(merchant_id),
    }
    return AccessGrant(core.tokens_key.sign(claims), ACCESS_LIFE)


async def _with_refresh(core: Core, access: AccessGrant, facts: RefreshToken, writes: list[Write]) -> AccessGrant:
    token = mint_token(facts.merchant_id, core.chance(32))
    await core.store.commit([*writes, core.store.users.keep_refresh(token, facts)])
    return replace(access, refresh_token=token)


def _bearer(claims: dict[str, object] | None) -> Bearer | None:
    """Return what the claims say; they are ours, since we signed them, but another version may have."""
    match claims:
        case {"org_id": str(org), "azp": str(client_id), "sub": str(sub), "aud": str(audience), "exp": int(expires)}:
            user_id = sub.removeprefix("auth0|") if sub.startswith("auth0|") else None
            return Bearer(
                merchant_id=int(org),
                client_id=client_id,
                user_id=user_id,
                audience=audience,
                expires_at_us=expires * 1_000_000,
            )
    return None


async def _lives(core: Core, bearer: Bearer) -> bool:
    """Whether application and user still exist: a token ends with either."""
    if bearer.user_id is not None:
        return await _living(core, bearer.merchant_id, bearer.client_id, bearer.user_id) is not None
    return await core.store.applications.load(bearer.merchant_id, bearer.client_id) is not None


async def _living(core: Core, merchant_id: int, client_id: str, user_id: str) -> User | None:
    if merchant_of_client(client_id) and await core.store.applications.load(merchant_id, client_id) is None:
        return None
    return await core.store.users.load(merchant_id, user_id)
