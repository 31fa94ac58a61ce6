"""Ids and tokens as text and numbers. Time and chance come in as arguments, so nothing here surprises a test."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from opengiro.domain.clock import to_us

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_EPOCH_MS = 1_735_689_600_000  # 2025-01-01 UTC: 41 bits of milliseconds from here last until 2094
_CHANCE_BITS = 12
IDS_A_MILLISECOND = 1 << _CHANCE_BITS
"""So many payment ids hold the same millisecond, one after another."""
_TOKEN = re.compile(r"og_([0-9a-z]{1,13})_([A-Za-z0-9_-]{43})([0-9a-f]{8})", re.ASCII)
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [low + high for high in _BASE62 for low in _BASE62]
_PREFIX_LENGTH = 27
_LINK_LENGTH = 11
_CLIENT_DIGITS = 6
_MERCHANT_MAX = 2**63 - 1  # what a database counts; anybody can write a larger number with a right checksum


def payment_id(at: datetime, chance: bytes) -> int:
    """Return 53 bits: milliseconds, then chance. Later payments sort later, yet nobody can count them."""
    return least_payment_id(at) | int.from_bytes(chance[:2], "big") >> (16 - _CHANCE_BITS)


def least_payment_id(at: datetime) -> int:
    """Return what no id of that millisecond or later is below, and every earlier one is."""
    return (to_us(at) // 1000 - _EPOCH_MS) << _CHANCE_BITS


def guid7(at: datetime, chance: bytes) -> str:
    """Return a UUIDv7 (RFC 9562) from the instant and ten bytes of chance."""
    milliseconds = to_us(at) // 1000
    low = int.from_bytes(chance[:10], "big")
    value = milliseconds << 80 | 0x7 << 76 | (low >> 68) << 64 | 0b10 << 62 | low & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def reference_prefix(chance: bytes) -> str:
    """Return 27 base-62 characters that the end-to-end ids of one payment share (20 bytes of chance)."""
    number, text = int.from_bytes(chance[:20], "big"), ""
    while len(text) < _PREFIX_LENGTH:  # two digits at a time: dividing a number of this size is what it costs
        number, pair = divmod(number, 62 * 62)
        text += _PAIRS[pair]
    return text[:_PREFIX_LENGTH]


def link_code(chance: Callable[[int], bytes]) -> str:
    """Return eleven base-62 characters for a link; `chance` is asked until its bytes are free of bias."""
    text = ""
    while len(text) < _LINK_LENGTH:
        text += "".join(_BASE62[byte % 62] for byte in chance(_LINK_LENGTH) if byte < 248)
    return text[:_LINK_LENGTH]


def transaction_guid(payment_guid: str) -> str:
    """Return the guid of the one transaction that a payment made once stands for: its own, with version 8 for 7.

    Nothing is stored for such a transaction, so its guid has to lead back to the payment; `payment_guid_of` does.
    """
    return f"{payment_guid[:14]}8{payment_guid[15:]}"


def payment_guid_of(guid: str) -> str | None:
    """Return the guid of the payment whose transaction this is, or None when the guid is no such transaction's."""
    return f"{guid[:14]}7{guid[15:]}" if guid[14:15] == "8" else None


def mint_token(merchant_id: int, chance: bytes) -> str:
    """Return a token of 256 bits that names its merchant and carries a checksum for secret scanners."""
    body = f"og_{_base36(merchant_id)}_{urlsafe_b64encode(chance[:32]).rstrip(b'=').decode()}"
    return f"{body}{binascii.crc32(body.encode()):08x}"


def merchant_of(token: str) -> int | None:
    """Return the merchant a token names, or None when it was never one of ours."""
    found = _TOKEN.fullmatch(token)
    if not found or f"{binascii.crc32(token[:-8].encode()):08x}" != found[3]:
        return None
    merchant_id = int(found[1], 36)
    return merchant_id if merchant_id <= _MERCHANT_MAX else None


def client_id(merchant_id: int, chance: bytes) -> str:
    """Return a client id: digits only, of which all but the last six are the merchant."""
    return f"{merchant_id}{int.from_bytes(chance[:4], 'big') % 10**_CLIENT_DIGITS:0{_CLIENT_DIGITS}d}"


def merchant_of_client(client: str) -> int | None:
    """Return the merchant a client id names, or None when it has not that form."""
    if not re.fullmatch(r"[1-9][0-9]{6,17}", client, re.ASCII):
        return None
    return int(client[:-_CLIENT_DIGITS])


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _BASE36[digit] + text
    return text or "0"
