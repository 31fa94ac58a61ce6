"""The objects of the banq wire, as frozen values.

Amounts are exact decimals. The original service documents few of its answers, so everything but a guid may be missing,
and a word we do not know yet is kept as it came.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum

import msgspec

from opengiro_kit.words import OpenWord, Standing

PUBLIC_CLIENT_ID = "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim"
"""The constant client of user tokens; it is public and the same for everybody."""


class Spelling(Enum):
    """How the token request names user and password: two spellings are published."""

    PLAIN = ("username", "password")
    CLIENT = ("client_username", "client_password")


class Frequency(OpenWord):
    """How often a payment is made."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


class PaymentStatus(OpenWord):
    """Where a payment or a transaction stands."""

    CREATED = "created"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Whether it can never change again; an unknown status counts as one that can."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset(
    {PaymentStatus.COMPLETED, PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED}
)


class Topic(OpenWord):
    """What a webhook tells of, as its configuration spells it."""

    PAYMENT = "payment"
    TRANSACTION = "transaction"


class Include(OpenWord):
    """What `me` can bring along."""

    ACCOUNT_SPACES = "accountSpaces"
    BANQ_ACCOUNTS = "banqAccounts"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a banq service is and who we are there; secrets stay out of its repr.

    Args:
        base_url: the address that `v1/…` is added to, so it ends with `/api/`.
        client_secret: given, tokens are asked for by `client_credentials`; else by user name and password.
        user_name: the merchant user for `me`, where the account guids are found.
        banq_guid: the account that payments go to unless a payment names another.
        currency: what amounts are in where the service does not say, as the original did not.
    """

    base_url: str
    token_url: str
    client_id: str
    username: str = ""
    password: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    spelling: Spelling = Spelling.PLAIN
    company_id: str = ""
    user_client_id: str = PUBLIC_CLIENT_ID
    user_name: str = ""
    user_password: str = field(default="", repr=False)
    banq_guid: str = ""
    account_space_id: str = ""
    currency: str = ""


class _Answered(msgspec.Struct, frozen=True, rename="camel"):
    """A part of an answer; what the service leaves out is None."""


class _Sent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename="camel"):
    """A part of a request; what is left at its default is left out."""


class Destination(_Sent, frozen=True):
    """The account that is paid."""

    banq_guid: str


class NewPayment(_Sent, frozen=True):
    """A payment to ask for; without a destination it goes to the account of the credentials."""

    funds: Decimal
    comment: str
    external_order_code: str
    destination: Destination | None = None
    frequency: Frequency = Frequency.ONCE
    start_date: date | None = None
    end_date: date | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.funds, Decimal):
            raise TypeError(f"an amount is a Decimal, not a {type(self.funds).__name__}")
        if not self.funds.is_finite() or self.funds <= 0:
            raise ValueError("an amount is more than zero")
        # Decimal("1E+2") is a hundred, and no payment service should have to know that.
        msgspec.structs.force_setattr(self, "funds", Decimal(f"{self.funds:f}"))


class Recurrence(_Answered, frozen=True):
    """When a payment is made; the dates are civil ones that the wire prints as midnights without a zone."""

    frequency: Frequency = Frequency.ONCE
    start_date: str | None = None
    end_date: str | None = None


class Account(_Answered, frozen=True):
    """An account of the service, called a banq."""

    id: int | str | None = None
    banq_guid: str | None = None
    banq_name: str | None = None
    transaction_name: str | None = None
    custodial_number: int | str | None = None
    currency: str | None = None
    account_space_id: str | None = None


class Party(_Answered, frozen=True):
    """One side of a payment; a payer who pays from a bank has no banq."""

    type: str | None = None
    account_type: str | None = None
    user_id: str | None = None
    account_id: int | str | None = None
    banq: Account | None = None


class _Funded(_Answered, frozen=True):
    """What a payment and a transaction have in common; instants stay as the wire prints them, in UTC."""

    guid: str
    id: int | str | None = None
    type: str | None = None
    flow_type: str | None = None
    move_type: str | None = None
    status: PaymentStatus | None = None
    fail_reason: str | None = None
    external_order_code: str | None = None
    recurrence: Recurrence | None = None
    source: Party | None = None
    destination: Party | None = None
    comment: str | None = None
    funds: Decimal | None = None
    currency: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    completed_at: str | None = None
    due_date: str | None = None  #: ours: the civil date it was due on; the original service has none

    @property
    def reference(self) -> str:
        """What finds it again."""
        return self.guid

    @property
    def order_code(self) -> str | None:
        """The shop's own order id."""
        return self.external_order_code

    @property
    def amount(self) -> Decimal | None:
        """What is paid, in major units."""
        return self.funds

    @property
    def standing(self) -> Standing:
        """How it stands; a status that nobody knows yet waits."""
        if self.status is PaymentStatus.COMPLETED:
            return Standing.PAID
        return Standing.FAILED if self.status in FINAL_STATUSES else Standing.WAITING


class Payment(_Funded, frozen=True):
    """A request to be paid, or an agreement that recurs and whose money moves in transactions."""

    url: str | None = None


class Transaction(_Funded, frozen=True):
    """One money movement made for a payment."""

    payment_guid: str | None = None


class PaidLink(msgspec.Struct, frozen=True):
    """The link to give to the payer, and the payment where the service tells it along."""

    url: str
    payment: Payment | None = None


class AccountSpace(_Answered, frozen=True):
    """A container of accounts."""

    account_space_id: str
    platform_id: str | None = None
    name: str | None = None
    type: str | None = None


class User(_Answered, frozen=True):
    """The merchant user, with what was asked to be included."""

    guid: str | None = None
    id: int | str | None = None
    email: str | None = None
    account_spaces: tuple[AccountSpace, ...] = ()
    banq_accounts: tuple[Account, ...] = ()


class WebhookConfig(msgspec.Struct, frozen=True, rename="camel"):
    """Where the events of an account space go; the secret is told once, when the configuration is created."""

    url: str | None = None
    enabled: bool | None = None
    retry_count: int | None = None
    topics: tuple[Topic, ...] = msgspec.field(default=(), name="webHookTypes")
    account_space_id: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"WebhookConfig(url={self.url!r}, enabled={self.enabled}, account_space_id={self.account_space_id!r})"


class PaymentList(msgspec.Struct, frozen=True):
    """One page of payments."""

    payments: tuple[Payment, ...]
    total: int | None = None


class TransactionList(msgspec.Struct, frozen=True):
    """One page of transactions."""

    transactions: tuple[Transaction, ...]
    total: int | None = None


class AccountList(msgspec.Struct, frozen=True):
    """One page of accounts."""

    banqs: tuple[Account, ...]
    total: int | None = None
