"""Security headers by class of route: strict ones on everything, loosened only by a route that says so.

A page that brings its own policy keeps it; whatever brings none gets the API's, which loads and frames nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

EVERYWHERE: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
)
TRANSPORT = "max-age=63072000; includeSubDomains"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
API_HEADERS: Mapping[str, str] = MappingProxyType({**EVERYWHERE, "Content-Security-Policy": NOTHING})
"""What every answer of an interface for programs carries."""


def api_headers(*, https: bool) -> dict[str, str]:
    """Return what an interface for programs answers with; `https` says whether it is reached over TLS."""
    return {**API_HEADERS, "Strict-Transport-Security": TRANSPORT} if https else dict(API_HEADERS)


def frame_headers(nonce: str, origins: Iterable[str], own: str) -> dict[str, str]:
    """Return what a page adds that is made to be framed: by these origins only, or by any when there are none.

    `own` is where forms may lead besides the page's own origin: a laptop has several names, and one is the server's.
    """
    ancestors = " ".join(sorted(origins)) or "*"
    policy = page_headers(nonce)["Content-Security-Policy"]
    policy = policy.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
    return {
        "Content-Security-Policy": policy.replace("form-action 'self'", f"form-action 'self' {own}"),
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def page_headers(nonce: str) -> dict[str, str]:
    """Return what a top-level checkout page adds: scripts and styles by nonce only, nowhere framed."""
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}' 'strict-dynamic'",
        f"style-src 'nonce-{nonce}'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    }


def asset_headers() -> dict[str, str]:
    """Return what a file named by its content adds: browsers may keep it for a year."""
    return {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


class SecurityHeaders:
    """Adds to every HTTP answer, errors included, the headers its route did not set itself."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """Wrap `app`; `https` says whether the public address is reached over TLS."""
        self._app = app
        self._missing = [(name.lower().encode(), value.encode()) for name, value in api_headers(https=https).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and complete the headers of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in self._missing if one[0] not in own)]
            await send(message)

        await self._app(scope, receive, complete)
