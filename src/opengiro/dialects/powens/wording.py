"""How the powens wire words what we mean: complete tables, so that nothing new can fall through to a 500."""

from __future__ import annotations

from types import MappingProxyType

import msgspec
from msgspec import Struct

from opengiro.domain.banks import Health
from opengiro.domain.compatibility import Mismatch
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Right
from opengiro.store.answers import Answer

_R = Refusal
REFUSALS = MappingProxyType(
    {
        _R.CREDENTIALS_WRONG: (401, "unauthorized", "The client credentials are not valid."),
        _R.LOGIN_WRONG: (401, "unauthorized", "The user name or password is not valid."),
        _R.TOKEN_MISSING: (401, "unauthorized", "The required authorization parameter is missing."),
        _R.TOKEN_INVALID: (401, "unauthorized", "The token is unknown, revoked or expired."),
        _R.SCOPE_MISSING: (403, "forbidden", "The scope of this token does not allow this call."),
        _R.NOT_FOUND: (404, "notFound", "There is no such resource for this token."),
        _R.FIELD_MISSING: (400, "missingParameter", "A required property is missing."),
        _R.FIELD_INVALID: (400, "invalidValue", "A property has a value that is not allowed."),
        _R.FEATURE_DISABLED: (401, "unauthorized", "This feature is not enabled for the domain."),
        _R.REDIRECT_UNREGISTERED: (400, "invalidValue", "The redirect URI is not registered with the client."),
        _R.SCOPE_NOT_GRANTABLE: (400, "invalidValue", "A payment-scoped token cannot have this scope."),
        _R.AMOUNT_ABOVE_MAXIMUM: (400, "invalidValue", "The amount is above payment.max_amount."),
        _R.IDEMPOTENCY_KEY_INVALID: (400, "invalidValue", "Idempotency-Key is 1 to 255 printable ASCII characters."),
        _R.IDEMPOTENCY_KEY_REUSED: (422, "idempotencyKeyReused", "This Idempotency-Key came with another body before."),
        _R.IDEMPOTENCY_KEY_IN_FLIGHT: (409, "idempotencyKeyInFlight", "The first call with this key is still running."),
        _R.STATE_FORBIDS: (409, "conflict", "It is not in a state or action that this call fits."),
        _R.ATTEMPT_LIVE: (409, "conflict", "The payment is being validated at another bank."),
        _R.BANK_UNKNOWN: (400, "invalidValue", "There is no such connector for payments."),
        _R.BANK_UNSUITABLE: (
            400,
            "invalidValue",
            "This connector cannot execute this payment; see /incompatibilities.",
        ),
        _R.BANK_UNAVAILABLE: (503, "websiteUnavailable", "The bank did not take the payment; no money moved."),
        _R.BANK_DECLINED: (400, "invalidValue", "The bank refused the payment as it was given; no money moved."),
        _R.PAYER_ACCOUNT_REQUIRED: (400, "missingParameter", "This connector needs the payer's account."),
        _R.CANCEL_UNSUPPORTED: (400, "notSupported", "Bad request, please check your request parameters."),
        _R.BODY_TOO_LARGE: (413, "invalidValue", "The request body is too large."),
        _R.TOO_MANY_REQUESTS: (429, "tooManyRequests", "Too many requests."),
        _R.OVERLOADED: (503, "serviceUnavailable", "The server is overloaded; nothing was done. Try again later."),
        _R.HELD: (503, "serviceUnavailable", "The server is held by its operator; nothing was done. Try again later."),
        _R.UNAVAILABLE: (503, "serviceUnavailable", "The outcome is unknown. Repeat it with the same Idempotency-Key."),
    }
)
"""Refusal -> HTTP status, code, description (statuses and codes: section 14.1 of the wire's reference)."""

