"""The glossary has a word for every noun of the domain."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = (ROOT / "docs/glossary.md").read_text()


def words() -> set[str]:
    """The words the glossary explains."""
    return {word.lower() for word in re.findall(r"\*\*([\w -]+)\*\*", GLOSSARY)}


def nouns() -> list[str]:
    """The classes of the domain, as words."""
    found = []
    for path in sorted((ROOT / "src/opengiro/domain").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.append(re.sub(r"(?<!^)(?=[A-Z])", " ", node.name).lower())
    return found


def test_every_noun_of_the_domain_is_in_the_glossary() -> None:
    explained = words()
    assert [noun for noun in nouns() if noun not in explained] == []


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))], ids=lambda path: path.name
)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
