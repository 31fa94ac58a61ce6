"""Choosing a bank: our commit, the bank's answer over real HTTP, our second commit. Most of it is the bank."""

from __future__ import annotations

from bench.bank import CODE
from bench.crowd import payments
from bench.figures import Figure
from bench.growing import bank_id
from bench.loader import Job, load
from bench.places import twin
from bench.plan import Scene
from bench.wire import choices

CONNECTIONS = 8
_PER_SECOND_MAX = 600
"""More than the sandbox bank takes, so payments never run out before the time."""


def choose(scene: Scene) -> None:
    """Measure how many payments a second can be brought to a sandbox bank."""
    plan = scene.plan
    with twin(scene.main, "choose").serving() as running:
        bank = bank_id(running, CODE)
        made = payments(running, round((plan.seconds + 1) * _PER_SECOND_MAX) * plan.rounds)
        for number in range(plan.rounds):
            mine = made[number :: plan.rounds]
            job = Job(running.port, choices(running.token, mine, bank), CONNECTIONS, seconds=plan.seconds)
            line = Figure("banks", f"choose a sandbox bank, {CONNECTIONS} connections", "/s")
            scene.note("choose", line, load(job))
    scene.tell("banks: chosen")
