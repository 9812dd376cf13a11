"""What routing is asked: one request's needs, and the moment in the operators' own time."""

from __future__ import annotations

from msgspec import Struct

from edge.config.model import Provider

SIZES = (0, 64 * 1024, 512 * 1024)  # bytes of prompt that a request of each size counts with
_BOUNDS = (16 * 1024, 256 * 1024)


class Moment(Struct, frozen=True, gc=False):
    """`utc` seconds since the epoch; weekday (Monday is 0) and minute of the day on the node's own clock.

    Made once a second: within it the same object, so that what was derived from it can be kept.
    """

    utc: float = 0.0
    weekday: int = 0
    minute: int = 0


class Ask(Struct, frozen=True):
    """One request as routing sees it. `wanted`: the line that the caller named. `regions` None: anywhere."""

    provider: Provider
    priority: str = "interactive"
    model: str | None = None
    key: str = ""
    prompt_bytes: int = 0
    sticky: bytes | None = None
    wanted: str | None = None
    regions: frozenset[str] | None = None

    @property
    def size(self) -> int:
        """Index into SIZES."""
        small, large = _BOUNDS
        return (self.prompt_bytes >= small) + (self.prompt_bytes >= large)
