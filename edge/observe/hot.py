"""Metrics cheap enough for every request and every chunk: prometheus_client's own cost 2 to 5 times more.

Touched only by the event loop's thread, so without locks; they become metric families when somebody collects.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
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
    """Observations of one thing in buckets. `bounds` are upper bounds, in seconds."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        running, buckets = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            running += count
            buckets.append((bound, float(running)))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


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
