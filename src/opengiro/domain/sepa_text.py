"""Text as SEPA banks carry it: Latin letters without accents, digits, space and a dozen signs.

The mapping is pure and stable, so the payer is shown the very text that the bank receives. It loses what the
set cannot say: accents go, a sign that nothing stands for becomes a full stop.
"""
# ruff: noqa: RUF001  # characters that look like others are what this module is about

from __future__ import annotations

import re
import string
import unicodedata

ALPHABET = frozenset(string.ascii_letters + string.digits + " /-?:().,'+")
"""Every character that a SEPA message may hold."""

LABEL_LENGTH_MAX = 140
REFERENCE_LENGTH_MAX = 35
NAME_LENGTH_MAX = 70

# Letters that do not decompose into a base letter and accents, and signs with a close relative in the set.
_LETTERS = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "n",
    "Ŋ": "N", "ŧ": "t", "Ŧ": "T", "ĸ": "k",
}  # fmt: skip
_SIGNS = {
    "€": "EUR", "£": "GBP", "$": "USD", "¥": "JPY", "&": "+", "@": "(at)", "_": "-", "#": "No.", "%": "pct",
    "–": "-", "—": "-", "‐": "-", "−": "-", "~": "-", "=": "-", "*": ".", "•": "-", "·": ".", "×": "x",
    "‘": "'", "’": "'", "‚": ",", "“": "'", "”": "'", "„": "'", '"': "'", "`": "'", "´": "'", "«": "'",
    "»": "'", "‹": "'", "›": "'", "⁄": "/", "\\": "/", "|": "/", ";": ",", "!": ".", "[": "(", "]": ")",
    "{": "(", "}": ")", "<": "(", ">": ")", "°": ".", "§": "S", "©": "(c)", "®": "(R)",
}  # fmt: skip
# A letter, then what stands for it.
_GREEK = "αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo"
_CYRILLIC = (
    "аa бb вv гg дd еe жzh зz иi йy кk лl мm нn оo пp рr сs тt уu фf "
    "хh цts чch шsh щsht ъa ыy ьy эe юyu яya єye іi ґg ђdj јj љlj њnj ћc џdz"
)
_LATIN = {pair[0]: pair[1:] for pair in f"{_GREEK} {_CYRILLIC}".split()}
_CAPITALS = {low.upper(): text.capitalize() for low, text in _LATIN.items() if low != "ς"}
_TABLE = str.maketrans(_LETTERS | _SIGNS | _LATIN | _CAPITALS)

_SPACE = re.compile(r"\s+")
_SLASHES = re.compile(r"/{2,}")


def fits_sepa(text: str) -> bool:
    """Tell whether a bank carries the text as it is."""
    return ALPHABET.issuperset(text)


def sepa_text(text: str, length_max: int = LABEL_LENGTH_MAX) -> str:
    """Return the text as the bank will carry it: mapped to the SEPA set, single spaces, cut to its length."""
    return _mapped(text)[:length_max].rstrip()


def sepa_reference(text: str, length_max: int = REFERENCE_LENGTH_MAX) -> str:
    """Return the text as a reference: `sepa_text` whose slashes stand alone and never at an end."""
    return _SLASHES.sub("/", _mapped(text)).strip("/ ")[:length_max].rstrip("/ ")


def _mapped(text: str) -> str:
    if fits_sepa(text):  # nearly every text does, and mapping costs ten times as much as looking
        return " ".join(text.split())
    # A second translation catches signs that only decomposition brings out, such as the bar of a fraction.
    spread = unicodedata.normalize("NFKD", text.translate(_TABLE)).translate(_TABLE)
    return _SPACE.sub(" ", "".join(map(_carry, spread))).strip()


def _carry(character: str) -> str:
    if character in ALPHABET:
        return character
    category = unicodedata.category(character)
    if category[0] == "M" or category in {"Cf", "Sk"}:
        return ""
    return " " if category[0] in "ZC" else "."
