"""The cache's stores as metrics, made when somebody reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cache.aio.store import StoreStats


class StoreMetrics(Collector):
    """`seen`: what the stores last told of themselves; `flights`: exchanges under way that others can share. What a
    store doesn't know has no sample."""

    def __init__(
        self,
        seen: Callable[[], Iterable[StoreStats]],
        flights: Callable[[], int],
        similar: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._seen = seen
        self._flights = flights
        self._similar = similar

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "farline_cache_flights", "Exchanges under way that others can share.", value=self._flights()
        )
        similar = CounterMetricFamily(
            "farline_cache_similar", "What similar questions did, also in shadow.", labels=["result"]
        )
        for result, count in self._similar().items():
            similar.add_metric([result], count)
        yield similar
        entries = GaugeMetricFamily("farline_cache_entries", "Stored replies.", labels=["store"])
        size = GaugeMetricFamily("farline_cache_bytes", "What they take.", labels=["store"])
        admitted = GaugeMetricFamily(
            "farline_cache_store_admitted", "0 while the store is left alone after faults.", labels=["store"]
        )
        evictions = CounterMetricFamily(
            "farline_cache_evictions", "Stored replies that made room for others.", labels=["store"]
        )
        faults = CounterMetricFamily(
            "farline_cache_store_faults", "Calls of the store that failed or took too long.", labels=["store"]
        )
        for store in self._seen():
            admitted.add_metric([store.name], store.is_admitted)
            for family, number in (
                (entries, store.entries),
                (size, store.used_bytes),
                (evictions, store.evictions),
                (faults, store.faults),
            ):
                if number is not None:
                    family.add_metric([store.name], number)
        yield from (entries, size, admitted, evictions, faults)
