"""Claims: what hands a checkout over to another device, scanned by its camera or typed in by hand."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime

CODE_LENGTH = 8
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("ILO", "110")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody with the secret may open the payment's checkout, once; `handle` is the session it was offered in."""

    merchant_id: int
    claim_id: bytes
    payment_id: int
    handle: str | None
    expires_at: datetime
    taken_at: datetime | None = None


def claim_secret(chance: bytes) -> str:
    """Return 128 bits as text for a QR code, which is the coarser the less it holds."""
    return urlsafe_b64encode(chance[:16]).rstrip(b"=").decode()


def claim_code(chance: bytes) -> str:
    """Return eight characters that are read out and typed without mistakes: no I, L, O or U among them."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in chance[:CODE_LENGTH])


def typed_code(text: str) -> str | None:
    """Return the code that somebody typed, in whichever case and grouping, or None when it cannot be one."""
    code = "".join(text.split()).replace("-", "").upper().translate(_MISREAD)
    return code if len(code) == CODE_LENGTH and set(code) <= set(_LETTERS) else None
