"""Keeps secrets at rest: seals personal data, hashes tokens, and indexes what must be found again by equality.

The root key lives outside the database. Its first byte in every ciphertext names the key, so keys can rotate.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_KEY_BYTES = 32


class Vault:
    """AES-256-GCM under the newest root key; older keys still open what they sealed."""

    def __init__(self, keys: Mapping[int, bytes], chance: Callable[[int], bytes] = os.urandom) -> None:
        """Take 32-byte root keys by number (0-255); the highest number seals."""
        self._current = max(keys)
        self._boxes = {number: AESGCM(_derive(key, b"seal")) for number, key in keys.items()}
        oldest = keys[min(keys)]
        # Hashes have to stay comparable over a rotation, so they keep the oldest key.
        self._pepper = hmac.new(_derive(oldest, b"token"), digestmod="sha256")
        self._finder = hmac.new(_derive(oldest, b"index"), digestmod="sha256")
        self._chance = chance

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt `plain`; `place` (table and row) is bound in, so a ciphertext moved elsewhere does not open."""
        nonce = self._chance(_NONCE_BYTES)
        return bytes((self._current,)) + nonce + self._boxes[self._current].encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt; raises `cryptography.exceptions.InvalidTag` when the row was tampered with."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        return self._boxes[sealed[0]].decrypt(nonce, body, place.encode())

    def fingerprint(self, secret: str) -> bytes:
        """Hash a token or client secret; those carry 256 bits of chance, so no slow hash is needed."""
        return _code(self._pepper, secret)

    def index(self, value: str) -> bytes:
        """Return a keyed hash that finds equal values without telling what they are."""
        return _code(self._finder, value)[:16]


def _code(keyed: hmac.HMAC, text: str) -> bytes:
    """Return the code of a text; unlike `hmac.digest` this works no key in and lets no other thread in between."""
    code = keyed.copy()
    code.update(text.encode())
    return code.digest()


def open_vault(path: Path, key: bytes = b"") -> Vault:
    """Take the root key that is given, else that of the file, made on first use and readable by its owner only."""
    if key:
        return Vault({1: key})
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Vault({1: path.read_bytes()})
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(_KEY_BYTES))
    return Vault({1: path.read_bytes()})


def _derive(key: bytes, purpose: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise ValueError("a root key has 32 bytes")
    return hashlib.blake2b(purpose, key=key, digest_size=32).digest()
