"""Find banks as people type them: without accents or case, by any word, with a typing error, by BIC or IBAN."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.domain.banks import Bank

QUERY_LENGTH_MAX = 64
_WORDS = re.compile(r"[a-z0-9]+")
_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l"}
_IBAN_START = re.compile(r"[a-z]{2}[0-9]{2}[a-z0-9]*")
_WORST = 9


def fold(text: str) -> str:
    """Return text in lower case without accents, as it is compared."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(_LETTERS.get(sign, sign) for sign in decomposed if not unicodedata.combining(sign))


class BankIndex:
    """Banks in the order in which they are shown when they match equally well."""

    __slots__ = ("_banks",)

    def __init__(self, banks: Iterable[Bank]) -> None:
        """Take the banks to search in."""
        self._banks = tuple(banks)

    def search(self, query: str) -> list[Bank]:
        """Return the matching banks, best first; a typing error is forgiven only where nothing matches without."""
        wanted = tuple(_WORDS.findall(fold(query[:QUERY_LENGTH_MAX])))
        if not wanted:
            return list(self._banks)
        code = "".join(wanted)
        ranked = [(_rank(bank, wanted, code), bank) for bank in self._banks]
        found = [(rank, bank) for rank, bank in ranked if rank < _WORST] or self._nearly(wanted)
        return [bank for _, bank in sorted(found, key=lambda pair: (pair[0], fold(pair[1].name)))]

    def _nearly(self, wanted: tuple[str, ...]) -> list[tuple[int, Bank]]:
        """Return the banks each of whose wanted words is close to one of theirs."""
        vocabulary = frozenset[str]().union(*(_names(bank).words for bank in self._banks))
        close = [frozenset(_close(word, vocabulary)) for word in wanted]
        return [(0, bank) for bank in self._banks if all(near & _names(bank).words for near in close)]


class _Names:
    """A bank's names as they are compared."""

    __slots__ = ("text", "words")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.text = " ".join(_WORDS.findall(fold(names[0])))
        self.words = frozenset(word for name in names for word in _WORDS.findall(fold(name)))


@lru_cache(maxsize=16_384)
def _folded(names: tuple[str, ...]) -> _Names:
    return _Names(names)


def _names(bank: Bank) -> _Names:
    return _folded((bank.name, bank.legal_name or "", *bank.aliases))


def _rank(bank: Bank, wanted: tuple[str, ...], code: str) -> int:
    """Return 0 for the best match and `_WORST` for none."""
    names = _names(bank)
    if names.text.startswith(" ".join(wanted)):
        return 0
    if all(any(word.startswith(part) for word in names.words) for part in wanted):
        return 1
    if _is_code(bank, code):
        return 2
    if len(code) >= 3 and code in names.text.replace(" ", ""):
        return 3
    return _WORST


def _is_code(bank: Bank, code: str) -> bool:
    """Whether the letters are the start of this bank's BIC, or an IBAN that this bank issues."""
    if len(code) >= 4 and bank.bic is not None and bank.bic.lower().startswith(code):
        return True
    if len(code) < 5 or not _IBAN_START.fullmatch(code):
        return False
    # Check digits differ from account to account, so prefixes are compared without them.
    account = code[:2] + code[4:]
    for prefix in bank.iban_prefixes:
        known = fold(prefix)
        known = known[:2] + known[4:] if _IBAN_START.fullmatch(known) else known
        if account.startswith(known) or known.startswith(account):
            return True
    return False


def _close(word: str, vocabulary: Iterable[str]) -> Iterable[str]:
    """Return the words that begin almost like this one: one error from four letters on, two from eight."""
    allowed = 0 if len(word) < 4 or not word.isalpha() else 1 if len(word) < 8 else 2
    if not allowed:
        return (other for other in vocabulary if other.startswith(word))
    # Each error brings in at most one letter that the other word lacks; that spares most comparisons.
    letters = set(word)
    rest = (other for other in vocabulary if len(letters.difference(other)) <= allowed)
    fit = (other for other in rest if sum(max(0, word.count(one) - other.count(one)) for one in letters) <= allowed)
    return (other for other in fit if _distance(word, other, allowed) <= allowed)


def _distance(word: str, other: str, allowed: int) -> int:
    """Count insertions, deletions, changes and swapped neighbours between a word and the nearest start of another."""
    other = other[: len(word) + allowed]
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, sign in enumerate(word, 1):
        above, row, older = row, [i], before
        for j, facing in enumerate(other, 1):
            cost = min(row[-1] + 1, above[j] + 1, above[j - 1] + (sign != facing))
            if i > 1 and j > 1 and sign == other[j - 2] and word[i - 2] == facing:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > allowed:
            return allowed + 1
        before = above
    return min(row[max(0, len(word) - allowed) :])
