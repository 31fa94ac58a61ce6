"""Sandbox banks: independent banks that speak open standards over real HTTP, for laptops and tests.

They import nothing from the payment server, so that what they say about a payment is a second opinion.
"""

from opengiro_sandbox.banks import BANKS, ROSTER, Bank
from opengiro_sandbox.sandbox import build

__all__ = ["BANKS", "ROSTER", "Bank", "build"]
