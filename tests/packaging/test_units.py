"""The systemd units: systemd takes them, and they leave a server what it needs and no more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT
from tests.packaging.deployment import command_line

UNITS = sorted((ROOT / "deploy").glob("*.service"))
NO_MORE_EXPOSED_THAN = 15
"""Tenths of what `systemd-analyze security` counts: 100 is a service without any protection."""


@pytest.fixture
def analyze() -> str:
    return shutil.which("systemd-analyze") or pytest.skip("no systemd-analyze on PATH")


@pytest.fixture(params=UNITS, ids=[unit.name for unit in UNITS])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose program exists on this machine."""
    original: Path = request.param
    copy = tmp_path / original.name
    text = original.read_text()
    assert "/opt/opengiro/bin/opengiro " in text
    copy.write_text(text.replace("/opt/opengiro/bin/opengiro", "/bin/true"))
    return copy


def test_systemd_takes_the_unit(analyze: str, unit: Path) -> None:
    checked = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_unit_is_well_protected(analyze: str, unit: Path) -> None:
    judged = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={NO_MORE_EXPOSED_THAN}", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_the_unit_starts_a_command_that_there_is(unit: Path) -> None:
    (start,) = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    command_line(start.split()[1:])