REASONS = MappingProxyType(
    {
        Reason.INVALID_EMITTER: "invalidEmitter",
        Reason.INSUFFICIENT_FUNDS: "insufficientFunds",
        Reason.INVALID_AMOUNT: "invalidAmount",
        Reason.INVALID_CURRENCY: "invalidCurrency",
        Reason.INVALID_DATE: "invalidDate",
        Reason.INVALID_BENEFICIARY: "invalidBeneficiary",
        Reason.INVALID_LABEL: "invalidLabel",
        Reason.INVALID_REFERENCE: "invalidReferenceId",
        Reason.REGULATORY: "regulatoryReason",
        Reason.AUTHENTICATION_FAILED: "authenticationFailed",
        Reason.NO_ANSWER_FROM_CUSTOMER: "noAnswerFromCustomer",
        Reason.NOT_SPECIFIED: "noSpecifiedReason",
        Reason.CANCELLED_BY_PAYER: "CancelledByUser",  # the wire spells these two with a capital
        Reason.CANCELLED_BY_CLIENT: "CancelledByClient",
        Reason.CONFIRMATION_REFUSED: "confirmationRefused",
        Reason.BANK_MESSAGE: "bankMessage",
        Reason.INVALID_VALUE: "invalidValue",
        Reason.BANK_UNAVAILABLE: "websiteUnavailable",
        Reason.BUG: "bug",
    }
)
"""Reason -> PaymentErrorCode."""

STATES = MappingProxyType({state: state.value for state in State})
"""State -> PaymentState; the names are the wire's own."""

SCOPES = MappingProxyType(
    {
        "payments:admin": Right.MANAGE,
        "payments": Right.MANAGE,  # deprecated alias
        "payments:read-only": Right.READ,
        "payments:allow-sensitive": Right.READ_SENSITIVE,
        "payments:validate": Right.VALIDATE,
        "payments:cancel": Right.CANCEL,
        "payment-links:admin": Right.LINKS,
    }
)
"""Scope -> right."""

MISMATCHES = MappingProxyType(
    {
        Mismatch.AMOUNT_TOO_HIGH: ("maxAmount", "The amount is above what this connector carries."),
        Mismatch.AMOUNT_TOO_LOW: ("minAmount", "The amount is below what this connector carries."),
        Mismatch.TOO_MANY_INSTRUCTIONS: ("maxBulk", "There are more instructions than this connector takes at once."),
        Mismatch.DATE_TOO_FAR: ("maxDateDelta", "The execution date is further away than this connector allows."),
        Mismatch.EXECUTION_UNSUPPORTED: ("nspDateType", "This connector does not know this execution date type."),
        Mismatch.FREQUENCY_UNSUPPORTED: ("nspFrequency", "This connector has no standing orders of this frequency."),
        Mismatch.BULK_UNSUPPORTED: ("nspBulk", "This connector takes one instruction at a time."),
        Mismatch.PAYEE_SCHEME_UNSUPPORTED: ("nspBenefScheme", "This connector cannot pay to this kind of account."),
        Mismatch.CURRENCY_UNSUPPORTED: ("nspCurrency", "This connector does not pay in this currency."),
        Mismatch.PAYER_ACCOUNT_MISSING: ("nspPayer", "This connector needs the payer's account."),
    }
)
"""Mismatch -> code of an incompatibility, and a sentence."""

STABILITIES = MappingProxyType({Health.HEALTHY: "stable", Health.DEGRADED: "unstable", Health.DOWN: "unavailable"})
"""Health of a bank -> status of a connector's stability."""


_BANK_SAID = frozenset({_R.BANK_UNAVAILABLE, _R.BANK_DECLINED, _R.CANCEL_UNSUPPORTED})
"""Refusals whose detail is the bank's own text, which a payer may be shown."""


class ErrorOut(Struct):
    """The error envelope: all four keys, always (PC22, PC23); `message` is a bank's text for the payer."""

    code: str
    description: str
    message: str | None
    request_id: int


def refuse(refused: Refused, request_id: int) -> Answer:
    """Word a refusal: the offending properties by their paths, or what the refusal means in general."""
    status, code, text = REFUSALS[refused.why]
    if refused.complaints:
        text = "; ".join(f"{one.path}: {one.text}" for one in refused.complaints)
    if refused.detail and refused.why not in _BANK_SAID:
        return error(status, code, refused.detail, request_id)
    return error(status, code, text, request_id, refused.detail)


def broke(request_id: int) -> Answer:
    """Word a malfunction of ours, telling nothing but the number to look it up by."""
    return error(500, "bug", "An internal error occurred.", request_id)


def no_route(request_id: int) -> Answer:
    """Word a path that is no route."""
    return error(404, "notFound", "There is no such route.", request_id)


def wrong_method(request_id: int) -> Answer:
    """Word a method that a path does not have."""
    return error(405, "methodNotAllowed", "This path does not support this method.", request_id)


def error(status: int, code: str, description: str, request_id: int, message: str | None = None) -> Answer:
    """Write the error envelope."""
    return Answer(status, msgspec.json.encode(ErrorOut(code, description, message, request_id)))
