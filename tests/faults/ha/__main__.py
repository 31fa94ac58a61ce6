"""`make ha`: run every fault some rounds, print a line for each round, and exit with 1 if a promise was broken."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer

from tests.cli.operator import Site, new_site
from tests.faults.ha import cluster as machines
from tests.faults.ha import load, packages
from tests.faults.ha.cluster import Cluster
from tests.faults.ha.faults import FAULTS
from tests.faults.ha.rounds import Round, run_round

FOLDER = Path("/var/tmp/opengiro-ha")  # noqa: S108  # on a disk, because promises are about disks


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    if os.geteuid() != 0:
        sys.exit("It makes network namespaces, which only root may: sudo make ha.")
    environment = packages.unpack(FOLDER / "packages")
    rounds: list[Round] = []
    with machines.running(FOLDER / "cluster", environment) as cluster, serving(cluster, asked.workers) as (site, token):
        for number in range(asked.rounds):
            for fault in FAULTS:
                if fault.name in asked.faults:
                    rounds.append(run_round(cluster, fault, site.port, token))
                    typer.echo(f"{number + 1} {_line(rounds[-1])}")
    if asked.out:
        asked.out.write_text(json.dumps([asdict(one) for one in rounds], indent=1))
    return 1 if any(one.complaints for one in rounds) else 0


@contextmanager
def serving(cluster: Cluster, workers: int) -> Iterator[tuple[Site, str]]:
    """Serve OpenGiro from the cluster, with a merchant; yield the site and a token."""
    cluster.psql("CREATE DATABASE opengiro", "postgres")
    folder = FOLDER / "site"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    url = f"postgresql://{machines.USER}@127.0.0.1:{machines.PORT}/opengiro"
    site = new_site(folder, database_url=url, workers=workers)
    site.run("migrate")
    merchant = site.merchant()
    with (folder / "serve.log").open("wb") as log, site.serving(log):
        yield site, load.token(site.port, merchant)


def _arguments() -> argparse.Namespace:
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(prog="python -m tests.faults.ha", description=__doc__)
    parser.add_argument("faults", nargs="*", default=names, metavar="|".join(names))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes of `opengiro serve`")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


def _line(done: Round) -> str:
    words = (
        f"{done.fault:<10} outage {done.outage_s:5.2f} s, promised {done.promised}, lost {done.lost}, "
        f"too many {done.doubled}, repeated {done.repeated} of which {done.saved_before} were saved, "
        f"slowest answer {done.slowest_s} s, whole after {done.whole_s} s, {done.answers}"
    )
    return "; ".join([words, *done.complaints])


if __name__ == "__main__":
    sys.exit(main())
