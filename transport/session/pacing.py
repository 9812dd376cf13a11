"""How fast bulk goes over one carrier: by the delivery rate that is measured on it (`transport.congestion`).

    the start   START_RATE for the first round trip, where nothing is known: an upload shouldn't need four round trips
                to find out that a line between data centres isn't a modem
    its end     rounds that bring no growth, or a round that was slow on average: a queue stands, and the tokens that
                share the line stand in it
    a queue     is drained in every other round as long as it is seen; not in every one, or those who fill it would
                get the whole line

What is learned stays with the carrier: the next upload starts at the rate that the last one found.
"""

from __future__ import annotations

from transport.congestion import DeliveryRateControl

START_RATE = 2_000_000
"""Bytes/s, 16 Mbit/s. On a line of 4 Mbit/s that is a queue of half a second, once."""
QUEUE_RATIO, QUEUE = 1.15, 0.02
"""A round met a queue if its packets took so many times the shortest round trip on average and so many seconds more."""


class BulkRate(DeliveryRateControl):
    """`congestion_window` is how many bytes may be under way. Thin streams count, but are never held back."""

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._round_seconds = 0.0
        self._round_samples = 0
        self._drains = False

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        super().on_rtt_measurement(now=now, rtt=rtt)
        self._round_seconds += rtt
        self._round_samples += 1

    def _end_round(self, now: float) -> None:
        mean = self._round_seconds / max(self._round_samples, 1)
        has_queue = self._is_limited and mean > self.shortest_round_trip * QUEUE_RATIO + QUEUE
        if has_queue:
            self._is_starting = False
        self._drains = has_queue and not self._drains
        self._round_seconds, self._round_samples = 0.0, 0
        super()._end_round(now)

    def _gain(self) -> float:
        return 1.0 if self._drains else super()._gain()

    def _set_window(self) -> None:
        super()._set_window()
        if self._is_starting:
            self.congestion_window = max(self.congestion_window, int(START_RATE * self.shortest_round_trip))
