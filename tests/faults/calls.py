"""What programs asked the kernel to do to files, as strace saw it, in order."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

WRITES = frozenset({"write", "pwrite64", "ftruncate"})
SYNCS = frozenset({"fsync", "fdatasync"})
OPENS = frozenset({"open", "openat", "creat"})
REMOVALS = frozenset({"unlink", "unlinkat"})
UNKNOWN = frozenset(
    {"copy_file_range", "fallocate", "link", "linkat", "pwritev", "pwritev2", "rename", "renameat", "renameat2"}
    | {"sendfile", "splice", "symlink", "symlinkat", "sync_file_range", "truncate", "writev"}
)
"""What changes files, too, and nobody here does; whoever begins to do so should be told that a drill cannot follow."""
_STRACE = ("strace", "-f", "-y", "-qq", "-xx", "-s", "1000000", "-e", "signal=none", "--seccomp-bpf")
_SYNC_US = 2000
"""How much longer each sync takes, as if the disk were slow: more goes on meanwhile."""
_CALL = re.compile(r"(\d+) +(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (\S+).*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*?)\) += (\S+).*")
_QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OPENED = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")


class Call(NamedTuple):
    """A system call: the lines of the trace at which it began and ended, if it ended."""

    name: str
    path: str  #: of the file; nothing for one that has no name any more
    data: bytes  #: what was written
    last: str  #: the last argument: an offset, a size, or how to open
    began: int
    ended: float


def why_not() -> str:
    """Return why nothing can be recorded here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not here; tools/strace says how to install it"
    tried = subprocess.run([*_STRACE, "-e", "trace=write", "true"], capture_output=True, text=True, check=False)
    return f"strace may not look into programs here: {tried.stderr.strip()}" if tried.returncode else ""


def record(command: Sequence[str], trace: Path, within_s: float) -> list[Call]:
    """Run a command and what it starts, and return what all of them asked for."""
    # The question mark: not every machine knows every call.
    slow = f"inject={','.join(sorted(SYNCS))}:delay_enter={_SYNC_US}"
    names = "trace=" + ",".join(f"?{name}" for name in sorted(WRITES | SYNCS | OPENS | REMOVALS | UNKNOWN))
    subprocess.run([*_STRACE, "-e", names, "-e", slow, "-o", str(trace), *command], check=True, timeout=within_s)
    with trace.open() as lines:
        return parse(lines)


def parse(lines: Iterable[str]) -> list[Call]:
    """Return the calls in the order in which they began, without those that failed."""
    under_way: dict[str, tuple[int, str, str]] = {}
    found = []
    for at, line in enumerate(lines):
        if came := _RESUMED.fullmatch(line.rstrip("\n")):
            began, name, args = under_way.pop(came[1])
            found.append(_call(name, args + came[2], came[3], began, at))
        elif came := _CALL.fullmatch(line.rstrip("\n")):
            thread, name, args, result = came.groups()
            if result is None:
                under_way[thread] = (at, name, args)
            else:
                found.append(_call(name, args, result, at, at))
    found += [_call(name, args, "?", began, math.inf) for began, name, args in under_way.values()]
    return sorted((call for call in found if call), key=lambda call: call.began)


def _call(name: str, args: str, result: str, began: int, ended: float) -> Call | None:
    """Return the call, or nothing when it failed; one whose end nobody heard may have done all it was asked for."""
    if result.startswith("-"):
        return None
    ended = math.inf if result == "?" else ended
    quoted, opened = _QUOTED.search(args), _OPENED.match(args)
    text, path = _plain(quoted[1]) if quoted else b"", _plain(opened[2]).decode() if opened and not opened[3] else ""
    if name in OPENS | REMOVALS:
        return Call(name, text.decode(), b"", args, began, ended)
    if name in WRITES and name != "ftruncate" and quoted is None:
        raise ValueError(f"{name} of {path} was not recorded whole")
    return Call(name, path, text if result == "?" else text[: int(result)], args.rpartition(", ")[2], began, ended)


def _plain(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))
