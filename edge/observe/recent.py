"""The last requests, with why each went where it went. Bounded; a Ranking is made only when somebody asks.

A request that failed or was slow is kept longer than the others. Choices share what they were made from (the lane and
its health view); only so many different ones are kept, and requests older than those have no ranking any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from edge.observe.record import RequestRecord
from edge.routing.explain import explain
from edge.routing.lane import Lane
from edge.routing.ranking import Ranking

SLOW_SECONDS = 3.0  # to the first byte


class Recent:
    """`newest` requests, and beyond them `kept` that failed or were slow; `lanes`: most different choices' origins."""

    def __init__(self, newest: int = 2000, kept: int = 500, lanes: int = 500) -> None:
        self._newest: deque[RequestRecord] = deque()
        self._kept: deque[RequestRecord] = deque()
        self._by_id: dict[str, RequestRecord] = {}
        self._lanes: dict[int, tuple[Lane, dict[str, RequestRecord]]] = {}  # by identity, oldest first
        self._most_newest = newest
        self._most_kept = kept
        self._most_lanes = lanes

    def add(self, record: RequestRecord) -> None:
        """A finished request."""
        self._newest.append(record)
        self._by_id[record.id] = record
        if record.choice is not None:
            self._share(record, record.choice.lane)
        if len(self._newest) > self._most_newest:
            self._age(self._newest.popleft())

    def find(self, request_id: str) -> tuple[RequestRecord, Ranking | None] | None:
        """The request and why it went where it went (None: never routed, or too old for that); None: not known here."""
        record = self._by_id.get(request_id)
        return None if record is None else (record, ranking_of(record))

    def latest(self, count: int) -> list[RequestRecord]:
        """Up to `count` requests, newest first."""
        return [record for record, _ in zip(self._all(), range(count), strict=False)]

    def _all(self) -> Iterator[RequestRecord]:
        yield from reversed(self._newest)
        yield from reversed(self._kept)

    def _share(self, record: RequestRecord, lane: Lane) -> None:
        known = self._lanes.get(id(lane))
        if known is not None:
            known[1][record.id] = record
            return
        self._lanes[id(lane)] = (lane, {record.id: record})  # holding the lane keeps its id its own
        if len(self._lanes) > self._most_lanes:
            oldest = next(iter(self._lanes))
            for each in self._lanes.pop(oldest)[1].values():
                each.choice = None

    def _age(self, record: RequestRecord) -> None:
        if not is_remarkable(record):
            self._forget(record)
            return
        self._kept.append(record)
        if len(self._kept) > self._most_kept:
            self._forget(self._kept.popleft())

    def _forget(self, record: RequestRecord) -> None:
        del self._by_id[record.id]
        if record.choice is not None:
            lane = id(record.choice.lane)
            shared = self._lanes[lane][1]
            del shared[record.id]
            if not shared:
                del self._lanes[lane]


def ranking_of(record: RequestRecord) -> Ranking | None:
    """Why the request went where it went, as far as that is still known."""
    return None if record.choice is None else explain(record.choice)


def is_remarkable(record: RequestRecord) -> bool:
    """Did it fail, or take long to begin?"""
    if record.failure is not None or record.status >= 500:
        return True
    return record.first_byte_at is not None and record.first_byte_at - record.received_at > SLOW_SECONDS
