"""A private RSA key in a PEM file beside the root key, made on first use and readable by its owner only.

Where several machines need the same one, its PEM is kept in the database instead: see `store.house`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_BITS = 2048


def rsa_key(kept: Path | bytes | None) -> RSAKey:
    """Return the key of the PEM or its file; without either, one that lives as long as the process."""
    from joserfc.jwk import RSAKey  # noqa: PLC0415  # heavy, and most starts need no key

    if kept is None:
        return RSAKey.generate_key(_BITS)
    if isinstance(kept, Path) and not kept.exists():
        _write(kept, new_pem())
    return RSAKey.import_key(kept.read_bytes() if isinstance(kept, Path) else kept)


def pem_of(path: Path) -> bytes:
    """Return the key of a file as it is, or a new one when there is no file; none is written."""
    return path.read_bytes() if path.exists() else new_pem()


def new_pem() -> bytes:
    """Make a key."""
    from joserfc.jwk import RSAKey  # noqa: PLC0415  # as above

    return RSAKey.generate_key(_BITS).as_pem(private=True)


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
