"""The objects of the powens wire, as frozen values.

Amounts are exact decimals. Words that the wire may extend at any time are open enums: a word we do not know
yet is kept as it came, compares equal to itself and breaks nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from opengiro_kit.words import OpenWord, Standing


class PaymentState(OpenWord):
    """Where a payment stands."""

    CREATED = "created"
    VALIDATING = "validating"
    PENDING = "pending"
    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    PARTIAL = "partial"

    @property
    def final(self) -> bool:
        """Whether the payment can never change again; an unknown state counts as one that can."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {
        PaymentState.ACCEPTED,
        PaymentState.DONE,
        PaymentState.REJECTED,
        PaymentState.EXPIRED,
        PaymentState.PARTIAL,
    }
)


class PaymentAction(OpenWord):
    """What a payment that is being validated waits for."""

    REDIRECT = "redirect"
    DECOUPLED = "decoupled"
    FIELDS = "additionalInformationNeeded"
    CONFIRM = "confirm"
    PSU_VALIDATION = "psuValidation"


class Execution(OpenWord):
    """When the payer's bank executes an instruction."""

    FIRST_OPEN_DAY = "first_open_day"
    INSTANT = "instant"
    DEFERRED = "deferred"
    PERIODIC = "periodic"


class Currency(str):
    """An ISO 4217 code. The wire takes it as a string and answers with an object whose `id` is the code."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a powens service is and who we are there; secrets stay out of its repr."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)
    domain: str = ""
    config_token: str = field(default="", repr=False)
    redirect_uris: tuple[str, ...] = ()


class _Sent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part of a request; what is left at its default is left out."""


class BankAccount(_Sent, frozen=True):
    """An account as a request names it."""

    scheme_name: str
    identification: str
    label: str
    issuer: str | None = None

    @classmethod
    def iban(cls, iban: str, label: str) -> "BankAccount":
        """Return the account with this IBAN, held under this name."""
        return cls(scheme_name="iban", identification=iban, label=label)


class Identity(_Sent, frozen=True):
    """Who pays or is paid."""

    kind: str | None = None
    external_ref: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    birth_date: str | None = None
    birth_city: str | None = None
    birth_country: str | None = None
    nationality: str | None = None
    postal_address: str | None = None
    email: str | None = None
    scheme_name: str | None = None
    identification: str | None = None
    org_name: str | None = None
    org_legal_status: str | None = None
    org_hq_address: str | None = None


class NewInstruction(_Sent, frozen=True):
    """One transfer to ask for."""

    amount: Decimal
    currency: str
    label: str
    execution_date_type: Execution
    beneficiary: BankAccount
    execution_date: str | None = None
    reference_id: str | None = None
    beneficiary_identity: Identity | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"an amount is a Decimal, not a {type(self.amount).__name__}")
        if not self.amount.is_finite() or self.amount <= 0:
            raise ValueError("an amount is more than zero")
        # Decimal("1E+2") is a hundred, and no payment service should have to know that.
        msgspec.structs.force_setattr(self, "amount", Decimal(f"{self.amount:f}"))


class NewPayment(_Sent, frozen=True):
    """A payment to create."""

    client_redirect_uri: str
    instructions: tuple[NewInstruction, ...]
    client_state: str | None = None
    connector_uuid: str | None = None
    payer: BankAccount | None = None
    payer_identity: Identity | None = None


class Account(msgspec.Struct, frozen=True):
    """An account as an answer names it."""

    identification: str | None = None
    label: str | None = None
    scheme_name: str | None = None
    bic: str | None = None


class Instruction(msgspec.Struct, frozen=True):
    """One transfer of a payment."""

    amount: Decimal
    currency: Currency
    label: str | None = None
    execution_date_type: Execution | None = None
    execution_date: str | None = None
    reference_id: str | None = None
    state: PaymentState | None = None
    beneficiary: Account | None = None


class FieldValue(msgspec.Struct, frozen=True):
    """One choice of a list field."""

    value: str
    label: str | None = None


class PaymentField(msgspec.Struct, frozen=True):
    """A question that a bank asks the payer."""

    name: str
    type: str = "text"
    label: str | None = None
    required: bool = False
    regex: str | None = None
    values: tuple[FieldValue, ...] | None = None


