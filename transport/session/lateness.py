"""How late what a relay sends arrives, from the stamps that it puts into its replies. No clock.

A stamp is the relay's clock in milliseconds when what follows was written; ours differs by an unknown offset. The
passage (our time of arrival minus the stamp) therefore says nothing by itself, but the quickest one of the last minute
was on time: what took longer is late by the difference. Clocks drift apart by some 50 ppm, 3 ms in that minute.
"""

from __future__ import annotations

MEMORY = 60.0  # seconds
_PART = 10.0  # seconds of one part of the memory
_TURN = 1 << 32  # stamps count modulo this


class Lateness:
    """Of one session. `now`: seconds, never going back."""

    __slots__ = ("_base", "_parts")

    def __init__(self) -> None:
        self._base: int | None = None  # the first passage seen: all are told relative to it
        self._parts: list[tuple[int, float]] = []  # (number, quickest passage in it), oldest first

    def add(self, stamp_ms: int, now: float) -> float:
        """Seconds by which what came with this stamp is late; 0 for the quickest of the last minute."""
        passage = self._passage(stamp_ms, now)
        number, parts = int(now / _PART), self._parts
        if not parts or parts[-1][0] != number:
            oldest = number - int(MEMORY / _PART)
            self._parts = parts = [part for part in parts if part[0] > oldest]
            parts.append((number, passage))
        elif passage < parts[-1][1]:
            parts[-1] = (number, passage)
        return (passage - min([part[1] for part in parts])) / 1000.0

    def _passage(self, stamp_ms: int, now: float) -> float:
        """Milliseconds, beyond the first one's."""
        arrived = now * 1000.0
        whole = int(arrived)
        raw = (whole - stamp_ms) % _TURN
        if self._base is None:
            self._base = raw
        relative = (raw - self._base + _TURN // 2) % _TURN - _TURN // 2
        return relative + (arrived - whole)
