"""The token endpoint, which lives beside the wire and words its errors as Auth0 does (section 3.3 of the reference)."""

from __future__ import annotations

from types import MappingProxyType

import msgspec
from msgspec import UNSET

from opengiro.dialects import Answer, Call, Dialect, Route
from opengiro.dialects.banq.keys import pages
from opengiro.dialects.banq.read import read_body
from opengiro.dialects.banq.schema import GrantErrorOut, GrantIn, GrantOut
from opengiro.dialects.banq.wording import AUDIENCES, OPEN_AUDIENCE, PUBLIC_CLIENT, USER_AUDIENCE
from opengiro.domain.complaints import Complaints
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.grant_access import (
    AccessGrant,
    PasswordLogin,
    grant_by_credentials,
    grant_by_password,
    grant_by_refresh,
)

OFFLINE = "offline_access"

_R = Refusal
_INVALID = (400, "invalid_request", "The request is not valid.")
_UNAVAILABLE = (503, "temporarily_unavailable", "Please try again later.")
REFUSALS = MappingProxyType(
    {
        _R.CREDENTIALS_WRONG: (401, "invalid_client", "The client is unknown, or its secret is wrong."),
        _R.LOGIN_WRONG: (403, "invalid_grant", "Wrong user name or password."),
        _R.TOKEN_MISSING: _INVALID,
        _R.TOKEN_INVALID: (403, "access_denied", "The refresh token is unknown, used or expired."),
        _R.SCOPE_MISSING: (403, "access_denied", "This is not allowed."),
        _R.NOT_FOUND: (404, "not_found", "There is no such thing."),
        _R.FIELD_MISSING: _INVALID,
        _R.FIELD_INVALID: _INVALID,
        _R.FEATURE_DISABLED: (403, "unauthorized_client", "This client is switched off."),
        _R.REDIRECT_UNREGISTERED: _INVALID,
        _R.SCOPE_NOT_GRANTABLE: (403, "unauthorized_client", "This client cannot have a token for this audience."),
        _R.AMOUNT_ABOVE_MAXIMUM: _INVALID,
        _R.IDEMPOTENCY_KEY_INVALID: _INVALID,
        _R.IDEMPOTENCY_KEY_REUSED: _INVALID,
        _R.IDEMPOTENCY_KEY_IN_FLIGHT: _UNAVAILABLE,
        _R.STATE_FORBIDS: _INVALID,
        _R.ATTEMPT_LIVE: _UNAVAILABLE,
        _R.BANK_UNKNOWN: _INVALID,
        _R.BANK_UNSUITABLE: _INVALID,
        _R.BANK_UNAVAILABLE: _UNAVAILABLE,
        _R.BANK_DECLINED: _INVALID,
        _R.PAYER_ACCOUNT_REQUIRED: _INVALID,
        _R.CANCEL_UNSUPPORTED: _INVALID,
        _R.BODY_TOO_LARGE: (400, "invalid_request", "The request body is too large, or compressed."),
        _R.TOO_MANY_REQUESTS: (429, "too_many_requests", "Too many login attempts; Retry-After says how long to wait."),
        _R.OVERLOADED: _UNAVAILABLE,
        _R.HELD: _UNAVAILABLE,
        _R.UNAVAILABLE: _UNAVAILABLE,
    }
)
"""Refusal -> HTTP status, error, description."""


async def create_token(call: Call) -> Answer:
    """Give a token for a password, for client credentials, or for a refresh token (BD1)."""
    body = read_body(call, GrantIn)
    wrong = Complaints()
    grant_type = wrong.need(body.grant_type, "grant_type")
    wrong.need(body.client_id, "client_id")
    wrong.raise_any()
    match grant_type:
        case "password":
            return _write(await _by_password(call, body), body)
        case "client_credentials":
            return _write(await _by_credentials(call, body), body)
        case "refresh_token":
            token = wrong.need(body.refresh_token, "refresh_token")
            wrong.raise_any()
            return _write(await grant_by_refresh(call.core, body.client_id or "", token or ""), body)
    return error(501, "unsupported_grant_type", "grant_type is password, client_credentials or refresh_token.")


