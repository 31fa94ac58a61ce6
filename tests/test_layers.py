"""The import contracts can fail: each is shown a breach planted in a copy of the tree."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("src", "kit/src", "examples/shop/src")

#: contract -> the modules (paths below the tree) that break it, and what they import
BREACHES: Mapping[str, Mapping[str, str]] = {
    "layers": {"src/opengiro/store/planted.py": "import opengiro.web"},
    "settings": {"src/opengiro/usecases/planted.py": "import opengiro.settings"},
    "dialects": {
        "src/opengiro/dialects/planted_one.py": "import opengiro.dialects.planted_two",
        "src/opengiro/dialects/planted_two.py": "",
    },
    "connectors": {
        "src/opengiro/connectors/planted_one.py": "import opengiro.connectors.planted_two",
        "src/opengiro/connectors/planted_two.py": "",
    },
    "connectors-decide-nothing": {"src/opengiro/connectors/planted.py": "import opengiro.usecases"},
    "domain": {"src/opengiro/domain/planted.py": "from starlette.requests import Request"},
    "apart": {"src/opengiro_sandbox/planted.py": "import opengiro.domain"},
    "dev-only": {"src/opengiro/web/planted.py": "import opengiro_sandbox"},
    "kit": {"src/opengiro/workers/planted.py": "import opengiro_kit"},
    "acyclic": {
        "src/opengiro/store/planted_one.py": "import opengiro.store.planted_two",
        "src/opengiro/store/planted_two.py": "import opengiro.store.planted_one",
    },
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of every source tree with the contracts beside it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint_imports(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [linter, "--no-cache", "--no-logo", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / folder) for folder in SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )


def contracts() -> dict[str, str]:
    """Names of the contracts by their ids."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {entry["id"]: entry["name"] for entry in configuration["tool"]["importlinter"]["contracts"]}


def test_every_contract_has_a_breach_to_be_shown() -> None:
    assert contracts().keys() == BREACHES.keys()


def test_the_tree_as_it_stands_keeps_every_contract(tree: Path) -> None:
    run = lint_imports(tree)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("contract", BREACHES)
def test_a_planted_breach_breaks_its_contract(tree: Path, contract: str) -> None:
    for path, line in BREACHES[contract].items():
        (tree / path).write_text(line)
    run = lint_imports(tree, "--contract", contract)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{contracts()[contract]} BROKEN" in run.stdout


def test_a_new_room_without_a_floor_is_refused(tree: Path) -> None:
    (tree / "src/opengiro/attic.py").write_text("")
    run = lint_imports(tree, "--contract", "layers")
    assert run.returncode == 1
    assert "opengiro.attic" in run.stdout
