"""`make ha`: run every fault some rounds, print a line for each, and exit with 1 if a promise was broken."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import typer

from tests.cli.operator import Site, new_site
from tests.faults.ha import cluster as machines
from tests.faults.ha import load, packages
from tests.faults.ha.cluster import Cluster
from tests.faults.ha.faults import FAULTS
from tests.faults.ha.freeze import run_freeze
from tests.faults.ha.restore import run_restore
from tests.faults.ha.rounds import run_round

FOLDER = Path("/var/tmp/opengiro-ha")  # noqa: S108  # on a disk, because promises are about disks


class Outcome(Protocol):
    """What a drill brought."""

    @property
    def complaints(self) -> list[str]:
        """Say what must not be."""


@dataclass(frozen=True, slots=True)
class House:
    """OpenGiro, served from the cluster."""

    cluster: Cluster
    site: Site
    merchant: dict[str, Any]
    pace_s: float

    def token(self) -> str:
        """Return a service token; one lives shorter than a long run."""
        return load.token(self.site.port, self.merchant)


Drill = Callable[[House], Any]
DRILLS: Mapping[str, Drill] = {
    **{fault.name: partial(lambda fault, on: run_round(on.cluster, fault, on.site.port, on.token(), on.pace_s), fault)
       for fault in FAULTS},
    "freeze": lambda on: run_freeze(on.cluster, on.site.port, on.token()),
    "restore": lambda on: run_restore(on.cluster, on.site, on.merchant, on.token(), FOLDER),
}  # fmt: skip


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    if os.geteuid() != 0:
        sys.exit("It makes network namespaces, which only root may: sudo make ha.")
    environment = packages.unpack(FOLDER / "packages")
    found: list[tuple[str, Outcome]] = []
    with machines.running(FOLDER / "cluster", environment) as cluster, serving(cluster, asked) as house:
        for number in range(asked.rounds):
            for name in asked.drills:
                found.append((name, DRILLS[name](house)))
                typer.echo("; ".join([f"{number + 1} {name:<10} {found[-1][1]}", *found[-1][1].complaints]))
    if asked.out:
        asked.out.write_text(json.dumps([{"drill": name, **asdict(one)} for name, one in found], indent=1))  # type: ignore[call-overload]
    return 1 if any(one.complaints for _, one in found) else 0


@contextmanager
def serving(cluster: Cluster, asked: argparse.Namespace) -> Iterator[House]:
    """Serve OpenGiro from the cluster, with a merchant."""
    cluster.psql("CREATE DATABASE opengiro", "postgres")
    folder = FOLDER / "site"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    where = machines.EVERY_NODE if asked.direct else f"127.0.0.1:{machines.PORT}"
    url = f"postgresql://{machines.USER}@{where}/opengiro"
    site = new_site(folder, database_url=url, workers=asked.workers, private_hosts=["127.0.0.1"])
    site.run("migrate")
    merchant = site.merchant()
    with (folder / "serve.log").open("wb") as log, site.serving(log):
        yield House(cluster, site, merchant, asked.pace)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.ha", description=__doc__)
    parser.add_argument("drills", nargs="*", metavar="|".join(DRILLS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes of `opengiro serve`")
    parser.add_argument("--direct", action="store_true", help="let it find the primary itself, without HAProxy")
    parser.add_argument("--pace", type=float, default=load.PACE_S, help="seconds that each client rests in between")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    asked = parser.parse_args()
    asked.drills = asked.drills or [*DRILLS]
    if unknown := set(asked.drills) - DRILLS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(DRILLS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
