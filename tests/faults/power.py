"""Does SQLite's file still hold whatever was acknowledged when the power goes?

`python -m tests.faults.power` has pairs of processes commit to one file, records what they ask the kernel to write, and
builds the files as a disk could hold them after a cut at many moments. A key that somebody was told of has to be there
then: by its commit, by a conflict with it, or by a read, once the reader committed something as well. The log is
emptied and begun anew all the time, and in the end the processes close the file and others open it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from opengiro.store.engines import Conflict, Write, write_ahead_log
from opengiro.store.engines.sqlite import Sqlite
from opengiro.store.migrate import migrate
from tests.faults.calls import Call, record, why_not
from tests.faults.disk import Disk

DATABASE, LOG, _NOTES = "opengiro.db", "opengiro.db-wal", "notes"
_ASKED = "asked"
_PAIRS, _LANES, _RIVALRY = 2, 4, 3
"""Pairs that follow each other, callers in each process, and which of their keys both processes of a pair ask for."""
_STRETCH = 24
"""For so many keys, again and again, one of a pair asks only for what it just saw of the other: all conflicts."""
_KEYS_OF_ONE = 1_000_000
_OFTEN = 100
"""Rows and pages after which the log is emptied and begun anew."""
_PAGE_BYTES = 1024  # more than a sector, and all that is written is recorded
_PATIENCE_S = 120
_SAVED = """
SELECT m.merchant_id, m.name, m.legal_name, s.value
FROM merchants m LEFT JOIN settings s ON s.merchant_id = m.merchant_id AND s.key = 'power'
"""
_ROOT = Path(__file__).parents[2]
_LOAD = "import sys; from tests.faults.power import load; load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))"


@dataclass(slots=True)
class Story:
    """What was asked of the kernel while keys were asked for and told."""

    folder: Path
    before: dict[str, bytes]  #: the files, as they were on disk when it began
    calls: list[Call]

    def disk(self) -> Disk:
        """Return what all this did to the files."""
        return Disk.replayed(self.folder, DATABASE, self.before, self.calls)

    def notes(self) -> list[tuple[int, str, int]]:
        """Return when somebody asked for which key, or was told that it is there, and by what."""
        found = []
        for call in self.calls:
            if call.name == "write" and call.path == str(self.folder / _NOTES):
                about, _, key = call.data.decode().partition(":")
                found.append((call.began, about, int(key)))
        return found


@dataclass(slots=True)
class Aftermath:
    """What was found after the cuts."""

    cuts: int = 0
    lost: set[tuple[str, int]] = field(default_factory=set)  #: keys, and what had told of them
    halved: set[int] = field(default_factory=set)  #: keys of which one part was there
    unasked: set[int] = field(default_factory=set)
    damage: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """Whether everything was as it should be."""
        return not (self.lost or self.halved or self.unasked or self.damage)


def load(path: str, who: int, commits: int) -> None:
    """Commit as one of several processes; what it asks for and is told it notes in a file."""
    write_ahead_log._EMPTY_AFTER, write_ahead_log._ANEW_AFTER = _OFTEN, _OFTEN
    asyncio.run(_Payer(Path(path), who).run(commits))


class _Payer:
    def __init__(self, path: Path, who: int) -> None:
        self._engine = Sqlite(path, shared=True)
        self._who, self._pair = who, who // 2
        self._notes = os.open(path.with_name(_NOTES), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def run(self, commits: int) -> None:
        await asyncio.gather(*(self._pay(range(lane, commits, _LANES)) for lane in range(_LANES)))
        await self._engine.close()

    async def _pay(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            read = await self._newest_of_the_other()
            key = self._key(number, read)
            self._note(_ASKED, key)
            try:
                await self._engine.commit(_writes(key))
                self._note("a commit", key)
            except Conflict:
                self._note("a conflict", key)
            if read is not None:
                self._note("a read before a commit", read)

    def _key(self, number: int, read: int | None) -> int:
        if read is not None and self._who % 2 and number % (2 * _STRETCH) < _STRETCH:
            return read
        owner = 2 * _PAIRS + self._pair if number % _RIVALRY == 0 else self._who
        return owner * _KEYS_OF_ONE + number

    async def _newest_of_the_other(self) -> int | None:
        first = (self._who ^ 1) * _KEYS_OF_ONE
        newest = "SELECT MAX(merchant_id) FROM merchants WHERE merchant_id BETWEEN $1 AND $2"
        key: int | None = (await self._engine.fetch_text(newest, (first, first + _KEYS_OF_ONE - 1)))[0][0]
        return key

    def _note(self, about: str, key: int) -> None:
        os.write(self._notes, f"{about}:{key}".encode())


def _writes(key: int) -> list[Write]:
    words = _words(key)
    return [
        Write("insert_merchant", (key, f"shop-{key}", words, words, "Europe/Paris", 0)),
        Write("upsert_setting", (key, "power", words, 0), None),
    ]


def _words(key: int) -> str:
    return f"{key} " * 20


def recorded(folder: Path, commits: int) -> Story:
    """Let pairs of processes commit so much each, and return what they did; the folder is there and empty."""
    data = folder.resolve() / "data"
    data.mkdir()
    path = data / DATABASE
    asyncio.run(_make(path))
    before = {found.name: found.read_bytes() for found in data.glob(f"{DATABASE}*")}
    start = '"$0" -c "$1" "$2" {} "$3" &'
    pair = f"{start} first=$!; {start} wait $! && wait $first"
    script = " && ".join(['cd "$4"', *(f"{{ {pair.format(2 * at, 2 * at + 1)}; }}" for at in range(_PAIRS))])
    command = ["sh", "-c", script, sys.executable, _LOAD, str(path), str(commits), str(_ROOT)]
    return Story(data, before, record(command, folder / "trace", _PATIENCE_S))


async def _make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as empty:
        empty.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        empty.execute("VACUUM")
    engine = Sqlite(path)
    await migrate(engine)
    await engine.close()


def aftermath(story: Story, cuts: int, seed: int) -> Aftermath:
    """Cut the power at moments of all kinds, and look at what is left."""
    found, disk, notes = Aftermath(cuts), story.disk(), story.notes()
    moments, chance = _moments(disk, notes, story.calls[-1].began), Random(seed)  # noqa: S311  # repeatable
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(cuts):
            cut = chance.choice(chance.choice(moments))
            for name, content in disk.held(cut, chance).items():
                (Path(folder) / name).write_bytes(content)
            _look(Path(folder) / DATABASE, [(about, key) for began, about, key in notes if began < cut], found)
            for left in Path(folder).iterdir():
                left.unlink()
    return found


def _moments(disk: Disk, notes: Sequence[tuple[int, str, int]], end: int) -> list[Sequence[int]]:
    """Return just after somebody asked or was told, by kind; while the log becomes the database; and any moment."""
    told = defaultdict(list)
    for began, about, _ in notes:
        told[about].append(began + 1)
    checkpoints = [call.began for file in disk.files(DATABASE) for call in (*file.writes, *file.syncs)]
    restarts = [call.began for file in disk.files(LOG) for call in file.writes if call.last == "0"]
    return [
        *told.values(),
        [began + later for began in (*checkpoints, *restarts) for later in range(4)],
        range(end + 2),
    ]


def _look(path: Path, notes: Sequence[tuple[str, int]], found: Aftermath) -> None:
    rows = []
    try:
        with closing(sqlite3.connect(path)) as database:
            wrong = [row[0] for row in database.execute("PRAGMA integrity_check(1)") if row != ("ok",)]
            wrong += [f"{row[0]} refers to nothing" for row in database.execute("PRAGMA foreign_key_check")]
            rows = database.execute(_SAVED).fetchall()
    except sqlite3.DatabaseError as trouble:
        wrong = [str(trouble)]
    saved = {key for key, *_ in rows}
    found.damage.update(wrong)
    found.lost |= {(about, key) for about, key in notes if about != _ASKED and key not in saved}
    found.unasked |= saved - {key for _, key in notes}
    found.halved |= {key for key, *words in rows if set(words) != {_words(key)}}


def main() -> int:
    """Record and cut until the time is over, and print what was found; return 1 when it should not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=300, help="in each round")
    parser.add_argument("--seconds", type=float, default=30.0, help="begin rounds for so long")
    parser.add_argument("--commits", type=int, default=240, help="of each process in each round")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6), help="of the first round's cuts")
    given = parser.parse_args()
    if trouble := why_not():
        sys.stderr.write(f"{trouble}\n")
        return 2
    until, seed, sound = time.monotonic() + given.seconds, given.seed, True
    while sound and (seed == given.seed or time.monotonic() < until):
        with tempfile.TemporaryDirectory() as folder:
            story = recorded(Path(folder), given.commits)
            found = aftermath(story, given.cuts, seed)
        sys.stdout.write(f"seed {seed}: {_told(story)}; {_found(found)}\n")
        seed, sound = seed + 1, found.sound
    return 0 if sound else 1


def _told(story: Story) -> str:
    disk, about = story.disk(), Counter(about for _, about, _ in story.notes())
    told = ", ".join(f"{count} told by {what}" for what, count in sorted(about.items()) if what != _ASKED)
    return f"{about[_ASKED]} asked for, {told}; {checkpoints(disk)} checkpoints, {restarts(disk)} logs"


def _found(found: Aftermath) -> str:
    lost = Counter(about for about, _ in found.lost)
    return (
        f"{found.cuts} cuts, lost {dict(lost) or 'nothing'}, halved {len(found.halved)}, unasked {len(found.unasked)},"
        f" damage {dict(found.damage.most_common(3)) or 'none'}"
    )


def checkpoints(disk: Disk) -> int:
    """Count how often the database itself was synced."""
    return sum(len(file.syncs) for file in disk.files(DATABASE))


def restarts(disk: Disk) -> int:
    """Count how often a log began."""
    return sum(call.last == "0" for file in disk.files(LOG) for call in file.writes)


if __name__ == "__main__":
    raise SystemExit(main())
