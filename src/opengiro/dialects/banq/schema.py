"""The shapes of the banq wire. Keys are camelCase; unknown ones are ignored and never stored (BD21)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Number = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "number", "description": "a decimal, exact"})]
"""A decimal kept as the bytes that came, so that it never passes through a binary float."""


class DestinationIn(Struct, rename="camel"):
    """Where the money is to go."""

    banq_guid: str | None = None


class PaidLinkIn(Struct, rename="camel"):
    """Body of `get-paid-link`."""

    destination: DestinationIn | None = None
    comment: str | None = None
    funds: Number | UnsetType = UNSET
    external_order_code: str | int | None = None
    frequency: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    currency: str | None = None


class RecurrenceOut(Struct, rename="camel", omit_defaults=True):
    """How often and from when; `endDate` is absent when there is none (BD13)."""

    frequency: str
    start_date: str
    end_date: str | UnsetType = UNSET


class BanqOut(Struct, rename="camel"):
    """An account that is paid to."""

    id: int
    banq_guid: str
    custodial_number: int
    banq_name: str
    transaction_name: str


class SideOut(Struct, rename="camel"):
    """One side of a payment. A payer who pays from a bank has neither user nor banq here (BD9)."""

    user_id: str | None
    type: str
    account_type: str
    account_id: int | None
    banq: BanqOut | None


class TransactionOut(Struct, rename="camel"):
    """One movement of money (BD8)."""

    id: int
    guid: str
    type: str
    flow_type: str
    move_type: str
    payment_guid: str
    external_order_code: str | None
    recurrence: RecurrenceOut
    source: SideOut | None
    destination: SideOut
    comment: str
    funds: Number
    currency: str
    status: str
    fail_reason: str | None
    created_at: str
    updated_at: str
    completed_at: str | None
    due_date: str | None  #: additive: the civil date this movement was due on, where it had one


class PaymentOut(Struct, rename="camel"):
    """The request to be paid (BD8)."""

    id: int
    guid: str
    type: str
    flow_type: str
    move_type: str
    external_order_code: str | None
    recurrence: RecurrenceOut
    source: SideOut | None
    destination: SideOut
    url: str | None
    comment: str
    funds: Number
    currency: str
    status: str
    fail_reason: str | None
    created_at: str
    updated_at: str
    completed_at: str | None


class LinkOut(Struct):
    """The link once more, where endpoints that hand the body on unwrapped look for it (BD7)."""

    url: str


class PaidLinkOut(PaymentOut, rename="camel", kw_only=True):
    """Answer of `get-paid-link`: the payment, and its link in a second place."""

    data: LinkOut


class PaymentsOut(Struct):
    """A page of payments."""

    payments: list[PaymentOut]
    total: int


class TransactionsOut(Struct):
    """A page of transactions."""

    transactions: list[TransactionOut]
    total: int


class BanqAccountOut(BanqOut, rename="camel", kw_only=True):
    """An account as its owner sees it, with the space it is in and its currency."""

    account_space_id: str
    currency: str


class BanqsOut(Struct):
    """A page of accounts."""

    banqs: list[BanqAccountOut]
    total: int


class SpaceOut(Struct, rename="camel"):
    """An account space."""

    account_space_id: str
    platform_id: str
    name: str
    type: str


class UserOut(Struct, rename="camel", omit_defaults=True):
    """The caller; collections are present when they were asked for (BD19)."""

    id: int
    guid: str
    email: str
    account_spaces: list[SpaceOut] | UnsetType = UNSET
    banq_accounts: list[BanqAccountOut] | UnsetType = UNSET


class LiveTokenOut(Struct, rename="camel"):
    """A token with which a browser follows one payment, and where; an addition of ours."""

    token: str
    expires_in: int
    payment_guid: str
    url: str


class WebhookIn(Struct, rename="camel"):
    """Body of a webhook-config that is made or changed; `webHookTypes` has its capital H."""

    url: str | None = None
    enabled: bool | None = None
    retry_count: int | None = None
    web_hook_types: list[str] | None = None


class WebhookOut(Struct, rename="camel", omit_defaults=True):
    """A webhook-config; the signing secret is shown when it is made, never again (BD25, BD26)."""

    account_space_id: str
    url: str
    enabled: bool
    retry_count: int
    web_hook_types: list[str]
    secret: str | UnsetType = UNSET


class EventOut(Struct, rename="camel"):
    """What a webhook receives (BD22)."""

    action: str
    resource_type: str
    resource_id: str
    id: str
    sequence: int
    created_at: str
    external_order_code: str | None


class ErrorOut(Struct):
    """What every refusal of this wire holds (BD20)."""

    error: str
    message: str


class GrantIn(Struct):
    """Body of `POST /oauth/token`, with both spellings of the password grant (BD1)."""

    grant_type: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    client_username: str | None = None
    client_password: str | None = None
    username: str | None = None
    password: str | None = None
    audience: str | None = None
    scope: str | None = None
    refresh_token: str | None = None


class GrantOut(Struct, omit_defaults=True):
    """A token answer (BD4)."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class GrantErrorOut(Struct):
    """What every refusal of the token endpoint holds."""

    error: str
    error_description: str
