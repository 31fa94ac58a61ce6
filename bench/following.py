"""Live status: how soon a browser knows what the bank said, and what ten thousand browsers that only wait cost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.bank import CODE
from bench.crowd import payments, seats
from bench.figures import Figure, p50_p99
from bench.places import twin
from bench.plan import Scene
from bench.site import Running
from bench.streams import streaming
from bench.wire import PAYER_IBAN, choice, request

GROUP = "live status"
_PAYERS_AT_ONCE = 4
_PATIENCE_S = 30
_HOLD_S = 20
"""Longer than the time between two beats, so that each stream has had one."""
_TICKS_PER_S = 100


def follow(scene: Scene) -> None:
    """Let payers approve at a sandbox bank while their browsers follow, and see when each browser knows."""
    with twin(scene.main, "follow").serving() as running:
        (latencies,) = knowing(scene, [running], scene.plan.payers)
    line = Figure(GROUP, f"bank says done to browser knows, {len(latencies)} payers", "ms p99")
    # The samples in thirds are the rounds.
    for third in range(3):
        p50, p99 = p50_p99(latencies[third::3])
        scene.results.note("live.latency", line, p99, p50, p99)
    scene.tell("live status: browsers know")


def knowing(scene: Scene, servers: Sequence[Running], payers: int) -> list[list[float]]:
    """Let so many pay at each server, which take turns; return how many milliseconds each browser knew later."""
    waiting = [_payers(running, payers) for running in servers]
    knew = asyncio.run(_all_pay([one for several in zip(*waiting, strict=True) for one in several]))
    said = scene.banks.said_done()
    latencies = [(at - said[bank_payment]) * 1000 for bank_payment, at in knew if bank_payment in said]
    if len(latencies) < len(knew):
        raise RuntimeError(f"{len(latencies)} of {len(knew)} browsers were told that their payment is done")
    return [latencies[at :: len(servers)] for at in range(len(servers))]


def _payers(running: Running, count: int) -> list[Payer]:
    bank = running.bank_id(CODE)
    return [Payer(running, bank, *seat) for seat in seats(running, payments(running, count))]


async def _all_pay(payers: Sequence[Payer]) -> list[tuple[str, float]]:
    """Return for each payment the bank's id of it and when its browser knew that it is done."""
    room = asyncio.Semaphore(_PAYERS_AT_ONCE)

    async def pay(payer: Payer) -> tuple[str, float]:
        async with room, asyncio.timeout(_PATIENCE_S):
            return await payer.pay()

    return list(await asyncio.gather(*map(pay, payers)))


@dataclass(slots=True)
class Payer:
    """One payer with two windows: one follows the payment, the other goes to the bank and comes back."""

    running: Running
    bank: str
    payment_id: int
    token: str

    async def pay(self) -> tuple[str, float]:
        """Choose the bank, approve there, come back; return the bank's id and when the first window knew."""
        stream, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        writer.write(request("GET", f"/live/{self.payment_id}/events", self.token).encode())
        done = asyncio.create_task(_done_at(stream))
        chosen = await self._choose()
        await self._approve(chosen["validate_uri"])
        at = await done
        writer.close()
        return str(chosen["bank_payment_id"]), at

    async def _choose(self) -> Any:
        sent = request("POST", f"/2.0/payments/{self.payment_id}", self.running.token, choice(self.bank))
        _, body = await _exchange(self.running.port, sent)
        return json.loads(body)

    async def _approve(self, link: str) -> None:
        """Log in at the bank, choose the account, approve, and follow the way back."""
        await _post(link, "user=anna&password=secret")
        await _post(f"{link}/account", f"account={PAYER_IBAN}")
        back = urlsplit(await _post(f"{link}/approve", "decision=approve"))
        await _exchange(self.running.port, request("GET", f"{back.path}?{back.query}", None))


async def _done_at(stream: asyncio.StreamReader) -> float:
    """Return when the stream said that the payment is done."""
    while True:
        event = await stream.readuntil(b"\n\n")
        if b'"state":"done"' in event:
            return time.time()


async def _post(url: str, form: str) -> str:
    """Post a form and return where the answer leads."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    answer, _ = await _exchange(parts.port or 80, f"{head}content-length: {len(form)}\r\n\r\n{form}")
    for line in answer.split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "location":
            return value
    raise RuntimeError(f"the bank led nowhere: {answer.splitlines()[0]}")


async def _exchange(port: int, sent: str) -> tuple[str, bytes]:
    """Send one request over a connection of its own and return the answer's head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent.encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(
        (line for line in head.lower().split("\r\n") if line.startswith("content-length:")), "content-length:0"
    )
    body = await reader.readexactly(int(length.partition(":")[2]))
    writer.close()
    return head, body


def idle(scene: Scene) -> None:
    """Open thousands of streams of payments that do not move, and see what the server needs to hold them."""
    site, wanted = twin(scene.main, "idle"), scene.plan.streams
    with site.serving() as running:
        known = seats(running, payments(running, wanted))
    # A fresh process, so that nothing left over from making them is counted, or used again by the streams.
    with site.serving() as running:
        running.call("GET", "/payments?limit=1")
        pids = running.pids()
        before = memory_kib(pids)
        with streaming(running.port, known) as streams:
            after, used, begun = memory_kib(pids), cpu_s(pids), time.monotonic()
            time.sleep(_HOLD_S)
            share = (cpu_s(pids) - used) / (time.monotonic() - begun) * 100
            opened, left = streams.opened, streams.close()
    if min(opened, left) < wanted:
        raise RuntimeError(f"of {wanted} streams {opened} opened, and {left} were left after {_HOLD_S} s")
    note = "server processes' own memory (PSS); what the kernel keeps for sockets is not in it"
    line = Figure(GROUP, f"{opened:,} idle streams, memory of each", "KiB", note=note)
    scene.results.note("idle.memory", line, (after - before) / opened)
    scene.results.note("idle.cpu", Figure(GROUP, f"{opened:,} idle streams, processor", "% of a core"), share)
    scene.tell("live status: idle streams")


def memory_kib(pids: Sequence[int]) -> int:
    """Return the memory that is these processes' own, shared pages by their share."""
    return sum(_pss(Path(f"/proc/{pid}/smaps_rollup").read_text()) for pid in pids)


def _pss(text: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def cpu_s(pids: Sequence[int]) -> float:
    """Return the processor time these processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S