class Payment(msgspec.Struct, frozen=True):
    """A payment as the service tells it; dates stay as the wire prints them, in the service's own zone."""

    id: int
    state: PaymentState
    instructions: tuple[Instruction, ...] = ()
    state_detail: str | None = None
    action: PaymentAction | None = None
    error_code: str | None = None
    error_description: str | None = None
    fields: tuple[PaymentField, ...] | dict[str, PaymentField] | None = ()
    validate_uri: str | None = None
    connector_uuid: str | None = None
    register_date: str | None = None
    validate_date: str | None = None
    client_redirect_uri: str | None = None
    client_state: str | None = None
    payer: Account | None = None

    @property
    def questions(self) -> tuple[PaymentField, ...]:
        """What the bank asks the payer; the wire documents `fields` as a dictionary and sends an array."""
        asked = self.fields or ()
        return tuple(asked.values()) if isinstance(asked, dict) else asked

    @property
    def amount(self) -> Decimal:
        """What the payer pays in all."""
        return sum((one.amount for one in self.instructions), Decimal(0))

    @property
    def currency(self) -> str | None:
        """The currency of all instructions, or None when they do not share one."""
        codes = {str(one.currency) for one in self.instructions}
        return codes.pop() if len(codes) == 1 else None

    @property
    def reference(self) -> int:
        """What finds it again."""
        return self.id

    @property
    def order_code(self) -> str | None:
        """The shop's own order id, where the shop sent it as the state."""
        return self.client_state

    @property
    def standing(self) -> Standing:
        """How it stands; a state that nobody knows yet waits."""
        return _STANDINGS.get(self.state, Standing.WAITING)


_STANDINGS = {
    PaymentState.DONE: Standing.PAID,
    PaymentState.ACCEPTED: Standing.ACCEPTED,
    PaymentState.REJECTED: Standing.FAILED,
    PaymentState.EXPIRED: Standing.FAILED,
    PaymentState.PARTIAL: Standing.PARTIAL,
}


class PaymentPage(msgspec.Struct, frozen=True):
    """One page of a list of payments."""

    payments: tuple[Payment, ...]
    total: int | None = None


class ScopedToken(msgspec.Struct, frozen=True):
    """A token that opens one payment, for the webview."""

    token: str
    scope: str
    id_payment: int
    expires_in: int | None = None

    def __repr__(self) -> str:
        return f"ScopedToken(id_payment={self.id_payment}, scope={self.scope!r})"


class PaymentSettings(msgspec.Struct, frozen=True):
    """What a connector can do for payments."""

    execution_date_types: tuple[Execution, ...] = ()
    beneficiary_types: tuple[str, ...] = ()
    available_validate_mechanisms: tuple[str, ...] = ()
    providing_payer_account: str | None = None
    partial_status_tracking: tuple[Execution, ...] = ()
    cancellation_available: bool | None = None
    maximum_number_of_instructions: int | None = None
    minimum_amount: dict[str, Decimal | None] | None = None
    maximum_amount: dict[str, Decimal | None] | None = None


class Connector(msgspec.Struct, frozen=True):
    """A bank that can be chosen."""

    id: int
    uuid: str
    name: str
    hidden: bool | None = None
    beta: bool = False
    charged: bool = False
    restricted: bool = False
    color: str | None = None
    slug: str | None = None
    products: tuple[str, ...] = ()
    payment_settings: PaymentSettings | None = None


class Terms(msgspec.Struct, frozen=True):
    """The terms that apply to a payment, and whether the payer still has to accept them."""

    id: int
    version: str | None = None
    # The official sample prints "true" as a string where its text says boolean.
    to_sign: bool | str = False

    @property
    def accepted(self) -> bool:
        """Whether nothing is left to accept."""
        return self.to_sign in {False, "false"}


class Webhook(msgspec.Struct, frozen=True):
    """A registered webhook."""

    id: int
    url: str
    id_auth: int | str | None = None
    deleted: str | None = None


class SigningSecret(msgspec.Struct, frozen=True):
    """A signature provider; its secret is told once, when it is created."""

    id: int
    name: str
    secret: str

    def __repr__(self) -> str:
        return f"SigningSecret(id={self.id}, name={self.name!r})"


class ClientApplication(msgspec.Struct, frozen=True):
    """A client of the domain and where it may send payers back to."""

    id: int | str
    redirect_uris: str | None = None
    name: str | None = None

    @property
    def allowed(self) -> tuple[str, ...]:
        """The allowed redirect URIs one by one."""
        return tuple((self.redirect_uris or "").replace(",", " ").split())


def decoder(kind: Any) -> Callable[[bytes], Any]:
    """Return a function that reads JSON bytes into one of these objects."""
    return msgspec.json.Decoder(kind, dec_hook=_hear).decode


def _hear(kind: type, said: object) -> object:
    if kind is not Currency:
        raise NotImplementedError(kind)
    code = said.get("id") if isinstance(said, dict) else said
    if not isinstance(code, str):
        raise TypeError("a currency is a code or an object with an id")
    return Currency(code)