async def _by_password(call: Call, body: GrantIn) -> AccessGrant:
    wrong = Complaints()
    # BC1: two published spellings of the same request.
    username = wrong.need(body.username or body.client_username, "username")
    password = wrong.need(body.password or body.client_password, "password")
    wrong.raise_any()
    is_public = body.client_id == PUBLIC_CLIENT
    audience = _audience(body.audience, USER_AUDIENCE if is_public else OPEN_AUDIENCE)
    if is_public and audience != USER_AUDIENCE:
        raise Refused(Refusal.SCOPE_NOT_GRANTABLE)
    login = PasswordLogin(
        client_id=body.client_id or "",
        username=username or "",
        password=password or "",
        audience=audience,
        client_secret=None if is_public else body.client_secret,
        is_public=is_public,
        wants_refresh=OFFLINE in (body.scope or "").split(),
    )
    return await grant_by_password(call.core, login)


async def _by_credentials(call: Call, body: GrantIn) -> AccessGrant:
    wrong = Complaints()
    secret = wrong.need(body.client_secret, "client_secret")
    wrong.raise_any()
    audience = _audience(body.audience, OPEN_AUDIENCE)
    if audience != OPEN_AUDIENCE:  # it has no user whose profile there would be
        raise Refused(Refusal.SCOPE_NOT_GRANTABLE)
    return await grant_by_credentials(call.core, body.client_id or "", secret or "", audience)


def _audience(given: str | None, otherwise: str) -> str:
    """Return the audience as tokens name it; with or without its last slash it is the same (BD2)."""
    if not given:
        return otherwise
    for known in AUDIENCES:
        if given.rstrip("/") == known.rstrip("/"):
            return known
    raise Refused(Refusal.SCOPE_MISSING, detail="The audience is not one of ours.")


def _write(grant: AccessGrant, body: GrantIn) -> Answer:
    offline = OFFLINE in (body.scope or "").split() and grant.refresh_token is not None
    written = GrantOut(
        access_token=grant.token,
        token_type="Bearer",
        expires_in=int(grant.life.total_seconds()),
        refresh_token=grant.refresh_token or UNSET,
        scope=OFFLINE if offline else UNSET,
    )
    return Answer(200, msgspec.json.encode(written))


def refuse(refused: Refused, _request_id: int) -> Answer:
    """Word a refusal."""
    status, code, text = REFUSALS[refused.why]
    if refused.complaints:
        text = "; ".join(f"{one.path}: {one.text}" for one in refused.complaints)
    return error(status, code, refused.detail or text)


def broke(request_id: int) -> Answer:
    """Word a malfunction of ours, telling nothing but the number to look it up by."""
    return error(500, "server_error", f"An internal error occurred ({request_id}).")


def no_route(_request_id: int) -> Answer:
    """Word a path that is no route."""
    return error(404, "not_found", "There is no such route.")


def wrong_method(_request_id: int) -> Answer:
    """Word a method that a path does not have."""
    return error(405, "method_not_allowed", "Tokens are asked for by POST.")


def error(status: int, code: str, description: str) -> Answer:
    """Write the error envelope."""
    return Answer(status, msgspec.json.encode(GrantErrorOut(code, description)))


GRANTS = Dialect(
    name="banq tokens",
    prefix="/oauth",
    routes=(
        Route(
            method="POST",
            path="/token",
            handler=create_token,
            summary="Get an access token",
            rights=None,
            reads=GrantIn,
            writes=GrantOut,
            refusals=(403, 501),
        ),
    ),
    error=GrantErrorOut,
    scopes={},
    refuse=refuse,
    broke=broke,
    no_route=no_route,
    wrong_method=wrong_method,
    pages=pages,
)
