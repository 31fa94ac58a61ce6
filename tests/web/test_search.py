"""Finding a bank by what people type."""

from __future__ import annotations

import pytest

from opengiro.domain.banks import Bank
from opengiro.web.checkout.search import BankIndex


def _bank(name: str, **more: object) -> Bank:
    return Bank(bank_id=name, number=1, name=name, connector="c", countries=("FR",), **more)  # type: ignore[arg-type]


BANKS = BankIndex(
    [
        _bank("Crédit du Nord-Est", bic="CRNOFRPP", aliases=("CNE",)),
        _bank("Øresund Sparekasse", bic="ORESDKKK", iban_prefixes=("DK505301",)),
        _bank("Banque Étoile", legal_name="Société Étoilée SA", iban_prefixes=("FR7640973",)),
        _bank("Banque Épargne Directe"),
        _bank("Nord Bank"),
    ]
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("credit", ["Crédit du Nord-Est"]),
        ("NORD", ["Nord Bank", "Crédit du Nord-Est"]),
        ("nord est", ["Crédit du Nord-Est"]),
        ("cne", ["Crédit du Nord-Est"]),
        ("oresund", ["Øresund Sparekasse"]),
        ("societe", ["Banque Étoile"]),
        ("banque e", ["Banque Épargne Directe", "Banque Étoile"]),
        ("banqeu etoile", ["Banque Étoile"]),
        ("epargen", ["Banque Épargne Directe"]),
        ("sparkase", ["Øresund Sparekasse"]),
        ("ORESDK", ["Øresund Sparekasse"]),
        ("FR12 4097 3000 0112", ["Banque Étoile"]),
        ("DK99 53", ["Øresund Sparekasse"]),
        ("DK997", []),
        ("zzz", []),
        ("'; drop", []),
    ],
)
def test_what_people_type_finds_their_bank(typed: str, found: list[str]) -> None:
    """U3."""
    assert [bank.name for bank in BANKS.search(typed)] == found


def test_nothing_typed_is_every_bank() -> None:
    assert len(BANKS.search("   ")) == 5


def test_a_very_long_query_is_cut_and_answered() -> None:
    assert BANKS.search("nord" + " " * 5000 + "x" * 5000) == BANKS.search("nord")
