"""List the banks of the directory: all of them, or those that can execute a payment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from opengiro.domain.banks import Bank
from opengiro.domain.compatibility import Misfit, fits, misfits
from opengiro.domain.payment import Payment
from opengiro.usecases import Core


def list_banks(core: Core, payment: Payment | None = None, *, hidden: bool = False) -> list[Bank]:
    """Return the banks a payer may choose, in the directory's order."""
    banks = [bank for bank in core.store.banks.all() if hidden or not bank.hidden]
    banks = [bank for bank in banks if bank.connector in core.connectors]
    if payment is None:
        return banks
    today = core.now(payment.merchant_id).date()
    return [bank for bank in banks if fits(bank, payment, today)]


def list_misfits(core: Core, payment: Payment, *, hidden: bool = False) -> list[tuple[Bank, Misfit]]:
    """Return, bank by bank, each rule the payment does not fit."""
    today = core.now(payment.merchant_id).date()
    return [(bank, one) for bank in list_banks(core, hidden=hidden) for one in misfits(bank, payment, today)]


async def list_favourites(core: Core, merchant_id: int, banks: Iterable[Bank], span: timedelta) -> list[Bank]:
    """Return those of the banks that this merchant's payers chose within the span, most used first."""
    uses = await core.store.payments.bank_uses(merchant_id, core.now(merchant_id) - span)
    used = [bank for bank in banks if uses.get(bank.bank_id)]
    return sorted(used, key=lambda bank: (-uses[bank.bank_id], bank.number))
