"""The payer's phone of `opengiro dev`: follows a link or a typed code into a window of a phone's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.cli.pages import local, page
from opengiro.dialects import admit
from opengiro.domain.merchants import origin_of
from opengiro.domain.refusals import Refused
from opengiro.usecases.hand_over import take_typed_claim

if TYPE_CHECKING:
    from opengiro.usecases import Core

_FORM_BYTES_MAX = 4096


def phone(core: Core) -> Sequence[BaseRoute]:
    """Return the routes of the phone."""

    async def show(_: Request) -> Response:
        return page("phone.html", given="", lost=False)

    async def follow(request: Request) -> Response:
        given = dict(parse_qsl((await request.body())[:_FORM_BYTES_MAX].decode("utf-8", "replace"))).get("given", "")
        if origin_of(given.strip()) == origin_of(core.own_url):
            parts = urlsplit(given.strip())
            return RedirectResponse(f"{core.own_url}{parts.path}" + (f"?{parts.query}" if parts.query else ""), 303)
        try:
            return admit(core, await take_typed_claim(core, given, "the phone"))
        except Refused:
            return page("phone.html", 422, given=given, lost=True)

    return [local("/phone", show), Route("/phone", follow, methods=["POST"])]
