"""The shop's endpoints as a blueprint for Flask; the counter's clients are blocking."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from flask import Blueprint, Request, Response, request

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
MaySee = Callable[[Request, str], bool]

PART_BYTES = 65_536


def payments(counter: Counter[Transaction], may_see: MaySee | None = None, name: str = "payments") -> Blueprint:
    """Return the endpoints of a shop.

    Args:
        may_see: whether this visitor may see that order; without it, knowing an order's id is enough.
    """
    routes = Blueprint(name, __name__)

    @routes.post("/generate-payment-link")
    def link() -> Response:
        return _answer(
            generate_link(as_seen(counter, request, may_see), request.headers.get("content-type", ""), whole(_parts()))
        )

    @routes.post("/webhooks/banq")
    def banq() -> Response:
        return _answer(hear_banq(counter, dict(request.headers), whole(_parts())))

    @routes.post("/webhooks/powens")
    def powens() -> Response:
        return _answer(hear_powens(counter, dict(request.headers), whole(_parts()), request.path))

    @routes.get("/return")
    def back() -> Response:
        return _answer(come_back(as_seen(counter, request, may_see), request.args.get("state", "")))

    @routes.get("/orders/<order_id>/live")
    def live(order_id: str) -> Response:
        return _answer(give_live_token(as_seen(counter, request, may_see), order_id))

    @routes.get("/orders/<order_id>/standing")
    def standing(order_id: str) -> Response:
        return _answer(tell_standing(as_seen(counter, request, may_see), order_id))

    @routes.errorhandler(WebhookRefused)
    def too_large(refused: WebhookRefused) -> Response:
        return Response(str(refused), 413, mimetype="text/plain")

    return routes


def _parts() -> Iterator[bytes]:
    return iter(lambda: request.stream.read(PART_BYTES), b"")


def _answer(recipe: Recipe[Reply]) -> Response:
    reply = cook(recipe)
    return Response(reply.body, reply.status, dict(reply.headers), mimetype=reply.media_type)
