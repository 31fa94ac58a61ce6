"""The shop's endpoints as URL patterns for Django; the counter's clients are blocking.

They are exempt from Django's form token: webhooks carry a signature instead, and a payment link is asked for with JSON,
which no other site's form can send. Their ledger is in the shop's own database, so models written by an effect and the
settled order are kept together or not at all.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from opengiro_kit.counter import (
    Counter,
    Reply,
    as_seen,
    come_back,
    generate_link,
    give_live_token,
    hear_banq,
    hear_powens,
    tell_standing,
)
from opengiro_kit.ledger import LEASE_S, Claim, ClaimLost, Finished
from opengiro_kit.signatures import WebhookRefused, whole
from opengiro_kit.steps import Recipe, cook

Transaction = TypeVar("Transaction")
MaySee = Callable[[HttpRequest, str], bool]
View = Callable[..., HttpResponse]

PART_BYTES = 65_536

CLAIMS_TABLE = """
CREATE TABLE IF NOT EXISTS opengiro_claims (
    key VARCHAR(255) PRIMARY KEY,
    fence BIGINT NOT NULL,
    leased_until_ms BIGINT NOT NULL,
    mark TEXT
)
"""
"""What the ledger keeps its claims in, for a migration."""


class DjangoLedger:
    """A ledger in a database of the project, PostgreSQL or SQLite; effects may use its models.

    An effect is handed the database connection, whose transaction it runs in.
    """

    def __init__(
        self, using: str = "default", *, lease_s: int = LEASE_S, clock: Callable[[], float] = time.time
    ) -> None:
        self._using = using
        self._lease_ms = lease_s * 1000
        self._clock = clock

    def claim(self, key: str) -> Claim | Finished | None:
        """Claim a key in one statement, so that two claimers cannot both win."""
        now_ms = int(self._clock() * 1000)
        with connections[self._using].cursor() as cursor:
            cursor.execute(_CLAIM, (key, now_ms + self._lease_ms, now_ms))
            if won := cursor.fetchone():
                return Claim(key, won[0])
            cursor.execute("SELECT mark FROM opengiro_claims WHERE key = %s", (key,))
            known = cursor.fetchone()
        return Finished(known[0]) if known and known[0] is not None else None

    def finish(self, claim: Claim, mark: str, effect: Callable[[Any], None]) -> None:
        """Run the effect and finish the key in one transaction."""
        connection = connections[self._using]
        with transaction.atomic(using=self._using), connection.cursor() as cursor:
            cursor.execute(_FINISH, (mark, claim.key, claim.fence))
            if cursor.rowcount != 1:
                raise ClaimLost(claim)
            effect(connection)

    def release(self, claim: Claim) -> None:
        """End the lease at once."""
        with connections[self._using].cursor() as cursor:
            cursor.execute(_RELEASE, (claim.key, claim.fence))


_CLAIM = """
INSERT INTO opengiro_claims (key, fence, leased_until_ms) VALUES (%s, 1, %s)
ON CONFLICT (key) DO UPDATE
SET fence = opengiro_claims.fence + 1, leased_until_ms = excluded.leased_until_ms
WHERE opengiro_claims.mark IS NULL AND opengiro_claims.leased_until_ms <= %s
RETURNING fence
"""

_FINISH = "UPDATE opengiro_claims SET mark = %s WHERE key = %s AND fence = %s AND mark IS NULL"

_RELEASE = "UPDATE opengiro_claims SET leased_until_ms = 0 WHERE key = %s AND fence = %s AND mark IS NULL"


def payments(counter: Counter[Transaction], may_see: MaySee | None = None) -> list[Any]:
    """Return the endpoints of a shop, for `include`.

    Args:
        may_see: whether this visitor may see that order; without it, knowing an order's id is enough.
    """

    def link(request: HttpRequest) -> HttpResponse:
        return _answer(
            generate_link(
                as_seen(counter, request, may_see), request.headers.get("content-type", ""), whole(_parts(request))
            )
        )

    def banq(request: HttpRequest) -> HttpResponse:
        return _answer(hear_banq(counter, request.headers, whole(_parts(request))))

    def powens(request: HttpRequest) -> HttpResponse:
        return _answer(hear_powens(counter, request.headers, whole(_parts(request)), request.path))

    def back(request: HttpRequest) -> HttpResponse:
        return _answer(come_back(as_seen(counter, request, may_see), request.GET.get("state", "")))

    def live(request: HttpRequest, order_id: str) -> HttpResponse:
        return _answer(give_live_token(as_seen(counter, request, may_see), order_id))

    def standing(request: HttpRequest, order_id: str) -> HttpResponse:
        return _answer(tell_standing(as_seen(counter, request, may_see), order_id))

    return [
        path("generate-payment-link", _posted(link)),
        path("webhooks/banq", _posted(banq)),
        path("webhooks/powens", _posted(powens)),
        path("return", require_GET(back)),
        path("orders/<str:order_id>/live", require_GET(live)),
        path("orders/<str:order_id>/standing", require_GET(standing)),
    ]


def _posted(view: View) -> Any:
    def bounded(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except WebhookRefused as refused:
            return HttpResponse(str(refused), status=413, content_type="text/plain")

    return csrf_exempt(require_POST(bounded))


def _parts(request: HttpRequest) -> Iterator[bytes]:
    return iter(lambda: request.read(PART_BYTES), b"")


def _answer(recipe: Recipe[Reply]) -> HttpResponse:
    reply = cook(recipe)
    return HttpResponse(reply.body, reply.media_type, reply.status, headers=dict(reply.headers))
