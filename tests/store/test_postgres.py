"""The PostgreSQL engine: each command has its own verdict, and what was acknowledged survives clients and servers."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from opengiro.store.engines import Conflict, Unavailable, Write, connections
from opengiro.store.engines.connections import Connections
from opengiro.store.engines.postgres import Postgres
from opengiro.store.engines.survey import survey
from tests import postgres
from tests.server import until
from tests.store.weather import Weather, weather

pytestmark = pytest.mark.engine("postgres")

LOCKED = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
KILL_ALL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
PREPARED = "SELECT name FROM pg_prepared_statements WHERE statement LIKE '-- One payment%'"
MANY_PAYMENTS = """
INSERT INTO payments (merchant_id, payment_id, guid, client_id, dialect, state, version, created_us, expires_us,
    amount_minor, currency, execution, instruction_count, sealed)
SELECT 1, n, n, '1', 'powens', 'done', 1, 0, 0, 1, 'EUR', 'instant', 1, '' FROM generate_series(1, 2000) AS n
"""


@pytest.fixture
def url() -> Iterator[str]:
    made = postgres.new_database()
    yield made
    postgres.drop_database(made)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Postgres]:
    opened = Postgres(url)
    yield opened
    await opened.close()


@pytest.fixture
async def operator(url: str) -> AsyncIterator[Any]:
    """A session of somebody with a database shell."""
    session = await asyncpg.connect(url)
    yield session
    session.terminate()


@pytest.fixture
async def held(operator: Any, engine: Postgres) -> Any:
    """That session with a lock on merchants, so that whoever writes them waits until it is let go."""
    assert await numbers(engine) == []
    await operator.execute("BEGIN; LOCK TABLE merchants IN EXCLUSIVE MODE")
    return operator


def merchant(number: int, name: str = "Shop") -> Write:
    return Write("insert_merchant", (number, f"shop-{number}", name, "Shop SARL", "Europe/Paris", 0))


def setting(key: str, merchant_id: int = 1) -> Write:
    return Write("upsert_setting", (merchant_id, key, "1", 0), None)


def offset(number: int, by: int = 5) -> Write:
    return Write("update_clock_offset", (number, by))


async def numbers(engine: Postgres) -> list[int]:
    return [row[0] for row in await engine.fetch("load_merchants")]


async def waiting(operator: Any, sessions: int = 1) -> None:
    """Return when so many sessions wait for a lock."""

    async def look() -> bool:
        return bool(await operator.fetchval(LOCKED) >= sessions)

    await until(look)


async def test_a_conflict_in_a_batch_leaves_its_neighbours_alone(engine: Postgres) -> None:
    commands = [merchant(1), merchant(2), merchant(1), merchant(3)]
    verdicts = await asyncio.gather(*(engine.commit([one]) for one in commands), return_exceptions=True)
    assert [type(one) for one in verdicts] == [list, list, Conflict, list]
    assert await numbers(engine) == [1, 2, 3]


async def test_a_conflict_in_a_batch_costs_its_neighbours_a_few_transactions(engine: Postgres, operator: Any) -> None:
    taken = 11
    await engine.commit([merchant(taken)])
    found = await asyncio.gather(*(engine.commit([merchant(one)]) for one in range(1, 33)), return_exceptions=True)
    assert [at for at, one in enumerate(found, 1) if isinstance(one, Conflict)] == [taken]
    saved = "SELECT COUNT(*), COUNT(DISTINCT xmin::text) FROM merchants WHERE merchant_id <> $1"
    assert tuple(await operator.fetchrow(saved, taken)) == (31, 5)  # sixteen, eight, four, two and one


async def test_a_conflict_does_not_quote_the_row(engine: Postgres) -> None:
    await engine.commit([merchant(1)])
    with pytest.raises(Conflict) as told:
        await engine.commit([merchant(1, "Germaine Michu")])
    assert "merchants_pkey" in str(told.value)
    assert "Michu" not in str(told.value)


async def test_nothing_of_a_command_is_saved_when_one_of_its_guards_fails(engine: Postgres) -> None:
    await engine.commit([merchant(1)])
    with pytest.raises(Conflict):
        await engine.commit([setting("kept"), offset(999)])
    assert await engine.fetch("load_settings", 1) == []


@pytest.mark.parametrize("plain", [True, False], ids=["together", "alone"])
async def test_a_statement_that_cannot_run_fails_alone(engine: Postgres, plain: bool) -> None:
    wrong = [merchant(2**70), Write("insert_merchant", (2,)), merchant(3, "a\0b"), merchant(4, "a\ud800b")]
    if not plain:
        wrong = [one._replace(expect=None) for one in wrong]
    commands = [merchant(10), *wrong, merchant(11)]
    verdicts = await asyncio.gather(*(engine.commit([one]) for one in commands), return_exceptions=True)
    assert [isinstance(one, Exception) for one in verdicts] == [False, *[True] * len(wrong), False]
    # Each is a bug of its caller: that it could not be done now would be untrue, as it never can.
    assert [one for one in verdicts if isinstance(one, Unavailable)] == []
    assert await numbers(engine) == [10, 11]


async def test_a_question_that_cannot_be_asked_costs_no_connection(engine: Postgres) -> None:
    pid = await engine.fetch_text("SELECT pg_backend_pid()", ())
    with pytest.raises(Exception, match="int64") as told:
        await engine.fetch("load_settings", 2**70)
    assert not isinstance(told.value, Unavailable)
    assert await engine.fetch_text("SELECT pg_backend_pid()", ()) == pid


async def test_every_command_gets_the_rows_of_its_own_statements(engine: Postgres) -> None:
    await engine.commit([merchant(1)])
    failing = Write("count_failure", (1, 7, False), 0)
    assert await engine.commit([failing, setting("a")]) == [[], []]


async def test_a_commit_survives_the_cancellation_of_its_caller(engine: Postgres, held: Any) -> None:
    callers = [asyncio.create_task(engine.commit(writes)) for writes in ([merchant(1)], [merchant(2), setting("a", 2)])]
    await waiting(held, 2)
    for caller in callers:
        caller.cancel()
    assert [type(one) for one in await asyncio.gather(*callers, return_exceptions=True)] == [asyncio.CancelledError] * 2
    assert await numbers(engine) == []
    await held.execute("COMMIT")
    await engine.close()
    assert await held.fetchval("SELECT COUNT(*) FROM merchants") == 2


async def test_closing_finishes_what_was_accepted(engine: Postgres, held: Any) -> None:
    accepted = [asyncio.create_task(engine.commit([merchant(number)])) for number in range(1, 200)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(engine.close())
    await waiting(held)
    await held.execute("COMMIT")
    await closing
    await asyncio.gather(*accepted)
    assert await held.fetchval("SELECT COUNT(*) FROM merchants") == 199


async def test_a_command_that_comes_as_the_last_one_ends_is_saved_too(engine: Postgres) -> None:
    follower: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    first = engine._enqueue([merchant(1)])
    first.add_done_callback(lambda _: follower.set_result(engine._enqueue([merchant(2)])))
    async with asyncio.timeout(10):
        await (await follower)
    assert await numbers(engine) == [1, 2]


async def test_after_closing_a_command_is_refused_instead_of_waiting_for_ever(engine: Postgres) -> None:
    await engine.close()
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(engine.commit([merchant(1)]), 5)


async def test_a_reader_sees_what_was_acknowledged_and_never_what_was_not(engine: Postgres, held: Any) -> None:
    command = asyncio.create_task(engine.commit([merchant(1), setting("a")]))
    await waiting(held)
    assert await numbers(engine) == []
    await held.execute("COMMIT")
    await command
    assert await numbers(engine) == [1]


async def test_more_commands_than_can_wait_are_refused_and_the_others_saved(
    engine: Postgres, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [asyncio.create_task(engine.commit([merchant(number)])) for number in range(1, 5001)]
    await waiting(held)
    await held.execute("COMMIT")
    verdicts = await asyncio.gather(*commands, return_exceptions=True)
    refused = [one for one in verdicts if isinstance(one, Exception)]
    assert {type(one) for one in refused} == {Unavailable}
    assert 5000 - 4096 - 2 * 64 <= len(refused) <= 5000 - 4096
    assert len(await numbers(engine)) == 5000 - len(refused)


async def test_a_command_that_lost_a_deadlock_is_run_again(url: str, operator: Any) -> None:
    name = url.rpartition("/")[2]
    await operator.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '1s'")
    await operator.execute("SET deadlock_timeout = '1min'")  # so the engine's command is the one that loses
    engine = Postgres(url)
    await asyncio.gather(engine.commit([merchant(1)]), engine.commit([merchant(2)]))
    await operator.execute("BEGIN; UPDATE merchants SET name = 'x' WHERE merchant_id = 2")
    command = asyncio.create_task(engine.commit([offset(1), offset(2)]))
    await waiting(operator)
    await operator.execute("UPDATE merchants SET name = 'x' WHERE merchant_id = 1")
    await operator.execute("COMMIT")
    await command
    assert [row[5] for row in await engine.fetch("load_merchants")] == [5, 5]
    await engine.close()


async def test_inserts_that_lost_a_deadlock_are_run_again(url: str, operator: Any) -> None:
    await operator.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET deadlock_timeout = '1s'")
    await operator.execute("SET deadlock_timeout = '1min'")
    engine = Postgres(url)
    insert = (
        "INSERT INTO merchants (merchant_id, domain, name, legal_name, zone, created_us) VALUES ({0}, {0}, 1, 1, 1, 0)"
    )
    await operator.execute(f"BEGIN; {insert.format(2)}")
    command = asyncio.create_task(engine.commit([merchant(1), merchant(2)]))
    await waiting(operator)
    await operator.execute(insert.format(1))
    await operator.execute("ROLLBACK")
    await command
    assert await numbers(engine) == [1, 2]
    await engine.close()


async def test_a_read_whose_connection_dies_is_asked_again(engine: Postgres, operator: Any) -> None:
    await operator.execute("CREATE TABLE first (x int)")
    await operator.execute("BEGIN; LOCK TABLE first")
    question = asyncio.create_task(engine.fetch_text("SELECT COUNT(*) FROM first", ()))
    await waiting(operator)
    await operator.execute(KILL_ALL)
    await operator.execute("COMMIT")
    assert await question == [(0,)]


async def test_a_plan_made_for_an_empty_table_is_not_kept_for_a_full_one(engine: Postgres, operator: Any) -> None:
    async def plan() -> str:
        """Return how the one connection finds a payment, after doing so."""
        await engine.fetch("load_payment", 1, 7)
        ((name,),) = await engine.fetch_text(PREPARED, ())
        return "".join(line for (line,) in await engine.fetch_text(f'EXPLAIN EXECUTE "{name}" (1, 7)', ()))

    await engine.commit([merchant(1)])
    before = await plan()
    await operator.execute(MANY_PAYMENTS)
    plans = [await plan() for _ in range(connections.PLANS_KEPT)]
    assert ("payments_by_client" in before, "payments_pkey" in plans[-1]) == (True, True)


@pytest.mark.parametrize("writes", [[merchant(1)], [merchant(1), setting("a")]], ids=["shared", "alone"])
async def test_a_write_whose_connection_dies_is_doubtful_and_the_next_one_works(
    engine: Postgres, held: Any, writes: list[Write]
) -> None:
    command = asyncio.create_task(engine.commit(writes))
    await waiting(held)
    await held.execute(KILL_ALL)
    with pytest.raises(Unavailable):
        await command
    await held.execute("COMMIT")
    assert await numbers(engine) == []
    await engine.commit(writes)
    assert await numbers(engine) == [1]


async def test_connections_that_died_while_nobody_used_them_bother_no_reader(engine: Postgres, operator: Any) -> None:
    await asyncio.gather(*(numbers(engine) for _ in range(20)))
    await operator.execute(KILL_ALL)
    assert await asyncio.gather(*(numbers(engine) for _ in range(20))) == [[]] * 20


@pytest.mark.parametrize("writes", [[merchant(1)], [merchant(1), setting("a")]], ids=["shared", "alone"])
async def test_a_commit_into_silence_is_given_up_and_asks_nobody_to_cancel(
    url: str, monkeypatch: pytest.MonkeyPatch, writes: list[Write]
) -> None:
    monkeypatch.setattr(connections, "STUCK_S", 0.2)
    async with weather(url) as sky:
        engine = Postgres(sky.url)
        assert await numbers(engine) == []
        known = sky.connections
        sky.silent = True
        with pytest.raises(Unavailable):
            await engine.commit(writes)
        assert sky.connections == known
        sky.silent = False
        await engine.commit([merchant(2)])
        assert 2 in await numbers(engine)
        await engine.close()


async def test_after_a_restart_of_the_server_the_engine_finds_it_again(tmp_path: Path) -> None:
    with durable() as server:
        engine = await asyncio.to_thread(migrated, server.url)
        await engine.commit([merchant(1)])
        server.stop()
        with pytest.raises(Unavailable):
            await engine.commit([merchant(2)])
        with pytest.raises(Unavailable):
            await numbers(engine)
        server.start()
        await asyncio.sleep(connections._PAUSE_S)
        assert await numbers(engine) == [1]
        await engine.commit([merchant(2)])
        await engine.close()


# The pool.


@contextlib.asynccontextmanager
async def pool(url: str, size: int = 1) -> AsyncIterator[Connections]:
    opened = Connections(url, size)
    yield opened
    await opened.close()


async def ask(found: Connections) -> int:
    async with found.one() as connection:
        return int((await connection.fetch_text("SELECT 7", ()))[0][0])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to give up waiting, so whoever is forgotten waits for ever."""
    monkeypatch.setattr(connections, "_WAIT_S", 1e6)


