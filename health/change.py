"""What the board tells whoever listens: a standing or a suspicion has changed."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["line", "path", "endpoint", "relay", "pool"]


class Change(Struct, frozen=True, gc=False):
    """`before` and `after` are values of `Standing`, or "suspected" and "relieved" for a line that went silent or was
    heard again; a relay also becomes "ready" and "not ready"; for the pool, words of its own."""

    at: float  # monotonic seconds
    kind: Kind
    id: str
    before: str
    after: str
    reason: str
