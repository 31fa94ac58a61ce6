"""The shop's endpoints as routes for Starlette and FastAPI; the counter's clients are asynchronous."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

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
from opengiro_kit.signatures import WebhookRefused, whole_async
from opengiro_kit.steps import Recipe, cook_async

Transaction = TypeVar("Transaction")
MaySee = Callable[[Request, str], bool]
Endpoint = Callable[[Request], Awaitable[Response]]


def payments(counter: Counter[Transaction], may_see: MaySee | None = None) -> list[Route]:
    """Return the endpoints of a shop.

    Args:
        may_see: whether this visitor may see that order; without it, knowing an order's id is enough.
    """

    async def link(request: Request) -> Response:
        body = await whole_async(request.stream())
        return await _answer(
            generate_link(as_seen(counter, request, may_see), request.headers.get("content-type", ""), body)
        )

    async def banq(request: Request) -> Response:
        return await _answer(hear_banq(counter, request.headers, await whole_async(request.stream())))

    async def powens(request: Request) -> Response:
        body = await whole_async(request.stream())
        return await _answer(hear_powens(counter, request.headers, body, request.url.path))

    async def back(request: Request) -> Response:
        return await _answer(come_back(as_seen(counter, request, may_see), request.query_params.get("state", "")))

    async def live(request: Request) -> Response:
        return await _answer(give_live_token(as_seen(counter, request, may_see), request.path_params["order_id"]))

    async def standing(request: Request) -> Response:
        return await _answer(tell_standing(as_seen(counter, request, may_see), request.path_params["order_id"]))

    return [
        Route("/generate-payment-link", _bounded(link), methods=["POST"]),
        Route("/webhooks/banq", _bounded(banq), methods=["POST"]),
        Route("/webhooks/powens", _bounded(powens), methods=["POST"]),
        Route("/return", back, methods=["GET"]),
        Route("/orders/{order_id}/live", live, methods=["GET"]),
        Route("/orders/{order_id}/standing", standing, methods=["GET"]),
    ]


def _bounded(endpoint: Endpoint) -> Endpoint:
    async def bounded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except WebhookRefused as refused:
            return Response(str(refused), 413, media_type="text/plain")

    return bounded


async def _answer(recipe: Recipe[Reply]) -> Response:
    reply = await cook_async(recipe)
    return Response(reply.body, reply.status, dict(reply.headers), reply.media_type if reply.body else None)