@pytest.mark.usefixtures("patient")
async def test_whoever_waits_gets_a_turn_though_others_gave_up(url: str) -> None:
    async with pool(url) as found, asyncio.timeout(20):
        async with found.one():
            waiters = [asyncio.create_task(ask(found)) for _ in range(6)]
            await asyncio.sleep(0)
            waiters[0].cancel()
            waiters[3].cancel()
        waiters[1].cancel()  # its turn has come, and it does not know it yet
        told = await asyncio.gather(*waiters, return_exceptions=True)
    assert [one if isinstance(one, int) else None for one in told] == [None, None, 7, None, 7, 7]


async def test_a_turn_that_comes_as_patience_ends_is_passed_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool(url) as found, asyncio.timeout(20):
        held = await found._take()
        monkeypatch.setattr(connections, "_WAIT_S", 0.1)
        first = asyncio.create_task(ask(found))
        await asyncio.sleep(0)
        monkeypatch.setattr(connections, "_WAIT_S", 1e6)
        second = asyncio.create_task(ask(found))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.09, found._give_back, held)
        time.sleep(0.2)  # noqa: ASYNC251  # both are due when the loop looks again: the turn, then the end of patience
        with contextlib.suppress(Unavailable):
            await first
        assert await second == 7


@pytest.mark.usefixtures("patient")
async def test_whoever_waits_is_told_when_the_server_refuses(url: str) -> None:
    nowhere = url.replace(str(postgres.running().port), "1")
    async with pool(nowhere) as found, asyncio.timeout(20):
        told = await asyncio.gather(*(ask(found) for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in told} == {Unavailable}


@pytest.mark.usefixtures("patient")
async def test_whoever_gives_up_while_connecting_leaves_the_turn_to_the_next(url: str) -> None:
    async with weather(url) as sky, pool(sky.url) as found, asyncio.timeout(20):
        sky.silent = True
        first = asyncio.create_task(ask(found))
        await until(lambda: _met(sky))
        second = asyncio.create_task(ask(found))
        await asyncio.sleep(0)
        sky.silent = False
        first.cancel()
        assert await second == 7


async def _met(sky: Weather) -> bool:
    return sky.connections > 0


# Deaths.

WRITER = """
import asyncio, sys
from opengiro.store.engines import Write
from opengiro.store.engines.postgres import Postgres

async def one(engine, number):
    values = (number, f"shop-{number}", "Shop", "Shop SARL", "Europe/Paris", 0)
    writes = [Write("insert_merchant", values)]
    if number % 3 == 0:
        writes.append(Write("upsert_setting", (number, "key", "1", 0), None))
    await engine.commit(writes)
    print(number, flush=True)

async def main():
    engine = Postgres(sys.argv[1])
    for start in range(1, 10**9, 8):
        await asyncio.gather(*(one(engine, number) for number in range(start, start + 8)))

asyncio.run(main())
"""


@contextlib.contextmanager
def writing(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes for as long as it can, and prints what was acknowledged."""
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def acknowledged(writer: subprocess.Popen[str], at_least: int) -> set[int]:
    assert writer.stdout
    return {int(writer.stdout.readline()) for _ in range(at_least)}


def rest(writer: subprocess.Popen[str]) -> set[int]:
    assert writer.stdout
    return {int(line) for line in writer.stdout if line.endswith("\n")}


@contextlib.contextmanager
def durable() -> Iterator[postgres.Server]:
    """A server of one's own that waits for its disk, as PostgreSQL does unless told otherwise."""
    server = postgres.new_server({"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
    server.start()
    try:
        yield server
    finally:
        server.remove()


def migrated(url: str) -> Postgres:
    """An engine on the server's own database, with our schema."""
    postgres.migrated(f"{url}/postgres")
    return Postgres(f"{url}/postgres")


@pytest.mark.parametrize("least", [1, 20, 150])
async def test_what_was_acknowledged_is_there_after_kill_9(engine: Postgres, url: str, least: int) -> None:
    with writing(url) as writer:
        seen = await asyncio.to_thread(acknowledged, writer, least)
        writer.kill()
        seen |= await asyncio.to_thread(rest, writer)
    assert seen <= set(await numbers(engine))


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL])
async def test_what_was_acknowledged_is_there_after_a_crash_of_the_server(how: signal.Signals) -> None:
    with durable() as server:
        engine = await asyncio.to_thread(migrated, server.url)
        seen: set[int] = set()
        for least in (1, 40):
            with writing(f"{server.url}/postgres") as writer:
                seen |= await asyncio.to_thread(acknowledged, writer, least)
                server.stop(how)
                seen |= await asyncio.to_thread(rest, writer)
            server.start()
            await asyncio.sleep(connections._PAUSE_S)
            kept = set(await numbers(engine))
            assert seen <= kept
            thirds = await engine.fetch_text("SELECT merchant_id FROM settings", ())
            assert {one for (one,) in thirds} == {one for one in kept if one % 3 == 0}, "half a command was kept"
            await engine.fetch_text("SELECT 1", ())
            await asyncio.to_thread(server.sql, "DELETE FROM settings; DELETE FROM merchants")
            seen.clear()
        await engine.close()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A host that takes a connection and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as host:
        host.setblocking(False)
        yield host


async def test_a_silent_host_among_several_is_asked_once(url: str, silent: socket.socket) -> None:
    both = url.replace("@", f"@127.0.0.1:{silent.getsockname()[1]},")
    kept = Connections(both, 2)
    async with kept.one() as one, kept.one() as other:
        assert await one.fetch_text("SELECT 1", ()) == await other.fetch_text("SELECT 1", ()) == [(1,)]
    await kept.close()
    silent.accept()[0].close()
    with pytest.raises(BlockingIOError):
        silent.accept()


async def test_a_check_finds_the_primary_behind_a_silent_host(url: str, silent: socket.socket) -> None:
    both = url.replace("@", f"@127.0.0.1:{silent.getsockname()[1]},")
    assert (await survey(both)).primary


async def test_after_one_was_stuck_no_connection_of_before_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool(url, 4) as found, asyncio.timeout(20):
        async with found.one() as busy, found.one() as stuck, found.one():
            before = {busy, stuck, *found._open}
            monkeypatch.setattr(connections, "STUCK_S", 2.0)
            stuck.since -= 2.0
            await until(lambda: _ended(stuck))
            assert not busy.raw.is_closed()
        await until(lambda: _ended(*before))
        async with found.one() as fresh:
            assert fresh not in before
            assert await fresh.fetch_text("SELECT 1", ()) == [(1,)]


async def _ended(*lines: connections.Connection) -> bool:
    return all(one.raw.is_closed() for one in lines)


async def test_while_one_looks_for_the_primary_others_are_told_at_once(silent: socket.socket) -> None:
    nowhere = "postgresql://me@" + ",".join([f"127.0.0.1:{silent.getsockname()[1]}"] * 2) + "/db"
    async with pool(nowhere, 4) as found, asyncio.timeout(20):
        found._away = True
        looking = asyncio.create_task(ask(found))
        await until(lambda: _looks(found))
        with pytest.raises(Unavailable, match="cannot be reached"):
            await ask(found)
        assert not looking.done()
        looking.cancel()


async def _looks(found: Connections) -> bool:
    return found._opening > 0


async def test_the_kernel_gives_up_a_host_that_fell_silent(url: str) -> None:
    async with pool(url) as found, found.one() as connection:
        line = connection.raw._transport.get_extra_info("socket")
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
