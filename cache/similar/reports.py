"""Who was answered with what, for as long as somebody may say that it was wrong."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from cache.key import Key

MOST_REMEMBERED = 10_000


class Answered(Struct, frozen=True):
    """`asked` and `candidate` are normal forms; `entry` is the key of the answer that was given."""

    group: Key
    asked: str
    candidate: str
    entry: Key


class Answers:
    """The latest ones, by request id."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._by_request: OrderedDict[str, tuple[str, Answered]] = OrderedDict()

    def remember(self, request_id: str, tenant: str, answered: Answered) -> None:
        """`tenant`: the id of who was answered."""
        self._by_request[request_id] = (tenant, answered)
        if len(self._by_request) > self._most:
            self._by_request.popitem(last=False)

    def take(self, request_id: str, tenant: str | None = None) -> Answered | None:
        """What this request was answered with, once; None if it isn't known, or is another tenant's. No tenant: an
        operator's report."""
        found = self._by_request.get(request_id)
        if found is None or tenant not in (None, found[0]):
            return None
        return self._by_request.pop(request_id)[1]
