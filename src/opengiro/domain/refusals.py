"""Why we decline a command: we understood it, nothing happened. Dialects word each one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """Reasons to decline, in the order in which they win when several hold."""

    CREDENTIALS_WRONG = "credentials_wrong"  #: unknown client or wrong secret
    LOGIN_WRONG = "login_wrong"  #: unknown user or wrong password
    TOKEN_MISSING = "token_missing"  #: no bearer token came with the call
    TOKEN_INVALID = "token_invalid"  #: unknown, revoked or expired
    SCOPE_MISSING = "scope_missing"  #: the token may not do this
    NOT_FOUND = "not_found"  #: no such thing, or not for this caller
    FIELD_MISSING = "field_missing"  #: a required property is absent
    FIELD_INVALID = "field_invalid"  #: a property does not hold a value it may
    FEATURE_DISABLED = "feature_disabled"  #: the merchant has not switched this on
    REDIRECT_UNREGISTERED = "redirect_unregistered"  #: the redirect URI is not one of the application's
    SCOPE_NOT_GRANTABLE = "scope_not_grantable"  #: this kind of token can never hold this scope
    AMOUNT_ABOVE_MAXIMUM = "amount_above_maximum"  #: above the merchant's own ceiling
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"  #: empty, too long or not printable ASCII
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"  #: the key was used with another body
    IDEMPOTENCY_KEY_IN_FLIGHT = "idempotency_key_in_flight"  #: the first call with this key still runs
    STATE_FORBIDS = "state_forbids"  #: the payment is not where this command applies
    ATTEMPT_LIVE = "attempt_live"  #: another bank may still pay it
    BANK_UNKNOWN = "bank_unknown"  #: no such bank, or not for payments
    BANK_UNSUITABLE = "bank_unsuitable"  #: this bank cannot execute this payment
    BANK_UNAVAILABLE = "bank_unavailable"  #: the bank did not take the order; no money moved
    BANK_DECLINED = "bank_declined"  #: the bank refused the order as given, such as the payer's account
    PAYER_ACCOUNT_REQUIRED = "payer_account_required"  #: this bank needs the payer's IBAN first
    CANCEL_UNSUPPORTED = "cancel_unsupported"  #: too late to cancel, or the bank cannot
    BODY_TOO_LARGE = "body_too_large"  #: above the limit for request bodies
    TOO_MANY_REQUESTS = "too_many_requests"  #: above the rate the operator allows
    OVERLOADED = "overloaded"  #: the server has more to do than it can; nothing was looked at
    HELD = "held"  #: an operator holds the server, as after a restore; nothing was looked at
    UNAVAILABLE = "unavailable"  #: the database is away, or did not say whether it saved; the same key finds out


TRANSIENT = frozenset(
    {
        Refusal.IDEMPOTENCY_KEY_IN_FLIGHT,
        Refusal.BANK_UNAVAILABLE,
        Refusal.ATTEMPT_LIVE,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.OVERLOADED,
        Refusal.HELD,
        Refusal.UNAVAILABLE,
    }
)
"""Refusals for which the same command may succeed later."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a request: the property by its path, and a sentence that never repeats its value."""

    path: str
    text: str
    missing: bool = False


class Refused(Exception):  # the field's word for an expected no, not a malfunction
    """We understood, we decline, nothing happened."""

    def __init__(
        self, why: Refusal, *complaints: Complaint, detail: str | None = None, wait_s: int | None = None
    ) -> None:
        """Keep the reason, the offending properties and, where it helps, a sentence of detail or how long to wait."""
        super().__init__(why.value)
        self.why = why
        self.complaints = complaints
        self.detail = detail
        self.wait_s = wait_s
