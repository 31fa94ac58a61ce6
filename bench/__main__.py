"""`python -m bench`: everything in one run, or a part of it."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.bank import Banks, banking
from bench.bars import bars
from bench.chart import draw
from bench.creating import create
from bench.delivering import deliver
from bench.figures import Results
from bench.following import follow, idle
from bench.growing import grow
from bench.machine import NotADisk, allow_files, facts, require_disk
from bench.places import Place, PostgresPlace, SqlitePlace
from bench.plan import BIG, LARGE, SMALL, Plan, Scene
from bench.report import Report
from tests.postgres import binary

ROOT = Path(__file__).parents[1]
SCENARIOS: dict[str, Callable[[Scene], None]] = {
    "create": create,
    "webhooks": deliver,
    "live": follow,
    "idle": idle,
    "growth": grow,
}
_TEST_BANK = {"connector": "test_bank"}
_DEFAULT = Plan()


def main() -> int:
    """Run, print, write; return the exit code: 1 when a scenario failed, whatever the bars say."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that servers end and folders go
    folder = Path(tempfile.mkdtemp(prefix="opengiro-bench-", dir=given.folder))
    folder.chmod(0o755)  # a database server that may not be root has to get in
    try:
        require_disk(folder)
        report = _run(given, folder)
    except NotADisk as trouble:
        sys.stderr.write(f"{trouble}\n")
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _write(given, report)
    return 1 if report.results.absences else 0


def _run(given: argparse.Namespace, folder: Path) -> Report:
    began, begun = datetime.now(UTC), time.monotonic()
    results, plan = Results(), _plan(given)
    files = allow_files(2 * plan.streams)
    about = facts(folder)
    with _opened(given, folder, results) as (places, banks):
        scene = Scene(plan, folder, places, banks, results, _tell)
        for name in given.only or SCENARIOS:
            if name == "idle" and files < plan.streams + 1000:
                results.absences[name] = f"only {files} files may be open (ulimit -n)"
            else:
                _try(scene, name)
    return Report(began, time.monotonic() - begun, about, asdict(plan), results, bars(results, plan.sizes))


def _try(scene: Scene, name: str) -> None:
    """Run a scenario; one that fails costs its own figures and no others."""
    begun = time.monotonic()
    try:
        SCENARIOS[name](scene)
    except Exception as trouble:  # noqa: BLE001  # whatever it is, the reader has to learn why figures are absent
        scene.results.absences[name] = f"{type(trouble).__name__}: {trouble}"
        _tell(f"{name} failed: {trouble!r}")
    _tell(f"{name} took {time.monotonic() - begun:.0f} s")


@contextlib.contextmanager
def _opened(given: argparse.Namespace, folder: Path, results: Results) -> Iterator[tuple[list[Place], Banks]]:
    """Start the sandbox banks and the engines that are wanted, each with a seeded site."""
    with contextlib.ExitStack() as stack:
        banks = stack.enter_context(banking(folder / "banks"))
        places: list[Place] = []
        if "postgres" in given.engine and binary("postgres") is None:
            results.absences["postgres"] = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        elif "postgres" in given.engine:
            places.append(stack.enter_context(PostgresPlace(folder, given.web_processes)))
        if "sqlite" in given.engine:
            places.append(SqlitePlace(folder, given.web_processes))
        for place in places:
            place.settle_in([_TEST_BANK, *banks.entries()])
        yield places, banks


def _plan(given: argparse.Namespace) -> Plan:
    sizes = (SMALL, BIG, LARGE) if given.large else (SMALL,) if given.small else (SMALL, BIG)
    return Plan(
        rounds=given.rounds,
        seconds=given.seconds,
        web_processes=given.web_processes,
        sizes=sizes,
        streams=given.streams,
    )


def _write(given: argparse.Namespace, report: Report) -> None:
    sys.stdout.write("\n" + report.text())
    given.out.mkdir(parents=True, exist_ok=True)
    picture = draw(report.results, report.plan["sizes"])
    (given.out / "bench.json").write_text(report.json())
    (given.out / "bench.svg").write_text(picture)
    sys.stdout.write(f"written: {given.out}/bench.json, {given.out}/bench.svg\n")
    if given.docs:
        (ROOT / "docs/images/speed.svg").write_text(picture)
        report.publish(ROOT / "docs/operating/speed.md")


def _tell(text: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="these scenarios and no others")
    parser.add_argument("--engine", nargs="+", choices=("postgres", "sqlite"), default=["postgres", "sqlite"])
    parser.add_argument("--rounds", type=int, default=_DEFAULT.rounds, help="how often each measurement is taken")
    parser.add_argument("--seconds", type=float, default=_DEFAULT.seconds, help="how long each measurement takes")
    parser.add_argument("--web-processes", type=int, default=_DEFAULT.web_processes, help="serve --workers")
    parser.add_argument("--streams", type=int, default=_DEFAULT.streams, help="how many browsers only wait")
    parser.add_argument("--small", action="store_true", help="no growth: 10 thousand payments only")
    parser.add_argument("--large", action="store_true", help="also 10 million payments, which takes twenty minutes")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where databases are made: a real disk")  # noqa: S108
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", help="where JSON and chart go")
    parser.add_argument("--docs", action="store_true", help="also put them into the docs")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
