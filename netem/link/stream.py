"""A TCP byte stream over a lane, for relays that see bytes and not packets: loss becomes the delay of its repair."""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

from netem.link.event import Direction
from netem.link.link import Link

SEGMENT_BYTES = 1448
HEADER_BYTES = 52
FIRST_RTO = 0.2
MAX_RTO = 4.0
_TCP_FLOW = bytes([6])


@dataclass(slots=True)
class _Segment:
    data: bytes
    arrives: float = inf
    attempts: int = 0


class Stream:
    """One direction of one connection.

    Each segment of 1448 bytes is offered to the lane. A lost one is offered again a round trip plus a quarter later
    the first time (as after duplicate acks), then with doubling time-outs; what is behind it waits, as TCP's reader
    does. There is no congestion window here: slow start and its collapse after loss are *not* shown.
    """

    def __init__(self, link: Link, direction: Direction) -> None:
        self._link = link
        self._direction = direction
        self._waiting: deque[_Segment] = deque()
        self._retries: list[tuple[float, int, _Segment]] = []
        self._serial = 0
        self.bytes_inside = 0

    def push(self, data: bytes, now: float) -> None:
        """Bytes enter the line."""
        self.bytes_inside += len(data)
        for start in range(0, len(data), SEGMENT_BYTES):
            segment = _Segment(data[start : start + SEGMENT_BYTES])
            self._waiting.append(segment)
            self._send(segment, now)

    def poll(self, now: float) -> list[bytes]:
        """Repair what is due; the bytes that have arrived by `now`, in order."""
        while self._retries and self._retries[0][0] <= now:
            self._send(heappop(self._retries)[2], now)
        out: list[bytes] = []
        while self._waiting and self._waiting[0].arrives <= now:
            out.append(self._waiting.popleft().data)
            self.bytes_inside -= len(out[-1])
        return out

    def timer(self) -> float:
        """When to call `poll` next; inf: nothing is inside."""
        first = self._waiting[0].arrives if self._waiting else inf
        return min(first, self._retries[0][0] if self._retries else inf)

    def _send(self, segment: _Segment, now: float) -> None:
        deliveries = self._link.offer(self._direction, len(segment.data) + HEADER_BYTES, _TCP_FLOW, now)
        if deliveries:
            segment.arrives = deliveries[0].at
            return
        segment.attempts += 1
        self._serial += 1
        heappush(self._retries, (now + self._wait(segment.attempts), self._serial, segment))

    def _wait(self, attempts: int) -> float:
        round_trip = (self._link.lane("up").conditions.delay_ms + self._link.lane("down").conditions.delay_ms) / 1000.0
        if attempts == 1:
            return max(1.25 * round_trip, 0.01)
        return min(max(FIRST_RTO, 2 * round_trip) * 2.0 ** (attempts - 2), MAX_RTO)
