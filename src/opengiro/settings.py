"""What an operator decides, read once at start and handed down. Nothing below the command and the wiring sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One server's settings; `base_url` is its public address without a trailing slash."""

    data: Path  #: folder of the database and of the root key
    host: str = "127.0.0.1"
    port: int = 8000
    base_url: str = ""
    private_hosts: frozenset[str] = frozenset()  #: hosts in private networks that webhooks may go to; "*" is all

    @property
    def own_url(self) -> str:
        """Where browsers and banks reach this server."""
        return self.base_url or f"http://{self.host}:{self.port}"
