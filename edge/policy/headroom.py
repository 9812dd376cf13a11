"""How much the node's own credentials may still ask for, by what providers said last (see `ratelimit`).

A reply costs one look at its fields' names; what they say is read when somebody asks for it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from edge.policy.ratelimit import BUCKETS, plain_number, reset_in
from transport.message import Headers

MOST = 200  # endpoints with a model of theirs: names of models come from callers
_SAID = frozenset(remaining for remaining, _, _ in BUCKETS)
_KINDS = ("requests", "tokens", "requests", "tokens", "input-tokens", "output-tokens")  # those of BUCKETS


@dataclass(frozen=True, slots=True)
class Limit:
    """`kind`: requests, tokens, input-tokens or output-tokens. `full_at`: when nothing of it is used any more, seconds
    since the epoch. What the provider didn't say is None."""

    kind: str
    remaining: float
    limit: float | None
    full_at: float | None


@dataclass(frozen=True, slots=True)
class Headroom:
    """What an endpoint said of a model's limits (None: of a request without a model) at `seen`, since the epoch."""

    endpoint: str
    model: str | None
    seen: float
    limits: tuple[Limit, ...]


class Headrooms:
    """The latest word of each (endpoint, model), of those that were heard of latest."""

    __slots__ = ("_heard",)

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str | None], tuple[float, Headers]] = OrderedDict()

    def note(self, endpoint: str, model: str | None, headers: Headers, utc: float) -> bool:
        """A reply's head to a request with the node's own credentials: kept if it says anything of limits. Does it?"""
        if _SAID.isdisjoint([name for name, _ in headers]):
            return False
        key = (endpoint, model)
        self._heard[key] = (utc, headers)
        self._heard.move_to_end(key)
        if len(self._heard) > MOST:
            self._heard.popitem(last=False)
        return True

    def all(self) -> list[Headroom]:
        """Those heard of latest come last."""
        found = [
            Headroom(endpoint, model, seen, limits(headers, seen))
            for (endpoint, model), (seen, headers) in self._heard.items()
        ]
        return [each for each in found if each.limits]


def limits(headers: Headers, utc: float) -> tuple[Limit, ...]:
    """What a reply that came at `utc` says of its limits."""
    fields, found = dict(headers), []
    for kind, (remaining, limit, reset) in zip(_KINDS, BUCKETS, strict=True):
        left = plain_number(fields.get(remaining))
        if left is not None:
            seconds = reset_in(fields.get(reset, b""), utc)
            full_at = None if seconds is None else utc + seconds
            found.append(Limit(kind, left, plain_number(fields.get(limit)), full_at))
    return tuple(found)
