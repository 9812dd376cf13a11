"""Which requests the local pool answers, and why. Nothing is sticky: every request is judged by itself.

sensitive    only the pool may answer; if it can't, nobody does
requested    the caller said `x-farline-line: local`; the same rule
steered      the steer (a budget's rule) said so; overseas if the pool can't
unreachable  no path overseas is known to work; overseas if the pool can't
too-slow     no path overseas can be as fast as the request needs; overseas if the pool can't
gave-up      the attempts overseas ended without a reply; if the pool can't, their failure is the answer
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from health.standing import Standing
from health.view import HealthView, PathHealth
from transport.failure import Code, Failure, Origin
from transport.path import Path

CANARY_SECONDS = 1.0  # with nothing known to work, one request in so long finds out whether that is still so


class Reason(Enum):
    """Why a request stays local; a label of the metrics."""

    SENSITIVE = "sensitive"
    REQUESTED = "requested"
    STEERED = "steered"
    UNREACHABLE = "unreachable"
    TOO_SLOW = "too-slow"
    GAVE_UP = "gave-up"

    @property
    def is_binding(self) -> bool:
        """Must it stay local, come what may?"""
        return self in (Reason.SENSITIVE, Reason.REQUESTED)


def works(path: Path, view: HealthView) -> bool:
    """Is the path known to work, or not known at all? An ejected one that has answered since then counts: it is the
    least bad."""
    line, endpoint, own = view.way(path), view.endpoint(path.endpoint), view.path(path)
    good = Standing.ADMITTED
    if line.standing is good and endpoint.standing is good and own.standing is good:
        return not (view.is_panic and line.is_suspected)  # all are silent at once
    since = max(subject.since for subject in (line, endpoint, own) if subject.standing is not good)
    return own.rtt is not None and own.rtt.at > since


def is_cut_off(paths: Iterable[Path], view: HealthView) -> bool:
    """Is no path overseas known to work?"""
    return not any(works(path, view) for path in paths)


def is_too_slow(paths: Sequence[Path], view: HealthView, wanted: float | None, round_trip: float | None) -> bool:
    """Is every path known to be too slow: its first byte later than `wanted` seconds, or its round trip longer than
    `round_trip`? None: no such wish. A path of which nothing is known might be fast."""
    for path in paths:
        if not _is_slow(view.path(path), wanted, round_trip):
            return False
    return bool(paths)


def _is_slow(path: PathHealth, wanted: float | None, round_trip: float | None) -> bool:
    rtt = path.rtt.estimate if path.rtt is not None else None
    first_byte = path.first_byte_p50 if path.first_byte_p50 is not None else rtt
    late = wanted is not None and first_byte is not None and first_byte > wanted
    return late or (round_trip is not None and rtt is not None and rtt > round_trip)


def may_stand_in(failure: Failure) -> bool:
    """May the pool answer after the attempts overseas ended like this? Whatever became of the request over there: the
    pool repeats nothing at the provider and nobody is billed again. Not if the client left or its time is over."""
    return failure.origin is not Origin.CLIENT and failure.code not in (Code.CLIENT_GONE, Code.DEADLINE)


@dataclass(slots=True)
class Canary:
    """Lets one request a second try its luck overseas while nothing there is known to work, so that traffic returns
    even if nobody probes. It loses little: its dials are given up quickly, and the pool answers then."""

    _next_at: float = 0.0

    def may_go(self, now: float) -> bool:
        """Counts what it allows. `now`: monotonic seconds."""
        if now < self._next_at:
            return False
        self._next_at = now + CANARY_SECONDS
        return True
