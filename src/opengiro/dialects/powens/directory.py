"""The shapes of connectors on the wire, and how a bank of the directory is written as one.

Arrays are always arrays: a published client rejects null and bare scalars (section 12 of the reference).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from babel import Locale
from msgspec import UNSET, Struct, UnsetType

from opengiro.dialects.powens.schema import FieldValueOut, Number
from opengiro.dialects.powens.wording import STABILITIES
from opengiro.dialects.powens.write import write_number
from opengiro.domain.banks import Bank, Connector, Field, Need
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution

MECHANISM = "webauth"
SOURCE = "openapi"
_CURRENCY = "EUR"
_SCHEME = "iban"


class AppToAppOut(Struct):
    """Whether the bank's app opens by itself; nobody told us."""

    android: bool | None = None
    ios: bool | None = None


class PaymentSettingsOut(Struct):
    """PaymentSettings: what a webview must know before it offers the bank."""

    available_validate_mechanisms: list[str]
    beneficiary_types: list[str]
    execution_date_types: list[str]
    bulk_execution_date_types: list[str]
    execution_frequencies: list[str]
    maximum_number_of_instructions: int
    providing_payer_account: str
    bulk_providing_payer_account: str
    partial_status_tracking: list[str]
    is_app_to_app_used: AppToAppOut
    bank_provides_payer_account: bool | None
    bank_provides_payer_label: bool | None
    transfer_date_types_where_trusted_beneficiary_required: list[str]
    trusted_beneficiaries_required_for_bulk: bool
    cancellation_available: bool
    minimum_amount: dict[str, Number] | None
    maximum_amount: dict[str, Number] | None
    minimum_date_delta_days: int
    maximum_date_delta_days: int | None


class StabilityOut(Struct):
    """How the bank's interface has been doing."""

    status: str
    last_update: str | None = None


class PaymentFieldOut(Struct, omit_defaults=True):
    """A static field that may come with the validation."""

    name: str
    auth_mechanisms: list[str]
    type: str
    label: str
    required: bool
    connector_sources: list[str]
    regex: str | None = None
    values: list[FieldValueOut] | UnsetType = UNSET


class CountryOut(Struct):
    """A country of a connector."""

    id: str
    name: str


class SourceOut(Struct):
    """The one way in which we reach a bank."""

    id: int
    name: str
    auth_mechanism: str
    available_auth_mechanisms: list[str]
    capabilities: list[str]
    fallback: str | None
    disabled: str | None
    first_opening: str | None
    payment_settings: PaymentSettingsOut


class ConnectorOut(Struct):
    """Connector; the last five properties come with `expand`."""

    id: int
    uuid: str
    name: str
    hidden: bool
    charged: bool
    code: str | None
    beta: bool
    color: str | None
    slug: str | None
    sync_frequency: None
    months_to_fetch: int | None
    auth_mechanism: str
    available_auth_mechanisms: list[str]
    transfer_mechanism: str
    siret: str | None
    restricted: bool
    capabilities: list[str]
    account_usages: list[str]
    account_types: list[str]
    categories: list[str]
    documents_type: list[str]
    available_transfer_mechanisms: list[str]
    transfer_beneficiary_types: list[str]
    transfer_execution_date_types: list[str]
    products: list[str]
    stability: StabilityOut
    payment_settings: PaymentSettingsOut
    payment_fields: list[PaymentFieldOut] | UnsetType = UNSET
    fields: list[PaymentFieldOut] | UnsetType = UNSET
    sources: list[SourceOut] | UnsetType = UNSET
    countries: list[CountryOut] | UnsetType = UNSET
    urls: list[str] | UnsetType = UNSET


