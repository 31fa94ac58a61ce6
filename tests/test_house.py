"""House rules that a machine sees better than a reader, beyond what ruff and the import contracts see."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES_THAT_SAY_NOTHING = frozenset(
    {"base", "common", "helper", "helpers", "manager", "misc", "service", "services", "util", "utils"}
)

#: distribution folder -> the packages in it
DISTRIBUTIONS = {
    ".": ("src/opengiro", "src/opengiro_sandbox"),
    "kit": ("kit/src/opengiro_kit",),
    "examples/shop": ("examples/shop/src/demo_shop",),
}
#: packages that are imported by another name than they are installed by
IMPORTED_AS = {"argon2_cffi": "argon2", "opentelemetry_sdk": "opentelemetry"}
OURS = {Path(package).name for packages in DISTRIBUTIONS.values() for package in packages}


def modules(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def everything() -> Iterator[tuple[Path, ast.Module]]:
    return modules(*(package for packages in DISTRIBUTIONS.values() for package in packages))


def imported(tree: ast.Module) -> set[str]:
    """The top-level names of all modules that a module imports."""
    whole = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    whole |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in whole}


def tracked(*patterns: str) -> list[Path]:
    """Files that are, or are about to be, in the repository."""
    listing = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        *patterns,
    ]
    run = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip("this is not a git checkout")
    return [ROOT / name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def matches(pattern: str, *paths: str) -> list[str]:
    """Where a pattern occurs in the text files of the repository, as file:line."""
    found = []
    for path in tracked(*paths):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    return found


def floats_in(source: str | ast.Module) -> list[int]:
    """Lines that turn something into a float, or divide by hundred as if cents were a float."""
    tree = ast.parse(source) if isinstance(source, str) else source
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.expr) and _makes_a_float(node)]


def _makes_a_float(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="float")):
            return True
        case ast.BinOp(op=ast.Div(), right=ast.Constant(value=100 | 1000)):
            return True
    return False


@pytest.mark.parametrize("line", ["float(amount)", "minor / 100", "money.minor/100.0"])
def test_a_float_of_money_is_seen(line: str) -> None:
    assert floats_in(line) == [1]


def test_no_amount_passes_through_a_float() -> None:
    assert [f"{path}:{line}" for path, tree in everything() for line in floats_in(tree)] == []


@pytest.mark.parametrize("name", ["accounts", "money", "payment"])
def test_a_module_of_money_knows_no_float_at_all(name: str) -> None:
    tree = ast.parse((ROOT / f"src/opengiro/domain/{name}.py").read_text())
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="float") | ast.Constant(value=float()):
                found.append(node.lineno)
    assert found == []


def test_the_domain_imports_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"opengiro"}
    found = {str(path): imported(tree) - allowed for path, tree in modules("src/opengiro/domain")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_every_imported_package_is_declared(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
    declared = {re.split(r"[^\w-]", line)[0].lower().replace("-", "_") for line in lines}
    declared |= {IMPORTED_AS[name] for name in declared & IMPORTED_AS.keys()}
    used = set().union(*(imported(tree) for _, tree in modules(*DISTRIBUTIONS[folder])))
    assert used - sys.stdlib_module_names - OURS - declared == set()


def test_the_server_depends_on_few_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) <= 25


def test_every_file_is_named_by_a_noun_of_ours() -> None:
    found = [path for path in tracked() if path.stem.lower() in NAMES_THAT_SAY_NOTHING]
    assert [path for path in found if path.suffix not in {".html", ".css"}] == []


def test_every_query_has_a_name_of_its_own() -> None:
    faults = []
    for path in sorted((ROOT / "src/opengiro/store/queries").glob("*.sql")):
        before, *blocks = re.split(r"^-- name: ", path.read_text(), flags=re.MULTILINE)
        if re.sub(r"--.*", "", before).strip():
            faults.append(f"{path.name}: a statement before the first name")
        for block in blocks:
            name, _, statement = block.partition("\n")
            if re.sub(r"--.*", "", statement).strip().count(";") != 1:
                faults.append(f"{path.name}: {name} is not one statement")
    assert faults == []


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    assert matches(r"(?<![\w.])/(?:home|root|Users|work)/[\w.]") == []


def test_the_locks_hold_no_address() -> None:
    address = r"://|file:|--index-url|--find-links|\"resolved\""
    assert matches(address, "requirements", "package-lock.json") == []


def test_nothing_is_left_to_do() -> None:
    reminder = r"\b(?:TO" + r"DO|FIX" + r"ME|X{3})\b"
    assert matches(reminder, "*.css", "*.html", "*.js", "*.md", "*.sh", "*.sql") == []
