"""The merchant's side of pay-by-bank: typed clients, webhook verification, settling an order exactly once.

The names of the powens wire stand here; those of the banq wire are in `opengiro_kit.banq`.
"""

from opengiro_kit.banq import AsyncBanqClient, BanqClient, BanqError
from opengiro_kit.exchange import Patience, Unreachable
from opengiro_kit.ledger import Claim, ClaimLost, Finished, Ledger, SqliteLedger
from opengiro_kit.powens import (
    AsyncPowensClient,
    Credentials,
    Payment,
    PaymentState,
    PowensClient,
    PowensError,
)
from opengiro_kit.settle import Order, Outcome, Settlement, settle, settle_async
from opengiro_kit.signatures import Doubt, WebhookRefused
from opengiro_kit.webhooks import PaymentEvent, read_event
from opengiro_kit.words import AnyPayment, Declined, Standing

__version__ = "0.1.0"

__all__ = [
    "AnyPayment",
    "AsyncBanqClient",
    "AsyncPowensClient",
    "BanqClient",
    "BanqError",
    "Claim",
    "ClaimLost",
    "Credentials",
    "Declined",
    "Doubt",
    "Finished",
    "Ledger",
    "Order",
    "Outcome",
    "Patience",
    "Payment",
    "PaymentEvent",
    "PaymentState",
    "PowensClient",
    "PowensError",
    "Settlement",
    "SqliteLedger",
    "Standing",
    "Unreachable",
    "WebhookRefused",
    "read_event",
    "settle",
    "settle_async",
]
