"""What a disk may hold after a power cut, by what the kernel was asked to write until then.

Whatever a finished sync of a file covers is there: what had been written before that sync began. Of everything after
it any part may be there, torn at sectors, in any order, and a file may be as long as it was or as it should be. A name
lasts once its folder was synced, or the file it was made for: ext4, XFS and btrfs keep names in the order in which they
changed, and save them with the file; POSIX alone does not promise that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.calls import OPENS, REMOVALS, SYNCS, UNKNOWN, WRITES, Call

_SECTOR = 512
_SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what is not sure reached the disk."""
_TORN = 0.25


@dataclass(slots=True)
class File:
    """One file from its making to its end, under whatever name."""

    before: bytes = b""
    writes: list[Call] = field(default_factory=list)
    syncs: list[Call] = field(default_factory=list)

    def held(self, cut: int, chance: Random, share: float) -> bytes:
        """Return what may be in it; `share` of what is not sure."""
        sure = _covered(self.syncs, cut)
        content = bytearray(self.before)
        for call in self.writes:
            if call.began >= cut:
                break
            if call.ended < sure:
                _write(content, call)
            elif chance.random() < share:
                _write(content, call, chance if 0 < share < 1 and chance.random() < _TORN else None)
            elif call.name != "ftruncate" and chance.random() < share:  # longer already, and nothing there yet
                _grow(content, int(call.last) + len(call.data))
        return bytes(content)


@dataclass(slots=True)
class Disk:
    """The files of a folder whose names begin alike, and the calls that reached them."""

    folder: Path
    begin: str
    names: list[tuple[int, str, File | None]] = field(default_factory=list)
    """Since when a name means a file, or none."""
    folder_syncs: list[Call] = field(default_factory=list)

    @classmethod
    def replayed(cls, folder: Path, begin: str, before: Mapping[str, bytes], calls: Sequence[Call]) -> Disk:
        """Return a disk that held these files, and what the calls did to them."""
        disk = cls(folder, begin, [(-1, name, File(content)) for name, content in before.items()])
        now = {name: file for _, name, file in disk.names}
        for call in calls:
            path = Path(call.path)
            if path == folder and call.name in SYNCS:
                disk.folder_syncs.append(call)
            elif path.parent == folder and path.name.startswith(begin):
                disk._take(call, path.name, now)
        return disk

    def held(self, cut: int, chance: Random) -> dict[str, bytes]:
        """Return names and contents as they may be found after a cut."""
        share = chance.choice(_SHARES)
        happened = [one for one in self.names if one[0] < cut]
        sure = sum(began < self._names_sure(cut) for began, *_ in happened)
        last = chance.choice((sure, len(happened))) if share else sure
        named = {name: file for _, name, file in happened[:last]}
        return {name: file.held(cut, chance, share) for name, file in named.items() if file}

    def files(self, name: str) -> list[File]:
        """Return the files that had a name, one after the other."""
        return [file for _, called, file in self.names if called == name and file]

    def _take(self, call: Call, name: str, now: dict[str, File | None]) -> None:
        file = now.get(name)
        if call.name in OPENS:
            if file is None and "O_CREAT" in call.last:
                now[name] = File()
                self.names.append((call.began, name, now[name]))
            if "O_TRUNC" in call.last:
                raise NotImplementedError(f"{name} is emptied while it is opened")
        elif call.name in REMOVALS:
            now[name] = None
            self.names.append((call.began, name, None))
        elif file is None or call.name in UNKNOWN | {"write"}:
            raise NotImplementedError(f"{call.name} of {name} cannot be replayed")
        elif call.name in WRITES:
            file.writes.append(call)
        else:
            file.syncs.append(call)

    def _names_sure(self, cut: int) -> int:
        """Return until when all changes of names are sure."""
        made = [began + 1 for began, _, file in self.names if file and began < _covered(file.syncs, cut)]
        return max(_covered(self.folder_syncs, cut), *made, 0)


def _covered(syncs: Sequence[Call], cut: int) -> int:
    """Return when the last sync began that was over by then; what ended before that is sure."""
    return max((call.began for call in syncs if call.ended < cut), default=-1)


def _write(content: bytearray, call: Call, torn: Random | None = None) -> None:
    """Do it, or leave out sectors."""
    if call.name == "ftruncate":
        _grow(content, int(call.last))
        del content[int(call.last) :]
        return
    data, offset = call.data, int(call.last)
    _grow(content, offset + len(data))
    at = 0
    while at < len(data):
        end = at + _SECTOR - (offset + at) % _SECTOR
        if torn is None or torn.random() < 0.5:
            content[offset + at : offset + min(end, len(data))] = data[at:end]
        at = end


def _grow(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))
