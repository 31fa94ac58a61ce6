"""The bank directory of a laptop: the sandbox banks as they describe themselves, and the wire's test bank."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Annotated, Any, Literal

import msgspec

from opengiro.domain.banks import Bank, Health, Need
from opengiro.domain.payment import Execution
from opengiro.domain.recurrence import Frequency

TEST_BANK_ID = "338178e6-3d01-564f-9a7b-52ca442459bf"
"""The powens wire documents this UUID; integrations have it in their tests."""
TEST_BANK_NUMBER = 59

_NAMESPACE = uuid.UUID("6f0c2c9e-3b4f-5d0a-8f5e-0a6f1f3a7c11")
_FIRST_NUMBER = 101
_EXECUTIONS = {
    "sepa-credit-transfers": Execution.FIRST_OPEN_DAY,
    "instant-sepa-credit-transfers": Execution.INSTANT,
}
_NEEDS = {"required": Need.REQUIRED, "optional": Need.OPTIONAL, "forbidden": Need.FORBIDDEN}


def test_bank() -> Bank:
    """Return the test bank, which plays the wire's documented scenarios."""
    return Bank(
        bank_id=TEST_BANK_ID,
        number=TEST_BANK_NUMBER,
        name="Connecteur de test",
        connector="test_bank",
        countries=("FR",),
        slug="EXA",
        executions=(Execution.FIRST_OPEN_DAY, Execution.INSTANT, Execution.DEFERRED, Execution.PERIODIC),
        frequencies=tuple(Frequency),
        instructions_max=100,
        payer_account=Need.OPTIONAL,
        aliases=("test", "example"),
    )


def sandbox_banks(entries: Iterable[Mapping[str, Any]]) -> list[Bank]:
    """Return the sandbox banks from the list they publish; ids follow from their codes, so they are stable."""
    return [_bank(entry, number) for number, entry in enumerate(entries, start=_FIRST_NUMBER)]


def read_banks(body: bytes, known: Iterable[Bank]) -> list[Bank]:
    """Return the banks of a file that lists entries; raises `ValueError` with a sentence about the first wrong one.

    A bank that is known by its code keeps its number, a new one gets the next that is free.
    """
    entries = msgspec.json.decode(body, type=list[Entry | TestEntry])
    numbers = {bank.bank_id: bank.number for bank in known}
    free = count(max([*numbers.values(), _FIRST_NUMBER - 1]) + 1)
    found = []
    for entry in entries:
        if isinstance(entry, TestEntry):
            found.append(test_bank())
            continue
        bank = _bank(msgspec.to_builtins(entry), 0)
        number = numbers.get(bank.bank_id) or next(free)
        numbers[bank.bank_id] = number
        found.append(replace(bank, number=number))
    return found


class Entry(msgspec.Struct, forbid_unknown_fields=True, tag_field="connector", tag="berlin_group"):
    """A bank that speaks the Berlin Group's standard."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,64}$")]
    name: str
    legal_name: str
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    bic: str
    base_url: Annotated[str, msgspec.Meta(pattern="^https?://[^/]")]
    payment_products: list[str]
    approach: Literal["REDIRECT", "DECOUPLED"] = "REDIRECT"
    debtor_iban: Literal["required", "optional", "forbidden"] = "optional"
    final_status: bool = True
    cancellation: bool = False
    deferred: bool = False
    periodic: bool = False
    health: Literal["healthy", "degraded", "down"] = "healthy"
    aliases: list[str] = []
    iban_prefixes: list[str] = []
    colour: str | None = None
    logo_url: str | None = None


class TestEntry(msgspec.Struct, forbid_unknown_fields=True, tag_field="connector", tag="test_bank"):
    """The wire's test bank, which moves no money."""


def _bank(entry: Mapping[str, Any], number: int) -> Bank:
    executions = [_EXECUTIONS[product] for product in entry["payment_products"] if product in _EXECUTIONS]
    if entry.get("deferred", True):
        executions.append(Execution.DEFERRED)
    periodic = entry.get("periodic", False)
    if periodic:
        executions.append(Execution.PERIODIC)
    return Bank(
        bank_id=str(uuid.uuid5(_NAMESPACE, entry["code"])),
        number=number,
        name=entry["name"],
        legal_name=entry["legal_name"],
        connector="berlin_group",
        countries=(entry["country"],),
        base_url=entry["base_url"],
        bic=entry["bic"],
        aliases=tuple(entry["aliases"]),
        iban_prefixes=tuple(entry["iban_prefixes"]),
        executions=tuple(executions),
        frequencies=tuple(Frequency) if periodic else (),
        payer_account=_NEEDS[entry["debtor_iban"]],
        no_final_status=() if entry["final_status"] else tuple(executions),
        health=Health(entry["health"]),
        colour=entry["colour"],
        cancels=bool(entry["cancellation"]),
        decoupled=entry["approach"] == "DECOUPLED",
        slug=entry["code"],
    )
