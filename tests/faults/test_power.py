"""The power goes while two processes commit to one SQLite file: whatever was acknowledged is there afterwards."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from random import Random

import pytest

from tests.faults import calls, power
from tests.faults.calls import SYNCS, Call, parse
from tests.faults.disk import Disk
from tests.faults.power import DATABASE, LOG, Story, aftermath

pytestmark = pytest.mark.engine("sqlite")

COMMITS, CUTS, SEED = 150, 150, 451


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    if trouble := calls.why_not():
        if os.environ.get("CI") == "true" and "is not here" in trouble:
            pytest.fail(f"a build must cut the power: {trouble}")
        pytest.skip(trouble)
    return power.recorded(tmp_path_factory.mktemp("power"), COMMITS)


def test_whatever_was_acknowledged_outlives_a_power_cut(story: Story) -> None:
    found = aftermath(story, CUTS, SEED)
    assert found.sound, (f"seed {SEED}", found)


def test_the_story_has_everything_that_could_go_wrong(story: Story) -> None:
    told = Counter(about for _, about, _ in story.notes())
    assert min(told["a commit"], told["a conflict"], told["a read before a commit"]) > 0
    disk = story.disk()
    assert power.checkpoints(disk) > 2
    assert len(disk.files(LOG)) > 1, "the last to leave removes the log, and whoever comes makes another one"
    assert power.restarts(disk) > len(disk.files(LOG)), "a log was begun anew"


def never_synced(name: str) -> Callable[[Call], Call | None]:
    return lambda call: None if call.name in SYNCS and Path(call.path).name == name else call


def not_waited_for(call: Call) -> Call:
    return call._replace(ended=call.ended + 20) if call.name in SYNCS else call


@pytest.mark.parametrize(
    "fault", [never_synced(LOG), never_synced(DATABASE), not_waited_for], ids=["log", "database", "haste"]
)
def test_an_engine_that_does_not_wait_for_its_disk_is_found_out(
    story: Story, fault: Callable[[Call], Call | None]
) -> None:
    faulty = dataclasses.replace(story, calls=[call for call in map(fault, story.calls) if call])
    assert aftermath(faulty, CUTS // 2, SEED).lost


def escaped(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def line(name: str, path: str, text: str = "", last: str = "", ends: str = "") -> str:
    """Return what strace writes of a call; of one that is still under way, if it `ends` so."""
    what = [f'"{escaped(text)}", {len(text)}'] * bool(text) + [last] * bool(last)
    args = ", ".join([f"5<{escaped(f'/data/{path}')}>", *what])
    return f"71 {name}({args}{ends or f') = {len(text)}'}"


MAKE = f'70 openat(AT_FDCWD<>, "{escaped("/data/b")}", O_RDWR|O_CREAT, 0600) = 5<{escaped("/data/b")}>'
REMOVE = f'70 unlink("{escaped("/data/a")}") = 0'
WRITE, GROW = line("pwrite64", "a", "new", "0"), line("pwrite64", "a", "new", "3")
BEGIN, END = line("pwrite64", "a", "new", "0", ends=" <unfinished ...>"), "71 <... pwrite64 resumed>) = 3"
SYNC, FOLDER_SYNC = line("fdatasync", "a"), line("fsync", "").replace(escaped("/data/"), escaped("/data"))
WRITE_B, SYNC_B = line("pwrite64", "b", "new", "0"), line("fsync", "b")
LATE = [line("fsync", "a", ends=" <unfinished ...>").replace("71", "72"), WRITE, "72 <... fsync resumed>) = 0"]
FAILED = SYNC.replace("= 0", "= -1 EIO (Input/output error)")
TORN = line("pwrite64", "a", "x" * 600, "500")


@pytest.mark.parametrize(
    ("lines", "name", "possible"),
    [
        ([WRITE], "a", {b"old", b"new"}),
        ([WRITE, SYNC], "a", {b"new"}),
        ([WRITE, FAILED], "a", {b"old", b"new"}),
        ([MAKE, WRITE, SYNC_B], "a", {b"old", b"new"}),
        ([WRITE, line("fdatasync", "a", ends=" <unfinished ...>")], "a", {b"old", b"new"}),
        (LATE, "a", {b"old", b"new"}),
        ([BEGIN, SYNC.replace("71", "72"), END], "a", {b"old", b"new"}),
        ([WRITE, SYNC, line("pwrite64", "a", "odd", "0")], "a", {b"new", b"odd"}),
        ([GROW], "a", {b"old", b"old\0\0\0", b"oldnew"}),
        ([line("ftruncate", "a", last="1")], "a", {b"old", b"o"}),
        ([line("ftruncate", "a", last="1"), SYNC], "a", {b"o"}),
        ([MAKE, WRITE_B], "b", {None, b"", b"\0\0\0", b"new"}),
        ([MAKE, FOLDER_SYNC, WRITE_B], "b", {b"", b"\0\0\0", b"new"}),
        ([MAKE, WRITE_B, SYNC_B], "b", {b"new"}),
        ([REMOVE], "a", {b"old", None}),
        ([REMOVE, FOLDER_SYNC], "a", {None}),
        ([REMOVE, MAKE, SYNC_B], "a", {None}),
    ],
)
def test_a_disk_holds_what_was_synced_and_any_part_of_the_rest(
    lines: list[str], name: str, possible: set[bytes | None]
) -> None:
    assert {files.get(name) for files in disks(lines)} == possible


def test_a_write_is_torn_between_sectors() -> None:
    found = {files["a"][500:] for files in disks([TORN]) if len(files["a"]) == 1100}
    parts = (12, 512, 76)
    whole = {
        "".join(letter * size for letter, size in zip(torn, parts, strict=True)) for torn in product("x\0", repeat=3)
    }
    assert found == {one.encode() for one in whole}


def disks(lines: list[str]) -> Iterator[dict[str, bytes]]:
    """Yield what a disk that held a file `a` may hold after these calls."""
    disk = Disk.replayed(Path("/data"), "", {"a": b"old"}, parse(lines))
    chance = Random(SEED)  # noqa: S311  # repeatable
    for _ in range(500):
        yield disk.held(len(lines), chance)
