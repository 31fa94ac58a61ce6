"""`opengiro time`: how far a move goes, what is said when it cannot, and that everything due follows."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opengiro.cli.directory import TEST_BANK_ID
from opengiro.cli.time import read_move
from tests.cli.laptop import Laptop, run, start, started


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("+15m", timedelta(minutes=15)),
        ("+3d", timedelta(days=3)),
        ("+2h30m", timedelta(hours=2, minutes=30)),
        ("+45s", timedelta(seconds=45)),
        ("+1w", timedelta(weeks=1)),
        ("now", None),
    ],
)
def test_a_move_is_read_as_written(text: str, move: timedelta | None) -> None:
    assert read_move(text) == move


@pytest.mark.parametrize("text", ["", "15m", "-1h", "+", "+1", "+1x", "+1.5h", "+m", "tomorrow", "+٣d", "+1h 2m"])
def test_a_move_that_is_none_is_said_in_one_sentence(text: str, tmp_path: Path) -> None:
    ended = run("time", text, "--data", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == ("The clock was not moved: expected a move such as +15m, +3d or +2h30m, or now.\n")


def test_a_move_beyond_the_calendar_is_said_in_one_sentence(laptop: Laptop) -> None:
    for far in ("+999999w", "+999999w999999w999999w999999w999999w"):
        ended = laptop.time(far)
        assert ended.returncode == 1
        assert ended.stderr.startswith("The clock was not moved: ")
        assert ended.stderr.count("\n") == 1
    assert laptop.time("+521w").returncode == 0
    assert laptop.time("+1w").stderr == "The clock was not moved: the clock goes at most ten years ahead.\n"
    assert laptop.time("now").returncode == 0
    assert laptop.http.get(laptop.url).status_code == 200


def test_a_folder_where_nothing_ever_ran_is_said_in_one_sentence(tmp_path: Path) -> None:
    ended = run("time", "+1h", "--data", tmp_path)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"No `opengiro dev` keeps its data in {tmp_path}: start it, or name its folder with --data.\n",
    )


def test_a_server_that_stopped_is_said_in_one_sentence(data: Path) -> None:
    with started(data) as laptop:
        pass
    ended = laptop.time("+1h")
    assert (ended.returncode, ended.stderr) == (1, f"No `opengiro dev` answers at {laptop.url}: start it first.\n")


def test_only_the_config_token_moves_the_clock(laptop: Laptop) -> None:
    for token in ("og_1_x", laptop.token()):
        headers = {"authorization": f"Bearer {token}"}
        answer = laptop.http.post(f"{laptop.url}/dev/time", json={"move_s": 60}, headers=headers)
        assert answer.status_code == 401


@pytest.mark.parametrize("asked", ["", "7", "{}", '{"move_s": -1}', '{"move_s": "1"}', '{"move_s": 1.5}', "\xff"])
def test_a_move_that_is_no_number_of_seconds_is_refused(laptop: Laptop, asked: str) -> None:
    headers = {"authorization": f"Bearer {laptop.powens['config_token']}"}
    answer = laptop.http.post(f"{laptop.url}/dev/time", content=asked.encode("latin-1"), headers=headers)
    assert answer.status_code == 400


def instant(said: str) -> datetime:
    """Return the instant in what `opengiro time` printed."""
    return datetime.fromisoformat(said.removeprefix("It is now ").partition(" ")[0])


def test_a_restart_keeps_the_move_and_says_so_until_now_comes_back(data: Path) -> None:
    with started(data) as before:
        real = instant(before.time("now").stdout)
        moved = instant(before.time("+3d").stdout)
        assert timedelta(days=3) <= moved - real < timedelta(days=3, hours=1)
    after = start(data)
    assert instant(after.time("+1s").stdout) > moved
    _, printed = after.stop()
    assert f"The clock was moved earlier: it is now {moved.date()}" in printed
    last = start(data)
    assert instant(last.time("now").stdout) - real < timedelta(hours=1)
    last.stop()
    _, printed = start(data).stop()
    assert "clock" not in printed


@pytest.fixture
def world(data: Path) -> Iterator[Laptop]:
    """A world of one's own, since a clock goes forward for all who look at it."""
    with started(data) as running:
        yield running


def test_schedules_expiries_test_bank_phases_and_webhook_retries_follow_the_clock(world: Laptop) -> None:
    """A payment that is never validated, one that stays pending for two phases, and a shop that was down."""
    with Shop() as shop:
        config = world.powens["config_token"]
        world.call("POST", "/webhooks", {"event": "PAYMENT_STATE_UPDATED", "url": shop.url}, token=config)
        forgotten = world.pay("Order 1")
        phased = world.pay("pdng/pdng/done - Order 2", "first_open_day")
        world.validate(phased, TEST_BANK_ID)
        world.wait(lambda: shop.knocks)
        assert world.state(phased) == "pending"

        world.time("+20m")
        assert world.state(phased) == "pending"
        world.time("+20m")
        assert world.settle(phased, "done") == "done"
        shop.opens()
        world.time("+1d")
        assert world.wait(lambda: phased in shop.heard)

        assert world.state(forgotten) == "created"
        world.time("+90d")
        assert world.settle(forgotten, "expired") == "expired"
        inbox = f"{world.url}/inbox?payment={forgotten}"
        assert world.wait(lambda: "is-expired" in world.http.get(inbox).text)


class Shop:
    """A receiver of webhooks that is down until it opens."""

    def __init__(self) -> None:
        self.knocks = 0
        self.heard: set[int] = set()
        self._open = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def opens(self) -> None:
        """Take deliveries from now on."""
        self._open.set()

    def _handler(shop) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805  # self is the handler's
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name that http.server calls
                body = self.rfile.read(int(self.headers["content-length"]))
                shop.take(body)
                self.send_response(204 if shop._open.is_set() else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def take(self, body: bytes) -> None:
        """Note who knocked, and what was heard once the shop is open."""
        self.knocks += 1
        if self._open.is_set():
            self.heard.add(json.loads(body)["id"])

    def __enter__(self) -> Shop:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
