"""What an edge may use of this relay: requests at once, and bytes a day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from edge.config.model import EdgePeer

DAY = 86_400.0


class Quotas:
    """The daily bytes are a bucket that fills evenly over 24 hours, so there is no hour at which all begins anew."""

    def __init__(self) -> None:
        self.in_flight: Counter[str] = Counter()
        self._edges: dict[str, EdgePeer] = {}
        self._most = 0
        self._spent: dict[str, tuple[float, float]] = {}  # bytes over what has flowed back, and when that was

    def configure(self, edges: Iterable[EdgePeer], max_in_flight: int) -> None:
        self._edges = {edge.id: edge for edge in edges}
        self._most = max_in_flight

    def take(self, edge: str, now: float) -> str | None:
        """A place for one more request, to be given back; or why there is none."""
        peer = self._edges.get(edge)
        if peer is None:
            return "this edge is no longer configured here"
        if self.in_flight[edge] >= peer.max_streams:
            return f"more than {peer.max_streams} requests of this edge at once"
        if self.in_flight.total() >= self._most:
            return f"more than {self._most} requests at once"
        if peer.max_gb_per_day and self.spent(edge, now) >= peer.max_gb_per_day * 1e9:
            return f"more than {peer.max_gb_per_day:g} GB in a day"
        self.in_flight[edge] += 1
        return None

    def give_back(self, edge: str, size: int, now: float) -> None:
        """The request is over, and moved so many bytes of bodies."""
        self.in_flight[edge] -= 1
        self._spent[edge] = (self.spent(edge, now) + size, now)

    def spent(self, edge: str, now: float) -> float:
        """Bytes of the last day's allowance in use."""
        spent, at = self._spent.get(edge, (0.0, now))
        peer = self._edges.get(edge)
        back = peer.max_gb_per_day * 1e9 / DAY * (now - at) if peer is not None else 0.0
        return max(0.0, spent - back)
