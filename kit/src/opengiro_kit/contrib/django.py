"""The shop's endpoints as URL patterns for Django; the counter's clients are blocking.

They are exempt from Django's form token: webhooks carry a signature instead, and a payment link is asked for with JSON,
which no other site's form can send.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

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
from opengiro_kit.signatures import WebhookRefused, whole
from opengiro_kit.steps import Recipe, cook

Transaction = TypeVar("Transaction")
MaySee = Callable[[HttpRequest, str], bool]
View = Callable[..., HttpResponse]

PART_BYTES = 65_536


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
