"""A private RSA key in a PEM file beside the root key, made on first use and readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_BITS = 2048


def rsa_key(path: Path | None) -> RSAKey:
    """Return the key of the file; without a file, one that lives as long as the process."""
    from joserfc.jwk import RSAKey  # noqa: PLC0415  # heavy, and most starts need no key

    if path is None:
        return RSAKey.generate_key(_BITS)
    if not path.exists():
        _write(path, RSAKey.generate_key(_BITS).as_pem(private=True))
    return RSAKey.import_key(path.read_bytes())


def _write(path: Path, pem: bytes) -> None:
    """Write the file whole or not at all; when another process was faster, keep its key."""
    draft = path.with_suffix(f".{secrets.token_hex(8)}.tmp")  # a process id is not unique across containers
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
