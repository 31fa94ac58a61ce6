"""Merchants (tenants), their applications, and the settings that change how their payments behave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

EXPIRE_DAYS_DEFAULT = 30
WIDGET_ORIGINS = "widget_origins"
"""Key of an application's configuration: origins, apart by spaces, of pages that embed the checkout or follow it."""
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.ASCII)  # origins also go into policies, where marks would speak
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A tenant with its settings as they were when it was loaded; settings are text by key."""

    merchant_id: int
    domain: str
    name: str
    legal_name: str
    zone: str  #: IANA zone of its civil dates and of the wire's DateTimes
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def maximum_minor(self) -> int:
        """Ceiling of one payment in cents; 0 means none."""
        whole, _, fraction = self.settings.get("payment.max_amount", "0").partition(".")
        return int(whole or "0") * 100 + int((fraction + "00")[:2])

    @property
    def expire_days(self) -> int:
        """Days after which a payment without final status expires."""
        return int(self.settings.get("payment.manual_expire_time_days", str(EXPIRE_DAYS_DEFAULT)))

    @property
    def takes_periodic(self) -> bool:
        """Whether the merchant may ask for recurring payments where the wire has them off by default."""
        return self.settings.get("payment.periodic.enabled", "0") == "1"

    @property
    def confirms_by_hand(self) -> bool:
        """Whether the merchant wants the last word after the payer's approval."""
        return self.settings.get("payment.auto_confirmation", "1") == "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A merchant's API credentials and the exact redirect URIs it may use."""

    merchant_id: int
    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    secret_hash: bytes
    created_at: datetime
    config: Mapping[str, str] = field(default_factory=dict)

    def may_redirect_to(self, uri: str | None) -> bool:
        """Whether the URI is registered, compared character by character; going nowhere is always allowed."""
        return uri is None or uri in self.redirect_uris

    @property
    def origins(self) -> frozenset[str]:
        """Origins of the application's own pages: those of its redirect URIs, and those registered for widgets."""
        return _origins(self.redirect_uris) | self.widget_origins

    @property
    def widget_origins(self) -> frozenset[str]:
        """Origins of the pages that may embed the checkout; none registered means that any may."""
        return _origins(self.config.get(WIDGET_ORIGINS, "").split())


def _origins(urls: Iterable[str]) -> frozenset[str]:
    return frozenset(origin for url in urls if (origin := origin_of(url)))


def origin_of(url: str) -> str | None:
    """Return the origin of a web address as browsers write it, or None when it has none to compare."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not _HOST.fullmatch(parts.hostname or ""):
        return None
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")
