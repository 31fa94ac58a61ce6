"""What a browser brings along: the session's secret in a cookie, the language it reads, and the address it is at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opengiro.web.checkout.languages import LANGUAGES, wanted_language

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from opengiro.usecases.open_checkout import Checkout

LANGUAGE_COOKIE = "opengiro_language"


def base_of(visit: Checkout) -> str:
    """Return the path of a checkout."""
    return f"/checkout/{visit.session.handle}"


def own_handle(own_url: str, back_to: str | None) -> str | None:
    """Return the handle of the checkout that an address of ours belongs to."""
    prefix = own_url + "/checkout/"
    return back_to.removeprefix(prefix) if back_to and back_to.startswith(prefix) else None


def secret_of(request: Request, handle: str) -> str | None:
    """Return the secret that this browser holds for a checkout."""
    return request.cookies.get(f"opengiro_{handle}")


def language_of(request: Request, visit: Checkout | None = None) -> str:
    """Return the language to print in: chosen on our pages, named by the link, or the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    wished = visit.session.language if visit else None
    return wanted_language(request.headers.get("accept-language", ""), chosen, wished)


def language_asked(request: Request) -> str | None:
    """Return the language that a link of ours asks to switch to."""
    asked = request.query_params.get("lang", "")
    return asked if asked in LANGUAGES else None


def keep_language(answer: Response, language: str) -> Response:
    """Let the browser remember the language for its next pages."""
    answer.set_cookie(LANGUAGE_COOKIE, language, path="/", httponly=True, samesite="lax")
    return answer
