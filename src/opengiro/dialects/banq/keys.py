"""The published half of the key that access tokens are signed with, at its well-known addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from opengiro.store.tokens_key import ALGORITHM

if TYPE_CHECKING:
    from opengiro.usecases import Core

KEY_SET = "/.well-known/jwks.json"


def pages(core: Core) -> Sequence[BaseRoute]:
    """Return the routes of the key set and of what leads to it."""

    async def key_set(_: Request) -> Response:
        return _public({"keys": [core.tokens_key.public]})

    async def configuration(_: Request) -> Response:
        return _public(_configuration(core.own_url))

    return [Route(KEY_SET, key_set), Route("/.well-known/openid-configuration", configuration)]


def _configuration(own_url: str) -> dict[str, object]:
    return {
        "issuer": f"{own_url}/",
        "token_endpoint": f"{own_url}/oauth/token",
        "jwks_uri": own_url + KEY_SET,
        "grant_types_supported": ["password", "client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
        "scopes_supported": ["offline_access"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
    }


def _public(value: object) -> Response:
    # The key outlives restarts, so anybody may keep it for a while.
    headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(msgspec.json.encode(value), media_type="application/json", headers=headers)
