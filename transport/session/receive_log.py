"""One direction of a stream at its receiver: segments by offset, from several carriers, merged into bytes in order."""

from __future__ import annotations

from bisect import bisect_left

from transport.session.values import Code
from transport.session.wire import WireError


class ReceiveLog:
    """Keeps at most the window's worth of bytes that came ahead of a gap; the bytes without a gap aren't kept.

    base   bytes received without a gap, all handed out      highest   end of the furthest byte received
    final  where the stream ends, once known                 limit     the credit given: no byte may lie beyond
    """

    __slots__ = ("_ahead", "_last_told", "_window", "base", "consumed", "final", "highest", "is_done", "limit")

    def __init__(self, window: int) -> None:
        self._ahead: list[tuple[int, bytes]] = []
        self._window = window
        self._last_told = window
        self.limit = window
        self.base = 0
        self.highest = 0
        self.consumed = 0
        self.final: int | None = None
        self.is_done = False

    def receive(self, offset: int, data: bytes, *, is_end: bool) -> bytes:
        """The bytes that are now in order, b"" if none. `is_done` is True once the last of them was returned.

        Raises WireError: FLOW_CONTROL for bytes beyond the credit, FINAL_SIZE for two different ends.
        """
        end = offset + len(data)
        if end > self.limit:
            raise WireError(Code.FLOW_CONTROL, f"byte {end} of a stream with credit for {self.limit}")
        if is_end or self.final is not None:
            self._check_final(end, is_end)
        if end > self.highest:
            self.highest = end
        if offset > self.base:
            if data:
                self._keep(offset, data)
            return b""
        fresh = data[self.base - offset :] if end > self.base else b""
        self.base += len(fresh)
        if self._ahead:
            fresh += self._take_ahead()
        self.is_done = self.base == self.final
        return fresh

    def consume(self, size: int) -> int | None:
        """The application took `size` bytes; the new credit if it is time to tell the peer."""
        self.consumed += size
        self.limit = self.consumed + self._window
        if self.limit - self._last_told < self._window >> 2 or self.final is not None:
            return None
        self._last_told = self.limit
        return self.limit

    def _check_final(self, end: int, is_end: bool) -> None:
        if is_end and self.final is None and end >= self.highest:
            self.final = end
        if self.final is None or end > self.final or (is_end and end != self.final):
            raise WireError(Code.FINAL_SIZE, "a stream with two ends")

    def _keep(self, offset: int, data: bytes) -> None:
        """Overlaps are cut off, so that no byte is kept twice."""
        ahead, end = self._ahead, offset + len(data)
        at = max(bisect_left(ahead, (offset,)) - 1, 0)
        while at < len(ahead) and offset < end:
            start, held = ahead[at]
            if start >= end:
                break
            if start > offset:
                ahead.insert(at, (offset, data[: start - offset]))
                at += 1
            cut = min(max(start + len(held) - offset, 0), end - offset)
            data, offset = data[cut:], offset + cut
            at += 1
        if offset < end:
            ahead.insert(at, (offset, data))

    def _take_ahead(self) -> bytes:
        taken = []
        while self._ahead and self._ahead[0][0] <= self.base:
            offset, data = self._ahead.pop(0)
            taken.append(data[self.base - offset :])
            self.base = max(self.base, offset + len(data))
        return b"".join(taken)
