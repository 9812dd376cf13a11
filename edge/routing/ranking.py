"""Why a request went where it went: every path it might have taken, with the terms of its cost."""

from __future__ import annotations

from msgspec import Struct

from transport.path import Path


class Term(Struct, frozen=True, gc=False):
    """One term of a path's cost. `value` in the term's own unit, `cost` what it adds: milliseconds, under the policy
    classic points. A term that only informs adds 0."""

    name: str
    value: float
    unit: str
    cost: float


class Ranked(Struct, frozen=True, gc=False):
    """One path. `cost` None: not judged by cost. `note`: what moved it or kept it out ("draining", "ejected: …")."""

    path: Path
    cost: float | None
    terms: tuple[Term, ...] = ()
    note: str = ""


class Ranking(Struct, frozen=True, gc=False):
    """Best first; `excluded` are paths that might not be used at all."""

    policy: str
    paths: tuple[Ranked, ...]
    excluded: tuple[Ranked, ...] = ()
    decided_at: float = 0.0  # monotonic seconds
    note: str = ""  # "sticky: same conversation", "exploring cmi", "panic: …"
