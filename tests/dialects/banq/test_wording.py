"""Every table of words is total: what the domain can say, the wire can word; and events are changes of status."""

from __future__ import annotations

import msgspec
import pytest

from opengiro.dialects.banq import grants, wording
from opengiro.domain.deliveries import Resource
from opengiro.domain.lifecycle import FINAL, MOVES, State, is_news
from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Frequency
from opengiro.domain.refusals import TRANSIENT, Complaint, Refusal, Refused

CODES = {
    400: {"invalid_request"}, 401: {"unauthorized"}, 403: {"forbidden"}, 404: {"not_found"},
    405: {"method_not_allowed"}, 409: {"conflict"}, 422: {"idempotency_mismatch"}, 429: {"too_many_requests"},
    500: {"internal_error"}, 503: {"temporarily_unavailable"},
}  # fmt: skip
GRANT_CODES = {
    400: {"invalid_request", "invalid_scope"}, 401: {"invalid_client"},
    403: {"unauthorized_client", "access_denied", "invalid_grant"}, 404: {"not_found", "endpoint_disabled"},
    405: {"method_not_allowed"}, 429: {"too_many_requests"}, 501: {"unsupported_grant_type"},
    503: {"temporarily_unavailable"},
}  # fmt: skip
STATUSES = {"created", "processing", "completed", "failed", "cancelled", "expired"}
FAIL_REASONS = {
    "General Error", "PlaidBalanceCheckFailed", "InsufficientBalance", "TierPlanLimits", "BlacklistedFingerprint",
    "IsaBalanceIsInsufficient", "PlaidRequiresReAuthentication", "CustodialAccountContactIsNotApproved",
}  # fmt: skip


def test_every_refusal_state_reason_and_resource_has_its_word() -> None:
    assert set(wording.REFUSALS) == set(Refusal)
    assert set(grants.REFUSALS) == set(Refusal)
    assert set(wording.STATUSES) == set(State)
    assert set(wording.FAIL_REASONS) == set(Reason)
    assert set(wording.RESOURCES) == set(Resource)


def test_statuses_and_codes_belong_together_as_decided() -> None:  # BD20
    assert {(status, code) for status, code, _ in wording.REFUSALS.values() if code not in CODES[status]} == set()
    assert {(status, code) for status, code, _ in grants.REFUSALS.values() if code not in GRANT_CODES[status]} == set()


@pytest.mark.parametrize("why", Refusal)
def test_every_refusal_is_an_answer_with_a_sentence(why: Refusal) -> None:
    for refuse, member in ((wording.refuse, "message"), (grants.refuse, "error_description")):
        answer = refuse(Refused(why), 1)
        body = msgspec.json.decode(answer.body)
        assert set(body) == {"error", member}
        assert body[member].endswith((".", "maximum set for payments."))
        assert 400 <= answer.status < 504


def test_what_may_succeed_later_is_never_worded_as_the_callers_mistake() -> None:
    assert {wording.REFUSALS[why][0] for why in TRANSIENT} <= {409, 429, 503}


def test_complaints_are_named_by_their_paths() -> None:
    refused = Refused(Refusal.FIELD_INVALID, Complaint("funds", "is above zero"), Complaint("comment", "is short"))
    assert b"funds: is above zero; comment: is short" in wording.refuse(refused, 1).body


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_state_and_reason_is_one_of_the_six_statuses(state: State, reason: Reason | None) -> None:  # BD14, BD16
    status, why = wording.status_of(state, reason), wording.fail_reason_of(state, reason)
    assert status in STATUSES
    assert (status in {"completed", "failed", "cancelled", "expired"}) == (state in FINAL)
    assert (why in FAIL_REASONS) == (status == "failed")
    assert why is None or status == "failed"


def test_a_move_is_an_event_exactly_when_the_status_changes() -> None:  # BD23
    for (origin, _), target in MOVES.items():
        changed = wording.status_of(origin, None) != wording.status_of(target, None)
        assert is_news(origin, target) == changed, (origin, target)
    assert not is_news(None, State.CREATED)


def test_every_frequency_of_the_wire_is_one_of_ours_and_no_two_are_the_same() -> None:  # BD12
    assert set(wording.FREQUENCIES) == {"daily", "weekly", "biweekly", "monthly", "quarterly", "yearly"}
    assert len(set(wording.FREQUENCIES.values())) == len(wording.FREQUENCIES)
    assert set(wording.FREQUENCIES.values()) <= set(Frequency)
