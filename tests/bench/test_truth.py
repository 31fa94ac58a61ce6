"""The benchmark tells the truth: what it counts is in the database, and its rivals do the same work. No times here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.bars import bars
from bench.chart import draw
from bench.creating import LostPayments, contest, take_round
from bench.crowd import payments
from bench.figures import Figure, Results, percentile
from bench.filling import fill, stretches
from bench.growing import finished_payment
from bench.loader import Given, Job, load
from bench.machine import NotADisk, file_system, require_disk
from bench.places import Place, PostgresPlace, SqlitePlace, twin
from bench.plan import SMALL, Plan, Scene
from bench.report import Report
from bench.rows import counts, gained, prove_complete
from bench.wire import request

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
TEST_BANK = {"connector": "test_bank"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> SqlitePlace:
    place = SqlitePlace(tmp_path_factory.mktemp("bench"), web_processes=1)
    place.settle_in([TEST_BANK])
    return place


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresPlace]:
    # PostgreSQL runs as another user, who may not enter the folders that pytest makes.
    with tempfile.TemporaryDirectory(prefix="opengiro-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with PostgresPlace(Path(folder), web_processes=1) as place:
            place.settle_in([TEST_BANK])
            yield place


@pytest.fixture(params=["place", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def scene(place: Place) -> Scene:
    root = place.folder("files")
    root.mkdir(parents=True, exist_ok=True)
    return Scene(Plan(rounds=1, seconds=0.2), root, [place], None, Results(), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5], 0.99, 5),
        (range(1, 101), 0.5, 50),
        (range(1, 101), 0.99, 99),
        (range(1, 101), 1, 100),
        ([9, 1, 5], 0.5, 5),
        ([1, 2], 0.51, 2),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: range, share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.99)


def test_a_figure_is_its_median_and_half_the_distance_of_its_rounds() -> None:
    figure = Figure("group", "name", "/s", (90.0, 100.0, 130.0))
    assert (figure.value, figure.spread) == (100.0, 0.2)


def test_ratios_are_taken_round_by_round() -> None:
    results, line = Results(), Figure("group", "name", "/s")
    for ours, theirs in ((50, 100), (5, 10), (90, 100)):
        results.note("ours", line, ours)
        results.note("theirs", line, theirs)
    assert results.paired("ours", "theirs") == 0.5


def test_a_bar_without_figures_is_neither_met_nor_missed() -> None:
    assert {bar.met for bar in bars(Results(), [SMALL])} == {None}


def test_a_folder_in_memory_is_refused() -> None:
    memory = Path("/dev/shm")  # noqa: S108  # looked at, not written to
    if file_system(memory)[0] != "tmpfs":
        pytest.skip("this machine has no folder in memory to be refused")
    with pytest.raises(NotADisk, match="forgets"):
        require_disk(memory)


def test_every_payment_that_was_acknowledged_is_in_the_database(anywhere: Place) -> None:
    with contest(scene(anywhere), anywhere) as one:
        take_round(scene(anywhere), [one], connections=8)
        assert one.acknowledged > 0
        one.prove()


def test_a_payment_that_was_acknowledged_and_is_gone_is_noticed(place: SqlitePlace) -> None:
    with contest(scene(place), place) as one:
        take_round(scene(place), [one], connections=1)
        one.acknowledged += 1
        with pytest.raises(LostPayments, match="are saved"):
            one.prove()


def test_the_rival_writes_all_the_rows_of_a_payment_and_says_how_many(anywhere: Place) -> None:
    with contest(scene(anywhere), anywhere) as one:
        assert one.rival is not None
        before = counts(one.rival.database)
        written = one.rival.run(4, 0.1)
        tables = ("payments", "instructions", "moves", "idempotency_keys")
        assert gained(before, counts(one.rival.database)) == dict.fromkeys(tables, written.payments)


def test_a_rival_that_would_write_less_is_refused(place: SqlitePlace) -> None:
    with pytest.raises(RuntimeError, match="a create writes"):
        prove_complete({"payments": 1, "moves": 1}, [])


def test_what_is_refused_is_not_counted_as_served(place: SqlitePlace) -> None:
    with twin(place, "refused").serving() as running:
        wrong = Given([request("GET", "/2.0/payments/1", running.token)] * 9, once=True)
        tally = load(Job(running.port, wrong, connections=3, warm_s=0))
    assert (tally.acknowledged, tally.refused, tally.statuses) == (0, 9, {"404": 9})


def test_as_many_payments_are_made_as_were_asked_for(place: SqlitePlace) -> None:
    with twin(place, "crowd").serving() as running:
        made = payments(running, 50)
        assert len(set(made)) == 50
        assert running.call("GET", "/payments?limit=1")["total"] == 50


def test_payments_that_were_filled_in_read_like_those_that_were_taken(anywhere: Place) -> None:
    site = twin(anywhere, "filled")
    with site.serving() as running:
        whole = finished_payment(running)
    readable = fill(site, whole, 500)
    ((taken,),) = {(one.values["payment_id"],) for one in whole if one.table == "payments"}
    with site.serving() as running:
        assert running.call("GET", "/payments?limit=1")["total"] == 500
        real, filled = (_story(running.call("GET", f"/payments/{number}")) for number in (taken, readable[3]))
        states = {running.call("GET", f"/payments/{number}")["state"] for number in readable[:20]}
    assert filled == real
    assert states == {"done", "rejected"}


def _story(payment: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in payment.items() if name not in ("id", "register_date", "validate_date")}


@pytest.mark.parametrize("size", [SMALL, 1_000_000, 10_000_000])
def test_the_latest_payments_lie_alike_at_every_size(size: int) -> None:
    now = 1_800_000_000_000_000
    *old, recent = stretches(now, size)
    assert sum(one.count for one in (*old, recent)) == size
    assert (recent.count, recent.at(recent.count - 1) <= now) == (SMALL, True)
    assert all(one.at(one.count - 1) < recent.begins_us for one in old)


def test_a_report_tells_what_is_absent_and_why() -> None:
    results = Results(absences={"idle": "only 1024 files may be open (ulimit -n)"})
    results.note(
        "sqlite.create.32", Figure("creating payments on SQLite", "OpenGiro over HTTP", "/s"), 1234.5, 1.0, 2.0
    )
    report = Report(NOON, 61.0, {"disk": "ext4"}, {"rounds": 1}, results, bars(results, [SMALL]))
    for told in (report.text(), report.json(), report.markdown()):
        assert "only 1024 files may be open" in told
        assert "1,234" in told or "1234.5" in told


def test_a_chart_of_nothing_is_still_a_picture() -> None:
    assert draw(Results(), [SMALL]).startswith("<svg")
