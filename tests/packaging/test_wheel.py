"""The wheel and the source distribution hold what they should, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from opengiro import __version__
from tests.packaging.conftest import ROOT, build

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("src/opengiro", "src/opengiro_sandbox")


def tracked(*folders: str) -> set[str]:
    """Files that are, or are about to be, in the repository."""
    listing = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run([*listing, "--", *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip("this is not a git checkout")
    return {name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()}


def members(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def read(wheel: Path, name: str) -> str:
    with ZipFile(wheel) as archive:
        return archive.read(f"opengiro-{PROJECT['version']}.dist-info/{name}").decode()


def test_the_wheel_holds_every_file_of_its_packages_and_nothing_else(wheel: Path) -> None:
    about = {name for name in members(wheel) if ".dist-info/" in name}
    assert members(wheel) - about == {name.removeprefix("src/") for name in tracked(*PACKAGES)}
    assert {Path(name).name for name in about} == {"METADATA", "RECORD", "WHEEL", "LICENSE", "entry_points.txt"}


@pytest.mark.parametrize(
    ("folder", "package"), [("kit", "kit/src/opengiro_kit"), ("examples/shop", "examples/shop/src/demo_shop")]
)
def test_the_wheels_beside_it_hold_every_file_of_theirs(folder: str, package: str, tmp_path: Path) -> None:
    build(ROOT / folder, tmp_path, "wheel")
    (built,) = tmp_path.glob("*.whl")
    theirs = {name for name in members(built) if ".dist-info/" not in name}
    assert theirs == {str(Path(name).relative_to(Path(package).parent)) for name in tracked(package)}


def test_the_wheel_is_for_every_system_and_has_one_command(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert read(wheel, "entry_points.txt").split("\n")[:2] == [
        "[console_scripts]",
        "opengiro = opengiro.wiring:main",
    ]


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    said = Parser().parsestr(read(wheel, "METADATA"))
    assert (said["Name"], said["Version"], said["Summary"]) == ("opengiro", PROJECT["version"], PROJECT["description"])
    assert said["Requires-Python"] == ">=3.11"
    assert (said["License-Expression"], said["License-File"]) == ("Apache-2.0", "LICENSE")
    assert said["Description-Content-Type"] == "text/markdown"
    assert "Regulated activity" in said.get_payload()
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.13"} <= set(said.get_all("Classifier", []))


def test_the_wheel_asks_for_what_the_project_declares(wheel: Path) -> None:
    asked = Parser().parsestr(read(wheel, "METADATA")).get_all("Requires-Dist", [])
    wanted = {re.split(r"[^\w-]", line)[0] for line in PROJECT["dependencies"]}
    assert {re.split(r"[^\w-]", line)[0] for line in asked if "extra ==" not in line} == wanted


def test_the_command_and_the_wheel_tell_one_version() -> None:
    assert __version__ == PROJECT["version"]


def test_a_wheel_built_from_the_source_distribution_is_the_same(dist: Path, wheel: Path, tmp_path: Path) -> None:
    (sdist,) = dist.glob("opengiro-*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path)
    build(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path, "wheel")
    assert members(tmp_path / wheel.name) == members(wheel)
