"""The browser's side of the banq wire: short links to payments, and the old addresses of the API's description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.dialects import admit, same_machine_elsewhere
from opengiro.domain.refusals import Refused
from opengiro.usecases.hand_over import take_claim
from opengiro.usecases.open_checkout import open_link

if TYPE_CHECKING:
    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import Checkout, OpenedCheckout

DESCRIPTION = "/api/openapi.json"


def pages(core: Core) -> Sequence[BaseRoute]:
    """Return the routes that browsers open."""

    async def enter(request: Request) -> Response:
        return await _enter(core, request)

    async def describe(_: Request) -> Response:
        return RedirectResponse(DESCRIPTION, 302)

    link = Route("/{code}", enter, methods=["GET"])
    # BD33: no other address of one segment has exactly this form.
    link.path_regex = re.compile(r"^/(?P<code>[A-Za-z0-9]{11})$", re.ASCII)
    # BC9: two addresses are published for the description of the API.
    described = [Route(path, describe, methods=["GET"]) for path in ("/core/index.html", "/api/index.html")]
    return [link, *described]


def farewell(_checkout: Checkout, _leaving: str) -> None:
    """Say that this wire sends payers nowhere: their page was opened beside the shop's."""


async def _enter(core: Core, request: Request) -> Response:
    """Swap the link for a session and a clean URL at once; looking (HEAD) opens nothing."""
    if elsewhere := same_machine_elsewhere(core, request):
        return elsewhere
    try:
        if request.method == "HEAD":
            return Response(status_code=200 if await core.store.links.find(request.path_params["code"]) else 404)
        opened = await _claimed(core, request) or await open_link(core, request.path_params["code"])
    except Refused as refused:
        raise HTTPException(404) from refused
    return admit(core, opened)


async def _claimed(core: Core, request: Request) -> OpenedCheckout | None:
    """Take the claim of a QR code, which a link carries as `h`; one that lapsed leaves the plain link (BD35)."""
    secret = request.query_params.get("h")
    if secret is None:
        return None
    try:
        return await take_claim(core, secret)
    except Refused:
        return None
