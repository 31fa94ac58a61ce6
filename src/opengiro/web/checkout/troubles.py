"""Pages without a checkout on them: what a browser is told calmly when there is none to show, or not just now."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from opengiro.domain.refusals import Refusal, Refused
from opengiro.telemetry.meters import FAULTS
from opengiro.web.checkout.pages import print_trouble
from opengiro.web.checkout.view import Again, Trouble
from opengiro.web.checkout.visit import language_of, secret_of
from opengiro.web.headers import page_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_AWAY_S = 2
_SENT_TO = re.compile(r"(/checkout/[^/]+)/[a-z]+")
_log = structlog.get_logger("opengiro.pages")


class Calm:
    """Turns a bug behind any page into a calm one: it is logged once, counted, and told to nobody."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around the routes of pages."""
        self._app = app
        self._faults = FAULTS.labels("pages")

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the call on; a stream keeps nothing of ours in memory, and ends by itself."""
        lasts = scope["type"] != "http" or scope["path"].startswith("/live/")
        return (self._app if lasts else self._watched)(scope, receive, send)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            return
        except Exception:
            self._faults.inc()
            _log.exception("request failed")
            if begun:
                raise
            await trouble_page(Request(scope), Trouble.OURS, 500)(scope, receive, send)


async def dead_end(request: Request, fault: Exception) -> Response:
    """Say that an address leads nowhere: the application's answer to an `HTTPException` of a browser's page."""
    status = fault.status_code if isinstance(fault, HTTPException) else 400
    return trouble_page(request, Trouble.NOT_FOUND if status == 404 else Trouble.LINK_INVALID, status)


def away_for_now(request: Request, away: Exception) -> Response:
    """Say that the database is away: the application's answer wherever no wire words it."""
    _log.warning("database unavailable", said=str(away))
    return _later(request, Trouble.BUSY, _AWAY_S)


def turned_away(scope: Scope, refused: Refused) -> Response:
    """Say that nobody is let in just now, which was found out before anything of the request was read."""
    trouble = Trouble.CLOSED if refused.why is Refusal.HELD else Trouble.BUSY
    return _later(Request(scope), trouble, refused.wait_s or 1)


def no_right(request: Request, why: Refusal) -> Response:
    """Tell a browser that has no right to a checkout so, by whether it ever had one."""
    if why is not Refusal.TOKEN_INVALID:
        return trouble_page(request, Trouble.LINK_INVALID)
    had_one = secret_of(request, request.path_params.get("handle", ""))
    return trouble_page(request, Trouble.LINK_EXPIRED if had_one else Trouble.OTHER_BROWSER)


def trouble_page(request: Request, trouble: Trouble, status: int = 400, again: Again | None = None) -> Response:
    """Print a page that has no payment on it and never leads elsewhere by itself."""
    nonce = secrets.token_urlsafe(16)
    body = print_trouble(trouble, language_of(request), nonce, again)
    return Response(body, status, page_headers(nonce), "text/html")


def _later(request: Request, trouble: Trouble, wait_s: int) -> Response:
    page = trouble_page(request, trouble, 503, Again(_looked_at(request), wait_s, alone=trouble is Trouble.BUSY))
    page.headers["retry-after"] = str(wait_s)
    return page


def _looked_at(request: Request) -> str:
    """Return where to look again: at the page itself, or at the checkout whose form was sent."""
    sent = _SENT_TO.fullmatch(request.scope["path"]) if request.method == "POST" else None
    return sent[1] if sent else ""
