"""The reference of the wire says what the code does: its tables are drawn from the code's own.

`python -m tests.test_reference` writes them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from opengiro.dialects.powens.routes import ROUTES
from opengiro.dialects.powens.wording import MISMATCHES, REASONS, REFUSALS, SCOPES
from opengiro.domain.rights import Right
from opengiro.usecases.change_settings import ALIASES, SETTINGS

PAGE = Path(__file__).parents[1] / "docs/reference/powens.md"
MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MEANINGS: Mapping[Right, str] = {
    Right.MANAGE: "everything on payments",
    Right.READ: "reading payments",
    Right.READ_SENSITIVE: "reading identity data too, with `show_sensitive`",
    Right.VALIDATE: "choosing a bank, answering it, confirming",
    Right.CANCEL: "asking for a cancellation",
    Right.LINKS: "managing payment links, which are not here yet",
}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    drawn = ["| " + " | ".join(line) + " |" for line in lines]
    drawn.insert(1, "|" + "---|" * len(lines[0]))
    return "\n".join(drawn) + "\n"


def code(text: str) -> str:
    return f"`{text}`"


def endpoints() -> str:
    def needs(rights: tuple[Right, ...] | None) -> str:
        if rights is None:
            return "no token"
        if Right.CONFIGURE in rights:
            return "configuration token"
        words = [scope for scope, right in SCOPES.items() if right in rights and scope != "payments"]
        return " or ".join(map(code, words))

    rows = ((code(f"{one.method} {one.path}"), one.summary, needs(one.rights)) for one in ROUTES)
    return table(("call", "does", "needs"), rows)


def scopes() -> str:
    return table(("scope", "allows"), ((code(scope), MEANINGS[right]) for scope, right in SCOPES.items()))


def refusals() -> str:
    rows = ((str(status), code(word), text) for status, word, text in REFUSALS.values())
    return table(("status", "code", "when"), rows)


def reasons() -> str:
    return table(("`error_code`",), ((code(word),) for word in REASONS.values()))


def mismatches() -> str:
    return table(("code", "means"), ((code(word), text) for word, text in MISMATCHES.values()))


def settings() -> str:
    also = {key: f" (also `{alias}`)" for alias, key in ALIASES.items()}
    return table(
        ("key", "without it"),
        (
            (code(key) + also.get(key, ""), code(known.default) if known.default else "")
            for key, known in SETTINGS.items()
        ),
    )


TABLES = {draw.__name__: draw for draw in (endpoints, scopes, refusals, reasons, mismatches, settings)}


def drawn(page: str) -> str:
    """The page with its tables as the code has them now."""
    return MARK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


def test_the_tables_of_the_reference_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert set(re.findall(r"<!-- generated: (\w+) -->", page)) == TABLES.keys()
    assert page == drawn(page), "python -m tests.test_reference writes them again"


def test_every_decision_that_tests_name_is_in_the_reference() -> None:
    """PC1 to PC29 and PU1 to PU34 are the wire's open questions; each that code or tests name is answered there."""
    root = PAGE.parents[2]
    files = [*root.glob("src/opengiro/**/*.py"), *root.glob("tests/**/*.py")]
    named = set().union(*(re.findall(r"\bP[CU]\d+\b", path.read_text()) for path in files))
    assert sorted(named - answered(PAGE.read_text())) == []


def answered(page: str) -> set[str]:
    """The ids in the first column, ranges spelt out."""
    found = set()
    for cell in re.findall(r"^\| (P[CU][^|]*) \|", page, re.MULTILINE):
        for first, last in re.findall(r"(P[CU]\d+)(?:–P[CU](\d+))?", cell):
            start = int(first[2:])
            found |= {f"{first[:2]}{number}" for number in range(start, int(last or start) + 1)}
    return found


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
