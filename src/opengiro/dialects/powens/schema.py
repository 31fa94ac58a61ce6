"""The shapes of the powens wire, as its reference prints them. Unknown keys are ignored and never stored (PC11)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Number = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "number", "description": "a decimal, exact"})]
"""A decimal kept as the bytes that came, so that it never passes through a binary float."""


class AccountIn(Struct):
    """PaymentAccount of a request."""

    scheme_name: str | None = None
    scheme_iban: Any = None  # stray key of an official sample: with it, the scheme is iban (PC11)
    identification: str | None = None
    label: str | None = None
    issuer: str | None = None


class IdentityIn(Struct, omit_defaults=True):
    """Identity of a request."""

    kind: str | None = None
    id_user: int | None = None
    external_ref: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    birth_city: str | None = None
    birth_country: str | None = None
    birth_date: str | None = None
    nationality: str | None = None
    postal_address: str | None = None
    email: str | None = None
    scheme_name: str | None = None
    identification: str | None = None
    issuer: str | None = None
    ultimate_owner_text: str | None = None
    ultimate_owner_extra_text: str | None = None
    pep: bool | None = None
    org_name: str | None = None
    org_legal_status: str | None = None
    org_hq_address: str | None = None
    org_business_address: str | None = None


class InstructionIn(Struct):
    """PaymentInstruction of a request."""

    amount: Number | UnsetType = UNSET
    currency: str | None = None
    label: str | None = None
    execution_date_type: str | None = None
    execution_date: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    frequency: str | None = None
    reference_id: str | None = None
    beneficiary: AccountIn | None = None
    beneficiary_identity: IdentityIn | None = None


class PaymentIn(Struct):
    """PaymentInitRequest."""

    client_redirect_uri: str | None = None
    client_state: str | None = None
    instructions: list[InstructionIn] | None = None
    connector_uuid: str | None = None
    uuid: str | None = None  # alias seen in a sample (PC11)
    id_connector: int | None = None
    payer: AccountIn | None = None
    payer_identity: IdentityIn | None = None
    operator_identity: IdentityIn | None = None
    use_case_pay: str | None = None  # default of that test field, seen at top level in samples (PC11)


class UpdateIn(Struct):
    """One of the six bodies of `POST /payments/{id}`."""

    validated: bool | None = None
    connector_uuid: str | None = None
    uuid: str | None = None
    id_connector: int | None = None
    validate_mechanism: str | None = None
    validation_mechanism: str | None = None
    fields: dict[str, str] | None = None
    payer: AccountIn | None = None
    webview_url: str | None = None
    website: str | None = None
    use_case_pay: str | None = None
    resume: bool | None = None
    psu_validate: bool | None = None
    confirm: bool | None = None
    cancel: bool | None = None
    client_redirect_uri: str | None = None
    client_state: str | None = None


class TokenIn(Struct):
    """Body of `POST /auth/token`."""

    grant_type: str | None = None
    client_id: str | int | None = None  # PU7: a number means the same text
    client_secret: str | None = None
    scope: str | list[str] | None = None


class ScopedTokenIn(Struct):
    """Body of `POST /payments/{id}/scopedtoken`."""

    scope: str | list[str] | None = None


class TokenOut(Struct):
    """A service token; exactly these two keys (PC8)."""

    token: str
    scope: str


class ScopedTokenOut(Struct):
    """A payment-scoped token."""

    token: str
    scope: str
    expires_in: int
    id_payment: int


class LiveTokenOut(Struct):
    """A token with which a browser follows one payment, and where; an addition of ours."""

    token: str
    expires_in: int
    id_payment: int
    url: str


class CurrencyOut(Struct):
    """Currency of a response: a string in requests, an object here."""

    id: str
    symbol: str
    prefix: bool
    crypto: bool
    precision: int
    marketcap: None
    datetime: None
    name: str


class AccountOut(Struct):
    """PaymentAccount of a response."""

    id: None
    id_account: None
    label: str
    scheme_name: str
    identification: str
    issuer: str | None
    disabled_date: None
    merchant_scheme_name: None
    merchant_identification: None
    bic: str | None


class IdentityOut(Struct, omit_defaults=True):
    """Identity of a response; sensitive properties are absent unless they were asked for."""

    kind: str
    id_user: int | None = None
    external_ref: str | None = None
    org_name: str | None = None
    org_legal_status: str | None = None
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    birth_city: str | UnsetType | None = UNSET
    birth_country: str | UnsetType | None = UNSET
    birth_date: str | UnsetType | None = UNSET
    nationality: str | UnsetType | None = UNSET
    postal_address: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    scheme_name: str | UnsetType | None = UNSET
    identification: str | UnsetType | None = UNSET
    issuer: str | UnsetType | None = UNSET
    ultimate_owner_text: str | UnsetType | None = UNSET
    ultimate_owner_extra_text: str | UnsetType | None = UNSET
    pep: bool | UnsetType = UNSET
    org_hq_address: str | UnsetType | None = UNSET
    org_business_address: str | UnsetType | None = UNSET


class InstructionOut(Struct):
    """PaymentInstruction of a response."""

    reference_id: str
    execution_date_type: str
    label: str
    amount: Number
    currency: CurrencyOut
    exec_date: str | None
    execution_date: str | None
    start_date: str | None
    end_date: str | None
    frequency: str | None
    state: str | None
    beneficiary: AccountOut
    beneficiary_identity: IdentityOut | None


class FieldValueOut(Struct):
    """One choice of a list field."""

    label: str
    value: str


class FieldOut(Struct, omit_defaults=True):
    """PaymentField."""

    name: str
    type: str
    label: str
    required: bool
    regex: str | None = None
    values: list[FieldValueOut] | UnsetType = UNSET


class PaymentOut(Struct):
    """Payment; every property is always present (PU1)."""

    id: int
    state: str
    error_code: str | None
    error_description: str | None
    register_date: str
    validate_date: str | None
    validate_uri: str | None
    client_redirect_uri: str | None
    client_state: str | None
    state_detail: str | None
    action: str | None
    fields: list[FieldOut]
    id_connector: int | None
    connector_uuid: str | None
    id_connector_source: int | None
    country: str | None
    website: None
    validate_mechanism: str | None
    bank_payment_id: str | None
    payer: AccountOut | None
    payer_identity: IdentityOut | None
    operator_identity: IdentityOut | None
    instructions: list[InstructionOut]


class EventOut(PaymentOut):
    """What a webhook receives: the bare payment, and two numbers that tell deliveries apart and in order."""

    id_webhook_data: int
    sequence: int


class LinkOut(Struct):
    """A link of a paged list."""

    href: str


class LinksOut(Struct):
    """Links to the neighbouring pages."""

    prev: LinkOut | None
    self: LinkOut
    next: LinkOut | None


class PaymentsOut(Struct):
    """A page of payments."""

    payments: list[PaymentOut]
    total: int
    links: LinksOut = msgspec.field(name="_links")
