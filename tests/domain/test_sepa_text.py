"""Whatever a merchant writes, a bank carries the result, and the payer is shown that very text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.sepa_text import ALPHABET, fits_sepa, sepa_reference, sepa_text

# Plain Unicode hardly ever draws the signs that matter here, so they are offered by name.
awkward = st.sampled_from("/ -ßÆŁ€½№ﷺ…\n\u202e\u0301🛒ЩΨ")
texts = st.text(st.one_of(awkward, st.characters()), max_size=200)


@pytest.mark.parametrize(
    ("written", "carried"),
    [
        ("Müller & Söhne – Straße 5", "Muller + Sohne - Strasse 5"),
        ("Crème brûlée, façon « maison »", "Creme brulee, facon ' maison '"),
        ("Łódź, Ærø, Þór", "Lodz, AEro, THor"),
        ("Αθήνα", "Athina"),
        ("Щука", "Shtuka"),
        ("Order_42 @ 5 €", "Order-42 (at) 5 EUR"),
        ("½ price", "1/2 price"),
        ("two\nlines\tand  spaces ", "two lines and spaces"),
        ("right\u202eto left", "rightto left"),
        ("🛒 cart", ". cart"),
        ("漢字", ".."),
        ("", ""),
    ],
)
def test_text_is_carried_in_the_letters_a_bank_has(written: str, carried: str) -> None:
    assert sepa_text(written) == carried


@pytest.mark.parametrize(
    ("written", "carried"),
    [
        ("/INV/2026//07/", "INV/2026/07"),
        ("///", ""),
        ("RF18 5390 0754 7034", "RF18 5390 0754 7034"),
        ("a\\\\b", "a/b"),
        ("x" * 34 + "/y", "x" * 34),
    ],
)
def test_a_reference_has_only_single_slashes_inside(written: str, carried: str) -> None:
    assert sepa_reference(written) == carried


@given(texts)
def test_a_label_is_always_one_a_bank_carries(written: str) -> None:
    carried = sepa_text(written)
    assert ALPHABET.issuperset(carried)
    assert len(carried) <= 140
    assert carried == carried.strip()


@given(texts)
def test_a_reference_is_always_one_a_bank_carries(written: str) -> None:
    carried = sepa_reference(written)
    assert ALPHABET.issuperset(carried)
    assert len(carried) <= 35
    assert "//" not in carried
    assert not carried.startswith("/")
    assert not carried.endswith("/")


@given(texts)
def test_what_was_carried_once_is_carried_unchanged(written: str) -> None:
    assert sepa_text(sepa_text(written)) == sepa_text(written)
    assert sepa_reference(sepa_reference(written)) == sepa_reference(written)


@given(st.text(st.sampled_from(sorted(ALPHABET)), max_size=200))
def test_text_that_fits_loses_nothing_but_spare_spaces(written: str) -> None:
    assert fits_sepa(written)
    assert sepa_text(written, 200) == " ".join(written.split())


@pytest.mark.parametrize("sign", sorted(set(map(chr, range(32, 127))) - ALPHABET))
def test_a_sign_outside_the_set_does_not_fit(sign: str) -> None:
    assert not fits_sepa(sign)
