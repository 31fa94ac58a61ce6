"""The payer comes back from the bank with a ticket. The return decides nothing: it makes us ask the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opengiro.domain.attempt import Phase
from opengiro.domain.identifiers import merchant_of
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import ask_bank, errand_of, listen


async def return_from_bank(core: Core, ticket: str, query: Mapping[str, str]) -> Standing:
    """Return where the payment stands after asking its bank; a ticket that was never given is not found.

    A replayed return asks again and changes nothing; the attempt that the ticket belongs to comes back with it,
    since its `back_to` is where this payer goes.
    """
    merchant_id = merchant_of(ticket)
    attempt = await core.store.attempts.by_ticket(merchant_id, ticket) if merchant_id is not None else None
    if attempt is None:
        raise Refused(Refusal.NOT_FOUND)
    payment = await core.payment(attempt.merchant_id, attempt.payment_id)
    if payment.final or attempt.phase is Phase.ENDED:
        return Standing(payment, attempt)
    connector = core.connectors[core.bank(attempt.bank_id).connector]
    returned = connector.returned
    if returned is None:
        return await ask_bank(core, attempt.merchant_id, attempt.payment_id)
    memory = returned(errand_of(core, payment, attempt), query).memory
    return await listen(
        core,
        Standing(payment, attempt),
        lambda errand: connector.observe(core.line, replace(errand, memory=memory)),
    )
