"""Patroni, etcd and HAProxy from Debian's packages, unpacked into a folder: nothing is installed, no service starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WANTED = ("patroni", "etcd-server", "haproxy")
POSTGRES = Path("/usr/lib/postgresql/15/bin")


def unpack(folder: Path) -> dict[str, str]:
    """Fetch what this machine lacks, once, and return the environment in which all of it runs."""
    root, done = folder / "root", folder / "done"
    if not done.exists():
        root.mkdir(parents=True, exist_ok=True)
        if names := _lacking():
            _run("apt-get", "download", *names, folder=folder)
        for package in sorted(folder.glob("*.deb")):
            _run("dpkg-deb", "--extract", str(package), str(root), folder=folder)
        done.touch()
    libraries = ":".join(str(path) for path in sorted((root / "usr/lib").glob("*-linux-gnu*")))
    return {
        "PATH": f"{root}/usr/bin:{root}/usr/sbin:{POSTGRES}:{os.environ['PATH']}",
        "PYTHONPATH": f"{root}/usr/lib/python3/dist-packages",
        "LD_LIBRARY_PATH": libraries,
        "LANG": "C.UTF-8",
    }


def _lacking() -> list[str]:
    """Return the packages that an installation would add."""
    plan = _run("apt-get", "install", "--simulate", "--no-install-recommends", *WANTED, folder=Path("/"))
    return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
    return done.stdout
