"""Identities of the powens wire, both ways. Only types, lengths, lists and mandatory cells are checked (PC1-PC3)."""

from __future__ import annotations

import unicodedata
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec
from babel import Locale

from opengiro.dialects.powens.schema import IdentityIn, IdentityOut
from opengiro.domain.complaints import civil_date
from opengiro.domain.parties import IdentityScheme, Party, PartyKind

if TYPE_CHECKING:
    from opengiro.domain.complaints import Complaints

LENGTHS = {
    "external_ref": 255, "first_name": 255, "last_name": 255, "birth_city": 255, "nationality": 255,
    "postal_address": 512, "email": 255, "identification": 255, "issuer": 255, "ultimate_owner_text": 512,
    "ultimate_owner_extra_text": 512, "org_name": 255, "org_legal_status": 128, "org_hq_address": 512,
    "org_business_address": 512,
}  # fmt: skip
"""Longest text of each property, in characters (where the reference names none: that of its neighbours)."""

OPEN = ("external_ref", "org_name", "org_legal_status")
"""Properties that everybody with access to the payment reads."""

_Kind = TypeVar("_Kind", PartyKind, IdentityScheme)
_LINES = frozenset({"postal_address", "org_hq_address", "org_business_address"})


def read_party(given: IdentityIn | None, path: str, wrong: Complaints) -> Party | None:
    """Check an identity; a missing one is no fault."""
    if given is None:
        return None
    kind = _one_of(PartyKind, given.kind or PartyKind.INDIVIDUAL, f"{path}.kind", wrong)
    scheme = _one_of(IdentityScheme, given.scheme_name, f"{path}.scheme_name", wrong)
    sent = msgspec.to_builtins(given)  # what was left out is not in it
    texts = {name: _text(text, path, name, wrong) for name, text in sent.items() if name in LENGTHS}
    _check_mandatory(given, kind or PartyKind.INDIVIDUAL, path, wrong)
    if given.email is not None and not (0 < given.email.find("@") < len(given.email) - 1):
        wrong.add(f"{path}.email", "is not an e-mail address")
    if given.birth_country is not None and given.birth_country not in _countries():
        wrong.add(f"{path}.birth_country", "is not an ISO 3166 alpha-2 country code")
    return Party(
        kind=kind or PartyKind.INDIVIDUAL,
        id_user=given.id_user,
        birth_country=given.birth_country,
        birth_date=_birth_date(given.birth_date, f"{path}.birth_date", wrong),
        scheme=scheme,
        pep=bool(given.pep),
        **texts,
    )


def write_party(party: Party | None, *, sensitive: bool) -> IdentityOut | None:
    """Write an identity, with its sensitive properties only when they were asked for."""
    if party is None:
        return None
    out = IdentityOut(kind=party.kind, id_user=party.id_user, **{name: getattr(party, name) for name in OPEN})
    if sensitive:
        for name in LENGTHS.keys() - set(OPEN):
            setattr(out, name, getattr(party, name))
        out.birth_country, out.pep = party.birth_country, party.pep
        out.birth_date = party.birth_date.isoformat() if party.birth_date else None
        out.scheme_name = party.scheme
    return out


def _check_mandatory(given: IdentityIn, kind: PartyKind, path: str, wrong: Complaints) -> None:
    """Enforce the cells that the reference marks mandatory for each kind."""
    if kind is PartyKind.INDIVIDUAL:
        wrong.need(given.first_name, f"{path}.first_name")
        wrong.need(given.last_name, f"{path}.last_name")
        if given.identification is not None:
            wrong.need(given.scheme_name, f"{path}.scheme_name")
    else:
        wrong.need(given.scheme_name, f"{path}.scheme_name")
        wrong.need(given.identification, f"{path}.identification")


def _text(text: str, path: str, name: str, wrong: Complaints) -> str:
    if len(text) > LENGTHS[name]:
        wrong.add(f"{path}.{name}", f"has at most {LENGTHS[name]} characters")
    allowed = "\r\n" if name in _LINES else ""
    # What is printable as a whole holds no such character, and is known much faster.
    if not text.isprintable() and any(unicodedata.category(one)[0] == "C" and one not in allowed for one in text):
        wrong.add(f"{path}.{name}", "holds control or formatting characters")
    return text


def _birth_date(text: str | None, path: str, wrong: Complaints) -> date | None:
    if text is None:
        return None
    day = civil_date(text)
    if day is None:
        wrong.add(path, "is not a date such as 1970-01-01")
    return day


def _one_of(kind: type[_Kind], text: str | None, path: str, wrong: Complaints) -> _Kind | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        wrong.add(path, "is not one of the documented values")
        return None


@cache
def _countries() -> frozenset[str]:
    """Return the ISO 3166 alpha-2 codes; the table also names groups of countries, which are none."""
    groups = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}
    codes = map(str, Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha()) - groups
