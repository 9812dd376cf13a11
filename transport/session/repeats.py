"""When streams repeat their last bytes: a heap of times, corrected as it is read.

A stream's `due` moves with every token; its entry in the heap stays where it is, and is put right when its time comes.
So a token costs no heap operation. Times are rounded up to a tick: what is due in one is looked after in one go, and
repeated in shared packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from math import ceil, inf

from transport.session.stream import Stream

TICK = 0.005
"""Seconds."""


class Repeats:
    """`next_at`: when to ask `take_due` at the latest, inf for never."""

    __slots__ = ("_heap", "_streams")

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        self._streams = streams
        self._heap: list[tuple[float, int]] = []

    @property
    def next_at(self) -> float:
        return self._heap[0][0] if self._heap else inf

    def arm(self, stream: Stream) -> None:
        """The stream's `due` has changed."""
        if stream.due < stream.queued_at:
            at = max(ceil(stream.due / TICK - 1e-6) * TICK, stream.due)
            if at < stream.queued_at:
                stream.queued_at = at
                heappush(self._heap, (at, stream.id))

    def take_due(self, now: float) -> list[Stream]:
        """The streams whose time has come and that still wait for an answer."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            at, number = heappop(self._heap)
            stream = self._streams.get(number)
            if stream is None or stream.queued_at != at:
                continue
            stream.queued_at = inf
            if stream.due > now:
                self.arm(stream)
            elif stream.is_waiting:
                found.append(stream)
            else:
                stream.due = inf  # until something of it goes out again
        return found
