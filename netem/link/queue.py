"""Bottlenecks: one droptail queue per direction, one token bucket per policed flow."""

from netem.link.conditions import Police

_BYTES_PER_MBIT = 125_000.0
MAX_FLOWS = 4096
"""Policed flows remembered; the one that began first is forgotten beyond it."""


class Droptail:
    """A transmitter of constant rate behind a queue that drops what doesn't fit."""

    __slots__ = ("_bytes_per_second", "_free_at", "_queue_bytes")

    def __init__(self, rate_mbit: float, queue_bytes: int) -> None:
        self._bytes_per_second = rate_mbit * _BYTES_PER_MBIT
        self._queue_bytes = queue_bytes
        self._free_at = 0.0

    def leaves_at(self, size: int, now: float) -> float | None:
        """When the last bit of the packet is sent, or None: the queue is full. The packet in transmission counts."""
        start = max(now, self._free_at)
        if (start - now) * self._bytes_per_second + size > self._queue_bytes:
            return None
        self._free_at = start + size / self._bytes_per_second
        return self._free_at


class Bucket:
    """One flow's tokens."""

    __slots__ = ("_began", "_police", "_seen", "_tokens")

    def __init__(self, police: Police, now: float) -> None:
        self._police = police
        self._tokens = float(police.burst_bytes)
        self._began = self._seen = now

    def takes(self, size: int, now: float) -> bool:
        """True if the packet passes; its size is then taken from the tokens."""
        police = self._police
        is_later = police.later_mbit > 0.0 and now - self._began >= police.later_after
        rate = (police.later_mbit if is_later else police.rate_mbit) * _BYTES_PER_MBIT
        self._tokens = min(police.burst_bytes, self._tokens + (now - self._seen) * rate)
        self._seen = now
        if self._tokens < size:
            return False
        self._tokens -= size
        return True


class Policer:
    """A bucket for each flow."""

    __slots__ = ("_buckets", "_police")

    def __init__(self, police: Police) -> None:
        self._police = police
        self._buckets: dict[bytes, Bucket] = {}

    def takes(self, flow: bytes, size: int, now: float) -> bool:
        """True if the packet of `flow` passes."""
        bucket = self._buckets.get(flow)
        if bucket is None:
            if len(self._buckets) >= MAX_FLOWS:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[flow] = Bucket(self._police, now)
        return bucket.takes(size, now)
