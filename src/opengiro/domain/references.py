"""References that travel with a transfer: end-to-end ids and ISO 11649 creditor references."""

from __future__ import annotations

import re

_SEPA_SET = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]+", re.ASCII)
_CREDITOR = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}", re.ASCII)
_LOOKS_LIKE_CREDITOR = re.compile(r"RF[0-9]{2}", re.ASCII)


def reference_fault(reference: str, length_max: int) -> str | None:
    """Return what is wrong with an end-to-end id, or None; one that looks like an RF reference must be a valid one."""
    if not 1 <= len(reference) <= length_max:
        return f"has 1 to {length_max} characters"
    if not _SEPA_SET.fullmatch(reference):
        return "holds a character that banks do not carry"
    if reference.startswith("/") or reference.endswith("/") or "//" in reference:
        return "neither starts nor ends with a slash, nor holds two in a row"
    if _LOOKS_LIKE_CREDITOR.match(reference) and not is_creditor_reference(reference):
        return "is no valid RF creditor reference: its check digits do not match"
    return None


def is_creditor_reference(text: str) -> bool:
    """Whether the text is an RF creditor reference (ISO 11649): mod 97 of the rotated digits is 1."""
    if not _CREDITOR.fullmatch(text):
        return False
    rotated = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1
