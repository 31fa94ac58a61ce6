"""The key that clients encrypt field values to, so that nothing between them and us reads what a payer typed."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opengiro.store.rsa_file import rsa_key

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

WRAPPING = "RSA-OAEP-256"
CIPHERS = ("A256GCM", "A256CBC-HS512")
_COMPACT = re.compile(r"eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}", re.ASCII)


class SealBroken(ValueError):  # what happened, not a malfunction of ours
    """The text is encrypted, but not to this key, not by these algorithms, or it was tampered with."""


class FieldsKey:
    """A private RSA key, read or made when it is first needed."""

    def __init__(self, kept: Path | bytes | None = None) -> None:
        """Remember where the key is kept, or the key itself as PEM."""
        self._kept = kept

    @property
    def public(self) -> dict[str, str]:
        """The public half as a JWK with the `kid` that ciphertexts name."""
        key = self._key
        shown = {name: str(value) for name, value in key.as_dict(private=False).items()}
        return {**shown, "kid": key.thumbprint(), "use": "enc", "alg": WRAPPING}

    def open(self, text: str) -> str:
        """Return the clear text of a compact JWE, or the text itself when it is none; raises `SealBroken`."""
        if not _COMPACT.fullmatch(text):
            return text
        from joserfc import jwe  # noqa: PLC0415  # heavy, and only encrypted values need it
        from joserfc.errors import JoseError  # noqa: PLC0415  # as above

        try:
            opened = jwe.decrypt_compact(text, self._key, algorithms=[WRAPPING, *CIPHERS])
            return (opened.plaintext or b"").decode()
        except (JoseError, ValueError, KeyError, TypeError) as broken:
            raise SealBroken("the value cannot be opened with the key of /publickey") from broken

    @cached_property
    def _key(self) -> RSAKey:
        return rsa_key(self._kept)
