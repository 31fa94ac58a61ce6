"""What a page follows one payment with, as a service hands it to the shop's backend."""

import msgspec


class LiveToken(msgspec.Struct, frozen=True):
    """A short-lived token that reads how one payment goes on, and where; it may be given to the payer's browser."""

    url: str
    token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"LiveToken(url={self.url!r}, expires_in={self.expires_in})"
