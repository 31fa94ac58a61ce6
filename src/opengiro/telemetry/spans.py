"""Spans of OpenTelemetry: a request, a commit, a call to a bank, a webhook. Without `opengiro[otel]` there are none.

The standard variables decide: OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) switches them on,
OTEL_TRACES_SAMPLER thins them out, OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none switch them off. An error
marks its span by its class only: what it says may hold what a bank or a payer said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NOTHING = contextlib.nullcontext(None)


class _Spans:
    """Where spans go; nowhere, unless a tracer was set."""

    tracer: Tracer | None = None


def begin(environment: Mapping[str, str]) -> bool:
    """Trace from now on if that is installed and the environment says where to; return whether it is so."""
    wanted = any(environment.get(name) for name in _ENDPOINTS)
    if not wanted or _is_off(environment) or not _is_installed():
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_with(provider.get_tracer("opengiro"))
    return True


def _is_off(environment: Mapping[str, str]) -> bool:
    disabled, exporter = environment.get("OTEL_SDK_DISABLED", ""), environment.get("OTEL_TRACES_EXPORTER")
    return disabled.lower() == "true" or exporter == "none"


def _is_installed() -> bool:
    return all(find_spec(name) for name in ("opentelemetry", "opentelemetry.exporter", "opentelemetry.exporter.otlp"))


def trace_with(tracer: Tracer | None) -> None:
    """Make spans with this tracer, or none."""
    _Spans.tracer = tracer


def tracing() -> bool:
    """Whether spans are made."""
    return _Spans.tracer is not None


def span(name: str, **attributes: str | int) -> contextlib.AbstractContextManager[Any]:
    """Return a block that is a span while spans are made, and costs next to nothing while they are not."""
    return _NOTHING if _Spans.tracer is None else _span(_Spans.tracer, name, attributes)


def request_span(traceparent: str | None) -> contextlib.AbstractContextManager[Any]:
    """Return the span of a request, below the caller's own if it named that."""
    if _Spans.tracer is None:
        return _NOTHING
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  # an extra
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    above = TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
    return _span(_Spans.tracer, "request", {}, context=above, kind=SpanKind.SERVER)


@contextlib.contextmanager
def _span(tracer: Tracer, name: str, attributes: Mapping[str, str | int], **more: Any) -> Iterator[Any]:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # an extra

    more |= {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, attributes=attributes, **more) as made:
        try:
            yield made
        except BaseException as trouble:
            made.set_status(Status(StatusCode.ERROR, type(trouble).__name__))
            raise
