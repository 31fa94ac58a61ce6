"""Take in a merchant with its first application. What opens doors is shown once, here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from opengiro.domain.merchants import Application, Merchant, origin_of
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core
from opengiro.usecases.grant_token import grant_configuration_token
from opengiro.usecases.register_application import ApplicationChange, register_application

_TEXT_MAX = 255
_URI_MAX = 2048
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMerchant:
    """Who is to take payments, and where its payers may come back to."""

    name: str
    legal_name: str
    domain: str  #: one label, as in the powens wire's DOMAIN.biapi.pro
    zone: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """A merchant as it begins; secret and token are kept nowhere else."""

    merchant: Merchant
    application: Application
    client_secret: str
    config_token: str


async def register_merchant(core: Core, wanted: NewMerchant, actor: str) -> Welcome:
    """Make a merchant, an application that may be redirected to its URIs, and a configuration token."""
    wrong = _complaints(wanted)
    known = [merchant for merchant, _ in await core.store.merchants.all()]
    if wanted.domain in {merchant.domain for merchant in known}:
        wrong += (Complaint("domain", "is another merchant's"),)
    if wrong:
        raise Refused(Refusal.FIELD_INVALID, *wrong)
    merchant = Merchant(
        merchant_id=max((merchant.merchant_id for merchant in known), default=0) + 1,
        domain=wanted.domain,
        name=wanted.name,
        legal_name=wanted.legal_name,
        zone=wanted.zone,
    )
    try:
        await core.store.merchants.save(merchant, core.clock.real())
    except Conflict:
        taken = Complaint("domain", "was taken by another merchant just now")
        raise Refused(Refusal.FIELD_INVALID, taken) from None
    first = ApplicationChange(name=wanted.name, redirect_uris=wanted.redirect_uris)
    application, secret = await register_application(core, merchant.merchant_id, first, actor)
    token = await grant_configuration_token(core, merchant.merchant_id)
    return Welcome(merchant=merchant, application=application, client_secret=secret, config_token=token)


def _complaints(wanted: NewMerchant) -> tuple[Complaint, ...]:
    found = []
    for name, text in (("name", wanted.name), ("legal_name", wanted.legal_name)):
        if not text.strip() or len(text) > _TEXT_MAX or not text.isprintable():
            found.append(Complaint(name, f"has 1 to {_TEXT_MAX} printable characters"))
    if not _DOMAIN.fullmatch(wanted.domain):
        found.append(Complaint("domain", "has lower-case letters, digits and inner hyphens, 63 at most"))
    try:
        ZoneInfo(wanted.zone)
    except (ValueError, OSError, KeyError):
        found.append(Complaint("zone", "is a time zone such as Europe/Paris"))
    for at, uri in enumerate(wanted.redirect_uris):
        if not _reaches(uri):
            found.append(Complaint(f"redirect_uris[{at}]", f"is a web address of at most {_URI_MAX} characters"))
    return tuple(found)


def _reaches(uri: str) -> bool:
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(" ,#@")
    return plain and len(uri) <= _URI_MAX and origin_of(uri) is not None
