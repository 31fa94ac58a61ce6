"""How the banq wire words what we mean: complete tables, so that nothing new can fall through to a 500."""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from opengiro.domain.deliveries import Resource
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Frequency
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.rights import Right
from opengiro.store.answers import Answer

OPEN_AUDIENCE = "https://banq.com/open/api/"
USER_AUDIENCE = "https://banq.com/api"
PUBLIC_CLIENT = "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim"
"""The client id that every integration sends for user tokens (BD5)."""

AUDIENCES = MappingProxyType(
    {
        OPEN_AUDIENCE: frozenset({Right.MANAGE, Right.READ, Right.CONFIGURE}),
        USER_AUDIENCE: frozenset({Right.PROFILE, Right.READ, Right.CONFIGURE}),
    }
)
"""Audience -> rights (BD2): links for the one, the user's own profile for the other, the rest for both."""

_R = Refusal
REFUSALS = MappingProxyType(
    {
        _R.CREDENTIALS_WRONG: (401, "unauthorized", "The client credentials are not valid."),
        _R.LOGIN_WRONG: (401, "unauthorized", "The user name or password is not valid."),
        _R.TOKEN_MISSING: (401, "unauthorized", "A bearer token is required."),
        _R.TOKEN_INVALID: (401, "unauthorized", "The token is unknown, revoked or expired."),
        _R.SCOPE_MISSING: (403, "forbidden", "This token may not do this."),
        _R.NOT_FOUND: (404, "not_found", "There is no such resource for this token."),
        _R.FIELD_MISSING: (400, "invalid_request", "A required property is missing."),
        _R.FIELD_INVALID: (400, "invalid_request", "A property has a value that is not allowed."),
        _R.FEATURE_DISABLED: (403, "forbidden", "This is not enabled."),
        _R.REDIRECT_UNREGISTERED: (403, "forbidden", "The application behind this token may not take payments."),
        _R.SCOPE_NOT_GRANTABLE: (403, "forbidden", "This client cannot have such a token."),
        _R.AMOUNT_ABOVE_MAXIMUM: (400, "invalid_request", "funds: is above the maximum set for payments."),
        _R.IDEMPOTENCY_KEY_INVALID: (400, "invalid_request", "Idempotency-Key is 1 to 255 printable characters."),
        _R.IDEMPOTENCY_KEY_REUSED: (422, "idempotency_mismatch", "This key came with another body before."),
        _R.IDEMPOTENCY_KEY_IN_FLIGHT: (409, "conflict", "The first call with this key is still running."),
        _R.STATE_FORBIDS: (409, "conflict", "The resource is not in a state that allows this."),
        _R.ATTEMPT_LIVE: (409, "conflict", "The payment is under way at a bank."),
        _R.BANK_UNKNOWN: (400, "invalid_request", "There is no such bank."),
        _R.BANK_UNSUITABLE: (400, "invalid_request", "This bank cannot execute this payment."),
        _R.BANK_UNAVAILABLE: (409, "conflict", "The bank did not take the payment; no money moved."),
        _R.BANK_DECLINED: (400, "invalid_request", "The bank refused the payment as it was given; no money moved."),
        _R.PAYER_ACCOUNT_REQUIRED: (400, "invalid_request", "This bank needs the payer's account."),
        _R.CANCEL_UNSUPPORTED: (409, "conflict", "It is too late to cancel, or the bank cannot."),
        _R.BODY_TOO_LARGE: (400, "invalid_request", "The request body is too large, or compressed."),
        _R.TOO_MANY_REQUESTS: (429, "too_many_requests", "Too many requests."),
        _R.OVERLOADED: (503, "temporarily_unavailable", "The server is overloaded; nothing was done. Try again later."),
        _R.HELD: (503, "temporarily_unavailable", "The server is held by its operator. Try again later."),
        _R.UNAVAILABLE: (503, "temporarily_unavailable", "The outcome is unknown. Repeat it with the same key."),
    }
)
"""Refusal -> HTTP status, code, text (BD20)."""

