"""References that travel with a transfer, RF creditor references among them."""
# ruff: noqa: RUF001  # digits of other scripts are what some of these tests are about

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.references import is_creditor_reference, reference_fault

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def check_digits(text: str) -> str:
    """Compute the check digits of a creditor reference from ISO 11649's own rule."""
    number = "".join(str(ALPHABET.index(letter)) for letter in text + "RF00")
    return f"{98 - int(number) % 97:02d}"


@pytest.mark.parametrize("text", ["RF18539007547034", "RF712348231", "RF45G72UUR", "RF6518K5"])
def test_published_creditor_references_are_recognised(text: str) -> None:
    assert is_creditor_reference(text)


@given(text=st.text(ALPHABET, min_size=1, max_size=21))
def test_every_reference_with_right_check_digits_is_one(text: str) -> None:
    assert is_creditor_reference(f"RF{check_digits(text)}{text}")


@given(text=st.text(ALPHABET, min_size=1, max_size=21), off=st.integers(1, 96))
def test_no_reference_with_wrong_check_digits_is_one(text: str, off: int) -> None:
    wrong = (int(check_digits(text)) - 2 + off) % 97 + 2
    assert not is_creditor_reference(f"RF{wrong:02d}{text}")


@pytest.mark.parametrize(
    "text", ["", "RF", "RF18", "rf18539007547034", "RF18 5390 0754 7034", "RF18" + "0" * 22, "RF１８5"]
)
def test_what_is_not_in_electronic_form_is_none(text: str) -> None:
    assert not is_creditor_reference(text)


@pytest.mark.parametrize(
    ("reference", "fits"),
    [
        ("ORDER-1001", True),
        ("a/b (c) d.e,f'g+h?i:j", True),
        ("RF18539007547034", True),
        ("RF", True),
        ("RFC-2119", True),
        ("x" * 35, True),
        ("", False),
        ("x" * 36, False),
        ("RF19539007547034", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        ("é", False),
        ("a_b", False),
        ("a\nb", False),
        ("a\n", False),
    ],
)
def test_a_reference_is_what_banks_carry_unharmed(reference: str, fits: bool) -> None:
    assert (reference_fault(reference, 35) is None) is fits
