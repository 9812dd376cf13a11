"""Happy Eyeballs version 2 (RFC 8305): in which order, and when, to try a host's addresses.

arrange     families interleaved (§4), cut to what the line's source address can reach
Schedule    staggered starts (§5): the next one begins after a delay, or at once when one fails
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


def is_v6(address: str) -> bool:
    """Is this literal an IPv6 address?"""
    return ":" in address


def arrange(addresses: Iterable[str], source: str | None = None) -> tuple[str, ...]:
    """Attempt order: IPv6 first, then alternating; the resolver's order (RFC 6724) is kept within a family.

    A line with a source address can only reach its own family. Duplicates are dropped.
    """
    unique = dict.fromkeys(addresses)
    six = deque(address for address in unique if is_v6(address))
    four = deque(address for address in unique if not is_v6(address))
    if source is not None:
        return tuple(six if is_v6(source) else four)
    ordered: list[str] = []
    while six or four:
        ordered += [family.popleft() for family in (six, four) if family]
    return tuple(ordered)


class Schedule:
    """When each attempt begins. `stagger` in seconds: RFC 8305 §8 recommends 250 ms."""

    def __init__(self, addresses: Iterable[str], now: float, stagger: float = 0.25) -> None:
        self._waiting = deque(addresses)
        self._due_at = now
        self._stagger = stagger

    def begin(self, now: float) -> str | None:
        """The address to try now, or None if none is due."""
        if not self._waiting or now < self._due_at:
            return None
        self._due_at = now + self._stagger
        return self._waiting.popleft()

    def failed(self, now: float) -> None:
        """An attempt failed: the next one needn't wait."""
        self._due_at = now

    def wait(self, now: float) -> float | None:
        """Seconds until the next attempt is due; None when all have begun."""
        return max(0.0, self._due_at - now) if self._waiting else None
