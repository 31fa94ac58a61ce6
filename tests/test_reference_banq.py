"""The reference of the banq wire says what the code does: its tables are drawn from the code's own.

`python -m tests.test_reference_banq` writes them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from opengiro.dialects.banq import grants as token_endpoint
from opengiro.dialects.banq.routes import ROUTES
from opengiro.dialects.banq.wording import (
    AUDIENCES,
    FAIL_REASONS,
    FREQUENCIES,
    OPEN_AUDIENCE,
    REFUSALS,
    STATUSES,
    USER_AUDIENCE,
)
from opengiro.domain.refusals import Refusal
from tests.test_reference import code, table

PAGE = Path(__file__).parents[1] / "docs/reference/banq.md"
MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NAMES = {OPEN_AUDIENCE: "Open API", USER_AUDIENCE: "user"}


def openers(rights: Iterable[object] | None) -> str:
    found = [NAMES[audience] for audience, held in AUDIENCES.items() if held & set(rights or ())]
    return "either token" if len(found) == len(AUDIENCES) else f"{found[0]} token"


def audiences() -> str:
    def opens(audience: str) -> str:
        own = [one for one in ROUTES if openers(one.rights) == f"{NAMES[audience]} token"]
        return ", ".join(code(f"{one.method} {one.path[1:]}") for one in own) + ", and what either opens"

    return table(("audience", "name here", "opens"), ((code(one), NAMES[one], opens(one)) for one in AUDIENCES))


def endpoints() -> str:
    rows = ((code(f"{one.method} {one.path[1:]}"), one.summary, openers(one.rights)) for one in ROUTES)
    return table(("call", "does", "needs"), rows)


def refused(words: Mapping[Refusal, tuple[int, str, str]]) -> str:
    rows = sorted({(str(status), code(word), text) for status, word, text in words.values()})
    return table(("status", "error", "when"), rows)


def reasons() -> str:
    named = {word: [str(why) for why, other in FAIL_REASONS.items() if other == word] for word in FAIL_REASONS.values()}
    rows = ((code(word), ", ".join(whys)) for word, whys in named.items() if word)
    return table(("`failReason`", "our reasons"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "audiences": audiences,
    "endpoints": endpoints,
    "grants": lambda: refused(token_endpoint.REFUSALS),
    "refusals": lambda: refused(REFUSALS),
    "statuses": lambda: table(("state", "status"), ((str(state), code(word)) for state, word in STATUSES.items())),
    "reasons": reasons,
    "frequencies": lambda: table(
        ("`frequency`", "ours"), ((code(word), str(one)) for word, one in FREQUENCIES.items())
    ),
}


def drawn(page: str) -> str:
    return MARK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


def test_the_tables_of_the_reference_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert set(re.findall(r"<!-- generated: (\w+) -->", page)) == TABLES.keys()
    assert page == drawn(page), "python -m tests.test_reference_banq writes them again"


def test_every_decision_that_this_wire_names_is_in_the_reference() -> None:
    root = PAGE.parents[2]
    files = [*root.glob("src/opengiro/dialects/banq/*.py"), *root.glob("tests/dialects/banq/*.py")]
    named = set().union(*(re.findall(r"\bB[CD]\d+\b", path.read_text()) for path in files))
    assert sorted(named - answered(PAGE.read_text())) == []


def answered(page: str) -> set[str]:
    """The ids in the first column, ranges spelt out."""
    found = set()
    for cell in re.findall(r"^\| (B[CD][^|]*) \|", page, re.MULTILINE):
        for first, last in re.findall(r"(B[CD]\d+)(?:–B[CD](\d+))?", cell):
            start = int(first[2:])
            found |= {f"{first[:2]}{number}" for number in range(start, int(last or start) + 1)}
    return found


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
