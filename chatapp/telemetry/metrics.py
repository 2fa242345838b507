"""What a process counts and measures, as Prometheus reads it.

Every label has few values: outcomes, reasons, lanes, and the names of models and providers, which admins give. Tenants
and people are no labels, since there may be any number of them; the overview and the traces say what was whose.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
_MAX_NAMES = 200
"""Models that have series of their own; later ones share `other`, so that no catalogue fills a Prometheus."""
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

TURNS = Counter("chatapp_turns", "Answers that ended.", ("feature", "outcome"), registry=REGISTRY)
TOKENS = Counter("chatapp_tokens", "Tokens models read and wrote.", ("direction", "model"), registry=REGISTRY)
COST = Counter("chatapp_cost_micro_usd", "What answers cost, in micro-dollars.", ("model",), registry=REGISTRY)
ATTEMPTS = Counter(
    "chatapp_provider_attempts",
    "Requests to providers; of a shared one each answer counts its own.",
    ("provider", "model", "outcome"),
    registry=REGISTRY,
)
RETRIES = Counter(
    "chatapp_provider_retries",
    "Requests made once more of the same model for the same answer.",
    ("provider", "model", "outcome"),
    registry=REGISTRY,
)
FIRST_TOKEN = Histogram(
    "chatapp_first_token_seconds", "From the question to the first text.", buckets=_SECONDS, registry=REGISTRY
)
ANSWER = Histogram(
    "chatapp_answer_seconds", "From the question to the end of the answer.", buckets=_SECONDS, registry=REGISTRY
)
QUEUE_WAIT = Histogram(
    "chatapp_queue_wait_seconds", "How long answers waited for a place.", buckets=_SECONDS, registry=REGISTRY
)
REFUSALS = Counter(
    "chatapp_refusals", "Questions turned away because too much was asked.", ("reason", "lane"), registry=REGISTRY
)
SHARED_REQUESTS = Counter(
    "chatapp_single_flight", "Requests to providers that were made, and joined.", ("role",), registry=REGISTRY
)
RUNNING = Gauge("chatapp_running", "Places held.", ("queue",), registry=REGISTRY)
WAITING = Gauge("chatapp_waiting", "How many wait for a place.", ("queue", "lane"), registry=REGISTRY)
OLDEST = Gauge("chatapp_oldest_wait_seconds", "How long the first has waited.", ("queue", "lane"), registry=REGISTRY)
LOOP_LAG = Gauge("chatapp_event_loop_lag_seconds", "How late the event loop is.", registry=REGISTRY)


class _Names:
    """Models that have series of their own."""

    known: set[str] = set()  # noqa: RUF012  # one list a process is what this is


def bounded(name: str) -> str:
    """The name of a model or provider as a label: itself, or `other` when there are too many already."""
    if name not in _Names.known and len(_Names.known) >= _MAX_NAMES:
        return "other"
    _Names.known.add(name)
    return name
