"""The key that access tokens are signed with, so that any server can check one without asking us."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opengiro.store.rsa_file import rsa_key

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
_REMEMBERED_MAX = 4096
_LENGTH_MAX = 4096


class TokensKey:
    """A private RSA key, read or made when it is first needed; remembers which tokens it has checked."""

    def __init__(self, kept: Path | bytes | None = None) -> None:
        """Remember where the key is kept, or the key itself as PEM."""
        self._kept = kept
        self._checked: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    @property
    def public(self) -> dict[str, str]:
        """The public half as a JWK with the `kid` that tokens name."""
        shown = {name: str(value) for name, value in self._key.as_dict(private=False).items()}
        return {**shown, "kid": self._key.thumbprint(), "use": "sig", "alg": ALGORITHM}

    def sign(self, claims: dict[str, Any]) -> str:
        """Return these claims as a signed token."""
        from joserfc import jwt  # noqa: PLC0415  # heavy, and only wires with signed tokens need it

        header = {"alg": ALGORITHM, "typ": "JWT", "kid": self._key.thumbprint()}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def open(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that this key signed, else None; whether they still hold is not judged."""
        if len(token) > _LENGTH_MAX or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._checked.get(digest) or self._check(token)
        if claims is not None:
            self._checked[digest] = claims
            self._checked.move_to_end(digest)
            if len(self._checked) > _REMEMBERED_MAX:
                self._checked.popitem(last=False)
        return claims

    def _check(self, token: str) -> dict[str, Any] | None:
        from joserfc import jwt  # noqa: PLC0415  # as above
        from joserfc.errors import JoseError  # noqa: PLC0415  # as above

        try:
            return dict(jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, KeyError):
            return None

    @cached_property
    def _key(self) -> RSAKey:
        return rsa_key(self._kept)
