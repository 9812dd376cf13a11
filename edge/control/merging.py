"""The metrics of several worker processes as one exposition: every sample gets its `worker` label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families
from prometheus_client.registry import Collector

from edge.observe.exposition import exposed


def merge(expositions: Mapping[str, str], is_open: bool = False) -> bytes:
    """`expositions`: worker name → text format, or OpenMetrics. Families are joined by name, in the order they first
    come."""
    parsed = open_families if is_open else text_families
    families: dict[str, Metric] = {}
    for worker, text in expositions.items():
        for family in parsed(text):
            joined = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    joined.samples.append(sample._replace(labels={**sample.labels, "worker": worker}))
    return exposed(_Families(families.values()), is_open)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
