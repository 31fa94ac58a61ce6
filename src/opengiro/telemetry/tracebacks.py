"""Tracebacks without words: where something went wrong and of which class, for the words may quote a payer."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import ExcInfo


def told(exc_info: ExcInfo) -> str:
    """Return what a log may say of an error and of those that led to it."""
    return "".join(_lines(exc_info[1], set())).rstrip()


def _lines(trouble: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(trouble))
    before = trouble.__cause__ or (None if trouble.__suppress_context__ else trouble.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "\nThat led to:\n\n"
    yield from traceback.format_tb(trouble.__traceback__)
    yield f"{type(trouble).__qualname__}{_reason(trouble)}\n"
    if isinstance(trouble, BaseExceptionGroup):
        for one in trouble.exceptions:
            yield "\nIn this group:\n\n"
            yield from _lines(one, seen)


def _reason(trouble: BaseException) -> str:
    """Return the words of those that say what a machine lacks, and never quote a value."""
    match trouble:
        case OSError(strerror=str(reason)):
            return f": {reason}"
        case sqlite3.Error():
            return f": {trouble}"
    return ""
