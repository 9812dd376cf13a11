"""The figures of this process, counted as requests end."""

from __future__ import annotations

from collections.abc import Iterable

from edge.alerts.figures import Figures, line_figures
from edge.observe.record import RequestRecord
from edge.observe.tally import Tally
from health.quantiles import Quantiles
from health.view import HealthView
from transport.failure import Origin
from transport.path import LOCAL, Line

_TTFT_HALF_LIFE = 150.0  # seconds: "over about 5 min"
_LEAST_TTFTS = 20.0


class NodeFigures:
    """`now` is monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._five_minutes = Tally(10.0, 30)
        self._day = Tally(60.0, 1440)
        self._pool = Tally(5.0, 12)
        self._ttft = Quantiles(_TTFT_HALF_LIFE, now)

    def count(self, record: RequestRecord, now: float) -> None:
        """One request is over. Those that the client gave up say nothing about us."""
        path = record.path
        if path is not None and path.line == LOCAL:
            self._pool.add(True, now)
        if record.client_left:
            return
        good = is_good(record)
        self._five_minutes.add(good, now)
        self._day.add(good, now)
        if record.first_byte_at is not None and record.facts is not None and record.facts.streaming:
            self._ttft.add(record.first_byte_at - record.received_at, now)

    def at(self, now: float, lines: Iterable[Line], view: HealthView, in_flight: int) -> Figures:
        """All of it."""
        good, bad = self._five_minutes.counts(now)
        good_24h, bad_24h = self._day.counts(now)
        enough = self._ttft.count(now) >= _LEAST_TTFTS
        return Figures(
            {line.id: line_figures(line, view) for line in lines},
            good,
            bad,
            good_24h,
            bad_24h,
            self._ttft.quantile(0.95, now) if enough else None,
            in_flight,
            sum(self._pool.counts(now)),
        )


def is_good(record: RequestRecord) -> bool:
    """Did the client get an answer? Refusals of its own request are answers; what broke on the way is none."""
    return record.status < 500 and (record.failure is None or record.failure.origin is Origin.CLIENT)
