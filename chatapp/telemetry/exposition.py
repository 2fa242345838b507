"""The counts of one process or of several in Prometheus' text format, each series with the process it is of.

With a label for the process, one that ends takes its series with it, instead of letting a sum fall, which Prometheus
would take for a counter that began anew. Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from chatapp.telemetry.metrics import REGISTRY

__all__ = ["CONTENT_TYPE_LATEST", "Family", "collect", "expose"]

Family = Sequence[Any]
"""Name, help, type, and samples `[name, labels, value]`: as JSON carries it."""


def collect() -> list[Family]:
    """What this process counts, at this moment."""
    return [
        (
            metric.name,
            metric.documentation,
            metric.type,
            # When a counter began is no series anybody draws, and there is one for each.
            [(each.name, each.labels, each.value) for each in metric.samples if not each.name.endswith("_created")],
        )
        for metric in REGISTRY.collect()
    ]


def expose(families_of: Mapping[str, Iterable[Family]]) -> bytes:
    """The text Prometheus reads.

    Args:
        families_of: what each process collected, by its name.
    """
    merged: dict[str, Metric] = {}
    for process, families in families_of.items():
        for name, documentation, kind, samples in families:
            metric = merged.setdefault(name, Metric(name, documentation, kind))
            for sample, labels, value in samples:
                metric.add_sample(sample, {**labels, "process": process}, value)
    registry = CollectorRegistry()
    registry.register(_Collected(list(merged.values())))
    return generate_latest(registry)


class _Collected:
    """Metrics as a registry asks for them."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
