"""W-TinyLFU, bounded in bytes: what to keep when not everything fits.

    new ──► window (1 %, LRU) ──► admitted? ──► probation (20 % of the rest, LRU) ──hit──► protected (80 %, LRU)
                                      │                    ▲                                   │
                                  forgotten                └────────────── overflow ───────────┘

What leaves the window gets in only if it was asked for more often lately than all that would have to go for it
together (Einziger, Friedman, Manes: TinyLFU, ACM TOS 2017; entries of different sizes: Einziger, Eytan, Friedman,
Manes: Lightweight Robust Size Aware Cache Management, ACM TOS 2022). So a flood of questions asked once, which empties
an LRU, passes through the window.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from cache.sketch import Sketch

V = TypeVar("V")
_USUAL_BYTES = 1024  # of an entry; only the sketch's width depends on it
_MOST_COUNTED = 1 << 20


class _Segment(OrderedDict[bytes, tuple[V, int]]):
    """Values with their sizes, the least recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.used_bytes = 0

    def insert(self, digest: bytes, value: V, size: int) -> None:
        self[digest] = (value, size)
        self.used_bytes += size

    def take(self, digest: bytes) -> tuple[V, int]:
        held = self.pop(digest)
        self.used_bytes -= held[1]
        return held


class TinyLfu(Generic[V]):
    """A bounded mapping from digests (at least 16 random bytes) to values, each with its size in bytes."""

    __slots__ = ("_frequency", "_max_protected", "_max_window", "_probation", "_protected", "_window",
                 "evictions", "max_bytes")  # fmt: skip

    def __init__(self, max_bytes: int, window_ratio: float = 0.01) -> None:
        self.max_bytes = max_bytes
        self.evictions = 0
        self._max_window = int(max_bytes * window_ratio)
        self._max_protected = int((max_bytes - self._max_window) * 0.8)
        self._window: _Segment[V] = _Segment()
        self._probation: _Segment[V] = _Segment()
        self._protected: _Segment[V] = _Segment()
        self._frequency = Sketch(min(_MOST_COUNTED, max_bytes // _USUAL_BYTES))

    def __len__(self) -> int:
        return len(self._window) + len(self._probation) + len(self._protected)

    def __iter__(self) -> Iterator[bytes]:
        """All digests, in no promised order; don't change the mapping meanwhile."""
        yield from self._window
        yield from self._probation
        yield from self._protected

    @property
    def used_bytes(self) -> int:
        return self._window.used_bytes + self._probation.used_bytes + self._protected.used_bytes

    def get(self, digest: bytes) -> V | None:
        """The value, or None. Either way this counts as a request for it."""
        self._frequency.record(digest)
        if (held := self._window.get(digest)) is not None:
            self._window.move_to_end(digest)
        elif (held := self._protected.get(digest)) is not None:
            self._protected.move_to_end(digest)
        elif (held := self._probation.get(digest)) is not None:
            self._promote(digest)
        return None if held is None else held[0]

    def peek(self, digest: bytes) -> V | None:
        """The value, or None, without counting."""
        for segment in (self._window, self._protected, self._probation):
            if (held := segment.get(digest)) is not None:
                return held[0]
        return None

    def put(self, digest: bytes, value: V, size: int) -> None:
        """Puts it in, or in the place of its former value. What doesn't fit at all is not kept."""
        self.pop(digest)
        if size > self.max_bytes - self._max_window:
            return
        self._window.insert(digest, value, size)
        while self._window.used_bytes > self._max_window:
            self._leave_window()

    def pop(self, digest: bytes) -> V | None:
        """Takes it out; None if it wasn't in."""
        for segment in (self._window, self._protected, self._probation):
            if digest in segment:
                return segment.take(digest)[0]
        return None

    def clear(self) -> None:
        for segment in (self._window, self._probation, self._protected):
            segment.clear()
            segment.used_bytes = 0

    def _promote(self, digest: bytes) -> None:
        """A second hit: from probation to protected; what overflows there goes back on probation."""
        self._protected.insert(digest, *self._probation.take(digest))
        while self._protected.used_bytes > self._max_protected:
            oldest = next(iter(self._protected))
            self._probation.insert(oldest, *self._protected.take(oldest))

    def _leave_window(self) -> None:
        """The window's oldest: into the main part if there is room, or if it is worth more than its victims."""
        digest = next(iter(self._window))
        value, size = self._window.take(digest)
        room = self.max_bytes - self._max_window - self._probation.used_bytes - self._protected.used_bytes
        victims = self._victims(size - room, self._frequency.estimate(digest))
        if victims is None:
            self.evictions += 1
            return
        for victim in victims:
            self.pop(victim)
            self.evictions += 1
        self._probation.insert(digest, value, size)

    def _victims(self, needed: int, worth: int) -> list[bytes] | None:
        """Who would have to go for `needed` bytes; None if together they were asked for as often as `worth`."""
        victims: list[bytes] = []
        freed, cost = 0, 0
        for segment in (self._probation, self._protected):
            for digest, (_, size) in segment.items():
                if freed >= needed:
                    return victims
                cost += self._frequency.estimate(digest)
                if cost >= worth:
                    return None
                victims.append(digest)
                freed += size
        return victims