def write_connector(bank: Bank, connector: Connector, expand: frozenset[str] = frozenset()) -> ConnectorOut:
    """Write a bank of the directory with the linked resources that were asked for."""
    settings = write_settings(bank, connector)
    return ConnectorOut(
        id=bank.number,
        uuid=bank.bank_id,
        name=bank.name,
        hidden=bank.hidden,
        charged=False,
        code=bank.bic,
        beta=False,
        color=bank.colour.removeprefix("#") if bank.colour else None,
        slug=bank.slug,
        sync_frequency=None,
        months_to_fetch=None,
        auth_mechanism=MECHANISM,
        available_auth_mechanisms=[MECHANISM],
        transfer_mechanism=MECHANISM,
        siret=None,
        restricted=False,
        capabilities=["transfer"],
        account_usages=[],
        account_types=[],
        categories=[],
        documents_type=[],
        available_transfer_mechanisms=[MECHANISM],
        transfer_beneficiary_types=settings.beneficiary_types,
        transfer_execution_date_types=settings.execution_date_types,
        products=["pay"],
        stability=StabilityOut(STABILITIES[bank.health]),
        payment_settings=settings,
        payment_fields=_fields(connector) if "payment_fields" in expand else UNSET,
        fields=[] if "fields" in expand else UNSET,  # these sign users in to data products, of which we have none
        sources=[write_source(bank, connector)] if "sources" in expand else UNSET,
        countries=_countries(bank) if "countries" in expand else UNSET,
        urls=[] if "urls" in expand else UNSET,
    )


def write_settings(bank: Bank, connector: Connector) -> PaymentSettingsOut:
    """Write what the bank can do for payments."""
    kinds = [kind.value for kind in bank.executions]
    return PaymentSettingsOut(
        available_validate_mechanisms=[MECHANISM],
        beneficiary_types=[_SCHEME],
        execution_date_types=kinds,
        bulk_execution_date_types=kinds if bank.instructions_max > 1 else [],
        execution_frequencies=[frequency.value for frequency in bank.frequencies],
        maximum_number_of_instructions=bank.instructions_max,
        providing_payer_account=bank.payer_account,
        bulk_providing_payer_account=bank.payer_account if bank.instructions_max > 1 else Need.FORBIDDEN,
        partial_status_tracking=[kind.value for kind in bank.no_final_status],
        is_app_to_app_used=AppToAppOut(),
        bank_provides_payer_account=None,
        bank_provides_payer_label=None,
        transfer_date_types_where_trusted_beneficiary_required=[],
        trusted_beneficiaries_required_for_bulk=False,
        cancellation_available=bank.cancels and connector.cancel is not None,
        minimum_amount=_amounts(bank.minimum_minor),
        maximum_amount=_amounts(bank.maximum_minor),
        minimum_date_delta_days=0,
        maximum_date_delta_days=bank.date_delta_days_max,
    )


def write_source(bank: Bank, connector: Connector) -> SourceOut:
    """Write the one way in which we reach a bank; it has the bank's own number."""
    return SourceOut(
        id=bank.number,
        name=SOURCE,
        auth_mechanism=MECHANISM,
        available_auth_mechanisms=[MECHANISM],
        capabilities=["transfer"],
        fallback=None,
        disabled=None,
        first_opening=None,
        payment_settings=write_settings(bank, connector),
    )


def _amounts(minor: Mapping[Execution, int]) -> dict[str, msgspec.Raw] | None:
    """Write limits by execution type; without any limit there is no object (PC28)."""
    return {kind.value: write_number(Money(amount, _CURRENCY)) for kind, amount in minor.items()} or None


def _fields(connector: Connector) -> list[PaymentFieldOut]:
    return [_payment_field(field) for field in connector.payment_fields]


def _payment_field(field: Field) -> PaymentFieldOut:
    values = [FieldValueOut(label=label, value=value) for value, label in field.choices]
    return PaymentFieldOut(
        name=field.name,
        auth_mechanisms=[MECHANISM],
        type="list" if field.choices else "text",
        label=field.label,
        required=field.required,
        connector_sources=[SOURCE],
        regex=field.regex,
        values=values or UNSET,
    )


def _countries(bank: Bank) -> list[CountryOut]:
    names = Locale("en").territories
    return [CountryOut(code, str(names.get(code, code))) for code in bank.countries]
