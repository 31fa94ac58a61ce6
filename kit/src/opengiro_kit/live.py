"""What a page follows one payment with, as a service hands it to the shop's backend."""

from urllib.parse import urlsplit

import msgspec


class LiveToken(msgspec.Struct, frozen=True):
    """A short-lived token that reads how one payment goes on, and where; it may be given to the payer's browser."""

    url: str
    token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"LiveToken(url={self.url!r}, expires_in={self.expires_in})"


class LiveTokenBody(msgspec.Struct, frozen=True):
    """The answer of either wire, which may leave the address to be known."""

    token: str
    expires_in: int = 900
    url: str | None = None

    def at(self, base_url: str, payment: int | str) -> LiveToken:
        """Return the token with its address: live status is served beside the API of the same server."""
        parts = urlsplit(base_url)
        return LiveToken(self.url or f"{parts.scheme}://{parts.netloc}/live/{payment}", self.token, self.expires_in)
