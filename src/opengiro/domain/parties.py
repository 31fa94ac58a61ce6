"""Who pays and who is paid, as far as a merchant tells us (FATF travel-rule data of an identity)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class PartyKind(StrEnum):
    """What sort of person, natural or legal, a party is."""

    INDIVIDUAL = "individual"
    CORPORATE = "corporate"
    NON_PROFIT = "non_profit"
    GOVERNMENT = "government"


class IdentityScheme(StrEnum):
    """The register that an identification number belongs to."""

    NATIONAL_ID = "national_id_number"
    PASSPORT = "passport_number"
    ALIEN_REGISTRATION = "alien_reg_number"
    SIREN = "siren"
    SIRET = "siret"
    EUID = "euid"
    INCORPORATION = "incorporation_number"
    RNA = "rna"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An identity; every field but `kind` may be unknown."""

    kind: PartyKind = PartyKind.INDIVIDUAL
    id_user: int | None = None
    external_ref: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    birth_city: str | None = None
    birth_country: str | None = None
    birth_date: date | None = None
    nationality: str | None = None
    postal_address: str | None = None
    email: str | None = None
    scheme: IdentityScheme | None = None
    identification: str | None = None
    issuer: str | None = None
    ultimate_owner_text: str | None = None
    ultimate_owner_extra_text: str | None = None
    pep: bool = False
    org_name: str | None = None
    org_legal_status: str | None = None
    org_hq_address: str | None = None
    org_business_address: str | None = None
