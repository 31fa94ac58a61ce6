"""The merchant's side of pay-by-bank: typed clients, webhook verification, settling an order exactly once."""

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
from opengiro_kit.webhooks import Doubt, PaymentEvent, WebhookRefused, read_event

__version__ = "0.1.0"

__all__ = [
    "AsyncPowensClient",
    "Claim",
    "ClaimLost",
    "Credentials",
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
    "Unreachable",
    "WebhookRefused",
    "read_event",
    "settle",
    "settle_async",
]
