"""Everything that is measured, by name. One process, one registry; whoever scrapes adds the processes up."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_AFAR = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

REQUESTS = Histogram(
    "opengiro_request_seconds",
    "Requests that were let in, by wire, method, route template and class of status (2xx).",
    ["wire", "method", "route", "status"],
    buckets=_FAST,
    registry=REGISTRY,
)
SHEDS = Counter(
    "opengiro_sheds",
    "Requests turned away at the door: overloaded, or above a merchant's quota.",
    ["why", "urgency"],
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("opengiro_in_flight", "Requests being worked on, by urgency.", ["urgency"], registry=REGISTRY)
LOOP_LAG = Gauge("opengiro_loop_lag_seconds", "How late the event loop has been running at least.", registry=REGISTRY)
REFUSALS = Counter("opengiro_refusals", "Commands declined, by wire and reason.", ["wire", "why"], registry=REGISTRY)
FAULTS = Counter("opengiro_faults", "Requests that ended in a malfunction of ours.", ["wire"], registry=REGISTRY)
MOVES = Counter("opengiro_moves", "Payments that entered a state.", ["state"], registry=REGISTRY)
COMMITS = Histogram(
    "opengiro_commit_seconds",
    "Commits as their callers saw them, by outcome: saved, conflict or failed.",
    ["outcome"],
    buckets=_FAST,
    registry=REGISTRY,
)
BATCHES = Histogram("opengiro_commit_batch_size", "Commands that shared one commit.", buckets=_SIZES, registry=REGISTRY)
BANK_CALLS = Histogram(
    "opengiro_bank_call_seconds",
    "Calls to banks, by bank, operation and outcome: heard, not_sent, refused or unknown.",
    ["bank", "operation", "outcome"],
    buckets=_AFAR,
    registry=REGISTRY,
)
BANK_UNHEARD = Counter(
    "opengiro_bank_unknown_statuses", "Statuses of banks that no table of ours knows.", ["bank"], registry=REGISTRY
)
BANK_HEALTH = Gauge(
    "opengiro_bank_health", "Health of a bank in the directory: 1 is healthy, 0.5 degraded, 0 down.", ["bank"],
    registry=REGISTRY,
)  # fmt: skip
DELIVERIES = Histogram(
    "opengiro_delivery_seconds",
    "Attempts to deliver a webhook, by what came of it: 2xx, 4xx, timeout, tls and so on.",
    ["outcome"],
    buckets=_AFAR,
    registry=REGISTRY,
)
DELIVERIES_DUE = Gauge(
    "opengiro_deliveries_due", "Deliveries that are due at endpoints that are not paused.", registry=REGISTRY
)
DELIVERY_AGE = Gauge(
    "opengiro_delivery_oldest_due_seconds", "How long the oldest of them has been due.", registry=REGISTRY
)
STREAMS = Gauge("opengiro_live_streams", "Followers of live status.", registry=REGISTRY)
CONNECTIONS = Gauge(
    "opengiro_database_connections",
    "Connections to PostgreSQL: open, idle among them, and those awaited.",
    ["state"],
    registry=REGISTRY,
)
BUILD = Gauge(
    "opengiro_build_info", "Always 1; the labels are what runs.", ["version", "engine", "schema"], registry=REGISTRY
)
UP = Gauge("opengiro_database_up", "Whether the database answered at the last look.", registry=REGISTRY)
