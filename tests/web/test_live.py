"""A payment followed from outside: every event once, whatever happens to the connection, and only for who may."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from pytest_asyncio import fixture

from tests.server import House, open_house
from tests.web.follower import SOCKETS, Follower, News, follower

pytestmark = pytest.mark.asyncio(loop_scope="module")


@fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One server for all that leave the clock alone: each follows a payment of its own."""
    async with open_house(tmp_path_factory.mktemp("server")) as opened:
        yield opened


@fixture(loop_scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@fixture(loop_scope="module")
async def shopper(house: House, client: aiohttp.ClientSession) -> Follower:
    """Somebody who follows a payment that was just made."""
    return await follower(house, client, (await house.pay())["id"])


async def _to_bank(house: House, payment_id: int) -> str:
    """Bring a payment to its bank and return where the payer approves."""
    uri: str = (await house.validate(payment_id, fields={"use_case_pay": "redirect"}))["validate_uri"]
    return uri


async def _pay(house: House, payment_id: int) -> None:
    await house.http.get(await _to_bank(house, payment_id))


def _states(events: list[News]) -> list[str]:
    return [event["state"] for event in events if event["type"] == "state"]


def _sequences(events: list[News]) -> list[int]:
    return [event["sequence"] for event in events if event["type"] == "state"]


async def test_a_page_sees_a_payment_happen_and_then_the_stream_ends(house: House, shopper: Follower) -> None:
    async with shopper.stream() as stream:
        first = [await stream.next(), await stream.next()]
        uri = await _to_bank(house, shopper.payment_id)
        second = await stream.next("state")
        await house.http.get(uri)
        rest = [event async for event in stream]
    told = await house.core.store.payments.moves(house.merchant_id, shopper.payment_id)
    assert [event["type"] for event in first] == ["state", "step"]
    assert (first[0]["state"], first[1]["step"], second["state"]) == ("created", "choosing_bank", "validating")
    *_, last, end = rest
    assert (last["state"], last["final"], end) == ("done", True, {"type": "end", "reason": "final"})
    assert _sequences([first[0], second, *rest]) == [moved.ordinal for moved in told]


async def test_steps_tell_where_the_payer_is_and_move_no_id(house: House, shopper: Follower) -> None:
    async with shopper.stream() as stream:
        await stream.next("step")
        await _to_bank(house, shopper.payment_id)
        assert (await stream.next("state"))["sequence"] == stream.last == 1
        assert (await stream.next("step"))["step"] == "at_bank"
        assert stream.last == 1


@pytest.mark.parametrize(
    ("scene", "step"),
    [("redirect", "at_bank"), ("decoupled", "approving"), ("otp_sms", "answering"), ("account_choice", "answering")],
)
async def test_each_thing_a_bank_waits_for_has_its_step(house: House, shopper: Follower, scene: str, step: str) -> None:
    validated = await house.validate(shopper.payment_id, fields={"use_case_pay": scene})
    assert validated["state"] == "validating"
    assert {"type": "step", "step": step} in await shopper.poll(step="", wait="0")


async def test_the_module_is_small_and_any_shop_may_import_it(house: House, shopper: Follower) -> None:
    async with shopper.client.get(f"{house.base_url}/live/live.js") as answer:
        headers = answer.headers
        assert (headers["Content-Encoding"], headers["Access-Control-Allow-Origin"]) == ("gzip", "*")
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert int(headers["Content-Length"]) < 2000


async def test_an_event_holds_nothing_personal_and_no_words_of_the_bank(house: House, shopper: Follower) -> None:
    await _pay(house, shopper.payment_id)
    async with shopper.stream() as stream:
        events = [event async for event in stream]
    known = {"type", "sequence", "state", "final", "at", "reason", "step"}
    assert {key for event in events for key in event} <= known


async def test_resuming_after_any_disconnects_neither_skips_nor_repeats(
    house: House, client: aiohttp.ClientSession
) -> None:
    chance = random.Random(7)  # noqa: S311  # a story that can be told again
    for _ in range(12):
        shopper = await follower(house, client, (await house.pay())["id"])
        paying = asyncio.create_task(_pay(house, shopper.payment_id))
        seen: list[News] = []
        async with asyncio.timeout(20):
            while not (seen and seen[-1]["type"] == "end"):
                seen += await _some(shopper, seen, chance)
        await paying
        told = await house.core.store.payments.moves(house.merchant_id, shopper.payment_id)
        assert _states(seen) == [moved.target for moved in told]
        assert _sequences(seen) == [moved.ordinal for moved in told]


async def _some(shopper: Follower, seen: list[News], chance: random.Random) -> list[News]:
    """Follow over some transport for a while, then drop the line in the middle of whatever comes."""
    after, patience = max(_sequences(seen), default=-1), chance.randint(1, 3)
    some: list[News] = []
    match chance.choice(["events", "poll", "socket"] if SOCKETS else ["events", "poll"]):
        case "events":
            async with shopper.stream(after) as stream:
                if stream.status == 204:
                    return [{"type": "end"}]
                async for event in stream:
                    some.append(event)
                    if len(some) == patience:
                        break
        case "socket":
            async with shopper.socket(after) as opened:
                async for message in opened:
                    some.append(message.json())
                    if len(some) == patience:
                        break
        case _:
            some = await shopper.poll(after, step="", wait="1")
    return some


async def test_all_transports_tell_the_same(house: House, shopper: Follower) -> None:
    async def streamed() -> list[News]:
        async with shopper.stream() as stream:
            return [event async for event in stream]

    async def socketed() -> list[News]:
        async with shopper.socket() as opened:
            return [message.json() async for message in opened]

    async def polled() -> list[News]:
        events = await shopper.poll()
        while events[-1]["type"] != "end":
            events += await shopper.poll(max(_sequences(events)))
        return events

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in (streamed(), socketed(), polled())]
        await asyncio.sleep(0)
        await _pay(house, shopper.payment_id)
    moves = [[event for event in task.result() if event["type"] not in ("step", "ping")] for task in tasks]
    assert moves[0] == moves[1] == moves[2]
    assert _states(moves[0])[-1] == "done"


