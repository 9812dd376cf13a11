"""Each request id is executed at most once, however often and over whatever it arrives.

    NEW        never seen: execute it                    (→ `finished` or `failed_before_start`)
    EXECUTING  under way: join it, never start it again
    DONE       finished, the outcome is still kept
    FORGOTTEN  finished long ago: refuse with Code.DUPLICATE

Memory is bounded: `kept` outcomes and `remembered` ids. An id older than those can't be told from a new one, so an edge
never repeats an id after `horizon` seconds (it gives up or takes a new id), and the table is sized for what an edge may
send in that time; if it is full of ids younger than that, new ids are refused (FULL) rather than old ones forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")


class Verdict(Enum):
    """What to do with an arriving request id."""

    NEW = auto()
    EXECUTING = auto()
    DONE = auto()
    FORGOTTEN = auto()
    FULL = auto()


class OnceTable(Generic[T]):
    """Keys are (edge, request id) or whatever names one request of one owner; T is what is kept of an outcome."""

    def __init__(self, *, kept: int = 1000, remembered: int = 100_000, horizon: float = 3600.0) -> None:
        self._executing: set[bytes] = set()
        self._done: OrderedDict[bytes, T] = OrderedDict()
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self._kept = kept
        self._remembered = remembered
        self._horizon = horizon

    def __len__(self) -> int:
        """Ids that are remembered, those under way included."""
        return len(self._executing) + len(self._seen)

    def arrive(self, key: bytes, now: float) -> Verdict:
        """A request came. After NEW you must call `finished` or `failed_before_start` once."""
        if key in self._executing:
            return Verdict.EXECUTING
        if key in self._done:
            return Verdict.DONE
        if key in self._seen:
            return Verdict.FORGOTTEN
        self._forget_old(now)
        if len(self) >= self._remembered:
            return Verdict.FULL
        self._executing.add(key)
        return Verdict.NEW

    def outcome(self, key: bytes) -> T:
        """What was kept of a request that is DONE. Raises KeyError for any other."""
        return self._done[key]

    def finished(self, key: bytes, outcome: T, now: float) -> None:
        """The provider answered, or may have acted on it. Raises KeyError if it wasn't under way."""
        self._executing.remove(key)
        self._seen[key] = now
        self._done[key] = outcome
        if len(self._done) > self._kept:
            self._done.popitem(last=False)

    def failed_before_start(self, key: bytes) -> None:
        """Nothing of it reached a provider: it may come again. Raises KeyError if it wasn't under way."""
        self._executing.remove(key)

    def drop(self, key: bytes) -> None:
        """The edge has the whole reply: the outcome need not be kept, the id stays remembered."""
        self._done.pop(key, None)

    def _forget_old(self, now: float) -> None:
        while self._seen:
            key, at = next(iter(self._seen.items()))
            if now - at < self._horizon:
                return
            del self._seen[key]
            self._done.pop(key, None)
