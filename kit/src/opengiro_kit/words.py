"""What both wires have in common: words that may be extended, how a payment stands, and how a service declines."""

from decimal import Decimal
from enum import StrEnum
from typing import Protocol


class OpenWord(StrEnum):
    """An enum of words that lets unknown words through under their own name."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenWord | None":
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_, word._value_ = value, value
        return word

    @property
    def known(self) -> bool:
        """Whether this kit knew the word when it was released."""
        return self._name_ in type(self).__members__


class Standing(StrEnum):
    """How a payment stands, whichever wire told it."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    """The bank took it and will send no further news."""
    PAID = "paid"
    FAILED = "failed"
    PARTIAL = "partial"


class AnyPayment(Protocol):
    """A payment of either wire, as far as settling an order needs it."""

    @property
    def reference(self) -> int | str:
        """What finds the payment again: an id or a guid."""

    @property
    def order_code(self) -> str | None:
        """What the shop called the payment when it created it."""

    @property
    def amount(self) -> Decimal | None:
        """The whole of it in major units, or None where it cannot be told."""

    @property
    def currency(self) -> str | None:
        """The one currency of the amount, or None where it cannot be told."""

    @property
    def standing(self) -> Standing:
        """How it stands."""


class Declined(Exception):
    """The service understood and declined; `code` says why, `request_id` finds the call in its logs."""

    def __init__(self, code: str, description: str, status: int, request_id: str | None = None) -> None:
        trace = f" (request {request_id})" if request_id else ""
        super().__init__(f"{code}, HTTP {status}: {description}{trace}")
        self.code = code
        self.description = description
        self.status = status
        self.request_id = request_id