async def test_an_event_source_that_comes_again_after_the_end_is_told_to_stop(house: House, shopper: Follower) -> None:
    await _pay(house, shopper.payment_id)
    async with shopper.stream() as stream:
        assert [event async for event in stream][-1]["type"] == "end"
    async with shopper.stream(after=stream.last) as again:
        assert again.status == 204


async def test_the_header_of_an_event_source_wins_over_its_old_url(shopper: Follower) -> None:
    url = shopper.url("events") + f"?token={shopper.token}&last_event_id=-1"
    async with shopper.client.get(url, headers={"Last-Event-ID": "0"}) as answer:
        line = b""
        while not line.startswith(b"data"):
            line = await answer.content.readline()
        assert b'"step"' in line


async def test_who_knows_more_than_there_is_hears_everything(house: House, shopper: Follower) -> None:
    await _pay(house, shopper.payment_id)
    assert _states(await shopper.poll(after=99))[0] == "created"


async def test_a_poll_with_nothing_new_answers_empty_after_its_wait(shopper: Follower) -> None:
    assert await shopper.poll(after=0, wait="0") == []


async def test_a_poll_that_names_its_step_hears_of_the_next(house: House, shopper: Follower) -> None:
    paying = asyncio.create_task(_to_bank(house, shopper.payment_id))
    after, steps = 0, ["choosing_bank"]
    async with asyncio.timeout(20):
        while steps[-1] != "at_bank":
            events = await shopper.poll(after, step=steps[-1])
            after = max(_sequences(events), default=after)
            steps += [event["step"] for event in events if event["type"] == "step"]
    await paying
    assert len(steps) == len(set(steps))


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "-2"}, {"wait": "-1"}, {"wait": "1e3"}])
async def test_a_poll_that_makes_no_sense_is_refused(shopper: Follower, query: dict[str, str]) -> None:
    async with shopper.client.get(shopper.url("poll"), params={"token": shopper.token, **query}) as answer:
        assert (answer.status, await answer.json()) == (400, {"code": "query_invalid"})


async def test_a_socket_may_say_in_its_first_message_what_it_knows(house: House, shopper: Follower) -> None:
    await _to_bank(house, shopper.payment_id)
    async with shopper.socket(after=None) as opened:
        assert opened.protocol == "opengiro"
        await opened.send_json({"after": 0})
        assert (await opened.receive_json())["sequence"] == 1


@pytest.mark.parametrize("hello", ["", "[]", '{"after": "1"}', "x" * 300])
async def test_a_socket_that_says_nothing_sensible_is_closed(shopper: Follower, hello: str) -> None:
    async with shopper.socket(after=None) as opened:
        await opened.send_str(hello)
        assert (await opened.receive()).data == 4408


async def test_a_socket_closes_by_itself_after_the_final_event(house: House, shopper: Follower) -> None:
    await _pay(house, shopper.payment_id)
    async with shopper.socket() as opened:
        events = [message.json() async for message in opened]
        assert (events[-1], opened.close_code) == ({"type": "end", "reason": "final"}, 1000)


async def test_an_event_is_never_ahead_of_what_is_saved(house: House, shopper: Follower) -> None:
    async with shopper.stream() as stream:
        paying = asyncio.create_task(_pay(house, shopper.payment_id))
        async for event in stream:
            if event["type"] == "state":
                saved = await house.core.store.payments.moves(house.merchant_id, shopper.payment_id)
                assert saved[event["sequence"]].target == event["state"]
        await paying


async def test_the_wire_and_the_stream_end_on_the_same_state(house: House, shopper: Follower) -> None:
    async with shopper.stream() as stream:
        await _pay(house, shopper.payment_id)
        events = [event async for event in stream]
    payment = (await house.call("GET", f"/payments/{shopper.payment_id}")).json()
    assert _states(events)[-1] == payment["state"]


async def test_a_stream_goes_on_after_a_restart_of_the_server(tmp_path: Path) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
        async with open_house(tmp_path) as house:
            shopper = await follower(house, client, (await house.pay())["id"])
            async with shopper.stream() as stream:
                seen = [await stream.next("state")]
                approval = urlsplit(await _to_bank(house, shopper.payment_id))
                seen.append(await stream.next("state"))
        async with open_house(tmp_path) as house:
            shopper.base_url = house.base_url
            async with shopper.stream(stream.last) as stream:
                await house.http.get(f"{house.base_url}{approval.path}?{approval.query}")
                seen += [event async for event in stream]
            told = await house.core.store.payments.moves(house.merchant_id, shopper.payment_id)
    assert _sequences(seen) == [moved.ordinal for moved in told]
