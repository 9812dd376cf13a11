"""Metrics cheap enough for every request and every chunk: prometheus_client's own cost 2 to 5 times more.

Touched only by the event loop's thread, so without locks; they become metric families when somebody collects.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf

from prometheus_client.core import CounterMetricFamily, Exemplar, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class HotCounter(Collector):
    """A counter by label values: `counter.by[values] += 1`; `values` in the order of `labels`."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self.by: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, number in self.by.items():
            family.add_metric(values, number)
        yield family


class Distribution:
    """Observations of one thing in buckets. `bounds` are upper bounds, in seconds.

    A bucket has at most one exemplar, the latest (OpenMetrics 1.0, "Exemplars"): so many there can be, and no more.
    """

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: dict[int, tuple[dict[str, str], float, float]] = {}
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def exemplify(self, value: float, labels: dict[str, str], utc: float) -> None:
        """Says of which request `value`, observed already, was; `utc`: when, in seconds since the epoch."""
        self._exemplars[bisect_left(self._bounds, value)] = (labels, value, utc)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        running = 0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, (bound, count) in enumerate(zip([*self._bounds, inf], self._counts, strict=True)):
            running += count
            found, told = self._exemplars.get(place), (_spelled(bound), float(running))
            buckets.append(told if found is None else (*told, Exemplar(found[0], found[1], round(found[2], 3))))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


def _spelled(bound: float) -> str:
    """As OpenMetrics wants it."""
    return "+Inf" if bound == inf else repr(float(bound))


class HotHistogram(Distribution, Collector):
    """One unlabelled histogram."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        super().__init__(bounds)
        self._name = name
        self._text = text

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text)
        self.add_to(family, [])
        yield family


class HotHistograms(Collector):
    """A histogram by one label: `histograms.by[value].observe(seconds)`."""

    def __init__(self, name: str, text: str, label: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._text = text
        self._label = label
        self.by: defaultdict[str, Distribution] = defaultdict(lambda: Distribution(bounds))

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        for value, distribution in self.by.items():
            distribution.add_to(family, [value])
        yield family