STATUSES = MappingProxyType(
    {
        State.CREATED: "created",
        State.VALIDATING: "processing",
        State.PENDING: "processing",
        State.ACCEPTED: "completed",
        State.DONE: "completed",
        State.REJECTED: "failed",
        State.EXPIRED: "expired",
        State.PARTIAL: "completed",  # of a recurring payment: each of its transactions tells its own end (BD15)
    }
)
"""State -> status (BD14); a cancellation is told from other rejections by its reason."""

CANCELLED = frozenset({Reason.CANCELLED_BY_PAYER, Reason.CANCELLED_BY_CLIENT})

FALLBACK = "General Error"
FAIL_REASONS = MappingProxyType(
    {
        Reason.INVALID_EMITTER: FALLBACK,
        Reason.INSUFFICIENT_FUNDS: "PlaidBalanceCheckFailed",
        Reason.INVALID_AMOUNT: FALLBACK,
        Reason.INVALID_CURRENCY: FALLBACK,
        Reason.INVALID_DATE: FALLBACK,
        Reason.INVALID_BENEFICIARY: FALLBACK,
        Reason.INVALID_LABEL: FALLBACK,
        Reason.INVALID_REFERENCE: FALLBACK,
        Reason.REGULATORY: FALLBACK,
        Reason.AUTHENTICATION_FAILED: "PlaidRequiresReAuthentication",
        Reason.NO_ANSWER_FROM_CUSTOMER: FALLBACK,
        Reason.NOT_SPECIFIED: FALLBACK,
        Reason.CANCELLED_BY_PAYER: None,
        Reason.CANCELLED_BY_CLIENT: None,
        Reason.CONFIRMATION_REFUSED: FALLBACK,
        Reason.BANK_MESSAGE: FALLBACK,
        Reason.INVALID_VALUE: FALLBACK,
        Reason.BANK_UNAVAILABLE: FALLBACK,
        Reason.BUG: FALLBACK,
    }
)
"""Reason -> fail reason (BD16); None for a cancellation, which is no failure."""

ONCE = "once"
FREQUENCIES = MappingProxyType(
    {
        "daily": Frequency.DAILY,
        "weekly": Frequency.WEEKLY,
        "biweekly": Frequency.TWO_WEEKLY,
        "monthly": Frequency.MONTHLY,
        "quarterly": Frequency.QUARTERLY,
        "yearly": Frequency.YEARLY,
    }
)
"""Frequency of the wire -> ours, other than `once` (BD12)."""


RESOURCES = MappingProxyType({Resource.PAYMENT: "Payment", Resource.TRANSACTION: "Transaction"})
"""What an event tells of -> resourceType."""


def status_of(state: State, reason: Reason | None) -> str:
    """Return the status this wire knows a state by."""
    if state is State.REJECTED and reason in CANCELLED:
        return "cancelled"
    return STATUSES[state]


def fail_reason_of(state: State, reason: Reason | None) -> str | None:
    """Return why a payment failed; null unless it did (BD16)."""
    if STATUSES[state] != "failed":
        return None
    return FAIL_REASONS[reason] if reason else FALLBACK


def refuse(refused: Refused, _request_id: int) -> Answer:
    """Word a refusal: the offending properties by their paths, or what the refusal means in general."""
    status, code, text = REFUSALS[refused.why]
    if refused.complaints and refused.why in (Refusal.FIELD_MISSING, Refusal.FIELD_INVALID, Refusal.FEATURE_DISABLED):
        text = "; ".join(f"{one.path}: {one.text}" for one in refused.complaints)
    return error(status, code, f"{text} {refused.detail}" if refused.detail else text)


def broke(request_id: int) -> Answer:
    """Word a malfunction of ours, telling nothing but the number to look it up by."""
    return error(500, "internal_error", f"An internal error occurred ({request_id}).")


def no_route(_request_id: int) -> Answer:
    """Word a path that is no route."""
    return error(404, "not_found", "There is no such route.")


def wrong_method(_request_id: int) -> Answer:
    """Word a method that a path does not have."""
    return error(405, "method_not_allowed", "This path does not support this method.")


def error(status: int, code: str, message: str) -> Answer:
    """Write the error envelope."""
    return Answer(status, msgspec.json.encode({"error": code, "message": message}))
