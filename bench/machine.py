"""What the figures were taken on, and whether the folder given for them is on a real disk."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.loader import Job, load
from bench.nothing import serving_nothing
from bench.wire import creates
from tests.postgres import binary

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
_PACKAGES = ("opengiro", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "asyncpg", "aiohttp")
_FSYNCS = 50


class NotADisk(Exception):  # what is wrong with the folder
    """The folder is kept in memory, so nothing measured in it would be durable."""


def file_system(folder: Path) -> tuple[str, str]:
    """Return type and mount point of the file system that holds a folder."""
    at = folder.resolve()
    found = ("unknown", "/")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, kind, *_ = line.split()
        mounted = mounted.encode().decode("unicode_escape")  # blanks are written as \040
        if at.is_relative_to(mounted) and len(mounted) >= len(found[1]):
            found = (kind, mounted)
    return found


def require_disk(folder: Path) -> None:
    """Raise `NotADisk` for a folder that lives in memory."""
    kind, mounted = file_system(folder)
    if kind in _IN_MEMORY:
        text = f"{folder} is on {kind} ({mounted}), which forgets: name a folder on a disk with --folder."
        raise NotADisk(text)


def allow_files(wanted: int) -> int:
    """Raise the limit of open files as far as is allowed and wanted; return what it is now. Children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft if soft != resource.RLIM_INFINITY else wanted


def facts(folder: Path) -> dict[str, str]:
    """Return what a reader has to know to compare the figures with others."""
    kind, mounted = file_system(folder)
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "disk": f"{kind} at {mounted}, a 4 KiB write and fsync takes {fsync_ms(folder):.2f} ms (median of {_FSYNCS})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _told(binary("postgres"), "--version") or "absent",
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "revision": _told("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD") or "unknown",
        "load generator": loader_cost(),
    }


def fsync_ms(folder: Path) -> float:
    """Return how long the disk takes to make a page durable."""
    took = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    path.unlink()
    return median(took)


def loader_cost() -> str:
    """Tell what the load generator costs, against a server that does nothing."""
    with serving_nothing() as port:
        tally = load(Job(port=port, requests=creates("x" * 60), connections=32, seconds=1))
    return f"{tally.cost_us:.0f} µs of CPU per request, {tally.rate:,.0f} requests/s against a server that does nothing"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _told(program: str | None, *arguments: str) -> str:
    if program is None:
        return ""
    try:
        ended = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ended.stdout.strip()
