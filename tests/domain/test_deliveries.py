"""What an event tells of, as storage keeps it."""

from __future__ import annotations

import pytest

from opengiro.domain.deliveries import About, Resource


@pytest.mark.parametrize(
    ("about", "kept"),
    [
        (About(Resource.PAYMENT, 3), "payment/3"),
        (About(Resource.TRANSACTION, 3), "transaction/3"),
        (About(Resource.TRANSACTION, 1, 17), "transaction/17/1"),
    ],
)
def test_what_is_kept_of_an_event_leads_back_to_it(about: About, kept: str) -> None:
    assert str(about) == kept
    assert About.parse(kept) == about
