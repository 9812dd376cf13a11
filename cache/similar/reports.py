"""Who was answered with what, for as long as somebody may say that it was wrong."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from cache.key import Key

MOST_REMEMBERED = 10_000


class Answered(Struct, frozen=True):
    """`asked` and `candidate` are the digests of the two normal forms, the same for one normal form."""

    scope: Key
    asked: bytes
    candidate: bytes
    entry: bytes


class Answers:
    """The latest ones, by request id."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._by_request: OrderedDict[str, Answered] = OrderedDict()

    def remember(self, request_id: str, answered: Answered) -> None:
        self._by_request[request_id] = answered
        if len(self._by_request) > self._most:
            self._by_request.popitem(last=False)

    def take(self, request_id: str, tenant: str | None = None) -> Answered | None:
        """What this request was answered with, once; None if it isn't known, or is another tenant's. No tenant: an
        operator's report."""
        answered = self._by_request.get(request_id)
        if answered is None or tenant not in (None, answered.scope.tenant.partition("+")[0]):
            return None
        return self._by_request.pop(request_id)
